//! JSON from strangers: one strict parser, numbers kept exactly, one canonical form (RFC 8785).
//!
//! ```
//! use killick_proof::json::Json;
//!
//! let order = Json::parse(br#"{"amount": 1e3, "to": "x"}"#)?;
//! assert_eq!(order, Json::parse(br#"{"to":"x","amount":1000.0}"#)?);
//! assert_eq!(order.to_jcs()?, br#"{"amount":1000,"to":"x"}"#);
//! # Ok::<(), killick_proof::Refusal>(())
//! ```

mod number;
mod parse;
mod view;
mod write;

use std::borrow::Cow;
use std::collections::BTreeMap;

pub use self::number::Number;
pub(crate) use self::view::{Members, View};
use crate::limits::JSON_DEPTH_MAX;
use crate::refusal::Refusal;

/// A JSON value (RFC 8259). Objects have unique keys by construction; numbers keep their exact decimal value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An exact decimal number.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; members sorted by key bytes.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Parses exactly one JSON value from UTF-8 bytes, nested at most [`JSON_DEPTH_MAX`] deep. Errs with
    /// `json.invalid` (also for a lone surrogate, a byte order mark, trailing bytes), `json.duplicate_key`,
    /// `limit.depth` or `arg.number` (a number longer than the bound); the detail names the byte offset.
    pub fn parse(bytes: &[u8]) -> Result<Json, Refusal> {
        Self::parse_bounded(bytes, JSON_DEPTH_MAX)
    }

    /// As [`Json::parse`], with another bound of nesting.
    pub(crate) fn parse_bounded(bytes: &[u8], depth_max: usize) -> Result<Json, Refusal> {
        parse::value(bytes, depth_max)
    }

    /// The text of one top-level member, found without building a value (AAT draft section 7 step 2c).
    pub(crate) fn top_level_string<'a>(bytes: &'a [u8], key: &str, depth_max: usize) -> Option<Cow<'a, str>> {
        parse::top_level_string(bytes, key, depth_max)
    }

    /// The RFC 8785 (JCS) bytes. Errs with `arg.number` for a number that a double does not hold exactly.
    pub fn to_jcs(&self) -> Result<Vec<u8>, Refusal> {
        let mut out = String::new();
        write::canonical(self, &mut out)?;
        Ok(out.into_bytes())
    }

    /// Compact JSON that keeps each number's exact value and each string's exact characters: what is forwarded.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_text().into_bytes()
    }

    /// As [`Json::to_bytes`], as text.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        write::exact(self, &mut out);
        out
    }

    /// An object of these members; of a name given twice the last counts.
    pub fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Json)>) -> Json {
        Json::Object(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// The object's member, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.get(key),
            _ => None,
        }
    }

    /// The string, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is one.
    pub const fn as_number(&self) -> Option<&Number> {
        match self {
            Json::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Json::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The items, if this is an array.
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Json::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members, if this is an object.
    pub const fn as_object(&self) -> Option<&BTreeMap<String, Json>> {
        match self {
            Json::Object(members) => Some(members),
            _ => None,
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::String(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Json::String(text)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Json::Bool(value)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Json::Number(Number::from_u64(value))
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Json::Number(Number::from_i64(value))
    }
}

impl From<Number> for Json {
    fn from(value: Number) -> Self {
        Json::Number(value)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Json::Array(items)
    }
}

impl From<&serde_json::Value> for Json {
    /// From a value of ours that serde built. A number that serde holds as a double comes over as its shortest text.
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Json::Null,
            serde_json::Value::Bool(value) => Json::Bool(*value),
            serde_json::Value::Number(number) => {
                Number::parse(&number.to_string()).map_or(Json::Null, Json::Number)
            }
            serde_json::Value::String(text) => Json::String(text.clone()),
            serde_json::Value::Array(items) => Json::Array(items.iter().map(Json::from).collect()),
            serde_json::Value::Object(members) => {
                Json::object(members.iter().map(|(name, value)| (name.as_str(), Json::from(value))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Code;

    fn code(text: &str) -> Code {
        Json::parse(text.as_bytes()).unwrap_err().code()
    }

    #[test]
    fn reads_what_the_rfc_permits() {
        let value = Json::parse(
            br#" { "a" : [ 1 , -2.5e1, true, null ] , "b" : "\u0041\ud83d\ude00\n\/" , "" : {} } "#,
        );
        let expected = Json::object([
            ("a", Json::Array(vec![Json::from(1_u64), Json::from(-25_i64), Json::Bool(true), Json::Null])),
            ("b", Json::from("A\u{1f600}\n/")),
            ("", Json::object::<&str>([])),
        ]);
        assert_eq!(value.unwrap(), expected);
    }

    #[test]
    fn refuses_what_two_parsers_could_read_differently() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "[1 2]",
            "01",
            "+1",
            "1.",
            ".5",
            "NaN",
            "Infinity",
            "-Infinity",
            "nul",
            "true false",
            "1 1",
            "[1]]",
            "\u{feff}1",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\ud800\\ud800\"",
            "\"\\x41\"",
            "\"\\u00g1\"",
            "\"a\nb\"",
            "\"a\u{0}b\"",
            "\"open",
            "// comment\n1",
            "1e99999999999",
            "\u{a0}1",
        ] {
            assert_eq!(code(text), Code::JsonInvalid, "{text:?}");
        }
        assert_eq!(Json::parse(b"\"\xff\"").unwrap_err().code(), Code::JsonInvalid);
    }

    #[test]
    fn the_same_member_twice_is_refused_however_it_is_spelled() {
        assert_eq!(code(r#"{"a":1,"a":1}"#), Code::JsonDuplicateKey);
        assert_eq!(code(r#"{"a":1,"\u0061":2}"#), Code::JsonDuplicateKey);
        assert_eq!(code(r#"[{"x":{"a":1,"b":2,"a":3}}]"#), Code::JsonDuplicateKey);
        assert!(Json::parse(r#"{"é":1,"e\u0301":2}"#.as_bytes()).is_ok(), "no normalisation is applied");
    }

    #[test]
    fn bounds_are_exact() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(code(&nested(JSON_DEPTH_MAX + 1)), Code::LimitDepth);
        assert_eq!(code(&"[".repeat(1_000_000)), Code::LimitDepth);
        assert!(Json::parse("9".repeat(64).as_bytes()).is_ok());
        assert_eq!(code(&"9".repeat(65)), Code::ArgNumber);
    }

    #[test]
    fn the_detail_names_the_place() {
        let refusal = Json::parse(br#"{"a": tru}"#).unwrap_err();
        assert_eq!(refusal.detail(), "a value is expected at byte 6");
    }

    #[test]
    fn one_top_level_string_is_found_without_reading_more() {
        let find =
            |text: &str| Json::top_level_string(text.as_bytes(), "jti", 8).map(|text| text.into_owned());
        assert_eq!(find(r#"{"x":{"jti":"no"},"jti":"a\u0062","y":[1,{}]}"#).as_deref(), Some("ab"));
        for text in [
            r#"{"jti":"a","jti":"a"}"#,
            r#"{"jti":1}"#,
            r#"{"x":1}"#,
            r#"["jti"]"#,
            r#"{"jti":"a"}x"#,
            r#"{"jti":"a","x":}"#,
            "",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
    }

    #[test]
    fn exact_bytes_keep_exact_values() {
        let text = r#"{"a":9007199254740993,"b":[0.1,1e+400,"\u0000\"\\ü"],"c":null}"#;
        assert_eq!(Json::parse(text.as_bytes()).unwrap().to_text(), text);
    }

    #[test]
    fn canonical_form_refuses_what_a_double_would_change() {
        for text in ["9007199254740993", "1e400", "0.1000000000000000055511151231257827", "1e-400"] {
            let value = Json::parse(text.as_bytes()).unwrap();
            assert_eq!(value.to_jcs().unwrap_err().code(), Code::ArgNumber, "{text}");
        }
        assert_eq!(Json::parse(b"[1.0, 1e3, -0, 0.10]").unwrap().to_jcs().unwrap(), b"[1,1000,0,0.1]");
    }
}
