//! The two guards that a service can be started with.

use axum::Json;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use killick_upstream::{Forwarded, require_gateway};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::error::ShopError;

/// Who is let in.
#[derive(Clone)]
pub enum Guard {
    /// The usual way: one shared key in `X-Api-Key`, and a role that the caller asserts in `X-Role` (`clerk` reads,
    /// `admin` does everything).
    ApiKey(String),
    /// Only what a killick gateway has signed. The gateway's public JWK.
    Gateway(Value),
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ApiKey(_) => f.write_str("ApiKey(…)"),
            Self::Gateway(jwk) => write!(f, "Gateway({jwk})"),
        }
    }
}

impl Guard {
    /// Puts the guard in front of `routes`. Errs if the gateway's key does not read.
    pub fn protect(&self, routes: Router) -> Result<Router, ShopError> {
        match self {
            Self::ApiKey(key) => Ok(routes.layer(from_fn_with_state(key.clone(), require_api_key))),
            Self::Gateway(jwk) => gateway_guard(routes, jwk),
        }
    }
}

fn gateway_guard(routes: Router, jwk: &Value) -> Result<Router, ShopError> {
    let guard = killick_upstream::Guard::from_jwk_json(&jwk.to_string())
        .map_err(|error| ShopError::Guard(error.to_string()))?;
    // The layer added last runs first: the signature is checked before the caller is taken from it.
    Ok(routes.layer(from_fn(note_gateway_caller)).layer(from_fn_with_state(guard, require_gateway)))
}

/// Runs behind the signature check; what the check vouches for becomes the caller.
async fn note_gateway_caller(mut request: Request, next: Next) -> Response {
    let Some(Forwarded { agent, request_id, .. }) = request.extensions().get::<Forwarded>().cloned() else {
        return refuse(StatusCode::UNAUTHORIZED, "nothing vouches for the caller");
    };
    request.extensions_mut().insert(Caller::Gateway { agent, request_id });
    next.run(request).await
}

async fn require_api_key(State(key): State<String>, mut request: Request, next: Next) -> Response {
    let role = field(request.headers(), "x-role").to_owned();
    if !same_secret(field(request.headers(), "x-api-key"), &key) {
        return refuse(StatusCode::UNAUTHORIZED, "the API key is missing or wrong");
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match (role.as_str(), reads) {
        ("admin", _) | ("clerk", true) => {}
        ("clerk", false) => return refuse(StatusCode::FORBIDDEN, "a clerk may only read"),
        _ => return refuse(StatusCode::FORBIDDEN, "X-Role must be clerk or admin"),
    }
    let tail: String = key.chars().skip(key.chars().count().saturating_sub(4)).collect();
    request.extensions_mut().insert(Caller::ApiKey { key: format!("…{tail}"), role });
    next.run(request).await
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

fn field<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Compares two secrets without telling by its time where they differ.
pub(crate) fn same_secret(given: &str, expected: &str) -> bool {
    given.len() == expected.len()
        && !expected.is_empty()
        && given.bytes().zip(expected.bytes()).fold(0_u8, |all, (a, b)| all | (a ^ b)) == 0
}
