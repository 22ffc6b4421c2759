//! Golden vectors of RFC 9421, `vectors/message-signature/*.json`: every base is the RFC's, every signature verifies, the
//! deterministic ones are made again, and nothing verifies once a byte of what it covers is another.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]
#![expect(clippy::disallowed_methods, reason = "a test may draw its own random bytes")]

use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_proof::message_signature::{
    Algorithm, Component, Message, Policy, Request, RequestedSignature, Response, SignatureKey,
    SignatureParameters, Signatures, StructuredFields, StructuredType, VerificationKey, VerifiedSignature,
    component_value, read_message, sign, signature_base, verify,
};
use killick_proof::{Code, Refusal, UnixTime};
use serde_json::{Value, json};

/// Within the life of every signature of the RFC.
const NOW: UnixTime = UnixTime::from_secs(1_618_884_500);

fn file(name: &str) -> Value {
    let path: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/message-signature").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn cases(name: &str) -> Vec<Value> {
    file(name)["cases"].as_array().unwrap().clone()
}

fn private_key(name: &str) -> Value {
    file("keys.json")["keys"][name].clone()
}

fn public_key(name: &str) -> VerificationKey {
    let mut jwk = private_key(name);
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        jwk.as_object_mut().unwrap().remove(member);
    }
    VerificationKey::from_jwk(&jwk).unwrap()
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_else(|| panic!("{case} has no {name}"))
}

fn structured(case: &Value) -> StructuredFields {
    let fields = case["structured"].as_object().into_iter().flatten();
    fields.fold(StructuredFields::default(), |known, (name, kind)| {
        known.with(name, StructuredType::from_text(kind.as_str().unwrap()).unwrap())
    })
}

/// The message of a case, with its request and origin; `bytes` in place of its own text.
fn read(case: &Value, bytes: &[u8]) -> Result<Message, Refusal> {
    let scheme = text(case, "scheme");
    let message = read_message(bytes, scheme)?;
    match (message, case["request"].as_str(), case["origin"].as_str()) {
        (Message::Response(response), Some(request), None) => {
            match read_message(request.as_bytes(), scheme)? {
                Message::Request(request) => Ok(response.with_request(request).into()),
                Message::Response(_) => panic!("{case}: the request is none"),
            }
        }
        (Message::Request(request), None, Some(origin)) => {
            let (scheme, authority) = origin.split_once("://").unwrap();
            Ok(request.with_origin(scheme, authority)?.into())
        }
        (message, None, None) => Ok(message),
        _ => panic!("{case}"),
    }
}

fn verdict(case: &Value, bytes: &[u8]) -> Result<VerifiedSignature, Refusal> {
    let key = public_key(text(case, "key"));
    let policy = Policy { label: Some(text(case, "label").to_owned()), ..Policy::default() };
    verify(&read(case, bytes)?, &|_| Some(&key), &policy, &structured(case), NOW)
}

#[test]
fn every_signature_of_the_rfc_is_judged_as_it_says() {
    let cases = cases("signatures.json");
    for case in &cases {
        let name = text(case, "name");
        let message = read(case, text(case, "message").as_bytes()).unwrap();
        let signatures = Signatures::read(&message).unwrap();
        let (parameters, signature) = signatures.get(text(case, "label")).unwrap().unwrap();
        assert_eq!(parameters.as_str(), text(case, "parameters"), "{name}");
        assert_eq!(STANDARD.encode(&signature), text(case, "signature"), "{name}");
        let base = signature_base(&message, &parameters, &structured(case)).unwrap();
        if let Some(expected) = case["base"].as_str() {
            assert_eq!(String::from_utf8(base.clone()).unwrap(), expected, "{name}");
        }
        let verdict = verdict(case, text(case, "message").as_bytes());
        match case["expect"]["refused"].as_str() {
            Some(code) => assert_eq!(verdict.unwrap_err().code().as_str(), code, "{name}"),
            None => {
                let verified = verdict.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
                assert_eq!(verified.algorithm().as_str(), text(case, "algorithm"), "{name}");
                assert_eq!(verified.base(), base, "{name}");
                let digest = Component::new("content-digest", Vec::new()).unwrap();
                assert_eq!(verified.covers_content(), parameters.components().contains(&digest), "{name}");
            }
        }
    }
    assert_eq!(cases.len(), 21);
}

