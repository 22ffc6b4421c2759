//! For services behind killick: accept nothing that did not pass the gateway.
//!
//! A gateway signs every request that it forwards (RFC 9421, tag `killick-gateway`). [`require_gateway`] checks that
//! signature before a handler runs: it covers the method, the path, the query, the body's digest, who the caller is
//! and what was decided, it is fresh, and it is used once. Anything else is answered 401 `gateway.signature`.
//!
//! ```
//! use axum::{Extension, Router, middleware::from_fn_with_state, routing::get};
//! use killick_upstream::{Forwarded, Guard, require_gateway};
//!
//! # fn main() -> Result<(), killick_upstream::GuardError> {
//! // From `trust.json`, member `gateway.jwk`.
//! let guard = Guard::from_jwk_json(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
//! let app: Router = Router::new()
//!     .route("/invoices", get(|Extension(by): Extension<Forwarded>| async move { format!("hello {}", by.agent) }))
//!     .layer(from_fn_with_state(guard, require_gateway));
//! # Ok(()) }
//! ```
//!
//! What it cannot know: after a restart of the service itself, the nonces of the seconds before. It therefore refuses
//! what was signed in an earlier second than the one in which it was made.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::body::{Body, to_bytes};
use axum::extract::{OriginalUri, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use killick_proof::http_signature::{Message, verify_forwarded};
use killick_proof::keys::PublicKey;
use killick_proof::limits::BODY_BYTES_MAX;
use killick_proof::replay::Nonces;
use killick_proof::{Code, Refusal, UnixTime};

pub use killick_proof::http_signature::Forwarded;

/// Nonces kept at once: 30 s and 30 s of skew at about 8,000 requests/s.
const NONCES_MAX: usize = 500_000;
/// Gateway keys of one guard: a fleet, twice over during a rotation.
const KEYS_MAX: usize = 1_024;

/// Which gateways a service listens to, and the nonces that they have used up. Cheap to clone; clones share the nonces.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    keys: Vec<PublicKey>,
    /// Signatures of an earlier second are refused.
    not_before: UnixTime,
    clock: fn() -> UnixTime,
    /// Held only for one look-up, never across an await.
    nonces: Mutex<Nonces>,
}

/// The text given for the gateways' keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the gateways' keys cannot be used: {0}")]
pub struct GuardError(String);

impl Guard {
    /// Listens to the gateways with these keys. With none it refuses everything.
    pub fn new(gateway_keys: Vec<PublicKey>) -> Self {
        Self::with_clock(gateway_keys, system_now)
    }

    /// As [`Guard::new`] on another clock, for tests.
    pub fn with_clock(gateway_keys: Vec<PublicKey>, clock: fn() -> UnixTime) -> Self {
        Self(Arc::new(Inner {
            keys: gateway_keys,
            not_before: UnixTime::from_secs(clock().secs()),
            clock,
            nonces: Mutex::new(Nonces::new(NONCES_MAX)),
        }))
    }

    /// Reads the keys from a public JWK, an array of them, or a JWK set (`{"keys":[…]}`). Errs if the text is none of
    /// these, is empty, or has a key that is not an Ed25519 public key.
    pub fn from_jwk_json(json: &str) -> Result<Self, GuardError> {
        let value: serde_json::Value =
            serde_json::from_str(json).map_err(|error| GuardError(error.to_string()))?;
        let jwks = match value.get("keys").unwrap_or(&value) {
            serde_json::Value::Array(jwks) => jwks.clone(),
            jwk => vec![jwk.clone()],
        };
        if jwks.is_empty() || jwks.len() > KEYS_MAX {
            return Err(GuardError(format!("there must be 1 to {KEYS_MAX} keys")));
        }
        let keys: Result<Vec<_>, _> = jwks.iter().map(PublicKey::from_jwk).collect();
        keys.map(Self::new).map_err(|refusal| GuardError(refusal.detail().to_owned()))
    }

    /// Checks one request: its signature, then that it was not used before.
    fn check(
        &self,
        method: &str,
        path_and_query: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Forwarded, Refusal> {
        let now = (self.0.clock)();
        // Only the path and the query are covered: under which name this service is reached, the gateway knows best.
        let target_uri = format!("http://upstream.invalid{path_and_query}");
        let headers: Vec<(String, String)> = headers
            .iter()
            // A byte beyond ASCII becomes a character that no signature covers.
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let message = Message { method, target_uri: &target_uri, headers: &headers, body };
        let forwarded = verify_forwarded(&message, &self.0.keys, now)?;
        if forwarded.created < self.0.not_before {
            return Err(Refusal::new(Code::SigTime, "the request was signed before this service began"));
        }
        let mut nonces = match self.0.nonces.lock() {
            Ok(nonces) => nonces,
            // A panic while they were locked may have left them half changed: in doubt, refuse.
            Err(_) => return Err(Refusal::new(Code::InternalError, "the nonces cannot be read")),
        };
        nonces.use_up(&forwarded.key, &forwarded.nonce, forwarded.expires, now)?;
        Ok(forwarded)
    }
}

/// The middleware: see the [crate] documentation. Reads the body whole (at most 1 MiB) and hands the same bytes on;
/// handlers find a [`Forwarded`] among the request's extensions. Refuses with 401 `gateway.signature`, and with 413
/// `limit.size` for a body that is too large.
pub async fn require_gateway(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return problem(Code::LimitSize, "the body is too large or did not arrive whole");
    };
    // Inside a nested router the path is shortened; what was signed is the whole of it.
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let path_and_query = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    match guard.check(parts.method.as_str(), &path_and_query, &parts.headers, &body) {
        Ok(forwarded) => {
            parts.extensions.insert(forwarded);
            next.run(Request::from_parts(parts, Body::from(body))).await
        }
        Err(refusal) => problem(Code::GatewaySignature, refusal.detail()),
    }
}

/// RFC 9457.
fn problem(code: Code, detail: &str) -> Response {
    let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::json!({
        "type": format!("https://killick.dev/reasons/{code}"),
        "title": code.meaning().trim(),
        "status": status.as_u16(),
        "detail": detail,
        "code": code.as_str(),
    });
    let content_type = HeaderValue::from_static("application/problem+json");
    (status, [(header::CONTENT_TYPE, content_type)], body.to_string()).into_response()
}

/// A clock before 1970 reads as 1970; every signature is then of the future.
fn system_now() -> UnixTime {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
}
