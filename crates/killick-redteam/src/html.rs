//! The report as one page: no script, nothing loaded from elsewhere, every text escaped.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::kpi::Proportion;
use crate::latency::Added;
use crate::report::{Report, percent};
use crate::runner::CaseResult;

const STYLE: &str = include_str!("report.css");

/// The whole page.
pub fn page(report: &Report) -> String {
    let verdict = if report.passes() { "Every target holds" } else { "A target is missed" };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "killick pilot: " (verdict) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.eyebrow { "killick pilot" }
                    h1.pass[report.passes()].fail[!report.passes()] { (verdict) }
                    @if !report.passes() {
                        p.lead { "Missed: " (missed(report)) "." }
                    }
                    p.lead {
                        (report.baseline.hits) " of " (report.baseline.n)
                        " attacks succeeded on the shop with one shared API key; "
                        strong { (report.survivors().count()) } " of " (report.asr.n)
                        " succeeded on the same shop behind killick. Both counts come from the shop's own receipt book."
                    }
                }
                main {
                    (side_by_side(report))
                    (targets(report))
                    (measures(report))
                    (kinds(report))
                    (latency(report))
                    (iteration(report))
                    (log(report))
                    (cases(report))
                    (about(report))
                }
            }
        }
    }
    .into_string()
}

fn missed(report: &Report) -> String {
    let missed = report.targets.iter().filter(|target| !target.met);
    missed.map(|target| format!("{} ({})", target.name, target.found)).collect::<Vec<_>>().join("; ")
}

fn side_by_side(report: &Report) -> Markup {
    html! {
        section aria-labelledby="side" {
            h2 id="side" { "Without and with killick" }
            (bar("Without: one shared key and a role", report.baseline, "bad"))
            (bar("With killick", report.asr, "good"))
            p.note { "Share of attacks whose forbidden effect the shop recorded. The line is the 95 % Wilson interval." }
        }
    }
}

/// A share with its interval, 0 to 1, as a drawing and in words.
fn bar(label: &str, share: Proportion, class: &str) -> Markup {
    let words = format!(
        "{} ({} of {}; 95 % bounds {} to {})",
        percent(share.value),
        share.hits,
        share.n,
        percent(share.low),
        percent(share.high)
    );
    let x = |value: f64| format!("{:.1}", 2.0 + value.clamp(0.0, 1.0) * 496.0);
    let width = format!("{:.1}", (share.value.clamp(0.0, 1.0) * 496.0).max(1.0));
    html! {
        figure.bar {
            figcaption { (label) ": " strong { (words) } }
            svg viewBox="0 0 500 22" role="img" aria-label={ (label) ": " (words) } preserveAspectRatio="none" {
                rect.track x="2" y="6" width="496" height="10" rx="3" {}
                rect class=(class) x="2" y="6" width=(width) height="10" rx="3" {}
                line.bound x1=(x(share.low)) y1="11" x2=(x(share.high)) y2="11" {}
                line.bound x1=(x(share.low)) y1="3" x2=(x(share.low)) y2="19" {}
                line.bound x1=(x(share.high)) y1="3" x2=(x(share.high)) y2="19" {}
            }
        }
    }
}

fn targets(report: &Report) -> Markup {
    html! {
        section aria-labelledby="targets" {
            h2 id="targets" { "Targets" }
            div.wide { table {
                thead { tr { th scope="col" { "Target" } th scope="col" { "Found" } th scope="col" { "Holds" } } }
                tbody {
                    @for target in &report.targets {
                        tr {
                            th scope="row" { (target.name) }
                            td { (target.found) }
                            td { (mark(target.met)) }
                        }
                    }
                }
            } }
        }
    }
}

fn mark(good: bool) -> Markup {
    if good {
        html! { span.yes { "✓ yes" } }
    } else {
        html! { span.no { "✗ no" } }
    }
}

fn measures(report: &Report) -> Markup {
    let dis = &report.dis;
    html! {
        section aria-labelledby="kpi" {
            h2 id="kpi" { "Measures" }
            (bar("ASR per case: attacks that succeeded", report.asr, "bad"))
            (bar("ASR per distinct attack", report.asr_per_attack, "bad"))
            (bar("CR: malicious requests halted before any effect", report.cr, "good"))
            (bar("CR per distinct attack", report.cr_per_attack, "good"))
            (bar("False positives: benign calls not done", report.false_positives, "bad"))
            h3 { "DIS " (format!("{:.3}", dis.value)) ", at its lower bound " (format!("{:.3}", dis.low)) }
            (bar("ICF: requests whose chain proves the model of origin, offline", dis.icf, "good"))
            (bar("ALC: effects in the shop that the log proves", dis.alc, "good"))
            p {
                "RLS " (format!("{:.3}", dis.rls.value)) ": p99 of " (dis.rls.n) " revocations "
                (millis(dis.rls.p99_us)) ", upper end of its 95 % bootstrap interval " (millis(dis.rls.p99_high_us))
                ", median " (millis(dis.rls.p50_us)) ", longest " (millis(dis.rls.max_us)) "."
            }
            p.note {
                "ICF counts decisions about agents (refusals of strangers, " (report.findings.integrity.refusals)
                " here, have no chain to verify) plus effects that no decision in the log explains. ALC counts every "
                "receipt of the shop behind killick, reads included. DIS is the cube root of ICF times RLS times ALC."
            }
        }
    }
}

