//! Runs the cases, one after another, and writes down what came of each.

use serde::Serialize;

use crate::attacks::{self, Attempt};
use crate::call::{Answer, Verdict};
use crate::case::{Case, Kind};
use crate::error::RedteamError;
use crate::judge::{Judge, ShopReceipt};
use crate::world::PilotWorld;

/// What came of one case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseResult {
    /// `INJ-03`
    pub id: String,
    /// Its kind.
    pub kind: Kind,
    /// Its technique: cases of one technique are one distinct attack.
    pub technique: String,
    /// What was done.
    pub title: String,
    /// Whose rights were abused.
    pub agent: String,
    /// The effect that must not come about.
    pub forbidden: String,
    /// The same attack on the shop that is guarded the usual way.
    pub control: Control,
    /// `permit`, `deny CODE` or `failed: WHY`.
    pub verdict: String,
    /// The codes of which one is a stop by the right control.
    pub expected: Vec<String>,
    /// Whether the verdict is a deny with an expected code.
    pub as_expected: bool,
    /// Whether the shop behind killick recorded the forbidden effect.
    pub effect_recorded: bool,
    /// The index in the log of the decision, from the receipt that came with the answer.
    pub log_index: Option<u64>,
    /// The gateway's id of the request.
    pub request_id: Option<String>,
    /// Malicious requests sent.
    pub attempted: usize,
    /// Those of them that left no trace in the shop.
    pub halted: usize,
    /// Whether the run of this case itself failed: neither a stop nor a success.
    pub failed: bool,
    /// How long it took, control included.
    pub duration_us: u64,
}

/// The positive control of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Control {
    /// Whether the unprotected shop recorded the effect: only then does the case count.
    pub effect_recorded: bool,
    /// Where it stands in that shop's receipt book.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptRef>,
    /// Why the control did not come about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One line of a receipt book, by its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptRef {
    /// Whose book.
    pub service: String,
    /// The line's number.
    pub seq: u64,
}

/// Runs the cases in order. `progress` is told of each result. Errs only if a receipt book cannot be read: without the
/// judge there is no run.
pub async fn run_cases(
    world: &PilotWorld,
    cases: &[Case],
    progress: &mut (dyn FnMut(usize, &CaseResult) + Send),
) -> Result<Vec<CaseResult>, RedteamError> {
    let mut baseline = Judge::new(&world.baseline);
    let mut protected = Judge::new(&world.protected);
    let mut results = Vec::with_capacity(cases.len());
    for (number, case) in cases.iter().enumerate() {
        let result = run_case(world, case, &mut baseline, &mut protected).await?;
        progress(number, &result);
        results.push(result);
    }
    Ok(results)
}

async fn run_case(
    world: &PilotWorld,
    case: &Case,
    baseline: &mut Judge<'_>,
    protected: &mut Judge<'_>,
) -> Result<CaseResult, RedteamError> {
    let start = std::time::Instant::now();
    let service = case.forbidden.service;

    baseline.fresh(service).await?;
    let controlled = attacks::control(world, case).await;
    let receipts = baseline.fresh(service).await?;
    let recorded = case.forbidden.recorded_in(&receipts);
    let last = receipts.iter().rfind(|receipt| recorded && case.forbidden.matches(receipt));
    let control = Control {
        effect_recorded: recorded,
        receipt: last.map(|receipt| ReceiptRef { service: receipt.service.clone(), seq: receipt.seq }),
        error: controlled.err().map(|error| error.to_string()),
    };

    protected.fresh(service).await?;
    let attempt = attacks::attack(world, case).await;
    let receipts = protected.fresh(service).await?;
    let attempt = attempt.unwrap_or_else(|error| Attempt { answers: vec![Answer::none(&error)] });
    Ok(result(case, control, &attempt, &receipts, start.elapsed()))
}

fn result(
    case: &Case,
    control: Control,
    attempt: &Attempt,
    receipts: &[ShopReceipt],
    took: std::time::Duration,
) -> CaseResult {
    let effect_recorded = case.forbidden.recorded_in(receipts);
    let none = Answer::none(&RedteamError::Missing("an answer".to_owned()));
    let decisive = attempt.decisive().unwrap_or(&none);
    let traced = attempt
        .answers
        .iter()
        .filter(|answer| {
            answer.request_id.is_some()
                && receipts.iter().any(|receipt| receipt.request_id() == answer.request_id.as_deref())
        })
        .count();
    // An effect counts against killick even where no answer names it.
    let not_halted = traced.max(usize::from(effect_recorded));
    let attempted = attempt.answers.len().max(1);
    let code = match &decisive.verdict {
        Verdict::Deny(code) => Some(code.as_str()),
        _ => None,
    };
    CaseResult {
        id: case.id.clone(),
        kind: case.kind,
        technique: case.technique.to_owned(),
        title: case.title.clone(),
        agent: case.agent.to_owned(),
        forbidden: case.forbidden.to_string(),
        control,
        verdict: decisive.verdict.to_text(),
        expected: case.expected.iter().map(|code| (*code).to_owned()).collect(),
        as_expected: code.is_some_and(|code| case.expected.contains(&code)),
        effect_recorded,
        log_index: decisive.log_index,
        request_id: decisive.request_id.clone(),
        attempted,
        halted: attempted.saturating_sub(not_halted),
        // A crash, a time-out or a 5xx without an effect is a failed run, not a stop (redteam/PROTOCOL.md, section 2).
        failed: matches!(decisive.verdict, Verdict::Failed(_)) && !effect_recorded,
        duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    }
}
