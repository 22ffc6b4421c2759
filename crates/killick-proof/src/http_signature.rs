//! HTTP Message Signatures (RFC 9421) and digest fields (RFC 9530): the signature base, signing and verifying.
//!
//! Two profiles are used: `tag="killick"` on requests from agents, `tag="killick-gateway"` on what a gateway forwards.
//! Both are narrower than the RFC: one signature per message, Ed25519, plain components without parameters, and
//! structured fields in their one canonical serialisation (RFC 9651 section 4.1), so that a field that reads two ways
//! (a repeated label, a repeated parameter) does not parse at all. For the whole of the RFC, and for other people's
//! messages, there is [`crate::message_signature`]; this path is kept apart from it because every request walks it: a
//! narrow profile needs neither component values for what cannot be covered nor a text of the parameters made anew.

use std::borrow::Cow;

use sfv::{BareItem, Dictionary, FieldType as _, ListEntry, Parser};

use crate::keys::{KeyId, PublicKey};
use crate::limits::{CLOCK_SKEW_SECS, FORWARDED_LIFETIME_SECS_MAX, NONCE_CHARS_MAX};
use crate::message_signature::{self, Algorithm, DigestAlgorithm};
use crate::refusal::{Code, Refusal};
use crate::time::UnixTime;

/// A killick signature as it came with a request, parsed and known to cover what it must, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSignature {
    /// The signature base (RFC 9421 section 2.5).
    pub base: Vec<u8>,
    /// The signature bytes.
    pub signature: Vec<u8>,
    /// `created`, seconds.
    pub created: u64,
    /// `expires`, seconds.
    pub expires: u64,
    /// `nonce`
    pub nonce: String,
    /// `keyid`: an RFC 7638 thumbprint.
    pub keyid: String,
    /// `alg`, if it is stated.
    pub alg: Option<Algorithm>,
    /// The `killick-audience` field's value.
    pub audience: String,
}

/// A message as the signature sees it. Header names lower case.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// `@method`
    pub method: &'a str,
    /// `@target-uri`, absolute.
    pub target_uri: &'a str,
    /// Header fields in order.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

/// `sha-256=:…:` of a body (RFC 9530 section 2).
pub fn content_digest(body: &[u8]) -> String {
    message_signature::content_digest(DigestAlgorithm::Sha256, body)
}

/// What a gateway vouches for on a forwarded request; each of these fields is covered by its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// `killick-request-id`
    pub request_id: String,
    /// `killick-agent`: the caller's SPIFFE ID.
    pub agent: String,
    /// `killick-action`
    pub action: String,
    /// The signature's nonce: use once.
    pub nonce: String,
    /// When it was signed.
    pub created: UnixTime,
    /// When the nonce may be forgotten.
    pub expires: UnixTime,
    /// The gateway's key.
    pub key: KeyId,
}

