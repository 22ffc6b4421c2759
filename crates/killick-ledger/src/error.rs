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
    /// The log on disk is damaged or is not this log.
    #[error("the log in {path} cannot be used: {problem}")]
    Damaged {
        /// The file or folder.
        path: String,
        /// What is wrong and what mends it.
        problem: String,
    },
    /// An operation on the disk failed.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was being done, e.g. `cannot write`.
        action: &'static str,
        /// The file or folder.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}
