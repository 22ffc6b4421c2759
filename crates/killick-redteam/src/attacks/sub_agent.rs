//! Sub-agent: a child is spawned with a key of its own, and the link that it is given says more than its parent may give.
//! The parent signs whatever it is asked to: it has been taken over, or it is careless.

use killick_proof::SpiffeId;
use killick_proof::constraint::Constraint;
use killick_proof::grammar::ActionPattern;
use killick_proof::json::Json;
use killick_proof::token::{Claims, Model, Origin};

use super::stock::{Stock, Target};
use super::{Attempt, Sketch};
use crate::call::{Call, ask, signed};
use crate::case::{Case, Kind, Steps};
use crate::error::RedteamError;
use crate::forge::{commitment, honest_child, leaf, spawn};
use crate::world::{Agent, PilotWorld, fresh_key};

/// What the child asks for beyond its due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described in the table of cases below")]
pub enum SubAgent {
    ToolAdded,
    OtherToolAdded,
    LimitRaised,
    AccountAdded,
    ConstraintsDropped,
    LongerLife,
    Deeper,
    DepthRaised,
    DepthSkipped,
    DenyShed,
    ForeignName,
    ForeignDomain,
    OtherParent,
    SignedByItself,
    OtherIssuer,
    ParentsToken,
    OtherOrigin,
    LinkAlone,
    BornTooEarly,
}

#[derive(Clone, Copy)]
enum Aim {
    Ungranted(usize),
    BigPayment,
    BigOrder,
    Order,
    SmallPayment,
    Phone,
}

type Row = (SubAgent, &'static str, &'static str, Aim, &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        SubAgent::ToolAdded,
        "a tool added that its parent lacks",
        "order-bot",
        Aim::Ungranted(5),
        &["chain.widened"],
    ),
    (
        SubAgent::OtherToolAdded,
        "a tool added that its parent is denied",
        "support-bot",
        Aim::Ungranted(1),
        &["chain.widened", "chain.explicit_deny"],
    ),
    (SubAgent::LimitRaised, "a limit raised", "payment-bot", Aim::BigPayment, &["chain.widened"]),
    (
        SubAgent::AccountAdded,
        "an account added to those that may be paid",
        "payment-bot",
        Aim::BigPayment,
        &["chain.widened"],
    ),
    (
        SubAgent::ConstraintsDropped,
        "every constraint dropped",
        "order-bot",
        Aim::BigOrder,
        &["chain.widened"],
    ),
    (SubAgent::LongerLife, "a longer life than its parent's", "order-bot", Aim::Order, &["chain.lifetime"]),
    (
        SubAgent::Deeper,
        "a great-grandchild, deeper than permitted",
        "order-bot",
        Aim::Order,
        &["chain.depth"],
    ),
    (
        SubAgent::DepthRaised,
        "a greater depth permitted than its parent's",
        "payment-bot",
        Aim::SmallPayment,
        &["chain.depth"],
    ),
    (
        SubAgent::DepthSkipped,
        "a depth that skips one",
        "support-bot",
        Aim::Phone,
        &["chain.depth", "chain.order"],
    ),
    (
        SubAgent::DenyShed,
        "the explicit deny shed and the tool added",
        "payment-bot",
        Aim::Ungranted(0),
        &["chain.widened", "chain.explicit_deny"],
    ),
    (SubAgent::ForeignName, "the name of another agent", "order-bot", Aim::Order, &["chain.identity"]),
    (
        SubAgent::ForeignDomain,
        "a name in another trust domain",
        "order-bot",
        Aim::Order,
        &["chain.domain", "chain.identity"],
    ),
    (
        SubAgent::OtherParent,
        "a commitment to another parent",
        "payment-bot",
        Aim::SmallPayment,
        &["chain.linkage"],
    ),
    (
        SubAgent::SignedByItself,
        "a link that it signed itself",
        "support-bot",
        Aim::Phone,
        &["chain.signature"],
    ),
    (
        SubAgent::OtherIssuer,
        "a link in another agent's name",
        "order-bot",
        Aim::Order,
        &["chain.issuer", "chain.signature"],
    ),
    (
        SubAgent::ParentsToken,
        "its parent's token with its own key",
        "payment-bot",
        Aim::SmallPayment,
        &["pop.mismatch"],
    ),
    (
        SubAgent::OtherOrigin,
        "another model of origin",
        "order-bot",
        Aim::Order,
        &["chain.origin", "token.claims"],
    ),
    (
        SubAgent::LinkAlone,
        "its link without what stands above it",
        "payment-bot",
        Aim::SmallPayment,
        &["chain.broken", "chain.order", "token.issuer", "token.kid", "token.claims", "token.sig"],
    ),
    (
        SubAgent::BornTooEarly,
        "a link that is older than its parent",
        "support-bot",
        Aim::Phone,
        &["chain.lifetime"],
    ),
];

