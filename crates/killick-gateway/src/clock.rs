//! The one source of time, and the one source of randomness, of this crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use killick_proof::keys::base64url;
use killick_proof::{Code, Refusal, UnixTime};

use crate::limits::CLOCK_ROLLBACK_SECS;

/// Where the time comes from. Everything in this crate that depends on the time of day asks the one clock that was
/// handed in.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> UnixTime;
}

/// The computer's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        // A clock before 1970 reads as 1970: every token is then issued in the future, and refused.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}

/// A clock that never goes back: a nonce that was forgotten because its time had passed must not become fresh again.
pub(crate) struct Forward {
    clock: Arc<dyn Clock>,
    /// The latest time seen, in microseconds.
    latest: AtomicU64,
}

impl Forward {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, latest: AtomicU64::new(0) }
    }

    /// The time now, or the latest time seen if that is later.
    pub(crate) fn now(&self) -> UnixTime {
        let now = self.clock.now().micros();
        let before = self.latest.fetch_max(now, Ordering::Relaxed);
        UnixTime::from_micros(now.max(before))
    }

    /// The time to decide a request at. Errs with `clock.rollback` once the clock lies far behind what it showed
    /// before: then nobody can say which credentials have expired.
    pub(crate) fn checked_now(&self) -> Result<UnixTime, Refusal> {
        let clock = self.clock.now();
        let before = UnixTime::from_micros(self.latest.fetch_max(clock.micros(), Ordering::Relaxed));
        if before.secs_since(clock) > CLOCK_ROLLBACK_SECS {
            return Err(Refusal::new(
                Code::ClockRollback,
                "the gateway's clock went back; nothing is permitted until it is right",
            ));
        }
        Ok(before.max(clock))
    }
}

/// `N` bytes from the operating system's generator. Errs (`internal.error`) if it fails, which ends the request.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0_u8; N];
    rand::fill(&mut bytes)
        .map_err(|_| Refusal::new(Code::InternalError, "the system gave no random bytes"))?;
    Ok(bytes)
}

/// A nonce of 16 random bytes, base64url.
pub(crate) fn nonce() -> Result<String, Refusal> {
    Ok(base64url(&random::<16>()?))
}

/// A request id: UUIDv7 (RFC 9562 section 5.7) of the injected time.
pub(crate) fn request_id(now: UnixTime) -> Result<String, Refusal> {
    let id = uuid::Builder::from_unix_timestamp_millis(now.micros() / 1_000, &random::<10>()?).into_uuid();
    Ok(id.hyphenated().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn now(&self) -> UnixTime {
            UnixTime::from_secs(self.0.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn a_small_step_back_stands_still_and_a_large_one_refuses() {
        let hand = Arc::new(Hand(AtomicU64::new(1_000)));
        let clock = Forward::new(hand.clone());
        assert_eq!(clock.checked_now().unwrap().secs(), 1_000);
        hand.0.store(970, Ordering::Relaxed);
        assert_eq!(clock.checked_now().unwrap().secs(), 1_000);
        assert_eq!(clock.now().secs(), 1_000);
        hand.0.store(969, Ordering::Relaxed);
        assert_eq!(clock.checked_now().unwrap_err().code(), Code::ClockRollback);
        hand.0.store(1_001, Ordering::Relaxed);
        assert_eq!(clock.checked_now().unwrap().secs(), 1_001);
    }

    #[test]
    fn request_ids_carry_their_time_and_version() {
        let id = request_id(UnixTime::from_secs(1_750_000_000)).unwrap();
        let parsed = uuid::Uuid::parse_str(&id).unwrap();
        assert_eq!(parsed.get_version_num(), 7);
        assert_eq!(parsed.get_timestamp().unwrap().to_unix().0, 1_750_000_000);
        assert_ne!(id, request_id(UnixTime::from_secs(1_750_000_000)).unwrap());
    }
}
