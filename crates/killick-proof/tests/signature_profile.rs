//! The profile of agents' requests where it touches HTTP's versions and the algorithm: one request in HTTP/1.1 and
//! HTTP/2 has one signature base and one verdict, and `alg` agrees with the key or the request is refused.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_proof::call::{PublicOrigins, RawRequest, parse_call};
use killick_proof::fixtures::{self, Ask, NOW, World};
use killick_proof::message_signature::content_digest;
use killick_proof::message_signature::{
    DigestAlgorithm, Message, Policy, Request, StructuredFields, VerificationKey, verify,
};
use killick_proof::verified::verify_call;
use killick_proof::{Code, Refusal};
use serde_json::Value;

fn request(ask: &Ask<'_>) -> RawRequest {
    let world = World::new();
    let token = world.root_token("invoice-bot", fixtures::tools(&["create:payment-draft", "read:invoices"]));
    world.signed_request("invoice-bot", &token, ask)
}

/// The same request as an HTTP/2 connection would bring it.
fn http2_fields(raw: &RawRequest, authority: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let text = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let host = raw.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).unwrap();
    let host = String::from_utf8(host.1.clone()).unwrap();
    let mut fields = vec![
        text(":method", &raw.method),
        text(":scheme", "http"),
        text(":authority", authority.unwrap_or(&host)),
        text(":path", &raw.target),
    ];
    let kept = raw.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host"));
    fields.extend(kept.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
    fields
}

fn from_http2(raw: &RawRequest, fields: &[(String, Vec<u8>)]) -> Result<RawRequest, Refusal> {
    RawRequest::from_http2(fields, raw.body.clone(), raw.peer.clone(), raw.request_id.clone())
}

fn verdict(raw: RawRequest, public: &PublicOrigins) -> Result<Vec<u8>, Code> {
    let call = parse_call(raw, public).map_err(|refusal| refusal.code())?;
    let base = call.signature().base.clone();
    verify_call(call, &World::new().trust(), &|_| None, NOW).map_err(|refusal| refusal.code())?;
    Ok(base)
}

