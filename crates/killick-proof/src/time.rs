//! Time, as a value that callers hand in.

use serde::{Deserialize, Serialize};

/// Microseconds since the Unix epoch (UTC, no leap seconds). Every function of this crate that depends on time takes
/// one; none reads a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(u64);

impl UnixTime {
    /// From whole microseconds since the epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// From whole seconds since the epoch; saturates.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: the `NumericDate` of RFC 7519 section 2.
    pub const fn secs(self) -> u64 {
        self.0 / 1_000_000
    }

    /// This time plus `secs` seconds; saturates.
    pub const fn plus_secs(self, secs: u64) -> Self {
        Self(self.0.saturating_add(secs.saturating_mul(1_000_000)))
    }

    /// Seconds from `earlier` to `self`, rounded down; zero if `earlier` is later.
    pub const fn secs_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_and_rounds_down() {
        let time = UnixTime::from_micros(1_999_999);
        assert_eq!(time.secs(), 1);
        assert_eq!(time.plus_secs(2).micros(), 3_999_999);
        assert_eq!(UnixTime::from_secs(u64::MAX).micros(), u64::MAX);
        assert_eq!(time.plus_secs(u64::MAX).micros(), u64::MAX);
        assert_eq!(time.secs_since(UnixTime::from_secs(5)), 0);
        assert_eq!(UnixTime::from_secs(5).secs_since(time), 3);
    }
}
