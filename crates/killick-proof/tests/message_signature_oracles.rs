//! HTTP message signatures held against two other implementations of RFC 9421: the PyPI package
//! `http-message-signatures` and the npm package `http-message-sig` (`tests/oracle`). Messages are drawn from a fixed
//! seed; what killick signs they verify, with the same signature base; what they sign killick verifies; and of a message
//! that was changed all say the same.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "helpers of tests")]
#![expect(clippy::disallowed_methods, reason = "a test may draw its own random bytes")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::rand::SystemRandom;
use killick_proof::UnixTime;
use killick_proof::message_signature::{
    Algorithm, Component, DigestAlgorithm, FieldLines, Message, Metadata, Policy, Request, Response,
    SignatureKey, SignatureParameters, StructuredFields, VerificationKey, content_digest, sign, verify,
};
use serde_json::{Value, json};

/// Messages drawn for each direction and oracle.
const MESSAGES: u64 = 400;
const CREATED: u64 = 1_790_000_000;
const NOW: UnixTime = UnixTime::from_secs(CREATED);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A program that answers lines of JSON, and what its package cannot do.
struct Oracle {
    command: Vec<PathBuf>,
    /// `sf`, `bs` and `@query-param`.
    whole: bool,
}

impl Oracle {
    /// The Python that has the package; `None`, said so, where there is none and that is permitted.
    fn python() -> Option<Self> {
        let python =
            std::env::var_os("KILLICK_ORACLE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
        let has = Command::new(&python).args(["-c", "import http_message_signatures"]).output();
        let script = root().join("tests/oracle/message_signature.py");
        let found = has.is_ok_and(|output| output.status.success());
        Self { command: vec![python, script], whole: true }.if_found(found, "http-message-signatures of PyPI")
    }

    /// Node and the folder that has the package.
    fn node() -> Option<Self> {
        let node = std::env::var_os("KILLICK_ORACLE_NODE").map_or_else(|| "node".into(), PathBuf::from);
        let folder = std::env::var_os("KILLICK_ORACLE_NODE_FOLDER")
            .map_or_else(|| root().join("target/oracles/node"), PathBuf::from);
        let runs = Command::new(&node).arg("--version").output().is_ok_and(|output| output.status.success());
        let found = runs && folder.join("node_modules/http-message-sig/package.json").exists();
        let script = root().join("tests/oracle/node/message_signature.mjs");
        Self { command: vec![node, script, folder], whole: false }.if_found(found, "http-message-sig of npm")
    }

    fn if_found(self, found: bool, package: &str) -> Option<Self> {
        let may_skip = std::env::var_os("KILLICK_NO_SKIP").is_none();
        assert!(found || may_skip, "{package} is not there: cargo xtask setup");
        if !found {
            println!("skipped: {package} is not there: cargo xtask setup");
        }
        found.then_some(self)
    }

    fn ask(&self, orders: &[Value]) -> Vec<Value> {
        let mut oracle = Command::new(&self.command[0])
            .args(&self.command[1..])
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
}

/// Numbers from a seed (splitmix64): the same messages in every run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn chance(&mut self, of_ten: usize) -> bool {
        self.below(10) < of_ten
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// A key pair by name, as JWKs.
struct Keys {
    private: Value,
    public: Value,
    algorithm: Algorithm,
}

fn keys(draw: &mut Draw) -> Keys {
    let path = root().join("vectors/message-signature/keys.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (name, algorithm) = [
        ("test-key-ed25519", Algorithm::Ed25519),
        ("test-key-ecc-p256", Algorithm::EcdsaP256Sha256),
        ("test-shared-secret", Algorithm::HmacSha256),
        ("test-key-rsa-pss", Algorithm::RsaPssSha512),
        ("test-key-rsa", Algorithm::RsaV15Sha256),
        ("p384", Algorithm::EcdsaP384Sha384),
    ][draw.below(6)];
    let private = match algorithm {
        // RFC 9421 has no such key; this is that of RFC 6979 appendix A.2.6.
        Algorithm::EcdsaP384Sha384 => json!({
            "kty": "EC", "crv": "P-384",
            "d": "a509rS4bjBwFsZh1tmWfTeI8O2Z78pe6mqR3QHhxN9iW1XJOTHCoJfhyyepg0u31",
            "x": "7DpOQVtOGaRWhhgCn0J_pdqai8SukuAuBqrlKGswDGTe-PDqkFWGYGSiVFFUgLwT",
            "y": "gBXZty19VyROqO-awMYhiWcIpZNn-d-59UyoSz8cnbEoiyMcOuDU_nNE_SUzJkcg",
        }),
        _ => file["keys"][name].clone(),
    };
    let mut public = private.clone();
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        public.as_object_mut().unwrap().remove(member);
    }
    Keys { private, public, algorithm }
}

/// A message in the form that the oracles read, and components that it has.
struct Drawn {
    message: Value,
    components: Vec<String>,
}

fn draw_fields(draw: &mut Draw, oracle: &Oracle, suffix: &str, components: &mut Vec<String>) -> Vec<Value> {
    let mut fields = Vec::new();
    let mut add = |name: &str, value: &str| fields.push(json!([name, value]));
    let mut cover = |component: &str| components.push(format!("{component}{suffix}"));
    add("Content-Type", draw.of(&["application/json", "text/plain; charset=utf-8"]));
    cover("\"content-type\"");
    if draw.chance(5) {
        add("X-Lines", draw.of(&["a", " a, b ", "", "a  \t b"]));
        if draw.chance(6) {
            add("x-lines", draw.of(&["c", "", "d;e=\"f\""]));
        }
        cover("\"x-lines\"");
        if oracle.whole {
            cover("\"x-lines\";bs");
        }
    }
    if draw.chance(4) {
        add("Priority", draw.of(&["u=3,  i", "u=1;x=2 , i=?0", "u=5, i, a=(1   2);b"]));
        cover(draw.of(&["\"priority\"", "\"priority\";key=\"u\"", "\"priority\";key=\"i\""]));
        if oracle.whole && draw.chance(5) {
            cover("\"priority\";sf");
        }
    }
    if oracle.whole && draw.chance(2) {
        // Bytes beyond ASCII, which `bs` alone can cover.
        add("X-Bytes", "caf\u{e9}");
        cover("\"x-bytes\";bs");
    }
    if draw.chance(2) {
        add("X-Folded", "one\r\n   two");
        cover("\"x-folded\"");
    }
    fields
}

fn draw_request(draw: &mut Draw, oracle: &Oracle, suffix: &str, components: &mut Vec<String>) -> Value {
    let host = draw.of(&["a.example", "A.Example:8443", "b.example:443", "192.0.2.7", "[2001:db8::1]:8443"]);
    let path = draw.of(&["/", "/a/b", "/a%2Fb", "/%C3%A4;x=1", "/a//b/", "/:@!$&'()*+,="]);
    let query =
        draw.of(&["", "?", "?a=1", "?a=1&b=%20x+y&c=", "?q=%E2%82%AC&a=1", "?a=1&a=2", "?x", "?a=/?b"]);
    let scheme = draw.of(&["https", "http"]);
    for name in ["@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query"] {
        if draw.chance(6) {
            components.push(format!("\"{name}\"{suffix}"));
        }
    }
    if oracle.whole && draw.chance(5) && query.contains("a=1") && !query.contains("a=2") {
        components.push(format!("\"@query-param\";name=\"a\"{suffix}"));
        if query.contains("b=") {
            components.push(format!("\"@query-param\";name=\"b\"{suffix}"));
        }
    }
    let mut fields = draw_fields(draw, oracle, suffix, components);
    fields.insert(0, json!(["Host", host]));
    let body = draw.of(&["", "hello", "{\"a\":1}"]);
    if draw.chance(5) {
        let algorithm = if draw.chance(5) { DigestAlgorithm::Sha256 } else { DigestAlgorithm::Sha512 };
        fields.push(json!(["Content-Digest", content_digest(algorithm, body.as_bytes())]));
        components.push(format!("\"content-digest\"{suffix}"));
    }
    json!({
        "kind": "request", "method": draw.of(&["GET", "POST", "DELETE", "PATCH"]),
        "url": format!("{scheme}://{host}{path}{query}"), "fields": fields, "body": body,
    })
}

fn draw_message(draw: &mut Draw, oracle: &Oracle) -> Drawn {
    let mut components = Vec::new();
    let message = if draw.chance(7) {
        draw_request(draw, oracle, "", &mut components)
    } else {
        let request = draw_request(draw, oracle, ";req", &mut components);
        let fields = draw_fields(draw, oracle, "", &mut components);
        components.push("\"@status\"".to_owned());
        let status = [200, 204, 404, 503][draw.below(4)];
        json!({ "kind": "response", "status": status, "fields": fields, "body": "", "request": request })
    };
    // In any order, some left out.
    for at in (1..components.len()).rev() {
        components.swap(at, draw.below(at + 1));
    }
    if draw.chance(3) {
        components.truncate(draw.below(components.len() + 1));
    }
    Drawn { message, components }
}

/// A message as killick reads it. The characters of values are bytes.
fn ours(message: &Value) -> Result<Message, String> {
    let text = |name: &str| message[name].as_str().unwrap();
    let mut lines = FieldLines::new();
    for pair in message["fields"].as_array().unwrap() {
        let bytes: Vec<u8> =
            pair[1].as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        lines.push(pair[0].as_str().unwrap(), &bytes).map_err(|refusal| refusal.to_string())?;
    }
    let body = text("body");
    if message["kind"] == "request" {
        let (scheme, rest) = text("url").split_once("://").unwrap();
        let target = rest.find('/').map(|at| &rest[at..]).unwrap_or_default();
        return Request::new(text("method"), scheme, target, lines)
            .map(|request| request.with_body(body).into())
            .map_err(|refusal| refusal.to_string());
    }
    let status = u16::try_from(message["status"].as_u64().unwrap()).unwrap();
    let response = Response::new(status, lines).map_err(|refusal| refusal.to_string())?.with_body(body);
    match ours(&message["request"])? {
        Message::Request(request) => Ok(response.with_request(request).into()),
        Message::Response(_) => Err("not a request".to_owned()),
    }
}

/// What killick says of a signed message: its signature base, or why not.
fn verdict(message: &Value, public: &Value) -> Result<String, String> {
    let key = VerificationKey::from_jwk(public).unwrap();
    let structured = StructuredFields::default();
    verify(&ours(message)?, &|_| Some(&key), &Policy::default(), &structured, NOW)
        .map(|verified| String::from_utf8(verified.base().to_vec()).unwrap())
        .map_err(|refusal| refusal.to_string())
}

/// What is signed of a drawn message.
fn metadata(draw: &mut Draw, keys: &Keys) -> Metadata {
    let keyid = keys.private["kid"].as_str().unwrap_or("p384 \"quoted\\\"").to_owned();
    Metadata {
        created: Some(CREATED),
        expires: draw.chance(5).then_some(CREATED + 60),
        nonce: draw.chance(5).then(|| format!("n-{}", draw.next())),
        alg: draw.chance(5).then(|| keys.algorithm.as_str().to_owned()),
        keyid: Some(keyid),
        tag: draw.chance(5).then(|| "test \\ \"tag\"".to_owned()),
    }
}

fn add_signature(message: &mut Value, input: &str, signature: &str) {
    let fields = message["fields"].as_array_mut().unwrap();
    fields.push(json!(["Signature-Input", input]));
    fields.push(json!(["Signature", signature]));
}

/// One change of a signed message, most of them in what is covered.
fn change(draw: &mut Draw, signed: &Value) -> Value {
    let mut message = signed.clone();
    let flip = |draw: &mut Draw, text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        let at = draw.below(bytes.len().max(1));
        if let Some(byte) = bytes.get_mut(at).filter(|byte| byte.is_ascii_alphanumeric()) {
            *byte = if *byte == b'a' { b'b' } else { b'a' };
        }
        String::from_utf8(bytes).unwrap()
    };
    match draw.below(6) {
        0 => {
            let fields = message["fields"].as_array().unwrap().len();
            // Not what the target was read with, and not the digest, which one oracle does not look at.
            let at = draw.below(fields);
            let name = message["fields"][at][0].as_str().unwrap().to_owned();
            if !matches!(name.as_str(), "Host" | "Content-Digest") {
                let text = message["fields"][at][1].as_str().unwrap().to_owned();
                message["fields"][at][1] = flip(draw, &text).into();
            }
        }
        1 => {
            let request = if message["kind"] == "request" { &mut message } else { &mut message["request"] };
            request["method"] = "OPTIONS".into();
        }
        2 => {
            let request = if message["kind"] == "request" { &mut message } else { &mut message["request"] };
            let url = format!("{}x", request["url"].as_str().unwrap());
            request["url"] = url.into();
        }
        3 if message["kind"] == "response" => message["status"] = 418.into(),
        3 => {
            let fields = message["fields"].as_array_mut().unwrap();
            fields.retain(|field| field[0] != "Content-Type");
        }
        // The signature or its parameters themselves.
        _ => {
            let fields = message["fields"].as_array_mut().unwrap();
            let at = fields.len() - 1 - draw.below(2);
            let text = fields[at][1].as_str().unwrap().to_owned();
            fields[at][1] = flip(draw, &text).into();
        }
    }
    message
}

