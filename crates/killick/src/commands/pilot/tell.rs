//! What the pilot says at each step.

use std::collections::BTreeMap;
use std::path::Path;

use killick_redteam::case::Kind;
use killick_redteam::kpi::Proportion;
use killick_redteam::{CaseResult, ROSTER, Report};

use super::Written;
use super::scene::{Onboarded, Scene};
use super::screen::Screen;

/// The agent that the pilot is about.
const SELECTED: &str = "invoice-bot";

/// Before anything runs.
pub fn opening(screen: &mut Screen, dir: &Path, seed: u64) {
    screen.line("killick pilot: the same attacks on the same web shop, with and without killick");
    screen.line(&format!("state in {}, seed {seed}", dir.display()));
}

/// 1. The agent and the shop.
pub fn selected(screen: &mut Screen, scene: &Scene, operations: usize) {
    screen.step(1, "Select a high-value agent");
    if let Some(bot) = ROSTER.iter().find(|member| member.name == SELECTED) {
        screen.line(&format!("   {} {}", bot.name, bot.purpose));
        screen.line(&format!("   model {}@{}, owner {}", bot.model, bot.model_version, bot.owner));
    }
    let others: Vec<&str> =
        ROSTER.iter().map(|member| member.name).filter(|name| *name != SELECTED).collect();
    screen.line(&format!("   beside it: {}", others.join(", ")));
    let services: Vec<&str> = scene.shop.urls().keys().map(String::as_str).collect();
    screen.line(&format!("   the shop: {} ({operations} operations in the catalogue)", services.join(", ")));
    screen.line("   each service keeps a receipt book of effects, which no part of killick writes");
}

/// 2. Identities.
pub fn identities(screen: &mut Screen, scene: &Scene, agents: &BTreeMap<String, Onboarded>) {
    screen.step(2, "Issue a cryptographic identity");
    for onboarded in agents.values() {
        screen.line(&format!("   {}", onboarded.agent.id));
        screen.line(&format!("     key {} (Ed25519, RFC 7638 thumbprint)", onboarded.agent.key.id()));
    }
    if let Some(selected) = agents.get(SELECTED) {
        screen.line(&format!("   X.509-SVIDs, e.g. {}", selected.certificate.display()));
    }
    if let Some(domain) = scene.trust.get("trust_domain").and_then(serde_json::Value::as_str) {
        screen.line(&format!("   trust domain {domain}"));
    }
}

/// 3. Capabilities: as people write them, and as signed claims.
pub fn capabilities(screen: &mut Screen, agents: &BTreeMap<String, Onboarded>) {
    screen.step(3, "Define the capability");
    for (name, onboarded) in agents {
        screen.line(&format!("   {name}: {}", onboarded.granted));
    }
    if let Some(selected) = agents.get(SELECTED) {
        screen.line(&format!("   the signed claims of {SELECTED}:"));
        for line in format!("{:#}", selected.claims).lines() {
            screen.line(&format!("   {line}"));
        }
    }
}

/// 4. The grants are fixed before the first attack.
pub fn frozen(screen: &mut Screen, agents: &BTreeMap<String, Onboarded>) {
    screen.step(4, "Attack");
    let all: Vec<&str> = agents.values().map(|onboarded| onboarded.agent.chain.as_str()).collect();
    let digest = killick_proof::keys::base64url(&killick_proof::keys::sha256(all.join("\n").as_bytes()));
    screen.line(&format!("   grants frozen: {digest}"));
}

/// 4. What the attacks came to, by kind.
pub fn attacks(screen: &mut Screen, results: &[CaseResult]) {
    screen.line("   kind                cases  without killick  with killick");
    for kind in Kind::ALL {
        let of_kind = || results.iter().filter(|result| result.kind == kind);
        let without = of_kind().filter(|result| result.control.effect_recorded).count();
        let with = of_kind().filter(|result| result.effect_recorded).count();
        screen.line(&format!("   {:<18} {:>6} {without:>16} {with:>13}", kind.name(), of_kind().count()));
    }
    screen.line("   (successes, counted from the shop's own receipt books)");
}

