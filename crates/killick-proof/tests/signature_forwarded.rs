//! What a gateway forwards, an upstream can check; what anybody changed on the way, it refuses.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use base64::Engine as _;
use killick_proof::fixtures::{self, NOW};
use killick_proof::http_signature::{Forwarded, Message, verify_forwarded};
use killick_proof::keys::PublicKey;
use killick_proof::sign::{ForwardedRequest, sign_forwarded};
use killick_proof::{Code, UnixTime};

/// A request as an upstream receives it.
#[derive(Clone)]
struct Received {
    method: String,
    target_uri: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Received {
    fn verify_with(&self, keys: &[PublicKey], now: UnixTime) -> Result<Forwarded, Code> {
        let message = Message {
            method: &self.method,
            target_uri: &self.target_uri,
            headers: &self.headers,
            body: &self.body,
        };
        verify_forwarded(&message, keys, now).map_err(|refusal| refusal.code())
    }

    fn verify(&self) -> Result<Forwarded, Code> {
        self.verify_with(&[fixtures::key(9).public().clone(), fixtures::key(3).public().clone()], NOW)
    }

    fn field(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(field, _)| field == name).unwrap().1
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(field, _)| field != name);
        self
    }
}

fn received() -> Received {
    let body = br#"{"amount":100}"#;
    let mut headers = sign_forwarded(
        &ForwardedRequest {
            method: "POST",
            path: "/drafts/7",
            query: "?full=1",
            content_type: Some("application/json"),
            body,
            request_id: "0199a3a4-0000-7000-8000-000000000001",
            agent: "spiffe://acme.example/agent/invoice-bot",
            action: "create:payment-draft",
            nonce: &fixtures::nonce(1),
        },
        &fixtures::key(3),
        NOW,
    );
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    headers.push(("user-agent".to_owned(), "killick".to_owned()));
    Received {
        method: "POST".to_owned(),
        target_uri: "http://10.0.0.7:8080/drafts/7?full=1".to_owned(),
        headers,
        body: body.to_vec(),
    }
}

#[test]
fn says_who_called_and_what_was_decided() {
    let forwarded = received().verify().unwrap();
    assert_eq!(forwarded.agent, "spiffe://acme.example/agent/invoice-bot");
    assert_eq!(forwarded.action, "create:payment-draft");
    assert_eq!(forwarded.request_id, "0199a3a4-0000-7000-8000-000000000001");
    assert_eq!(forwarded.nonce, fixtures::nonce(1));
    assert_eq!(&forwarded.key, fixtures::key(3).id());
    assert_eq!((forwarded.created, forwarded.expires), (NOW, NOW.plus_secs(30)));
}

#[test]
fn is_the_same_under_another_host_only() {
    let mut other = received();
    other.target_uri = "https://payments.internal/drafts/7?full=1".to_owned();
    assert!(other.verify().is_ok(), "the gateway does not know under which name it is reached");
}

#[test]
fn each_covered_component_is_covered() {
    let change = |change: fn(&mut Received)| {
        let mut request = received();
        change(&mut request);
        request.verify().unwrap_err()
    };
    assert_eq!(change(|r| r.method = "PUT".to_owned()), Code::SigInvalid);
    assert_eq!(change(|r| r.target_uri = r.target_uri.replace("/7", "/8")), Code::SigInvalid);
    assert_eq!(change(|r| r.target_uri = r.target_uri.replace("full=1", "full=0")), Code::SigInvalid);
    assert_eq!(change(|r| r.target_uri = r.target_uri.replace("?full=1", "")), Code::SigInvalid);
    assert_eq!(
        change(|r| *r.field("killick-agent") = "spiffe://acme.example/agent/x".into()),
        Code::SigInvalid
    );
    assert_eq!(change(|r| *r.field("killick-action") = "cancel:payment".into()), Code::SigInvalid);
    assert_eq!(change(|r| r.field("killick-request-id").push('0')), Code::SigInvalid);
    assert_eq!(change(|r| *r.field("content-type") = "text/plain".into()), Code::SigInvalid);
    assert_eq!(change(|r| r.body[10] = b'9'), Code::SigDigest);
    assert_eq!(change(|r| r.body.clear()), Code::SigDigest);
    assert_eq!(
        change(|r| {
            r.body[10] = b'9';
            *r.field("content-digest") = killick_proof::http_signature::content_digest(&r.body);
        }),
        Code::SigInvalid
    );
}

