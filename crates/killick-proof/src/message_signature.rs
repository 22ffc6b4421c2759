//! HTTP Message Signatures (RFC 9421) and digest fields (RFC 9530), whole: requests and responses, every derived
//! component and component parameter, every algorithm, several signatures by label. For anybody's messages.
//!
//! killick's own two profiles are narrower and are in [`crate::http_signature`].
//!
//! ```
//! use killick_proof::UnixTime;
//! use killick_proof::message_signature::{Component, Metadata, Policy, SignatureParameters, StructuredFields};
//! use killick_proof::message_signature::{SignatureKey, VerificationKey, read_message, sign, verify};
//!
//! let jwk = serde_json::json!({ "kty": "oct", "kid": "shared", "k": "A".repeat(43) });
//! let mut message = read_message(b"GET /invoices?id=7 HTTP/1.1\nHost: a.example\n\n", "https")?;
//!
//! let covered = Component::parse_list(r#""@method" "@target-uri""#)?;
//! let metadata = Metadata { created: Some(1_790_000_000), keyid: Some("shared".to_owned()), ..Metadata::default() };
//! let parameters = SignatureParameters::new(&covered, &metadata)?;
//! let structured = StructuredFields::default();
//! # let random = aws_lc_rs::rand::SystemRandom::new();
//! let signed = sign(&message, "sig1", &parameters, &structured, &SignatureKey::from_jwk(&jwk)?, None, &random)?;
//! message.push_header("signature-input", &signed.signature_input)?;
//! message.push_header("signature", &signed.signature)?;
//!
//! let key = VerificationKey::from_jwk(&jwk)?;
//! let now = UnixTime::from_secs(1_790_000_001);
//! let verified = verify(&message, &|_| Some(&key), &Policy::default(), &structured, now)?;
//! assert_eq!(verified.label(), "sig1");
//! # Ok::<(), killick_proof::Refusal>(())
//! ```

mod accept;
mod algorithm;
mod base;
mod component;
pub(crate) mod digest;
mod fields;
mod http1;
mod http2;
mod message;
mod parameters;
mod structured;
mod target;

use aws_lc_rs::rand::SecureRandom;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::KeyRef;

pub use accept::RequestedSignature;
pub use algorithm::{Algorithm, SignatureKey, VerificationKey};
pub use base::{component_value, signature_base};
pub use component::{Component, Parameter};
pub use digest::{DigestAlgorithm, check_content_digest, content_digest};
pub use http1::read_message;
pub use http2::Pseudo;
pub use message::{FieldLines, Message, Request, Response};
pub use parameters::{Metadata, SignatureParameters, Signatures};
pub(crate) use structured::quoted;
pub use structured::{StructuredFields, StructuredType};
pub use target::Target;
pub(crate) use target::normal_authority;

use crate::limits::CLOCK_SKEW_SECS;
use crate::refusal::{Code, Refusal};
use crate::time::UnixTime;

/// What a verifier asks of a signature beyond that it verifies (RFC 9421 section 3.2.1).
#[derive(Clone, Debug)]
pub struct Policy {
    /// The label to verify. `None`: the one that is there, or the one with [`Policy::tag`].
    pub label: Option<String>,
    /// The tag that it must have.
    pub tag: Option<String>,
    /// What it must cover.
    pub components: Vec<Component>,
    /// The only algorithm permitted.
    pub algorithm: Option<Algorithm>,
    /// Seconds after `created`, which must then be there, that it is good for.
    pub max_age_secs: Option<u64>,
    /// Seconds that the signer's clock may be ahead of ours.
    pub clock_skew_secs: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            label: None,
            tag: None,
            components: Vec::new(),
            algorithm: None,
            max_age_secs: None,
            clock_skew_secs: CLOCK_SKEW_SECS,
        }
    }
}

/// A signature that verified, with what it proves. Made by [`verify`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    label: String,
    parameters: SignatureParameters,
    algorithm: Algorithm,
    covers_content: bool,
    base: Vec<u8>,
}

