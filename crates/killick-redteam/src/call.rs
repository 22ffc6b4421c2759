//! One call to the shop, as an agent makes it through killick and as anybody makes it the usual way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_proof::keys::SigningKey;
use killick_proof::sign::{OutgoingRequest, sign_request};
use killick_tlog::receipt::Receipt;
use serde_json::Value;

use crate::error::RedteamError;
use crate::limits::ONBOARDING_TIME_MAX;
use crate::wire::{Reply, Request, Wire, once};
use crate::world::{Agent, PilotWorld, fresh_nonce, now};

/// Seconds that a signed request is good for: long enough for a replay to be stopped by its nonce, not by its age.
const SIGNATURE_SECS: u64 = 30;

/// A call, before anybody signs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// The body as JSON; `null` for none.
    pub body: Value,
}

impl Call {
    /// A call with a JSON body, or with none if `body` is `null`.
    pub fn new(method: &str, path: impl Into<String>, body: Value) -> Self {
        Self { method: method.to_owned(), path: path.into(), body }
    }

    /// A call without a body.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path, Value::Null)
    }

    /// The body's bytes.
    pub fn body_bytes(&self) -> Vec<u8> {
        if self.body.is_null() { Vec::new() } else { self.body.to_string().into_bytes() }
    }

    /// The name of the service that serves this path.
    pub fn service(&self) -> Result<&'static str, RedteamError> {
        let first = self.path.split(['/', '?']).nth(1).unwrap_or_default();
        match first {
            "products" => Ok("catalogue"),
            "orders" => Ok("orders"),
            "invoices" => Ok("invoices"),
            "payments" | "transfers" => Ok("payments"),
            "customers" | "customer-exports" => Ok("customers"),
            other => Err(RedteamError::Missing(format!("a service for the path `/{other}`"))),
        }
    }
}

/// The request signed by `key`, with `chain` as its authority.
pub fn signed(world: &PilotWorld, call: &Call, chain: &str, key: &SigningKey) -> Request {
    signed_bytes(world, call, &call.body_bytes(), chain, key)
}

/// As [`signed`], over these very body bytes.
pub fn signed_bytes(world: &PilotWorld, call: &Call, body: &[u8], chain: &str, key: &SigningKey) -> Request {
    let nonce = fresh_nonce();
    let outgoing = OutgoingRequest {
        method: &call.method,
        target_uri: &format!("{}{}", world.gateway, call.path),
        content_type: if body.is_empty() { None } else { Some("application/json") },
        body,
        chain,
        audience: &world.audience,
        nonce: &nonce,
        lifetime_secs: SIGNATURE_SECS,
    };
    let headers = sign_request(&outgoing, key, now());
    Request { method: call.method.clone(), target: call.path.clone(), headers, body: body.to_vec() }
}

/// The request as the agent itself makes it.
pub fn by_agent(world: &PilotWorld, call: &Call, agent: &Agent) -> Request {
    signed(world, call, &agent.chain, &agent.key)
}

/// The request the usual way: the shared key, and a role that the caller asserts.
pub fn by_api_key(world: &PilotWorld, call: &Call, role: &str) -> Request {
    let mut headers =
        vec![("X-Api-Key".to_owned(), world.api_key.clone()), ("X-Role".to_owned(), role.to_owned())];
    let body = call.body_bytes();
    if !body.is_empty() {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    Request { method: call.method.clone(), target: call.path.clone(), headers, body }
}

/// Makes the call the usual way, in the role `admin`, at the baseline shop.
pub async fn at_baseline(world: &PilotWorld, call: &Call) -> Result<Reply, RedteamError> {
    once(world.baseline.url(call.service()?)?, &by_api_key(world, call, "admin")).await
}

/// What the gateway said to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was forwarded; the upstream's status.
    Permit(u16),
    /// It was denied or refused; the code of the problem document.
    Deny(String),
    /// It was neither: a failure inside, a broken connection, no reply in time. Not a stop.
    Failed(String),
}

impl Verdict {
    /// `permit`, `deny CODE` or `failed: WHY`.
    pub fn to_text(&self) -> String {
        match self {
            Self::Permit(_) => "permit".to_owned(),
            Self::Deny(code) => format!("deny {code}"),
            Self::Failed(why) => format!("failed: {why}"),
        }
    }
}

