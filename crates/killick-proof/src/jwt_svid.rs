//! JWT-SVIDs (SPIFFE JWT-SVID): a workload's identity as a signed bearer token, for where no certificate reaches.
//!
//! killick itself never takes one for an action: it proves nothing about who sent it. It is here for systems around it.
//!
//! `alg` is ES256 and nothing else. Section 2.1 permits the RSA and ECDSA algorithms of RFC 7518 and no other, which leaves
//! out EdDSA; of those that it permits, ES256 is the one whose keys are kept here.
//!
//! ```
//! use killick_proof::fixtures::{self, NOW};
//! use killick_proof::jwt_svid::{issue_jwt_svid, verify_jwt_svid};
//! use killick_proof::keys::SigningKey;
//! use killick_proof::trust_bundle::{JwtKey, SpiffeBundle};
//!
//! let key = SigningKey::from_p256_scalar([7; 32])?;
//! let published = JwtKey { kid: "2026-11".to_owned(), key: key.public().clone() };
//! let bundle = SpiffeBundle::new("acme.example", vec![], vec![published])?;
//!
//! let id = fixtures::id("/agent/invoice-bot");
//! let token = issue_jwt_svid(&id, &["spiffe://acme.example/reports"], "2026-11", &key, NOW, 300)?;
//! let svid = verify_jwt_svid(&token, &bundle, "spiffe://acme.example/reports", NOW)?;
//! assert_eq!(svid.id, id);
//! # Ok::<(), killick_proof::Refusal>(())
//! ```

use std::borrow::Cow;

use crate::json::{Json, View};
use crate::keys::{KeyKind, SigningKey};
use crate::limits::{CLOCK_SKEW_SECS, JWT_SVID_AUDIENCES_MAX, JWT_SVID_BYTES_MAX};
use crate::refusal::{Code, Refusal};
use crate::spiffe::SpiffeId;
use crate::time::UnixTime;
use crate::token::claims::shown;
use crate::token::jws::{self, Jws, refuse_extensions, text};
use crate::trust_bundle::{JwtKey, SpiffeBundle};

/// What a valid JWT-SVID says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtSvid {
    /// The workload (`sub`).
    pub id: SpiffeId,
    /// Everyone that it is for (`aud`); at least one.
    pub audiences: Vec<String>,
    /// From then on it is no longer valid (`exp`).
    pub expires: UnixTime,
    /// The name of the key that signed it, as the bundle has it.
    pub kid: String,
}

/// Validates a JWT-SVID for `audience` with the keys of its trust domain's bundle (JWT-SVID sections 2 to 4, RFC 7519
/// section 7.2). `exp` is exact; `nbf` and `iat`, where present, may lie 30 seconds ahead.
///
/// Errs with `limit.size`; `token.encoding` (also for a header member that section 2 does not describe), `token.alg`,
/// `token.crit`, `token.issuer`, `token.typ`; `token.kid` (no key of that name), `token.sig`; `token.claims`,
/// `json.duplicate_key`, `identity.chain` (`sub`), `identity.domain`, `token.aud`, `token.expired`, `clock.skew`.
pub fn verify_jwt_svid(
    compact: &str,
    bundle: &SpiffeBundle,
    audience: &str,
    now: UnixTime,
) -> Result<JwtSvid, Refusal> {
    if compact.len() > JWT_SVID_BYTES_MAX {
        return refuse(Code::LimitSize, format!("a JWT-SVID is longer than {JWT_SVID_BYTES_MAX} bytes"));
    }
    let jws = Jws::split(compact)?;
    let kid = read_header(&jws)?;
    let signer = find_signer(&jws, kid.as_deref(), bundle)?;
    let claims = jws.claims()?;
    let id = SpiffeId::parse(required(&claims, "sub")?)?;
    if id.trust_domain() != bundle.trust_domain() {
        return refuse(Code::IdentityDomain, "the JWT-SVID is of another trust domain than the bundle");
    }
    let audiences = read_audiences(&claims)?;
    if !audiences.iter().any(|named| named == audience) {
        return refuse(Code::TokenAud, "the JWT-SVID is for another audience");
    }
    let expires = check_times(&claims, now)?;
    Ok(JwtSvid { id, audiences, expires, kid: signer.kid.clone() })
}

/// Issues a JWT-SVID for `id`, valid from `now` for `lifetime_secs`, signed by the P-256 key that the bundle names `kid`.
/// Errs with `token.alg` for an Ed25519 key, `token.kid` for an empty name, `token.aud` unless there are 1 to 16 audiences,
/// none of them empty, and `token.claims` for a lifetime of 0.
pub fn issue_jwt_svid(
    id: &SpiffeId,
    audiences: &[&str],
    kid: &str,
    key: &SigningKey,
    now: UnixTime,
    lifetime_secs: u64,
) -> Result<String, Refusal> {
    if key.public().kind() != KeyKind::P256 {
        return refuse(Code::TokenAlg, "a JWT-SVID is signed with ES256, which needs a P-256 key");
    }
    if kid.is_empty() {
        return refuse(Code::TokenKid, "a JWT-SVID names the key that signed it");
    }
    if audiences.len() > JWT_SVID_AUDIENCES_MAX || audiences.iter().any(|audience| audience.is_empty()) {
        return refuse(Code::TokenAud, "a JWT-SVID has 1 to 16 audiences, none of them empty");
    }
    if lifetime_secs == 0 {
        return refuse(Code::TokenClaims, "a JWT-SVID lives for a second or more");
    }
    // The JSON schema of the specification knows one audience as a text; RFC 7519 section 4.1.3 permits both.
    let audience = match audiences {
        [] => return refuse(Code::TokenAud, "a JWT-SVID has 1 to 16 audiences, none of them empty"),
        [one] => Json::from(*one),
        several => Json::Array(several.iter().map(|audience| Json::from(*audience)).collect()),
    };
    let claims = Json::object([
        ("sub", Json::from(id.as_str())),
        ("aud", audience),
        ("exp", Json::from(now.secs().saturating_add(lifetime_secs))),
        ("iat", Json::from(now.secs())),
    ]);
    Ok(jws::sign_with("JWT", kid, &claims.to_bytes(), key))
}