fn kinds(report: &Report) -> Markup {
    html! {
        section aria-labelledby="kinds" {
            h2 id="kinds" { "By kind of attack" }
            div.wide { table {
                thead { tr {
                    th scope="col" { "Kind" } th scope="col" { "Cases" } th scope="col" { "Techniques" }
                    th scope="col" { "Without killick" } th scope="col" { "With killick" }
                    th scope="col" { "ASR, 95 % bounds" } th scope="col" { "CR" }
                    th scope="col" { "Stopped by the expected control" }
                } }
                tbody {
                    @for row in &report.kinds {
                        tr {
                            th scope="row" { (row.kind.name()) }
                            td.number { (row.cases) }
                            td.number { (row.techniques) }
                            td.number { (row.baseline.hits) " of " (row.baseline.n) }
                            td.number { (row.asr.hits) " of " (row.asr.n) }
                            td.number { (percent(row.asr.low)) " to " (percent(row.asr.high)) }
                            td.number { (percent(row.cr.value)) }
                            td.number { (row.as_expected) " of " (row.asr.n) }
                        }
                    }
                }
            } }
            p.note { "A kind alone has too few cases for a claim: its bounds are wide. The claim rests on all of them." }
        }
    }
}

fn latency(report: &Report) -> Markup {
    let latency = &report.findings.latency;
    let row = |name: &str, class: &Added| {
        html! {
            tr {
                th scope="row" { (name) }
                td.number { (class.n) }
                td.number { (millis(class.direct.p50)) " / " (millis(class.direct.p99)) }
                td.number { (millis(class.gateway.p50)) " / " (millis(class.gateway.p99)) }
                td.number { (millis(class.added.p50)) " / " (millis(class.added.p99)) }
            }
        }
    };
    html! {
        section aria-labelledby="latency" {
            h2 id="latency" { "Latency added" }
            div.wide { table {
                thead { tr {
                    th scope="col" { "Class" } th scope="col" { "Pairs" } th scope="col" { "Direct, p50 / p99" }
                    th scope="col" { "Through killick" } th scope="col" { "Added" }
                } }
                tbody { (row("reads", &latency.read)) (row("writes", &latency.write)) }
            } }
            p.note {
                "Each pair is one request straight to the shop and one through the gateway, in turns; what is added is "
                "the difference within a pair. Over all " (latency.n) " pairs: p50 " (millis(latency.added.p50))
                ", p99 " (millis(latency.added.p99)) ". A write waits for one durable commit before it is forwarded."
            }
        }
    }
}

fn millis(us: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
    let ms = us as f64 / 1_000.0;
    format!("{ms:.2} ms")
}

fn iteration(report: &Report) -> Markup {
    let Some(iteration) = &report.findings.iteration else { return html! {} };
    let said = |verdict: &Option<String>| verdict.clone().unwrap_or_else(|| "not tried".to_owned());
    html! {
        section aria-labelledby="iteration" {
            h2 id="iteration" { "Tightened next" }
            p { (iteration.tightened.why) "." }
            dl {
                dt { "Grant before" } dd { code { (iteration.tightened.grant_before) } }
                dt { "Grant after" } dd { code { (iteration.tightened.grant_after) } }
                dt { "Granted and unused actions" } dd { (iteration.unused_before) " before, " (iteration.unused_after) " after" }
                dt { "A call of it" } dd { (said(&iteration.probe_before)) " before, " (said(&iteration.probe_after)) " after" }
            }
            p.note {
                "An obeyed injection can do whatever a token grants, within its limits. That is why what is never used "
                "should not be granted."
            }
        }
    }
}

fn log(report: &Report) -> Markup {
    let log = &report.findings.log;
    html! {
        section aria-labelledby="log" {
            h2 id="log" { "The log" }
            dl {
                dt { "Origin" } dd { (log.origin) }
                dt { "Entries" } dd { (log.size) }
                dt { "Root" } dd { code { (log.root) } }
                dt { "Verified offline" } dd { (mark(log.verified)) @if let Some(error) = &log.error { " " (error) } }
                dt { "Key from" } dd { (log.key_source) }
            }
            @if !report.findings.integrity.unlogged.is_empty() {
                p { "Effects without an entry: " (report.findings.integrity.unlogged.join("; ")) }
            }
            @if !report.findings.integrity.unproved.is_empty() {
                p { "Decisions whose chain does not verify: " (report.findings.integrity.unproved.join(", ")) }
            }
        }
    }
}

