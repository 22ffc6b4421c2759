//! Replay: a signed request that was good once is sent again, as it was or dressed up as another.

use std::time::Duration;

use super::stock::Stock;
use super::{Attempt, Sketch};
use crate::call::{Answer, Call, Verdict, by_agent};
use crate::case::{Case, Kind, Steps};
use crate::error::RedteamError;
use crate::wire::{Request, Wire, once};
use crate::world::PilotWorld;

/// Copies that a burst sends at once.
const BURST: usize = 5;

/// How it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described in the table of cases below")]
pub enum Replay {
    SameConnection,
    OtherConnection,
    AfterPause,
    HeaderCase,
    HeaderOrder,
    ExtraField,
    PaddedValue,
    Burst,
    Pipelined,
    OtherLabel,
    EmptyQuery,
    DoubledSignature,
    LowerCaseMethod,
    AbsoluteForm,
}

type Row = (Replay, &'static str, &'static [&'static str]);

const ROWS: &[Row] = &[
    (Replay::SameConnection, "the same bytes on the same connection", &["replay.nonce"]),
    (Replay::OtherConnection, "the same bytes on another connection", &["replay.nonce"]),
    (Replay::AfterPause, "the same bytes after a pause", &["replay.nonce"]),
    (Replay::HeaderCase, "field names in capitals", &["replay.nonce"]),
    (Replay::HeaderOrder, "fields in reverse order", &["replay.nonce"]),
    (Replay::ExtraField, "with a field of the attacker's that nobody signed", &["replay.nonce"]),
    (Replay::PaddedValue, "values padded with spaces", &["replay.nonce", "http.ambiguous"]),
    (Replay::Burst, "five copies at once", &["replay.nonce"]),
    (Replay::Pipelined, "two copies in one write", &["replay.nonce", "http.framing", "http.ambiguous"]),
    (
        Replay::OtherLabel,
        "the signature under another label",
        &["replay.nonce", "sig.coverage", "pop.missing", "http.ambiguous"],
    ),
    (
        Replay::EmptyQuery,
        "with an empty query appended",
        &["sig.invalid", "path.noncanonical", "http.ambiguous", "http.target_form"],
    ),
    (
        Replay::DoubledSignature,
        "with the signature twice",
        &["http.ambiguous", "sig.coverage", "replay.nonce"],
    ),
    (
        Replay::LowerCaseMethod,
        "with the method in lower case",
        &["http.ambiguous", "sig.invalid", "tool.unknown"],
    ),
    (
        Replay::AbsoluteForm,
        "with the target in absolute form",
        &["http.target_form", "http.ambiguous", "replay.nonce"],
    ),
];

pub(super) fn cases(stock: &mut Stock) -> Vec<Case> {
    ROWS.iter()
        .enumerate()
        .map(|(number, (replay, technique, expected))| {
            let (agent, mut target) = match number % 3 {
                0 => ("order-bot", stock.order()),
                1 => ("payment-bot", stock.small_payment()),
                _ => ("support-bot", stock.phone()),
            };
            target.forbidden = target.forbidden.twice();
            let sketch = Sketch { kind: Kind::Replay, number: number + 1, technique, agent, expected };
            let call = target.call.clone();
            sketch.case(
                &format!("{agent}'s request again, {technique}"),
                target,
                Steps::Replay(*replay, call),
            )
        })
        .collect()
}

pub(super) async fn attack(
    world: &PilotWorld,
    agent: &str,
    replay: Replay,
    call: &Call,
) -> Result<Attempt, RedteamError> {
    let request = by_agent(world, call, world.agent(agent)?);
    match replay {
        Replay::Burst => return burst(world, &request).await,
        Replay::Pipelined => return pipelined(world, &request).await,
        _ => {}
    }
    let mut wire = Wire::connect(&world.gateway).await?;
    let bytes = request.to_bytes(wire.host());
    first_was_good(&Answer::read(&wire.send_bytes(&bytes, false).await?))?;
    let again = match replay {
        Replay::SameConnection => return Ok(Attempt::of(answer(wire.send_bytes(&bytes, false).await))),
        Replay::AfterPause => {
            tokio::time::sleep(Duration::from_millis(400)).await;
            request
        }
        other => dressed_up(request, other, &world.gateway),
    };
    Ok(Attempt::of(answer(once(&world.gateway, &again).await)))
}

fn answer(reply: Result<crate::wire::Reply, RedteamError>) -> Answer {
    match reply {
        Ok(reply) => Answer::read(&reply),
        Err(error) => Answer::none(&error),
    }
}

/// The same request in other clothes.
fn dressed_up(mut request: Request, replay: Replay, gateway: &str) -> Request {
    match replay {
        Replay::HeaderCase => {
            for (name, _) in &mut request.headers {
                *name = name.to_ascii_uppercase();
            }
        }
        Replay::HeaderOrder => request.headers.reverse(),
        Replay::ExtraField => request.headers.push(("x-trace".to_owned(), "again".to_owned())),
        Replay::PaddedValue => {
            for (_, value) in &mut request.headers {
                *value = format!("  {value}  ");
            }
        }
        Replay::OtherLabel => {
            for name in ["signature-input", "signature"] {
                let value = request.header(name).unwrap_or_default();
                let value = value.split_once('=').map_or(String::new(), |(_, rest)| format!("sig2={rest}"));
                request.set_header(name, value);
            }
        }
        Replay::EmptyQuery => request.target.push('?'),
        Replay::DoubledSignature => {
            let value = request.header("signature").unwrap_or_default().to_owned();
            request.headers.push(("signature".to_owned(), value));
        }
        Replay::LowerCaseMethod => request.method = request.method.to_ascii_lowercase(),
        Replay::AbsoluteForm => request.target = format!("{gateway}{}", request.target),
        Replay::SameConnection
        | Replay::OtherConnection
        | Replay::AfterPause
        | Replay::Burst
        | Replay::Pipelined => {}
    }
    request
}

/// Copies race each other; one of them is the agent's own.
async fn burst(world: &PilotWorld, request: &Request) -> Result<Attempt, RedteamError> {
    let mut wires = Vec::new();
    for _ in 0..BURST {
        wires.push(Wire::connect(&world.gateway).await?);
    }
    let mut tasks = Vec::new();
    for mut wire in wires {
        let request = request.clone();
        tasks.push(tokio::spawn(async move { answer(wire.send(&request).await) }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers
            .push(task.await.map_err(|error| RedteamError::Reply(format!("a copy of the burst: {error}")))?);
    }
    let own = answers.iter().position(|answer| matches!(answer.verdict, Verdict::Permit(200..=299)));
    let own = own.ok_or_else(|| RedteamError::Reply("no copy of the burst was permitted".to_owned()))?;
    answers.remove(own);
    Ok(Attempt { answers })
}

async fn pipelined(world: &PilotWorld, request: &Request) -> Result<Attempt, RedteamError> {
    let mut wire = Wire::connect(&world.gateway).await?;
    let one = request.to_bytes(wire.host());
    let two = [one.clone(), one].concat();
    first_was_good(&Answer::read(&wire.send_bytes(&two, false).await?))?;
    Ok(Attempt::of(answer(wire.read(false).await)))
}

fn first_was_good(answer: &Answer) -> Result<(), RedteamError> {
    match &answer.verdict {
        Verdict::Permit(200..=299) => Ok(()),
        other => {
            Err(RedteamError::Reply(format!("the request that is to be replayed got `{}`", other.to_text())))
        }
    }
}
