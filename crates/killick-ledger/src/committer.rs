//! The committer: the one thread that decides the order of entries and makes them durable. Whatever waits while one
//! `fdatasync` runs is the next commit.

use std::sync::Arc;

use killick_tlog::checkpoint::Checkpoint;
use killick_tlog::note::SignerKey;
use killick_tlog::tree::{Growth, RightEdge};

use crate::error::LedgerError;
use crate::fault::{Rule, holds};
use crate::journal::Journal;
use crate::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, UNPUBLISHED_BYTES_MAX};
use crate::recorded::Commit;
use crate::shared::{Acknowledged, Pending, Published, Shared};

pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) journal: Journal,
    pub(crate) key: SignerKey,
    pub(crate) edge: RightEdge,
}

impl Committer {
    /// Runs until the ledger is closed or fails.
    pub(crate) fn run(mut self) {
        let _stop = StopOnPanic(Arc::clone(&self.shared), "the committer");
        while let Some(batch) = self.shared.next_batch(BATCH_ENTRIES_MAX, BATCH_BYTES_MAX) {
            self.step(batch);
        }
        self.shared.finish_handoff();
    }

    /// Commits a batch and answers those who wait for it, or stops the ledger.
    pub(crate) fn step(&mut self, batch: Vec<Pending>) {
        let first = self.edge.size();
        match self.commit(&batch) {
            Ok(commit) => answer(first, batch, &commit),
            // Before the batch is dropped: its waiters look for the reason.
            Err(error) => self.shared.fail(&error.to_string()),
        }
    }

    /// INVARIANT: no waiter is answered before its entry, and the keys of whom it is about, are durable. A failed write
    /// or sync is never tried again: what the disk holds is unknown until the journal is read anew.
    fn commit(&mut self, batch: &[Pending]) -> Result<Arc<Commit>, LedgerError> {
        let first = self.edge.size();
        if holds(Rule::KeysBeforeJournal) {
            self.shared.subjects.flush()?;
        }
        self.journal.append(first, batch.iter().map(|pending| &*pending.entry))?;

        let leaves: Vec<_> = batch.iter().map(|pending| pending.leaf).collect();
        let growth = Growth::new(&self.edge, &leaves);
        self.edge = growth.edge().clone();
        let head = Checkpoint::new(self.shared.origin.clone(), self.edge.size(), self.edge.root());
        let checkpoint: Arc<str> = head.sign(&self.key).into();
        let commit = Arc::new(Commit { growth, checkpoint: Arc::clone(&checkpoint) });

        let entries = batch.iter().map(|pending| (Arc::clone(&pending.entry), pending.leaf)).collect();
        self.shared.hand_over(Published { size: head.size, checkpoint }, entries, UNPUBLISHED_BYTES_MAX);
        Ok(commit)
    }
}

fn answer(first: u64, batch: Vec<Pending>, commit: &Arc<Commit>) {
    for (index, pending) in (first..).zip(batch) {
        // A caller that no longer waits has lost nothing: its entry stays.
        let _ = pending.waiter.send(Acknowledged { index, commit: Arc::clone(commit) });
    }
}

/// Stops the ledger if its thread panics, so that nobody waits for ever.
pub(crate) struct StopOnPanic(pub(crate) Arc<Shared>, pub(crate) &'static str);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(&format!("{} has panicked", self.1));
        }
    }
}
