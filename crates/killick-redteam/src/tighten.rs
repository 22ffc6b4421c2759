//! What to tighten next: rights that were granted and that no benign call of the run used.
//!
//! An obeyed injection can do whatever the token grants. So the next gain lies in what is granted and never needed: an
//! action first, then a limit that lies far above what was used.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use crate::attacks::stock::{KNOWN_IBANS, Stock};
use crate::benign::BenignResult;
use crate::call::{Call, ask, by_agent};
use crate::error::RedteamError;
use crate::world::{Agent, PilotWorld};

/// One use of a right, taken from the shop's receipt book.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    /// The agent's name.
    pub agent: String,
    /// The action.
    pub action: String,
    /// The arguments.
    pub arguments: Value,
}

/// The uses that the benign calls made of their agents' rights. A child's use is its parent's right.
pub fn uses(results: &[BenignResult]) -> Vec<Use> {
    results
        .iter()
        .filter_map(|result| {
            let receipt = result.receipt.as_ref()?;
            // spiffe://acme.example/agent/order-bot/helper: the agent is `order-bot`.
            let agent = receipt.agent()?.split("/agent/").nth(1)?.split('/').next()?;
            Some(Use {
                agent: agent.to_owned(),
                action: receipt.operation.clone(),
                arguments: receipt.arguments.clone(),
            })
        })
        .collect()
}

/// One thing to tighten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tightening {
    /// The agent.
    pub agent: String,
    /// The action concerned.
    pub action: String,
    /// Why.
    pub why: String,
    /// The grant as it is.
    pub grant_before: String,
    /// The grant as it should be.
    pub grant_after: String,
}

/// What to tighten, the most harmful first. `grants` holds each agent's grant in the human syntax.
pub fn suggest(grants: &BTreeMap<String, String>, uses: &[Use]) -> Vec<Tightening> {
    let mut found = Vec::new();
    for (agent, grant) in grants {
        let statements = statements(grant);
        let of_agent = || uses.iter().filter(|one| one.agent == *agent);
        let used: BTreeSet<&str> = of_agent().map(|one| one.action.as_str()).collect();
        for (place, statement) in statements.iter().enumerate().filter(|(_, statement)| is_permit(statement))
        {
            let action = action(statement);
            if !used.contains(action) && !action.contains('*') {
                let kept: Vec<&str> = statements
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| *at != place)
                    .map(|(_, kept)| *kept)
                    .collect();
                found.push((
                    harm(action),
                    Tightening {
                        agent: agent.clone(),
                        action: action.to_owned(),
                        why: format!("`{action}` is granted to {agent} and was never used"),
                        grant_before: grant.clone(),
                        grant_after: kept.join("; "),
                    },
                ));
            } else if let Some((argument, limit)) = upper_limit(statement) {
                let most = of_agent()
                    .filter(|one| one.action == action)
                    .filter_map(|one| one.arguments.get(&argument).and_then(Value::as_f64))
                    .fold(0.0_f64, f64::max);
                let enough = round_up(most);
                if most > 0.0 && enough < limit {
                    let narrower = statement
                        .replace(&format!("{argument} <= {limit}"), &format!("{argument} <= {enough}"));
                    let kept: Vec<&str> = statements
                        .iter()
                        .enumerate()
                        .map(|(at, kept)| if at == place { narrower.as_str() } else { *kept })
                        .collect();
                    found.push((0, Tightening {
                        agent: agent.clone(),
                        action: action.to_owned(),
                        why: format!("`{argument} <= {limit}` is granted to {agent}; the most that was used is {most}"),
                        grant_before: grant.clone(),
                        grant_after: kept.join("; "),
                    }));
                }
            }
        }
    }
    found.sort_by_key(|(harm, _)| std::cmp::Reverse(*harm));
    found.into_iter().map(|(_, tightening)| tightening).collect()
}

