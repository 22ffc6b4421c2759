//! Why a log, a checkpoint, a proof or a receipt does not verify. Each reason has a stable dotted code.

/// Why something does not verify. The sentence says what is wrong and where; [`LogError::code`] is stable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Bytes that are not what their place calls for: a note, a checkpoint, a tile, a key, a receipt.
    #[error("{what} is malformed: {problem}")]
    Format {
        /// The file or the thing, e.g. `checkpoint`.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No usable verifier key: none was given, and the log does not name one.
    #[error("there is no key to check the log with: {0}")]
    Key(String),
    /// No good signature by the log's key.
    #[error("the signature of `{signer}` on the checkpoint is {problem}")]
    Signature {
        /// The key's name.
        signer: String,
        /// `missing` or `wrong`.
        problem: &'static str,
    },
    /// A known witness's cosignature does not verify.
    #[error("the cosignature of `{0}` is wrong")]
    Cosignature(String),
    /// The checkpoint is another log's.
    #[error("the checkpoint is of `{found}`, expected `{expected}`")]
    Origin {
        /// The origin that is trusted.
        expected: String,
        /// The origin that was found.
        found: String,
    },
    /// A file that the checkpoint calls for is not there.
    #[error("`{0}` is missing")]
    Missing(String),
    /// A file is shorter than its place in the tree, or the log is smaller than it has been.
    #[error("`{what}` is cut off: {problem}")]
    Truncated {
        /// The file, or `checkpoint`.
        what: String,
        /// Expected and found.
        problem: String,
    },
    /// A tile does not hold what the entries and the checkpoint say.
    #[error("the tile `{0}` was changed: it does not match the entries, which match the checkpoint")]
    Tile(String),
    /// An entry is not the one that the tree includes at this index.
    #[error("entry {0} was changed, dropped or put in: it is not what the log includes at this index")]
    Inclusion(u64),
    /// The entries of a bundle are those of the tree, in another order.
    #[error("the entries from {0} on were put in another order")]
    Order(u64),
    /// The entries and tiles do not add up to the checkpoint's root.
    #[error("the entries and tiles add up to another root than the checkpoint of size {size} states")]
    Root {
        /// The checkpoint's size.
        size: u64,
    },
    /// Two signed heads of one size have different roots.
    #[error("the log was forked: two signed checkpoints of size {0} have different roots")]
    Fork(u64),
    /// A signed head does not extend an older one.
    #[error("history was rewritten: the checkpoint of size {new} does not extend the one of size {old}")]
    Consistency {
        /// The older size.
        old: u64,
        /// The newer size.
        new: u64,
    },
    /// The reader failed.
    #[error("cannot read `{path}`: {problem}")]
    Read {
        /// The file.
        path: String,
        /// The reader's own words.
        problem: String,
    },
}

impl LogError {
    /// The stable code, e.g. `log.root` (the vocabulary of `redteam/catalogue.yaml`, family LOG).
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Format { .. } => "log.format",
            Self::Key(_) => "log.key",
            Self::Signature { .. } => "log.signature",
            Self::Cosignature(_) => "log.cosignature",
            Self::Origin { .. } => "log.origin",
            Self::Missing(_) => "log.missing",
            Self::Truncated { .. } => "log.truncated",
            Self::Tile(_) => "log.tile",
            Self::Inclusion(_) => "log.inclusion",
            Self::Order(_) => "log.order",
            Self::Root { .. } => "log.root",
            Self::Fork(_) => "log.fork",
            Self::Consistency { .. } => "log.consistency",
            Self::Read { .. } => "log.read",
        }
    }

    pub(crate) fn format(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Format { what: what.into(), problem: problem.into() }
    }
}
