//! The rules of crash safety, each of which a test can break to show that the simulator notices (`sim`). In every build
//! but that of the unit tests they hold, and the compiler leaves nothing of this.

/// One thing that the append path never leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A commit is answered after its journal record's fdatasync.
    JournalBeforeAnswer,
    /// The keys of new subjects are durable before the entry that uses them.
    KeysBeforeJournal,
    /// A tile's bytes are durable before its name is.
    TileBytesBeforeName,
    /// The names of tiles are durable before the checkpoint that needs them.
    TileNamesBeforeCheckpoint,
    /// The checkpoint is replaced after the tiles are written.
    CheckpointLast,
    /// A journal segment is freed once its entries are under a durable checkpoint.
    PublishedBeforeReuse,
    /// A journal record counts if its checksum does.
    RecordChecksum,
    /// A new segment's header and name are durable before records go into it.
    SegmentBeforeRecords,
    /// What a start has read from the journal it makes durable before it signs over it.
    ReplayedBeforeSigned,
    /// The checkpoint that a start has read it makes durable before it frees segments.
    FoundCheckpointDurable,
    /// The names of free segments that a start has found it makes durable before it uses them.
    FoundSparesDurable,
    /// The subjects' keys that a start has read it makes durable before they are used.
    FoundKeysDurable,
    /// A folder that is there already may be there in memory only.
    FoundFolderDurable,
    /// A sync that failed is not tried again.
    SyncErrorIsFinal,
}

/// Whether the rule is kept: always.
#[cfg(not(test))]
pub(crate) const fn holds(_: Rule) -> bool {
    true
}

#[cfg(test)]
pub(crate) use broken::{holds, with_broken};

#[cfg(test)]
mod broken {
    use std::cell::Cell;

    use super::Rule;

    thread_local! {
        static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    pub(crate) fn holds(rule: Rule) -> bool {
        BROKEN.get() != Some(rule)
    }

    /// Runs something in this thread with one rule broken.
    pub(crate) fn with_broken<T>(rule: Rule, run: impl FnOnce() -> T) -> T {
        BROKEN.set(Some(rule));
        let result = run();
        BROKEN.set(None);
        result
    }
}
