//! The mathematics of killick's log: RFC 6962 trees in C2SP tiles, checkpoints, cosignatures, proofs, and their offline
//! verification. No I/O: readers are handed in.

pub mod entry;

pub use entry::{Entry, Seal};
