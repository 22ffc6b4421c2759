//! The attacks, kind by kind, and what they have in common.

pub mod after_revocation;
pub mod injection;
pub mod replay;
pub mod stock;
pub mod sub_agent;
pub mod tampered_body;
pub mod token_theft;
pub mod widened_token;

use crate::call::{Answer, Verdict, at_baseline};
use crate::case::{Case, Kind, Steps};
use crate::draws::Draws;
use crate::error::RedteamError;
use crate::wire::Request;
use crate::world::{PilotWorld, now};
use stock::{Stock, Target};

/// Every case that this seed draws, in the order in which they run. Those that revoke come last.
pub fn all(seed: u64) -> Vec<Case> {
    let mut stock = Stock::new(seed);
    let mut cases = Vec::new();
    cases.extend(injection::cases(&mut stock));
    cases.extend(token_theft::cases(&mut stock));
    cases.extend(replay::cases(&mut stock));
    cases.extend(widened_token::cases(&mut stock));
    cases.extend(tampered_body::cases(&mut stock));
    cases.extend(sub_agent::cases(&mut stock));
    cases.extend(after_revocation::cases(&mut stock));
    // The endpoints and values are drawn above, the order here: no case may lean on the one before it.
    let (mut stay, revoke): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|case| case.kind != Kind::AfterRevocation);
    Draws::new(seed ^ 0x6f72_6465_7273).shuffle(&mut stay);
    stay.extend(revoke);
    stay
}

/// What came of an attack: the answers to every request of it that had no right to succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The answers, in order.
    pub answers: Vec<Answer>,
}

impl Attempt {
    fn of(answer: Answer) -> Self {
        Self { answers: vec![answer] }
    }

    /// The answer that counts: a permit if there is one, else a failure if there is one, else the last.
    pub fn decisive(&self) -> Option<&Answer> {
        let is = |wanted: fn(&Verdict) -> bool| self.answers.iter().find(|answer| wanted(&answer.verdict));
        is(|verdict| matches!(verdict, Verdict::Permit(_)))
            .or_else(|| is(|verdict| matches!(verdict, Verdict::Failed(_))))
            .or_else(|| self.answers.last())
    }
}

/// The positive control: the same attack on the shop that is guarded the usual way.
pub async fn control(world: &PilotWorld, case: &Case) -> Result<(), RedteamError> {
    match &case.steps {
        Steps::Injection { invoice } => injection::control(world, invoice).await,
        Steps::Replay(_, call) => {
            at_baseline(world, call).await?;
            at_baseline(world, call).await.map(drop)
        }
        Steps::Tampering(tampering, call) => tampered_body::control(world, tampering, call).await,
        // A thief has the one key; a child is given it; a role is what the caller says it is; and one agent cannot be
        // shut out without changing the key for all. Each time the call is simply made.
        Steps::Theft(_, call)
        | Steps::Widening(_, call)
        | Steps::SubAgent(_, call)
        | Steps::AfterRevocation(_, call) => at_baseline(world, call).await.map(drop),
    }
}

/// The attack through killick.
pub async fn attack(world: &PilotWorld, case: &Case) -> Result<Attempt, RedteamError> {
    match &case.steps {
        Steps::Injection { invoice } => injection::attack(world, case.agent, invoice).await,
        Steps::Theft(theft, call) => token_theft::attack(world, case.agent, *theft, call).await,
        Steps::Replay(replay, call) => replay::attack(world, case.agent, *replay, call).await,
        Steps::Widening(widening, call) => widened_token::attack(world, case.agent, *widening, call).await,
        Steps::Tampering(tampering, call) => tampered_body::attack(world, case.agent, tampering, call).await,
        Steps::SubAgent(wish, call) => sub_agent::attack(world, case.agent, *wish, call).await,
        Steps::AfterRevocation(what, call) => after_revocation::attack(world, *what, call).await,
    }
}

/// A case from what its kind's file says of it.
struct Sketch {
    kind: Kind,
    number: usize,
    technique: &'static str,
    agent: &'static str,
    expected: &'static [&'static str],
}

impl Sketch {
    fn case(self, what: &str, target: Target, steps: Steps) -> Case {
        let Sketch { kind, number, technique, agent, expected } = self;
        let forbidden = target.forbidden;
        let title = format!("{what}: {}", forbidden.operation);
        Case {
            id: format!("{}-{number:02}", kind.prefix()),
            kind,
            technique,
            title,
            agent,
            expected,
            forbidden,
            steps,
        }
    }
}

/// A request without any killick field, as a thief starts it.
fn bare(call: &crate::call::Call) -> Request {
    let body = call.body_bytes();
    let mut headers = Vec::new();
    if !body.is_empty() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    headers.push(("content-digest".to_owned(), killick_proof::http_signature::content_digest(&body)));
    Request { method: call.method.clone(), target: call.path.clone(), headers, body }
}

/// Waits until a token that ends at `exp` (seconds since the epoch) has ended.
async fn wait_until_past(exp: u64) {
    let left = (exp + 1).saturating_mul(1_000_000).saturating_sub(now().micros());
    tokio::time::sleep(std::time::Duration::from_micros(left)).await;
}
