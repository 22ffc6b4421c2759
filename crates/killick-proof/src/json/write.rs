//! JSON written out: exactly, or canonically (RFC 8785).

use std::collections::BTreeMap;

use super::{Json, Number};
use crate::refusal::{Code, Refusal};

/// Compact JSON with every number's exact value, members sorted by key bytes.
pub(super) fn exact(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(number) => out.push_str(&number.to_text()),
        Json::String(text) => string(text, out),
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                comma(index, out);
                exact(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                comma(index, out);
                string(name, out);
                out.push(':');
                exact(member, out);
            }
            out.push('}');
        }
    }
}

/// RFC 8785.
pub(super) fn canonical(value: &Json, out: &mut String) -> Result<(), Refusal> {
    match value {
        Json::Number(number) => out.push_str(&ecmascript(number)?),
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                comma(index, out);
                canonical(item, out)?;
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (index, (name, member)) in by_utf16(members).into_iter().enumerate() {
                comma(index, out);
                string(name, out);
                out.push(':');
                canonical(member, out)?;
            }
            out.push('}');
        }
        Json::Null | Json::Bool(_) | Json::String(_) => exact(value, out),
    }
    Ok(())
}

/// RFC 8785 section 3.2.3: members sorted by the UTF-16 code units of their names. That differs from the order of the
/// bytes only where a name has characters beyond the basic plane.
fn by_utf16(members: &BTreeMap<String, Json>) -> Vec<(&String, &Json)> {
    let mut sorted: Vec<_> = members.iter().collect();
    if !members.keys().all(|name| name.is_ascii()) {
        sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
    }
    sorted
}

/// RFC 8785 section 3.2.2.3. A number that a double does not hold exactly in its shortest form would come out as
/// another number, so it is refused.
fn ecmascript(number: &Number) -> Result<String, Refusal> {
    let text = number.to_text();
    let written = match text.parse::<f64>() {
        Ok(double) if double.is_finite() => ryu_js::Buffer::new().format_finite(double).to_owned(),
        _ => String::new(),
    };
    if Number::parse(&written).as_ref() == Some(number) {
        return Ok(written);
    }
    Err(Refusal::new(
        Code::ArgNumber,
        format!("the number {text} is not exact as a double; send it as a string"),
    ))
}

/// RFC 8785 section 3.2.2.2: only what must be escaped is.
fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
}

fn comma(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}
