//! JWT-SVIDs: each rule of the specification with a token that breaks it, beside one that does not.
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use killick_proof::fixtures::{self, NOW};
use killick_proof::jwt_svid::{issue_jwt_svid, verify_jwt_svid};
use killick_proof::keys::{SigningKey, base64url};
use killick_proof::trust_bundle::{JwtKey, SpiffeBundle};
use killick_proof::{Code, UnixTime};
use serde_json::{Value, json};

const AUDIENCE: &str = "spiffe://acme.example/reports";
const SUBJECT: &str = "spiffe://acme.example/agent/invoice-bot";

fn key(number: u8) -> SigningKey {
    SigningKey::from_p256_scalar([number; 32]).unwrap()
}

fn bundle() -> SpiffeBundle {
    let named = |kid: &str, number: u8| JwtKey { kid: kid.to_owned(), key: key(number).public().clone() };
    SpiffeBundle::new("acme.example", vec![], vec![named("old", 1), named("new", 2)]).unwrap()
}

fn claims() -> Value {
    json!({ "sub": SUBJECT, "aud": AUDIENCE, "exp": NOW.secs() + 300, "iat": NOW.secs() })
}

fn signed(header: &str, payload: &str, key: &SigningKey) -> String {
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()));
    format!("{input}.{}", base64url(&key.sign(input.as_bytes())))
}

fn verify(token: &str) -> Result<(), Code> {
    verify_at(token, NOW)
}

fn verify_at(token: &str, now: UnixTime) -> Result<(), Code> {
    verify_jwt_svid(token, &bundle(), AUDIENCE, now).map(|_| ()).map_err(|refusal| refusal.code())
}

fn with_header(header: &str) -> Result<(), Code> {
    verify(&signed(header, &claims().to_string(), &key(2)))
}

