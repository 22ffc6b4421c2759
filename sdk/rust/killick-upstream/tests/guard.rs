//! A service behind the guard answers the gateway, once per request, and nobody else.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use http_body_util::BodyExt as _;
use killick_proof::UnixTime;
use killick_proof::fixtures::{self, NOW};
use killick_proof::sign::{ForwardedRequest, sign_forwarded};
use killick_upstream::{Forwarded, Guard, require_gateway};
use tower::ServiceExt as _;

fn service(guard: Guard) -> Router {
    let inner = Router::new()
        .route(
            "/drafts",
            post(|Extension(by): Extension<Forwarded>, body: String| async move {
                format!("{} {} {} {body}", by.agent, by.action, by.request_id)
            }),
        )
        .route("/drafts", get(|Extension(by): Extension<Forwarded>| async move { by.agent }));
    // Nested, so that the path that the handler sees is not the one that was signed.
    Router::new().nest("/v1", inner.layer(from_fn_with_state(guard, require_gateway)))
}

fn guard() -> Guard {
    Guard::with_clock(vec![fixtures::key(3).public().clone()], || NOW)
}

const BODY: &str = r#"{"amount":500}"#;

fn forwarded(nonce: u64, at: UnixTime) -> Request {
    signed_by(3, nonce, at, BODY)
}

fn signed_by(key: u64, nonce: u64, at: UnixTime, body: &str) -> Request {
    let fields = sign_forwarded(
        &ForwardedRequest {
            method: "POST",
            path: "/v1/drafts",
            query: "?full=1",
            content_type: Some("application/json"),
            body: body.as_bytes(),
            request_id: &fixtures::uuid(nonce),
            agent: "spiffe://acme.example/agent/invoice-bot",
            action: "create:payment-draft",
            nonce: &fixtures::nonce(nonce),
        },
        &fixtures::key(key),
        at,
    );
    let mut request = Request::post("/v1/drafts?full=1").header("content-type", "application/json");
    for (name, value) in fields {
        request = request.header(name, value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn read(response: Response) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn ask(service: &Router, request: Request) -> (StatusCode, String) {
    read(service.clone().oneshot(request).await.unwrap()).await
}

async fn refused(service: &Router, request: Request) {
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let (status, body) = read(response).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["code"], "gateway.signature");
    assert_eq!(body["type"], "https://killick.dev/reasons/gateway.signature");
    assert_eq!(body["status"], 401);
}

#[tokio::test]
async fn the_gateways_request_reaches_the_handler_whole() {
    let (status, body) = ask(&service(guard()), forwarded(1, NOW)).await;
    assert_eq!(status, StatusCode::OK);
    let id = fixtures::uuid(1);
    assert_eq!(body, format!("spiffe://acme.example/agent/invoice-bot create:payment-draft {id} {BODY}"));
}

#[tokio::test]
async fn a_direct_request_is_refused() {
    let service = service(guard());
    refused(&service, Request::get("/v1/drafts").body(Body::empty()).unwrap()).await;
    let claims =
        Request::get("/v1/drafts").header("killick-agent", "spiffe://acme.example/agent/invoice-bot");
    refused(&service, claims.body(Body::empty()).unwrap()).await;
    refused(&service, signed_by(4, 1, NOW, BODY)).await;
    refused(&self::service(Guard::new(Vec::new())), forwarded(1, NOW)).await;
}

#[tokio::test]
async fn a_changed_request_is_refused() {
    let service = service(guard());
    let mut body = forwarded(1, NOW);
    *body.body_mut() = Body::from(BODY.replace("500", "999"));
    refused(&service, body).await;
    let mut method = forwarded(1, NOW);
    *method.method_mut() = Method::GET;
    refused(&service, method).await;
    let mut query = forwarded(1, NOW);
    *query.uri_mut() = "/v1/drafts?full=0".parse().unwrap();
    refused(&service, query).await;
    let mut agent = forwarded(1, NOW);
    agent.headers_mut().insert("killick-agent", "spiffe://acme.example/agent/payment-bot".parse().unwrap());
    refused(&service, agent).await;
    let mut twice = forwarded(1, NOW);
    twice.headers_mut().append("killick-action", "read:invoices".parse().unwrap());
    refused(&service, twice).await;
    // None of them used up the nonce.
    assert_eq!(ask(&service, forwarded(1, NOW)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_request_is_used_once() {
    let service = service(guard());
    assert_eq!(ask(&service, forwarded(1, NOW)).await.0, StatusCode::OK);
    refused(&service, forwarded(1, NOW)).await;
    assert_eq!(ask(&service, forwarded(2, NOW)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_stale_request_is_refused() {
    static SECS: AtomicU64 = AtomicU64::new(0);
    let clock = || NOW.plus_secs(SECS.load(Ordering::Relaxed));
    let waiting = service(Guard::with_clock(vec![fixtures::key(3).public().clone()], clock));
    SECS.store(30, Ordering::Relaxed);
    refused(&waiting, forwarded(1, NOW)).await;
    SECS.store(29, Ordering::Relaxed);
    assert_eq!(ask(&waiting, forwarded(1, NOW)).await.0, StatusCode::OK);
    // Signed before the service began, so it may have been used before.
    refused(&service(guard()), forwarded(1, UnixTime::from_secs(NOW.secs() - 1))).await;
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused() {
    let request = Request::post("/v1/drafts").body(Body::from(vec![0_u8; 1_048_577])).unwrap();
    let (status, body) = ask(&service(guard()), request).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(body.contains("limit.size"));
}

#[test]
fn keys_are_read_from_jwk_text() {
    let jwk = fixtures::key(3).public().to_jwk();
    for text in [jwk.to_string(), format!("[{jwk}]"), format!("{{\"keys\":[{jwk},{jwk}]}}")] {
        assert!(Guard::from_jwk_json(&text).is_ok(), "{text}");
    }
    for text in ["", "{}", "[]", "{\"keys\":[]}", "[1]", r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#] {
        assert!(Guard::from_jwk_json(text).is_err(), "{text}");
    }
}
