//! Times as tokens write them: a NumericDate may have a fraction (RFC 7519 section 2), and is compared exactly.

use crate::json::Number;
use crate::time::UnixTime;

/// Seconds since the epoch with their exact fraction. Beyond `u64::MAX` whole seconds it saturates: that is later than
/// any clock, and no comparison with a clock tells two such times apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NumericDate {
    // The order of the members is the order of the times.
    whole: u64,
    fraction: Number,
}

impl NumericDate {
    /// The time that a claim states; `None` if it is before the epoch.
    pub(crate) fn read(claim: Number) -> Option<Self> {
        let (whole, fraction) = claim.split_at_point()?;
        Some(Self { whole, fraction })
    }

    /// A time in whole seconds.
    pub(crate) fn from_secs(whole: u64) -> Self {
        Self { whole, fraction: Number::from_u64(0) }
    }

    /// A clock's time.
    pub(crate) fn of(time: UnixTime) -> Self {
        let micros = format!("0.{:06}", time.micros() % 1_000_000);
        Self { whole: time.secs(), fraction: Number::parse(&micros).unwrap_or_else(|| Number::from_u64(0)) }
    }

    /// So many seconds later.
    pub(crate) fn plus_secs(&self, secs: u64) -> Self {
        Self { whole: self.whole.saturating_add(secs), fraction: self.fraction.clone() }
    }

    /// Whole seconds, rounded down: for an `exp`, which then is no later.
    pub(crate) const fn floor(&self) -> u64 {
        self.whole
    }

    /// Whole seconds, rounded up: for an `iat`, which then is no earlier.
    pub(crate) fn ceil(&self) -> u64 {
        let has_fraction = self.fraction > Number::from_u64(0);
        self.whole.saturating_add(u64::from(has_fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Option<NumericDate> {
        NumericDate::read(Number::parse(text)?)
    }

    #[test]
    fn fractions_are_exact_and_rounded_inward() {
        let time = date("1790000000.0000000000000000001").unwrap();
        assert!(time > NumericDate::from_secs(1_790_000_000));
        assert_eq!((time.floor(), time.ceil()), (1_790_000_000, 1_790_000_001));
        assert_eq!(date("1.79e9"), Some(NumericDate::from_secs(1_790_000_000)));
        assert_eq!(date("1.5").unwrap().plus_secs(2), date("3.5").unwrap());
        assert_eq!(NumericDate::of(UnixTime::from_micros(1_500_000)), date("1.5").unwrap());
        assert_eq!(date("0.5").unwrap().ceil(), 1);
        assert_eq!(date("1e-900000000").unwrap().ceil(), 1, "no zero is written out");
        assert_eq!(date("1e900000000").unwrap().floor(), u64::MAX);
        assert_eq!(date("-0"), Some(NumericDate::from_secs(0)));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["-1", "-0.5", "-1e-9"] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
