//! What the gateway answers itself, under `/.well-known/killick/`: who it is, and chains put once.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use killick_proof::call::{PublicOrigins, RawRequest};
use killick_proof::keys::{PublicKey, base64url};
use killick_proof::{Code, Refusal};

use crate::doors::http::Door;
use crate::pipeline::{Line, refuse};
use crate::respond::{REQUEST_ID, Reply, Verdict};
use crate::strangers::Stranger;

/// The reserved prefix: nothing under it is ever forwarded.
pub(crate) const PREFIX: &str = "/.well-known/killick/";
/// Who this gateway is.
const GATEWAY: &str = "/.well-known/killick/gateway";
/// Where chains are put.
pub(crate) const CHAINS: &str = "/.well-known/killick/chains";

/// The document at [`GATEWAY`]: public, and the same for everyone.
pub(crate) fn about(public: &PublicOrigins, key: &PublicKey) -> Bytes {
    let about = serde_json::json!({
        "id": public.audience,
        "audience": public.audience,
        "origins": public.origins,
        "jwk": key.to_jwk(),
        "kid": key.id().as_str(),
        "chains": CHAINS,
    });
    Bytes::from(about.to_string())
}

/// Answers a request under the prefix.
pub(crate) async fn answer(door: &Door, raw: RawRequest) -> Reply {
    let line = &door.line;
    let stranger = Stranger::of(&raw);
    let reply = match (raw.method.as_str(), raw.target.as_str()) {
        ("GET" | "HEAD", GATEWAY) => json(StatusCode::OK, door.about.clone(), &raw.request_id),
        ("POST", CHAINS) => match put(line, &raw) {
            Ok(body) => json(StatusCode::CREATED, body, &raw.request_id),
            Err(refusal) => refuse(line, &stranger, &refusal).await,
        },
        (_, GATEWAY) => not_allowed("GET, HEAD", &raw.request_id),
        (_, CHAINS) => not_allowed("POST", &raw.request_id),
        _ => {
            let refusal = Refusal::new(Code::ToolUnknown, "the gateway has nothing at this path");
            refuse(line, &stranger, &refusal).await
        }
    };
    line.metrics.answered(&reply);
    reply
}

/// Verifies the chain in the body and keeps it.
fn put(line: &Line, raw: &RawRequest) -> Result<Bytes, Refusal> {
    let now = line.clock.checked_now()?;
    let held = line.bundles.current()?;
    let compact = std::str::from_utf8(&raw.body)
        .map_err(|_| Refusal::new(Code::TokenEncoding, "a chain is compact JWSs joined by `~`"))?;
    let put = line.chains.put(compact.trim(), &held.bundle.trust, now)?;
    Ok(Bytes::from(serde_json::json!({ "hash": base64url(&put.hash), "exp": put.exp_secs }).to_string()))
}

fn json(status: StatusCode, body: Bytes, request_id: &str) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    Reply { status, headers, body, verdict: Verdict::Permit, code: None }
}

fn not_allowed(methods: &'static str, request_id: &str) -> Reply {
    let mut reply = json(StatusCode::METHOD_NOT_ALLOWED, Bytes::from_static(b"{}"), request_id);
    reply.headers.insert(ALLOW, HeaderValue::from_static(methods));
    reply.verdict = Verdict::Refuse;
    reply
}
