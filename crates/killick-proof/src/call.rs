//! A call on its way in: as it arrived, as it was read, and once it is known who sent it.
//!
//! What is read here is what is decided on *and* what is forwarded; the bytes that arrived are never used again.

use crate::chain::Chain;
use crate::http_signature::RequestSignature;
use crate::json::Json;
use crate::keys::KeyId;
use crate::refusal::Refusal;
use crate::spiffe::SpiffeId;
use crate::time::UnixTime;
use crate::verified::Verified;

/// A request as a door received it, within the bounds of [`crate::limits`]. Says nothing yet.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// The method, as received.
    pub method: String,
    /// The request target, raw: `/invoices/INV-7?full=1`.
    pub target: String,
    /// Header fields in order: name as received, value bytes as received.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// Where it came from, for the log and policy: the peer's IP address in text.
    pub peer: String,
    /// The gateway's id for this request (UUIDv7).
    pub request_id: String,
}

/// The public names under which this gateway is reached, e.g. `http://127.0.0.1:7443`, and the audience that
/// signatures must name.
#[derive(Clone, Debug)]
pub struct PublicOrigins {
    /// `scheme://authority`, lower case, default ports left out. At least one; the first is the canonical one.
    pub origins: Vec<String>,
    /// What `killick-audience` must say: the gateway instance's SPIFFE ID.
    pub audience: String,
}

/// A request read once, unambiguously. Made by [`parse_call`] alone.
#[derive(Clone, Debug)]
pub struct ParsedCall {
    pub(crate) request_id: String,
    pub(crate) peer: String,
    pub(crate) method: String,
    /// Percent-decoded path segments.
    pub(crate) segments: Vec<String>,
    /// Percent-decoded query pairs in order; names unique.
    pub(crate) query: Vec<(String, String)>,
    /// Lower-case header fields that are not killick's own, each once.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: ParsedBody,
    /// SHA-256 of the body as received.
    pub(crate) body_digest: [u8; 32],
    /// SHA-256 of the RFC 9421 signature base: what was asked, in one digest.
    pub(crate) payload_digest: [u8; 32],
    pub(crate) chain: ChainSource,
    pub(crate) signature: RequestSignature,
}

/// The body as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParsedBody {
    /// No content.
    Empty,
    /// `application/json`, parsed strictly.
    Json(Json),
}

/// How the capability chain came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainSource {
    /// `Authorization: AAT root~link~…`
    Inline(String),
    /// `Authorization: AAT-Hash <base64url SHA-256>`
    Hash([u8; 32]),
}

/// Reads a request. Pure. Refuses whatever two parsers could read differently (`http.*`, `path.noncanonical`,
/// `json.*`, `limit.*`), a missing chain (`token.missing`) or signature (`pop.missing`), and a signature that does not
/// cover what it must (`sig.coverage`).
pub fn parse_call(raw: RawRequest, public: &PublicOrigins) -> Result<ParsedCall, Refusal> {
    let _ = (raw, public);
    todo!()
}

impl ParsedCall {
    /// The gateway's id for this request.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }
    /// The peer's IP address in text.
    pub fn peer(&self) -> &str {
        &self.peer
    }
    /// The method, upper case.
    pub fn method(&self) -> &str {
        &self.method
    }
    /// Percent-decoded path segments.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }
    /// Percent-decoded query pairs.
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }
    /// Header fields other than killick's own.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }
    /// The body.
    pub const fn body(&self) -> &ParsedBody {
        &self.body
    }
    /// SHA-256 of the body as received.
    pub const fn body_digest(&self) -> &[u8; 32] {
        &self.body_digest
    }
    /// SHA-256 of the signature base.
    pub const fn payload_digest(&self) -> &[u8; 32] {
        &self.payload_digest
    }
    /// How the chain came.
    pub const fn chain(&self) -> &ChainSource {
        &self.chain
    }
    /// The signature that came with it.
    pub const fn signature(&self) -> &RequestSignature {
        &self.signature
    }
}

/// A call whose sender is proved and whose nonce is used up. Made by [`crate::replay::ReplayWindow::admit`] alone.
#[derive(Debug)]
pub struct AuthenticatedCall {
    pub(crate) call: Verified<ParsedCall>,
    pub(crate) admitted_at: UnixTime,
}

impl AuthenticatedCall {
    /// The call as read.
    pub fn call(&self) -> &ParsedCall {
        &self.call
    }
    /// The verified chain.
    pub fn chain(&self) -> &Verified<Chain> {
        self.call.chain_verified()
    }
    /// The agent that sent it: the leaf holder's SPIFFE ID.
    pub fn agent(&self) -> &SpiffeId {
        self.call.agent()
    }
    /// The key that signed it.
    pub fn key(&self) -> &KeyId {
        self.chain().holder_key().id()
    }
    /// When it was admitted.
    pub const fn admitted_at(&self) -> UnixTime {
        self.admitted_at
    }
}
