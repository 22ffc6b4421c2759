//! The authority through its public API and its real socket. One binary, so that it is linked once.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which may stop")]

mod agents;
mod capabilities;
mod description;
mod durability;
mod erasure;
mod revocations;
mod rules;
mod support;
mod tokens;