/// 5. The measures.
pub fn measured(screen: &mut Screen, report: &Report) {
    screen.step(5, "Measure");
    screen.line(&format!("   ASR without killick  {}", share(report.baseline)));
    screen.line(&format!("   ASR with killick     {}", share(report.asr)));
    screen.line(&format!("   CR                   {}", share(report.cr)));
    let dis = &report.dis;
    screen.line(&format!("   DIS                  {:.3}, at least {:.3}", dis.value, dis.low));
    screen.line(&format!("     ICF                {}", share(dis.icf)));
    screen.line(&format!("     RLS                {:.3}, at least {:.3}", dis.rls.value, dis.rls.low));
    screen.line(&format!("     ALC                {}", share(dis.alc)));
    screen.line(&format!("   benign calls denied  {}", share(report.false_positives)));
    let rls = &dis.rls;
    screen.line(&format!(
        "   revocation           p50 {} ms, p99 {} ms over {} revocations",
        millis(rls.p50_us),
        millis(rls.p99_us),
        rls.n
    ));
    let latency = &report.findings.latency;
    for (name, class) in [("reads", &latency.read), ("writes", &latency.write)] {
        screen.line(&format!(
            "   latency added        {name:<7} p50 {} ms, p99 {} ms over {} pairs",
            millis(class.added.p50),
            millis(class.added.p99),
            class.n
        ));
    }
    for target in &report.targets {
        screen.line(&format!(
            "   {} {}: {}",
            if target.met { "ok " } else { "NOT MET" },
            target.name,
            target.found
        ));
    }
}

/// 6. What was tightened.
pub fn iterated(screen: &mut Screen, report: &Report) {
    screen.step(6, "Iterate");
    let Some(iteration) = &report.findings.iteration else {
        screen.line("   nothing left to tighten: every right that was granted was used");
        return;
    };
    let tightened = &iteration.tightened;
    screen.line(&format!("   {}", tightened.why));
    screen.line(&format!("   before  {}", tightened.grant_before));
    screen.line(&format!("   after   {}", tightened.grant_after));
    let unmeasured = "not measured";
    screen.line(&format!(
        "   {} asked for: {} before, {} after",
        tightened.action,
        iteration.probe_before.as_deref().unwrap_or(unmeasured),
        iteration.probe_after.as_deref().unwrap_or(unmeasured)
    ));
    screen.line(&format!(
        "   rights granted and unused: {} before, {} after",
        iteration.unused_before, iteration.unused_after
    ));
}

/// The end: the verdict, the proof, and what to do next.
pub(super) fn closing(screen: &mut Screen, scene: &Scene, report: &Report, written: &Written, keep: bool) {
    let log = scene.folder.log();
    let trust = scene.folder.trust();
    screen.line("");
    screen.line(&format!(
        "The log, offline:  killick log verify {} --trust {}",
        log.display(),
        trust.display()
    ));
    let summary = &report.findings.log;
    screen.line(&format!(
        "  {}: {} entries of {}, root {}",
        if summary.verified { "verified" } else { "NOT VERIFIED" },
        summary.size,
        summary.origin,
        summary.root
    ));
    screen.line(&format!("The report:        {} (and {})", written.html.display(), written.json.display()));
    screen.line(&format!(
        "The console:       {}{}",
        scene.stack.run().console_url,
        if keep { "" } else { " (ends with the pilot; --keep leaves it running)" }
    ));
    screen.line("Your own agent:");
    for next in [
        "killick up",
        "killick catalogue import openapi.json --upstream billing --url http://127.0.0.1:8080",
        "killick agent onboard my-bot --owner you@example.com --model my-model@1",
        "killick token grant my-bot 'read:invoices; execute:none'",
        "killick run --as my-bot -- python3 my_bot.py",
    ] {
        screen.line(&format!("  {next}"));
    }
    screen.line("");
    screen.line(&format!(
        "{} in {:.0} s",
        if report.passes() { "Every target holds" } else { "A target is missed" },
        screen.elapsed().as_secs_f64()
    ));
}

fn share(proportion: Proportion) -> String {
    format!(
        "{:.1} % ({} of {}), 95 % between {:.1} and {:.1} %",
        proportion.value * 100.0,
        proportion.hits,
        proportion.n,
        proportion.low * 100.0,
        proportion.high * 100.0
    )
}

fn millis(micros: u64) -> String {
    format!("{:.2}", micros as f64 / 1000.0)
}