fn with_claims(payload: &str) -> Result<(), Code> {
    verify(&signed(r#"{"alg":"ES256","kid":"new","typ":"JWT"}"#, payload, &key(2)))
}

/// The claims with one of them replaced, or removed.
fn with(name: &str, value: Option<Value>) -> Result<(), Code> {
    let mut claims = claims();
    let members = claims.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    with_claims(&claims.to_string())
}

#[test]
fn what_is_issued_validates() {
    let id = fixtures::id("/agent/invoice-bot");
    for audiences in [&[AUDIENCE][..], &["other", AUDIENCE]] {
        let token = issue_jwt_svid(&id, audiences, "new", &key(2), NOW, 300).unwrap();
        let svid = verify_jwt_svid(&token, &bundle(), AUDIENCE, NOW).unwrap();
        assert_eq!((&svid.id, svid.kid.as_str()), (&id, "new"));
        assert_eq!(svid.audiences, audiences);
        assert_eq!(svid.expires, NOW.plus_secs(300));
    }
}

#[test]
fn what_cannot_be_a_jwt_svid_is_not_issued() {
    let id = fixtures::id("/agent/invoice-bot");
    let code = |audiences: &[&str], kid: &str, key: &SigningKey, lifetime: u64| {
        issue_jwt_svid(&id, audiences, kid, key, NOW, lifetime).map(|_| ()).map_err(|refusal| refusal.code())
    };
    let ed25519 = SigningKey::from_seed([1; 32]).unwrap();
    assert_eq!(code(&[AUDIENCE], "new", &ed25519, 300), Err(Code::TokenAlg), "section 2.1 has no EdDSA");
    assert_eq!(code(&[AUDIENCE], "", &key(1), 300), Err(Code::TokenKid));
    assert_eq!(code(&[], "new", &key(1), 300), Err(Code::TokenAud));
    assert_eq!(code(&[""], "new", &key(1), 300), Err(Code::TokenAud));
    assert_eq!(code(&[AUDIENCE; 17], "new", &key(1), 300), Err(Code::TokenAud));
    assert_eq!(code(&[AUDIENCE; 16], "new", &key(1), 300), Ok(()));
    assert_eq!(code(&[AUDIENCE], "new", &key(1), 0), Err(Code::TokenClaims));
}

/// Section 2: three members, and of `alg` one value.
#[test]
fn the_header_is_strict() {
    for permitted in [
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"new"}"#,
        r#"{"alg":"ES256","typ":"JWT"}"#,
        r#"{"alg":"ES256","typ":"JOSE"}"#,
    ] {
        assert_eq!(with_header(permitted), Ok(()), "{permitted}");
    }
    for alg in ["RS256", "ES384", "ES512", "PS256", "EdDSA", "Ed25519", "HS256", "none", "es256", "ES256K"] {
        let header = format!(r#"{{"alg":"{alg}","kid":"new"}}"#);
        assert_eq!(with_header(&header), Err(Code::TokenAlg), "{alg}");
    }
    for (header, code) in [
        (r#"{"kid":"new"}"#, Code::TokenAlg),
        (r#"{"alg":1}"#, Code::TokenAlg),
        (r#"{"alg":"ES256","typ":"jwt"}"#, Code::TokenTyp),
        (r#"{"alg":"ES256","typ":"at+jwt"}"#, Code::TokenTyp),
        (r#"{"alg":"ES256","typ":1}"#, Code::TokenTyp),
        (r#"{"alg":"ES256","kid":1}"#, Code::TokenKid),
        (r#"{"alg":"ES256","kid":"newer"}"#, Code::TokenKid),
        (r#"{"alg":"ES256","kid":"old"}"#, Code::TokenSig),
        (r#"{"alg":"ES256","crit":["b64"],"b64":false}"#, Code::TokenCrit),
        (r#"{"alg":"ES256","jwk":{}}"#, Code::TokenIssuer),
        (r#"{"alg":"ES256","jku":"https://a.example"}"#, Code::TokenIssuer),
        (r#"{"alg":"ES256","x5c":[]}"#, Code::TokenIssuer),
        (r#"{"alg":"ES256","x5u":"https://a.example"}"#, Code::TokenIssuer),
        (r#"{"alg":"ES256","cty":"JWT"}"#, Code::TokenEncoding),
        (r#"{"alg":"ES256","x5t":"AAAA"}"#, Code::TokenEncoding),
        (r#"{"alg":"ES256","alg":"none"}"#, Code::JsonDuplicateKey),
        (r#"["ES256"]"#, Code::TokenEncoding),
        ("ES256", Code::TokenEncoding),
    ] {
        assert_eq!(with_header(header), Err(code), "{header}");
    }
}

#[test]
fn the_subject_is_a_workload_of_this_trust_domain() {
    assert_eq!(with("sub", Some(json!(SUBJECT))), Ok(()));
    assert_eq!(with("sub", None), Err(Code::TokenClaims));
    assert_eq!(with("sub", Some(json!(1))), Err(Code::TokenClaims));
    assert_eq!(with("sub", Some(json!("invoice-bot"))), Err(Code::IdentityChain));
    assert_eq!(with("sub", Some(json!("spiffe://acme.example"))), Err(Code::IdentityChain));
    assert_eq!(
        with("sub", Some(json!("spiffe://other.example/agent/invoice-bot"))),
        Err(Code::IdentityDomain)
    );
}

/// Section 3.2.
#[test]
fn the_audience_is_among_those_named() {
    assert_eq!(with("aud", Some(json!([AUDIENCE]))), Ok(()));
    assert_eq!(with("aud", Some(json!(["other", AUDIENCE]))), Ok(()));
    for wrong in [
        json!("other"),
        json!(["other"]),
        json!([]),
        json!([1]),
        json!([AUDIENCE, 1]),
        json!(null),
        json!({ "aud": AUDIENCE }),
        json!(format!("{AUDIENCE}/")),
        json!(AUDIENCE.to_uppercase()),
        json!(vec![AUDIENCE; 17]),
    ] {
        assert_eq!(with("aud", Some(wrong.clone())), Err(Code::TokenAud), "{wrong}");
    }
    assert_eq!(with("aud", None), Err(Code::TokenAud));
}

/// Section 3.3; RFC 7519 sections 4.1.4 to 4.1.6.
#[test]
fn times_have_edges() {
    let now = NOW.secs();
    assert_eq!(with("exp", Some(json!(now + 1))), Ok(()));
    assert_eq!(with("exp", Some(json!(now))), Err(Code::TokenExpired), "on or after");
    assert_eq!(with("exp", None), Err(Code::TokenClaims));
    for wrong in [json!("1790000300"), json!(-1), json!(0.5), json!(null)] {
        assert_eq!(with("exp", Some(wrong.clone())), Err(Code::TokenClaims), "{wrong}");
    }
    for name in ["nbf", "iat"] {
        assert_eq!(with(name, None), Ok(()));
        assert_eq!(with(name, Some(json!(now + 30))), Ok(()));
        assert_eq!(with(name, Some(json!(now + 31))), Err(Code::ClockSkew));
        assert_eq!(with(name, Some(json!("now"))), Err(Code::TokenClaims));
    }
    let token = signed(r#"{"alg":"ES256"}"#, &claims().to_string(), &key(2));
    assert_eq!(verify_at(&token, UnixTime::from_micros(NOW.plus_secs(300).micros() - 1)), Ok(()));
    assert_eq!(verify_at(&token, NOW.plus_secs(300)), Err(Code::TokenExpired));
}

#[test]
fn other_claims_are_let_be_and_malformed_ones_are_not() {
    assert_eq!(with("jti", Some(json!("1"))), Ok(()));
    assert_eq!(with("https://acme.example/role", Some(json!(["admin"]))), Ok(()));
    let twice = format!(r#"{{"sub":"{SUBJECT}","sub":"{SUBJECT}"}}"#);
    assert_eq!(with_claims(&twice), Err(Code::JsonDuplicateKey));
    assert_eq!(with_claims("[]"), Err(Code::TokenClaims));
    assert_eq!(with_claims("claims"), Err(Code::TokenClaims));
}

#[test]
fn only_the_bundles_keys_sign() {
    let token = |key: &SigningKey| signed(r#"{"alg":"ES256"}"#, &claims().to_string(), key);
    assert_eq!(verify(&token(&key(1))), Ok(()), "without a name every key is tried");
    assert_eq!(verify(&token(&key(3))), Err(Code::TokenSig));
    let empty = SpiffeBundle::new("acme.example", vec![], vec![]).unwrap();
    let refused = verify_jwt_svid(&token(&key(1)), &empty, AUDIENCE, NOW).unwrap_err();
    assert_eq!(refused.code(), Code::TokenKid, "an empty bundle vouches for nothing");
    let other = SpiffeBundle::new("other.example", vec![], bundle().jwt_keys().to_vec()).unwrap();
    let refused = verify_jwt_svid(&token(&key(1)), &other, AUDIENCE, NOW).unwrap_err();
    assert_eq!(refused.code(), Code::IdentityDomain, "the same key in another domain's bundle");
}

#[test]
fn the_form_is_compact_and_bounded() {
    let good = signed(r#"{"alg":"ES256"}"#, &claims().to_string(), &key(2));
    assert_eq!(verify(&good), Ok(()));
    for bad in
        [String::new(), "a.b".to_owned(), format!("{good}.x"), format!("{good}="), good.replace('.', "..")]
    {
        assert_eq!(verify(&bad), Err(Code::TokenEncoding), "{bad}");
    }
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    assert_eq!(verify(&unsigned), Err(Code::TokenSig));
    let mut long = claims();
    long.as_object_mut().unwrap().insert("x".to_owned(), json!("x".repeat(8_192)));
    assert_eq!(with_claims(&long.to_string()), Err(Code::LimitSize));
}

#[test]
fn every_changed_character_is_refused() {
    let good = signed(r#"{"alg":"ES256","kid":"new"}"#, &claims().to_string(), &key(2));
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        let byte = bytes.get_mut(at).unwrap();
        *byte = if *byte == b'A' { b'B' } else { b'A' };
        assert!(verify(&String::from_utf8(bytes).unwrap()).is_err(), "character {at}");
    }
}
