//! Anybody's signed messages (RFC 9421 whole): one message, one base; a base has a line for each covered component and
//! one for the parameters, however the fields are written, so that no value can forge a line; parameters are read back
//! as they are written.
//!
//! An input is a line with serialised signature parameters, which may be empty, then an HTTP/1.1 message.

use killick_proof::fixtures::NOW;
use killick_proof::message_signature::{
    Message, Policy, RequestedSignature, SignatureParameters, Signatures, StructuredFields, read_message,
    signature_base, verify,
};

/// Parameters and a message.
pub fn run(data: &[u8]) -> bool {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    let stated = std::str::from_utf8(line).ok().and_then(|line| SignatureParameters::parse(line).ok());
    let read = read_message(rest.get(1..).unwrap_or_default(), "https");
    let Ok(message) = read else { return false };
    let structured = StructuredFields::default();

    let mut has_base = stated.is_some_and(|parameters| check_base(&message, &parameters, &structured));
    if let Ok(signatures) = Signatures::read(&message) {
        for label in signatures.labels() {
            if let Some(Ok((parameters, _))) = signatures.get(label) {
                has_base |= check_base(&message, &parameters, &structured);
            }
        }
    }
    if let Ok(wanted) = RequestedSignature::read(&message) {
        for one in wanted {
            let _ = one.applies_to(&message);
        }
    }
    let verdict = verify(&message, &|_| None, &Policy::default(), &structured, NOW);
    assert!(verdict.is_err(), "nothing verifies without a key");
    has_base
}

/// Whether these parameters have a base over this message.
fn check_base(message: &Message, parameters: &SignatureParameters, structured: &StructuredFields) -> bool {
    let text = parameters.as_str();
    let again = SignatureParameters::parse(text).expect("what was read is written so that it can be read");
    assert_eq!(&again, parameters, "{text}");
    let base = signature_base(message, parameters, structured);
    assert_eq!(signature_base(message, &again, structured), base, "one message, one base");
    let Ok(base) = base else { return false };
    let base = String::from_utf8(base).expect("a base is ASCII");
    assert!(base.is_ascii());
    let lines: Vec<&str> = base.split('\n').collect();
    assert_eq!(lines.len(), parameters.components().len() + 1, "a line for each component: {base}");
    assert!(lines.iter().all(|line| line.starts_with('"') && line.contains("\": ") || line.contains(";")));
    assert_eq!(lines.last().copied(), Some(format!("\"@signature-params\": {text}").as_str()));
    true
}