/// Verifies a signature of a gateway (`tag="killick-gateway"`) on a request that an upstream received: covered
/// components, digest, time window (±30 s), key. Returns what it vouches for. The upstream keeps the nonces.
///
/// Errs with `pop.missing` (no such signature), `pop.mismatch` (another key), `sig.coverage`, `sig.invalid`,
/// `sig.digest`, `sig.time`, `http.ambiguous` (a covered field twice), `http.framing`. An upstream answers all of them
/// with `gateway.signature`.
pub fn verify_forwarded(
    message: &Message<'_>,
    gateways: &[PublicKey],
    now: UnixTime,
) -> Result<Forwarded, Refusal> {
    let input = single(message.headers, "signature-input")?;
    let value = single(message.headers, "signature")?;
    let (Some(input), Some(value)) = (input, value) else {
        return refuse(Code::PopMissing, "the request carries no signature of a gateway");
    };
    let signature = parse_signature(input, value, &FORWARDED)?;
    let content_type = single(message.headers, "content-type")?.is_some();
    signature.check_coverage(&FORWARDED, content_type || !message.body.is_empty())?;
    for name in &signature.covered {
        single(message.headers, name)?;
    }
    let Some(key) = gateways.iter().find(|key| key.id().as_str() == signature.keyid) else {
        return refuse(Code::PopMismatch, "the signature's `keyid` is no gateway's key");
    };
    check_algorithm(signature.alg, key)?;
    let base = signature_base(message, &signature.covered, &signature.params)?;
    if !key.verifies(&base, &signature.signature) {
        return refuse(Code::SigInvalid, "the gateway's signature does not verify");
    }
    let field = |name: &str| {
        single(message.headers, name)?
            .map(str::to_owned)
            .ok_or_else(|| Refusal::new(Code::SigCoverage, format!("the field `{name}` is missing")))
    };
    if !digest_matches(&field("content-digest")?, message.body)? {
        return refuse(Code::SigDigest, "the body does not match its signed digest");
    }
    check_window(signature.created, signature.expires, FORWARDED_LIFETIME_SECS_MAX, now)?;
    Ok(Forwarded {
        request_id: field("killick-request-id")?,
        agent: field("killick-agent")?,
        action: field("killick-action")?,
        nonce: signature.nonce,
        created: UnixTime::from_secs(signature.created),
        expires: UnixTime::from_secs(signature.expires),
        key: key.id().clone(),
    })
}

/// The bytes that are signed (RFC 9421 section 2.5): one line per covered component and one for the parameters, joined
/// by LF, without a last LF. `params` is the serialised inner list, e.g. `("@method");created=1`.
///
/// Known derived components: `@method`, `@target-uri`, `@authority`, `@path`, `@query` (sections 2.2.1 to 2.2.7); any
/// other name is a field's. Errs (`sig.coverage`) if a component is unknown or absent and (`http.framing`) if a value
/// has bytes that could forge a line of the base.
pub fn signature_base(message: &Message<'_>, covered: &[String], params: &str) -> Result<Vec<u8>, Refusal> {
    let mut lines = Vec::with_capacity(covered.len());
    for name in covered {
        let value = component(message, name)?;
        if !is_field_text(value.as_bytes()) {
            return refuse(
                Code::HttpFraming,
                format!("the component `{name}` has bytes that no field may have"),
            );
        }
        lines.push((name.as_str(), value));
    }
    Ok(join_base(lines.iter().map(|(name, value)| (*name, value.as_ref())), params))
}

/// Room for the base of a request whose chain is named by its hash.
const BASE_BYTES_USUAL: usize = 1_024;

/// RFC 9421 section 2.5 over components that are known to be clean.
pub(crate) fn join_base<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>, params: &str) -> Vec<u8> {
    let mut base = String::with_capacity(BASE_BYTES_USUAL);
    for (name, value) in lines {
        base.extend(["\"", name, "\": ", value, "\n"]);
    }
    base.extend(["\"@signature-params\": ", params]);
    base.into_bytes()
}

/// One component's value (RFC 9421 sections 2.1 and 2.2).
fn component<'a>(message: &Message<'a>, name: &str) -> Result<Cow<'a, str>, Refusal> {
    match name {
        "@method" => Ok(Cow::Borrowed(message.method)),
        "@target-uri" => Ok(Cow::Borrowed(message.target_uri)),
        "@authority" => Ok(Cow::Owned(split_target(message.target_uri).0)),
        "@path" => Ok(Cow::Borrowed(split_target(message.target_uri).1)),
        "@query" => Ok(Cow::Borrowed(split_target(message.target_uri).2)),
        _ if name.starts_with('@') => {
            refuse(Code::SigCoverage, "the signature covers a derived component that is not known here")
        }
        _ => {
            // RFC 9421 section 2.1: all lines of the field, trimmed, joined by a comma and a space.
            let mut values = message
                .headers
                .iter()
                .filter(|(field, _)| field == name)
                .map(|(_, value)| value.trim_matches([' ', '\t']));
            let Some(first) = values.next() else {
                return refuse(
                    Code::SigCoverage,
                    "the signature covers a field that the message does not have",
                );
            };
            let mut joined = Cow::Borrowed(first);
            for value in values {
                joined.to_mut().extend([", ", value]);
            }
            Ok(joined)
        }
    }
}

