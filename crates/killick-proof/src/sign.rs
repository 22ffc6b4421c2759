//! What is to be signed, and the signing of it: requests by agents, forwarded requests by gateways.

use crate::keys::SigningKey;
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
    let _ = (request, key, now);
    todo!()
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
    let _ = (request, key, now);
    todo!()
}
