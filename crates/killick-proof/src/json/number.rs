//! Exact decimal numbers: money does not pass through a float.

use std::cmp::Ordering;
use std::fmt;

use smol_str::SmolStr;

use crate::limits::JSON_NUMBER_CHARS_MAX;

/// Powers of ten beyond which a number is refused. Nothing here ever writes the zeros out, so that the bound is about
/// what the next reader makes of it, not about our memory.
const EXPONENT_MAX: i64 = 1_000_000_000;
/// Integers up to this many digits are written without an exponent, as ECMAScript does (RFC 8785 section 3.2.2.3).
const PLAIN_DIGITS_MAX: i64 = 21;
/// Fractions with up to this many zeros after the point are written without an exponent, as ECMAScript does.
const PLAIN_ZEROS_MAX: i64 = 6;

/// An exact decimal number: `1e3`, `1000.0` and `1000` are equal, `2^53 + 1` is not rounded. Ordered by value.
/// `-0` is `0`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Number {
    // INVARIANT: the value is 0.DIGITS times ten to the `point`; DIGITS neither begins nor ends with `0`; zero has no
    // digits, point 0 and is not negative. So one value has one representation, and `Eq` and `Hash` are by value.
    negative: bool,
    // Up to 23 of them are kept in place: a token's numbers take no allocation.
    digits: SmolStr,
    point: i64,
}

impl Number {
    /// From an integer.
    pub fn from_i64(value: i64) -> Self {
        Self::normal(value < 0, &value.unsigned_abs().to_string(), 0)
    }

    /// From a non-negative integer.
    pub fn from_u64(value: u64) -> Self {
        if value == 0 {
            return Self { negative: false, digits: SmolStr::default(), point: 0 };
        }
        Self::normal(false, &value.to_string(), 0)
    }

    /// The value, if it is an integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        let magnitude = i128::from(self.integer()?);
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }

    /// The value, if it is a non-negative integer that fits.
    pub fn as_u64(&self) -> Option<u64> {
        if self.negative { None } else { self.integer() }
    }

    /// Whether the value has no fraction, however it was written.
    pub fn is_integer(&self) -> bool {
        i64::try_from(self.digits.len()).is_ok_and(|count| count <= self.point)
    }

    /// A number that is not negative, as its whole part and the exact rest below one; a whole part beyond `u64`
    /// saturates. `None` for a negative number.
    pub(crate) fn split_at_point(&self) -> Option<(u64, Self)> {
        if self.negative {
            return None;
        }
        let Ok(whole_digits @ 1..) = usize::try_from(self.point) else { return Some((0, self.clone())) };
        let (whole, rest) = self.digits.split_at(whole_digits.min(self.digits.len()));
        let whole = Self { negative: false, digits: whole.trim_end_matches('0').into(), point: self.point };
        let places = i64::try_from(rest.len()).unwrap_or(i64::MAX);
        Some((whole.integer().unwrap_or(u64::MAX), Self::normal(false, rest, -places)))
    }

    /// Decimal text with the exact value: valid JSON, one spelling for one value, in the layout that ECMAScript
    /// gives a double (plain up to 21 integer digits, then with an exponent). A number of so many digits that this
    /// layout is longer than [`JSON_NUMBER_CHARS_MAX`] gets the first that is not of: plain, one digit before the point
    /// and an exponent, no point and an exponent. So whatever was read is written so that it can be read.
    pub fn to_text(&self) -> String {
        if self.digits.is_empty() {
            return "0".to_owned();
        }
        let layout = if (1 - PLAIN_ZEROS_MAX..=PLAIN_DIGITS_MAX).contains(&self.point) {
            self.plain()
        } else {
            self.scientific()
        };
        let fits = |text: &String| text.len() <= JSON_NUMBER_CHARS_MAX;
        if fits(&layout) {
            return layout;
        }
        // Zeros are written out only where few of them can be needed.
        let chars_max = i64::try_from(JSON_NUMBER_CHARS_MAX).unwrap_or_default();
        let plain = (-chars_max..=chars_max).contains(&self.point).then(|| self.plain());
        plain.into_iter().chain([self.scientific(), self.whole_with_exponent()]).find(fits).unwrap_or(layout)
    }

    /// `-0.001`, `1200`
    fn plain(&self) -> String {
        let sign = self.sign();
        if self.point <= 0 {
            return format!("{sign}0.{}{}", zeros(-self.point), self.digits);
        }
        let count = self.count();
        let split = usize::try_from(self.point.min(count)).unwrap_or_default();
        let (whole, fraction) = self.digits.split_at(split);
        let dot = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{}{dot}{fraction}", zeros(self.point - count))
    }

    /// `1.5e+300`
    fn scientific(&self) -> String {
        let (first, rest) = self.digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{}{first}{dot}{rest}e{:+}", self.sign(), self.point - 1)
    }

    /// `15e299`
    fn whole_with_exponent(&self) -> String {
        format!("{}{}e{}", self.sign(), self.digits, self.point - self.count())
    }

    const fn sign(&self) -> &'static str {
        if self.negative { "-" } else { "" }
    }

    fn count(&self) -> i64 {
        i64::try_from(self.digits.len()).unwrap_or(i64::MAX)
    }

    /// From decimal text in the JSON grammar (RFC 8259 section 6): nothing before it, nothing after it. `None` also if
    /// it is longer than [`JSON_NUMBER_CHARS_MAX`] or its exponent is beyond a thousand million.
    pub fn parse(text: &str) -> Option<Self> {
        let Parts { negative, whole, fraction, exponent } = Parts::of(text)?;
        let number = if fraction.is_empty() {
            Self::normal(negative, whole, exponent)
        } else {
            Self::normal(negative, &format!("{whole}{fraction}"), exponent)
        };
        (number.point.abs() <= EXPONENT_MAX).then_some(number)
    }

    /// The number whose value is `digits` times ten to the `exponent`.
    fn normal(negative: bool, digits: &str, exponent: i64) -> Self {
        let digits = digits.trim_start_matches('0');
        let point = exponent.saturating_add(i64::try_from(digits.len()).unwrap_or(i64::MAX));
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            return Self { negative: false, digits: SmolStr::default(), point: 0 };
        }
        Self { negative, digits: digits.into(), point }
    }

    /// The magnitude, if it is an integer that fits.
    fn integer(&self) -> Option<u64> {
        if self.digits.is_empty() {
            return Some(0);
        }
        // u64::MAX has 20 digits.
        if !self.is_integer() || self.point > 20 {
            return None;
        }
        let zeros = u32::try_from(self.point - self.count()).ok()?;
        let digits: u64 = self.digits.parse().ok()?;
        digits.checked_mul(10_u64.checked_pow(zeros)?)
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        // Zero has no digits, and sorts before every first digit; its point must not decide.
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (false, false) => self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits)),
            (self_zero, other_zero) => other_zero.cmp(&self_zero),
        }
    }
}

