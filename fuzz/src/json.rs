//! JSON: what is read is written and read back the same; the canonical form is canonical; numbers keep their value;
//! and a second parser, `serde_json`, reads the same texts.

use killick_proof::Code;
use killick_proof::json::{Json, Number};

/// Any bytes.
pub fn run(data: &[u8]) -> bool {
    check_number(data);
    let read = Json::parse(data);
    let other: Result<serde_json::Value, _> = serde_json::from_slice(data);
    let value = match read {
        Ok(value) => value,
        Err(refusal) => {
            assert_eq!(Json::parse(data), Err(refusal.clone()), "one input, one verdict");
            if other.is_ok() && refusal.code() == Code::JsonInvalid {
                // Theirs makes 0 or infinity of an exponent that ours does not take.
                assert!(has_huge_exponent(data), "only one parser takes this: {}", refusal.detail());
            }
            return false;
        }
    };
    let text = value.to_text();
    assert_eq!(Json::parse(text.as_bytes()).as_ref(), Ok(&value), "written and read back");
    if let Ok(canonical) = value.to_jcs() {
        let again = Json::parse(&canonical).expect("the canonical form is JSON");
        assert_eq!(again, value, "the canonical form says the same");
        assert_eq!(again.to_jcs().as_deref(), Ok(canonical.as_slice()), "and is its own");
        let other = other.expect("whatever has a canonical form is JSON to the other parser");
        check_shape(&value, &other);
    }
    true
}

/// Both parsers see the same structure and strings.
fn check_shape(ours: &Json, theirs: &serde_json::Value) {
    match (ours, theirs) {
        (Json::Null, serde_json::Value::Null) | (Json::Number(_), serde_json::Value::Number(_)) => {}
        (Json::Bool(ours), serde_json::Value::Bool(theirs)) => assert_eq!(ours, theirs),
        (Json::String(ours), serde_json::Value::String(theirs)) => assert_eq!(ours, theirs),
        (Json::Array(ours), serde_json::Value::Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len());
            ours.iter().zip(theirs).for_each(|(ours, theirs)| check_shape(ours, theirs));
        }
        (Json::Object(ours), serde_json::Value::Object(theirs)) => {
            assert_eq!(ours.len(), theirs.len());
            for (name, ours) in ours {
                check_shape(ours, theirs.get(name).expect("both have the member"));
            }
        }
        (ours, theirs) => panic!("{ours:?} is {theirs:?} to the other parser"),
    }
}

/// Two numbers of a line each: one value has one text, and they are ordered as their doubles are.
fn check_number(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let numbers: Vec<(Number, f64)> = text
        .split([',', '[', ']', '\n', ' '])
        .take(8)
        .filter_map(|text| Some((Number::parse(text)?, text.parse().ok()?)))
        .collect();
    for (number, double) in &numbers {
        let text = number.to_text();
        assert_eq!(Number::parse(&text).as_ref(), Some(number), "written and read back");
        let again: f64 = text.parse().expect("a number's text is a double's");
        assert_eq!(again, *double, "the text has the same value");
        for (other, other_double) in &numbers {
            assert!(number > other || double <= other_double, "{number:?} and {other:?} are in order");
        }
    }
}

/// Whether some exponent has ten digits or more.
fn has_huge_exponent(data: &[u8]) -> bool {
    data.split(|b| matches!(b, b'e' | b'E')).skip(1).any(|rest| {
        let rest = rest.strip_prefix(b"+").or_else(|| rest.strip_prefix(b"-")).unwrap_or(rest);
        rest.iter().take_while(|b| b.is_ascii_digit()).count() >= 10
    })
}
