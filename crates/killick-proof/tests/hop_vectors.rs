//! Golden vectors of signed requests, shared by every language: `vectors/http-signature/*.json`.
//!
//! Each file is one request as a gateway receives it and the verdict on it. The cases are made here, from the fixture
//! world, and compared with the files: a change of the wire format shows as a changed file. Run with `KILLICK_BLESS=1` to
//! write them anew.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::path::PathBuf;

use killick_proof::call::{RawRequest, parse_call};
use killick_proof::fixtures::{self, Ask, NOW, World};
use killick_proof::http_signature::content_digest;
use killick_proof::verified::verify_call;
use killick_proof::{Code, UnixTime};
use serde_json::{Value, json};

const BODY: &str = r#"{"amount":500,"currency":"EUR"}"#;

struct Vector {
    name: &'static str,
    about: &'static str,
    raw: RawRequest,
    now: UnixTime,
    expected: Result<(), Code>,
}

fn post() -> Ask<'static> {
    Ask::post("/payment-drafts?full=1", BODY)
}

fn sign(ask: &Ask<'_>) -> RawRequest {
    let world = World::new();
    let token = world.root_token("invoice-bot", fixtures::tools(&["create:payment-draft", "read:invoices"]));
    world.signed_request("invoice-bot", &token, ask)
}

fn edit(ask: &Ask<'_>, name: &str, from: &str, to: &str) -> RawRequest {
    let mut raw = sign(ask);
    let (_, value) = raw.headers.iter_mut().find(|(field, _)| field == name).unwrap();
    let text = String::from_utf8(value.clone()).unwrap();
    assert!(text.contains(from), "`{from}` in {text}");
    *value = text.replacen(from, to, 1).into_bytes();
    raw
}

fn without(name: &str) -> RawRequest {
    let mut raw = sign(&post());
    raw.headers.retain(|(field, _)| field != name);
    raw
}

fn with(name: &str, value: &str) -> RawRequest {
    let mut raw = sign(&post());
    raw.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    raw
}

fn change(change: impl FnOnce(&mut RawRequest)) -> RawRequest {
    let mut raw = sign(&post());
    change(&mut raw);
    raw
}

