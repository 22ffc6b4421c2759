//! What is to be signed, and the signing of it: requests by agents, forwarded requests by gateways.
//!
//! ```
//! use killick_proof::keys::SigningKey;
//! use killick_proof::sign::{OutgoingRequest, sign_request};
//! use killick_proof::time::UnixTime;
//!
//! let key = SigningKey::from_seed([7; 32])?;
//! let fields = sign_request(
//!     &OutgoingRequest {
//!         method: "GET",
//!         target_uri: "http://127.0.0.1:7443/invoices/INV-7",
//!         content_type: None,
//!         body: b"",
//!         chain: "<the token chain>",
//!         audience: "spiffe://acme.example/gateway/gw-1",
//!         nonce: "p2nGqf1WSnGmQv9lQmN3Zg",
//!         lifetime_secs: 30,
//!     },
//!     &key,
//!     UnixTime::from_secs(1_790_000_000),
//! );
//! assert_eq!(fields[0], ("authorization".to_owned(), "AAT <the token chain>".to_owned()));
//! # Ok::<(), killick_proof::Refusal>(())
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http_signature::{FORWARDED, Profile, REQUEST, content_digest, join_base};
use crate::keys::SigningKey;
use crate::limits::FORWARDED_LIFETIME_SECS_MAX;
use crate::message_signature::quoted;
use crate::time::UnixTime;

/// A request that an agent is about to send.
#[derive(Clone, Debug)]
pub struct OutgoingRequest<'a> {
    /// Upper case.
    pub method: &'a str,
    /// Absolute, as the gateway will rebuild it: its public origin plus the raw request target.
    pub target_uri: &'a str,
    /// Present where there is content.
    pub content_type: Option<&'a str>,
    /// The body; may be empty.
    pub body: &'a [u8],
    /// The chain: compact JWSs joined by `~`.
    pub chain: &'a str,
    /// The gateway's SPIFFE ID.
    pub audience: &'a str,
    /// 16 random bytes or more, base64url.
    pub nonce: &'a str,
    /// Seconds that the signature shall be good for; at most 60.
    pub lifetime_secs: u64,
}

/// The header fields to add to the request, in order: `authorization` (`AAT <chain>`), `content-digest`,
/// `killick-audience`, `signature-input`, `signature`, and `content-type` where there is content.
pub fn sign_request(request: &OutgoingRequest<'_>, key: &SigningKey, now: UnixTime) -> Vec<(String, String)> {
    sign_request_with(request, format!("AAT {}", request.chain), key, now)
}

/// As [`sign_request`], for a chain that the gateway was given before: `authorization` is `AAT-Hash <SHA-256>`, the
/// digest of [`OutgoingRequest::chain`] in base64url.
pub fn sign_request_by_hash(
    request: &OutgoingRequest<'_>,
    key: &SigningKey,
    now: UnixTime,
) -> Vec<(String, String)> {
    let hash = crate::keys::base64url(&crate::keys::sha256(request.chain.as_bytes()));
    sign_request_with(request, format!("AAT-Hash {hash}"), key, now)
}

fn sign_request_with(
    request: &OutgoingRequest<'_>,
    authorization: String,
    key: &SigningKey,
    now: UnixTime,
) -> Vec<(String, String)> {
    let digest = content_digest(request.body);
    let mut components =
        vec![("@method", request.method), ("@target-uri", request.target_uri), ("content-digest", &digest)];
    components.extend(request.content_type.map(|value| ("content-type", value)));
    components.push(("authorization", &authorization));
    components.push(("killick-audience", request.audience));
    let expires = now.secs().saturating_add(request.lifetime_secs);
    let (input, signature) = sign_components(&REQUEST, &components, request.nonce, now, expires, key);

    let mut fields = vec![
        field("authorization", authorization.as_str()),
        field("content-digest", digest.as_str()),
        field("killick-audience", request.audience),
        field("signature-input", input),
        field("signature", signature),
    ];
    fields.extend(request.content_type.map(|value| field("content-type", value)));
    fields
}

/// A request that a gateway is about to forward.
#[derive(Clone, Debug)]
pub struct ForwardedRequest<'a> {
    /// Upper case.
    pub method: &'a str,
    /// Path with its leading slash, percent-encoded.
    pub path: &'a str,
    /// Query with its leading `?`, or `?` alone where there is none (RFC 9421 section 2.2.7).
    pub query: &'a str,
    /// Present where there is content.
    pub content_type: Option<&'a str>,
    /// The body; may be empty.
    pub body: &'a [u8],
    /// The request's id.
    pub request_id: &'a str,
    /// The caller's SPIFFE ID.
    pub agent: &'a str,
    /// The action decided on.
    pub action: &'a str,
    /// Fresh.
    pub nonce: &'a str,
}

/// The header fields of a forwarded request: `content-digest`, `killick-request-id`, `killick-agent`,
/// `killick-action`, `signature-input` (`tag="killick-gateway"`, covering `@method`, `@path`, `@query`,
/// `content-digest`, the three fields above and `content-type` where there is content) and `signature`.
pub fn sign_forwarded(
    request: &ForwardedRequest<'_>,
    key: &SigningKey,
    now: UnixTime,
) -> Vec<(String, String)> {
    let digest = content_digest(request.body);
    let mut components = vec![
        ("@method", request.method),
        ("@path", request.path),
        ("@query", request.query),
        ("content-digest", &digest),
        ("killick-request-id", request.request_id),
        ("killick-agent", request.agent),
        ("killick-action", request.action),
    ];
    components.extend(request.content_type.map(|value| ("content-type", value)));
    let expires = now.secs().saturating_add(FORWARDED_LIFETIME_SECS_MAX);
    let (input, signature) = sign_components(&FORWARDED, &components, request.nonce, now, expires, key);
    vec![
        field("content-digest", digest.as_str()),
        field("killick-request-id", request.request_id),
        field("killick-agent", request.agent),
        field("killick-action", request.action),
        field("signature-input", input),
        field("signature", signature),
    ]
}

/// The values of `Signature-Input` and `Signature` (RFC 9421 sections 4.1 and 4.2).
fn sign_components(
    profile: &Profile,
    components: &[(&str, &str)],
    nonce: &str,
    now: UnixTime,
    expires: u64,
    key: &SigningKey,
) -> (String, String) {
    let names: Vec<String> = components.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let params = format!(
        "({});created={};expires={expires};nonce={};keyid={};tag={}",
        names.join(" "),
        now.secs(),
        quoted(nonce),
        quoted(key.id().as_str()),
        quoted(profile.tag),
    );
    let signature = key.sign(&join_base(components.iter().copied(), &params));
    (format!("{}={params}", profile.label), format!("{}=:{}:", profile.label, STANDARD.encode(signature)))
}

fn field(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}
