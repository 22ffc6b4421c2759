//! Published vectors of signatures that implementations get wrong: Wycheproof's for Ed25519 and ECDSA P-256 with SHA-256
//! (`vectors/wycheproof`), and the twelve of "Taming the many EdDSAs" (`vectors/speccheck`).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where something is not as it must be")]

use std::path::Path;

use killick_proof::keys::PublicKey;
use serde_json::{Value, json};

fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json.get(name).and_then(Value::as_str).unwrap()
}

fn items<'a>(json: &'a Value, name: &str) -> &'a [Value] {
    json.get(name).and_then(Value::as_array).unwrap()
}

/// Every valid signature verifies, every invalid one does not. How many of each.
fn run(file: &str, key: impl Fn(&Value) -> PublicKey) -> (usize, usize) {
    let vectors = read(file);
    let (mut valid, mut invalid) = (0, 0);
    for group in items(&vectors, "testGroups") {
        let key = key(group);
        for test in items(group, "tests") {
            let verifies = key.verifies(&hex(text(test, "msg")), &hex(text(test, "sig")));
            match text(test, "result") {
                "valid" => {
                    assert!(verifies, "valid: {test}");
                    valid += 1;
                }
                "invalid" => {
                    assert!(!verifies, "invalid: {test}");
                    invalid += 1;
                }
                other => panic!("neither valid nor invalid but {other}: {test}"),
            }
        }
    }
    assert_eq!(u64::try_from(valid + invalid).ok(), vectors.get("numberOfTests").and_then(Value::as_u64));
    (valid, invalid)
}

/// A key by its bytes, and by its JWK where the vectors have one; both must be the same.
fn same_by_jwk(group: &Value, key: PublicKey) -> PublicKey {
    if let Some(jwk) = group.get("publicKeyJwk") {
        assert_eq!(PublicKey::from_jwk(jwk).unwrap(), key);
    }
    assert_eq!(PublicKey::from_jwk(&key.to_jwk()).unwrap(), key);
    key
}

#[test]
fn wycheproof_ed25519() {
    let key = |group: &Value| {
        let bytes = hex(text(group.get("publicKey").unwrap(), "pk"));
        same_by_jwk(group, PublicKey::from_bytes(bytes.try_into().unwrap()).unwrap())
    };
    assert_eq!(run("wycheproof/ed25519_test.json", key), (88, 63));
}

#[test]
fn wycheproof_ecdsa_p256_sha256() {
    let key = |group: &Value| {
        let bytes = hex(text(group.get("publicKey").unwrap(), "uncompressed"));
        same_by_jwk(group, PublicKey::from_p256_point(bytes.try_into().unwrap()).unwrap())
    };
    assert_eq!(run("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json", key), (173, 89));
}

/// What becomes of each of the twelve.
#[test]
fn speccheck() {
    const KEY_REFUSED: &str = "key refused";
    const VERIFIES: &str = "verifies";
    const REFUSED: &str = "refused";
    let expected = [
        KEY_REFUSED, // 0: A and R of small order
        KEY_REFUSED, // 1: A of small order
        VERIFIES,    // 2: R of small order; A is not, so that one key's owner alone could make it
        VERIFIES,    // 3: A and R with a small component; the equation without the cofactor holds
        REFUSED,     // 4: holds with the cofactor only
        REFUSED,     // 5: holds with the cofactor only
        REFUSED,     // 6: S above L
        REFUSED,     // 7: S far above L
        REFUSED,     // 8: R not canonical
        REFUSED,     // 9: R not canonical
        KEY_REFUSED, // 10: A not canonical
        KEY_REFUSED, // 11: A not canonical
    ];
    let cases = read("speccheck/cases.json");
    let cases = cases.as_array().unwrap();
    let verdict = |case: &Value| match PublicKey::from_bytes(hex(text(case, "pub_key")).try_into().unwrap()) {
        Err(_) => KEY_REFUSED,
        Ok(key) if key.verifies(&hex(text(case, "message")), &hex(text(case, "signature"))) => VERIFIES,
        Ok(_) => REFUSED,
    };
    assert_eq!(cases.iter().map(verdict).collect::<Vec<_>>(), expected);
}

/// A key that is no point, or is written in another way, is not taken for one.
#[test]
fn a_p256_key_has_one_form() {
    let group = &read("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json");
    let point =
        hex(text(items(group, "testGroups").first().unwrap().get("publicKey").unwrap(), "uncompressed"));
    let point: [u8; 65] = point.try_into().unwrap();
    assert!(PublicKey::from_p256_point(point).is_ok());
    for head in [0x00, 0x02, 0x03, 0x05, 0x06, 0x07] {
        let mut other = point;
        other[0] = head;
        assert!(PublicKey::from_p256_point(other).is_err(), "{head:02x}");
    }
    let mut off_curve = point;
    off_curve[64] ^= 1;
    assert!(PublicKey::from_p256_point(off_curve).is_err());
    assert!(PublicKey::from_p256_point([4; 65]).is_err());
    // x + p: the same point in a spelling that is not reduced. x of this point is below 2^256 - p.
    let p = hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    let small = small_x();
    let mut unreduced = small;
    let mut carry = 0_u16;
    for at in (0..32).rev() {
        let sum = u16::from(small[1 + at]) + u16::from(p[at]) + carry;
        unreduced[1 + at] = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "x + p fits into 32 bytes");
    assert!(PublicKey::from_p256_point(small).is_ok());
    assert!(PublicKey::from_p256_point(unreduced).is_err());
}

/// The point with x = 5 (y by y^2 = x^3 - 3x + b).
fn small_x() -> [u8; 65] {
    let x = format!("{:064x}", 5);
    let y = "459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc";
    hex(&format!("04{x}{y}")).try_into().unwrap()
}

/// RFC 7518 section 6.2.1, RFC 7638 section 3.1: members, lengths and the thumbprint.
#[test]
fn p256_jwks_are_strict() {
    let key = PublicKey::from_p256_point(small_x()).unwrap();
    let good = key.to_jwk();
    assert_eq!(PublicKey::from_jwk(&good).unwrap(), key);
    for (member, value) in [
        ("d", json!("AAAA")),
        ("kty", json!("OKP")),
        ("crv", json!("P-384")),
        ("crv", json!("p-256")),
        ("x", json!("BQ")),
        ("x", json!(null)),
        ("y", json!(null)),
        ("y", json!("AAAA")),
        ("x", good.get("y").unwrap().clone()),
    ] {
        let mut jwk = good.clone();
        jwk.as_object_mut().unwrap().insert(member.to_owned(), value.clone());
        assert!(PublicKey::from_jwk(&jwk).is_err(), "{member} {value}");
    }
}
