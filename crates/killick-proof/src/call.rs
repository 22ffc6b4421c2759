//! A call on its way in: as it arrived, as it was read, and once it is known who sent it.
//!
//! What is read here is what is decided on *and* what is forwarded; the bytes that arrived are never used again.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::chain::Chain;
use crate::http_signature::{
    Message, REQUEST, RequestSignature, digest_matches, is_field_text, parse_signature, signature_base,
};
use crate::json::Json;
use crate::keys::{KeyId, sha256};
use crate::limits::{
    BODY_BYTES_MAX, CHAIN_HEADER_BYTES_MAX, HEADER_BYTES_MAX, HEADERS_MAX, QUERY_PAIRS_MAX, SHOWN_SVIDS_MAX,
    TARGET_BYTES_MAX,
};
use crate::message_signature::{Pseudo, normal_authority};
use crate::refusal::{Code, Refusal};
use crate::spiffe::SpiffeId;
use crate::time::UnixTime;
use crate::verified::{SignedCall, Verified};

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

impl RawRequest {
    /// A request as HTTP/2 or HTTP/3 carries it, pseudo-header fields first, as the same request in HTTP/1.1: `:authority`
    /// becomes `host`, with which a `host` that is there must agree. So both forms are read, and signed, alike. Errs as
    /// [`Pseudo::read`].
    pub fn from_http2(
        fields: &[(String, Vec<u8>)],
        body: Vec<u8>,
        peer: String,
        request_id: String,
    ) -> Result<Self, Refusal> {
        let pseudo = Pseudo::read(fields)?;
        Ok(Self {
            method: pseudo.method,
            target: pseudo.target,
            headers: pseudo.fields,
            body,
            peer,
            request_id,
        })
    }
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
    /// SVIDs shown for holders of the chain, DER: each a leaf and the signing certificates that came with it.
    pub(crate) svids: Vec<Vec<Vec<u8>>>,
    pub(crate) signature: RequestSignature,
    /// Whether the body is what the signed `content-digest` says; a refusal only once the signature has verified.
    pub(crate) digest_matches: bool,
    /// What `killick-audience` must say here.
    pub(crate) audience_expected: String,
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
///
/// The order is: target, method, framing and fields, body, chain, signature.
pub fn parse_call(raw: RawRequest, public: &PublicOrigins) -> Result<ParsedCall, Refusal> {
    check_target_form(&raw.target)?;
    if !METHODS.contains(&raw.method.as_str()) {
        return refuse(Code::HttpAmbiguous, "the method is none of GET, HEAD, POST, PUT, PATCH, DELETE");
    }
    let fields = Fields::read(raw.headers)?;
    fields.check_framing(raw.body.len())?;
    fields.check_host(public)?;
    let (path, query) = match raw.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (raw.target.as_str(), None),
    };
    let segments = parse_path(path)?;
    let query = query.map(parse_query).transpose()?.unwrap_or_default();
    let body = parse_body(&raw.method, &raw.body, fields.get("content-type"))?;

    let chain = parse_authorization(fields.get("authorization"))?;
    let svids = fields.get("killick-svid").map(parse_svids).transpose()?.unwrap_or_default();
    let (Some(input), Some(signature)) = (fields.get("signature-input"), fields.get("signature")) else {
        return refuse(Code::PopMissing, "the request is not signed: it needs Signature-Input and Signature");
    };
    let parsed = parse_signature(input, signature, &REQUEST)?;
    parsed.check_coverage(&REQUEST, fields.get("content-type").is_some())?;
    let Some(origin) = public.origins.first() else {
        return refuse(Code::InternalError, "this gateway has no public origin");
    };
    let target_uri = format!("{origin}{}", raw.target);
    let message =
        Message { method: &raw.method, target_uri: &target_uri, headers: &fields.0, body: &raw.body };
    let base = signature_base(&message, &parsed.covered, &parsed.params)?;
    // Both fields are covered, so the base could not have been made without them.
    let audience = fields.get("killick-audience").unwrap_or_default().to_owned();
    let digest_matches = digest_matches(fields.get("content-digest").unwrap_or_default(), &raw.body)?;

    Ok(ParsedCall {
        segments,
        query,
        headers: fields.into_end_to_end(),
        body,
        body_digest: sha256(&raw.body),
        payload_digest: sha256(&base),
        chain,
        svids,
        signature: RequestSignature {
            base,
            signature: parsed.signature,
            created: parsed.created,
            expires: parsed.expires,
            nonce: parsed.nonce,
            keyid: parsed.keyid,
            alg: parsed.alg,
            audience,
        },
        digest_matches,
        audience_expected: public.audience.clone(),
        request_id: raw.request_id,
        peer: raw.peer,
        method: raw.method,
    })
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
    pub(crate) signed: Verified<SignedCall>,
    pub(crate) admitted_at: UnixTime,
}

