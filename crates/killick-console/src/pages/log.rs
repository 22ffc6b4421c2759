//! The log: its head, whether it verifies, and how to check that without trusting this console.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::{Page, shown, shown_to, time};
use crate::api::{checkpoint, verify_command};
use crate::console::Sources;
use crate::limits::OVERVIEW_ROWS;

pub(crate) async fn page(State(sources): State<Arc<Sources>>) -> Response {
    let fleet = (sources.fleet)().await;
    let size = sources.ledger.size();
    let finding = sources.verification.look(size).await;
    let checkpoint = checkpoint(&sources).await;
    let witnessed = sources.ledger.witnessed();
    let acts = sources.acts.read().newest(OVERVIEW_ROWS);
    let content = html! {
        h1 { "Log " @match finding.verified {
            Some(true) => span.badge.permit { "verified" },
            Some(false) => span.badge.deny { "NOT VERIFIED" },
            None => span.badge { "not checked here" },
        } }
        @if let Some(problem) = &finding.problem {
            div class={ "banner " (if finding.verified == Some(false) { "stop" } else { "observe" }) } { (shown_to(problem, 400)) }
        }
        dl {
            dt { "Origin" } dd { code { (shown(sources.ledger.origin())) } }
            dt { "Recorded" } dd { (size) " entries" }
            @if finding.verified == Some(true) {
                dt { "Verified" } dd { (finding.size) " entries, every one against every tile and the root" }
                dt { "Root" } dd { code { (shown(&finding.root)) } }
                dt { "Key" } dd { @if finding.key_source == "trust" { "from trust.json" } @else { "taken from the folder: proves consistency, not origin" } }
            }
            dt { "Verifier key" } dd { code { (shown(&sources.ledger.vkey())) } }
            dt { "Witnessed" } dd { @match &witnessed.head {
                Some(head) => { (head.size) " entries, " (witnessed.word(0)) " at " (time(head.at.saturating_mul(1_000_000))) " by " (shown_to(&head.by.join(", "), 400)) }
                None if witnessed.quorum == 0 => "no witness is configured: the log is signed by its own key alone",
                None => { "no head has a quorum of " (witnessed.quorum) " witnesses yet" }
            } }
            dt { "Folder" } dd { code { (shown(&sources.log_dir.display().to_string())) } }
        }
        h2 { "Check it without this console" }
        p { "On any machine, from copies of these files alone:" }
        pre { (shown_to(&verify_command(&sources), 1_000)) }
        h2 { "Signed checkpoint" }
        @match &checkpoint {
            Some(text) => pre { (text.chars().take(2_000).collect::<String>()) },
            None => p.empty { "There is none yet; it is written within 200 ms of the first entry." },
        }
        h2 { "Directory log" span.more { (sources.directory.size()) " acts of the authority" } }
        dl {
            dt { "Origin" } dd { code { (shown(sources.directory.origin())) } }
            dt { "Verifier key" } dd { code { (shown(&sources.directory.vkey())) } }
        }
        div.scroll { table {
            thead { tr { th.num { "#" } th { "Time (UTC)" } th { "Act" } } }
            tbody { @for act in &acts { tr {
                td.num { (act.index) }
                td.when { @if act.at > 0 { (time(act.at)) } }
                td { (shown(&act.kind)) }
            } } }
        } }
    };
    Page { title: "Log", place: "Log", live: false }.render(&sources, &fleet, &content)
}
