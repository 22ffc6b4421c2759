//! JSON from strangers: one strict parser, numbers kept exactly, one canonical form (RFC 8785).

use std::collections::BTreeMap;

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

/// An exact decimal number: `1e3`, `1000.0` and `1000` are equal, `2^53 + 1` is not rounded. Ordered by value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number {
    // The owner of this file chooses the representation; equality, order and hash are by exact value.
    text: String,
}

impl Number {
    /// From an integer.
    pub fn from_i64(value: i64) -> Self {
        todo!("{value}")
    }

    /// The value, if it is an integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        todo!()
    }

    /// The value, if it is a non-negative integer that fits.
    pub fn as_u64(&self) -> Option<u64> {
        todo!()
    }

    /// The shortest decimal text with the exact value; valid JSON.
    pub fn to_text(&self) -> String {
        todo!()
    }

    /// From decimal text in the JSON grammar (RFC 8259 section 6).
    pub fn parse(text: &str) -> Option<Self> {
        todo!("{text}")
    }
}

impl Json {
    /// Parses exactly one JSON value from UTF-8 bytes. Errs with `json.invalid`, `json.duplicate_key`, `limit.depth`
    /// or `arg.number` (a number longer than the bound); the detail names the byte offset.
    pub fn parse(bytes: &[u8]) -> Result<Json, Refusal> {
        todo!("{bytes:?}")
    }

    /// The RFC 8785 (JCS) bytes. Errs with `arg.number` for a number that a double does not hold exactly.
    pub fn to_jcs(&self) -> Result<Vec<u8>, Refusal> {
        todo!()
    }

    /// Compact JSON that keeps each number's exact value and each string's exact characters: what is forwarded.
    pub fn to_bytes(&self) -> Vec<u8> {
        todo!()
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
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::String(text.to_owned())
    }
}