/// Whether all bytes are visible ASCII, spaces or tabs (RFC 9110 section 5.5 without the obsolete bytes). In pieces
/// without an early end, so that the machine looks at many bytes at once: the longest value is a token chain.
pub(crate) fn is_field_text(bytes: &[u8]) -> bool {
    let is_text = |b: &u8| matches!(b, b' '..=b'~' | b'\t');
    bytes.chunks(PIECE_BYTES).all(|piece| piece.iter().fold(true, |all, b| all & is_text(b)))
}

/// Bytes that are looked at before the next decision.
const PIECE_BYTES: usize = 64;

/// The authority (lower case, default port left out: RFC 9421 section 2.2.3), the path and the query with its `?`
/// (section 2.2.7: `?` alone where there is none) of an absolute URI.
fn split_target(uri: &str) -> (String, &str, &str) {
    let (scheme, rest) = uri.split_once("://").unwrap_or(("", uri));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let authority = message_signature::normal_authority(scheme, authority);
    let (path, query) = rest.find('?').map_or((rest, "?"), |mark| rest.split_at(mark));
    (authority, if path.is_empty() { "/" } else { path }, query)
}

/// What a kind of signature is called and must cover.
pub(crate) struct Profile {
    /// The label in both fields.
    pub label: &'static str,
    /// The `tag` parameter.
    pub tag: &'static str,
    /// What must be covered, besides `content-type` where there is content.
    pub required: &'static [&'static str],
}

/// What agents sign (`docs/spec/request-signature.md`).
pub(crate) const REQUEST: Profile = Profile {
    label: "killick",
    tag: "killick",
    required: &["@method", "@target-uri", "content-digest", "authorization", "killick-audience"],
};

/// What gateways sign.
pub(crate) const FORWARDED: Profile = Profile {
    label: "killick-gateway",
    tag: "killick-gateway",
    required: &[
        "@method",
        "@path",
        "@query",
        "content-digest",
        "killick-request-id",
        "killick-agent",
        "killick-action",
    ],
};

/// One signature as its two fields say it.
pub(crate) struct ParsedSignature {
    /// Covered components, in the order in which they were signed.
    pub covered: Vec<String>,
    /// The inner list and its parameters, serialised: the base's last line.
    pub params: String,
    pub created: u64,
    pub expires: u64,
    pub nonce: String,
    pub keyid: String,
    pub alg: Option<Algorithm>,
    pub signature: Vec<u8>,
}

