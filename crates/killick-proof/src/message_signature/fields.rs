//! The values of fields as components (RFC 9421 section 2.1): plain, `sf`, `key`, `bs`, `tr`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::{Dictionary, FieldType as _, Item, List, Parser};

use super::component::{Component, Parameter};
use super::message::FieldLines;
use super::structured::{StructuredFields, StructuredType};
use crate::refusal::{Code, Refusal};

/// The value of a field component. Errs with `sig.coverage` if the field, or the member that `key` names, is not there,
/// or is not of a structured type that is known; with `http.framing` if it has bytes beyond ASCII (`bs` is for those);
/// with `http.ambiguous` for several lines of `Set-Cookie`, which do not combine (RFC 9421 section 7.5.6).
pub(super) fn field_value(
    component: &Component,
    headers: &FieldLines,
    trailers: &FieldLines,
    structured: &StructuredFields,
) -> Result<String, Refusal> {
    let lines = if component.has(&Parameter::Tr) { trailers } else { headers };
    let values: Vec<&[u8]> = lines.values(component.name()).collect();
    if values.is_empty() {
        return refuse(&format!("the message does not have the field of the component {component}"));
    }
    if component.has(&Parameter::Bs) {
        let wrapped: Vec<String> =
            values.iter().map(|value| format!(":{}:", STANDARD.encode(value))).collect();
        return Ok(wrapped.join(", "));
    }
    if component.name() == "set-cookie" && values.len() > 1 {
        return Err(Refusal::new(
            Code::HttpAmbiguous,
            "several lines of `set-cookie` are covered without `bs`",
        ));
    }
    let combined = combine(component, &values)?;
    let kind = structured.kind(component.name());
    match (component.key(), component.has(&Parameter::Sf), kind) {
        (Some(key), _, Some(StructuredType::Dictionary)) => member(component, &combined, key),
        (Some(_), _, _) => refuse(&format!("the field of {component} is not known to be a dictionary")),
        (None, false, _) => Ok(combined),
        (None, true, Some(kind)) => reserialise(component, &combined, kind, values.len()),
        (None, true, None) => {
            refuse(&format!("the structured type of the field of {component} is not known"))
        }
    }
}

/// All lines of a field as one value (RFC 9421 section 2.1): `", "` between them.
fn combine(component: &Component, values: &[&[u8]]) -> Result<String, Refusal> {
    let combined = values.join(b", ".as_slice());
    let visible = |b: &u8| matches!(b, b' '..=b'~' | b'\t');
    match String::from_utf8(combined) {
        Ok(text) if text.as_bytes().iter().all(visible) => Ok(text),
        _ => Err(Refusal::new(
            Code::HttpFraming,
            format!("the field of {component} has bytes that only `bs` can cover"),
        )),
    }
}

/// The strict serialisation of a field (RFC 9421 section 2.1.1). Lines of a list or dictionary are one structure; an
/// item has one line, as no comma can join it (RFC 9651 section 4.2).
fn reserialise(
    component: &Component,
    text: &str,
    kind: StructuredType,
    lines: usize,
) -> Result<String, Refusal> {
    let parser = Parser::new(text);
    let serialised = match kind {
        StructuredType::Item if lines > 1 => None,
        StructuredType::Item => parser.parse::<Item>().ok().map(|item| item.serialize()),
        // An empty list or dictionary has no serialisation; as a component's value it is empty.
        StructuredType::List => parser.parse::<List>().ok().map(|list| list.serialize().unwrap_or_default()),
        StructuredType::Dictionary => {
            parser.parse::<Dictionary>().ok().map(|dictionary| dictionary.serialize().unwrap_or_default())
        }
    };
    serialised.map_or_else(|| refuse(&format!("the field of {component} is not a structured {kind}")), Ok)
}

/// One member of a dictionary, without its key (RFC 9421 section 2.1.2).
fn member(component: &Component, text: &str, key: &str) -> Result<String, Refusal> {
    let Ok(dictionary) = Parser::new(text).parse::<Dictionary>() else {
        return refuse(&format!("the field of {component} is not a structured dictionary"));
    };
    let Some(entry) = dictionary.get(key) else {
        return refuse(&format!("the message does not have the member of the component {component}"));
    };
    // As the one entry of a list an item or inner list has just its own serialisation (RFC 9651 section 4.1.1).
    let list: List = vec![entry.clone()];
    Ok(list.serialize().unwrap_or_default())
}

fn refuse<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Code::SigCoverage, why))
}
