//! Every decision, filtered.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use maud::html;

use super::{Page, decision_table, encoded};
use crate::console::Sources;
use crate::index::Filter;
use crate::limits::PAGE_ROWS_MAX;

const VERDICTS: [(&str, &str); 5] = [
    ("", "any verdict"),
    ("permit", "permitted"),
    ("deny", "denied"),
    ("refuse", "refused"),
    ("observe", "observed"),
];

pub(crate) async fn page(State(sources): State<Arc<Sources>>, Query(filter): Query<Filter>) -> Response {
    let fleet = (sources.fleet)().await;
    let rows = sources.index.read().list(&filter, PAGE_ROWS_MAX);
    let older = rows.last().filter(|_| rows.len() == PAGE_ROWS_MAX).map(|row| row.index);
    let value = |text: &Option<String>| text.clone().unwrap_or_default();
    let content = html! {
        h1 { "Decisions" }
        form.filter method="get" action="/decisions" {
            label { "Agent" input name="agent" value=(value(&filter.agent)) placeholder="invoice-bot" maxlength="256"; }
            label { "Verdict" select name="verdict" {
                @for (verdict, words) in VERDICTS {
                    option value=(verdict) selected[value(&filter.verdict) == verdict] { (words) }
                }
            } }
            label { "Reason" input name="code" value=(value(&filter.code)) placeholder="token.expired" maxlength="64"; }
            label { "Action" input name="action" value=(value(&filter.action)) placeholder="read:invoices" maxlength="128"; }
            button { "Filter" }
            @if filter.before.is_some() || [&filter.agent, &filter.verdict, &filter.code, &filter.action].iter().any(|f| f.as_ref().is_some_and(|f| !f.is_empty())) {
                a href="/decisions" { "show all" }
            }
        }
        (decision_table(&rows))
        @if let Some(older) = older {
            p.pager { a href=(older_path(&filter, older)) { "older" } }
        }
    };
    Page { title: "Decisions", place: "Decisions", live: filter.before.is_none() }
        .render(&sources, &fleet, &content)
}

fn older_path(filter: &Filter, before: u64) -> String {
    let mut path = format!("/decisions?before={before}");
    let members = [
        ("agent", &filter.agent),
        ("verdict", &filter.verdict),
        ("code", &filter.code),
        ("action", &filter.action),
    ];
    for (name, value) in members {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            path.push_str(&format!("&{name}={}", encoded(value)));
        }
    }
    path
}