/// A number's text, taken apart: its digits are `whole` and `fraction` together, its value theirs times ten to the
/// `exponent`.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        if text.len() > JSON_NUMBER_CHARS_MAX {
            return None;
        }
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        if !is_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        Some(Self { negative, whole, fraction, exponent })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    // `i64::from_str` would also take a second sign.
    if !is_digits(digits) {
        return None;
    }
    let value: i64 = digits.parse().ok()?;
    (value <= EXPONENT_MAX * 2).then_some(if text.starts_with('-') { -value } else { value })
}

fn zeros(count: i64) -> String {
    "0".repeat(usize::try_from(count).unwrap_or_default())
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn one_value_is_one_number() {
        for same in ["1000", "1e3", "1000.0", "1E+3", "10e2", "0.1e4", "1000000e-3"] {
            assert_eq!(number(same), number("1000"), "{same}");
        }
        assert_eq!(number("-0"), number("0.0e7"));
        assert_ne!(number("9007199254740993"), number("9007199254740992"));
        assert_ne!(number("99.99999999999999999"), number("100"));
    }

    #[test]
    fn order_is_by_value() {
        let sorted = [
            "-1e999999999",
            "-10",
            "-9.5",
            "-0.01",
            "0",
            "1e-999",
            "0.5",
            "0.51",
            "1",
            "9",
            "10",
            "1e999999999",
        ];
        for pair in sorted.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn text_is_shortest_and_exact() {
        for (input, text) in [
            ("1e3", "1000"),
            ("0.10", "0.1"),
            ("-12.50", "-12.5"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("1.5e300", "1.5e+300"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("1e999999999", "1e+999999999"),
            ("-0", "0"),
        ] {
            assert_eq!(number(input).to_text(), text);
            assert_eq!(number(text), number(input));
        }
    }

    /// Found by fuzzing: what was read came out too long to be read, so that a token could be signed that nobody reads.
    #[test]
    fn the_longest_numbers_are_written_as_long_as_they_may_be_read() {
        let digits = |count: usize| "123456789".repeat(8).split_at(count).0.to_owned();
        for text in [
            "9".repeat(64),
            digits(60),
            format!("-{}", digits(63)),
            format!("{}e99", digits(61)),
            format!("{}e-99", digits(60)),
            format!("-{}e9", digits(61)),
            format!("1.{}e99", digits(59)),
            format!("1.{}e-5", digits(59)),
            format!("1.{}e-999999", digits(54)),
            format!("0.{}", digits(62)),
            format!("0.00000{}", digits(57)),
            format!("0.{}e-99", digits(58)),
            format!("{}e999999900", digits(54)),
        ] {
            assert!(text.len() <= JSON_NUMBER_CHARS_MAX, "{text}");
            let written = number(&text).to_text();
            assert_eq!(Number::parse(&written), Some(number(&text)), "{text} is written {written}");
        }
    }

    #[test]
    fn grammar_is_that_of_json() {
        for text in [
            "", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1e+-2", "0x1", "NaN", "Infinity", "1_0",
            " 1", "1 ", "1.e3", "1e1.5", "٣", "--1",
        ] {
            assert!(Number::parse(text).is_none(), "{text:?}");
        }
        assert!(Number::parse("1e99999999999").is_none());
        assert!(Number::parse(&"9".repeat(65)).is_none());
        assert!(Number::parse(&"9".repeat(64)).is_some());
    }

    #[test]
    fn integers_come_out_only_when_they_fit() {
        assert_eq!(number("18446744073709551615").as_u64(), Some(u64::MAX));
        assert_eq!(number("18446744073709551616").as_u64(), None);
        assert_eq!(number("-9223372036854775808").as_i64(), Some(i64::MIN));
        assert_eq!(number("9223372036854775808").as_i64(), None);
        assert_eq!(number("1.5").as_i64(), None);
        assert_eq!(number("-1").as_u64(), None);
        assert_eq!(number("1e999999999").as_i64(), None);
        assert_eq!(number("0").as_u64(), Some(0));
        assert_eq!(Number::from_i64(i64::MIN).as_i64(), Some(i64::MIN));
        assert_eq!(Number::from_u64(1_000).as_i64(), Some(1_000));
    }
}