impl VerifiedSignature {
    /// Its label. Nobody signs that; it proves nothing (RFC 9421 section 7.2.5).
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What it covers and says of itself.
    pub const fn parameters(&self) -> &SignatureParameters {
        &self.parameters
    }

    /// The algorithm by which it verified.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether it covers the message's own `content-digest`, which then matched the content. If not, nothing is proved
    /// about the content (RFC 9421 section 7.2.8).
    pub const fn covers_content(&self) -> bool {
        self.covers_content
    }

    /// The bytes that were signed.
    pub fn base(&self) -> &[u8] {
        &self.base
    }
}

/// Verifies one signature of a message (RFC 9421 section 3.2). `key` finds the key for a signature's parameters, or none.
///
/// In this order, so that nothing unsigned is judged: the fields are read and a signature chosen; coverage; key and
/// algorithm; the signature; what its `content-digest` says of the content (also that of the request, with `req`); time.
///
/// Errs with `pop.missing` (no signature, or none with this label or tag), `http.ambiguous` (several to choose from, or
/// something is there twice), `sig.coverage` (a component is missing, unknown or not covered), `http.framing`, `pop.mismatch`
/// (no such key), `sig.invalid`, `sig.digest`, `sig.time`, `limit.size`.
pub fn verify<'k>(
    message: &Message,
    key: &dyn Fn(&SignatureParameters) -> Option<&'k VerificationKey>,
    policy: &Policy,
    structured: &StructuredFields,
    now: UnixTime,
) -> Result<VerifiedSignature, Refusal> {
    let (label, parameters, signature) = choose(&Signatures::read(message)?, policy)?;
    if let Some(missing) = policy.components.iter().find(|wanted| !parameters.components().contains(wanted)) {
        return refuse(Code::SigCoverage, &format!("the signature does not cover {missing}"));
    }
    let base = signature_base(message, &parameters, structured)?;
    let metadata = parameters.metadata();
    let names_key = |key: &&VerificationKey| metadata.keyid.as_deref().is_none_or(|id| key.permits(id));
    let Some(key) = key(&parameters).filter(names_key) else {
        return refuse(Code::PopMismatch, "the signature's `keyid` is of a key that is not known here");
    };
    let algorithm = key.algorithm(metadata.alg.as_deref(), policy.algorithm)?;
    if !key.verifies(algorithm, &base, &signature) {
        return refuse(Code::SigInvalid, "the signature does not verify");
    }
    let covers_content = check_content(message, &parameters)?;
    check_time(metadata, policy, now)?;
    Ok(VerifiedSignature { label, parameters, algorithm, covers_content, base })
}

/// The signature that is meant.
fn choose(
    signatures: &Signatures,
    policy: &Policy,
) -> Result<(String, SignatureParameters, Vec<u8>), Refusal> {
    let of_tag =
        |parameters: &SignatureParameters| policy.tag.is_none() || parameters.metadata().tag == policy.tag;
    let mut chosen = None;
    for label in
        signatures.labels().filter(|label| policy.label.as_deref().is_none_or(|wanted| wanted == *label))
    {
        match signatures.get(label) {
            Some(Ok((parameters, bytes))) if of_tag(&parameters) => {
                if chosen.replace((label.to_owned(), parameters, bytes)).is_some() {
                    return refuse(
                        Code::HttpAmbiguous,
                        "there is more than one signature; name its label or tag",
                    );
                }
            }
            Some(Ok(_)) | None => {}
            // With a tag to look for, one that cannot be read is not the one.
            Some(Err(_)) if policy.tag.is_some() && policy.label.is_none() => {}
            Some(Err(refusal)) => return Err(refusal),
        }
    }
    match chosen {
        Some(chosen) => Ok(chosen),
        None => refuse(Code::PopMissing, "the message carries no signature with this label and tag"),
    }
}

