//! The ledger, as a gateway uses it.

use std::path::Path;

use killick_ledger::{Ledger, LedgerConfig};
use killick_tlog::{Entry, Seal};

use crate::load::Peer;

/// An open log.
#[derive(Clone)]
pub struct Killick(pub Ledger);

/// Bytes made beforehand: the bench is of the ledger, not of who makes entries.
struct Raw(Vec<u8>);

impl Entry for Raw {
    fn encode(&self, _: &dyn Seal, _: &str) -> Vec<u8> {
        self.0.clone()
    }
}

/// Opens the log in a folder, or makes it.
pub async fn open(folder: &Path) -> Ledger {
    let config = LedgerConfig {
        log_dir: folder.join("log"),
        state_dir: folder.join("log-state"),
        origin: "bench.example/log".to_owned(),
        seed: [7; 32],
        build: "bench".to_owned(),
    };
    Ledger::open(config).await.unwrap()
}

impl Peer for Killick {
    async fn append(&self, _: usize, entry: Vec<u8>) {
        self.0.submit(Raw(entry)).unwrap().durable().await.unwrap();
    }
}
