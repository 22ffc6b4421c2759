//! The life of one request: a straight line of types, each stage entered only with the value of the one before.
//!
//! `RawRequest → ParsedCall → AuthenticatedCall → AuthorisedCall → RecordedCall → Forwarded → Receipt`
//!
//! Doors are ways in and out of [`handle`]; nothing is forwarded but through it.

use std::sync::Arc;
use std::time::Instant;

use killick_decide::entry::Outcome;
use killick_decide::{Decision, authorise};
use killick_ledger::{Ledger, LedgerError, Recorded, Submitted};
use killick_proof::call::{PublicOrigins, RawRequest, parse_call};
use killick_proof::keys::sha256;
use killick_proof::verified::verify_held_call;
use killick_proof::{AuthenticatedCall, Code, ParsedCall, Refusal, UnixTime};

use crate::admission::Admission;
use crate::bundles::{Bundles, Held};
use crate::chains::Chains;
use crate::clock::Forward;
use crate::evidence::{Evidence, Unkept};
use crate::held::HeldChains;
use crate::metrics::{Metrics, Stage};
use crate::pass::Pass;
use crate::respond::{self, Reply};
use crate::strangers::{Stranger, Strangers};
use crate::upstream::{Forwarded, Upstreams};

/// Everything that the line works with; shared by all requests of a gateway.
pub(crate) struct Line {
    pub(crate) public: PublicOrigins,
    pub(crate) bundles: Arc<Bundles>,
    pub(crate) chains: Chains,
    pub(crate) held_chains: HeldChains,
    pub(crate) evidence: Evidence,
    pub(crate) admission: Admission,
    pub(crate) ledger: Ledger,
    pub(crate) upstreams: Upstreams,
    pub(crate) strangers: Strangers,
    pub(crate) clock: Arc<Forward>,
    pub(crate) metrics: Metrics,
}

/// Answers one request, under a span of its own. Every way out is a durable record, a refusal that was recorded or counted, or a failure that
/// released nothing.
#[tracing::instrument(name = "request", skip_all, fields(request_id = raw.request_id, method = raw.method))]
pub(crate) async fn handle(line: &Line, raw: RawRequest) -> Reply {
    let started = Instant::now();
    let stranger = Stranger::of(&raw);
    let reply = match decide(line, raw) {
        Ok((decision, unkept)) => answer(line, decision, unkept).await,
        Err(refusal) => refuse(line, &stranger, &refusal).await,
    };
    line.metrics.spent(Stage::Total, started);
    line.metrics.answered(&reply);
    tracing::info!(
        request_id = stranger.request_id,
        verdict = ?reply.verdict,
        code = reply.code.map_or("none", Code::as_str),
        status = reply.status.as_u16(),
        "answered"
    );
    reply
}

/// Parse, verify, admit, authorise: who is this, is it now, and may it? With the chain that the decision rests on, if
/// it is not kept yet.
fn decide(line: &Line, raw: RawRequest) -> Result<(Decision, Option<Unkept>), Refusal> {
    let now = line.clock.checked_now()?;
    let call = timed(line, Stage::Parse, || parse_call(raw, &line.public).and_then(not_reserved))?;
    let held = line.bundles.current()?;
    #[cfg(feature = "fault-injection")]
    let copy = call.clone();
    let call = timed(line, Stage::Verify, || admit(line, call, &held, now));
    #[cfg(feature = "fault-injection")]
    let call = match call {
        Err(refusal) => {
            return crate::fault::decide_anyway(&copy, refusal, &held.bundle, now)
                .map(|decision| (decision, None));
        }
        call => call,
    };
    let call = call?;
    not_stale(&call, &held, now)?;
    let unkept = line.evidence.unkept(call.chain())?;
    Ok((timed(line, Stage::Decide, || authorise(call, &held.bundle, now)), unkept))
}

/// Verifies the call and uses up its nonce.
fn admit(line: &Line, call: ParsedCall, held: &Held, now: UnixTime) -> Result<AuthenticatedCall, Refusal> {
    let (trust, put) = (&held.bundle.trust, |hash: &[u8; 32]| line.chains.get(hash));
    let call = verify_held_call(call, trust, &|hash| line.held_chains.get(hash), &put, now)?;
    line.held_chains.hold(&call.shared_chain());
    line.admission.admit(call, now)
}

fn timed<T>(line: &Line, stage: Stage, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    line.metrics.spent(stage, started);
    done
}

