//! How the authority says no, or that something failed.

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is malformed or cannot be fulfilled as it stands.
    Invalid,
    /// It names something that does not exist.
    NotFound,
    /// It contradicts what is already so.
    Conflict,
    /// It is well formed, and not permitted.
    Forbidden,
    /// The authority's own configuration or data folder is wrong.
    Setup,
    /// The disk, the database or the directory log failed; the same request may succeed later.
    Unavailable,
}

/// A stable code, what exactly was wrong, and what mends it; each one sentence, in lower case, no full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}{}", if .mend.is_empty() { String::new() } else { format!("; {}", .mend) })]
pub struct AuthorityError {
    kind: ErrorKind,
    code: &'static str,
    detail: String,
    mend: String,
}

impl AuthorityError {
    pub(crate) fn new(
        kind: ErrorKind,
        code: &'static str,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { kind, code, detail: detail.into(), mend: mend.into() }
    }

    pub(crate) fn invalid(code: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, code, detail, mend)
    }

    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, code, detail, mend)
    }

    pub(crate) fn forbidden(code: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, code, detail, mend)
    }

    pub(crate) fn setup(detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(ErrorKind::Setup, "authority.setup", detail, mend)
    }

    pub(crate) fn unavailable(
        code: &'static str,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self::new(ErrorKind::Unavailable, code, detail, mend)
    }

    /// The writer is gone: the authority was closed or its task failed.
    pub(crate) fn stopped() -> Self {
        Self::unavailable("authority.stopped", "the authority has stopped", "start killick again")
    }

    /// A file operation that failed.
    pub(crate) fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::setup(
            format!("cannot {doing} `{}`: {error}", path.display()),
            "check the folder's owner and space",
        )
    }

    /// Whose it is.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable code, e.g. `identity.reuse`; listed in `docs/reference/admin-api.md`.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What exactly was wrong.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What mends it; empty if nothing does.
    pub fn mend(&self) -> &str {
        &self.mend
    }
}

impl From<killick_proof::Refusal> for AuthorityError {
    fn from(refusal: killick_proof::Refusal) -> Self {
        Self::invalid(refusal.code().as_str(), refusal.detail(), "")
    }
}

impl From<killick_ledger::LedgerError> for AuthorityError {
    fn from(error: killick_ledger::LedgerError) -> Self {
        Self::unavailable(
            "log.unavailable",
            format!("the directory log cannot record: {error}"),
            "mend the disk, then start killick again",
        )
    }
}
