//! Tokens under ES256: accepted where the key is a P-256 key, and nowhere else.
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::Code;
use killick_proof::chain::Anchors;
use killick_proof::fixtures::{self, NOW, uuid};
use killick_proof::keys::{KeyKind, PublicKey, SignError, Signer, SigningKey, base64url};
use killick_proof::token::Claims;
use killick_proof::verified::verify_chain;

fn p256(number: u8) -> SigningKey {
    SigningKey::from_p256_scalar([number; 32]).unwrap()
}

fn ed25519(number: u8) -> SigningKey {
    SigningKey::from_seed([number; 32]).unwrap()
}

fn root_for(holder: &PublicKey) -> Claims {
    Claims {
        jti: uuid(1),
        iss: "https://issuer.example".to_owned(),
        iat: NOW.secs(),
        exp: NOW.secs() + 600,
        holder_key: holder.clone(),
        del_depth: 0,
        del_max_depth: 3,
        par_hash: None,
        tools: Some(fixtures::tools(&["read:invoices"])),
        killick: None,
    }
}

fn below(parent: &str, issuer: &SigningKey, holder: &PublicKey) -> Claims {
    let last = parent.rsplit('~').next().unwrap();
    let depth = parent.split('~').count() as u64;
    Claims {
        jti: uuid(1 + depth),
        iss: issuer.id().thumbprint_uri(),
        del_depth: depth,
        par_hash: Some(Claims::parent_hash(last)),
        ..root_for(holder)
    }
}

fn verify(chain: &str, anchors: &[PublicKey]) -> Result<(), Code> {
    verify_chain(chain, &Anchors { keys: anchors, lifetime_secs_max: 86_400 }, NOW)
        .map(|_| ())
        .map_err(|refusal| refusal.code())
}

fn header_of(token: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

/// A token with this header, rightly signed over it.
fn signed(header: &str, claims: &Claims, key: &SigningKey) -> String {
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(&claims.to_json().to_bytes()));
    format!("{input}.{}", base64url(&key.sign(input.as_bytes())))
}