fn cases(report: &Report) -> Markup {
    html! {
        section aria-labelledby="cases" {
            h2 id="cases" { "Every case" }
            @for row in &report.kinds {
                details open[row.asr.hits > 0] {
                    summary { (row.kind.name()) ": " (row.cases) " cases, " (row.asr.hits) " succeeded" }
                    div.wide { table {
                        thead { tr {
                            th scope="col" { "Id" } th scope="col" { "Attack" } th scope="col" { "Forbidden effect" }
                            th scope="col" { "Without" } th scope="col" { "Verdict of killick" }
                            th scope="col" { "Effect" } th scope="col" { "Log index" }
                        } }
                        tbody {
                            @for case in report.findings.cases.iter().filter(|case| case.kind == row.kind) {
                                (case_row(case))
                            }
                        }
                    } }
                }
            }
            p.note {
                "“Without” is the positive control. A case whose control did not come about is invalid and in no figure. "
                "“Other control” marks an attack that was stopped, but not by the check that was expected."
            }
        }
    }
}

fn case_row(case: &CaseResult) -> Markup {
    html! {
        tr {
            th scope="row" { (case.id) }
            td { (case.title) }
            td { code { (case.forbidden) } }
            td {
                @if case.control.effect_recorded { "succeeded" }
                @else { "invalid" @if let Some(error) = &case.control.error { ": " (error) } }
            }
            td {
                code { (case.verdict) }
                @if !case.as_expected && !case.failed && !case.effect_recorded { " " span.soft { "other control" } }
            }
            td { @if case.effect_recorded { span.no { "✗ recorded" } } @else { span.yes { "✓ none" } } }
            td.number { @if let Some(index) = case.log_index { (index) } @else { "none" } }
        }
    }
}

fn about(report: &Report) -> Markup {
    let findings = &report.findings;
    html! {
        section aria-labelledby="about" {
            h2 id="about" { "This run" }
            dl {
                dt { "Seed" } dd { (findings.seed) }
                @for (name, value) in &findings.about { dt { (name) } dd { (value) } }
                @for (agent, grant) in &findings.grants { dt { "Grant of " (agent) } dd { code { (grant) } } }
            }
            h3 { "What it does not show" }
            p {
                "An injected order that stays within what the agent is granted, and within its limits, passes: a "
                "capability bounds the harm, it does not read minds. Each attack is tried once, as written; nobody here "
                "adapts after a denial. The shop behind killick and the one without are the same program on one machine."
            }
            h3 { "Run it again" }
            pre { @for line in &findings.rerun { (line) "\n" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::report::fixtures;

    #[test]
    fn the_page_says_both_sides_and_loads_nothing() {
        let page = super::page(&fixtures::report(|_| {}));
        for text in
            ["Every target holds", "Without and with killick", "INJ-01", "replay.nonce", "killick pilot"]
        {
            assert!(page.contains(text), "{text}");
        }
        for text in ["<script", "http://", "https://", "@import", "url(", "src="] {
            assert!(!page.contains(text), "{text}");
        }
    }

    #[test]
    fn every_text_is_escaped() {
        let hostile = "<img src=x onerror=alert(1)>\"'&";
        let page = super::page(&fixtures::report(|found| {
            found.cases[0].title = hostile.to_owned();
            found.cases[1].verdict = hostile.to_owned();
            found.cases[2].forbidden = hostile.to_owned();
            found.cases[3].control.effect_recorded = false;
            found.cases[3].control.error = Some(hostile.to_owned());
            found.about.insert(hostile.to_owned(), hostile.to_owned());
            found.grants.insert(hostile.to_owned(), hostile.to_owned());
            found.log.error = Some(hostile.to_owned());
            found.integrity.unlogged.push(hostile.to_owned());
        }));
        assert!(!page.contains("<img"));
        assert!(page.matches("&lt;img src=x onerror=alert(1)&gt;&quot;'&amp;").count() >= 9);
    }

    #[test]
    fn a_missed_target_is_said_first() {
        let page = super::page(&fixtures::report(|found| found.cases[0].effect_recorded = true));
        assert!(page.contains("✗ recorded"));
        let missed = super::page(&fixtures::report(|found| found.log.verified = false));
        assert!(missed.contains("A target is missed"));
        assert!(missed.contains("Missed: the log verifies offline"));
    }
}