/// The gateway's answer: its verdict, and what names it in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// `killick-request-id`
    pub request_id: Option<String>,
    /// The index in the log, from the receipt.
    pub log_index: Option<u64>,
    /// The receipt as it came, if there was one: the text of a C2SP tlog-proof.
    pub receipt: Option<String>,
}

impl Answer {
    /// Reads a reply of the gateway.
    pub fn read(reply: &Reply) -> Self {
        let receipt = reply
            .header("killick-receipt")
            .and_then(|value| STANDARD.decode(value).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let log_index =
            receipt.as_deref().and_then(|text| Receipt::parse(text).ok()).map(|read| read.index());
        Self {
            verdict: verdict(reply),
            request_id: reply.header("killick-request-id").map(str::to_owned),
            log_index,
            receipt,
        }
    }

    /// The answer where there was no reply.
    pub fn none(error: &RedteamError) -> Self {
        Self { verdict: Verdict::Failed(error.to_string()), request_id: None, log_index: None, receipt: None }
    }
}

fn verdict(reply: &Reply) -> Verdict {
    let is_problem =
        reply.header("content-type").is_some_and(|kind| kind.starts_with("application/problem+json"));
    let code = reply.json().get("code").and_then(Value::as_str).map(str::to_owned);
    match (is_problem, code) {
        // What stops everything is not a stop of this attack (redteam/PROTOCOL.md, section 2).
        (true, Some(code)) if reply.status >= 500 => Verdict::Failed(format!("{} {code}", reply.status)),
        (true, Some(code)) => Verdict::Deny(code),
        _ if reply.status >= 500 => Verdict::Failed(format!("status {}", reply.status)),
        _ => Verdict::Permit(reply.status),
    }
}

/// Makes the request over a connection of its own and reads the gateway's answer. Never errs: no reply is an answer
/// too.
pub async fn ask(world: &PilotWorld, request: &Request) -> (Answer, Option<Reply>) {
    match once(&world.gateway, request).await {
        Ok(reply) => (Answer::read(&reply), Some(reply)),
        Err(error) => (Answer::none(&error), None),
    }
}

/// Reads an order over this connection until it is permitted: a gateway knows a new agent once the bundle that names it
/// has arrived there, some milliseconds after the authority has answered. Errs if that takes longer than the bound.
pub async fn until_known(world: &PilotWorld, agent: &Agent, wire: &mut Wire) -> Result<(), RedteamError> {
    let start = std::time::Instant::now();
    loop {
        let reply = wire.send(&by_agent(world, &Call::get("/orders/O-5001"), agent)).await?;
        match Answer::read(&reply).verdict {
            Verdict::Permit(200) => return Ok(()),
            other if start.elapsed() > ONBOARDING_TIME_MAX => {
                let said = other.to_text();
                return Err(RedteamError::Reply(format!("{} is not let in: `{said}`", agent.id)));
            }
            _ => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, kind: &str, body: &str) -> Reply {
        Reply {
            status,
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn an_answer_is_read_from_status_and_problem_document() {
        let problem = "application/problem+json";
        for (reply, expected) in [
            (reply(403, problem, r#"{"code":"tool.not_granted"}"#), "deny tool.not_granted"),
            (reply(503, problem, r#"{"code":"log.unavailable"}"#), "failed: 503 log.unavailable"),
            (reply(200, "application/json", "{}"), "permit"),
            // What the upstream itself says was let through to it.
            (reply(404, "application/json", r#"{"error":"there is no order"}"#), "permit"),
            (reply(500, "text/plain", ""), "failed: status 500"),
        ] {
            assert_eq!(Answer::read(&reply).verdict.to_text(), expected);
        }
    }

    #[test]
    fn every_path_has_its_service() {
        for (path, service) in
            [("/transfers", "payments"), ("/customer-exports", "customers"), ("/orders?limit=1", "orders")]
        {
            assert_eq!(Call::get(path).service().unwrap(), service);
        }
        assert!(Call::get("/nothing").service().is_err());
    }
}
