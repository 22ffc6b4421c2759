//! Reading a request: each refusal has a request that earns it and a near twin that does not. Nothing here needs a
//! token that verifies.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use killick_proof::Code;
use killick_proof::call::{ChainSource, ParsedBody, ParsedCall, PublicOrigins, RawRequest, parse_call};
use killick_proof::fixtures::{self, Ask, World};
use killick_proof::json::Json;
use killick_proof::limits::{
    BODY_BYTES_MAX, CHAIN_HEADER_BYTES_MAX, HEADERS_MAX, QUERY_PAIRS_MAX, TARGET_BYTES_MAX,
};

const CHAIN: &str = "eyJhIjoxfQ.eyJiIjoyfQ.c2ln~eyJhIjoxfQ.eyJiIjoyfQ.c2ln";

fn public() -> PublicOrigins {
    PublicOrigins { origins: vec![fixtures::ORIGIN.to_owned()], audience: fixtures::GATEWAY.to_owned() }
}

fn request(ask: &Ask<'_>) -> RawRequest {
    World::new().signed_request("invoice-bot", CHAIN, ask)
}

fn get() -> RawRequest {
    request(&Ask::get("/invoices/INV-7?full=1"))
}

fn post() -> RawRequest {
    request(&Ask::post("/payment-drafts", r#"{"amount":500,"currency":"EUR"}"#))
}

fn parse(raw: RawRequest) -> Result<ParsedCall, Code> {
    parse_call(raw, &public()).map_err(|refusal| refusal.code())
}

fn code(raw: RawRequest) -> Option<Code> {
    parse(raw).err()
}

fn with(mut raw: RawRequest, name: &str, value: impl AsRef<[u8]>) -> RawRequest {
    raw.headers.push((name.to_owned(), value.as_ref().to_vec()));
    raw
}

fn without(mut raw: RawRequest, name: &str) -> RawRequest {
    raw.headers.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
    raw
}

fn replace(raw: RawRequest, name: &str, value: impl AsRef<[u8]>) -> RawRequest {
    with(without(raw, name), name, value)
}

fn edit(mut raw: RawRequest, name: &str, from: &str, to: &str) -> RawRequest {
    let (_, value) = raw.headers.iter_mut().find(|(field, _)| field == name).unwrap();
    let text = String::from_utf8(value.clone()).unwrap();
    assert!(text.contains(from), "`{from}` in {text}");
    *value = text.replacen(from, to, 1).into_bytes();
    raw
}

fn at(target: &str) -> Result<ParsedCall, Code> {
    parse(request(&Ask::get(target)))
}

#[test]
fn a_request_is_read_once() {
    let raw = with(with(post(), "X-Trace", " a b "), "Connection", "keep-alive");
    let call = parse(raw).unwrap();
    assert_eq!(call.method(), "POST");
    assert_eq!(call.segments(), ["payment-drafts"]);
    assert!(call.query().is_empty());
    assert_eq!(call.body(), &ParsedBody::Json(Json::parse(br#"{"amount":500,"currency":"EUR"}"#).unwrap()));
    assert_eq!(call.chain(), &ChainSource::Inline(CHAIN.to_owned()));
    assert_eq!(call.peer(), "127.0.0.1");
    assert_eq!(call.signature().audience, fixtures::GATEWAY);
    assert_eq!(call.signature().nonce, fixtures::nonce(1));
    // What is about this hop is not part of the call.
    let names: Vec<&str> = call.headers().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "x-trace"]);
    assert_eq!(call.headers()[1].1, "a b");
}

#[test]
fn the_base_is_the_specifications() {
    let call = parse(post()).unwrap();
    let base = String::from_utf8(call.signature().base.clone()).unwrap();
    let expected = format!(
        "\"@method\": POST\n\
         \"@target-uri\": http://127.0.0.1:7443/payment-drafts\n\
         \"content-digest\": {}\n\
         \"content-type\": application/json\n\
         \"authorization\": AAT {CHAIN}\n\
         \"killick-audience\": spiffe://acme.example/gateway/gw-1\n\
         \"@signature-params\": (\"@method\" \"@target-uri\" \"content-digest\" \"content-type\" \"authorization\" \
         \"killick-audience\");created=1790000000;expires=1790000030;nonce=\"{}\";keyid=\"{}\";tag=\"killick\"",
        killick_proof::http_signature::content_digest(br#"{"amount":500,"currency":"EUR"}"#),
        fixtures::nonce(1),
        fixtures::agent_key("invoice-bot").id(),
    );
    assert_eq!(base, expected);
    assert_eq!(call.payload_digest(), &killick_proof::keys::sha256(base.as_bytes()));
}

#[test]
fn targets_have_one_form() {
    for target in
        ["*", "", "invoices", "http://127.0.0.1:7443/invoices", "127.0.0.1:7443", "//evil.example/x", "//"]
    {
        let mut raw = get();
        raw.target = target.to_owned();
        assert_eq!(code(raw), Some(Code::HttpTargetForm), "{target}");
    }
    for target in ["/a b", "/a\r\nX: y", "/a\0", "/a\tb", "/a\u{7f}"] {
        assert_eq!(at(target).err(), Some(Code::HttpFraming), "{target:?}");
    }
    let longest = format!("/{}", "a".repeat(TARGET_BYTES_MAX - 1));
    assert!(at(&longest).is_ok());
    assert_eq!(at(&format!("{longest}a")).err(), Some(Code::LimitSize));
}

#[test]
fn methods_are_listed() {
    for method in ["OPTIONS", "TRACE", "CONNECT", "get", "Get", "PROPFIND", "", "GET "] {
        let mut raw = get();
        raw.method = method.to_owned();
        assert_eq!(code(raw), Some(Code::HttpAmbiguous), "{method}");
    }
    for method in ["GET", "HEAD", "DELETE", "POST", "PUT", "PATCH"] {
        assert!(parse(request(&Ask { method, ..Ask::get("/a") })).is_ok(), "{method}");
    }
}

#[test]
fn paths_have_one_form() {
    let segments = |target: &str| at(target).map(|call| call.segments().to_vec());
    assert_eq!(segments("/").unwrap(), Vec::<String>::new());
    assert_eq!(segments("/a/b").unwrap(), ["a", "b"]);
    assert_eq!(segments("/%61%2D%c3%a4%C3%A4").unwrap(), ["a-\u{e4}\u{e4}"]);
    assert_eq!(segments("/a.b/...").unwrap(), ["a.b", "..."]);
    assert_eq!(segments("/100%25").unwrap(), ["100%"]);
    assert_eq!(segments("/100%25x").unwrap(), ["100%x"]);
    assert_eq!(segments("/a%3Bb%20c").unwrap(), ["a;b c"]);
    for target in [
        "/a/",
        "/a//b",
        "/./a",
        "/a/..",
        "/a/../b",
        "/%2e%2e/admin",
        "/%2E/a",
        "/.%2e/a",
        "/..;/admin",
        "/a;v=1/b",
        "/%2e%2e%3bx/admin",
        "/.%3B/admin",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a\\b",
        "/a%00b",
        "/a%0ab",
        "/a%7fb",
        "/a%c2%85b",
        "/%252e%252e/admin",
        "/%25%32%65/a",
        "/a%",
        "/a%2",
        "/a%zz",
        "/a%c3",
        "/a%ff",
        "/a%c0%af",
        "/a\"b",
        "/a<b",
        "/a|b",
        "/a[b]",
        "/a^b",
        "/a{b}",
        "/\u{e4}",
        "/a#b",
    ] {
        assert_eq!(at(target).err(), Some(Code::PathNoncanonical), "{target}");
    }
}

#[test]
fn queries_read_one_way() {
    let query = |target: &str| at(target).map(|call| call.query().to_vec());
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(query("/a?b=c&d=").unwrap(), pairs(&[("b", "c"), ("d", "")]));
    assert_eq!(query("/a?b=%2B%20%3D%26%3B/?:@").unwrap(), pairs(&[("b", "+ =&;/?:@")]));
    assert_eq!(
        query("/a?b%5B%5D=1&url=http%3A%2F%2Fx%2F%2520").unwrap(),
        pairs(&[("b[]", "1"), ("url", "http://x/%20")])
    );
    for target in [
        "/a?",
        "/a?b",
        "/a?&",
        "/a?b=1&",
        "/a?&b=1",
        "/a?b=1&&c=2",
        "/a?=1",
        "/a?b=1&b=2",
        "/a?b=1&B=2",
        "/a?b=1&%62=2",
        "/a?b=1;c=2",
        "/a?b=1+2",
        "/a?b=c=d",
        "/a?customer[]=8&customer=7",
        "/a?customer=7%26customer=8",
        "/a?customer=7#&customer=8",
        "/a?b=%",
        "/a?b=%f",
        "/a?b=%ff",
        "/a?b=%00",
        "/a?b=%0d%0a",
        "/a?b=\"",
        "/a?b=\u{e4}",
    ] {
        assert_eq!(query(target).err(), Some(Code::HttpAmbiguous), "{target}");
    }
    let many = |count: usize| {
        let pairs: Vec<String> = (0..count).map(|n| format!("p{n}=")).collect();
        query(&format!("/a?{}", pairs.join("&"))).err()
    };
    assert_eq!(many(QUERY_PAIRS_MAX), None);
    assert_eq!(many(QUERY_PAIRS_MAX + 1), Some(Code::LimitSize));
}

#[test]
fn no_field_comes_twice() {
    for (name, _) in get().headers.clone() {
        let value = get().headers.iter().find(|(field, _)| *field == name).unwrap().1.clone();
        assert_eq!(code(with(get(), &name.to_uppercase(), value)), Some(Code::HttpAmbiguous), "{name}");
    }
    assert_eq!(code(with(with(get(), "x-a", "1"), "X-A", "1")), Some(Code::HttpAmbiguous));
    assert_eq!(code(with(with(get(), "x-a", "1"), "x-b", "1")), None);
    assert_eq!(
        code(with(with(get(), "content-length", "0"), "Content-Length", "0")),
        Some(Code::HttpFraming)
    );
}

#[test]
fn field_names_cannot_be_confused() {
    for name in ["killick_audience", "killick_agent", "x_a", "Content_Length"] {
        assert_eq!(code(with(get(), name, "1")), Some(Code::HttpAmbiguous), "{name}");
    }
    for name in ["", "x a", "x-a ", "Transfer-Encoding\t", "x:a", "x\r\ny", "x\u{e4}", "x(a)"] {
        assert_eq!(code(with(get(), name, "1")), Some(Code::HttpFraming), "{name:?}");
    }
    for name in [
        "Killick-Agent",
        "killick-action",
        "killick-request-id",
        "Killick-Receipt",
        "killick-verified-agent",
        "X-HTTP-Method-Override",
        "x-http-method",
        "x-method-override",
        "X-Original-URL",
        "X-Rewrite-URL",
        "x-original-uri",
    ] {
        assert_eq!(code(with(get(), name, "1")), Some(Code::HttpReservedHeader), "{name}");
    }
    for name in ["x-killick-agent", "killickx", "x-original", "accept"] {
        assert_eq!(code(with(get(), name, "1")), None, "{name}");
    }
}

#[test]
fn field_values_are_visible_ascii() {
    for value in [&b"a\r\nx: y"[..], b"a\nb", b"a\rb", b"a\0b"] {
        assert_eq!(code(with(get(), "x-a", value)), Some(Code::HttpFraming), "{value:?}");
    }
    for value in [&b"\xff"[..], "\u{e4}".as_bytes(), b"a\x01b", b"\x7f"] {
        assert_eq!(code(with(get(), "x-a", value)), Some(Code::HttpAmbiguous), "{value:?}");
    }
    assert_eq!(code(with(get(), "x-a", b" a\tb ~ ")), None);
}

#[test]
fn framing_is_not_in_conflict() {
    let length = r#"{"amount":500,"currency":"EUR"}"#.len();
    assert_eq!(code(post()), None);
    assert_eq!(code(without(post(), "content-length")), None, "whoever framed it, knows");
    for wrong in [
        (length - 1).to_string(),
        (length + 1).to_string(),
        format!("+{length}"),
        format!("{length}, {length}"),
        String::new(),
        "0x1f".to_owned(),
        "99999999999999999999999".to_owned(),
    ] {
        assert_eq!(code(replace(post(), "Content-Length", &wrong)), Some(Code::HttpFraming), "{wrong}");
    }
    assert_eq!(code(with(post(), "transfer-encoding", "chunked")), Some(Code::HttpFraming), "both");
    let chunked = |value: &str| code(with(without(post(), "content-length"), "transfer-encoding", value));
    assert_eq!(chunked("chunked"), None);
    for value in [
        "xchunked",
        "chunked, chunked",
        "chunked,",
        "identity",
        "gzip, chunked",
        "chunked;a=b",
        "",
        "\"chunked\"",
    ] {
        assert_eq!(chunked(value), Some(Code::HttpFraming), "{value}");
    }
}

#[test]
fn what_changes_the_message_or_connection_is_not_served() {
    for name in ["expect", "upgrade", "trailer"] {
        assert_eq!(code(with(post(), name, "100-continue")), Some(Code::HttpAmbiguous), "{name}");
    }
    for value in
        ["close, killick-audience", "authorization", "Upgrade", "keep-alive, content-digest", "x-a", ""]
    {
        assert_eq!(code(with(get(), "connection", value)), Some(Code::HttpAmbiguous), "{value}");
    }
    for value in ["close", "Keep-Alive", "keep-alive, close"] {
        assert_eq!(code(with(get(), "connection", value)), None, "{value}");
    }
    for value in ["gzip", "gzip, gzip", "identity;q=0", "x-foo", ""] {
        assert_eq!(code(with(post(), "content-encoding", value)), Some(Code::HttpContentEncoding), "{value}");
    }
    assert_eq!(code(with(post(), "content-encoding", "Identity")), None);
}

#[test]
fn the_host_is_ours() {
    assert_eq!(code(without(get(), "host")), Some(Code::HttpTargetForm));
    for host in [
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:7444",
        "127.0.0.1:7443.",
        "a@127.0.0.1:7443",
        "",
        "127.0.0.1:07443",
    ] {
        assert_eq!(code(replace(get(), "Host", host)), Some(Code::HttpTargetForm), "{host}");
    }
    let origins = vec![fixtures::ORIGIN.to_owned(), "https://gw.acme.example".to_owned()];
    let public = PublicOrigins { origins, audience: fixtures::GATEWAY.to_owned() };
    for host in ["127.0.0.1:7443", "GW.acme.example", "gw.acme.example:443"] {
        assert!(parse_call(replace(get(), "Host", host), &public).is_ok(), "{host}");
    }
}

#[test]
fn bodies_are_json_or_nothing() {
    assert_eq!(code(without(post(), "content-type")), Some(Code::HttpContentType));
    for value in
        ["text/plain", "application/json; charset=latin-1", "application/jsonx", "application/json; a=b", ""]
    {
        assert_eq!(code(replace(post(), "content-type", value)), Some(Code::HttpContentType), "{value}");
    }
    for value in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
    {
        assert_eq!(code(replace(post(), "content-type", value)), None, "{value}");
    }
    for (body, expected) in [
        ("{", Code::JsonInvalid),
        ("{\"a\":1}{", Code::JsonInvalid),
        ("{\"a\":1,\"a\":2}", Code::JsonDuplicateKey),
    ] {
        assert_eq!(code(request(&Ask::post("/a", body))), Some(expected), "{body}");
    }
    let with_body = Ask { method: "GET", ..Ask::post("/a", "{}") };
    assert_eq!(code(request(&with_body)), Some(Code::HttpAmbiguous));
    assert_eq!(code(request(&Ask { method: "DELETE", ..with_body })), None);

    let mut raw = post();
    raw.headers.retain(|(name, _)| name != "Content-Length");
    raw.body = vec![b' '; BODY_BYTES_MAX + 1];
    assert_eq!(code(raw.clone()), Some(Code::LimitSize));
    raw.body.truncate(BODY_BYTES_MAX - 2);
    raw.body.extend_from_slice(b"{}");
    assert_eq!(code(raw), None);
}

#[test]
fn heads_are_bounded() {
    let mut raw = get();
    while raw.headers.len() < HEADERS_MAX {
        let name = format!("x-{}", raw.headers.len());
        raw = with(raw, &name, "1");
    }
    assert_eq!(code(raw.clone()), None);
    assert_eq!(code(with(raw, "x-one-more", "1")), Some(Code::LimitSize));
    assert_eq!(code(with(get(), "x-a", "a".repeat(33_000))), Some(Code::LimitSize));
}

#[test]
fn the_chain_comes_in_one_way() {
    assert_eq!(code(without(get(), "authorization")), Some(Code::TokenMissing));
    assert_eq!(code(replace(get(), "authorization", "Basic dTpw")), Some(Code::TokenMissing));
    assert_eq!(code(replace(get(), "authorization", format!("Bearer {CHAIN}"))), Some(Code::PopMissing));
    assert_eq!(code(replace(get(), "authorization", format!("aat {CHAIN}"))), None);
    for value in ["AAT", "AAT ", "AAT  a.b.c", "AAT a b", "AAT a,b", "AAT a=b", "AAT-Hash", "AAT-Hash abc"] {
        assert_eq!(code(replace(get(), "authorization", value)), Some(Code::TokenEncoding), "{value}");
    }
    let hash = killick_proof::keys::base64url(&[7; 32]);
    let call = parse(replace(get(), "authorization", format!("AAT-Hash {hash}"))).unwrap();
    assert_eq!(call.chain(), &ChainSource::Hash([7; 32]));
    let longer = format!("AAT-Hash {hash}A");
    assert_eq!(code(replace(get(), "authorization", longer)), Some(Code::TokenEncoding));
    let longest = "a".repeat(CHAIN_HEADER_BYTES_MAX);
    assert_eq!(code(replace(get(), "authorization", format!("AAT {longest}"))), None);
    assert_eq!(code(replace(get(), "authorization", format!("AAT {longest}a"))), Some(Code::LimitSize));
}

#[test]
fn the_signature_is_there_and_alone() {
    for name in ["signature", "signature-input"] {
        assert_eq!(code(without(get(), name)), Some(Code::PopMissing), "{name}");
        assert_eq!(code(edit(get(), name, "killick=", "sig1=")), Some(Code::PopMissing), "{name}");
    }
    // Somebody's second signature, which somebody else might look at.
    let two = edit(get(), "signature-input", "killick=", "sig2=(\"@method\");created=1, killick=");
    assert_eq!(code(two), Some(Code::SigCoverage));
    let two = edit(get(), "signature", "killick=", "sig2=:AAAA:, killick=");
    assert_eq!(code(two), Some(Code::SigCoverage));
    // The same label twice, which a lenient reader would overwrite.
    let twice = edit(get(), "signature-input", "killick=", "killick=(\"@method\");created=1, killick=");
    assert_eq!(code(twice), Some(Code::SigCoverage));
}

#[test]
fn every_parameter_is_there() {
    let keyid = format!(";keyid=\"{}\"", fixtures::agent_key("invoice-bot").id());
    let nonce = format!(";nonce=\"{}\"", fixtures::nonce(1));
    let parameters =
        [";created=1790000000", ";expires=1790000030", nonce.as_str(), keyid.as_str(), ";tag=\"killick\""];
    for parameter in parameters {
        assert_eq!(
            code(edit(get(), "signature-input", parameter, "")),
            Some(Code::PopMissing),
            "{parameter}"
        );
    }
    let input = |from: &str, to: &str| code(edit(get(), "signature-input", from, to));
    assert_eq!(input(&nonce, ";nonce=\"\""), Some(Code::PopMissing));
    assert_eq!(input(&nonce, &format!(";nonce=\"{}\"", "n".repeat(129))), Some(Code::PopMissing));
    assert_eq!(input(&nonce, &format!(";nonce=\"{}\"", "n".repeat(128))), None);
    assert_eq!(input("tag=\"killick\"", "tag=\"killick-gateway\""), Some(Code::PopMissing));
    assert_eq!(input("created=1790000000", "created=-1"), Some(Code::PopMissing));
    // Wrong types, unknown names, twice the same.
    for (from, to) in [
        ("created=1790000000", "created=\"1790000000\""),
        ("created=1790000000", "created=@1790000000"),
        ("created=1790000000", "created=1790000000.5"),
        ("tag=\"killick\"", "tag=killick"),
        (";tag", ";alg=\"rsa-pss-sha512\";tag"),
        (";tag", ";alg=\"hmac-sha256\";tag"),
        (";tag", ";foo=1;tag"),
        (";tag", ";created=1790000000;tag"),
        (";tag", "; tag"),
    ] {
        assert_eq!(input(from, to), Some(Code::SigCoverage), "{to}");
    }
    assert_eq!(input(";tag", ";alg=\"ed25519\";tag"), None, "the one algorithm may be named");
}

#[test]
fn every_component_is_covered_once() {
    let covered =
        ["@method", "@target-uri", "content-digest", "content-type", "authorization", "killick-audience"];
    for name in covered {
        let quoted = format!("\"{name}\"");
        let raw = edit(post(), "signature-input", &quoted, "\"x\"");
        assert_eq!(code(with(raw, "x", "1")), Some(Code::SigCoverage), "{name} replaced");
        let twice = edit(post(), "signature-input", &quoted, &format!("{quoted} {quoted}"));
        assert_eq!(code(twice), Some(Code::SigCoverage), "{name} twice");
        let with_parameter = edit(post(), "signature-input", &quoted, &format!("{quoted};sf"));
        assert_eq!(code(with_parameter), Some(Code::SigCoverage), "{name};sf");
    }
    // One more than known, even if it is there.
    let more = edit(with(post(), "x", "1"), "signature-input", "(", "(\"x\" ");
    assert_eq!(code(more), Some(Code::SigCoverage));
    // Any order will do: the base follows it.
    let order = edit(post(), "signature-input", "\"@method\" \"@target-uri\"", "\"@target-uri\" \"@method\"");
    assert_eq!(code(order), None);
    // A content type that is there is covered, also without content.
    assert_eq!(code(with(get(), "content-type", "application/json")), Some(Code::SigCoverage));
    for name in ["content-digest", "killick-audience"] {
        assert_eq!(code(without(get(), name)), Some(Code::SigCoverage), "{name} absent");
    }
}

#[test]
fn digests_are_strong_and_well_formed() {
    let sha256 = killick_proof::http_signature::content_digest(b"");
    for value in [
        "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:".to_owned(),
        format!("{sha256}, md5=:1B2M2Y8AsgTpgAmY7PhCfg==:"),
        "sha-256=1".to_owned(),
        "sha-256=(:AAAA:)".to_owned(),
        format!("{sha256};a"),
        format!("{sha256}, {sha256}"),
        format!(" {sha256},"),
        String::new(),
    ] {
        assert_eq!(code(replace(get(), "content-digest", &value)), Some(Code::SigDigest), "{value}");
    }
    let sha512 =
        "sha-512=:z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==:";
    assert_eq!(code(replace(get(), "content-digest", format!("{sha256}, {sha512}"))), None);
    assert_eq!(code(replace(get(), "content-digest", sha512)), Some(Code::SigDigest), "sha-256 is required");
}
