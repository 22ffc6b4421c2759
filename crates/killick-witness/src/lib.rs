//! A witness (C2SP tlog-witness): it cosigns the heads of logs, and never two of one log that do not fit together. And
//! the client that asks several of them at once.
//!
//! ```text
//! log ── add-checkpoint ─▶ Server: decide, state (fsync), cosignature ─▶ log
//! log: Panel ── one question to each witness ─▶ Tally: distinct operators ─▶ quorum
//! ```
//!
//! The judgement is [`killick_tlog::witness::decide`]; here are its sockets and its disk. What leaves is on the disk
//! first: a witness that is killed at any moment has forgotten nothing that it signed.

mod client;
mod error;
mod files;
mod key;
pub mod limits;
mod panel;
mod server;
mod store;

pub use client::{Client, ClientError, Reply, WitnessUrl};
pub use error::WitnessError;
pub use key::WitnessKey;
pub use panel::{Answer, Answered, Head, Member, Panel, PanelError, Proofs, Tally};
pub use server::Server;
pub use store::{KnownLog, Store, init};
