//! The same as the pages say, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::console::Sources;
use crate::explain::explain;
use crate::fleet::{Fleet, short_name};
use crate::index::{Filter, Row};
use crate::limits::{OVERVIEW_ROWS, PAGE_ROWS_MAX};

pub(crate) async fn overview(State(sources): State<Arc<Sources>>) -> Json<Value> {
    let fleet = (sources.fleet)().await;
    let finding = sources.verification.look(sources.ledger.size()).await;
    let entries = sources.index.read();
    Json(json!({
        "trust_domain": fleet.trust_domain,
        "bundle_version": fleet.bundle_version,
        "revoked_all": fleet.revoked_all,
        "agents": counts(&fleet),
        "observing": fleet.observing().iter().map(|agent| &agent.name).collect::<Vec<_>>(),
        "verdicts": entries.verdicts,
        "codes": entries.codes(20),
        "log": { "size": sources.ledger.size(), "verification": finding },
        "defences_off": entries.defences_off,
        "newest": entries.list(&Filter::default(), OVERVIEW_ROWS),
    }))
}

pub(crate) async fn agents(State(sources): State<Arc<Sources>>) -> Json<Value> {
    let fleet = (sources.fleet)().await;
    Json(json!({ "agents": fleet.agents, "problem": fleet.problem }))
}

pub(crate) async fn agent(State(sources): State<Arc<Sources>>, Path(name): Path<String>) -> Response {
    let fleet = (sources.fleet)().await;
    let Some(agent) = fleet.agent(&name) else { return missing("there is no such agent") };
    let tokens: Vec<_> = fleet.tokens.iter().filter(|token| token.agent == name).collect();
    let filter = Filter { agent: Some(name.clone()), ..Filter::default() };
    let decisions = sources.index.read().list(&filter, PAGE_ROWS_MAX);
    Json(json!({ "agent": agent, "tokens": tokens, "decisions": decisions })).into_response()
}

pub(crate) async fn decisions(
    State(sources): State<Arc<Sources>>,
    Query(filter): Query<Filter>,
) -> Json<Value> {
    let rows = sources.index.read().list(&filter, PAGE_ROWS_MAX);
    Json(json!({ "decisions": rows }))
}

pub(crate) async fn decision(State(sources): State<Arc<Sources>>, Path(index): Path<u64>) -> Response {
    match Story::find(&sources, index).await {
        Ok(story) => Json(json!({
            "index": index,
            "entry": story.entry,
            "outcome": story.row.as_ref().and_then(|row| row.outcome.as_ref()),
            "missing": story.explanation.as_ref().map(|why| &why.missing),
            "grantor": story.explanation.as_ref().map(|why| &why.grantor),
            "receipt": story.receipt,
            "witnessed": sources.ledger.witnessed().word(index),
        }))
        .into_response(),
        Err(problem) => missing(&problem),
    }
}

pub(crate) async fn log(State(sources): State<Arc<Sources>>) -> Json<Value> {
    let finding = sources.verification.look(sources.ledger.size()).await;
    Json(json!({
        "origin": sources.ledger.origin(),
        "vkey": sources.ledger.vkey(),
        "size": sources.ledger.size(),
        "verification": finding,
        "checkpoint": checkpoint(&sources).await,
        "command": verify_command(&sources),
        "witnesses": sources.ledger.witnessed().to_json(),
        "directory": {
            "origin": sources.directory.origin(),
            "vkey": sources.directory.vkey(),
            "size": sources.directory.size(),
        },
    }))
}

/// Everything about one entry.
pub(crate) struct Story {
    pub(crate) entry: Value,
    pub(crate) row: Option<Row>,
    pub(crate) explanation: Option<crate::explain::Explanation>,
    pub(crate) receipt: Result<String, String>,
}

impl Story {
    /// Reads the entry from the log itself. Errs with a sentence.
    pub(crate) async fn find(sources: &Sources, index: u64) -> Result<Self, String> {
        if index >= sources.ledger.size() {
            return Err(format!("the log has no entry {index} yet"));
        }
        let read =
            sources.ledger.read(index, index.saturating_add(1)).await.map_err(|error| error.to_string())?;
        let bytes = read.first().ok_or_else(|| format!("the log has no entry {index} yet"))?;
        let entry: Value = serde_json::from_slice(bytes).map_err(|_| "the entry is not JSON".to_owned())?;
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let explanation =
            text("code").map(|code| explain(code, text("agent").map(short_name), text("action")));
        let receipt = sources.ledger.receipt(index).await.map_err(|error| error.to_string());
        let row = sources.index.read().row(index).cloned();
        Ok(Self { entry, row, explanation, receipt })
    }
}

/// The signed checkpoint, verbatim.
pub(crate) async fn checkpoint(sources: &Sources) -> Option<String> {
    tokio::fs::read_to_string(sources.log_dir.join("checkpoint")).await.ok()
}

/// The command that verifies the log on any machine, from files alone.
pub(crate) fn verify_command(sources: &Sources) -> String {
    format!("killick log verify {} --trust {}", quoted(&sources.log_dir), quoted(&sources.trust_path))
}

fn quoted(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// How many agents are in which state.
pub(crate) fn counts(fleet: &Fleet) -> Value {
    let count = |state: &str| fleet.agents.iter().filter(|agent| agent.state == state).count();
    json!({
        "active": count("active"),
        "suspended": count("suspended"),
        "offboarded": count("offboarded"),
        "revoked": fleet.agents.iter().filter(|agent| agent.revoked).count(),
    })
}

fn missing(detail: &str) -> Response {
    let body = json!({ "title": "Not Found", "status": 404, "detail": detail, "code": "request.unknown" });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