impl AuthenticatedCall {
    /// The call as read.
    pub fn call(&self) -> &ParsedCall {
        &self.signed.call
    }
    /// The verified chain.
    pub fn chain(&self) -> &Verified<Chain> {
        &self.signed.chain
    }
    /// The agent that sent it: the leaf holder's SPIFFE ID.
    pub fn agent(&self) -> &SpiffeId {
        &self.signed.agent
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

/// The methods that agents may use. The rest is answered nowhere behind killick: CONNECT and TRACE change what a
/// connection means, OPTIONS is for browsers.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// Fields by which some servers take another method or path than the request line's.
const OVERRIDES: [&str; 6] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
];
/// Fields of ours that callers send.
const FROM_CALLERS: [&str; 2] = ["killick-audience", "killick-svid"];
/// Fields about this hop or its proof: read here, and not part of the call.
const OF_THIS_HOP: [&str; 14] = [
    "authorization",
    "connection",
    "content-digest",
    "content-encoding",
    "content-length",
    "host",
    "keep-alive",
    "killick-audience",
    "killick-svid",
    "proxy-authorization",
    "proxy-connection",
    "signature",
    "signature-input",
    "te",
];

/// Header fields: names in lower case, values trimmed, each name once.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn read(headers: Vec<(String, Vec<u8>)>) -> Result<Self, Refusal> {
        let bytes: usize = headers.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
        if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
            return refuse(
                Code::LimitSize,
                format!("more than {HEADERS_MAX} header fields or {HEADER_BYTES_MAX} bytes of them"),
            );
        }
        // At most [`HEADERS_MAX`]: to look through them is quicker than to keep a set of their names.
        let mut fields: Vec<(String, String)> = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            let name = field_name(name)?;
            let value = field_value(&name, value)?;
            if fields.iter().any(|(field, _)| *field == name) {
                // Which copy counts is a matter of taste (RFC 9110 section 5.3); for framing it is an attack.
                let framing = matches!(name.as_str(), "content-length" | "transfer-encoding");
                let code = if framing { Code::HttpFraming } else { Code::HttpAmbiguous };
                return refuse(code, format!("the field `{name}` is there twice"));
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Length, transfer coding, content coding and whatever else changes how a message or connection is to be read.
    fn check_framing(&self, body_bytes: usize) -> Result<(), Refusal> {
        if let Some(coding) = self.get("transfer-encoding") {
            // RFC 9112 section 6.1: with a length it is a smuggling attempt; one spelling, no list.
            if self.get("content-length").is_some() || !coding.eq_ignore_ascii_case("chunked") {
                return refuse(
                    Code::HttpFraming,
                    "the transfer encoding is not `chunked` alone, or comes with a content length",
                );
            }
        }
        if let Some(length) = self.get("content-length") {
            // Digits only: `usize` would also take a leading plus.
            let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
            if !digits || length.parse() != Ok(body_bytes) {
                return refuse(Code::HttpFraming, "the content length is not the body's");
            }
        }
        if self.get("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return refuse(Code::HttpContentEncoding, "the body must not be encoded (compressed)");
        }
        if let Some(name) = ["expect", "trailer", "upgrade"].into_iter().find(|name| self.get(name).is_some())
        {
            return refuse(Code::HttpAmbiguous, format!("the field `{name}` is not served here"));
        }
        // RFC 9110 section 7.6.1: whatever Connection names is dropped on the way, and a dropped field is a changed
        // request. So nothing is named.
        let names_a_field = |value: &str| {
            value.split(',').map(str::trim).any(|option| {
                !option.eq_ignore_ascii_case("close") && !option.eq_ignore_ascii_case("keep-alive")
            })
        };
        if self.get("connection").is_some_and(names_a_field) {
            return refuse(Code::HttpAmbiguous, "`Connection` may only say `close` or `keep-alive`");
        }
        Ok(())
    }

    /// RFC 9112 section 3.2: exactly one Host; here it must be one of the gateway's own.
    fn check_host(&self, public: &PublicOrigins) -> Result<(), Refusal> {
        let Some(host) = self.get("host") else {
            return refuse(Code::HttpTargetForm, "the request has no `Host`");
        };
        let is_ours = public.origins.iter().any(|origin| {
            origin.split_once("://").is_some_and(|(scheme, authority)| {
                normal_authority(scheme, host) == normal_authority(scheme, authority)
            })
        });
        if is_ours { Ok(()) } else { refuse(Code::HttpTargetForm, "`Host` is not a name of this gateway") }
    }

    /// The fields that are the caller's own.
    fn into_end_to_end(self) -> Vec<(String, String)> {
        self.0
            .into_iter()
            .filter(|(name, _)| !OF_THIS_HOP.contains(&name.as_str()) && name != "transfer-encoding")
            .collect()
    }
}