#[test]
fn both_versions_have_one_base_and_one_verdict() {
    let public = World::new().public();
    for (ask, permitted) in [
        (Ask::get("/invoices/INV-7"), true),
        (Ask::get("/a%20b/%C3%A4?q=%2B&r="), true),
        (Ask::get("/?a=1"), true),
        (Ask::get("/"), true),
        (Ask::post("/payment-drafts?full=1", r#"{"amount":500}"#), true),
        // What reads two ways is refused in both.
        (Ask::get("/invoices?"), false),
        (Ask::get("/a%2Fb"), false),
        (Ask::get("//a"), false),
    ] {
        let raw = request(&ask);
        let http2 = from_http2(&raw, &http2_fields(&raw, None)).unwrap();
        let verdicts = (verdict(raw, &public), verdict(http2, &public));
        assert_eq!(verdicts.0, verdicts.1, "{}", ask.target);
        assert_eq!(verdicts.0.is_ok(), permitted, "{} {:?}", ask.target, verdicts.0);
    }
}

#[test]
fn authorities_are_one_of_the_origins_in_either_version() {
    let raw = request(&Ask::get("/invoices/INV-7"));
    for (origin, authority, same) in [
        ("https://gw.example", "gw.example", true),
        ("https://gw.example", "GW.example:443", true),
        ("https://gw.example", "gw.example:", true),
        ("https://gw.example", "gw.example:80", false),
        ("https://gw.example", "evil.example", false),
        ("https://gw.example", "gw.example.", false),
        ("http://gw.example:8080", "gw.example:8080", true),
        ("http://gw.example:8080", "gw.example", false),
        ("https://[2001:db8::1]:7443", "[2001:DB8::1]:7443", true),
        ("https://[2001:db8::1]", "[2001:db8::1]:443", true),
        ("https://[2001:db8::443]", "[2001:db8::443]", true),
        ("https://[2001:db8::1]", "2001:db8::1", false),
    ] {
        let public = PublicOrigins { origins: vec![origin.to_owned()], ..World::new().public() };
        let expected = if same { Ok(()) } else { Err(Code::HttpTargetForm) };
        let form = |raw: RawRequest| match parse_call(raw, &public) {
            Err(refusal) => Err(refusal.code()),
            Ok(call) => {
                // Whatever the client wrote, the base has the configured spelling.
                let base = String::from_utf8(call.signature().base.clone()).unwrap();
                assert!(base.contains(&format!("\"@target-uri\": {origin}/invoices/INV-7\n")), "{base}");
                Ok(())
            }
        };
        let mut http1 = raw.clone();
        let host = http1.headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("host")).unwrap();
        host.1 = authority.as_bytes().to_vec();
        assert_eq!(form(http1), expected, "{authority} in HTTP/1.1");
        let http2 = from_http2(&raw, &http2_fields(&raw, Some(authority))).unwrap();
        assert_eq!(form(http2), expected, "{authority} in HTTP/2");
    }
}

#[test]
fn host_and_authority_agree() {
    let raw = request(&Ask::get("/invoices/INV-7"));
    let with_host = |host: &str| {
        let mut fields = http2_fields(&raw, None);
        fields.push(("host".to_owned(), host.as_bytes().to_vec()));
        from_http2(&raw, &fields).map_err(|refusal| refusal.code())
    };
    assert_eq!(with_host("127.0.0.1:7443").map(|raw| raw.headers.len()), Ok(raw.headers.len()));
    for other in ["evil.example", "127.0.0.1", "127.0.0.1:7444", ""] {
        assert_eq!(with_host(other).map(|raw| raw.target), Err(Code::HttpTargetForm), "{other}");
    }
    // A request that names no host at all has no origin.
    let mut fields = http2_fields(&raw, None);
    fields.retain(|(name, _)| name != ":authority");
    let raw = from_http2(&raw, &fields).unwrap();
    assert_eq!(verdict(raw, &World::new().public()), Err(Code::HttpTargetForm));
}

/// Signed by the agent itself, after `edit` changed what its `Signature-Input` says.
fn signed_anew(edit: impl Fn(&str) -> String) -> RawRequest {
    let mut raw = request(&Ask::get("/invoices/INV-7"));
    let field = raw.headers.iter_mut().find(|(name, _)| name == "signature-input").unwrap();
    field.1 = edit(std::str::from_utf8(&field.1).unwrap()).into_bytes();
    if let Ok(call) = parse_call(raw.clone(), &World::new().public()) {
        let signature = fixtures::agent_key("invoice-bot").sign(&call.signature().base);
        let field = raw.headers.iter_mut().find(|(name, _)| name == "signature").unwrap();
        field.1 = format!("killick=:{}:", STANDARD.encode(signature)).into_bytes();
    }
    raw
}

#[test]
fn alg_is_optional_and_agrees_with_the_key() {
    let public = World::new().public();
    let with = |alg: &str| {
        let raw = signed_anew(|input| input.replace(";tag", &format!(";alg={alg};tag")));
        verdict(raw, &public).map(|_| ())
    };
    assert_eq!(verdict(signed_anew(str::to_owned), &public).map(|_| ()), Ok(()));
    assert_eq!(with("\"ed25519\""), Ok(()));
    assert_eq!(with("\"ecdsa-p256-sha256\""), Err(Code::SigInvalid), "an algorithm of another kind of key");
    for other in ["hmac-sha256", "rsa-v1_5-sha256", "none", "EdDSA", "Ed25519", ""] {
        assert_eq!(with(&format!("\"{other}\"")), Err(Code::SigCoverage), "{other}");
    }
    assert_eq!(with("ed25519"), Err(Code::SigCoverage), "a token is no string");
}

#[test]
fn the_general_library_verifies_what_agents_sign() {
    let raw = request(&Ask::post("/payment-drafts?full=1", r#"{"amount":500}"#));
    let mut lines = killick_proof::message_signature::FieldLines::new();
    for (name, value) in &raw.headers {
        lines.push(name, value).unwrap();
    }
    let message: Message =
        Request::new(&raw.method, "http", &raw.target, lines).unwrap().with_body(raw.body.clone()).into();
    let key = VerificationKey::from_public(fixtures::agent_key("invoice-bot").public()).unwrap();
    let policy = Policy { tag: Some("killick".to_owned()), ..Policy::default() };
    let verified = verify(&message, &|_| Some(&key), &policy, &StructuredFields::default(), NOW).unwrap();
    assert!(verified.covers_content());
    let base = verdict(raw, &World::new().public()).unwrap();
    assert_eq!(verified.base(), base, "the two ways to the base meet");

    let other = VerificationKey::from_public(fixtures::key(666).public()).unwrap();
    let refused = verify(&message, &|_| Some(&other), &policy, &StructuredFields::default(), NOW);
    assert_eq!(refused.unwrap_err().code(), Code::PopMismatch);
}

#[test]
fn the_bases_of_the_vectors_are_those_of_the_general_library() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/http-signature");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let vector: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let Some(expected) = vector["signature_base"].as_str() else { continue };
        let request = &vector["request"];
        let mut lines = killick_proof::message_signature::FieldLines::new();
        for pair in request["headers"].as_array().unwrap() {
            lines.push(pair[0].as_str().unwrap(), pair[1].as_str().unwrap().as_bytes()).unwrap();
        }
        let text = |name: &str| request[name].as_str().unwrap();
        let (scheme, authority) = vector["gateway"]["origin"].as_str().unwrap().split_once("://").unwrap();
        let message: Message = Request::new(text("method"), scheme, text("target"), lines)
            .unwrap()
            .with_origin(scheme, authority)
            .unwrap()
            .with_body(text("body"))
            .into();
        let signatures = killick_proof::message_signature::Signatures::read(&message).unwrap();
        let (parameters, _) = signatures.get("killick").unwrap().unwrap();
        let base = killick_proof::message_signature::signature_base(
            &message,
            &parameters,
            &StructuredFields::default(),
        );
        assert_eq!(String::from_utf8(base.unwrap()).unwrap(), expected, "{}", path.display());
        count += 1;
    }
    assert!(count >= 20, "{count}");
}

#[test]
fn a_request_without_content_covers_the_digest_of_nothing() {
    let raw = request(&Ask::get("/invoices/INV-7"));
    let digest = raw.headers.iter().find(|(name, _)| name == "content-digest").unwrap();
    assert_eq!(digest.1, content_digest(DigestAlgorithm::Sha256, b"").into_bytes());
    let mut without = raw.clone();
    without.headers.retain(|(name, _)| name != "content-digest");
    assert_eq!(verdict(without, &World::new().public()), Err(Code::SigCoverage));
    let uncovered = signed_anew(|input| input.replace(" \"content-digest\"", ""));
    assert_eq!(verdict(uncovered, &World::new().public()), Err(Code::SigCoverage));
    assert!(verdict(raw, &World::new().public()).is_ok());
}