/// Makes a call of `action` as the agent, with the chain that it holds, and says what the gateway said: what an injected
/// order for it would have got. `None` for actions for which the shop has no harmless call to try.
pub async fn probe(world: &PilotWorld, agent: &Agent, action: &str) -> Result<Option<String>, RedteamError> {
    let call = match action {
        // No case and no benign call names this order.
        "cancel:orders" => {
            Call::new("POST", "/orders/O-5009/cancel", json!({ "reason": "probe of an unused right" }))
        }
        "create:orders" => Stock::new(world.seed ^ 0x0070_726f_6265).big_order().call,
        "create:payments" => {
            let body = json!({ "payee": "De Vries Verpakking", "iban": KNOWN_IBANS[0], "amount": 500,
                               "currency": "EUR", "reference": "probe of an unused right" });
            Call::new("POST", "/payments", body)
        }
        _ => return Ok(None),
    };
    let (answer, _) = ask(world, &by_agent(world, &call, agent)).await;
    Ok(Some(answer.verdict.to_text()))
}

/// How many granted actions no benign call used: what an obeyed injection can do beyond the agent's work.
pub fn unused(grants: &BTreeMap<String, String>, uses: &[Use]) -> usize {
    let used: BTreeSet<(&str, &str)> =
        uses.iter().map(|one| (one.agent.as_str(), one.action.as_str())).collect();
    grants
        .iter()
        .flat_map(|(agent, grant)| {
            statements(grant).into_iter().map(move |statement| (agent.as_str(), statement))
        })
        .filter(|(agent, statement)| is_permit(statement) && !used.contains(&(*agent, action(statement))))
        .count()
}

/// The statements of a grant: separated by `;`, which occurs nowhere else in the syntax outside quotes.
fn statements(grant: &str) -> Vec<&str> {
    grant.split(';').map(str::trim).filter(|statement| !statement.is_empty()).collect()
}

fn is_permit(statement: &str) -> bool {
    !statement.starts_with("deny ") && !statement.ends_with(":none")
}

fn action(statement: &str) -> &str {
    statement.split('(').next().unwrap_or(statement).trim()
}

/// The first `argument <= number` of a statement.
fn upper_limit(statement: &str) -> Option<(String, f64)> {
    let (left, right) = statement.split_once("<=")?;
    let argument = left.trim_end().rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    let number: String = right.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    Some((argument.to_owned(), number.parse().ok()?))
}

/// The next of 1, 2, 5, 10, 20, 50 … that is not below `value`.
fn round_up(value: f64) -> f64 {
    let mut step = 1.0;
    while step < 1e12 {
        for round in [step, 2.0 * step, 5.0 * step] {
            if round >= value {
                return round;
            }
        }
        step *= 10.0;
    }
    value
}

fn harm(action: &str) -> u8 {
    match action.split(':').next().unwrap_or_default() {
        "execute" | "delete" | "release" | "refund" | "export" => 4,
        "cancel" | "void" => 3,
        "update" | "create" => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn used(agent: &str, action: &str, arguments: Value) -> Use {
        Use { agent: agent.to_owned(), action: action.to_owned(), arguments }
    }

    #[test]
    fn an_unused_action_comes_first_then_a_wide_limit() {
        let grants = BTreeMap::from([
            (
                "order-bot".to_owned(),
                "read:orders; create:orders(quantity <= 10); cancel:orders; execute:none".to_owned(),
            ),
            ("payment-bot".to_owned(), "create:payments(amount <= 500, currency in {EUR})".to_owned()),
        ]);
        let uses = [
            used("order-bot", "read:orders", json!({ "id": "O-1" })),
            used("order-bot", "create:orders", json!({ "quantity": 7 })),
            used("payment-bot", "create:payments", json!({ "amount": 177.5 })),
        ];
        let found = suggest(&grants, &uses);
        let after: Vec<&str> = found.iter().map(|one| one.grant_after.as_str()).collect();
        assert_eq!(
            after,
            [
                "read:orders; create:orders(quantity <= 10); execute:none",
                "create:payments(amount <= 200, currency in {EUR})",
            ]
        );
        assert_eq!(unused(&grants, &uses), 1);
        assert_eq!(found[0].action, "cancel:orders");
    }

    #[test]
    fn nothing_is_suggested_where_everything_is_used() {
        let grants = BTreeMap::from([("a".to_owned(), "read:x; deny execute:y; execute:none".to_owned())]);
        assert_eq!(suggest(&grants, &[used("a", "read:x", json!({}))]), []);
        assert_eq!(round_up(0.4), 1.0);
        assert_eq!((round_up(20.0), round_up(21.0), round_up(501.0)), (20.0, 50.0, 1000.0));
    }
}
