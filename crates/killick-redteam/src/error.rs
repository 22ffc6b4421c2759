//! What can go wrong in a run, apart from an attack that succeeds.

/// The run could not be carried out as planned.
#[derive(Debug, thiserror::Error)]
pub enum RedteamError {
    /// A connection failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A peer answered with what is not understood.
    #[error("{0}")]
    Reply(String),
    /// It took too long.
    #[error("no reply within {0} s")]
    Time(u64),
    /// The operator could not do what was asked.
    #[error("the operator: {0}")]
    Operator(String),
    /// A credential could not be taken apart or put together.
    #[error("a forgery could not be made: {0}")]
    Forge(String),
    /// The run lacks something that it needs.
    #[error("the run lacks {0}")]
    Missing(String),
}

impl RedteamError {
    pub(crate) fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }
}

impl From<killick_proof::Refusal> for RedteamError {
    fn from(refusal: killick_proof::Refusal) -> Self {
        Self::Forge(refusal.to_string())
    }
}
