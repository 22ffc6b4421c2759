//! The admin API: HTTP/1.1 and JSON over the unix socket. `docs/reference/admin-api.md` describes it, and
//! `docs/reference/admin-api.openapi.json` for programs.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use killick_proof::UnixTime;
use killick_proof::bundle::PolicyText;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::capabilities::CapabilityRequest;
use crate::erase::EraseRequest;
use crate::error::{AuthorityError, ErrorKind};
use crate::issue_svid::SvidRequest;
use crate::issue_token::TokenRequest;
use crate::limits::{ADMIN_BODY_BYTES_MAX, ADMIN_REQUEST_SECS_MAX};
use crate::onboard::OnboardRequest;
use crate::revoke::RevokeRequest;

/// Every operation of the admin API, as method and path template. The router is made from it, and the description is
/// held against it by a test.
pub const ROUTES: &[(&str, &str)] = &[
    ("POST", "/v1/agents"),
    ("GET", "/v1/agents"),
    ("GET", "/v1/agents/{name}"),
    ("DELETE", "/v1/agents/{name}"),
    ("POST", "/v1/agents/{name}/svid"),
    ("POST", "/v1/agents/{name}/suspend"),
    ("POST", "/v1/agents/{name}/resume"),
    ("POST", "/v1/agents/{name}/observe"),
    ("POST", "/v1/tokens"),
    ("GET", "/v1/tokens"),
    ("POST", "/v1/capabilities"),
    ("GET", "/v1/capabilities"),
    ("DELETE", "/v1/capabilities/{name}"),
    ("POST", "/v1/revocations"),
    ("GET", "/v1/revocations"),
    ("DELETE", "/v1/revocations/all"),
    ("POST", "/v1/erasures"),
    ("GET", "/v1/bundle"),
    ("GET", "/v1/catalogue"),
    ("POST", "/v1/catalogue/import"),
    ("GET", "/v1/policies"),
    ("PUT", "/v1/policies"),
    ("POST", "/v1/reload"),
    ("GET", "/v1/trust"),
    ("GET", "/v1/status"),
];

impl Authority {
    /// The admin API. It trusts whoever reaches it: serve it on a socket that only the operator can open.
    pub fn router(&self) -> Router {
        let mut router = Router::new();
        for (method, path) in ROUTES {
            router = router.route(path, handler(method, path));
        }
        router
            .fallback(async || {
                problem(&AuthorityError::new(
                    ErrorKind::NotFound,
                    "request.unknown",
                    "there is no such operation",
                    "see docs/reference/admin-api.md",
                ))
            })
            .layer(DefaultBodyLimit::max(ADMIN_BODY_BYTES_MAX))
            .layer(middleware::from_fn(bounded))
            .with_state(self.clone())
    }
}

fn handler(method: &str, path: &str) -> MethodRouter<Authority> {
    match (method, path) {
        ("POST", "/v1/agents") => post(onboard),
        ("GET", "/v1/agents") => get(agents),
        ("GET", "/v1/agents/{name}") => get(agent),
        ("DELETE", "/v1/agents/{name}") => delete(offboard),
        ("POST", "/v1/agents/{name}/svid") => post(renew_svid),
        ("POST", "/v1/agents/{name}/suspend") => post(suspend),
        ("POST", "/v1/agents/{name}/resume") => post(resume),
        ("POST", "/v1/agents/{name}/observe") => post(observe),
        ("POST", "/v1/tokens") => post(grant),
        ("GET", "/v1/tokens") => get(tokens),
        ("POST", "/v1/capabilities") => post(define_capability),
        ("GET", "/v1/capabilities") => get(capabilities),
        ("DELETE", "/v1/capabilities/{name}") => delete(retire_capability),
        ("POST", "/v1/revocations") => post(revoke),
        ("GET", "/v1/revocations") => get(revocations),
        ("DELETE", "/v1/revocations/all") => delete(lift_all),
        ("POST", "/v1/erasures") => post(erase),
        ("GET", "/v1/bundle") => get(bundle),
        ("GET", "/v1/catalogue") => get(catalogue),
        ("POST", "/v1/catalogue/import") => post(import_catalogue),
        ("GET", "/v1/policies") => get(policies),
        ("PUT", "/v1/policies") => put(put_policies),
        ("POST", "/v1/reload") => post(reload),
        ("GET", "/v1/trust") => get(trust),
        _ => get(status),
    }
}