/// The gateway's own paths are answered by the door and never forwarded, however they are spelt.
fn not_reserved(call: ParsedCall) -> Result<ParsedCall, Refusal> {
    match call.segments() {
        [first, second, ..]
            if first.eq_ignore_ascii_case(".well-known") && second.eq_ignore_ascii_case("killick") =>
        {
            Err(Refusal::new(Code::ToolUnknown, "paths under /.well-known/killick/ are the gateway's own"))
        }
        _ => Ok(call),
    }
}

/// How old the bundle may be depends on the operation's risk, so the operation is looked up; only once the bundle is
/// old enough for it to matter. An operation that is unknown, or does not match, is denied by the decision itself.
fn not_stale(call: &AuthenticatedCall, held: &Held, now: UnixTime) -> Result<(), Refusal> {
    if !held.may_be_stale(now) {
        return Ok(());
    }
    match held.bundle.catalogue.match_call(call.call()) {
        Ok(matched) => held.fresh_for(matched.operation.risk, now),
        Err(_) => Ok(()),
    }
}

/// Submit, record, pass, forward, release, close.
async fn answer(line: &Line, decision: Decision, unkept: Option<Unkept>) -> Reply {
    let request_id = decision.facts().request_id.clone();
    if let Err(error) = keep(line, unkept).await {
        return unrecorded(&error, &request_id);
    }
    let submitted = match line.ledger.submit(decision) {
        Ok(submitted) => submitted,
        Err(error) => return unrecorded(&error, &request_id),
    };
    if let Some(pass) = Pass::read_ahead(&submitted) {
        // A read changes nothing: the upstream works while the record is on its way to the disk. What it answers is
        // released only with the record.
        return match tokio::join!(record(line, submitted), forward(line, pass)) {
            (Ok(record), forwarded) => close(line, forwarded, record),
            (Err(error), _) => unrecorded(&error, &request_id),
        };
    }
    let record = match record(line, submitted).await {
        Ok(record) => record,
        Err(error) => return unrecorded(&error, &request_id),
    };
    match Pass::after(&record) {
        Some(pass) => close(line, forward(line, pass).await, record),
        None => respond::denied(&record),
    }
}

/// Keeps a chain that was not seen before: the entry names it by its hash, so it must outlive this process.
async fn keep(line: &Line, unkept: Option<Unkept>) -> Result<(), LedgerError> {
    let Some(unkept) = unkept else { return Ok(()) };
    let evidence = line.evidence.clone();
    let kept = tokio::task::spawn_blocking(move || evidence.keep(&unkept)).await;
    let stopped = |why: String| LedgerError::Stopped(format!("a token chain could not be kept: {why}"));
    kept.map_err(|error| stopped(error.to_string()))?.map_err(|error| stopped(error.to_string()))
}

async fn record(line: &Line, submitted: Submitted<Decision>) -> Result<Recorded<Decision>, LedgerError> {
    let started = Instant::now();
    let record = submitted.durable().await;
    line.metrics.spent(Stage::Record, started);
    record
}

async fn forward(line: &Line, pass: Pass) -> Forwarded {
    let started = Instant::now();
    let forwarded = line.upstreams.forward(pass).await;
    line.metrics.spent(Stage::Forward, started);
    forwarded
}

/// Submits the outcome, for which the caller does not wait, and releases the reply.
fn close(line: &Line, forwarded: Forwarded, record: Recorded<Decision>) -> Reply {
    let answer = forwarded.answer.as_ref().ok();
    let outcome = Outcome {
        request_id: forwarded.request_id.clone(),
        decision_index: record.index(),
        at: forwarded.at,
        agent: forwarded.agent.clone(),
        status: answer.map(|answer| answer.status.as_u16()),
        response_digest: answer.map(|answer| sha256(&answer.body)),
        forwarded_digest: forwarded.forwarded_digest,
    };
    match line.ledger.submit(outcome) {
        Ok(submitted) => drop(submitted),
        Err(error) => {
            line.metrics.outcome_lost();
            tracing::error!(%error, request_id = forwarded.request_id, "an outcome could not be recorded");
        }
    }
    respond::release(forwarded, record)
}

/// Refuses a caller who proved nothing: with an entry of its own if it is one of the first of its kind.
pub(crate) async fn refuse(line: &Line, stranger: &Stranger, refusal: &Refusal) -> Reply {
    match line.strangers.record(&line.ledger, stranger, refusal, line.clock.now()).await {
        Ok(record) => respond::refused(refusal, &stranger.request_id, record.as_ref()),
        Err(error) => unrecorded(&error, &stranger.request_id),
    }
}

fn unrecorded(error: &LedgerError, request_id: &str) -> Reply {
    tracing::error!(%error, request_id, "nothing can be recorded, so nothing is released");
    respond::unrecorded(error, request_id)
}
