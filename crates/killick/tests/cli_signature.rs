//! `killick signature sign` and `verify`: anybody's messages, the RFC's own among them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails here says why"
)]

#[expect(dead_code, reason = "other test files use the rest")]
mod cli_support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cli_support::{Answer, command};
use serde_json::{Value, json};

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/message-signature").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Key files as people have them.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, private) in vectors("keys.json")["keys"].as_object().unwrap() {
            let mut public = private.clone();
            for member in ["d", "p", "q", "dp", "dq", "qi"] {
                public.as_object_mut().unwrap().remove(member);
            }
            std::fs::write(folder.path().join(format!("{name}.private.jwk")), private.to_string()).unwrap();
            std::fs::write(folder.path().join(format!("{name}.jwk")), public.to_string()).unwrap();
        }
        Self(folder)
    }

    fn public(&self, name: &str) -> String {
        self.file(&format!("{name}.jwk"))
    }

    fn private(&self, name: &str) -> String {
        match name {
            "test-shared-secret" => self.public(name),
            _ => self.file(&format!("{name}.private.jwk")),
        }
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.path().join(name), text).unwrap();
        self.file(name)
    }
}

/// `killick signature …` with a message on standard input.
fn signature(args: &[&str], message: &[u8]) -> Answer {
    let nowhere = PathBuf::from("/nonexistent-data-folder");
    let mut child = command(&nowhere, &[&["signature"], args].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = message.to_vec();
    // A command that is refused for its options does not read its input.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&bytes)));
    let answer = Answer::of(child.wait_with_output().unwrap());
    writer.join().unwrap();
    answer
}

#[test]
fn the_messages_of_the_rfc_are_judged_as_it_says() {
    let keys = Keys::new();
    let mut count = 0;
    for case in vectors("signatures.json")["cases"].as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap().to_owned();
        let request = case["request"].as_str().map(|request| keys.write("request.http", request));
        let (key, label) = (keys.public(&text("key")), text("label"));
        let mut args =
            vec!["verify", "--json", "--key", &key, "--label", &label, "--now", "2021-04-20T02:08:20Z"];
        if let Some(request) = &request {
            args.extend(["--request", request]);
        }
        let origin = case["origin"].as_str().map(|origin| origin.strip_prefix("https://").unwrap());
        if let Some(authority) = origin {
            args.extend(["--authority", authority]);
        }
        let answer = signature(&args, text("message").as_bytes());
        let said = answer.json();
        match case["expect"]["refused"].as_str() {
            None => {
                assert_eq!((answer.code, &said["verified"]), (0, &json!(true)), "{case} {said}");
                assert_eq!(said["algorithm"], case["algorithm"], "{case}");
                if case["base"].is_string() {
                    assert_eq!(said["base"], case["base"]);
                }
            }
            Some(code) => {
                assert_eq!((answer.code, &said["verified"]), (5, &json!(false)), "{case} {said}");
                assert_eq!(said["code"], code, "{case}");
            }
        }
        count += 1;
    }
    assert_eq!(count, 21);
}