type Answer = Result<Response, AuthorityError>;

async fn onboard(State(authority): State<Authority>, body: Bytes) -> Answer {
    created(&authority.onboard(read::<OnboardRequest>(&body)?).await?)
}

async fn agents(State(authority): State<Authority>) -> Answer {
    ok(&json!({ "agents": authority.agents().await? }))
}

async fn agent(State(authority): State<Authority>, Path(name): Path<String>) -> Answer {
    ok(&json!({ "agent": authority.agent(&name).await? }))
}

async fn offboard(State(authority): State<Authority>, Path(name): Path<String>) -> Answer {
    ok(&authority.offboard(&name).await?)
}

async fn renew_svid(State(authority): State<Authority>, Path(name): Path<String>, body: Bytes) -> Answer {
    ok(&authority.renew_svid(&name, read::<SvidRequest>(&body)?).await?)
}

async fn suspend(State(authority): State<Authority>, Path(name): Path<String>) -> Answer {
    ok(&authority.suspend(&name).await?)
}

async fn resume(State(authority): State<Authority>, Path(name): Path<String>) -> Answer {
    ok(&authority.resume(&name).await?)
}

/// `{"until": <microseconds since the epoch>}`, or `null` to end it. The member must be there: leaving it out is not a
/// way to say either.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObserveRequest {
    until: Value,
}

async fn observe(State(authority): State<Authority>, Path(name): Path<String>, body: Bytes) -> Answer {
    let until = match read::<ObserveRequest>(&body)?.until {
        Value::Null => None,
        value => Some(value.as_u64().map(UnixTime::from_micros).ok_or_else(|| {
            AuthorityError::invalid(
                "request.invalid",
                "`until` is not a time",
                "give microseconds since the epoch, or null to end observe mode",
            )
        })?),
    };
    ok(&authority.observe(&name, until).await?)
}

