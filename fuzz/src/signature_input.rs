//! Signed requests (RFC 9421, RFC 9530): one request, one verdict; a signature by the right key over the base that was
//! built always verifies; what is accepted is refused once its body or a covered field is changed.
//!
//! An input is a request: a line `METHOD target`, lines `name: value`, an empty line, the body. In a value `$CHAIN` is a
//! token chain, `$KEY` its holder's key, `$AUD` the gateway, `$DIGEST` the digest of the body. The target makes the
//! signature: the value of `signature` counts for nothing but its label.

use std::sync::LazyLock;

use base64_of::base64;
use killick_proof::bundle::TrustBundle;
use killick_proof::call::{ParsedCall, PublicOrigins, RawRequest, parse_call};
use killick_proof::fixtures::{self, NOW, World};
use killick_proof::http_signature::{Message, content_digest, signature_base, verify_forwarded};
use killick_proof::keys::SigningKey;
use killick_proof::verified::verify_call;
use killick_proof::{Code, Refusal};

struct Stage {
    public: PublicOrigins,
    trust: TrustBundle,
    chain: String,
    holder: SigningKey,
    gateway: SigningKey,
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let world = World::new();
    Stage {
        public: world.public(),
        trust: world.trust(),
        chain: world.root_token("invoice-bot", fixtures::tools(&["read:invoices"])),
        holder: fixtures::agent_key("invoice-bot"),
        gateway: fixtures::key(3),
    }
});

/// A request as text.
pub fn run(data: &[u8]) -> bool {
    let Some(request) = read(data) else { return false };
    let forwarded = check_forwarded(&request);
    let unsigned = parse_call(with_signature(&request, &[0; 64]), &STAGE.public);
    let again = parse_call(with_signature(&request, &[0; 64]), &STAGE.public);
    assert_eq!(code(&unsigned), code(&again), "one request, one verdict");
    let Ok(unsigned) = unsigned else { return forwarded };
    let base = unsigned.signature().base.clone();
    assert!(base.is_ascii(), "a signature base is ASCII");
    assert!(verify(unsigned).is_err(), "a signature of zeros is none");

    let signature = STAGE.holder.sign(&base);
    let signed = with_signature(&request, &signature);
    let call = parse_call(signed.clone(), &STAGE.public).expect("the signature's bytes change nothing else");
    assert_eq!(call.signature().base, base, "a signature does not cover itself");
    match verify(call) {
        Err(refusal) => {
            assert_ne!(refusal.code(), Code::SigInvalid, "the holder signed this base");
            forwarded
        }
        Ok(()) => {
            let mut other = signed.clone();
            other.body.push(b' ');
            assert!(parse_call(other, &STAGE.public).and_then(verify).is_err(), "the body can be changed");
            let mut other = signed.clone();
            other.target.push('0');
            assert!(parse_call(other, &STAGE.public).and_then(verify).is_err(), "the target can be changed");
            let mut other = signed;
            let method = if other.method == "DELETE" { "PUT" } else { "DELETE" };
            method.clone_into(&mut other.method);
            assert!(parse_call(other, &STAGE.public).and_then(verify).is_err(), "the method can be changed");
            true
        }
    }
}

fn verify(call: ParsedCall) -> Result<(), Refusal> {
    verify_call(call, &STAGE.trust, &|_| None, NOW).map(|_| ())
}

fn code<T>(verdict: &Result<T, Refusal>) -> Option<Code> {
    verdict.as_ref().err().map(Refusal::code)
}

/// The request as text has it.
fn read(data: &[u8]) -> Option<RawRequest> {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (data.get(..end)?, data.get(end + 2..)?),
        None => (data, &[][..]),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let (method, target) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let headers = lines.map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(line.get(..colon)?).ok()?;
        let mut value = line.get(colon + 1..)?.to_vec();
        if value.contains(&b'$') {
            value = String::from_utf8(value)
                .ok()?
                .replace("$CHAIN", &STAGE.chain)
                .replace("$KEY", STAGE.holder.id().as_str())
                .replace("$GATEKEY", STAGE.gateway.id().as_str())
                .replace("$AUD", fixtures::GATEWAY)
                .replace("$DIGEST", &content_digest(body))
                .into_bytes();
        }
        Some((name.to_owned(), value))
    });
    Some(RawRequest {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: headers.collect::<Option<_>>()?,
        body: body.to_vec(),
        peer: "127.0.0.1".to_owned(),
        request_id: fixtures::uuid(1),
    })
}

/// The request with these 64 bytes in the place of its signature's.
fn with_signature(request: &RawRequest, signature: &[u8; 64]) -> RawRequest {
    let mut request = request.clone();
    for (name, value) in &mut request.headers {
        if name.eq_ignore_ascii_case("signature") && value.ends_with(b"$SIGN") {
            value.truncate(value.len() - b"$SIGN".len());
            value.extend_from_slice(format!(":{}:", base64(signature)).as_bytes());
        }
    }
    request
}

/// The same request as an upstream sees it, signed by the gateway. Whether it was accepted.
fn check_forwarded(request: &RawRequest) -> bool {
    let Some(headers) = lower(request) else { return false };
    let target_uri = format!("{}{}", fixtures::ORIGIN, request.target);
    let message =
        |headers| Message { method: &request.method, target_uri: &target_uri, headers, body: &request.body };
    let Some(base) = naive_base(&message(&headers)) else { return false };
    let signed = lower(&with_signature(request, &STAGE.gateway.sign(&base))).unwrap_or_default();
    let gateways = [STAGE.gateway.public().clone()];
    let verdict = verify_forwarded(&message(&signed), &gateways, NOW);
    assert_eq!(verify_forwarded(&message(&signed), &gateways, NOW), verdict, "one request, one verdict");
    if verdict.is_ok() {
        let changed = [&request.body[..], b" "].concat();
        let other = Message { body: &changed, ..message(&signed) };
        assert!(verify_forwarded(&other, &gateways, NOW).is_err(), "the body can be changed");
        assert!(verify_forwarded(&message(&signed), &[], NOW).is_err(), "no key is a gateway's");
    }
    verdict.is_ok()
}

fn lower(request: &RawRequest) -> Option<Vec<(String, String)>> {
    let lower = |(name, value): &(String, Vec<u8>)| {
        Some((name.to_ascii_lowercase(), String::from_utf8(value.clone()).ok()?.trim().to_owned()))
    };
    request.headers.iter().map(lower).collect()
}

/// The base by cutting the text: between the label and the end, names between quotation marks.
fn naive_base(message: &Message<'_>) -> Option<Vec<u8>> {
    let (_, input) = message.headers.iter().find(|(name, _)| name == "signature-input")?;
    let params = input.strip_prefix("killick-gateway=")?;
    let list = params.strip_prefix('(')?.split(')').next()?;
    let covered: Vec<String> = list.split(' ').map(|name| name.trim_matches('"').to_owned()).collect();
    signature_base(message, &covered, params).ok()
}

/// Base64 with padding (RFC 4648 section 4), small enough to need no crate.
mod base64_of {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    pub fn base64(bytes: &[u8]) -> String {
        let mut out = String::new();
        for chunk in bytes.chunks(3) {
            let mut group = 0_u32;
            for index in 0..3 {
                group = group << 8 | u32::from(chunk.get(index).copied().unwrap_or(0));
            }
            for index in 0..4_usize {
                let six = (group >> (18 - 6 * index)) & 63;
                out.push(if index <= chunk.len() { char::from(ALPHABET[six as usize]) } else { '=' });
            }
        }
        out
    }
}
