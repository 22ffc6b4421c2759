//! The signed bundle: verified under one pinned key, read strictly, indexed as a whole or not at all.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use killick_proof::Code;
use killick_proof::bundle::{TrustBundle, sign_bundle};
use killick_proof::fixtures::{self, World};
use killick_proof::keys::{SigningKey, base64url};
use killick_proof::verified::verify_bundle;

fn verify(jws: &str) -> Result<u64, Code> {
    verify_bundle(jws, fixtures::key(2).public())
        .map(|bundle| bundle.version)
        .map_err(|refusal| refusal.code())
}

/// A bundle's text with another header and payload, rightly signed.
fn signed(header: &str, payload: &[u8], key: &SigningKey) -> String {
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(payload));
    let signature = base64url(&key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

fn payload() -> serde_json::Value {
    serde_json::to_value(World::new().document).unwrap()
}

fn header(key: &SigningKey) -> String {
    format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"killick-bundle+jws"}}"#, key.id())
}

#[test]
fn a_signed_bundle_verifies_and_comes_back_whole() {
    let world = World::new();
    let bundle = world.bundle();
    assert_eq!(*bundle, world.document);
    let trust = world.trust();
    assert_eq!(trust.version(), 1);
    assert_eq!(trust.trust_domain(), "acme.example");
    let bot = fixtures::id("/agent/invoice-bot");
    assert_eq!(trust.agent(&bot).unwrap().owner, "ada@acme.example");
    let key = fixtures::agent_key("invoice-bot");
    assert_eq!(trust.certified_until(&bot, key.id()), Some(fixtures::NOW.plus_secs(3_600)));
    assert_eq!(trust.certified_until(&bot, fixtures::key(1).id()), None);
    assert_eq!(trust.gateway(&fixtures::id("/gateway/gw-1")), Some(world.gateway_key.public()));
    assert_eq!(trust.svid_roots(), [world.svid_authority.certificate_der()]);
}

#[test]
fn a_pinned_key_of_another_kind_verifies_no_bundle() {
    let key = SigningKey::from_p256_scalar([7; 32]).unwrap();
    let jws = signed(&header(&key), payload().to_string().as_bytes(), &key);
    assert_eq!(verify_bundle(&jws, key.public()).unwrap_err().code(), Code::TokenKey);
}

#[test]
fn every_byte_is_signed() {
    let jws = World::new().bundle_jws();
    assert_eq!(verify(&jws), Ok(1));
    for at in (0..jws.len()).step_by(7) {
        let mut bytes = jws.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(verify(&String::from_utf8(bytes).unwrap()).is_err(), "byte {at}");
    }
    for text in
        [format!("{jws}A"), format!("{jws}="), format!("{jws}."), format!(" {jws}"), format!("{jws}\n")]
    {
        assert!(verify(&text).is_err());
    }
}