fn vectors() -> Vec<Vector> {
    let good = |name, about, raw| Vector { name, about, raw, now: NOW, expected: Ok(()) };
    let bad = |name, code, about, raw| Vector { name, about, raw, now: NOW, expected: Err(code) };
    let at = |name, expected, about, now: UnixTime| Vector { name, about, raw: sign(&post()), now, expected };
    let nonce = format!(";nonce=\"{}\"", fixtures::nonce(1));
    let keyid = fixtures::agent_key("invoice-bot").id().to_string();
    let world = World::new();
    let thief = world.request_signed_with(
        &fixtures::key(666),
        &world.root_token("invoice-bot", fixtures::tools(&["create:payment-draft"])),
        &post(),
    );
    vec![
        good("get", "no content: the digest is of zero bytes", sign(&Ask::get("/invoices/INV-7"))),
        good("get-root", "the shortest target", sign(&Ask::get("/"))),
        good(
            "get-query",
            "escapes in path and query are signed as sent",
            sign(&Ask::get("/a%20b/%C3%A4?q=%2B&r=")),
        ),
        good("post", "with content, and its type covered", sign(&post())),
        good("delete", "a method without content", sign(&Ask { method: "DELETE", ..Ask::get("/drafts/7") })),
        good("unsigned-field", "a field that decides nothing need not be covered", with("accept", "*/*")),
        at("window-last", Ok(()), "the last second of the signature", NOW.plus_secs(29)),
        at("window-over", Err(Code::SigTime), "`expires` is reached", NOW.plus_secs(30)),
        good(
            "window-ahead",
            "the sender's clock is 30 s ahead",
            sign(&Ask { at: NOW.plus_secs(30), ..post() }),
        ),
        bad(
            "window-too-far-ahead",
            Code::SigTime,
            "31 s ahead",
            sign(&Ask { at: NOW.plus_secs(31), ..post() }),
        ),
        bad("lifetime", Code::SigTime, "61 s is too long", sign(&Ask { lifetime_secs: 61, ..post() })),
        bad("method", Code::SigInvalid, "`@method` changed", change(|raw| raw.method = "PUT".to_owned())),
        bad(
            "target",
            Code::SigInvalid,
            "the query changed",
            change(|raw| raw.target = raw.target.replace("=1", "=0")),
        ),
        bad("target-spelling", Code::SigInvalid, "the same path spelt otherwise", {
            change(|raw| raw.target = raw.target.replace('-', "%2d"))
        }),
        bad("target-dots", Code::PathNoncanonical, "a dot segment", sign(&Ask::get("/a/%2e%2e/admin"))),
        bad(
            "target-twice-encoded",
            Code::PathNoncanonical,
            "an escape of an escape",
            sign(&Ask::get("/%252e/a")),
        ),
        bad("target-absolute", Code::HttpTargetForm, "not in origin form", {
            change(|raw| raw.target = format!("http://127.0.0.1:7443{}", raw.target))
        }),
        bad("query-twice", Code::HttpAmbiguous, "a name twice", sign(&Ask::get("/a?b=1&b=2"))),
        bad("query-plus", Code::HttpAmbiguous, "a raw plus", sign(&Ask::get("/a?b=1+2"))),
        bad("body", Code::SigDigest, "the body changed", change(|raw| raw.body[10] = b'9')),
        bad("body-and-digest", Code::SigInvalid, "the body and its digest changed", {
            let digest = content_digest(&BODY.replace("500", "999").into_bytes());
            let mut raw = edit(&post(), "content-digest", &content_digest(BODY.as_bytes()), &digest);
            raw.body = BODY.replace("500", "999").into_bytes();
            raw
        }),
        bad("content-type", Code::SigInvalid, "`content-type` changed", {
            edit(&post(), "content-type", "json", "json; charset=utf-8")
        }),
        bad("digest-md5", Code::SigDigest, "no strong digest", {
            edit(
                &post(),
                "content-digest",
                &content_digest(BODY.as_bytes()),
                "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:",
            )
        }),
        bad("digest-absent", Code::SigCoverage, "no digest at all", without("content-digest")),
        bad("authorization-absent", Code::TokenMissing, "no chain", without("authorization")),
        bad(
            "authorization-bearer",
            Code::PopMissing,
            "a bearer token",
            edit(&post(), "authorization", "AAT", "Bearer"),
        ),
        bad("signature-absent", Code::PopMissing, "no `Signature`", without("signature")),
        bad("input-absent", Code::PopMissing, "no `Signature-Input`", without("signature-input")),
        bad("nonce-absent", Code::PopMissing, "no `nonce`", edit(&post(), "signature-input", &nonce, "")),
        bad("nonce-changed", Code::SigInvalid, "another `nonce`", {
            edit(&post(), "signature-input", &fixtures::nonce(1), &fixtures::nonce(2))
        }),
        bad("tag", Code::PopMissing, "another `tag`", {
            edit(&post(), "signature-input", "tag=\"killick\"", "tag=\"killick-gateway\"")
        }),
        bad("parameter-unknown", Code::SigCoverage, "a parameter that is not known", {
            edit(&post(), "signature-input", ";tag", ";scope=1;tag")
        }),
        bad("input-not-canonical", Code::SigCoverage, "a space that the serialisation does not have", {
            edit(&post(), "signature-input", ";tag", "; tag")
        }),
        bad("coverage-method", Code::SigCoverage, "`@method` not covered", {
            edit(&post(), "signature-input", "\"@method\" ", "")
        }),
        bad("coverage-body", Code::SigCoverage, "`content-digest` not covered", {
            edit(&post(), "signature-input", "\"content-digest\" ", "")
        }),
        bad("two-signatures", Code::SigCoverage, "a second label", {
            edit(&post(), "signature-input", "killick=", "sig2=(\"@method\");created=1, killick=")
        }),
        bad("keyid", Code::PopMismatch, "signed, and named, with another key than the token's", thief),
        bad("keyid-changed", Code::PopMismatch, "another key named", {
            edit(&post(), "signature-input", &keyid, fixtures::key(666).id().as_str())
        }),
        bad("audience", Code::PopAudience, "signed for another gateway", {
            sign(&Ask { audience: "spiffe://acme.example/gateway/gw-2", ..post() })
        }),
        bad("audience-changed", Code::SigInvalid, "`killick-audience` changed", {
            edit(&post(), "killick-audience", "gw-1", "gw-2")
        }),
        bad("field-twice", Code::HttpAmbiguous, "a field twice", with("Killick-Audience", fixtures::GATEWAY)),
        bad("field-underscore", Code::HttpAmbiguous, "a look-alike", with("killick_audience", "x")),
        bad(
            "field-reserved",
            Code::HttpReservedHeader,
            "the gateway's own field",
            with("killick-agent", "x"),
        ),
        bad(
            "connection",
            Code::HttpAmbiguous,
            "a field to be dropped",
            with("connection", "killick-audience"),
        ),
        bad("body-not-json", Code::JsonInvalid, "not JSON", sign(&Ask::post("/a", "{"))),
        bad(
            "body-duplicate-key",
            Code::JsonDuplicateKey,
            "a member twice",
            sign(&Ask::post("/a", r#"{"a":1,"a":2}"#)),
        ),
    ]
}

/// The verdict, and the signature base and agent where the request gets as far.
fn verdict(raw: RawRequest, now: UnixTime) -> (Result<String, Code>, Option<String>) {
    let world = World::new();
    let call = match parse_call(raw, &world.public()) {
        Ok(call) => call,
        Err(refusal) => return (Err(refusal.code()), None),
    };
    let base = String::from_utf8(call.signature().base.clone()).unwrap();
    let verified = verify_call(call, &world.trust(), &|_| None, now);
    (verified.map(|call| call.agent().to_string()).map_err(|refusal| refusal.code()), Some(base))
}

fn to_json(vector: &Vector) -> Value {
    let (verdict, base) = verdict(vector.raw.clone(), vector.now);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let headers: Vec<Value> =
        vector.raw.headers.iter().map(|(name, value)| json!([name, text(value)])).collect();
    let mut json = json!({
        "about": vector.about,
        "now": vector.now.secs(),
        "gateway": { "origin": fixtures::ORIGIN, "audience": fixtures::GATEWAY },
        "holder_jwk": fixtures::agent_key("invoice-bot").public().to_jwk(),
        "issuer_jwk": World::new().token_key.public().to_jwk(),
        "request": {
            "method": vector.raw.method,
            "target": vector.raw.target,
            "headers": headers,
            "body": text(&vector.raw.body),
        },
    });
    match verdict {
        Ok(agent) => json["expect"] = json!({ "agent": agent }),
        Err(code) => json["expect"] = json!({ "refused": code.as_str() }),
    }
    if let Some(base) = base {
        json["signature_base"] = base.into();
    }
    json
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/http-signature")
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

#[test]
fn each_vector_has_the_verdict_that_its_case_says() {
    for vector in vectors() {
        let (verdict, _) = verdict(vector.raw.clone(), vector.now);
        assert_eq!(verdict.map(|_| ()), vector.expected, "{}", vector.name);
    }
}

#[test]
fn the_files_are_what_is_made() {
    let bless = std::env::var_os("KILLICK_BLESS").is_some();
    if bless {
        std::fs::create_dir_all(folder()).unwrap();
    }
    let vectors = vectors();
    for vector in &vectors {
        let file = folder().join(format!("{}.json", vector.name));
        let text = format!("{}\n", serde_json::to_string_pretty(&to_json(vector)).unwrap());
        if bless {
            std::fs::write(&file, &text).unwrap();
        }
        // By value: the order of members depends on what else is built with it.
        let kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap_or_default()).unwrap();
        assert_eq!(kept, to_json(vector), "{}", vector.name);
    }
    assert_eq!(files().len(), vectors.len(), "no file without its case");
}

#[test]
fn the_files_alone_are_enough() {
    // As another language reads them: from the file, without the fixtures' keys.
    for path in files() {
        let vector: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let request = &vector["request"];
        let headers = request["headers"].as_array().unwrap();
        let raw = RawRequest {
            method: text(&request["method"]),
            target: text(&request["target"]),
            headers: headers.iter().map(|field| (text(&field[0]), text(&field[1]).into_bytes())).collect(),
            body: text(&request["body"]).into_bytes(),
            peer: "127.0.0.1".to_owned(),
            request_id: fixtures::uuid(1),
        };
        let now = UnixTime::from_secs(vector["now"].as_u64().unwrap());
        let expected = match vector["expect"]["refused"].as_str() {
            Some(code) => Err(Code::from_text(code).unwrap()),
            None => Ok(text(&vector["expect"]["agent"])),
        };
        assert_eq!(verdict(raw, now).0, expected, "{}", path.display());
    }
}
