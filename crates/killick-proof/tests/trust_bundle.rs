//! SPIFFE bundles: what the specification asks to ignore is ignored, what it forbids is refused, and no bundle goes back.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_proof::Code;
use killick_proof::fixtures::{self, NOW};
use killick_proof::keys::{PublicKey, SigningKey};
use killick_proof::svid::{SvidAuthority, new_root_with};
use killick_proof::trust_bundle::{JwtKey, SpiffeBundle};
use serde_json::{Value, json};

const DOMAIN: &str = "acme.example";

fn p256(number: u8) -> SigningKey {
    SigningKey::from_p256_scalar([number; 32]).unwrap()
}

fn ed25519(number: u8) -> SigningKey {
    SigningKey::from_seed([number; 32]).unwrap()
}

fn root(key: SigningKey) -> SvidAuthority {
    new_root_with(DOMAIN, Box::new(key), 1, [3; 16], NOW, 86_400).unwrap()
}

fn jwt(kid: &str, number: u8) -> JwtKey {
    JwtKey { kid: kid.to_owned(), key: p256(number).public().clone() }
}

fn der(authority: &SvidAuthority) -> Vec<u8> {
    authority.certificate_der().to_vec()
}

/// Made once: ECDSA signs in another way each time.
fn bundle() -> SpiffeBundle {
    static BUNDLE: LazyLock<SpiffeBundle> = LazyLock::new(|| {
        let roots = vec![der(&root(ed25519(1))), der(&root(p256(2)))];
        SpiffeBundle::new(DOMAIN, roots, vec![jwt("a", 3), jwt("b", 4)])
            .unwrap()
            .with_sequence(7)
            .with_refresh_hint_secs(300)
    });
    BUNDLE.clone()
}

fn read(document: &Value) -> Result<SpiffeBundle, Code> {
    SpiffeBundle::from_json(DOMAIN, document.to_string().as_bytes()).map_err(|refusal| refusal.code())
}

fn document() -> Value {
    serde_json::from_slice(&bundle().to_json()).unwrap()
}

/// The document with its entry `index` changed.
fn changed(index: usize, member: &str, value: Option<Value>) -> Result<SpiffeBundle, Code> {
    let mut document = document();
    let entry = document["keys"][index].as_object_mut().unwrap();
    match value {
        Some(value) => entry.insert(member.to_owned(), value),
        None => entry.remove(member),
    };
    read(&document)
}

