//! Signed requests held against a second implementation of RFC 9421, `tests/oracle/request_verify.py`, in both
//! directions: it verifies the golden vectors, and killick verifies what it signs.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use killick_proof::call::{RawRequest, parse_call};
use killick_proof::fixtures::{self, NOW, World};
use killick_proof::keys::base64url;
use killick_proof::verified::verify_call;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Python that has the oracles' packages; `None` where there is none and that is permitted.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("KILLICK_ORACLE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let imports = Command::new(&python).args(["-c", "import http_message_signatures"]).output();
    let has = imports.is_ok_and(|output| output.status.success());
    let may_skip = std::env::var_os("KILLICK_NO_SKIP").is_none();
    assert!(has || may_skip, "python3 has no `http-message-signatures`: cargo xtask setup");
    has.then_some(python)
}

fn ask(python: &Path, orders: &[Value]) -> Vec<Value> {
    let mut oracle = Command::new(python)
        .arg(root().join("tests/oracle/request_verify.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = orders.iter().map(|order| format!("{order}\n")).collect();
    let mut stdin = oracle.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = oracle.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), orders.len());
    answers
}

#[test]
fn it_agrees_on_the_vectors() {
    let Some(python) = python() else { return };
    let mut names = Vec::new();
    let mut orders = Vec::new();
    for entry in std::fs::read_dir(root().join("vectors/http-signature")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let vector: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            names.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
            orders.push(json!({ "do": "verify", "vector": vector }));
        }
    }
    let (mut good, mut forged) = (0, 0);
    for ((name, order), answer) in names.iter().zip(&orders).zip(&ask(&python, &orders)) {
        let vector = &order["vector"];
        match vector["expect"]["refused"].as_str() {
            // Refused before there is a base, or for a reason that RFC 9421 alone does not know.
            Some(_) if vector.get("signature_base").is_none() => continue,
            // Whether the body, the time or the audience is right is asked after the signature has verified.
            None | Some("sig.digest" | "sig.time" | "pop.audience") => {
                assert_eq!(answer["verifies"], true, "{name}");
                good += 1;
            }
            Some("sig.invalid" | "pop.mismatch") => {
                assert_eq!(answer["verifies"], false, "{name}");
                forged += 1;
            }
            Some(code) => panic!("{name}: {code} with a signature base"),
        }
        assert_eq!(answer["base"], vector["signature_base"], "{name}");
    }
    assert!(good >= 10 && forged >= 7, "{good} and {forged}");
}

#[test]
fn what_it_signs_is_accepted() {
    let Some(python) = python() else { return };
    let world = World::new();
    let key = fixtures::agent_key("invoice-bot");
    let token = world.root_token("invoice-bot", fixtures::tools(&["create:payment-draft"]));
    let body = r#"{"amount":500}"#;
    let headers = json!({
        "host": "127.0.0.1:7443",
        "content-type": "application/json",
        "authorization": format!("AAT {token}"),
        "killick-audience": fixtures::GATEWAY,
    });
    let order = json!({
        "do": "sign",
        "seed": base64url(key.seed().as_slice()),
        "keyid": key.id().as_str(),
        "method": "POST",
        "url": format!("{}/payment-drafts?full=1", fixtures::ORIGIN),
        "headers": headers,
        "body": body,
        "created": NOW.secs(),
        "expires": NOW.secs() + 30,
        "nonce": fixtures::nonce(1),
        "covered": ["@method", "@target-uri", "content-digest", "content-type", "authorization", "killick-audience"],
    });
    let answer = &ask(&python, &[order])[0];
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, value) in headers.as_object().unwrap() {
        fields.push((name.clone(), value.as_str().unwrap().as_bytes().to_vec()));
    }
    for field in answer["headers"].as_array().unwrap() {
        fields.push((field[0].as_str().unwrap().to_owned(), field[1].as_str().unwrap().as_bytes().to_vec()));
    }
    let raw = RawRequest {
        method: "POST".to_owned(),
        target: "/payment-drafts?full=1".to_owned(),
        headers: fields,
        body: body.as_bytes().to_vec(),
        peer: "127.0.0.1".to_owned(),
        request_id: fixtures::uuid(1),
    };
    let call = parse_call(raw, &world.public()).unwrap();
    let call = verify_call(call, &world.trust(), &|_| None, NOW).unwrap();
    assert_eq!(call.agent(), &fixtures::id("/agent/invoice-bot"));
}
