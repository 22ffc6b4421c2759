//! The signature base and the key agree with RFC 9421's own example, appendix B.2.6 (Ed25519).
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use killick_proof::Code;
use killick_proof::http_signature::{Message, content_digest, signature_base};
use killick_proof::keys::{PublicKey, SigningKey};

const BASE: &str = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
    \"@method\": POST\n\
    \"@path\": /foo\n\
    \"@authority\": example.com\n\
    \"content-type\": application/json\n\
    \"content-length\": 18\n\
    \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
    ;created=1618884473;keyid=\"test-key-ed25519\"";
const PARAMS: &str = "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
    ;created=1618884473;keyid=\"test-key-ed25519\"";
const SIGNATURE: &str =
    "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
const PUBLIC_X: &str = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";
const PRIVATE_D: &str = "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU";

fn headers() -> Vec<(String, String)> {
    [
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn base(target_uri: &str, headers: &[(String, String)], covered: &[&str]) -> Result<String, Code> {
    let message = Message { method: "POST", target_uri, headers, body: b"{\"hello\": \"world\"}" };
    let covered: Vec<String> = covered.iter().map(|name| (*name).to_owned()).collect();
    signature_base(&message, &covered, PARAMS)
        .map(|base| String::from_utf8(base).unwrap())
        .map_err(|refusal| refusal.code())
}

#[test]
fn the_example_of_appendix_b_2_6_verifies() {
    let covered = ["date", "@method", "@path", "@authority", "content-type", "content-length"];
    let built = base("https://example.com/foo?param=Value&Pet=dog", &headers(), &covered).unwrap();
    assert_eq!(built, BASE);

    let x = URL_SAFE_NO_PAD.decode(PUBLIC_X).unwrap();
    let key = PublicKey::from_bytes(x.try_into().unwrap()).unwrap();
    let signature = STANDARD.decode(SIGNATURE).unwrap();
    assert!(key.verifies(built.as_bytes(), &signature));
    assert!(!key.verifies(&built.as_bytes()[1..], &signature));

    let d = URL_SAFE_NO_PAD.decode(PRIVATE_D).unwrap();
    let signer = SigningKey::from_seed(d.try_into().unwrap()).unwrap();
    assert_eq!(signer.public(), &key);
    assert_eq!(signer.sign(built.as_bytes()).as_slice(), signature, "Ed25519 is deterministic");
}

#[test]
fn derived_components_are_those_of_section_2_2() {
    let line = |uri: &str, name: &str| {
        let built = base(uri, &[], &[name]).unwrap();
        built.lines().next().unwrap().to_owned()
    };
    let uri = "https://www.Example.com:443/path?param=value";
    assert_eq!(line(uri, "@method"), "\"@method\": POST");
    assert_eq!(line(uri, "@target-uri"), "\"@target-uri\": https://www.Example.com:443/path?param=value");
    assert_eq!(line(uri, "@authority"), "\"@authority\": www.example.com");
    assert_eq!(line("http://a:80/", "@authority"), "\"@authority\": a");
    assert_eq!(line("http://a:443/", "@authority"), "\"@authority\": a:443");
    assert_eq!(line(uri, "@path"), "\"@path\": /path");
    assert_eq!(line("https://a", "@path"), "\"@path\": /");
    assert_eq!(line("https://a?b=c", "@path"), "\"@path\": /");
    assert_eq!(line(uri, "@query"), "\"@query\": ?param=value");
    assert_eq!(line("https://a/path", "@query"), "\"@query\": ?");
    assert_eq!(line("https://a/path?x=1?y=/2", "@query"), "\"@query\": ?x=1?y=/2");
}

#[test]
fn fields_are_trimmed_and_joined() {
    // RFC 9421 section 2.1: a field with several lines is one value.
    let headers = [("cache-control", " max-age=60 "), ("cache-control", "\tmust-revalidate")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let built = base("https://a/", &headers, &["cache-control"]).unwrap();
    assert!(built.starts_with("\"cache-control\": max-age=60, must-revalidate\n"), "{built}");
}

#[test]
fn what_cannot_be_signed_is_refused() {
    assert_eq!(base("https://a/", &headers(), &["x-absent"]), Err(Code::SigCoverage));
    assert_eq!(base("https://a/", &headers(), &["@status"]), Err(Code::SigCoverage));
    // A line break in a value would be a line of the base that nobody wrote.
    let forged = [("x".to_owned(), "1\n\"@method\": GET".to_owned())];
    assert_eq!(base("https://a/", &forged, &["x"]), Err(Code::HttpFraming));
    assert_eq!(base("https://a/\n\"x\": 1", &headers(), &["@target-uri"]), Err(Code::HttpFraming));
}

#[test]
fn the_digest_is_that_of_rfc_9530() {
    // RFC 9530 appendix B.1 and RFC 9421 appendix B.2.
    assert_eq!(
        content_digest(b"{\"hello\": \"world\"}"),
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
    );
    assert_eq!(content_digest(b""), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
}
