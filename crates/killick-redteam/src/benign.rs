//! The other side: calls that the agents are there for. They must pass, or stopping everything would look perfect.

use serde::Serialize;
use serde_json::json;

use crate::attacks::stock::{Stock, Target};
use crate::call::{Call, Verdict, ask, by_agent};
use crate::case::Forbidden;
use crate::error::RedteamError;
use crate::forge::spawn;
use crate::judge::{Judge, ShopReceipt};
use crate::limits::ONBOARDING_TIME_MAX;
use crate::wire::once;
use crate::world::PilotWorld;

/// What came of a call that an agent was right to make.
#[derive(Clone, Debug, Serialize)]
pub struct BenignResult {
    /// Who made it.
    pub agent: String,
    /// What it was.
    pub operation: String,
    /// What the gateway said.
    pub verdict: String,
    /// Whether the shop recorded the effect.
    pub effect_recorded: bool,
    /// The index in the log.
    pub log_index: Option<u64>,
    /// The shop's receipt.
    #[serde(skip)]
    pub receipt: Option<ShopReceipt>,
}

impl BenignResult {
    /// Whether it was done as it should be.
    pub fn is_done(&self) -> bool {
        self.verdict == "permit" && self.effect_recorded
    }
}

/// Invoices without an order in them.
const PLAIN_INVOICES: [&str; 4] = ["INV-7001", "INV-7002", "INV-7010", "INV-7012"];

/// The benign calls of a run: `rounds` times one of each kind.
fn calls(stock: &mut Stock, rounds: usize) -> Vec<(&'static str, Target)> {
    let read = |service, operation, argument: (&str, &str), path: String| Target {
        call: Call::get(path),
        forbidden: Forbidden::once(service, operation, &[(argument.0, json!(argument.1))]),
    };
    let mut calls = Vec::new();
    for round in 0..rounds {
        let invoice = PLAIN_INVOICES.get(round % PLAIN_INVOICES.len()).copied().unwrap_or("INV-7001");
        let path = format!("/invoices/{invoice}");
        calls.push(("invoice-bot", read("invoices", "read:invoices", ("id", invoice), path.clone())));
        calls.push(("payment-bot", read("invoices", "read:invoices", ("id", invoice), path)));
        calls.push((
            "payment-bot",
            read("payments", "read:payments", ("id", "PAY-3001"), "/payments/PAY-3001".to_owned()),
        ));
        calls.push(("payment-bot", stock.small_payment()));
        calls.push((
            "order-bot",
            read("orders", "read:orders", ("id", "O-5002"), "/orders/O-5002".to_owned()),
        ));
        calls.push((
            "order-bot",
            Target { call: Call::get("/orders"), forbidden: Forbidden::once("orders", "list:orders", &[]) },
        ));
        calls.push(("order-bot", stock.order()));
        calls.push((
            "support-bot",
            read("customers", "read:customers", ("id", "C-1002"), "/customers/C-1002".to_owned()),
        ));
        calls.push(("support-bot", stock.phone()));
    }
    calls
}

/// Makes the benign calls, the last of each round by an honest child of the agent.
pub async fn run_benign(world: &PilotWorld, rounds: usize) -> Result<Vec<BenignResult>, RedteamError> {
    let mut stock = Stock::new(world.seed ^ 0x6265_6e69_676e);
    let mut judge = Judge::new(&world.protected);
    let mut results = Vec::new();
    for (name, target) in calls(&mut stock, rounds) {
        let agent = world.agent(name)?;
        results.push(one(world, &mut judge, agent, target).await?);
    }
    // A child that was given no more than its due is as good as its parent.
    for name in ["order-bot", "payment-bot"] {
        let child = spawn(world.agent(name)?, "helper", |_| Ok(()))?;
        let target = if name == "order-bot" { stock.order() } else { stock.small_payment() };
        results.push(one(world, &mut judge, &child, target).await?);
    }
    Ok(results)
}

async fn one(
    world: &PilotWorld,
    judge: &mut Judge<'_>,
    agent: &crate::world::Agent,
    target: Target,
) -> Result<BenignResult, RedteamError> {
    let service = target.forbidden.service;
    judge.fresh(service).await?;
    let (answer, _) = ask(world, &by_agent(world, &target.call, agent)).await;
    let receipt = judge.fresh(service).await?.into_iter().find(|receipt| target.forbidden.matches(receipt));
    let verdict = match &answer.verdict {
        Verdict::Permit(status) if *status >= 400 => format!("permit, but the shop answered {status}"),
        other => other.to_text(),
    };
    Ok(BenignResult {
        agent: agent.name.clone(),
        operation: target.forbidden.operation,
        verdict,
        effect_recorded: receipt.is_some(),
        log_index: answer.log_index,
        receipt,
    })
}

/// Whether every service of both shops answers, and the gateway knows every agent: said before a run, not found out
/// during it.
pub async fn all_reachable(world: &PilotWorld) -> Result<(), RedteamError> {
    let request = crate::wire::Request {
        method: "GET".to_owned(),
        target: "/healthz".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    for url in world.protected.urls.values().chain(world.baseline.urls.values()) {
        let reply = once(url, &request).await?;
        if reply.status != 200 {
            return Err(RedteamError::Reply(format!("{url}/healthz answers {}", reply.status)));
        }
    }
    // The agent that was onboarded last is known last; an answer other than `chain.identity` says that it is.
    let start = std::time::Instant::now();
    for agent in world.agents.values() {
        loop {
            let (answer, _) = ask(world, &by_agent(world, &Call::get("/orders/O-5001"), agent)).await;
            match answer.verdict {
                Verdict::Deny(code) if code == "chain.identity" && start.elapsed() < ONBOARDING_TIME_MAX => {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                Verdict::Failed(why) => return Err(RedteamError::Reply(format!("the gateway: {why}"))),
                _ => break,
            }
        }
    }
    Ok(())
}