/// Section 2: `alg`, `kid` and `typ`, and nothing else. The `kid`, if there is one.
fn read_header<'a>(jws: &'a Jws<'_>) -> Result<Option<Cow<'a, str>>, Refusal> {
    let header = jws.header_json()?;
    if header.get("alg").and_then(View::as_str) != Some(KeyKind::P256.jws_alg()) {
        return refuse(Code::TokenAlg, "the JWT-SVID's `alg` is not ES256");
    }
    refuse_extensions(&header)?;
    let unknown = |name: &&str| !matches!(*name, "alg" | "kid" | "typ");
    if let Some(name) = header.as_object().and_then(|members| members.names().find(unknown)) {
        let why =
            format!("the JWT-SVID's header has `{}`, which the specification does not know", shown(name));
        return refuse(Code::TokenEncoding, why);
    }
    if !matches!(text(&header, "typ", Code::TokenTyp)?.as_deref(), None | Some("JWT" | "JOSE")) {
        return refuse(Code::TokenTyp, "the JWT-SVID's `typ` is neither JWT nor JOSE");
    }
    text(&header, "kid", Code::TokenKid)
}

/// The bundle's key of that name. Section 2.2 makes `kid` optional: without one every key is tried.
fn find_signer<'a>(
    jws: &Jws<'_>,
    kid: Option<&str>,
    bundle: &'a SpiffeBundle,
) -> Result<&'a JwtKey, Refusal> {
    let named = |key: &&JwtKey| kid.is_none_or(|kid| key.kid == kid);
    let mut keys = bundle.jwt_keys().iter().filter(named).peekable();
    if keys.peek().is_none() {
        return refuse(Code::TokenKid, "the trust domain's bundle has no JWT-SVID key of that name");
    }
    match keys.find(|signer| jws.is_signed_by(KeyKind::P256, &signer.key)) {
        Some(signer) => Ok(signer),
        None => refuse(Code::TokenSig, "the JWT-SVID's signature does not verify"),
    }
}

/// Section 3.2; RFC 7519 section 4.1.3: one text or an array of texts.
fn read_audiences(claims: &View<'_>) -> Result<Vec<String>, Refusal> {
    let audiences = match claims.get("aud") {
        Some(View::String(one)) => Some(vec![one.clone().into_owned()]),
        Some(View::Array(several)) if several.len() <= JWT_SVID_AUDIENCES_MAX => {
            several.iter().map(|audience| audience.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    };
    match audiences {
        Some(audiences) if !audiences.is_empty() => Ok(audiences),
        _ => refuse(
            Code::TokenAud,
            "the JWT-SVID's `aud` is missing, empty or neither a text nor 1 to 16 texts",
        ),
    }
}

/// Section 3.3; RFC 7519 sections 4.1.4 to 4.1.6. When it expires.
fn check_times(claims: &View<'_>, now: UnixTime) -> Result<UnixTime, Refusal> {
    let Some(expires) = time(claims, "exp")? else {
        return refuse(Code::TokenClaims, "the JWT-SVID's `exp` is missing");
    };
    if expires <= now {
        return refuse(Code::TokenExpired, format!("the JWT-SVID expired at {}", expires.secs()));
    }
    for name in ["nbf", "iat"] {
        if time(claims, name)?.is_some_and(|begins| begins > now.plus_secs(CLOCK_SKEW_SECS)) {
            return refuse(Code::ClockSkew, format!("the JWT-SVID's `{name}` is in the future"));
        }
    }
    Ok(expires)
}

/// A whole number of seconds (the JSON schema of the specification), if it is there.
fn time(claims: &View<'_>, name: &str) -> Result<Option<UnixTime>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    match value.as_number().and_then(|number| number.as_u64()) {
        Some(secs) => Ok(Some(UnixTime::from_secs(secs))),
        None => refuse(Code::TokenClaims, format!("the JWT-SVID's `{name}` is no whole number of seconds")),
    }
}

fn required<'a>(claims: &'a View<'_>, name: &str) -> Result<&'a str, Refusal> {
    match claims.get(name).and_then(View::as_str) {
        Some(text) => Ok(text),
        None => refuse(Code::TokenClaims, format!("the JWT-SVID's `{name}` is missing or no text")),
    }
}

fn refuse<T>(code: Code, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}
