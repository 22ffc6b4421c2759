//! One agent: its record, its tokens, what it did.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use maud::html;
use serde_json::Value;

use super::agents::state;
use super::{Page, decision_table, encoded, plain_problem, shown, shown_to, time};
use crate::console::Sources;
use crate::index::Filter;
use crate::limits::{OVERVIEW_ROWS, PAGE_ROWS_MAX};

pub(crate) async fn page(State(sources): State<Arc<Sources>>, Path(name): Path<String>) -> Response {
    let fleet = (sources.fleet)().await;
    let Some(agent) = fleet.agent(&name) else { return plain_problem("There is no such agent.") };
    let filter = Filter { agent: Some(agent.name.clone()), ..Filter::default() };
    let rows = sources.index.read().list(&filter, OVERVIEW_ROWS);
    let tokens: Vec<_> = fleet.tokens.iter().filter(|token| token.agent == agent.name).collect();
    let content = html! {
        h1 { (shown(&agent.name)) " " (state(agent)) }
        dl {
            dt { "Identity" } dd { code { (shown(&agent.id)) } }
            dt { "Owner" } dd { (shown(&agent.owner)) }
            dt { "Model" } dd { (shown(&agent.model.name)) span.dim { "@" (shown(&agent.model.version)) } }
            @if let Some(purpose) = &agent.purpose { dt { "Purpose" } dd { (shown(purpose)) } }
            @if let Some(runtime) = &agent.runtime { dt { "Runtime" } dd { (shown(runtime)) } }
            dt { "Risk tier" } dd { (shown(&agent.risk_tier)) }
            dt { "Onboarded" } dd { (time(agent.onboarded_at)) " UTC" }
            @if let Some(until) = agent.observe_until {
                dt { "Observe mode" } dd { strong { "denials are not enforced" } " until " (time(until)) " UTC" }
            }
            @if !agent.deny.is_empty() {
                dt { "Denied always" } dd { @for pattern in agent.deny.iter().take(64) { code { (shown(pattern)) } " " } }
            }
            @for key in agent.keys.iter().take(4) {
                dt { "Key" }
                dd {
                    code { (shown(key.get("thumbprint").and_then(Value::as_str).unwrap_or("?"))) }
                    @if let Some(until) = key.get("not_after").and_then(Value::as_u64) {
                        span.dim { " certified until " (time(until)) " UTC" }
                    }
                }
            }
        }
        h2 { "Tokens" }
        @if tokens.is_empty() {
            p.empty { "None. Grant one: " code { "killick token grant " (shown(&agent.name)) " 'read:…; execute:none'" } }
        } @else {
            div.scroll { table {
                thead { tr { th { "Grants" } th { "State" } th { "Issued (UTC)" } th { "Ends (UTC)" } th { "Id" } } }
                tbody { @for token in tokens.iter().take(PAGE_ROWS_MAX) { tr {
                    td { code { (shown_to(&token.granted, 600)) } }
                    td { span class={ "badge " (badge(&token.state)) } { (shown(&token.state)) } }
                    td.when { (time(token.iat.saturating_mul(1_000_000))) }
                    td.when { (time(token.exp.saturating_mul(1_000_000))) }
                    td { code { (shown(&token.jti)) } }
                } } }
            } }
        }
        h2 { "Last decisions" span.more { a href={ "/decisions?agent=" (encoded(&agent.name)) } { "all of its decisions" } } }
        (decision_table(&rows))
    };
    Page { title: &agent.name, place: "Agents", live: true }.render(&sources, &fleet, &content)
}

fn badge(state: &str) -> &'static str {
    match state {
        "live" => "live",
        "revoked" => "revoked",
        _ => "",
    }
}