#[test]
fn each_part_of_the_signature_is_needed() {
    for name in ["signature", "signature-input"] {
        assert_eq!(received().without(name).verify(), Err(Code::PopMissing), "{name}");
    }
    for name in ["content-digest", "killick-agent", "killick-action", "killick-request-id", "content-type"] {
        assert_eq!(received().without(name).verify(), Err(Code::SigCoverage), "{name}");
    }
    for name in ["signature", "killick-agent", "content-digest", "content-type"] {
        let mut twice = received();
        let value = twice.field(name).clone();
        twice.headers.push((name.to_owned(), value));
        assert_eq!(twice.verify(), Err(Code::HttpAmbiguous), "{name}");
    }
}

#[test]
fn an_agents_signature_is_no_gateways() {
    let mut request = received();
    for name in ["signature", "signature-input"] {
        let field = request.field(name);
        *field = field.replacen("killick-gateway=", "killick=", 1);
    }
    assert_eq!(request.verify(), Err(Code::PopMissing), "by its label");

    let mut request = received();
    let field = request.field("signature-input");
    *field = field.replace("tag=\"killick-gateway\"", "tag=\"killick\"");
    assert_eq!(request.verify(), Err(Code::PopMissing), "by its tag");
}

#[test]
fn only_the_gateways_known_count() {
    assert_eq!(received().verify_with(&[], NOW), Err(Code::PopMismatch));
    assert_eq!(received().verify_with(&[fixtures::key(4).public().clone()], NOW), Err(Code::PopMismatch));
    // A stranger who names the gateway's key.
    let mut request = received();
    let signature = base64::engine::general_purpose::STANDARD.encode(fixtures::key(4).sign(b"anything"));
    *request.field("signature") = format!("killick-gateway=:{signature}:");
    assert_eq!(request.verify(), Err(Code::SigInvalid));
}

#[test]
fn the_window_has_two_edges() {
    let keys = [fixtures::key(3).public().clone()];
    let at = |micros: u64| received().verify_with(&keys, UnixTime::from_micros(micros)).map(|_| ());
    let created = NOW.micros();
    assert_eq!(at(created - 30_000_000), Ok(()), "30 s ahead of our clock");
    assert_eq!(at(created - 30_000_001), Err(Code::SigTime));
    assert_eq!(at(created + 29_999_999), Ok(()));
    assert_eq!(at(created + 30_000_000), Err(Code::SigTime));
}

#[test]
fn a_lifetime_beyond_the_bound_is_refused() {
    // Signed by the gateway itself, so that only the bound stands in the way.
    let mut request = received();
    let input = request.field("signature-input").clone();
    let longer =
        input.replace(&format!("expires={}", NOW.secs() + 30), &format!("expires={}", NOW.secs() + 31));
    *request.field("signature-input") = longer.clone();
    let covered: Vec<String> = longer.split('"').skip(1).step_by(2).take(8).map(str::to_owned).collect();
    let message = Message {
        method: &request.method,
        target_uri: &request.target_uri,
        headers: &request.headers,
        body: &request.body,
    };
    let params = longer.split_once('=').unwrap().1;
    let base = killick_proof::http_signature::signature_base(&message, &covered, params).unwrap();
    let signature = base64::engine::general_purpose::STANDARD.encode(fixtures::key(3).sign(&base));
    *request.field("signature") = format!("killick-gateway=:{signature}:");
    assert_eq!(request.verify(), Err(Code::SigTime));
}
