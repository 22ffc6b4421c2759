//! Widened token: the agent (or whoever took over its process) has the token and the key, and edits the token.

use serde_json::{Value, json};

use super::stock::{Stock, Target};
use super::{Attempt, Sketch, wait_until_past};
use crate::call::{Call, ask, signed};
use crate::case::{Case, Kind, Steps};
use crate::error::RedteamError;
use crate::forge::{Parts, leaf_claims, links};
use crate::world::{Agent, NewToken, PilotWorld};

/// What is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described in the table of cases below")]
pub enum Widening {
    ToolAdded,
    ConstraintLoosened,
    ConstraintsDropped,
    DenyDropped,
    ExpiryMoved,
    UsedAfterExpiry,
    AlgNone,
    AlgNoneMixedCase,
    AlgHmac,
    SignedByHolder,
    SignedByHolderOwnKid,
    KeyInHeader,
    OtherIssuer,
    HolderRenamed,
    EverythingGranted,
    SecondEntry,
    OtherTyp,
    CriticalExtension,
    ClaimsOfAnother,
}

/// What the row's call is.
#[derive(Clone, Copy)]
enum Aim {
    Ungranted(usize),
    BigPayment,
    BigOrder,
    Order,
    SmallPayment,
}

type Row = (Widening, &'static str, &'static str, Aim, &'static [&'static str]);

const ROWS: &[Row] = &[
    (Widening::ToolAdded, "a tool added", "invoice-bot", Aim::Ungranted(0), &["token.sig"]),
    (Widening::ConstraintLoosened, "a limit raised", "payment-bot", Aim::BigPayment, &["token.sig"]),
    (
        Widening::ConstraintsDropped,
        "every constraint of a tool dropped",
        "order-bot",
        Aim::BigOrder,
        &["token.sig"],
    ),
    (
        Widening::DenyDropped,
        "the explicit deny dropped and the tool added",
        "invoice-bot",
        Aim::Ungranted(0),
        &["token.sig"],
    ),
    (Widening::ExpiryMoved, "the end of an expired token moved", "order-bot", Aim::Order, &["token.sig"]),
    (Widening::UsedAfterExpiry, "an expired token as it is", "order-bot", Aim::Order, &["token.expired"]),
    (
        Widening::AlgNone,
        "alg none and no signature",
        "support-bot",
        Aim::Ungranted(1),
        &["token.alg", "token.encoding"],
    ),
    (
        Widening::AlgNoneMixedCase,
        "alg nOnE with the old signature",
        "support-bot",
        Aim::Ungranted(2),
        &["token.alg"],
    ),
    (
        Widening::AlgHmac,
        "alg HS256 under the issuer's key ID",
        "invoice-bot",
        Aim::Ungranted(3),
        &["token.alg"],
    ),
    (
        Widening::SignedByHolder,
        "signed by the holder under the issuer's key ID",
        "payment-bot",
        Aim::Ungranted(4),
        &["token.sig"],
    ),
    (
        Widening::SignedByHolderOwnKid,
        "signed by the holder under its own key ID",
        "payment-bot",
        Aim::Ungranted(8),
        &["token.kid", "token.issuer"],
    ),
    (
        Widening::KeyInHeader,
        "signed by the holder with its key in the header",
        "order-bot",
        Aim::Ungranted(5),
        &["token.issuer", "token.kid"],
    ),
    (
        Widening::OtherIssuer,
        "another issuer named",
        "order-bot",
        Aim::Ungranted(9),
        &["token.issuer", "token.sig"],
    ),
    (
        Widening::HolderRenamed,
        "the holder renamed to another agent, with its tool",
        "invoice-bot",
        Aim::SmallPayment,
        &["token.sig"],
    ),
    (
        Widening::EverythingGranted,
        "a pattern for every tool added",
        "support-bot",
        Aim::Ungranted(7),
        &["token.sig"],
    ),
    (
        Widening::SecondEntry,
        "a second capability entry added",
        "invoice-bot",
        Aim::Ungranted(6),
        &["token.sig"],
    ),
    (
        Widening::OtherTyp,
        "another typ, signed by the holder",
        "payment-bot",
        Aim::Ungranted(0),
        &["token.typ", "token.sig"],
    ),
    (
        Widening::CriticalExtension,
        "a critical extension that switches checks off",
        "order-bot",
        Aim::Ungranted(3),
        &["token.crit", "token.sig"],
    ),
    (
        Widening::ClaimsOfAnother,
        "the claims of another agent's token",
        "invoice-bot",
        Aim::SmallPayment,
        &["token.sig"],
    ),
];

pub(super) fn cases(stock: &mut Stock) -> Vec<Case> {
    ROWS.iter()
        .enumerate()
        .map(|(number, (widening, technique, agent, aim, expected))| {
            let target: Target = match aim {
                Aim::Ungranted(kind) => stock.ungranted(*kind),
                Aim::BigPayment => stock.big_payment(),
                Aim::BigOrder => stock.big_order(),
                Aim::Order => stock.order(),
                Aim::SmallPayment => stock.small_payment(),
            };
            let sketch = Sketch { kind: Kind::WidenedToken, number: number + 1, technique, agent, expected };
            let call = target.call.clone();
            sketch.case(&format!("{agent}'s token, {technique}"), target, Steps::Widening(*widening, call))
        })
        .collect()
}

pub(super) async fn attack(
    world: &PilotWorld,
    agent: &str,
    widening: Widening,
    call: &Call,
) -> Result<Attempt, RedteamError> {
    let agent = world.agent(agent)?;
    let chain = match widening {
        Widening::ExpiryMoved | Widening::UsedAfterExpiry => expired(world, agent, widening).await?,
        other => edited(world, agent, other, call)?,
    };
    let (answer, _) = ask(world, &signed(world, call, &chain, &agent.key)).await;
    Ok(Attempt::of(answer))
}