#[test]
fn they_are_made_again() {
    let (mut same, mut other) = (0, 0);
    for case in cases("signatures.json").iter().filter(|case| case["expect"]["verified"] == true) {
        let name = text(case, "name");
        let key = SignatureKey::from_jwk(&private_key(text(case, "key"))).unwrap();
        let message = unsigned(case);
        let parameters = SignatureParameters::parse(text(case, "parameters")).unwrap();
        let (label, fields) = (text(case, "label"), structured(case));
        let signed = sign(&message, label, &parameters, &fields, &key, None, &SystemRandom::new()).unwrap();
        assert_eq!(signed.signature_input, format!("{label}={}", text(case, "parameters")), "{name}");
        let algorithm = Algorithm::from_text(text(case, "algorithm")).unwrap();
        let theirs = format!("{label}=:{}:", text(case, "signature"));
        match algorithm {
            // RFC 9421 section 7.3.5: salted or blinded, another one every time.
            Algorithm::RsaPssSha512 | Algorithm::EcdsaP256Sha256 | Algorithm::EcdsaP384Sha384 => {
                assert_ne!(signed.signature, theirs, "{name}");
                other += 1;
            }
            Algorithm::Ed25519 | Algorithm::HmacSha256 | Algorithm::RsaV15Sha256 => {
                assert_eq!(signed.signature, theirs, "{name}");
                same += 1;
            }
        }
        let mut message = message;
        message.push_header("Signature-Input", &signed.signature_input).unwrap();
        message.push_header("Signature", &signed.signature).unwrap();
        let public = public_key(text(case, "key"));
        let policy = Policy { label: Some(label.to_owned()), ..Policy::default() };
        verify(&message, &|_| Some(&public), &policy, &fields, NOW).unwrap();
    }
    assert_eq!((same, other), (7, 11));
}

/// The message of a case before it was signed.
fn unsigned(case: &Value) -> Message {
    let head: Vec<&str> = text(case, "message").split_inclusive("\r\n").collect();
    let kept: String = head.into_iter().filter(|line| !line.starts_with("Signature")).collect();
    read(case, kept.as_bytes()).unwrap()
}

#[test]
fn nothing_verifies_once_a_covered_byte_is_another() {
    let mut refused = 0;
    for case in cases("signatures.json").iter().filter(|case| case["expect"]["verified"] == true) {
        let name = text(case, "name");
        let bytes = text(case, "message").as_bytes();
        let original = verdict(case, bytes).unwrap();
        let (_, signature) = signature_of(case, bytes).unwrap();
        let mut refused_here = 0;
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] = if changed[at] == b'7' { b'8' } else { b'7' };
            match verdict(case, &changed) {
                Err(_) => refused_here += 1,
                // Still verified: then it was no byte of the base, of the signature or of the digested content.
                Ok(verified) => {
                    assert_eq!(verified.base(), original.base(), "{name} at {at}");
                    let (_, theirs) = signature_of(case, &changed).unwrap();
                    assert_eq!(theirs, signature, "{name} at {at}");
                    let content = read(case, &changed).unwrap().body() == read(case, bytes).unwrap().body();
                    assert!(content || !verified.covers_content(), "{name} at {at}");
                }
            }
        }
        // At the least every byte of the parameters and of the signature's text.
        let least = text(case, "parameters").len() + text(case, "signature").len();
        assert!(refused_here >= least, "{name}: {refused_here} of {least}");
        refused += refused_here;
    }
    assert!(refused > 9_500, "{refused}");
}

fn signature_of(case: &Value, bytes: &[u8]) -> Result<(SignatureParameters, Vec<u8>), Refusal> {
    Signatures::read(&read(case, bytes)?)?.get(text(case, "label")).unwrap()
}

#[test]
fn every_byte_of_every_covered_value_is_needed() {
    for case in cases("signatures.json").iter().filter(|case| case["expect"]["verified"] == true) {
        let key = public_key(text(case, "key"));
        let message = read(case, text(case, "message").as_bytes()).unwrap();
        let (parameters, signature) = signature_of(case, text(case, "message").as_bytes()).unwrap();
        let base = signature_base(&message, &parameters, &structured(case)).unwrap();
        let algorithm = Algorithm::from_text(text(case, "algorithm")).unwrap();
        assert!(key.verifies(algorithm, &base, &signature));
        for at in 0..base.len() {
            let mut changed = base.clone();
            changed[at] ^= 1;
            assert!(!key.verifies(algorithm, &changed, &signature), "{} at {at}", text(case, "name"));
        }
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert!(!key.verifies(algorithm, &base, &changed), "{} at {at}", text(case, "name"));
        }
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            assert!(!key.verifies(other, &base, &signature), "{other}");
        }
    }
}

