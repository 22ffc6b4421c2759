//! Arguments: read from path, query and body as their types say, and written back in the one form that is forwarded.

use killick_proof::json::{Json, Number};

use crate::catalogue::ArgumentType;
use crate::limits::{NUMBER_CHARS_MAX, QUOTE_CHARS_MAX};

/// Reads a path or query text as an argument of this type. Only one text stands for one value, so that what is
/// decided on and what the upstream reads cannot differ: integers have no sign but `-`, no leading zero and no
/// exponent, numbers neither, booleans are `true` and `false`. Objects and arrays have no text form.
pub(crate) fn read_text(kind: ArgumentType, text: &str) -> Option<Json> {
    match kind {
        ArgumentType::String => Some(Json::String(text.to_owned())),
        ArgumentType::Boolean => match text {
            "true" => Some(Json::Bool(true)),
            "false" => Some(Json::Bool(false)),
            _ => None,
        },
        ArgumentType::Integer | ArgumentType::Number => {
            let fraction = kind == ArgumentType::Number;
            if !is_plain_number(text, fraction) {
                return None;
            }
            Number::parse(text).map(Json::Number)
        }
        ArgumentType::Object | ArgumentType::Array => None,
    }
}

/// The text that [`read_text`] reads back as `value`; `None` if there is none.
pub(crate) fn write_text(kind: ArgumentType, value: &Json) -> Option<String> {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => integer.to_string(),
            None => number.to_text(),
        },
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    };
    (read_text(kind, &text).as_ref() == Some(value)).then_some(text)
}

/// Whether a JSON value is of this type.
pub(crate) fn has_type(kind: ArgumentType, value: &Json) -> bool {
    match (kind, value) {
        (ArgumentType::String, Json::String(_))
        | (ArgumentType::Number, Json::Number(_))
        | (ArgumentType::Boolean, Json::Bool(_))
        | (ArgumentType::Object, Json::Object(_))
        | (ArgumentType::Array, Json::Array(_)) => true,
        (ArgumentType::Integer, Json::Number(number)) => is_integer(number),
        _ => false,
    }
}

/// Whether the number has no fraction, however it is written: `1e3` and `2.0` are integers.
fn is_integer(number: &Number) -> bool {
    let text = number.to_text();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().unwrap_or(i64::MIN)),
        None => (text.as_str(), 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        return i64::try_from(fraction.len()).is_ok_and(|places| exponent >= places);
    }
    let digits = whole.trim_start_matches('-').trim_start_matches('0');
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    digits.is_empty() || i64::try_from(zeros).is_ok_and(|zeros| exponent.saturating_add(zeros) >= 0)
}

/// `-?(0|[1-9][0-9]*)`, and if `fraction` is permitted `(\.[0-9]+)?`; never `-0`.
fn is_plain_number(text: &str, fraction: bool) -> bool {
    if text.len() > NUMBER_CHARS_MAX {
        return false;
    }
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, places) = match unsigned.split_once('.') {
        Some((whole, places)) if fraction => (whole, Some(places)),
        Some(_) => return false,
        None => (unsigned, None),
    };
    let whole_ok = digits(whole) && (whole == "0" || !whole.starts_with('0'));
    let places_ok = places.is_none_or(digits);
    let negative_zero =
        unsigned.len() != text.len() && !unsigned.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    whole_ok && places_ok && !negative_zero
}

/// Percent-encodes everything but RFC 3986 section 2.3's unreserved characters, in upper-case hexadecimal (section
/// 2.1).
pub(crate) fn percent_encode(text: &str, out: &mut String) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend([byte >> 4, byte & 15].iter().filter_map(|nibble| HEX.get(usize::from(*nibble))));
        }
    }
}

/// A caller's text, bounded and without control characters, in backticks.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::from("`");
    for (count, character) in text.chars().enumerate() {
        if count == QUOTE_CHARS_MAX {
            out.push('…');
            break;
        }
        out.push(if character.is_control() { '\u{fffd}' } else { character });
    }
    out.push('`');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_stands_for_one_number() {
        for good in ["0", "7", "-7", "10", "9007199254740993"] {
            assert!(read_text(ArgumentType::Integer, good).is_some(), "{good}");
            assert!(read_text(ArgumentType::Number, good).is_some(), "{good}");
        }
        for bad in ["", "-", "+1", "01", "-0", "1e3", "1.0", " 1", "1 ", "0x1", "١", "NaN", "1_000", "1,0"] {
            assert!(read_text(ArgumentType::Integer, bad).is_none(), "{bad}");
        }
        for good in ["0.5", "-0.5", "12.50", "0.0"] {
            assert!(read_text(ArgumentType::Number, good).is_some(), "{good}");
        }
        for bad in [".5", "5.", "-0.0", "1e3", "1.5e1", "00.5", "1.2.3", "Infinity"] {
            assert!(read_text(ArgumentType::Number, bad).is_none(), "{bad}");
        }
        assert!(read_text(ArgumentType::Integer, &"9".repeat(NUMBER_CHARS_MAX + 1)).is_none());
    }

    #[test]
    fn booleans_are_spelt_out() {
        assert_eq!(read_text(ArgumentType::Boolean, "true"), Some(Json::Bool(true)));
        for bad in ["", "True", "1", "yes", "FALSE"] {
            assert!(read_text(ArgumentType::Boolean, bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn integers_are_known_however_they_are_written() {
        for (text, integer) in [
            ("1000", true),
            ("1e3", true),
            ("2.0", true),
            ("0", true),
            ("-5", true),
            ("1.5e1", true),
            ("100e-2", true),
            ("0.5", false),
            ("1e-1", false),
            ("12.34", false),
            ("9007199254740993", true),
            ("0e-5", true),
        ] {
            let value = Json::Number(Number::parse(text).unwrap());
            assert_eq!(has_type(ArgumentType::Integer, &value), integer, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for (kind, json) in [
            (ArgumentType::String, Json::from("a b/ü")),
            (ArgumentType::Integer, Json::Number(Number::parse("1e3").unwrap())),
            (ArgumentType::Number, Json::Number(Number::parse("12.5").unwrap())),
            (ArgumentType::Boolean, Json::Bool(false)),
        ] {
            let text = write_text(kind, &json).unwrap();
            assert_eq!(read_text(kind, &text), Some(json));
        }
        assert_eq!(write_text(ArgumentType::Integer, &Json::from("7")), None);
        assert_eq!(write_text(ArgumentType::Integer, &Json::Number(Number::parse("0.5").unwrap())), None);
        assert_eq!(write_text(ArgumentType::String, &Json::Null), None);
    }

    #[test]
    fn encodes_all_but_the_unreserved() {
        let mut out = String::new();
        percent_encode("aZ09-._~ /?#%ü+&=", &mut out);
        assert_eq!(out, "aZ09-._~%20%2F%3F%23%25%C3%BC%2B%26%3D");
    }

    #[test]
    fn quotes_are_bounded() {
        assert_eq!(quote("a\nb"), "`a\u{fffd}b`");
        assert_eq!(quote(&"x".repeat(100)).chars().count(), QUOTE_CHARS_MAX + 3);
    }
}
