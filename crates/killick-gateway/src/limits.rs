//! Every bound of this crate, with its reason.

use std::time::Duration;

/// Time that a connection may take to send a request head, the wait for its first byte included: a slow sender must
/// not hold a connection for long, and an agent's client simply opens another.
pub const HEAD_READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Time that a request body may take: 1 MiB over a slow link.
pub const BODY_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that hyper may hold for one request head. Above the bounds of [`killick_proof::limits`], so that a head that
/// breaks those is answered with a reason; what breaks this one is cut off.
pub const HEAD_BUFFER_BYTES_MAX: usize = 131_072;
/// Header fields that hyper reads before it gives up; above [`killick_proof::limits::HEADERS_MAX`] for the same reason.
pub const HEAD_FIELDS_MAX: usize = 128;
/// Connections at once: eight times the 500 concurrent agents that one gateway is made for.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Requests at once: each holds at most a body of 1 MiB.
pub const IN_FLIGHT_MAX: usize = 2_048;
/// Time to connect to an upstream.
pub const UPSTREAM_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Time from the first byte sent to an upstream to the last byte of its answer.
pub const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an upstream's answer, which is read whole so that its digest can be recorded (16 MiB).
pub const UPSTREAM_BODY_BYTES_MAX: usize = 16_777_216;
/// Idle connections kept for each upstream.
pub const UPSTREAM_IDLE_MAX: usize = 256;
/// Time that an idle connection is kept: below the 15 s after which a gateway closes one.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that a shutdown waits for requests under way.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(35);
/// Refusals of one code from one source in one minute that are entries of their own.
pub const REFUSALS_RECORDED_MAX: u32 = 16;
/// Refusals of all strangers in one minute that are entries of their own: many sources together must not fill the log
/// either.
pub const REFUSALS_RECORDED_TOTAL_MAX: u32 = 1_024;
/// Pairs of code and source that are counted apart in one minute; further ones are counted by their code.
pub const REFUSAL_SOURCES_MAX: usize = 4_096;
/// Chains kept for `AAT-Hash`.
pub const CHAINS_MAX: usize = 4_096;
/// Bytes of all chains kept (64 MiB).
pub const CHAINS_BYTES_MAX: usize = 67_108_864;
/// Chains kept that come from one root token: one agent must not crowd out the others.
pub const CHAINS_PER_ROOT_MAX: usize = 32;
/// Chains of one generation that are held verified: with both generations twice the 500 agents of one gateway, each with
/// a chain of at most 12 KiB, read.
pub const HELD_PER_GENERATION_MAX: usize = 512;
/// Different chains of one root token that are kept as evidence: far above what a task's agents delegate within the
/// token's lifetime; each costs one commit of the disk.
pub const EVIDENCE_PER_ROOT_MAX: u32 = 4_096;
/// Age of the bundle, in seconds, up to which reads are decided on it.
pub const STALE_READ_SECS: u64 = 72 * 3_600;
/// Age of the bundle, in seconds, up to which writes are decided on it.
pub const STALE_WRITE_SECS: u64 = 3_600;
/// Age of the bundle, in seconds, up to which critical operations are decided on it.
pub const STALE_CRITICAL_SECS: u64 = 300;
/// Seconds that the clock may go back before requests are refused. Within them, time stands still for us.
pub const CLOCK_ROLLBACK_SECS: u64 = 30;
/// Seconds that a signature of the sidecar is good for.
pub const SIDECAR_SIGNATURE_SECS: u64 = 30;
/// Time that the sidecar waits for the gateway: longer than the gateway waits for an upstream.
pub const SIDECAR_TIMEOUT: Duration = Duration::from_secs(45);
/// Connections of one sidecar at once: one agent's.
pub const SIDECAR_CONNECTIONS_MAX: usize = 256;

/// The bounds that an operator, or a test, may set. [`Limits::default`] holds the constants of this file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`HEAD_READ_TIMEOUT`].
    pub head_read_timeout: Duration,
    /// See [`BODY_READ_TIMEOUT`].
    pub body_read_timeout: Duration,
    /// See [`CONNECTIONS_MAX`].
    pub connections_max: usize,
    /// See [`IN_FLIGHT_MAX`].
    pub in_flight_max: usize,
    /// See [`UPSTREAM_CONNECT_TIMEOUT`].
    pub upstream_connect_timeout: Duration,
    /// See [`UPSTREAM_TIMEOUT`].
    pub upstream_timeout: Duration,
    /// See [`UPSTREAM_BODY_BYTES_MAX`].
    pub upstream_body_bytes_max: usize,
    /// See [`DRAIN_TIMEOUT`].
    pub drain_timeout: Duration,
    /// See [`REFUSALS_RECORDED_MAX`].
    pub refusals_recorded_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_read_timeout: HEAD_READ_TIMEOUT,
            body_read_timeout: BODY_READ_TIMEOUT,
            connections_max: CONNECTIONS_MAX,
            in_flight_max: IN_FLIGHT_MAX,
            upstream_connect_timeout: UPSTREAM_CONNECT_TIMEOUT,
            upstream_timeout: UPSTREAM_TIMEOUT,
            upstream_body_bytes_max: UPSTREAM_BODY_BYTES_MAX,
            drain_timeout: DRAIN_TIMEOUT,
            refusals_recorded_max: REFUSALS_RECORDED_MAX,
        }
    }
}
