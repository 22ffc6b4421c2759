//! What killick adds: the same request straight to a service and through the gateway, taking turns.
//!
//! The direct side is the same service program with the usual guard; both connections are kept open. Requests are
//! signed before the clock starts: signing is the agent's own time. Each pair gives one difference, and the percentiles
//! are of the differences. A write through the gateway waits for one durable commit before it is forwarded.

use std::time::Instant;

use serde::Serialize;

use crate::attacks::stock::Stock;
use crate::call::{Answer, Call, Verdict, by_agent, by_api_key};
use crate::error::RedteamError;
use crate::kpi::percentile;
use crate::wire::{Request, Wire};
use crate::world::PilotWorld;

/// Pairs that are not counted: connections, caches and page tables warm up.
const WARM_UP: usize = 10;

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50: u64,
    /// 99 %.
    pub p99: u64,
}

impl Percentiles {
    fn of(samples: &[u64]) -> Self {
        Self { p50: percentile(samples, 0.5), p99: percentile(samples, 0.99) }
    }
}

/// One class of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Added {
    /// Gateway minus direct, pair by pair; 0 where the gateway was quicker.
    pub added: Percentiles,
    /// Straight to the service.
    pub direct: Percentiles,
    /// Through the gateway.
    pub gateway: Percentiles,
    /// Pairs.
    pub n: usize,
}

/// The latency added to reads and to writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Of all pairs.
    pub added: Percentiles,
    /// Pairs.
    pub n: usize,
    /// Reads: `GET /orders/O-5001`.
    pub read: Added,
    /// Writes: `POST /orders`.
    pub write: Added,
}

/// Measures `pairs` reads and `pairs` writes. Errs if a request is not permitted: a refused request is quick.
pub async fn measure(world: &PilotWorld, pairs: usize) -> Result<Latency, RedteamError> {
    let mut stock = Stock::new(world.seed ^ 0x006c_6174_656e_6379);
    let (read, mut all) = class(world, pairs, || Call::get("/orders/O-5001")).await?;
    let (write, more) = class(world, pairs, || stock.order().call).await?;
    all.extend(more);
    Ok(Latency { added: Percentiles::of(&all), n: all.len(), read, write })
}

async fn class(
    world: &PilotWorld,
    pairs: usize,
    mut call: impl FnMut() -> Call,
) -> Result<(Added, Vec<u64>), RedteamError> {
    let agent = world.agent("order-bot")?;
    let mut to_service = Wire::connect(world.baseline.url("orders")?).await?;
    let mut to_gateway = Wire::connect(&world.gateway).await?;
    let (mut direct, mut gateway, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..pairs + WARM_UP {
        let call = call();
        let usual = by_api_key(world, &call, "admin");
        // The order within a pair alternates, so that neither side always finds the caches warm.
        let (straight, through) = if pair % 2 == 0 {
            let straight = timed(&mut to_service, &usual, false).await?;
            (straight, timed(&mut to_gateway, &by_agent(world, &call, agent), true).await?)
        } else {
            let through = timed(&mut to_gateway, &by_agent(world, &call, agent), true).await?;
            (timed(&mut to_service, &usual, false).await?, through)
        };
        if pair >= WARM_UP {
            direct.push(straight);
            gateway.push(through);
            added.push(through.saturating_sub(straight));
        }
    }
    let class = Added {
        added: Percentiles::of(&added),
        direct: Percentiles::of(&direct),
        gateway: Percentiles::of(&gateway),
        n: added.len(),
    };
    Ok((class, added))
}

async fn timed(wire: &mut Wire, request: &Request, is_gateway: bool) -> Result<u64, RedteamError> {
    let bytes = request.to_bytes(wire.host());
    let start = Instant::now();
    let reply = wire.send_bytes(&bytes, false).await?;
    let took = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let verdict = Answer::read(&reply).verdict;
    match verdict {
        Verdict::Permit(200..=299) => Ok(took),
        other => {
            let side = if is_gateway { "through the gateway" } else { "straight to the service" };
            Err(RedteamError::Reply(format!("{side}: `{}`, status {}", other.to_text(), reply.status)))
        }
    }
}