#[test]
fn what_is_signed_here_verifies_here_and_a_changed_byte_is_seen() {
    let keys = Keys::new();
    for name in
        ["test-key-ed25519", "test-key-ecc-p256", "test-shared-secret", "test-key-rsa-pss", "test-key-rsa"]
    {
        for line_end in ["\r\n", "\n"] {
            let message = format!(
                "POST /a?b=1 HTTP/1.1{line_end}Host: a.example{line_end}Content-Length: 2{line_end}{line_end}hi"
            );
            let covered = r#""@method" "@target-uri" "content-digest" "@query-param";name="b""#;
            let signed = signature(
                &[
                    "sign",
                    "--key",
                    &keys.private(name),
                    "--components",
                    covered,
                    "--label",
                    "me",
                    "--created",
                    "1790000000",
                    "--expires",
                    "1790000060",
                    "--nonce",
                    "n",
                    "--tag",
                    "t",
                    "--alg",
                ],
                message.as_bytes(),
            )
            .fine()
            .out;
            let head = message.strip_suffix(&format!("{line_end}hi")).unwrap();
            assert!(
                signed.starts_with(head) && signed.ends_with(&format!("{line_end}{line_end}hi")),
                "{signed}"
            );
            assert!(signed.contains(&format!("keyid=\"{name}\"")), "{signed}");
            let verify = |now: &str, message: &str| {
                let answer = signature(
                    &["verify", "--key", &keys.public(name), "--now", now, "--tag", "t", "--json"],
                    message.as_bytes(),
                );
                (answer.code, answer.json())
            };
            let (code, said) = verify("1790000001", &signed);
            assert_eq!(
                (code, &said["label"], &said["covers_content"]),
                (0, &json!("me"), &json!(true)),
                "{said}"
            );
            for (change, reason) in [
                (signed.replace("POST", "PUT"), "sig.invalid"),
                (signed.replace("b=1", "b=2"), "sig.invalid"),
                (signed.replace("a.example", "b.example"), "sig.invalid"),
                (signed.replace("tag=\"t\"", "tag=\"u\""), "pop.missing"),
                (signed.replace("nonce=\"n\"", "nonce=\"m\""), "sig.invalid"),
                (signed.replace(&format!("{line_end}hi"), &format!("{line_end}ho")), "sig.digest"),
                (signed.replace(&format!("{line_end}Host"), &format!("{line_end} Host")), "http.framing"),
            ] {
                assert_ne!(change, signed);
                let (code, said) = verify("1790000001", &change);
                assert_eq!((code, said["code"].as_str()), (5, Some(reason)), "{change}");
            }
            for (now, reason) in [("1790000060", "sig.time"), ("1789999900", "sig.time")] {
                let (code, said) = verify(now, &signed);
                assert_eq!((code, said["code"].as_str()), (5, Some(reason)), "{now}");
            }
        }
    }
}

