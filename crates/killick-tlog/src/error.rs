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
    /// An entry speaks of an earlier time than an entry above it, beyond what entries in flight and clocks explain.
    #[error("time goes backwards: entry {index} is dated {back_secs} s before an entry above it")]
    Time {
        /// The entry.
        index: u64,
        /// Seconds that it goes back.
        back_secs: u64,
    },
    /// No trusted witness has cosigned, and some have to.
    #[error(
        "the checkpoint is not witnessed: nobody has cosigned it, {required} distinct operators are required"
    )]
    NotWitnessed {
        /// Distinct operators that have to cosign.
        required: usize,
    },
    /// Fewer witnesses have cosigned than have to.
    #[error(
        "cosignatures are missing: {found} distinct operators have cosigned, {required} are required; missing: {}",
        list(missing)
    )]
    CosignatureMissing {
        /// Distinct operators that have to cosign.
        required: usize,
        /// Distinct operators that have.
        found: usize,
        /// Trusted operators that have not.
        missing: Vec<String>,
    },
    /// A receipt that the log has signed, and the log itself, exclude each other.
    #[error("the log has signed two histories: the receipt of entry {index} is not of this log: {problem}")]
    Equivocation {
        /// The receipt's index.
        index: u64,
        /// What does not fit.
        problem: String,
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
            Self::Time { .. } => "log.time",
            Self::NotWitnessed { .. } => "log.not_witnessed",
            Self::CosignatureMissing { .. } => "log.cosignature_missing",
            Self::Equivocation { .. } => "log.equivocation",
            Self::Read { .. } => "log.read",
        }
    }

    /// What is wrong, as a class: what `killick log verify` and `tools/verify_log.py` exit with
    /// (`docs/reference/exit-codes.md`). 5 for whatever keeps the log from being checked at all.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Signature { .. } | Self::Cosignature(_) => 51,
            Self::Fork(_) | Self::Consistency { .. } => 52,
            Self::Truncated { .. } => 53,
            Self::Order(_) => 54,
            Self::Missing(_) => 55,
            Self::Inclusion(_) | Self::Root { .. } => 56,
            Self::NotWitnessed { .. } => 57,
            Self::CosignatureMissing { .. } => 58,
            Self::Time { .. } => 59,
            Self::Equivocation { .. } => 60,
            Self::Tile(_) => 61,
            Self::Origin { .. } => 62,
            Self::Format { .. } | Self::Key(_) | Self::Read { .. } => 5,
        }
    }

    pub(crate) fn format(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Format { what: what.into(), problem: problem.into() }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nobody that is known".to_owned() } else { names.join(", ") }
}
