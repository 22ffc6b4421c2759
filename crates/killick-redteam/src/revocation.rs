//! How soon a revocation holds, end to end: from the moment at which the authority accepted it to the arrival of the
//! first denial at the agent. One machine, one clock.
//!
//! An agent asks back to back over one kept-alive connection, each request freshly signed, while its token is revoked
//! over the admin API. The latency so measured includes the request that was under way and the denial's own way back:
//! it is an upper bound.

use serde::Serialize;
use tokio::sync::oneshot;

use crate::call::{Answer, Call, Verdict, signed, until_known};
use crate::error::RedteamError;
use crate::forge::leaf_jti;
use crate::limits::{NEVER_EFFECTIVE_MAX, REVOCATION_TIME_MAX};
use crate::wire::Wire;
use crate::world::{Agent, NewAgent, NewToken, PilotWorld, Revoke, THROW_AWAY_GRANT, fresh_nonce, now};

/// One revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// When the authority accepted it, microseconds since the epoch.
    pub accepted_at_us: u64,
    /// When the first denial had arrived; `None` if none came within the bound.
    pub denied_at_us: Option<u64>,
    /// Requests sent after the acceptance and permitted all the same.
    pub permitted_after: u32,
    /// The latency; the bound where no denial came.
    pub latency_us: u64,
}

/// Revokes `n` tokens of one throw-away agent, each while it is in use. Stops early once
/// [`NEVER_EFFECTIVE_MAX`] of them never held.
pub async fn measure(
    world: &PilotWorld,
    n: usize,
    progress: &mut (dyn FnMut(usize) + Send),
) -> Result<Vec<Sample>, RedteamError> {
    let tag: String = fresh_nonce().chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    let name = format!("revoked-{}", tag.to_ascii_lowercase());
    let agent = world
        .operator
        .onboard(NewAgent {
            name: name.clone(),
            owner: "red.team@shop.example".to_owned(),
            model: "throw-away".to_owned(),
            model_version: "1".to_owned(),
            grant: THROW_AWAY_GRANT.to_owned(),
            max_depth: 0,
        })
        .await?;
    let mut samples = Vec::with_capacity(n);
    let mut wire = Wire::connect(&world.gateway).await?;
    until_known(world, &agent, &mut wire).await?;
    for number in 0..n {
        let token = NewToken {
            agent: name.clone(),
            grant: THROW_AWAY_GRANT.to_owned(),
            max_depth: 0,
            lifetime_secs: None,
        };
        let chain = world.operator.grant(token).await?;
        let in_use = Agent { chain, ..agent.clone() };
        samples.push(one(world, &in_use, &mut wire).await?);
        progress(number + 1);
        // Where revocations do not hold at all, waiting for each of the rest would only take time: the few that there
        // are say it, and their number keeps anything from being claimed.
        if samples.iter().filter(|sample| sample.denied_at_us.is_none()).count() >= NEVER_EFFECTIVE_MAX {
            break;
        }
    }
    Ok(samples)
}

/// What the polling agent saw: each answer with when its request was sent and when it had arrived.
struct Seen {
    sent_at_us: u64,
    arrived_at_us: u64,
    permitted: bool,
}

async fn one(world: &PilotWorld, agent: &Agent, wire: &mut Wire) -> Result<Sample, RedteamError> {
    let (running, is_running) = oneshot::channel();
    let polling = poll(world, agent, wire, running);
    let revoking = async {
        is_running.await.map_err(|_| RedteamError::Reply("the agent got no permit to revoke".to_owned()))?;
        world.operator.revoke(Revoke::Token(leaf_jti(&agent.chain)?)).await
    };
    let (seen, accepted) = tokio::join!(polling, revoking);
    // The revocation's error comes first: without it the poll cannot have ended well.
    let accepted = match accepted {
        Ok(accepted) => accepted,
        Err(error) => return Err(seen.err().unwrap_or(error)),
    };
    let seen = seen?;
    let denied_at_us = seen.last().filter(|last| !last.permitted).map(|last| last.arrived_at_us);
    let late = seen.iter().filter(|one| one.permitted && one.sent_at_us > accepted.at_us).count();
    let bound = u64::try_from(REVOCATION_TIME_MAX.as_micros()).unwrap_or(u64::MAX);
    Ok(Sample {
        accepted_at_us: accepted.at_us,
        denied_at_us,
        permitted_after: u32::try_from(late).unwrap_or(u32::MAX),
        latency_us: denied_at_us.map_or(bound, |denied| denied.saturating_sub(accepted.at_us)),
    })
}

/// Asks until denied for the revocation, or until the bound has passed. Says `running` after the first permit.
async fn poll(
    world: &PilotWorld,
    agent: &Agent,
    wire: &mut Wire,
    running: oneshot::Sender<()>,
) -> Result<Vec<Seen>, RedteamError> {
    let mut running = Some(running);
    let mut seen = Vec::new();
    let start = std::time::Instant::now();
    while start.elapsed() < REVOCATION_TIME_MAX {
        let request = signed(world, &Call::get("/orders/O-5001"), &agent.chain, &agent.key);
        let sent_at_us = now().micros();
        let answer = Answer::read(&wire.send(&request).await?);
        let arrived_at_us = now().micros();
        match answer.verdict {
            Verdict::Permit(_) => {
                seen.push(Seen { sent_at_us, arrived_at_us, permitted: true });
                if let Some(running) = running.take() {
                    // The other side is gone only if this measurement is being given up.
                    let _ = running.send(());
                }
            }
            Verdict::Deny(code) if code == "token.revoked" && running.is_none() => {
                seen.push(Seen { sent_at_us, arrived_at_us, permitted: false });
                return Ok(seen);
            }
            other => {
                return Err(RedteamError::Reply(format!("while its token was good: `{}`", other.to_text())));
            }
        }
    }
    Ok(seen)
}
