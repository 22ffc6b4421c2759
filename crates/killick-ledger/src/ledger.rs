//! The ledger: open it, submit to it, read it, close it.

use std::path::{Path, PathBuf};

use killick_tlog::Entry;

use crate::error::LedgerError;
use crate::recorded::Submitted;

/// Where a log lives and who signs for it.
#[derive(Debug)]
pub struct LedgerConfig {
    /// The public tiled directory: `checkpoint`, `tile/…`. Created if absent.
    pub log_dir: PathBuf,
    /// Journal, lock and subject keys: private, beside the log, not in it. Created if absent, mode 0700.
    pub state_dir: PathBuf,
    /// The checkpoint origin and key name, e.g. `acme.example/killick/gw-1`.
    pub origin: String,
    /// The log's Ed25519 seed.
    pub seed: [u8; 32],
    /// Named in every entry, e.g. `killick 0.1.0`.
    pub build: String,
}

/// A log. Clones share it.
#[derive(Clone)]
pub struct Ledger {}

impl Ledger {
    /// Opens or creates the log: takes the lock, replays the journal, compares it with the tiles and the checkpoint.
    /// Refuses to run on a damaged log rather than overwrite it.
    pub async fn open(config: LedgerConfig) -> Result<Self, LedgerError> {
        let _ = config;
        todo!()
    }

    /// Takes a place in the next commit. Errs at once if the queue is full or the log has stopped.
    pub fn submit<E: Entry>(&self, entry: E) -> Result<Submitted<E>, LedgerError> {
        let _ = entry;
        todo!()
    }

    /// Writes out everything acknowledged as tiles and a signed checkpoint. Happens by itself within 200 ms too.
    pub async fn publish(&self) -> Result<(), LedgerError> {
        todo!()
    }

    /// Publishes, closes files, releases the lock. Later submissions err.
    pub async fn close(&self) -> Result<(), LedgerError> {
        todo!()
    }

    /// Number of entries acknowledged.
    pub fn size(&self) -> u64 {
        todo!()
    }

    /// The log's verifier key (C2SP signed-note vkey).
    pub fn vkey(&self) -> String {
        todo!()
    }

    /// The checkpoint's origin.
    pub fn origin(&self) -> &str {
        todo!()
    }

    /// The public directory.
    pub fn log_dir(&self) -> &Path {
        todo!()
    }

    /// The bytes of entries `from..to`, at most 1,024 of them; shorter at the end of the log.
    pub async fn read(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, LedgerError> {
        let _ = (from, to);
        todo!()
    }

    /// The receipt (C2SP tlog-proof) of an entry to the newest head.
    pub async fn receipt(&self, index: u64) -> Result<String, LedgerError> {
        let _ = index;
        todo!()
    }
}