#[test]
fn what_is_written_is_read() {
    let bundle = bundle();
    assert_eq!(read(&document()).unwrap(), bundle);
    assert_eq!((bundle.sequence(), bundle.refresh_hint_secs()), (Some(7), Some(300)));
    let pem = SpiffeBundle::from_pem(DOMAIN, &bundle.to_pem()).unwrap();
    assert_eq!(pem.roots(), bundle.roots());
    assert_eq!((pem.sequence(), pem.jwt_keys().len()), (None, 0));
    let empty = SpiffeBundle::new(DOMAIN, vec![], vec![]).unwrap();
    assert_eq!(empty.to_json(), br#"{"keys":[]}"#);
    assert_eq!(SpiffeBundle::from_json(DOMAIN, br#"{"keys":[]}"#).unwrap(), empty);
}

/// X509-SVID section 6.1, JWT-SVID section 6.1.
#[test]
fn entries_have_the_members_that_their_use_asks_for() {
    let document = document();
    let keys = document["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 4);
    for entry in &keys[..2] {
        assert_eq!(entry["use"], "x509-svid");
        assert_eq!(entry["x5c"].as_array().unwrap().len(), 1);
        assert!(entry.get("kid").is_none());
    }
    for entry in &keys[2..] {
        assert_eq!(entry["use"], "jwt-svid");
        assert_eq!(entry["kty"], "EC");
        assert!(entry["kid"].is_string() && entry.get("x5c").is_none());
    }
    assert_eq!(keys[0]["kty"], "OKP");
    assert_eq!(keys[1]["crv"], "P-256");
}

/// Section 4.1.3 and 4.2; X509-SVID section 6.2.
#[test]
fn what_is_unknown_is_ignored() {
    for (index, member, value) in [
        (0, "use", Some(json!("X509-SVID"))),
        (0, "use", Some(json!("wit-svid"))),
        (0, "use", Some(json!("sig"))),
        (0, "use", None),
        (0, "kty", Some(json!("RSA"))),
        (0, "kty", None),
        (0, "x5c", None),
        (0, "x5c", Some(json!([]))),
        (1, "crv", Some(json!("P-384"))),
        (2, "kty", Some(json!("oct"))),
        (2, "crv", Some(json!("P-521"))),
    ] {
        let read = changed(index, member, value.clone()).unwrap();
        assert_eq!(read.ignored(), 1, "{index} {member} {value:?}");
        assert_eq!(read.roots().len() + read.jwt_keys().len(), 3);
    }
    // An Ed25519 key signs no JWT-SVID (JWT-SVID section 2.1).
    let mut with_ed25519 = document();
    let mut entry = ed25519(9).public().to_jwk();
    entry["use"] = json!("jwt-svid");
    entry["kid"] = json!("c");
    with_ed25519["keys"].as_array_mut().unwrap().push(entry);
    assert_eq!(read(&with_ed25519).unwrap().ignored(), 1);
    // Of several certificates the first counts; unknown members and names change nothing.
    let first = document()["keys"][0]["x5c"][0].clone();
    assert_eq!(changed(0, "x5c", Some(json!([first, "anything"]))).unwrap(), bundle());
    assert_eq!(changed(0, "kid", Some(json!("name"))).unwrap(), bundle());
    let mut more = document();
    more["acme_note"] = json!({ "any": "thing" });
    assert_eq!(read(&more).unwrap(), bundle());
    let mut twice = document();
    let entry = twice["keys"][0].clone();
    twice["keys"].as_array_mut().unwrap().push(entry);
    assert_eq!(read(&twice).unwrap(), bundle(), "the same root twice is one root");
}

#[test]
fn what_is_known_and_wrong_refuses_the_bundle() {
    let other = STANDARD.encode(der(&root(ed25519(8))));
    let foreign = new_root_with("other.example", Box::new(ed25519(1)), 0, [3; 16], NOW, 600).unwrap();
    let leaf =
        root(ed25519(5)).issue(&fixtures::id("/agent/a"), ed25519(1).public(), [4; 16], NOW, 600).unwrap();
    for (index, member, value, code) in [
        (0, "x5c", json!([other]), Code::IdentityChain),
        (0, "x5c", json!(["!"]), Code::IdentityChain),
        (0, "x5c", json!(["AAAA"]), Code::IdentityChain),
        (0, "x5c", json!([1]), Code::IdentityChain),
        (0, "x5c", json!([STANDARD.encode(&leaf)]), Code::IdentityChain),
        (0, "x5c", json!([STANDARD.encode(foreign.certificate_der())]), Code::IdentityDomain),
        (0, "d", json!("AAAA"), Code::TokenKey),
        (0, "x", json!("AAAA"), Code::TokenKey),
        (2, "d", json!("AAAA"), Code::TokenKey),
        (2, "y", json!("AAAA"), Code::TokenKey),
        (2, "kid", json!(""), Code::TokenKid),
        (2, "kid", json!("b"), Code::TokenKid),
        (2, "kid", json!(1), Code::TokenKid),
    ] {
        assert_eq!(changed(index, member, Some(value.clone())), Err(code), "{index} {member} {value}");
    }
    assert_eq!(changed(2, "kid", None), Err(Code::TokenKid));
    for (text, code) in [
        (r#"{}"#, Code::IdentityChain),
        (r#"{"keys":{}}"#, Code::IdentityChain),
        (r#"{"keys":[1]}"#, Code::IdentityChain),
        (r#"[]"#, Code::IdentityChain),
        (r#"{"keys":[],"keys":[]}"#, Code::JsonDuplicateKey),
        (r#"{"keys":[]} "#, Code::IdentityChain),
        (r#"{"keys":[]"#, Code::JsonInvalid),
        (r#"{"keys":[],"spiffe_sequence":"1"}"#, Code::IdentityChain),
        (r#"{"keys":[],"spiffe_sequence":-1}"#, Code::IdentityChain),
        (r#"{"keys":[],"spiffe_sequence":1.5}"#, Code::IdentityChain),
        (r#"{"keys":[],"spiffe_sequence":18446744073709551616}"#, Code::IdentityChain),
        (r#"{"keys":[],"spiffe_refresh_hint":null}"#, Code::IdentityChain),
    ] {
        let verdict = SpiffeBundle::from_json(DOMAIN, text.as_bytes()).map_err(|refusal| refusal.code());
        if text.ends_with(' ') {
            assert!(verdict.is_ok(), "white space is no content");
        } else {
            assert_eq!(verdict, Err(code), "{text}");
        }
    }
    let largest = SpiffeBundle::from_json(DOMAIN, br#"{"keys":[],"spiffe_sequence":18446744073709551615}"#);
    assert_eq!(largest.unwrap().sequence(), Some(u64::MAX));
    assert!(SpiffeBundle::from_json("Acme", br#"{"keys":[]}"#).is_err());
}

#[test]
fn sizes_are_bounded() {
    let long = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(1_048_576));
    assert_eq!(SpiffeBundle::from_json(DOMAIN, long.as_bytes()).unwrap_err().code(), Code::LimitSize);
    let many = json!({ "keys": vec![json!({}); 257] });
    assert_eq!(read(&many), Err(Code::LimitSize));
    assert_eq!(read(&json!({ "keys": vec![json!({}); 256] })).unwrap().ignored(), 256);
}

#[test]
fn what_is_no_bundle_is_not_made() {
    let code = |roots: Vec<Vec<u8>>, jwt_keys: Vec<JwtKey>| {
        SpiffeBundle::new(DOMAIN, roots, jwt_keys).map(|_| ()).map_err(|refusal| refusal.code())
    };
    assert_eq!(code(vec![], vec![jwt("a", 1), jwt("a", 2)]), Err(Code::TokenKid));
    assert_eq!(code(vec![], vec![jwt("", 1)]), Err(Code::TokenKid));
    let key: PublicKey = ed25519(1).public().clone();
    assert_eq!(code(vec![], vec![JwtKey { kid: "a".to_owned(), key }]), Err(Code::TokenKey));
    assert_eq!(code(vec![vec![1, 2, 3]], vec![]), Err(Code::IdentityChain));
}

/// Section 4.1.1.
#[test]
fn no_bundle_goes_back() {
    let numbered = |sequence: Option<u64>, number: u8| {
        let bundle = SpiffeBundle::new(DOMAIN, vec![], vec![jwt("a", number)]).unwrap();
        sequence.map_or(bundle.clone(), |sequence| bundle.with_sequence(sequence))
    };
    let verdict = |held: &SpiffeBundle, next: &SpiffeBundle| {
        held.check_successor(next).map_err(|refusal| refusal.code())
    };
    let held = numbered(Some(7), 1);
    assert_eq!(verdict(&held, &numbered(Some(8), 2)), Ok(()));
    assert_eq!(verdict(&held, &numbered(Some(7), 1)), Ok(()), "the same again");
    assert_eq!(
        verdict(&held, &numbered(Some(7), 2)),
        Err(Code::StateRollback),
        "other contents, same number"
    );
    assert_eq!(verdict(&held, &numbered(Some(6), 2)), Err(Code::StateRollback));
    assert_eq!(verdict(&held, &numbered(None, 2)), Err(Code::StateRollback));
    assert_eq!(verdict(&numbered(None, 1), &numbered(None, 2)), Ok(()), "without numbers there is no order");
    assert_eq!(verdict(&numbered(None, 1), &numbered(Some(1), 2)), Ok(()));
    let other = SpiffeBundle::new("other.example", vec![], vec![]).unwrap().with_sequence(9);
    assert_eq!(verdict(&held, &other), Err(Code::IdentityDomain));
}

/// An authority over two kinds of keys, a level between, and the bundle that vouches for it.
#[test]
fn a_bundle_verifies_svids() {
    for key in [ed25519(1), p256(2)] {
        let top = root(key);
        let middle_key = p256(3);
        let middle_der = top.issue_signing(middle_key.public(), [5; 16], NOW, 7_200).unwrap();
        let middle = SvidAuthority::load_with(&middle_der, Box::new(middle_key)).unwrap();
        let id = fixtures::id("/agent/invoice-bot");
        let leaf = middle.issue(&id, ed25519(7).public(), [6; 16], NOW, 3_600).unwrap();

        let bundle = SpiffeBundle::new(DOMAIN, vec![der(&top)], vec![]).unwrap();
        let svid = bundle.verify_svid(&[leaf.clone(), middle_der.clone()], NOW).unwrap();
        assert_eq!((&svid.id, &svid.key), (&id, ed25519(7).public()));
        assert!(
            bundle.verify_svid(std::slice::from_ref(&leaf), NOW).is_err(),
            "the level between is missing"
        );
        let empty = SpiffeBundle::new(DOMAIN, vec![], vec![]).unwrap();
        assert!(empty.verify_svid(&[leaf, middle_der], NOW).is_err(), "an empty bundle vouches for nothing");

        let refused = middle.issue_signing(p256(4).public(), [7; 16], NOW, 600).unwrap_err();
        assert_eq!(refused.code(), Code::IdentityChain, "there is room for one level");
    }
}
