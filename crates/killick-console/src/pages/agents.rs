//! The agents.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::{Page, agent_path, shown, time};
use crate::console::Sources;
use crate::fleet::AgentInfo;
use crate::limits::PAGE_ROWS_MAX;

pub(crate) async fn page(State(sources): State<Arc<Sources>>) -> Response {
    let fleet = (sources.fleet)().await;
    let content = html! {
        h1 { "Agents" }
        @if fleet.agents.is_empty() {
            p.empty { "No agent yet. Onboard one: " code { "killick agent onboard NAME --owner WHO --model NAME" } }
        } @else {
            div.scroll { table {
                thead { tr {
                    th { "Name" } th { "State" } th { "Owner" } th { "Model" } th { "Risk" } th { "Live tokens" } th { "Onboarded (UTC)" }
                } }
                tbody { @for agent in fleet.agents.iter().take(PAGE_ROWS_MAX) { tr {
                    td { a href=(agent_path(&agent.name)) { (shown(&agent.name)) } }
                    td { (state(agent)) }
                    td { (shown(&agent.owner)) }
                    td { (shown(&agent.model.name)) span.dim { "@" (shown(&agent.model.version)) } }
                    td { (shown(&agent.risk_tier)) }
                    td.num { (fleet.tokens.iter().filter(|t| t.agent == agent.name && t.state == "live").count()) }
                    td.when { (time(agent.onboarded_at)) }
                } } }
            } }
            @if fleet.agents.len() > PAGE_ROWS_MAX {
                p.dim { "The first " (PAGE_ROWS_MAX) " of " (fleet.agents.len()) "; all of them: " a href="/api/agents" { "/api/agents" } }
            }
        }
    };
    Page { title: "Agents", place: "Agents", live: true }.render(&sources, &fleet, &content)
}

/// An agent's state, as badges.
pub(crate) fn state(agent: &AgentInfo) -> Markup {
    let class = match agent.state.as_str() {
        known @ ("active" | "suspended" | "offboarded") => known,
        _ => "",
    };
    html! {
        span class={ "badge " (class) } { (shown(&agent.state)) }
        @if agent.revoked && agent.state != "offboarded" { " " span.badge.revoked { "revoked" } }
        @if agent.observe_until.is_some() { " " span.badge.observe { "observe mode" } }
    }
}
