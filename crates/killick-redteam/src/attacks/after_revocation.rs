//! After revocation: credentials that have not expired are used after something above them was stopped.

use super::stock::Stock;
use super::{Attempt, Sketch};
use crate::call::{Answer, Call, by_agent, until_known};
use crate::case::{Case, Kind, Steps};
use crate::error::RedteamError;
use crate::forge::{leaf_jti, spawn};
use crate::limits::REVOCATION_PROMISE;
use crate::wire::Wire;
use crate::world::{Agent, NewAgent, PilotWorld, Revoke, THROW_AWAY_GRANT, fresh_nonce};

/// What was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described in the table of cases below")]
pub enum Stopped {
    Token,
    ParentsToken,
    Key,
    Agent,
    Subtree,
    SubtreeOfChild,
    Model,
    Owner,
    Suspended,
    Offboarded,
}

/// What was stopped, and over which connection the agent goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AfterRevocation {
    /// What was stopped.
    pub stopped: Stopped,
    /// Whether the call goes over the connection on which the last good one went.
    pub kept_alive: bool,
}

type Row = (Stopped, bool, &'static str, &'static [&'static str]);

const ROWS: &[Row] = &[
    (Stopped::Token, false, "its token is revoked", &["token.revoked"]),
    (Stopped::Token, true, "its token is revoked, same connection", &["token.revoked"]),
    (Stopped::ParentsToken, true, "its parent's token is revoked, same connection", &["token.revoked"]),
    (Stopped::Key, false, "its key is revoked", &["key.revoked"]),
    (Stopped::Key, true, "its key is revoked, same connection", &["key.revoked"]),
    (Stopped::Agent, false, "it is revoked", &["identity.revoked"]),
    (Stopped::Agent, true, "it is revoked, same connection", &["identity.revoked"]),
    (Stopped::Subtree, false, "it and its children are revoked", &["identity.revoked"]),
    (
        Stopped::SubtreeOfChild,
        true,
        "its parent and all its children are revoked, same connection",
        &["identity.revoked"],
    ),
    (Stopped::Model, false, "its model is revoked", &["identity.revoked", "identity.model"]),
    (Stopped::Model, true, "its model is revoked, same connection", &["identity.revoked", "identity.model"]),
    (Stopped::Owner, false, "its owner is revoked", &["identity.revoked", "identity.owner"]),
    (Stopped::Suspended, true, "it is suspended, same connection", &["identity.suspended"]),
    (Stopped::Offboarded, false, "it is off-boarded", &["identity.revoked", "token.revoked"]),
    (Stopped::Offboarded, true, "it is off-boarded, same connection", &["identity.revoked", "token.revoked"]),
];

pub(super) fn cases(stock: &mut Stock) -> Vec<Case> {
    ROWS.iter()
        .enumerate()
        .map(|(number, (stopped, kept_alive, technique, expected))| {
            let target = stock.order();
            let sketch = Sketch {
                kind: Kind::AfterRevocation,
                number: number + 1,
                technique,
                agent: "throw-away",
                expected,
            };
            let call = target.call.clone();
            let what = AfterRevocation { stopped: *stopped, kept_alive: *kept_alive };
            sketch.case(
                &format!("an agent goes on after {technique}"),
                target,
                Steps::AfterRevocation(what, call),
            )
        })
        .collect()
}

pub(super) async fn attack(
    world: &PilotWorld,
    what: AfterRevocation,
    call: &Call,
) -> Result<Attempt, RedteamError> {
    let tag: String = fresh_nonce().chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    let tag = tag.to_ascii_lowercase();
    let parent = world
        .operator
        .onboard(NewAgent {
            name: format!("throw-away-{tag}"),
            owner: format!("owner-{tag}@shop.example"),
            model: format!("model-{tag}"),
            model_version: "1".to_owned(),
            grant: THROW_AWAY_GRANT.to_owned(),
            max_depth: 1,
        })
        .await?;
    let caller: Agent = match what.stopped {
        Stopped::ParentsToken | Stopped::SubtreeOfChild => spawn(&parent, "helper", |_| Ok(()))?,
        _ => parent.clone(),
    };

    // Its credentials are good: a call passes.
    let mut wire = Wire::connect(&world.gateway).await?;
    until_known(world, &caller, &mut wire).await?;
    let revoke = match what.stopped {
        Stopped::Token | Stopped::ParentsToken => Revoke::Token(leaf_jti(&parent.chain)?),
        Stopped::Key => Revoke::Key(parent.key.id().as_str().to_owned()),
        Stopped::Agent => Revoke::Agent(parent.id.clone()),
        Stopped::Subtree | Stopped::SubtreeOfChild => Revoke::Subtree(parent.id.clone()),
        Stopped::Model => Revoke::Model(format!("model-{tag}")),
        Stopped::Owner => Revoke::Owner(format!("owner-{tag}@shop.example")),
        Stopped::Suspended => Revoke::Suspend(parent.name.clone()),
        Stopped::Offboarded => Revoke::Offboard(parent.name.clone()),
    };
    world.operator.revoke(revoke).await?;
    // The promise is 250 ms; how much sooner it holds is measured apart.
    tokio::time::sleep(REVOCATION_PROMISE).await;
    if !what.kept_alive {
        wire = Wire::connect(&world.gateway).await?;
    }
    let answer = match wire.send(&by_agent(world, call, &caller)).await {
        Ok(reply) => Answer::read(&reply),
        Err(error) => Answer::none(&error),
    };
    Ok(Attempt::of(answer))
}