/// Reads `Signature-Input` and `Signature` (RFC 9421 section 4). Errs with `pop.missing` if the profile's signature or
/// one of its parameters is not there, and with `sig.coverage` for whatever else may not be: a second signature, an
/// unknown parameter, a component with parameters or named twice, a serialisation that is not canonical.
pub(crate) fn parse_signature(
    input: &str,
    signature: &str,
    profile: &Profile,
) -> Result<ParsedSignature, Refusal> {
    let inputs = canonical(input, Code::SigCoverage, "signature-input")?;
    let signatures = canonical(signature, Code::SigCoverage, "signature")?;
    let (Some(member), Some(bytes)) = (inputs.get(profile.label), signatures.get(profile.label)) else {
        return refuse(Code::PopMissing, format!("there is no signature labelled `{}`", profile.label));
    };
    // A second signature could be the one that somebody else looks at (RFC 9421 section 7.2.6).
    if inputs.len() != 1 || signatures.len() != 1 {
        return refuse(Code::SigCoverage, "the request has more than one signature");
    }
    let ListEntry::InnerList(list) = member else {
        return refuse(Code::SigCoverage, "the signature's input is not a list of components");
    };
    let mut covered: Vec<String> = Vec::with_capacity(list.items.len());
    for item in &list.items {
        let (BareItem::String(name), true) = (&item.bare_item, item.params.is_empty()) else {
            return refuse(Code::SigCoverage, "a covered component is not a plain name");
        };
        if covered.iter().any(|known| known == name.as_str()) {
            return refuse(Code::SigCoverage, "a component is covered twice");
        }
        covered.push(name.as_str().to_owned());
    }
    let mut parameters = Parameters::default();
    for (name, value) in &list.params {
        parameters.take(name.as_str(), value)?;
    }
    let (Some(created), Some(expires), Some(nonce), Some(keyid), Some(tag)) =
        (parameters.created, parameters.expires, parameters.nonce, parameters.keyid, parameters.tag)
    else {
        return refuse(
            Code::PopMissing,
            "the signature lacks one of its parameters created, expires, nonce, keyid, tag",
        );
    };
    if tag != profile.tag {
        return refuse(Code::PopMissing, format!("the signature's tag is not `{}`", profile.tag));
    }
    if nonce.is_empty() || nonce.len() > NONCE_CHARS_MAX {
        return refuse(
            Code::PopMissing,
            format!("the signature's nonce is empty or longer than {NONCE_CHARS_MAX} characters"),
        );
    }
    let signature = match bytes {
        ListEntry::Item(item) if item.params.is_empty() => match &item.bare_item {
            BareItem::ByteSequence(bytes) if bytes.len() == 64 => bytes.clone(),
            _ => return refuse(Code::SigInvalid, "the signature is not a sequence of 64 bytes"),
        },
        _ => return refuse(Code::SigInvalid, "the signature is not a sequence of 64 bytes"),
    };
    // The field is canonical and has this one member, so the rest of it is the list's one serialisation.
    let params = input.trim_matches(' ').split_once('=').map_or("", |(_, list)| list).to_owned();
    let alg = parameters.alg;
    Ok(ParsedSignature { covered, params, created, expires, nonce, keyid, alg, signature })
}

impl ParsedSignature {
    /// Every required component is covered, and nothing else. `with_content_type`: the message has content, or says
    /// what type it would be of.
    pub fn check_coverage(&self, profile: &Profile, with_content_type: bool) -> Result<(), Refusal> {
        let content_type: &[&str] = if with_content_type { &["content-type"] } else { &[] };
        let required = || profile.required.iter().chain(content_type);
        if let Some(missing) = required().find(|name| !self.covered.iter().any(|covered| covered == **name)) {
            return refuse(Code::SigCoverage, format!("the signature does not cover `{missing}`"));
        }
        // Each is covered once, so a longer list names something that this profile does not know.
        if self.covered.len() != required().count() {
            return refuse(
                Code::SigCoverage,
                "the signature covers a component that its profile does not have",
            );
        }
        Ok(())
    }
}

#[derive(Default)]
struct Parameters {
    created: Option<u64>,
    expires: Option<u64>,
    nonce: Option<String>,
    keyid: Option<String>,
    alg: Option<Algorithm>,
    tag: Option<String>,
}

impl Parameters {
    /// RFC 9421 section 2.3.
    fn take(&mut self, name: &str, value: &BareItem) -> Result<(), Refusal> {
        match (name, value) {
            ("created", BareItem::Integer(secs)) => self.created = u64::try_from(i64::from(*secs)).ok(),
            ("expires", BareItem::Integer(secs)) => self.expires = u64::try_from(i64::from(*secs)).ok(),
            ("nonce", BareItem::String(text)) => self.nonce = Some(text.as_str().to_owned()),
            ("keyid", BareItem::String(text)) => self.keyid = Some(text.as_str().to_owned()),
            ("tag", BareItem::String(text)) => self.tag = Some(text.as_str().to_owned()),
            // Of the algorithms that a token's holder may have a key for; whether it is this key's is seen with the key.
            ("alg", BareItem::String(text)) if text.as_str() == Algorithm::Ed25519.as_str() => {
                self.alg = Some(Algorithm::Ed25519);
            }
            ("alg", BareItem::String(text)) if text.as_str() == Algorithm::EcdsaP256Sha256.as_str() => {
                self.alg = Some(Algorithm::EcdsaP256Sha256);
            }
            _ => {
                return refuse(
                    Code::SigCoverage,
                    "the signature has a parameter that is not known here or is of the wrong type",
                );
            }
        }
        Ok(())
    }
}

