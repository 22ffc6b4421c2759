//! Thumbprints, JWSs and JWT-SVIDs beside `joserfc` (`tests/oracle/jose_check.py`), in both directions and both kinds of
//! keys.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops where something is not as it must be, and says what it skips"
)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use killick_proof::chain::Anchors;
use killick_proof::fixtures::{self, NOW, uuid};
use killick_proof::jwt_svid::{issue_jwt_svid, verify_jwt_svid};
use killick_proof::keys::{KeyKind, SigningKey, base64url, sha256};
use killick_proof::token::Claims;
use killick_proof::trust_bundle::{JwtKey, SpiffeBundle};
use killick_proof::verified::verify_chain;
use serde_json::{Value, json};

const AUDIENCE: &str = "reports";

fn ed25519(number: u16) -> SigningKey {
    SigningKey::from_seed(sha256(&number.to_be_bytes())).unwrap()
}

fn p256(number: u16) -> SigningKey {
    SigningKey::from_p256_scalar(sha256(&number.to_be_bytes())).unwrap()
}

fn private_jwk(key: &SigningKey) -> Value {
    let mut jwk = key.public().to_jwk();
    jwk["d"] = json!(base64url(key.seed().as_slice()));
    jwk
}

fn claims(holder: &SigningKey) -> Claims {
    Claims {
        jti: uuid(1),
        iss: "https://issuer.example".to_owned(),
        iat: NOW.secs(),
        exp: NOW.secs() + 600,
        holder_key: holder.public().clone(),
        del_depth: 0,
        del_max_depth: 0,
        par_hash: None,
        tools: Some(fixtures::tools(&["read:invoices"])),
        killick: None,
    }
}

fn is_accepted(token: &str, issuer: &SigningKey) -> bool {
    let anchors = Anchors { keys: &[issuer.public().clone()], lifetime_secs_max: 86_400 };
    verify_chain(token, &anchors, NOW).is_ok()
}

#[test]
fn thumbprints_agree() {
    let keys: Vec<SigningKey> = (0..100).flat_map(|number| [ed25519(number), p256(number)]).collect();
    let asks = keys.iter().map(|key| json!({ "do": "thumbprint", "jwk": key.public().to_jwk() })).collect();
    let Some(answers) = ask(asks) else { return };
    for (key, answer) in keys.iter().zip(answers) {
        assert_eq!(answer["thumbprint"], key.id().as_str());
    }
}

#[test]
fn what_we_sign_they_verify() {
    let keys: Vec<SigningKey> = (0..50).flat_map(|number| [ed25519(number), p256(number)]).collect();
    let asks = keys.iter().map(|key| {
        let good = claims(key).sign(key);
        let spoilt = spoil(&good);
        [
            json!({ "do": "verify", "jwk": key.public().to_jwk(), "token": good }),
            json!({ "do": "verify", "jwk": key.public().to_jwk(), "token": spoilt }),
        ]
    });
    let Some(answers) = ask(asks.flatten().collect()) else { return };
    for (key, pair) in keys.iter().zip(answers.chunks(2)) {
        let payload = pair[0]["payload"].as_str().unwrap_or_else(|| panic!("{}", pair[0]));
        assert_eq!(payload.as_bytes(), claims(key).to_json().to_bytes());
        assert!(pair[1]["error"].is_string(), "{}", pair[1]);
    }
}

#[test]
fn what_they_sign_we_verify() {
    let keys: Vec<SigningKey> = (0..50).flat_map(|number| [ed25519(number), p256(number)]).collect();
    let asks = keys.iter().enumerate().map(|(index, key)| {
        let alg = match (key.public().kind(), index % 4) {
            (KeyKind::P256, _) => "ES256",
            (KeyKind::Ed25519, 0) => "EdDSA",
            (KeyKind::Ed25519, _) => "Ed25519",
        };
        let payload = claims(key).to_json().to_text();
        json!({ "do": "sign", "jwk": private_jwk(key), "alg": alg, "header": { "typ": "aat+jwt" }, "payload": payload })
    });
    let Some(answers) = ask(asks.collect()) else { return };
    for (key, answer) in keys.iter().zip(answers) {
        let token = answer["token"].as_str().unwrap();
        assert!(is_accepted(token, key), "{token}");
        assert!(!is_accepted(&spoil(token), key));
    }
}

