//! HTTP Message Signatures (RFC 9421) and digest fields (RFC 9530): the signature base, signing and verifying.
//!
//! Two profiles are used: `tag="killick"` on requests from agents, `tag="killick-gateway"` on what a gateway forwards.

use crate::keys::{KeyId, PublicKey};
use crate::refusal::Refusal;
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
    let _ = body;
    todo!()
}

/// Verifies a signature of a gateway (`tag="killick-gateway"`) on a request that an upstream received: covered
/// components, digest, time window (±30 s), key. Returns what it vouches for. The upstream keeps the nonces.
pub fn verify_forwarded(
    message: &Message<'_>,
    gateways: &[PublicKey],
    now: UnixTime,
) -> Result<Forwarded, Refusal> {
    let _ = (message, gateways, now);
    todo!()
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
    /// When the nonce may be forgotten.
    pub expires: UnixTime,
    /// The gateway's key.
    pub key: KeyId,
}
