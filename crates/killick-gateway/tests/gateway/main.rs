//! The gateway over real sockets: an authority, an upstream that verifies the gateway's signature, a real log.

#[cfg(test)]
mod bundles;
#[cfg(test)]
mod door;
#[cfg(feature = "fault-injection")]
#[cfg(test)]
mod fault;
#[cfg(test)]
mod line;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod sidecar;
#[cfg(test)]
mod support;