fn verify_order(message: &Value, keys: &Keys) -> Value {
    json!({ "do": "verify", "message": message, "key": keys.public, "algorithm": keys.algorithm.as_str() })
}

/// Asks about signed messages and changed ones; the verdicts, and the bases of what verifies, must be killick's.
fn compare(draw: &mut Draw, oracle: &Oracle, signed: &[(Value, Keys)]) {
    let changed: Vec<Value> = signed.iter().map(|(message, _)| change(draw, message)).collect();
    let orders: Vec<Value> = signed
        .iter()
        .map(|(message, keys)| verify_order(message, keys))
        .chain(changed.iter().zip(signed).map(|(message, (_, keys))| verify_order(message, keys)))
        .collect();
    let answers = oracle.ask(&orders);
    let (first, second) = answers.split_at(signed.len());
    for ((message, keys), theirs) in signed.iter().zip(first) {
        let ours = verdict(message, &keys.public);
        assert_eq!(theirs["verifies"], true, "{theirs} {message}");
        assert_eq!(ours.as_deref(), Ok(theirs["base"].as_str().unwrap()), "{message}");
    }
    let mut refused = 0;
    for ((message, (original, keys)), theirs) in changed.iter().zip(signed).zip(second) {
        let ours = verdict(message, &keys.public);
        assert_eq!(theirs["verifies"], ours.is_ok(), "{theirs} {ours:?} {message} was {original}");
        refused += usize::from(ours.is_err());
    }
    assert!(refused * 2 > signed.len(), "{refused} of {} were refused", signed.len());
}