#[test]
fn the_header_has_one_form() {
    let key = fixtures::key(2);
    let payload = payload().to_string();
    let verdict = |header: &str| verify(&signed(header, payload.as_bytes(), &key));
    assert_eq!(verdict(&header(&key)), Ok(1));
    let kid = key.id();
    let cases = [
        (r#"{"alg":"none"}"#.to_owned(), Code::TokenAlg),
        (format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"killick-bundle+jws"}}"#), Code::TokenAlg),
        (format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"aat+jwt"}}"#), Code::TokenTyp),
        (format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#), Code::TokenTyp),
        (
            format!(r#"{{"alg":"EdDSA","crit":["x"],"kid":"{kid}","typ":"killick-bundle+jws"}}"#),
            Code::TokenCrit,
        ),
        (r#"{"alg":"EdDSA","kid":"x","typ":"killick-bundle+jws"}"#.to_owned(), Code::TokenKid),
        (r#"{"alg":"EdDSA","typ":"killick-bundle+jws"}"#.to_owned(), Code::TokenKid),
        (
            format!(r#"{{"alg":"EdDSA","jwk":{{}},"kid":"{kid}","typ":"killick-bundle+jws"}}"#),
            Code::TokenEncoding,
        ),
        (format!(r#"{{ "alg":"EdDSA","kid":"{kid}","typ":"killick-bundle+jws"}}"#), Code::TokenEncoding),
        ("nothing".to_owned(), Code::TokenEncoding),
    ];
    for (header, expected) in cases {
        assert_eq!(verdict(&header), Err(expected), "{header}");
    }
    assert_eq!(verify("a.b"), Err(Code::TokenEncoding));
    assert_eq!(verify(""), Err(Code::TokenEncoding));
}

#[test]
fn another_key_is_refused() {
    let document = World::new().document;
    assert_eq!(verify(&sign_bundle(&document, &fixtures::key(666))), Err(Code::TokenKid));
    // A stranger who names the pinned key.
    let forged = signed(&header(&fixtures::key(2)), payload().to_string().as_bytes(), &fixtures::key(666));
    assert_eq!(verify(&forged), Err(Code::TokenSig));
}

#[test]
fn what_is_not_known_is_not_ignored() {
    let key = fixtures::key(2);
    let verdict = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut payload = payload();
        change(&mut payload);
        verify(&signed(&header(&key), payload.to_string().as_bytes(), &key))
    };
    let one = || serde_json::json!(1);
    assert_eq!(verdict(&|_| {}), Ok(1));
    assert_eq!(verdict(&|v| v["extra"] = one()), Err(Code::PolicyInvalid));
    // A kind of revocation that this version does not know must not be passed over.
    assert_eq!(verdict(&|v| v["revocations"]["tenants"] = one()), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|v| v["agents"][0]["quarantined"] = one()), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|v| v["agents"][0]["keys"][0]["revoked"] = one()), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|v| v["gateways"][0]["extra"] = one()), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|v| v["agents"][0]["state"] = "dormant".into()), Err(Code::PolicyInvalid));
    assert_eq!(
        verdict(&|v| v["agents"][0]["id"] = "spiffe://acme.example/a/".into()),
        Err(Code::PolicyInvalid)
    );
    assert_eq!(
        verdict(&|v| drop(v.as_object_mut().unwrap().remove("revocations"))),
        Err(Code::PolicyInvalid)
    );
    let twice = payload().to_string().replacen("\"version\":1", "\"version\":1,\"version\":2", 1);
    assert_eq!(verify(&signed(&header(&key), twice.as_bytes(), &key)), Err(Code::PolicyInvalid));
}

#[test]
fn a_bundle_is_indexed_as_a_whole_or_not_at_all() {
    let verdict = |change: &dyn Fn(&mut World)| {
        let mut world = World::new();
        change(&mut world);
        TrustBundle::index(&world.bundle()).map(|_| ()).map_err(|refusal| refusal.code())
    };
    let foreign = || killick_proof::SpiffeId::parse("spiffe://other.example/agent/a").unwrap();
    let jwk = || serde_json::json!({"kty": "OKP", "crv": "X25519", "x": "AA"});
    assert_eq!(verdict(&|_| {}), Ok(()));
    assert_eq!(verdict(&|w| w.document.trust_domain = "Acme".into()), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|w| w.document.trust_domain = "other.example".into()), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|w| w.document.authority = foreign()), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|w| w.document.agents[0].id = foreign()), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|w| w.document.gateways[0].id = foreign()), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|w| w.document.issuer.clear()), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|w| w.document.token_keys.clear()), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|w| w.document.token_keys[0] = jwk()), Err(Code::TokenKey));
    assert_eq!(verdict(&|w| w.document.agents[0].keys[0].jwk = jwk()), Err(Code::TokenKey));
    assert_eq!(verdict(&|w| w.document.gateways[0].jwk = jwk()), Err(Code::TokenKey));
    assert_eq!(verdict(&|w| w.document.agents[0].deny.push("everything".into())), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|w| w.document.agents[0].deny.push("execute:*".into())), Ok(()));
    let again = |w: &mut World| w.document.agents.push(w.document.agents[0].clone());
    assert_eq!(verdict(&again), Err(Code::PolicyInvalid));
    let again = |w: &mut World| w.document.gateways.push(w.document.gateways[0].clone());
    assert_eq!(verdict(&again), Err(Code::PolicyInvalid));
    assert_eq!(verdict(&|w| w.document.svid_roots[0] = "!".into()), Err(Code::PolicyInvalid));
}