/// RFC 9110 section 5.1: a token. Errs for what only killick, or nobody, may send.
fn field_name(mut name: String) -> Result<String, Refusal> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) {
        return refuse(Code::HttpFraming, "a field name has bytes that no name may have");
    }
    name.make_ascii_lowercase();
    if name.contains('_') {
        // CGI and WSGI read `killick_agent` and `killick-agent` as the same variable.
        return refuse(
            Code::HttpAmbiguous,
            "a field name has an underscore, which servers confuse with a dash",
        );
    }
    if OVERRIDES.contains(&name.as_str())
        || (name.starts_with("killick-") && !FROM_CALLERS.contains(&name.as_str()))
    {
        return refuse(Code::HttpReservedHeader, format!("`{name}` is not a caller's to set"));
    }
    Ok(name)
}

/// RFC 9110 section 5.5, without the obsolete bytes beyond ASCII.
fn field_value(name: &str, value: Vec<u8>) -> Result<String, Refusal> {
    if value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        return refuse(Code::HttpFraming, format!("the field `{name}` has a line break or NUL"));
    }
    match String::from_utf8(value) {
        Ok(text) if is_field_text(text.as_bytes()) => {
            let trimmed = text.trim_matches([' ', '\t']);
            Ok(if trimmed.len() == text.len() { text } else { trimmed.to_owned() })
        }
        _ => refuse(Code::HttpAmbiguous, format!("the field `{name}` has bytes beyond visible ASCII")),
    }
}

/// RFC 9112 section 3.2.1: origin form, and nothing that is not a character of a URI.
fn check_target_form(target: &str) -> Result<(), Refusal> {
    if target.len() > TARGET_BYTES_MAX {
        return refuse(
            Code::LimitSize,
            format!("the request target is longer than {TARGET_BYTES_MAX} bytes"),
        );
    }
    if target.bytes().any(|b| b.is_ascii_control() || b == b' ') {
        return refuse(Code::HttpFraming, "the request target has a space or control byte");
    }
    // `//host/path` is a path here and a host elsewhere (RFC 3986 section 4.2).
    if !target.starts_with('/') || target.starts_with("//") {
        return refuse(Code::HttpTargetForm, "the request target must be a path that begins with one slash");
    }
    Ok(())
}

/// RFC 3986 section 3.3 `pchar`, without what some servers take for more than a character: `;` begins parameters.
const fn is_path_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}

/// RFC 3986 section 3.4, without what some servers take for a separator or a space: `;`, `+`, a second `=`. They are
/// written `%3B`, `%2B` or `%20`, `%3D`.
const fn is_query_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b','
                | b':'
                | b'@'
                | b'/'
                | b'?'
        )
}

/// The segments of a path, decoded once; none for the bare `/`.
fn parse_path(path: &str) -> Result<Vec<String>, Refusal> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(parse_segment).collect()
}

fn parse_segment(raw: &str) -> Result<String, Refusal> {
    let noncanonical = |why: &str| refuse(Code::PathNoncanonical, why);
    if raw.is_empty() {
        return noncanonical("the path has an empty segment or ends with a slash");
    }
    let Some(text) = percent_decode(raw, is_path_byte) else {
        return noncanonical("the path has a raw byte or an escape that is not permitted");
    };
    if text.chars().any(|c| c.is_control() || matches!(c, '/' | '\\')) {
        return noncanonical("the path has an encoded slash, backslash or control character");
    }
    // `..;x` is a dot segment to servers that cut parameters off first.
    if matches!(text.split(';').next(), Some("." | "..")) {
        return noncanonical("the path has a dot segment");
    }
    let doubly =
        |at: usize| text.get(at + 1..at + 3).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    if text.match_indices('%').any(|(at, _)| doubly(at)) {
        return noncanonical("the path is encoded twice");
    }
    Ok(text)
}