#[test]
fn chains_of_either_kind_and_mixed_ones_verify() {
    for kinds in 0..8_u8 {
        let key = |place: u8| if kinds >> place & 1 == 1 { p256(place + 1) } else { ed25519(place + 1) };
        let (issuer, first, second) = (key(0), key(1), key(2));
        let root = root_for(first.public()).sign(&issuer);
        let expected =
            if issuer.public().kind() == KeyKind::P256 { r#""alg":"ES256""# } else { r#""alg":"EdDSA""# };
        assert!(header_of(&root).contains(expected));
        let chain = format!("{root}~{}", below(&root, &first, second.public()).sign(&first));
        assert_eq!(verify(&chain, &[issuer.public().clone()]), Ok(()), "{kinds:03b}");
        assert_eq!(verify(&chain, &[p256(9).public().clone()]), Err(Code::TokenIssuer), "{kinds:03b}");
    }
}

#[test]
fn alg_fits_the_key_or_the_token_is_refused() {
    let (issuer, first, second) = (p256(1), ed25519(2), p256(3));
    let anchors = [issuer.public().clone()];
    let root = root_for(first.public());
    assert_eq!(verify(&signed(r#"{"alg":"ES256"}"#, &root, &issuer), &anchors), Ok(()));
    for alg in ["EdDSA", "Ed25519"] {
        let lying = signed(&format!(r#"{{"alg":"{alg}"}}"#), &root, &issuer);
        assert_eq!(verify(&lying, &anchors), Err(Code::TokenAlg), "{alg}");
    }
    for alg in ["ES384", "ES512", "ES256K", "RS256", "PS256", "HS256", "none", "es256", ""] {
        let other = signed(&format!(r#"{{"alg":"{alg}"}}"#), &root, &issuer);
        assert_eq!(verify(&other, &anchors), Err(Code::TokenAlg), "{alg}");
    }
    // A derived link that says another algorithm than its parent's holder has.
    let root = root.sign(&issuer);
    let derived = below(&root, &first, second.public());
    let link = |header: &str| format!("{root}~{}", signed(header, &derived, &first));
    assert_eq!(verify(&link(r#"{"alg":"EdDSA"}"#), &anchors), Ok(()));
    assert_eq!(verify(&link(r#"{"alg":"ES256"}"#), &anchors), Err(Code::TokenAlg));
}

/// `s` and `n - s` are both valid under ECDSA; what else can be made of a signature is not.
#[test]
fn a_signature_has_two_forms_and_no_third() {
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (key, message) = (p256(7), b"one call");
    let signature = key.sign(message);
    let verifies = |signature: &[u8]| key.public().verifies(message, signature);
    assert!(verifies(&signature));
    assert!(!key.public().verifies(b"another", &signature));

    let mut twin = signature;
    let mut borrow = 0_i16;
    for at in (0..32).rev() {
        let difference = i16::from(N[at]) - i16::from(signature[32 + at]) - borrow;
        twin[32 + at] = u8::try_from(difference.rem_euclid(256)).unwrap();
        borrow = i16::from(difference < 0);
    }
    assert_ne!(twin, signature);
    assert!(verifies(&twin), "the other s is valid too: nothing may take the bytes for an identity");

    let with_s = |s: &[u8; 32]| [&signature[..32], s].concat();
    assert!(!verifies(&with_s(&[0; 32])), "s = 0");
    assert!(!verifies(&with_s(&N)), "s = n");
    assert!(!verifies(&[&[0; 32], &signature[32..]].concat()), "r = 0");
    assert!(!verifies(&[&N, &signature[32..]].concat()), "r = n");
    assert!(!verifies(&[0; 64]));
    assert!(!verifies(&signature[..63]));
    assert!(!verifies(&[&signature[..], &[0]].concat()));
    // The DER form is for certificates alone (RFC 7518 section 3.4).
    assert!(!verifies(&[&[0x30, 0x44, 2, 0x20], &signature[..32], &[2, 0x20], &signature[32..]].concat()));
}

#[test]
fn a_private_scalar_lies_between_one_and_n() {
    let mut one = [0; 32];
    one[31] = 1;
    assert!(SigningKey::from_p256_scalar(one).is_ok());
    assert!(SigningKey::from_p256_scalar([0; 32]).is_err());
    assert!(SigningKey::from_p256_scalar([0xff; 32]).is_err());
    let key = p256(7);
    assert_eq!(SigningKey::from_p256_scalar(**key.seed()).unwrap().id(), key.id());
    assert!(!format!("{key:?}").contains("7, 7"));
}

/// RFC 7638 section 3.1 gives RSA alone; these were computed with `joserfc` (see `tests/oracle/jose_check.py`), for the
/// generator of P-256 (FIPS 186-5).
#[test]
fn the_thumbprint_of_a_p256_key() {
    let mut one = [0; 32];
    one[31] = 1;
    let key = SigningKey::from_p256_scalar(one).unwrap();
    let jwk = serde_json::json!({
        "kty": "EC", "crv": "P-256",
        "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
        "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
    });
    assert_eq!(PublicKey::from_jwk(&jwk).unwrap(), *key.public());
    assert_eq!(key.id().as_str(), "xx0BcA-wMohw8atYDJOe6peGModklG2wRHBlXHMvl0M");
}

/// A key that is not in this process signs through the same trait.
#[test]
fn a_signer_may_fail() {
    struct Away(PublicKey);
    impl Signer for Away {
        fn public(&self) -> &PublicKey {
            &self.0
        }
        fn sign(&self, _: &[u8]) -> Result<[u8; 64], SignError> {
            Err(SignError("the token is not plugged in".to_owned()))
        }
    }
    let away = Box::new(Away(p256(1).public().clone()));
    let refused =
        killick_proof::svid::new_root_with("acme.example", away, 0, [1; 16], NOW, 600).err().unwrap();
    assert_eq!(refused.code(), Code::IdentityChain);
}
