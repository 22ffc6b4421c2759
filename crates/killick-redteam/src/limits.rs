//! Every bound of the red team, with its reason.

use std::time::Duration;

/// How long one request may take before the run counts it as failed: far above any latency that is claimed.
pub const REPLY_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of a response's head.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a response's body: a whole receipt book of a pilot is below 16 MiB.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What is promised between the acceptance of a revocation and its effect; attacks after a revocation wait this long.
pub const REVOCATION_PROMISE: Duration = Duration::from_millis(250);
/// How long a revocation is waited for before it counts as never effective.
pub const REVOCATION_TIME_MAX: Duration = Duration::from_secs(5);
/// Revocations that a p99 must rest on (`redteam/PROTOCOL.md`, section 3).
pub const REVOCATIONS_MIN: usize = 200;
/// Draws of a bootstrap (`redteam/PROTOCOL.md`, section 3).
pub const BOOTSTRAP_DRAWS: usize = 10_000;
/// Distinct attacks that a claim of ASR < 5 % needs at least, all stopped (Wilson, 95 %).
pub const ATTACKS_MIN: usize = 73;
/// Revocations that never take effect before the measurement is given up: each costs [`REVOCATION_TIME_MAX`].
pub const NEVER_EFFECTIVE_MAX: usize = 2;
/// How long a new agent may take to be known at the gateway before the run counts as failed.
pub const ONBOARDING_TIME_MAX: Duration = Duration::from_secs(3);
