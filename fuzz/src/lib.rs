//! The entry functions of the fuzz targets, one module each. Every `run` takes bytes of a stranger, asserts what must
//! hold of them whatever they are, and says whether they were accepted, so that a corpus can be shown to reach both
//! verdicts.
//!
//! They live apart from libFuzzer: `crates/killick-proof/tests/corpus.rs` includes this file and replays the committed
//! corpus in the ordinary test run, uninstrumented.
//!
//! Where a signature stands before the code that is to be fuzzed, the target signs: what a byte does *behind* the
//! signature is what its holder, an agent that turned, can send.
#![forbid(unsafe_code)]

pub mod bundle;
pub mod constraint;
pub mod grammar;
pub mod json;
pub mod message;
pub mod signature_input;
pub mod spiffe_id;
pub mod token;
pub mod x509;

/// A target's entry function: whether the input was accepted.
pub type Run = fn(&[u8]) -> bool;

/// Every target by the name of its corpus folder.
pub const TARGETS: [(&str, Run); 9] = [
    ("bundle", bundle::run),
    ("constraint", constraint::run),
    ("grammar", grammar::run),
    ("json", json::run),
    ("message", message::run),
    ("signature_input", signature_input::run),
    ("spiffe_id", spiffe_id::run),
    ("token", token::run),
    ("x509", x509::run),
];