fn they_verify_what_we_sign(oracle: &Oracle) {
    let mut draw = Draw(1);
    let mut signed = Vec::new();
    for _ in 0..MESSAGES {
        let keys = keys(&mut draw);
        let Drawn { mut message, components } = draw_message(&mut draw, oracle);
        let metadata = metadata(&mut draw, &keys);
        let components = Component::parse_list(&components.join(" ")).unwrap();
        let parameters = SignatureParameters::new(&components, &metadata).unwrap();
        let made = sign(
            &ours(&message).unwrap(),
            "sig1",
            &parameters,
            &StructuredFields::default(),
            &SignatureKey::from_jwk(&keys.private).unwrap(),
            None,
            &SystemRandom::new(),
        )
        .unwrap();
        add_signature(&mut message, &made.signature_input, &made.signature);
        signed.push((message, keys));
    }
    compare(&mut draw, oracle, &signed);
}

fn we_verify_what_they_sign(oracle: &Oracle) {
    let mut draw = Draw(2);
    let mut drawn = Vec::new();
    let mut orders = Vec::new();
    for _ in 0..MESSAGES {
        let keys = keys(&mut draw);
        let Drawn { message, components } = draw_message(&mut draw, oracle);
        let said = metadata(&mut draw, &keys);
        orders.push(json!({
            "do": "sign", "message": message, "components": components, "label": "their-1",
            "created": said.created, "expires": said.expires, "nonce": said.nonce, "tag": said.tag,
            "keyid": said.keyid, "alg": said.alg.is_some(), "key": keys.private,
            "algorithm": keys.algorithm.as_str(),
        }));
        drawn.push((message, keys));
    }
    let mut signed = Vec::new();
    for ((mut message, keys), made) in drawn.into_iter().zip(oracle.ask(&orders)) {
        let text = |name: &str| made[name].as_str().unwrap();
        add_signature(&mut message, text("signature_input"), text("signature"));
        signed.push((message, keys));
    }
    compare(&mut draw, oracle, &signed);
}

#[test]
fn python_verifies_what_we_sign() {
    let Some(oracle) = Oracle::python() else { return };
    they_verify_what_we_sign(&oracle);
}

#[test]
fn we_verify_what_python_signs() {
    let Some(oracle) = Oracle::python() else { return };
    we_verify_what_they_sign(&oracle);
}

#[test]
fn node_verifies_what_we_sign() {
    let Some(oracle) = Oracle::node() else { return };
    they_verify_what_we_sign(&oracle);
}

#[test]
fn we_verify_what_node_signs() {
    let Some(oracle) = Oracle::node() else { return };
    we_verify_what_they_sign(&oracle);
}
