//! The admin port: metrics for Prometheus (OpenMetrics text), health and readiness for whoever supervises the process.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use killick_authority::Authority;
use killick_gateway::{BUILD, Gateway};
use killick_ledger::Ledger;
use serde_json::{Value, json};

/// The content type of OpenMetrics text (OpenMetrics 1.0, section "Content-Type").
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the admin port looks at.
#[derive(Clone)]
pub struct Watched {
    /// Empty once the gateway is being shut down.
    pub gateway: Arc<Mutex<Option<Gateway>>>,
    /// The authority.
    pub authority: Authority,
    /// Its log.
    pub directory_log: Ledger,
    /// The gateway's log.
    pub log: Ledger,
}

/// The admin port's pages.
pub fn router(watched: Watched) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/witnesses", get(witnesses))
        .with_state(watched)
}

async fn metrics(State(watched): State<Watched>) -> Response {
    let gateway = {
        let gateway = watched.gateway.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        gateway.as_ref().map(|gateway| gateway.metrics().encode())
    };
    let mut text = gateway.unwrap_or_default();
    // One page has one end.
    text.truncate(text.trim_end().trim_end_matches("# EOF").len());
    describe(&mut text, "killick_build", "info", "What runs");
    let _ = writeln!(text, "killick_build_info{{build=\"{BUILD}\"}} 1");
    gauge(
        &mut text,
        "killick_directory_entries",
        "Entries acknowledged by the directory log",
        &[("", watched.directory_log.size())],
    );
    let witnessed = |log: &Ledger| log.witnessed().head.map_or(0, |head| head.size);
    gauge(
        &mut text,
        "killick_witnessed_entries",
        "Entries under the newest head that a quorum of witnesses has cosigned, by log",
        &[
            ("{log=\"gateway\"}", witnessed(&watched.log)),
            ("{log=\"directory\"}", witnessed(&watched.directory_log)),
        ],
    );
    if let Ok(status) = watched.authority.status().await {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let agents = [
            ("{state=\"active\"}", number(status.agents_active)),
            ("{state=\"suspended\"}", number(status.agents_suspended)),
            ("{state=\"offboarded\"}", number(status.agents_offboarded)),
        ];
        gauge(&mut text, "killick_agents", "Agents, by state", &agents);
        gauge(
            &mut text,
            "killick_agents_observed",
            "Agents whose denials are not enforced",
            &[("", number(status.observing.len()))],
        );
        gauge(
            &mut text,
            "killick_tokens_live",
            "Tokens neither expired nor revoked",
            &[("", number(status.tokens_live))],
        );
        gauge(&mut text, "killick_revocations", "Revocations in force", &[("", number(status.revocations))]);
        gauge(
            &mut text,
            "killick_revoked_all",
            "1 while the kill switch is on",
            &[("", u64::from(status.revoked_all))],
        );
    }
    text.push_str("# EOF\n");
    ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}

fn describe(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
}

fn gauge(text: &mut String, name: &str, help: &str, samples: &[(&str, u64)]) {
    describe(text, name, "gauge", help);
    for (labels, value) in samples {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

/// What is known of the witnesses of both logs.
async fn witnesses(State(watched): State<Watched>) -> Json<Value> {
    let of = |log: &Ledger| {
        let mut state = log.witnessed().to_json();
        if let Some(members) = state.as_object_mut() {
            members.insert("entries".to_owned(), log.size().into());
        }
        state
    };
    Json(json!({ "log": of(&watched.log), "directory": of(&watched.directory_log) }))
}

/// Ready means: calls are decided and recorded now.
async fn ready(State(watched): State<Watched>) -> Response {
    let verdict = {
        let gateway = watched.gateway.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match gateway.as_ref() {
            Some(gateway) => gateway.ready().map_err(|refusal| refusal.to_string()),
            None => Err("it is being shut down".to_owned()),
        }
    };
    match verdict {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()).into_response(),
        Err(problem) => (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")).into_response(),
    }
}