/// Whether every digest that a `Content-Digest` field states is the body's. SHA-256 must be among them, SHA-512 may;
/// any other algorithm is refused (`sig.digest`), as is a malformed field (RFC 9530 sections 2 and 5).
pub(crate) fn digest_matches(field: &str, body: &[u8]) -> Result<bool, Refusal> {
    let digests = canonical(field, Code::SigDigest, "content-digest")?;
    if !digests.contains_key("sha-256") {
        return refuse(Code::SigDigest, "the content digest has no sha-256");
    }
    let mut matches = true;
    for (algorithm, value) in &digests {
        let stated = match value {
            ListEntry::Item(item) if item.params.is_empty() => match &item.bare_item {
                BareItem::ByteSequence(bytes) => bytes,
                _ => return refuse(Code::SigDigest, "a content digest is not a byte sequence"),
            },
            _ => return refuse(Code::SigDigest, "a content digest is not a byte sequence"),
        };
        let Some(algorithm) = DigestAlgorithm::from_text(algorithm.as_str()) else {
            return refuse(
                Code::SigDigest,
                "the content digest has an algorithm other than sha-256 and sha-512",
            );
        };
        matches &= algorithm.matches(stated, body);
    }
    Ok(matches)
}

/// `alg` may say what is so anyway: the algorithm follows from the key, and what is stated must agree with it (RFC 9421
/// section 3.2, step 6). Errs with `sig.invalid`.
pub(crate) fn check_algorithm(stated: Option<Algorithm>, key: &PublicKey) -> Result<(), Refusal> {
    match stated {
        Some(stated) if stated.as_str() != key.kind().http_alg() => {
            refuse(Code::SigInvalid, "the signature's `alg` is not the algorithm of its key")
        }
        _ => Ok(()),
    }
}

/// The time window of a signature: `created` at most 30 s ahead of our clock, `expires` later than `created` by at
/// most `lifetime_secs_max`, and not yet reached. Errs with `sig.time`.
pub(crate) fn check_window(
    created: u64,
    expires: u64,
    lifetime_secs_max: u64,
    now: UnixTime,
) -> Result<(), Refusal> {
    if created > now.secs().saturating_add(CLOCK_SKEW_SECS) {
        return refuse(Code::SigTime, "the signature was created in the future; check the sender's clock");
    }
    if expires <= created || expires - created > lifetime_secs_max {
        return refuse(
            Code::SigTime,
            format!("the signature must expire after its creation, within {lifetime_secs_max} s"),
        );
    }
    if now >= UnixTime::from_secs(expires) {
        return refuse(Code::SigTime, "the signature has expired; sign the request anew");
    }
    Ok(())
}

/// A dictionary whose text is its own canonical serialisation: no member and no parameter is there twice.
fn canonical(text: &str, code: Code, field: &str) -> Result<Dictionary, Refusal> {
    let dictionary: Option<Dictionary> = Parser::new(text).parse().ok();
    match dictionary {
        Some(dictionary) if dictionary.serialize().as_deref() == Some(text.trim_matches(' ')) => {
            Ok(dictionary)
        }
        _ => {
            refuse(code, format!("the field `{field}` is not a dictionary in its canonical form (RFC 9651)"))
        }
    }
}

/// The one value of a field; `None` if it is absent. Errs (`http.ambiguous`) if it is there twice.
fn single<'a>(headers: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (_, Some(_)) => refuse(Code::HttpAmbiguous, format!("the field `{name}` is there twice")),
        (value, None) => Ok(value),
    }
}

fn refuse<T>(code: Code, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}
