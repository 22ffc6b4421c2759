//! Proof that something is in the log.

use crate::error::LedgerError;

/// An entry that has its place in the next commit. Dropping it does not take it back.
#[must_use = "an entry is durable only once `durable` returns"]
pub struct Submitted<E> {
    entry: E,
}

impl<E> Submitted<E> {
    /// What was submitted.
    pub fn entry(&self) -> &E {
        &self.entry
    }

    /// Returns once the entry is on disk and under a signed head.
    pub async fn durable(self) -> Result<Recorded<E>, LedgerError> {
        todo!()
    }
}

/// An entry that is durable, with its proof. Made by the ledger alone.
#[derive(Debug)]
pub struct Recorded<E> {
    entry: E,
    index: u64,
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
    /// hash. Text.
    pub fn receipt(&self) -> String {
        todo!()
    }
}
