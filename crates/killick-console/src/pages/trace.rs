//! One decision: who asked, through whom, for what, what was decided and what came of it, drawn; the entry and its
//! proof.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use maud::html;
use serde_json::Value;

use super::{Page, agent_link, plain_problem, shown, shown_to, time, verdict};
use crate::api::Story;
use crate::console::Sources;
use crate::drawing::{Node, drawing};
use crate::fleet::short_name;
use crate::limits::TRACE_HOLDERS_MAX;

pub(crate) async fn page(State(sources): State<Arc<Sources>>, Path(index): Path<u64>) -> Response {
    let fleet = (sources.fleet)().await;
    let story = match Story::find(&sources, index).await {
        Ok(story) => story,
        Err(problem) => return plain_problem(&problem),
    };
    let entry = &story.entry;
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let given = story.row.as_ref().map_or("none", |row| row.verdict);
    let pretty = serde_json::to_string_pretty(entry).unwrap_or_default();
    let content = html! {
        h1 { "Entry " (index) " " @if given != "none" { (verdict(given)) } }
        div.trace { (drawing(&nodes(&story, given))) }
        @if let (Some(code), Some(why)) = (text("code"), &story.explanation) {
            div class={ "why " (given) } {
                p { strong.code { (shown(code)) } @if given == "observe" { " would have denied this call; observe mode let it pass" } }
                p { "Missing: " (shown_to(&why.missing, 400)) }
                p { "Who can mend it: " (shown_to(&why.grantor, 400)) }
            }
        }
        h2 { "Facts" }
        dl {
            @if let Some(at) = entry.get("at").and_then(Value::as_u64) { dt { "Time" } dd { (time(at)) " UTC" } }
            @if let Some(agent) = text("agent") { dt { "Agent" } dd { (agent_link(agent)) span.dim { " " (shown(agent)) } } }
            @for (label, member) in [
                ("Request", "id"), ("Action", "action"), ("Risk", "risk"), ("Task", "task"), ("Catalogue", "catalogue"),
                ("Made by", "build"),
            ] {
                @if let Some(value) = text(member) { dt { (label) } dd { (shown(value)) } }
            }
            @if let Some(policies) = entry.get("policies").and_then(Value::as_array) {
                @if !policies.is_empty() {
                    dt { "Policies" }
                    dd { @for policy in policies.iter().filter_map(Value::as_str).take(64) { code { (shown(policy)) } " " } }
                }
            }
            @if let Some(effect) = story.row.as_ref().and_then(|row| row.outcome.as_ref()) {
                dt { "Outcome" }
                dd {
                    @match effect.status { Some(status) => { "status " (status) }, None => { "the service could not be reached" } }
                    span.dim { ", entry " a href={ "/decisions/" (effect.index) } { (effect.index) } ", " (time(effect.at)) " UTC" }
                }
            }
            @if let Some(decision) = entry.get("decision").and_then(Value::as_u64) {
                dt { "Decision" } dd { a href={ "/decisions/" (decision) } { "entry " (decision) } }
            }
        }
        h2 { "Entry" }
        p.dim { "People are pseudonyms and contents are commitments: what was said is not in the log." }
        pre { (shown_lines(&pretty)) }
        h2 { "Receipt" }
        p.dim { "The proof that this entry is in the log (C2SP tlog-proof), checkable with the log's key alone. The entry is " (sources.ledger.witnessed().word(index)) "." }
        @match &story.receipt {
            Ok(receipt) => pre { (shown_lines(receipt)) },
            Err(problem) => p.empty { (shown(problem)) },
        }
    };
    let title = format!("Entry {index}");
    Page { title: &title, place: "Decisions", live: false }.render(&sources, &fleet, &content)
}

/// Several lines of text of others, bounded.
fn shown_lines(text: &str) -> String {
    text.lines().take(2_000).map(|line| shown_to(line, 2_400)).collect::<Vec<_>>().join("\n")
}

fn nodes(story: &Story, given: &str) -> Vec<Node> {
    let entry = &story.entry;
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let node = Node::new;
    let mut nodes = Vec::new();
    if let Some(principal) = text("principal") {
        nodes.push(node("for", principal, "principal (pseudonym)", ""));
    }
    if let Some(owner) = text("owner") {
        nodes.push(node("answerable", owner, "owner (pseudonym)", ""));
    }
    if let Some(model) = text("model") {
        nodes.push(node("originating model", model, "", ""));
    }
    let path: Vec<&str> =
        entry.get("path").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if path.is_empty() {
        let label = text("agent").map_or("a stranger", short_name);
        nodes.push(node("caller", label, if text("agent").is_none() { "not authenticated" } else { "" }, ""));
    }
    for (position, id) in path.iter().take(TRACE_HOLDERS_MAX).enumerate() {
        let role = if position == 0 { "agent" } else { "sub-agent" };
        let own = short_name(id);
        nodes.push(node(role, own.rsplit('/').next().unwrap_or(own), own, ""));
    }
    if matches!(text("kind"), Some("decision")) {
        nodes.push(node(
            "asked for",
            text("action").unwrap_or("an unknown operation"),
            text("risk").unwrap_or(""),
            "",
        ));
    }
    let (label, class) = match given {
        "permit" => ("permitted", "node-permit"),
        "deny" => ("denied", "node-deny"),
        "refuse" => ("refused", "node-deny"),
        "observe" => ("permitted (observed)", "node-observe"),
        _ => ("recorded", ""),
    };
    let stops = matches!(given, "deny" | "refuse");
    nodes.push(Node { cut: stops, ..node("decision", label, text("code").unwrap_or(""), class) });
    if given != "none" {
        nodes.push(match story.row.as_ref().and_then(|row| row.outcome.as_ref()) {
            Some(effect) => match effect.status {
                Some(status) => node("outcome", &format!("status {status}"), "of the service", ""),
                None => node("outcome", "unreachable", "the service", "node-deny"),
            },
            None if stops => node("outcome", "no effect", "nothing was forwarded", "node-quiet"),
            None => node("outcome", "under way", "", "node-quiet"),
        });
    }
    nodes
}
