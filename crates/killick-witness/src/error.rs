//! How a witness fails to start, or stops.

use std::path::Path;

/// Why a witness cannot run, or runs no longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// Its folder is damaged, set back, or not one.
    #[error("{path}: {problem}")]
    Damaged {
        /// The file or folder.
        path: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        mend: &'static str,
    },
    /// What it was given cannot be used.
    #[error("{0}")]
    Config(String),
    /// An operation on disk or network failed.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was being done, e.g. `cannot write`.
        action: &'static str,
        /// The file, folder or address.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl WitnessError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => "witness.state",
            Self::Config(_) => "witness.config",
            Self::Io { .. } => "witness.io",
        }
    }

    /// What to do about it; empty where the sentence says it.
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Damaged { mend, .. } => mend,
            Self::Config(_) => "",
            Self::Io { .. } => {
                "repair the disk or the path, then start again: what it has signed is on the disk"
            }
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.display().to_string(), source }
    }

    pub(crate) fn damaged(path: &Path, problem: impl Into<String>, mend: &'static str) -> Self {
        Self::Damaged { path: path.display().to_string(), problem: problem.into(), mend }
    }
}
