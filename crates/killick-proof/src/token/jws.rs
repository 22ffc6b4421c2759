//! Compact JWS (RFC 7515) with two algorithms and a header that brings nothing of its own.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::json::{Json, View};
use crate::keys::{KeyKind, PublicKey, SigningKey, base64url};
use crate::limits::{JSON_DEPTH_MAX, TOKEN_BYTES_MAX, TOKEN_JSON_DEPTH_MAX};
use crate::refusal::{Code, Refusal};

/// A compact JWS, decoded but not yet verified. Its payload is bytes, not claims, until its signature holds.
pub(crate) struct Jws<'a> {
    signing_input: &'a str,
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// What a permitted header says.
pub(crate) struct Header<'a> {
    /// What the token says that it is signed with.
    pub(crate) alg: KeyKind,
    /// The media type, if one is stated.
    pub(crate) typ: Option<Cow<'a, str>>,
    /// The key's thumbprint, if one is stated.
    pub(crate) kid: Option<Cow<'a, str>>,
}

impl<'a> Jws<'a> {
    /// Takes the three parts apart. Errs with `limit.size`, or with `token.encoding` unless there are exactly three
    /// parts, each in the one canonical base64url (no padding, no stray bits: RFC 4648 section 3.5).
    pub(crate) fn split(compact: &'a str) -> Result<Self, Refusal> {
        if compact.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::new(
                Code::LimitSize,
                format!("a token is longer than {TOKEN_BYTES_MAX} bytes"),
            ));
        }
        let encoding = |why: &str| Refusal::new(Code::TokenEncoding, why);
        let three = || encoding("a token is not three parts joined by dots");
        let (signing_input, signature) = compact.rsplit_once('.').ok_or_else(three)?;
        let (header, payload) = signing_input.split_once('.').ok_or_else(three)?;
        if header.is_empty() || payload.is_empty() || payload.contains('.') {
            return Err(three());
        }
        let decode = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| encoding("a part of a token is not in canonical base64url"))
        };
        Ok(Self {
            signing_input,
            header: decode(header)?,
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }

    /// The ASCII text that is signed (RFC 7515 section 5.1).
    pub(crate) const fn signing_input(&self) -> &'a str {
        self.signing_input
    }

    /// The payload's bytes, unverified.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Reads the header of a token of ours or of the AAT draft. `alg` must be EdDSA, Ed25519 (RFC 8037, RFC 9864) or
    /// ES256 (RFC 7518; AAT draft section 8.13), and nothing in it may name, bring or fetch a key or ask for an extension;
    /// `kid` is a thumbprint. Errs with `token.alg`, `token.crit`, `token.issuer`, `token.typ`, `token.kid`,
    /// `json.duplicate_key` or `token.encoding`.
    pub(crate) fn header(&self) -> Result<Header<'_>, Refusal> {
        let header = self.header_json()?;
        let Some(alg) = header.get("alg").and_then(View::as_str).and_then(KeyKind::of_jws_alg) else {
            return Err(Refusal::new(Code::TokenAlg, "the token's `alg` is none of EdDSA, Ed25519, ES256"));
        };
        refuse_extensions(&header)?;
        let (typ, kid) = (text(&header, "typ", Code::TokenTyp)?, text(&header, "kid", Code::TokenKid)?);
        if !kid.as_deref().is_none_or(is_thumbprint) {
            return Err(Refusal::new(Code::TokenKid, "the token's `kid` is no SHA-256 thumbprint"));
        }
        Ok(Header { alg, typ, kid })
    }

    /// The header as it stands. Errs with `json.duplicate_key` or `token.encoding`.
    pub(crate) fn header_json(&self) -> Result<View<'_>, Refusal> {
        let header = View::parse(&self.header, JSON_DEPTH_MAX).map_err(|refusal| match refusal.code() {
            Code::JsonDuplicateKey => refusal,
            _ => Refusal::new(Code::TokenEncoding, "a token's header is not JSON"),
        })?;
        if header.as_object().is_none() {
            return Err(Refusal::new(Code::TokenEncoding, "a token's header is no JSON object"));
        }
        Ok(header)
    }

    /// Whether the signature is `key`'s and `alg` says so: what a token claims of its algorithm never picks the
    /// verifier, it only has to agree with the key.
    pub(crate) fn is_signed_by(&self, alg: KeyKind, key: &PublicKey) -> bool {
        alg == key.kind() && key.verifies(self.signing_input.as_bytes(), &self.signature)
    }

    /// The payload as JSON. To be called once the signature holds. Errs with `json.duplicate_key`, `limit.depth`,
    /// `arg.number` or `token.claims`.
    pub(crate) fn claims(&self) -> Result<View<'_>, Refusal> {
        View::parse(&self.payload, TOKEN_JSON_DEPTH_MAX).map_err(|refusal| match refusal.code() {
            Code::JsonInvalid => Refusal::new(Code::TokenClaims, "the token's payload is not valid JSON"),
            _ => refusal,
        })
    }
}

/// The form of an RFC 7638 SHA-256 thumbprint: 32 bytes in base64url.
fn is_thumbprint(kid: &str) -> bool {
    let mut digest = [0; 33];
    kid.len() == 43 && URL_SAFE_NO_PAD.decode_slice(kid, &mut digest).is_ok()
}

/// Refuses what brings or fetches a key, and what asks for an extension (RFC 7515 sections 4.1.2 to 4.1.6, 4.1.11).
/// Errs with `token.crit` or `token.issuer`.
pub(crate) fn refuse_extensions(header: &View<'_>) -> Result<(), Refusal> {
    if header.get("crit").is_some() {
        return Err(Refusal::new(Code::TokenCrit, "the token's header has `crit`"));
    }
    match ["jwk", "jku", "x5u", "x5c"].into_iter().find(|name| header.get(name).is_some()) {
        Some(name) => {
            let why = format!("the token's header has `{name}`: keys come from configuration alone");
            Err(Refusal::new(Code::TokenIssuer, why))
        }
        None => Ok(()),
    }
}

/// A header's member, if it is there; errs with `code` if it is no string.
pub(crate) fn text<'a>(header: &View<'a>, name: &str, code: Code) -> Result<Option<Cow<'a, str>>, Refusal> {
    match header.get(name) {
        None => Ok(None),
        Some(View::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::new(code, format!("the token's `{name}` is no string"))),
    }
}

/// Signs `payload`: a compact JWS with the key's `alg`, this `typ`, and the key's thumbprint as `kid`.
pub(crate) fn sign(typ: &str, payload: &[u8], key: &SigningKey) -> String {
    sign_with(typ, key.id().as_str(), payload, key)
}

/// As [`sign`], with another `kid`.
pub(crate) fn sign_with(typ: &str, kid: &str, payload: &[u8], key: &SigningKey) -> String {
    let header = [("alg", key.public().kind().jws_alg()), ("kid", kid), ("typ", typ)];
    let header = Json::object(header.map(|(name, value)| (name, Json::from(value))));
    let signing_input = format!("{}.{}", base64url(&header.to_bytes()), base64url(payload));
    let signature = base64url(&key.sign(signing_input.as_bytes()));
    format!("{signing_input}.{signature}")
}