/// `a=b&c=d`: every pair has a name and one `=`; names are unique, also without regard to case.
fn parse_query(raw: &str) -> Result<Vec<(String, String)>, Refusal> {
    let ambiguous = |why: &str| refuse(Code::HttpAmbiguous, why);
    let mut names = BTreeSet::new();
    let mut pairs = Vec::new();
    for pair in raw.split('&') {
        let Some((name, value)) = pair.split_once('=') else {
            return ambiguous("a part of the query is empty or has no `=`");
        };
        let decode = |text: &str| {
            percent_decode(text, is_query_byte).filter(|text| !text.chars().any(char::is_control))
        };
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            return ambiguous("the query has a raw byte or an escape that is not permitted");
        };
        if name.is_empty() || !names.insert(name.to_lowercase()) {
            return ambiguous("a name in the query is empty or there twice");
        }
        if pairs.len() == QUERY_PAIRS_MAX {
            return refuse(Code::LimitSize, format!("the query has more than {QUERY_PAIRS_MAX} pairs"));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// Decodes percent triplets once (RFC 3986 section 2.1). `None` for a raw byte that is not permitted, a broken triplet
/// or bytes that are not UTF-8.
fn percent_decode(raw: &str, permitted: fn(u8) -> bool) -> Option<String> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            _ if permitted(byte) => out.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(out).ok()
}

/// JSON or nothing. What a body means with GET or HEAD nobody has said (RFC 9110 section 9.3.1), so there is none.
fn parse_body(method: &str, body: &[u8], content_type: Option<&str>) -> Result<ParsedBody, Refusal> {
    if body.len() > BODY_BYTES_MAX {
        return refuse(Code::LimitSize, format!("the body is longer than {BODY_BYTES_MAX} bytes"));
    }
    if content_type.is_some_and(|value| !is_json(value)) {
        return refuse(Code::HttpContentType, "the content type is not `application/json` (in UTF-8)");
    }
    if body.is_empty() {
        return Ok(ParsedBody::Empty);
    }
    if matches!(method, "GET" | "HEAD") {
        return refuse(Code::HttpAmbiguous, format!("a {method} request has no body"));
    }
    if content_type.is_none() {
        return refuse(Code::HttpContentType, "the body has no content type");
    }
    Json::parse(body).map(ParsedBody::Json)
}

/// `application/json`, at most with the charset that JSON has anyway (RFC 8259 section 11).
fn is_json(content_type: &str) -> bool {
    let (media, charset) = match content_type.split_once(';') {
        Some((media, parameter)) => (media, parameter.trim().to_ascii_lowercase()),
        None => (content_type, "charset=utf-8".to_owned()),
    };
    media.trim().eq_ignore_ascii_case("application/json")
        && matches!(charset.as_str(), "charset=utf-8" | "charset=\"utf-8\"")
}

/// `AAT <chain>` or `AAT-Hash <SHA-256>`; the scheme in any case (RFC 9110 section 11.1), then one space.
fn parse_authorization(value: Option<&str>) -> Result<ChainSource, Refusal> {
    let Some(value) = value else {
        return refuse(Code::TokenMissing, "the request has no `Authorization: AAT <chain>`");
    };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    match scheme.to_ascii_lowercase().as_str() {
        "aat" => {
            if token.len() > CHAIN_HEADER_BYTES_MAX {
                return refuse(
                    Code::LimitSize,
                    format!(
                        "the chain is longer than {CHAIN_HEADER_BYTES_MAX} bytes; put it once and name it by hash"
                    ),
                );
            }
            let of_a_chain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
            // In pieces without an early end, for speed: see [`is_field_text`].
            let pieces = || token.as_bytes().chunks(64);
            if token.is_empty()
                || !pieces().all(|piece| piece.iter().fold(true, |all, b| all & of_a_chain(b)))
            {
                return refuse(Code::TokenEncoding, "the chain has characters that no compact JWS has");
            }
            Ok(ChainSource::Inline(token.to_owned()))
        }
        "aat-hash" => match URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| bytes.try_into().ok()) {
            Some(hash) => Ok(ChainSource::Hash(hash)),
            None => refuse(Code::TokenEncoding, "the chain's hash is not 32 bytes in base64url"),
        },
        "bearer" => {
            refuse(Code::PopMissing, "a bearer token proves nothing here; use AAT and sign the request")
        }
        _ => refuse(Code::TokenMissing, "the authorization scheme is not `AAT`"),
    }
}

/// `Killick-Svid`: a list (RFC 9651 section 3.1) of byte sequences, each an X.509-SVID in DER, or of inner lists of them,
/// leaf first, where signing certificates come with it.
fn parse_svids(value: &str) -> Result<Vec<Vec<Vec<u8>>>, Refusal> {
    let wrong = || Refusal::new(Code::HttpAmbiguous, "`Killick-Svid` is no list of byte sequences");
    let der = |item: sfv::Item| match item.bare_item {
        sfv::BareItem::ByteSequence(der) if item.params.is_empty() => Ok(der),
        _ => Err(wrong()),
    };
    let list = sfv::Parser::new(value).parse::<sfv::List>().map_err(|_| wrong())?;
    if list.len() > SHOWN_SVIDS_MAX {
        return refuse(Code::LimitSize, format!("more than {SHOWN_SVIDS_MAX} SVIDs came with the chain"));
    }
    let svid = |entry: sfv::ListEntry| match entry {
        sfv::ListEntry::Item(item) => Ok(vec![der(item)?]),
        sfv::ListEntry::InnerList(list) if list.params.is_empty() => {
            list.items.into_iter().map(der).collect()
        }
        sfv::ListEntry::InnerList(_) => Err(wrong()),
    };
    list.into_iter().map(svid).collect()
}

fn refuse<T>(code: Code, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}
