//! The authority through its public API and its real socket. One binary, so that it is linked once.

mod agents;
mod description;
mod durability;
mod revocations;
mod rules;
mod support;
mod tokens;
