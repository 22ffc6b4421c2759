//! The pages. Text from entries and from people is escaped by the templates, made visible and bounded by [`shown`].

pub(crate) mod agent;
pub(crate) mod agents;
pub(crate) mod decisions;
pub(crate) mod log;
pub(crate) mod overview;
pub(crate) mod trace;

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::console::Sources;
use crate::fleet::{Fleet, short_name};
use crate::index::Row;
use crate::limits::TEXT_CHARS_MAX;

/// The frame around every page.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    /// Which entry of the navigation it belongs to.
    pub(crate) place: &'static str,
    /// Whether it keeps itself up to date.
    pub(crate) live: bool,
}

impl Page<'_> {
    pub(crate) fn render(&self, sources: &Sources, fleet: &Fleet, content: &Markup) -> Response {
        let link = |place: &'static str, href: &'static str| {
            html! { a href=(href) aria-current=[(self.place == place).then_some("page")] { (place) } }
        };
        let defences_off = sources.index.read().defences_off;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (shown(self.title)) " · killick" }
                    link rel="stylesheet" href="/style.css";
                    @if self.live { script src="/live.js" defer {} }
                }
                body {
                    header {
                        a.brand href="/" { span.anchor aria-hidden="true" { "⚓" } " killick" }
                        nav {
                            (link("Overview", "/"))
                            (link("Agents", "/agents"))
                            (link("Decisions", "/decisions"))
                            (link("Log", "/log"))
                        }
                        span.domain { (shown(&fleet.trust_domain)) }
                    }
                    main {
                        (banners(fleet, defences_off))
                        (content)
                    }
                    footer { "Read-only. What counts is the log; this page only reads it." }
                }
            }
        };
        Html(page.into_string()).into_response()
    }
}

fn banners(fleet: &Fleet, defences_off: bool) -> Markup {
    let observing = fleet.observing();
    html! {
        @if fleet.revoked_all {
            div.banner.stop role="alert" { strong { "Kill switch on." } " Every agent is revoked; nothing is permitted." }
        }
        @if defences_off {
            div.banner.stop role="alert" {
                strong { "Fault injection." } " Entries of this log were made by a test build whose defences can be switched off."
            }
        }
        @if !observing.is_empty() {
            div.banner.observe role="alert" {
                strong { "Observe mode." } " Denials are recorded but not enforced for "
                @for (position, agent) in observing.iter().take(8).enumerate() {
                    @if position > 0 { ", " }
                    a href=(agent_path(&agent.name)) { (shown(&agent.name)) }
                    " until " (time(agent.observe_until.unwrap_or_default()))
                }
                @if observing.len() > 8 { " and " (observing.len() - 8) " more" }
                "."
            }
        }
        @if let Some(problem) = &fleet.problem {
            div.banner.stop role="alert" { strong { "The fleet cannot be shown: " } (shown(problem)) }
        }
    }
}

/// A table of decisions.
pub(crate) fn decision_table(rows: &[Row]) -> Markup {
    html! {
        @if rows.is_empty() {
            p.empty { "Nothing yet." }
        } @else {
            div.scroll { table {
                thead { tr {
                    th.num { "#" } th { "Time (UTC)" } th { "Verdict" } th { "Agent" } th { "Action" } th { "Reason" } th { "Outcome" }
                } }
                tbody { @for row in rows { tr {
                    td.num { a href={ "/decisions/" (row.index) } { (row.index) } }
                    td.when { (time(row.at)) }
                    td { (verdict(row.verdict)) }
                    td { @match &row.agent {
                        Some(agent) => { (agent_link(agent)) }
                        None => { span.dim { "not authenticated" } }
                    } }
                    td { @if let Some(action) = &row.action { code { (shown(action)) } " " (risk(row.risk.as_deref())) } }
                    td { @if let Some(code) = &row.code {
                        a.code href={ "/decisions?code=" (encoded(code)) } { (shown(code)) }
                    } }
                    td { (outcome(row)) }
                } } }
            } }
        }
    }
}

pub(crate) fn outcome(row: &Row) -> Markup {
    html! {
        @match &row.outcome {
            Some(effect) => @match effect.status {
                Some(status) => span.status { (status) },
                None => span.status.bad { "unreachable" },
            },
            None if matches!(row.verdict, "permit" | "observe") => span.dim { "under way" },
            None => span.dim { "nothing forwarded" },
        }
    }
}

pub(crate) fn verdict(verdict: &str) -> Markup {
    let words = match verdict {
        "permit" => "permitted",
        "deny" => "denied",
        "refuse" => "refused",
        "observe" => "observed",
        _ => "recorded",
    };
    html! { span class={ "badge " (verdict) } { (words) } }
}

pub(crate) fn risk(risk: Option<&str>) -> Markup {
    html! { @if let Some(risk @ ("write" | "critical")) = risk { span class={ "risk " (risk) } { (risk) } } }
}

/// A link to an agent; a sub-agent's leads to the registered agent above it.
pub(crate) fn agent_link(id: &str) -> Markup {
    let name = short_name(id);
    let registered = name.split('/').next().unwrap_or(name);
    html! { a href=(agent_path(registered)) title=(shown(id)) { (shown(name)) } }
}

pub(crate) fn agent_path(name: &str) -> String {
    format!("/agents/{}", encoded(name))
}

/// A time of the log in UTC.
pub(crate) fn time(micros: u64) -> Markup {
    let at = i64::try_from(micros).ok().and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    html! {
        @match at {
            Some(at) => time datetime=(at) { (at.strftime("%Y-%m-%d %H:%M:%S%.3f")) },
            None => span.dim { "no time" },
        }
    }
}

/// Text of others: bounded, with every character that could hide or reorder what follows made visible.
pub(crate) fn shown(text: &str) -> String {
    shown_to(text, TEXT_CHARS_MAX)
}

/// Whether a character is not seen, or turns the direction of what follows: a line could be made to look like another.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// [`shown`] with another bound, in characters.
pub(crate) fn shown_to(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == chars_max {
            out.push('…');
            break;
        }
        if is_hidden(c) {
            out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Percent-encoding for one path segment or query value (RFC 3986 section 2.3).
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

pub(crate) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

pub(crate) async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("live.js"))
}

pub(crate) async fn not_found() -> Response {
    plain_problem("There is no such page.")
}

/// A page for something that is not there.
pub(crate) fn plain_problem(sentence: &str) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "killick" } link rel="stylesheet" href="/style.css"; }
            body { main { h1 { (shown(sentence)) } p { a href="/" { "Back to the overview" } } } }
        }
    };
    (StatusCode::NOT_FOUND, Html(page.into_string())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_visible_and_bounded() {
        assert_eq!(shown("a\u{202e}b\n"), "a\\u{202e}b\\u{a}");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), TEXT_CHARS_MAX + 1);
        assert_eq!(encoded("a/b c?ä"), "a%2Fb%20c%3F%C3%A4");
        let cell = html! { td { (shown("<script>alert(1)</script>")) } }.into_string();
        assert!(!cell.contains("<script"), "{cell}");
    }
}