pub(super) fn cases(stock: &mut Stock) -> Vec<Case> {
    ROWS.iter()
        .enumerate()
        .map(|(number, (wish, technique, agent, aim, expected))| {
            let target: Target = match aim {
                Aim::Ungranted(kind) => stock.ungranted(*kind),
                Aim::BigPayment => stock.big_payment(),
                Aim::BigOrder => stock.big_order(),
                Aim::Order => stock.order(),
                Aim::SmallPayment => stock.small_payment(),
                Aim::Phone => stock.phone(),
            };
            let sketch = Sketch { kind: Kind::SubAgent, number: number + 1, technique, agent, expected };
            let call = target.call.clone();
            sketch.case(&format!("a child of {agent} with {technique}"), target, Steps::SubAgent(*wish, call))
        })
        .collect()
}

pub(super) async fn attack(
    world: &PilotWorld,
    agent: &str,
    wish: SubAgent,
    call: &Call,
) -> Result<Attempt, RedteamError> {
    let child = child(world, world.agent(agent)?, wish, call)?;
    let (answer, _) = ask(world, &signed(world, call, &child.chain, &child.key)).await;
    Ok(Attempt::of(answer))
}

fn child(world: &PilotWorld, parent: &Agent, wish: SubAgent, call: &Call) -> Result<Agent, RedteamError> {
    match wish {
        SubAgent::Deeper => {
            // The roster permits two links below the root.
            let child = spawn(parent, "helper", |_| Ok(()))?;
            let grandchild = spawn(&child, "helper", |_| Ok(()))?;
            spawn(&grandchild, "helper", |_| Ok(()))
        }
        SubAgent::ParentsToken => {
            let child = spawn(parent, "helper", |_| Ok(()))?;
            Ok(Agent { chain: parent.chain.clone(), ..child })
        }
        SubAgent::LinkAlone => {
            let child = spawn(parent, "helper", |_| Ok(()))?;
            Ok(Agent { chain: leaf(&child.chain).to_owned(), ..child })
        }
        SubAgent::SignedByItself => {
            let key = fresh_key()?;
            let link = honest_child(parent, &key, "helper")?.sign(&key);
            let child = spawn(parent, "helper", |_| Ok(()))?;
            Ok(Agent { key: std::sync::Arc::new(key), chain: format!("{}~{link}", parent.chain), ..child })
        }
        other => spawn(parent, "helper", |claims| edit(world, claims, other, call)),
    }
}

fn edit(world: &PilotWorld, claims: &mut Claims, wish: SubAgent, call: &Call) -> Result<(), RedteamError> {
    match wish {
        SubAgent::ToolAdded => grant_anything(claims, "update:prices"),
        SubAgent::OtherToolAdded => grant_anything(claims, "delete:customers"),
        SubAgent::DenyShed => grant_anything(claims, "execute:payments"),
        SubAgent::LimitRaised => {
            constrain(claims, "create:payments", "amount", Constraint::Wildcard);
            constrain(claims, "create:payments", "iban", Constraint::Wildcard);
        }
        SubAgent::AccountAdded => {
            let iban = call.body.get("iban").and_then(serde_json::Value::as_str).unwrap_or_default();
            constrain(claims, "create:payments", "iban", Constraint::OneOf(vec![Json::from(iban)]));
            constrain(claims, "create:payments", "amount", Constraint::Wildcard);
        }
        SubAgent::ConstraintsDropped => grant_anything(claims, "create:orders"),
        SubAgent::LongerLife => claims.exp += 7_200,
        SubAgent::BornTooEarly => claims.iat = claims.iat.saturating_sub(86_400),
        SubAgent::DepthRaised => claims.del_max_depth += 5,
        SubAgent::DepthSkipped => claims.del_depth += 1,
        SubAgent::OtherParent => {
            claims.par_hash = Some(commitment(leaf(&world.agent("invoice-bot")?.chain))?);
        }
        SubAgent::OtherIssuer => claims.iss = world.agent("invoice-bot")?.key.id().thumbprint_uri(),
        SubAgent::ForeignName => rename(claims, &world.agent("invoice-bot")?.id)?,
        SubAgent::ForeignDomain => rename(claims, "spiffe://elsewhere.example/agent/order-bot/helper")?,
        SubAgent::OtherOrigin => {
            if let Some(private) = &mut claims.killick {
                private.origin = Some(Origin {
                    model: Model { name: "trusted-model".to_owned(), version: "1".to_owned(), digest: None },
                    owner: "somebody.else@shop.example".to_owned(),
                    principal: None,
                    intent: None,
                    task: None,
                });
                // A deny that means nothing: the link must not pass for a root.
                private.deny = ActionPattern::parse("cancel:nothing").into_iter().collect();
            }
        }
        SubAgent::Deeper | SubAgent::ParentsToken | SubAgent::LinkAlone | SubAgent::SignedByItself => {}
    }
    Ok(())
}

fn grant_anything(claims: &mut Claims, action: &str) {
    // An empty map permits any arguments (AAT draft, section 3.3).
    claims.tools.get_or_insert_default().insert(action.to_owned(), Default::default());
}

fn constrain(claims: &mut Claims, action: &str, argument: &str, constraint: Constraint) {
    let tools = claims.tools.get_or_insert_default();
    tools.entry(action.to_owned()).or_default().insert(argument.to_owned(), constraint);
}

fn rename(claims: &mut Claims, id: &str) -> Result<(), RedteamError> {
    if let Some(private) = &mut claims.killick {
        private.holder = SpiffeId::parse(id)?;
    }
    Ok(())
}
