//! The overview: is everything as it should be, and what happened last.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::{Page, decision_table, encoded, shown};
use crate::console::Sources;
use crate::index::Filter;
use crate::limits::OVERVIEW_ROWS;
use crate::verification::Finding;

pub(crate) async fn page(State(sources): State<Arc<Sources>>) -> Response {
    let fleet = (sources.fleet)().await;
    let size = sources.ledger.size();
    let finding = sources.verification.look(size).await;
    let count = |state: &str| fleet.agents.iter().filter(|agent| agent.state == state).count();
    let (permitted, denied, refused, observed, rows, codes, problem) = {
        let entries = sources.index.read();
        (
            entries.count("permit"),
            entries.count("deny"),
            entries.count("refuse"),
            entries.count("observe"),
            entries.list(&Filter::default(), OVERVIEW_ROWS),
            entries.codes(10),
            entries.problem.clone(),
        )
    };
    let tokens_live = fleet.tokens.iter().filter(|token| token.state == "live").count();
    let content = html! {
        h1 { "Overview" }
        @if let Some(problem) = &problem {
            div.banner.stop role="alert" { strong { "The log cannot be read: " } (shown(problem)) }
        }
        div.cards {
            (card("Agents", &count("active").to_string(), "",
                &format!("{} suspended, {} off-boarded", count("suspended"), count("offboarded"))))
            (card("Live tokens", &tokens_live.to_string(), "", &format!("bundle {}", fleet.bundle_version)))
            (card("Permitted", &permitted.to_string(), "good", "forwarded"))
            (card("Denied", &denied.to_string(), if denied > 0 { "bad" } else { "" }, "known agents"))
            (card("Refused", &refused.to_string(), if refused > 0 { "bad" } else { "" }, "not authenticated"))
            @if observed > 0 {
                (card("Observed", &observed.to_string(), "warn", "denials not enforced"))
            }
            (log_card(&finding, size))
        }
        h2 { "Last decisions" span.more { a href="/decisions" { "all decisions" } } }
        (decision_table(&rows))
        @if !codes.is_empty() {
            h2 { "Why not" }
            div.scroll { table {
                thead { tr { th { "Reason" } th.num { "Times" } } }
                tbody { @for (code, times) in &codes { tr {
                    td { a.code href={ "/decisions?code=" (encoded(code)) } { (shown(code)) } }
                    td.num { (times) }
                } } }
            } }
        }
    };
    Page { title: "Overview", place: "Overview", live: true }.render(&sources, &fleet, &content)
}

fn card(label: &str, value: &str, tone: &str, note: &str) -> Markup {
    html! { div.card {
        div.label { (label) }
        div class={ "value " (tone) } { (value) }
        div.note { (note) }
    } }
}

fn log_card(finding: &Finding, size: u64) -> Markup {
    let (value, tone, note) = match finding.verified {
        Some(true) => {
            ("verified", "good", format!("{} of {size} entries, to the root", finding.size.min(size)))
        }
        Some(false) => ("NOT VERIFIED", "bad", finding.problem.clone().unwrap_or_default()),
        None => ("not checked", "", format!("{size} entries")),
    };
    html! { div.card {
        div.label { a href="/log" { "Log" } }
        div class={ "value " (tone) } { (value) }
        div.note { (shown(&note)) }
    } }
}