/// A token that was good for a second, once that second has passed.
async fn expired(world: &PilotWorld, agent: &Agent, widening: Widening) -> Result<String, RedteamError> {
    let token = NewToken {
        agent: agent.name.clone(),
        grant: "create:orders(quantity <= 10)".to_owned(),
        max_depth: 0,
        lifetime_secs: Some(1),
    };
    let chain = world.operator.grant(token).await?;
    let exp = leaf_claims(&chain)?.exp;
    wait_until_past(exp).await;
    if widening == Widening::UsedAfterExpiry {
        return Ok(chain);
    }
    let mut parts = Parts::of(&chain)?;
    parts.set("exp", json!(exp + 3_600));
    Ok(parts.keep_signature())
}

/// The action that a call of the shop is, as the catalogue names it; enough for what is edited here.
fn action_of(call: &Call) -> &'static str {
    let segments: Vec<&str> = call.path.split('/').skip(1).collect();
    match (call.method.as_str(), segments.as_slice()) {
        ("POST", ["transfers"]) => "execute:payments",
        ("POST", ["payments"]) => "create:payments",
        ("POST", ["payments", _, "refund"]) => "refund:payments",
        ("POST", ["payments", _, "release"]) => "release:payments",
        ("POST", ["orders"]) => "create:orders",
        ("PATCH", ["orders", _]) => "update:orders",
        ("PUT", ["products", ..]) => "update:prices",
        ("PUT", ["invoices", _, "bank-account"]) => "update:bank-accounts",
        ("POST", ["invoices", _, "void"]) => "void:invoices",
        ("POST", ["customer-exports"]) => "export:customers",
        ("PATCH", ["customers", _]) => "update:customers",
        ("DELETE", ["customers", _]) => "delete:customers",
        _ => "read:invoices",
    }
}

fn edited(
    world: &PilotWorld,
    agent: &Agent,
    widening: Widening,
    call: &Call,
) -> Result<String, RedteamError> {
    let mut root = Parts::of(links(&agent.chain).first().copied().unwrap_or_default())?;
    let action = action_of(call).to_owned();
    // Every edit also adds the tool that it is after: the edit under test is what is to let it pass.
    if widening != Widening::ClaimsOfAnother {
        root.tools()?.insert(action.clone(), json!({}));
    }
    let token = match widening {
        Widening::ConstraintLoosened => {
            let loose = json!({ "constraint_type": "range", "max": 1_000_000 });
            let any = json!({ "constraint_type": "wildcard" });
            let arguments =
                json!({ "amount": loose, "currency": any, "iban": any, "payee": any, "reference": any });
            root.tools()?.insert(action, arguments);
            root.keep_signature()
        }
        Widening::DenyDropped => {
            root.private()?.insert("deny".to_owned(), json!([]));
            root.keep_signature()
        }
        Widening::AlgNone => {
            root.set_header("alg", json!("none"));
            root.unsigned()
        }
        Widening::AlgNoneMixedCase => {
            root.set_header("alg", json!("nOnE"));
            root.keep_signature()
        }
        Widening::AlgHmac => {
            root.set_header("alg", json!("HS256"));
            // The issuer's public key is published; its key ID stands in the header.
            let secret = root.header.get("kid").and_then(Value::as_str).unwrap_or_default().to_owned();
            root.sign_hmac(secret.as_bytes())
        }
        Widening::SignedByHolder => root.sign(&agent.key),
        Widening::SignedByHolderOwnKid => {
            root.set_header("kid", json!(agent.key.id().as_str()));
            root.sign(&agent.key)
        }
        Widening::KeyInHeader => {
            root.set_header("kid", json!(agent.key.id().as_str()));
            root.set_header("jwk", agent.key.public().to_jwk());
            root.sign(&agent.key)
        }
        Widening::OtherIssuer => {
            root.set("iss", json!("https://authority.elsewhere.example"));
            root.sign(&agent.key)
        }
        Widening::HolderRenamed => {
            let other = world.agent("payment-bot")?.id.clone();
            for value in root.private()?.values_mut() {
                if value.as_str() == Some(agent.id.as_str()) {
                    *value = json!(other);
                }
            }
            root.keep_signature()
        }
        Widening::EverythingGranted => {
            root.tools()?.insert("*:*".to_owned(), json!({}));
            root.keep_signature()
        }
        Widening::SecondEntry => {
            let entry = json!({ "type": "attenuating_agent_token", "tools": { action: {} } });
            if let Some(details) = root.claims.get_mut("authorization_details").and_then(Value::as_array_mut)
            {
                details.push(entry);
            }
            root.keep_signature()
        }
        Widening::OtherTyp => {
            root.set_header("typ", json!("JWT"));
            root.sign(&agent.key)
        }
        Widening::CriticalExtension => {
            root.set_header("crit", json!(["trust"]));
            root.set_header("trust", json!("unconditional"));
            root.sign(&agent.key)
        }
        Widening::ClaimsOfAnother => {
            let other = world.agent("payment-bot")?;
            root.claims = Parts::of(links(&other.chain).first().copied().unwrap_or_default())?.claims;
            root.set("cnf", json!({ "jwk": agent.key.public().to_jwk() }));
            root.keep_signature()
        }
        Widening::ToolAdded
        | Widening::ConstraintsDropped
        | Widening::ExpiryMoved
        | Widening::UsedAfterExpiry => root.keep_signature(),
    };
    Ok(token)
}
