//! The durable log of every decision. Acknowledged means on disk: a pre-written journal, one committer, group commit,
//! tiles written behind it. The only maker of a [`Recorded`].

mod error;
mod ledger;
mod recorded;

pub use error::LedgerError;
pub use ledger::{Ledger, LedgerConfig};
pub use recorded::{Recorded, Submitted};