#[test]
fn components_have_the_values_of_the_rfc() {
    let mut count = 0;
    for case in cases("components.json") {
        let message = read(&case, text(&case, "message").as_bytes()).unwrap();
        for wanted in case["components"].as_array().unwrap() {
            let component = Component::parse(text(wanted, "component")).unwrap();
            assert_eq!(component.to_string(), text(wanted, "component"));
            let value = component_value(&message, &component, &structured(&case)).unwrap();
            assert_eq!(value, text(wanted, "value"), "section {}, {component}", text(&case, "section"));
            count += 1;
        }
    }
    assert_eq!(count, 40);
}

fn base_of(message: Result<Message, Refusal>, case: &Value) -> Result<String, Code> {
    let base = message.and_then(|message| {
        let parameters = SignatureParameters::parse(text(case, "parameters"))?;
        signature_base(&message, &parameters, &structured(case))
    });
    base.map(|base| String::from_utf8(base).unwrap()).map_err(|refusal| refusal.code())
}

fn expected(case: &Value) -> Result<String, Code> {
    match case["expect"]["base"].as_str() {
        Some(base) => Ok(base.to_owned()),
        None => Err(Code::from_text(case["expect"]["refused"].as_str().unwrap()).unwrap()),
    }
}

#[test]
fn edges_are_as_written() {
    let cases = cases("edges.json");
    for case in &cases {
        let message = read(case, text(case, "message").as_bytes());
        assert_eq!(base_of(message, case), expected(case), "{}", text(case, "name"));
    }
    assert!(cases.len() >= 100, "{}", cases.len());
}

#[test]
fn lines_may_end_with_lf_alone() {
    for case in cases("signatures.json").iter().filter(|case| case["expect"]["verified"] == true) {
        let (head, body) = text(case, "message").split_once("\r\n\r\n").unwrap();
        let edited = format!("{}\n\n{body}\n", head.replace("\r\n", "\n"));
        if let Err(refusal) = verdict(case, edited.as_bytes()) {
            panic!("{}: {refusal}", text(case, "name"));
        }
    }
}

#[test]
fn http1_and_http2_have_one_base() {
    let cases = cases("forms.json");
    for case in &cases {
        let fields: Vec<(String, Vec<u8>)> = case["http2"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().as_bytes().to_vec()))
            .collect();
        let http2 = Request::from_http2(&fields).map(Message::from);
        assert_eq!(base_of(http2, case), expected(case), "{} in HTTP/2", text(case, "name"));
        if let Some(http1) = case["http1"].as_str() {
            let http1 = read(case, http1.as_bytes());
            assert_eq!(base_of(http1, case), expected(case), "{} in HTTP/1.1", text(case, "name"));
        }
    }
    assert!(cases.len() >= 20);
}

#[test]
fn what_is_asked_for_is_read() {
    for case in cases("accept-signature.json") {
        let message = read_message(text(&case, "message").as_bytes(), "https").unwrap();
        let read = RequestedSignature::read(&message);
        let Some(expected) = case["expect"]["requests"].as_array() else {
            assert_eq!(read.unwrap_err().code().as_str(), text(&case["expect"], "refused"), "{case}");
            continue;
        };
        let request = read_message(b"GET / HTTP/1.1\nHost: a\n\n", "https").unwrap();
        let response: Message = Response::new(200, Default::default()).unwrap().into();
        let said: Vec<Value> = read
            .unwrap()
            .iter()
            .map(|wanted| {
                let components: Vec<String> = wanted.components.iter().map(Component::to_string).collect();
                json!({
                    "label": wanted.label, "components": components, "created": wanted.created,
                    "expires": wanted.expires, "nonce": wanted.nonce, "alg": wanted.alg, "keyid": wanted.keyid,
                    "tag": wanted.tag, "applies_to_request": wanted.applies_to(&request),
                    "applies_to_response": wanted.applies_to(&response),
                })
            })
            .collect();
        assert_eq!(&said, expected);
    }
}
