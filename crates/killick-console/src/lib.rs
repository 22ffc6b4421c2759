//! What the log says, as pages and as JSON: the fleet, every decision, one decision's whole story. Read-only, for this
//! machine's browser: it sets nothing, keeps no session, and loads nothing from elsewhere.
//!
//! The index behind it is a cache of the ledger's newest entries, rebuilt at every start and never trusted: the page of
//! a decision shows the entry's own bytes and its receipt.

mod api;
mod console;
pub mod drawing;
mod explain;
mod fleet;
mod guard;
mod index;
pub mod limits;
mod pages;
mod verification;

pub use console::{Console, ConsoleConfig};
pub use fleet::{AgentInfo, Fleet, FleetSource, ModelInfo, TokenInfo, fleet_source};
pub use pages::is_hidden;