#[test]
fn a_verifier_can_ask_for_more() {
    let keys = Keys::new();
    let message = b"GET / HTTP/1.1\nHost: a.example\nD: a=1,  b\n\n";
    let key = keys.private("test-key-ed25519");
    let sign = |components: &str, more: &[&str], message: &[u8]| {
        let args =
            [&["sign", "--key", &key, "--components", components, "--created", "1790000000"], more].concat();
        signature(&args, message)
    };
    let signed = sign(r#""@method""#, &[], message).fine().out;
    let verify = |more: &[&str], message: &str| {
        let key = keys.public("test-key-ed25519");
        let args = [&["verify", "--json", "--key", &key, "--now", "1790000100"], more].concat();
        let answer = signature(&args, message.as_bytes());
        (answer.code, answer.json()["code"].as_str().map(str::to_owned))
    };
    let refused = |code: &str| (5, Some(code.to_owned()));
    assert_eq!(verify(&[], &signed), (0, None));
    assert_eq!(verify(&["--covers", r#""@method""#], &signed), (0, None));
    assert_eq!(verify(&["--covers", r#""@method" "@path""#], &signed), refused("sig.coverage"));
    assert_eq!(verify(&["--max-age", "100s"], &signed), (0, None));
    assert_eq!(verify(&["--max-age", "99s"], &signed), refused("sig.time"));
    assert_eq!(verify(&["--label", "other"], &signed), refused("pop.missing"));
    assert_eq!(verify(&["--algorithm", "ed25519"], &signed), (0, None));
    assert_eq!(verify(&["--algorithm", "hmac-sha256"], &signed), refused("sig.invalid"));
    assert_eq!(verify(&[], std::str::from_utf8(message).unwrap()), refused("pop.missing"));
    // Of two signatures one is named.
    let twice = sign(r#""@path""#, &["--label", "sig2"], signed.as_bytes()).fine().out;
    assert_eq!(verify(&[], &twice), refused("http.ambiguous"));
    assert_eq!(verify(&["--label", "sig2"], &twice), (0, None));
    assert_eq!(sign(r#""@path""#, &[], signed.as_bytes()).code, 2, "the label is taken");
    // A field that is structured for those who agree on it.
    let structured = ["--structured", "d=dictionary"];
    let signed = sign(r#""d";key="b" "d";sf"#, &structured, message).fine().out;
    assert_eq!(verify(&structured, &signed), (0, None));
    assert_eq!(verify(&structured, &signed.replace("a=1,  b", "a=1,b")), (0, None));
    assert_eq!(verify(&structured, &signed.replace("a=1", "a=2")), refused("sig.invalid"));
    assert_eq!(verify(&[], &signed), refused("sig.coverage"));
}

#[test]
fn people_are_told_what_is_not_covered() {
    let keys = Keys::new();
    let key = keys.private("test-key-ed25519");
    let message = b"GET / HTTP/1.1\nHost: a.example\n\n";
    let signed = signature(&["sign", "--key", &key, "--components", "()"], message).fine().out;
    let said =
        signature(&["verify", "--key", &keys.public("test-key-ed25519")], signed.as_bytes()).fine().out;
    assert!(said.contains("verified") && said.contains("nothing of the message"), "{said}");
    assert!(said.contains("not covered: it may have been changed"), "{said}");
    let other = signature(&["verify", "--key", &keys.public("test-key-ecc-p256")], signed.as_bytes());
    assert_eq!(other.code, 5);
    assert!(other.out.contains("NOT VERIFIED") && other.out.contains("(pop.mismatch)"), "{other:?}");
}

#[test]
fn what_is_wrong_with_a_command_is_told() {
    let keys = Keys::new();
    let (public, private) = (keys.public("test-key-ed25519"), keys.private("test-key-ed25519"));
    let no_json = keys.write("text.jwk", "-----BEGIN PUBLIC KEY-----");
    let weak = keys.write("weak.jwk", r#"{"kty":"oct","k":"AAAA"}"#);
    let mut plain: Value = vectors("keys.json")["keys"]["test-key-rsa-pss"].clone();
    plain.as_object_mut().unwrap().remove("alg");
    let plain = keys.write("rsa.jwk", &plain.to_string());
    let good = "GET / HTTP/1.1\nHost: a.example\n\n";
    for (args, message, code) in [
        (vec!["verify", "--key", "/nonexistent.jwk"], good, "file.missing"),
        (vec!["verify", "--key", &no_json], good, "key.invalid"),
        (vec!["verify", "--key", &weak], good, "token.key"),
        (vec!["verify", "--key", &private], good, "token.key"),
        (vec!["verify", "--key", &public, "--now", "noon"], good, "usage"),
        (vec!["verify", "--key", &public, "--covers", "@method"], good, "sig.coverage"),
        (vec!["verify", "--key", &public, "--algorithm", "none"], good, "usage"),
        (vec!["verify", "--key", &public, "--structured", "d"], good, "usage"),
        (vec!["verify", "--key", &public, "--request", &public], good, "usage"),
        (vec!["sign", "--key", &public, "--components", "()"], good, "token.key"),
        (vec!["sign", "--key", &private], good, "usage"),
        (vec!["sign", "--key", &private, "--components", "\"date\""], good, "sig.coverage"),
        (vec!["sign", "--key", &private, "--components", "\"@status\""], good, "sig.coverage"),
        (vec!["sign", "--key", &private, "--components", "()", "--label", "A"], good, "sig.coverage"),
        (vec!["sign", "--key", &private, "--components", "()"], "no message", "http.framing"),
        (vec!["sign", "--key", &plain, "--components", "()"], good, "sig.invalid"),
    ] {
        let answer = signature(&[&args[..], &["--json"]].concat(), message.as_bytes());
        let error = answer.error();
        assert_eq!((answer.code, error["code"].as_str()), (2, Some(code)), "{args:?} {answer:?}");
        assert!(answer.out.is_empty(), "{answer:?}");
    }
    let stated = ["sign", "--key", &plain, "--components", "()", "--algorithm", "rsa-v1_5-sha256"];
    assert!(signature(&stated, good.as_bytes()).fine().out.contains("Signature: sig1=:"));
}
