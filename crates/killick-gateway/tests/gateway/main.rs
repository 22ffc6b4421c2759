//! The gateway over real sockets: an authority, an upstream that verifies the gateway's signature, a real log.

mod bundles;
mod door;
#[cfg(feature = "fault-injection")]
mod fault;
mod line;
mod recorded;
mod sidecar;
mod support;
