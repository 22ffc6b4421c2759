//! Proof that something is in the log.

use std::sync::Arc;

use killick_tlog::receipt::format_receipt;
use killick_tlog::tree::{Growth, HashReader as _};
use tokio::sync::oneshot;

use crate::error::LedgerError;
use crate::shared::{Acknowledged, Shared};

/// An entry that has its place in the next commit. Dropping it does not take it back.
#[must_use = "an entry is durable only once `durable` returns"]
pub struct Submitted<E> {
    pub(crate) entry: E,
    pub(crate) answer: oneshot::Receiver<Acknowledged>,
    pub(crate) shared: Arc<Shared>,
}

impl<E> Submitted<E> {
    /// What was submitted.
    pub fn entry(&self) -> &E {
        &self.entry
    }

    /// Returns once the entry is on disk and under a signed head. Errs with [`LedgerError::Stopped`] if the log stopped
    /// first; the entry may then be in the log, or not.
    pub async fn durable(self) -> Result<Recorded<E>, LedgerError> {
        match self.answer.await {
            Ok(Acknowledged { index, commit }) => Ok(Recorded { entry: self.entry, index, commit }),
            Err(_) => Err(self.shared.stopped()),
        }
    }
}

/// One commit: the hashes that prove its entries, and the signed head over them.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) growth: Growth,
    pub(crate) checkpoint: Arc<str>,
}

/// An entry that is durable, with its proof. Made by the ledger alone.
#[derive(Debug)]
pub struct Recorded<E> {
    entry: E,
    index: u64,
    commit: Arc<Commit>,
}

impl<E> Recorded<E> {
    /// What was recorded.
    pub fn entry(&self) -> &E {
        &self.entry
    }

    /// What was recorded, by value; the proof is given up.
    pub fn into_entry(self) -> E {
        self.entry
    }

    /// Its index in the log.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The receipt: a C2SP tlog-proof (inclusion proof to a signed head), whose `extra` line holds the entry's bytes'
    /// hash. Text, at most 4 KiB (`docs/spec/receipt.md`).
    pub fn receipt(&self) -> String {
        let growth = &self.commit.growth;
        // INVARIANT: an acknowledged index is one of its commit's, so both are there. An empty text verifies as nothing.
        match (growth.node(0, self.index), growth.inclusion(self.index)) {
            (Ok(leaf), Ok(proof)) => format_receipt(&leaf, self.index, &proof, &self.commit.checkpoint),
            _ => String::new(),
        }
    }
}
