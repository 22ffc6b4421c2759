//! Keys for message signatures: which JWKs are taken, which algorithm follows, and that what was chosen is the only one.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::path::Path;

use killick_proof::Code;
use killick_proof::message_signature::{Algorithm, SignatureKey, VerificationKey};
use serde_json::{Value, json};

fn private(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/message-signature/keys.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file["keys"][name].clone()
}

fn public(name: &str) -> Value {
    let mut jwk = private(name);
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        jwk.as_object_mut().unwrap().remove(member);
    }
    jwk
}

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

fn without(mut jwk: Value, member: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(member);
    jwk
}

#[test]
fn the_kind_of_the_key_decides() {
    for (name, algorithm) in [
        ("test-key-ed25519", Algorithm::Ed25519),
        ("test-key-ecc-p256", Algorithm::EcdsaP256Sha256),
        ("test-shared-secret", Algorithm::HmacSha256),
        ("test-key-rsa-pss", Algorithm::RsaPssSha512),
        ("test-key-rsa", Algorithm::RsaV15Sha256),
    ] {
        let key = VerificationKey::from_jwk(&public(name)).unwrap();
        assert_eq!(key.algorithm(None, None).unwrap(), algorithm, "{name}");
        for stated in Algorithm::ALL {
            let expected = if stated == algorithm { Ok(algorithm) } else { Err(Code::SigInvalid) };
            let by_signature = key.algorithm(Some(stated.as_str()), None).map_err(|refusal| refusal.code());
            assert_eq!(by_signature, expected, "{name} {stated}");
            let by_policy = key.algorithm(None, Some(stated)).map_err(|refusal| refusal.code());
            assert_eq!(by_policy, expected, "{name} {stated}");
        }
        for unknown in ["none", "", "EdDSA", "rsa-pss-sha256"] {
            assert_eq!(key.algorithm(Some(unknown), None).unwrap_err().code(), Code::SigInvalid);
        }
    }
    // An RSA key that does not say which of the two it is for leaves it to the signature, and somebody must say it.
    let rsa = VerificationKey::from_jwk(&without(public("test-key-rsa"), "alg")).unwrap();
    assert_eq!(rsa.algorithm(None, None).unwrap_err().code(), Code::SigInvalid);
    assert_eq!(rsa.algorithm(Some("rsa-pss-sha512"), None).unwrap(), Algorithm::RsaPssSha512);
    assert_eq!(rsa.algorithm(None, Some(Algorithm::RsaV15Sha256)).unwrap(), Algorithm::RsaV15Sha256);
    let both = rsa.algorithm(Some("rsa-pss-sha512"), Some(Algorithm::RsaV15Sha256));
    assert_eq!(both.unwrap_err().code(), Code::SigInvalid);
}

#[test]
fn thumbprints_are_those_of_the_standards() {
    // RFC 7638 section 3.1.
    let rsa = json!({
        "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV\
              4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9\
              c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1\
              jF44-csFCur-kEgU8awapJzKnqDKgw",
    });
    let key = VerificationKey::from_jwk(&rsa).unwrap();
    assert_eq!(key.thumbprint(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    // RFC 8037 appendix A.3.
    let ed = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let key = VerificationKey::from_jwk(&ed).unwrap();
    assert_eq!(key.thumbprint(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    assert_eq!(VerificationKey::from_jwk(&private("test-shared-secret")).unwrap().thumbprint(), None);
    // A key with a `kid` goes by it and by its thumbprint, one without by whatever name it is known.
    let named = VerificationKey::from_jwk(&with(ed, "kid", json!("me"))).unwrap();
    assert!(named.permits("me") && named.permits("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    assert!(!named.permits("you") && !named.permits(""));
    assert!(key.permits("anything"));
}

#[test]
fn keys_of_another_kind_weak_or_damaged_are_refused() {
    let ed = public("test-key-ed25519");
    let ec = public("test-key-ecc-p256");
    let rsa = public("test-key-rsa");
    let oct = private("test-shared-secret");
    for jwk in [
        json!({}),
        json!(null),
        with(ed.clone(), "crv", json!("X25519")),
        with(ed.clone(), "crv", json!("Ed448")),
        with(ed.clone(), "x", json!("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        with(ed.clone(), "x", json!("AAAA")),
        without(ed.clone(), "x"),
        with(ed.clone(), "alg", json!("ES256")),
        with(ed.clone(), "alg", json!("none")),
        with(ed.clone(), "use", json!("enc")),
        with(ed.clone(), "key_ops", json!(["sign"])),
        with(ed.clone(), "kid", json!(7)),
        with(ec.clone(), "y", ec["x"].clone()),
        with(ec.clone(), "x", json!(format!("AA{}", ec["x"].as_str().unwrap()))),
        with(ec.clone(), "crv", json!("P-384")),
        with(ec.clone(), "crv", json!("secp256k1")),
        with(ec, "kty", json!("OKP")),
        with(rsa.clone(), "n", json!("AQAB")),
        with(rsa.clone(), "n", json!("!")),
        with(rsa.clone(), "alg", json!("RS512")),
        without(rsa, "e"),
        with(oct.clone(), "k", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        with(oct, "alg", json!("HS512")),
        private("test-key-ed25519"),
        private("test-key-ecc-p256"),
        private("test-key-rsa"),
    ] {
        let code = VerificationKey::from_jwk(&jwk).unwrap_err().code();
        assert_eq!(code, Code::TokenKey, "{jwk}");
    }
    for good in [with(ed.clone(), "use", json!("sig")), with(ed, "key_ops", json!(["verify"]))] {
        assert!(VerificationKey::from_jwk(&good).is_ok(), "{good}");
    }
}

#[test]
fn a_private_part_belongs_to_its_public_one() {
    let other = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    for (name, member) in [("test-key-ed25519", "d"), ("test-key-ecc-p256", "d"), ("test-key-rsa", "d")] {
        assert!(SignatureKey::from_jwk(&private(name)).is_ok(), "{name}");
        let changed = with(private(name), member, json!(other));
        assert_eq!(SignatureKey::from_jwk(&changed).unwrap_err().code(), Code::TokenKey, "{name}");
        assert_eq!(SignatureKey::from_jwk(&public(name)).unwrap_err().code(), Code::TokenKey, "{name}");
    }
    let only_verify = with(private("test-key-ed25519"), "key_ops", json!(["verify"]));
    assert_eq!(SignatureKey::from_jwk(&only_verify).unwrap_err().code(), Code::TokenKey);
    let text = format!("{:?}", SignatureKey::from_jwk(&private("test-key-ed25519")).unwrap());
    assert!(text.contains("test-key-ed25519") && !text.contains("n4Ni"), "{text}");
}
