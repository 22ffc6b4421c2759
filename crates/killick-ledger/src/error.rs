//! How the ledger fails.

/// Why something could not be recorded or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The queue is full: try again shortly.
    #[error("the log's queue is full")]
    Full,
    /// The log has stopped, because the disk failed or it was closed.
    #[error("the log has stopped: {0}")]
    Stopped(String),
    /// The entry is larger than an entry may be.
    #[error("the entry has {0} bytes, at most 65535 are possible")]
    TooLarge(usize),
    /// There is no such entry.
    #[error("the log has no entry {0}")]
    NoEntry(u64),
    /// The log keeps keys for as many agents and people as it may.
    #[error("the log keeps keys for {0} agents and people already; erase some")]
    TooManySubjects(usize),
    /// The log on disk is damaged or is not this log.
    #[error("the log in {path} cannot be used: {problem}")]
    Damaged {
        /// The file or folder.
        path: String,
        /// What is wrong and what mends it.
        problem: String,
    },
    /// A witness has seen what the log does not hold: it was set back to an older state, or somebody else writes it too.
    #[error("the log `{origin}` is behind its witnesses: {problem}")]
    BehindWitness {
        /// The log's origin.
        origin: String,
        /// Which witness has seen what.
        problem: String,
    },
    /// An operation on the disk failed.
    #[error("{action} {path}: {source}{}", mend(source))]
    Io {
        /// What was being done, e.g. `cannot write`.
        action: &'static str,
        /// The file or folder.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl LedgerError {
    /// Whether the same call may succeed shortly.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Full)
    }

    pub(crate) fn io(action: &'static str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.display().to_string(), source }
    }

    pub(crate) fn damaged(path: &std::path::Path, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.display().to_string(), problem: problem.into() }
    }
}

/// What to do about it, where that can be told; starts with a semicolon.
fn mend(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::PermissionDenied => "; give it to the user that killick runs as",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; make room on the disk, then start again",
        ErrorKind::ReadOnlyFilesystem => "; make the disk writable, then start again",
        ErrorKind::InvalidInput
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory
        | ErrorKind::InvalidData => "; move it away and put back what a backup has in its place",
        // `ErrorKind` has no stable name for a loop of links.
        _ if source.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => {
            "; remove the link and put back what a backup has in its place"
        }
        _ => "",
    }
}