async fn grant(State(authority): State<Authority>, body: Bytes) -> Answer {
    created(&authority.grant(read::<TokenRequest>(&body)?).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensQuery {
    agent: Option<String>,
}

async fn tokens(State(authority): State<Authority>, Query(query): Query<TokensQuery>) -> Answer {
    ok(&json!({ "tokens": authority.tokens(query.agent.as_deref()).await? }))
}

async fn define_capability(State(authority): State<Authority>, body: Bytes) -> Answer {
    created(&authority.define_capability(read::<CapabilityRequest>(&body)?).await?)
}

async fn capabilities(State(authority): State<Authority>) -> Answer {
    ok(&json!({ "capabilities": authority.capabilities().await? }))
}

async fn retire_capability(State(authority): State<Authority>, Path(name): Path<String>) -> Answer {
    ok(&authority.retire_capability(&name).await?)
}

async fn revoke(State(authority): State<Authority>, body: Bytes) -> Answer {
    let accepted_at = authority.now();
    ok(&authority.revoke(read::<RevokeRequest>(&body)?, accepted_at).await?)
}

async fn revocations(State(authority): State<Authority>) -> Answer {
    ok(&json!({ "revocations": authority.revocations().await? }))
}

async fn lift_all(State(authority): State<Authority>) -> Answer {
    ok(&authority.lift_all().await?)
}

async fn erase(State(authority): State<Authority>, body: Bytes) -> Answer {
    ok(&authority.erase(read::<EraseRequest>(&body)?).await?)
}

async fn bundle(State(authority): State<Authority>) -> Answer {
    let jws = authority.bundles().borrow().clone();
    ok(&json!({ "jws": &*jws }))
}

async fn catalogue(State(authority): State<Authority>) -> Answer {
    ok(&authority.catalogue().await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportRequest {
    openapi: Value,
    upstream: String,
    url: String,
}

async fn import_catalogue(State(authority): State<Authority>, body: Bytes) -> Answer {
    let request: ImportRequest = read(&body)?;
    ok(&authority.import_catalogue(&request.openapi, &request.upstream, &request.url).await?)
}

async fn policies(State(authority): State<Authority>) -> Answer {
    ok(&json!({ "policies": authority.policies().await }))
}

/// `PolicyText` is read from signed bundles too; here an unknown member is a typing error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyRequest {
    id: String,
    text: String,
}

async fn put_policies(State(authority): State<Authority>, body: Bytes) -> Answer {
    let policies = read::<Vec<PolicyRequest>>(&body)?;
    let policies =
        policies.into_iter().map(|policy| PolicyText { id: policy.id, text: policy.text }).collect();
    ok(&authority.put_policies(policies).await?)
}

async fn reload(State(authority): State<Authority>) -> Answer {
    ok(&authority.reload().await?)
}

async fn trust(State(authority): State<Authority>) -> Answer {
    ok(&authority.trust_document())
}

async fn status(State(authority): State<Authority>) -> Answer {
    ok(&authority.status().await?)
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, AuthorityError> {
    serde_json::from_slice(body).map_err(|error| {
        let code = if error.is_data() { "request.invalid" } else { "json.invalid" };
        AuthorityError::invalid(
            code,
            format!("the request's body: {error}"),
            "see docs/reference/admin-api.md",
        )
    })
}

fn ok<T: Serialize>(value: &T) -> Answer {
    respond(StatusCode::OK, value)
}

fn created<T: Serialize>(value: &T) -> Answer {
    respond(StatusCode::CREATED, value)
}

fn respond<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    let body = serde_json::to_vec(value)
        .map_err(|error| AuthorityError::unavailable("internal.error", error.to_string(), ""))?;
    Ok((status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

impl IntoResponse for AuthorityError {
    fn into_response(self) -> Response {
        problem(&self)
    }
}

fn problem(error: &AuthorityError) -> Response {
    let status = match error.kind() {
        ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Setup => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    problem_with(status, error)
}

/// An RFC 9457 problem with killick's members `code` and `mend`.
fn problem_with(status: StatusCode, error: &AuthorityError) -> Response {
    let body = json!({
        "type": format!("https://killick.dev/reasons/{}", error.code()),
        "title": status.canonical_reason().unwrap_or("error"),
        "status": status.as_u16(),
        "detail": error.detail(),
        "code": error.code(),
        "mend": error.mend(),
    });
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"))];
    (status, content_type, body.to_string()).into_response()
}

/// Gives every request an end, and turns axum's own plain-text refusals into problems.
async fn bounded(request: Request, next: Next) -> Response {
    let limit = Duration::from_secs(ADMIN_REQUEST_SECS_MAX);
    let Ok(response) = tokio::time::timeout(limit, next.run(request)).await else {
        return problem(&AuthorityError::unavailable(
            "limit.time",
            format!("the request took longer than {ADMIN_REQUEST_SECS_MAX} s"),
            "ask again; whether it was carried out is in the lists",
        ));
    };
    let is_json =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().ends_with(b"json"));
    if is_json || response.status().is_success() {
        return response;
    }
    let (code, detail) = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ("limit.size", format!("the request's body is larger than {ADMIN_BODY_BYTES_MAX} bytes"))
        }
        StatusCode::METHOD_NOT_ALLOWED => ("request.unknown", "there is no such operation".to_owned()),
        _ => ("request.invalid", "the request cannot be read".to_owned()),
    };
    let error = AuthorityError::invalid(code, detail, "see docs/reference/admin-api.md");
    problem_with(response.status(), &error)
}