/// JWT-SVIDs, valid and wrong in one way each: the same verdict, and where ours refuses more the specification does.
#[test]
fn jwt_svids_agree() {
    let key = p256(1);
    let published = JwtKey { kid: "k".to_owned(), key: key.public().clone() };
    let bundle = SpiffeBundle::new("acme.example", vec![], vec![published]).unwrap();
    let now = NOW.secs();
    let good =
        json!({ "sub": "spiffe://acme.example/agent/a", "aud": AUDIENCE, "exp": now + 60, "iat": now });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    // What the payload is, and whether our refusal is JWT-SVID's alone.
    let cases = [
        (good.clone(), false),
        (with("aud", json!([AUDIENCE])), false),
        (with("aud", json!(["x", AUDIENCE])), false),
        (with("aud", json!("x")), false),
        (with("aud", json!(["x"])), false),
        (without("aud"), false),
        (without("exp"), false),
        (without("sub"), false),
        (without("iat"), false),
        (with("exp", json!(now - 1)), false),
        (with("exp", json!("later")), false),
        (with("nbf", json!(now)), false),
        (with("nbf", json!(now + 3_600)), false),
        (with("iat", json!(now + 3_600)), false),
        (with("jti", json!("x")), false),
        (with("sub", json!("a")), true),
        (with("sub", json!("spiffe://acme.example")), true),
        (with("sub", json!("spiffe://other.example/agent/a")), true),
    ];
    let sign = |payload: &Value| {
        let header = json!({ "alg": "ES256", "kid": "k", "typ": "JWT" }).to_string();
        let input = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.to_string().as_bytes()));
        format!("{input}.{}", base64url(&key.sign(input.as_bytes())))
    };
    let mut tokens: Vec<(String, bool)> =
        cases.iter().map(|(payload, beyond)| (sign(payload), *beyond)).collect();
    tokens.push((spoil(&tokens[0].0), false));
    let id = fixtures::id("/agent/a");
    tokens.push((issue_jwt_svid(&id, &[AUDIENCE], "k", &key, NOW, 60).unwrap(), false));
    tokens.push((issue_jwt_svid(&id, &["x", AUDIENCE], "k", &key, NOW, 60).unwrap(), false));

    let mut jwk = key.public().to_jwk();
    jwk["kid"] = json!("k");
    let asks = tokens.iter().map(
        |(token, _)| json!({ "do": "jwt", "keys": [jwk], "token": token, "audience": AUDIENCE, "now": now }),
    );
    let Some(answers) = ask(asks.collect()) else { return };
    for ((token, beyond), answer) in tokens.iter().zip(answers) {
        let ours = verify_jwt_svid(token, &bundle, AUDIENCE, NOW);
        let theirs = answer["valid"].as_bool().unwrap();
        if *beyond {
            assert!(ours.is_err() && theirs, "{token} {ours:?} {answer}");
        } else {
            assert_eq!(ours.is_ok(), theirs, "{token} {ours:?} {answer}");
        }
    }
}

/// Another first character of the signature.
fn spoil(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{input}.{other}{}", &signature[1..])
}

/// The oracle's answers; `None`, said so, where Python has no `joserfc` and that is permitted.
fn ask(asks: Vec<Value>) -> Option<Vec<Value>> {
    let python = std::env::var_os("KILLICK_ORACLE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let has =
        Command::new(&python).args(["-c", "import joserfc"]).output().is_ok_and(|out| out.status.success());
    assert!(
        has || std::env::var_os("KILLICK_NO_SKIP").is_none(),
        "python3 has no `joserfc`: cargo xtask setup"
    );
    if !has {
        println!("skipped: python3 with the package `joserfc` is not there");
        return None;
    }
    let mut oracle = Command::new(python)
        .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracle/jose_check.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let count = asks.len();
    let lines: String = asks.iter().map(|ask| format!("{ask}\n")).collect();
    let mut stdin = oracle.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = oracle.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), count);
    Some(answers)
}
