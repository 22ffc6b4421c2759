//! The durable log of every decision. Acknowledged means on disk: a pre-written journal, one committer, group commit,
//! tiles written behind it. The only maker of a [`Recorded`].
//!
//! ```text
//! submit ─▶ queue ─▶ committer: subject keys, journal (fdatasync), root, signed head ─▶ Recorded, with its receipt
//!                        └─▶ publisher: entry bundles, tiles, checkpoint ─▶ readers, witnesses, verifiers
//! ```
//!
//! Opening is recovery: the journal is replayed over the tiles, and the log runs only if journal, tiles, checkpoint,
//! origin and key agree. Any failed write or sync stops the log for good ([`Ledger::failed`]); the next start recovers.

mod committer;
mod disk;
mod error;
mod fault;
mod journal;
mod ledger;
pub mod limits;
mod privacy;
mod publish;
mod read;
mod recorded;
mod recover;
mod shared;
#[cfg(test)]
mod sim;
mod storage;
mod witnessed;

pub use disk::LogFolder;
pub use error::LedgerError;
pub use killick_tlog::tile::WITNESSED_PATH;
pub use ledger::{Ledger, LedgerConfig};
pub use recorded::{Recorded, Submitted};
pub use witnessed::{WitnessState, Witnessed, WitnessedHead};