/// Holds every `content-digest` that is covered against the content. Returns whether the message's own is among them.
fn check_content(message: &Message, parameters: &SignatureParameters) -> Result<bool, Refusal> {
    let mut covers_content = false;
    for component in parameters.components().iter().filter(|component| component.name() == "content-digest") {
        let of_request = component.has(&Parameter::Req);
        let (headers, trailers, content) = match (message, of_request) {
            (Message::Response(Response { request: Some(request), .. }), true) => {
                (request.headers(), request.trailers(), request.body())
            }
            _ => (message.headers(), message.trailers(), message.body()),
        };
        let lines = if component.has(&Parameter::Tr) { trailers } else { headers };
        let lines: Vec<&[u8]> = lines.values("content-digest").collect();
        check_content_digest(&lines.join(b", ".as_slice()), content)?;
        covers_content |= !of_request;
    }
    Ok(covers_content)
}

/// RFC 9421 section 2.3 and 3.2.1: not from the future, not expired, not too old.
fn check_time(metadata: &Metadata, policy: &Policy, now: UnixTime) -> Result<(), Refusal> {
    let late = |why: &str| refuse(Code::SigTime, why);
    if metadata.created.is_some_and(|created| created > now.secs().saturating_add(policy.clock_skew_secs)) {
        return late("the signature was created in the future; check the sender's clock");
    }
    if let (Some(created), Some(expires)) = (metadata.created, metadata.expires)
        && expires < created
    {
        return late("the signature expires before it was created");
    }
    if metadata.expires.is_some_and(|expires| now.secs() >= expires) {
        return late("the signature has expired");
    }
    match (policy.max_age_secs, metadata.created) {
        (None, _) => Ok(()),
        (Some(_), None) => late("the signature does not say when it was created"),
        (Some(age), Some(created)) if now.secs() > created.saturating_add(age) => {
            late("the signature is too old")
        }
        (Some(_), Some(_)) => Ok(()),
    }
}

/// What is to be added to a message to sign it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedFields {
    /// The value of `Signature-Input`: one member.
    pub signature_input: String,
    /// The value of `Signature`: one member.
    pub signature: String,
    /// The bytes that were signed.
    pub base: Vec<u8>,
}

/// Signs a message (RFC 9421 section 3.1). The two values are to be added to it as lines of their own, or joined to those
/// that are there by a comma. `algorithm` is wanted where the key leaves a choice (RSA).
///
/// Errs with `sig.coverage` if a component is not in the message or the label is no key of a dictionary, with
/// `http.ambiguous` if the label is taken, with `sig.invalid` if the algorithms disagree, and as [`signature_base`] and
/// [`SignatureKey::sign`].
pub fn sign(
    message: &Message,
    label: &str,
    parameters: &SignatureParameters,
    structured: &StructuredFields,
    key: &SignatureKey,
    algorithm: Option<Algorithm>,
    random: &dyn SecureRandom,
) -> Result<SignedFields, Refusal> {
    if KeyRef::from_str(label).is_err() {
        return refuse(
            Code::SigCoverage,
            "the label is not lower-case letters, digits, `-`, `_`, `.` and `*`",
        );
    }
    match Signatures::read(message) {
        Ok(there) if there.labels().any(|taken| taken == label) => {
            return refuse(Code::HttpAmbiguous, "the message already carries a signature with this label");
        }
        Err(refusal) if refusal.code() != Code::PopMissing => return Err(refusal),
        _ => {}
    }
    let algorithm = key.algorithm(parameters.metadata().alg.as_deref(), algorithm)?;
    let base = signature_base(message, parameters, structured)?;
    let signature = key.sign(algorithm, &base, random)?;
    Ok(SignedFields {
        signature_input: format!("{label}={}", parameters.as_str()),
        signature: format!("{label}=:{}:", STANDARD.encode(signature)),
        base,
    })
}

fn refuse<T>(code: Code, why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}
