//! Tampered body: the agent signs a request that it may make; what arrives is another.

use killick_proof::http_signature::content_digest;
use serde_json::{Value, json};

use super::stock::{KNOWN_IBANS, Stock, Target};
use super::{Attempt, Sketch};
use crate::call::{Call, ask, by_agent, by_api_key, signed_bytes};
use crate::case::{Case, Forbidden, Kind, Steps};
use crate::error::RedteamError;
use crate::wire::{Request, once};
use crate::world::PilotWorld;

/// What is changed on the way.
#[derive(Clone, Debug, PartialEq)]
pub enum Tampering {
    /// A member of the body gets another value.
    Member {
        /// Its name.
        name: &'static str,
        /// Its new value.
        value: Value,
        /// What happens to the digest of the body.
        digest: Digest,
    },
    /// A member is appended a second time, with another value.
    SecondMember {
        /// Its name.
        name: &'static str,
        /// Its second value.
        value: Value,
        /// Whether the agent itself signed the body that way, to be read differently by two parsers.
        signed: bool,
    },
    /// The request goes to another path, query included.
    Path(String),
    /// The request gets another method.
    Method(&'static str),
}

/// What happens to `content-digest` when the body changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// It stays.
    Kept,
    /// It is computed anew; the signature stays.
    Recomputed,
    /// The new one is put beside the old one, in a second field.
    Added,
    /// It is left out.
    Removed,
    /// It is of another algorithm (and of no value: the field is not what is compared).
    OtherAlgorithm,
}

pub(super) fn cases(stock: &mut Stock) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |technique, agent, expected, (target, tampering): (Target, Tampering)| {
        let number = cases.len() + 1;
        let sketch = Sketch { kind: Kind::TamperedBody, number, technique, agent, expected };
        let call = target.call.clone();
        cases.push(sketch.case(
            &format!("{agent}'s request, {technique}"),
            target,
            Steps::Tampering(tampering, call),
        ));
    };
    // The new values are such that the agent might have asked for them: nothing but the signature stands in the way.
    let amount = |stock: &mut Stock, digest| {
        let value = json!(stock.draws().between(300, 499));
        member(stock.small_payment(), "amount", value, digest)
    };
    let iban = |stock: &mut Stock, digest| {
        let target = stock.small_payment();
        let now = target.call.body.get("iban").and_then(Value::as_str).unwrap_or_default().to_owned();
        let other = KNOWN_IBANS.iter().find(|iban| **iban != now).copied().unwrap_or_default();
        member(target, "iban", json!(other), digest)
    };
    const STALE: &[&str] = &["sig.digest"];
    const RESIGN: &[&str] = &["sig.invalid"];
    const CONFUSED: &[&str] = &["http.ambiguous", "sig.coverage", "sig.invalid", "sig.digest"];

    add("another amount", "payment-bot", STALE, amount(stock, Digest::Kept));
    add("another account", "payment-bot", STALE, iban(stock, Digest::Kept));
    add(
        "another payee",
        "payment-bot",
        STALE,
        member(stock.small_payment(), "payee", json!("P. Mallory"), Digest::Kept),
    );
    let address = json!(format!("Parcel Point {}", stock.draws().between(100, 999)));
    add("another address", "order-bot", STALE, member(stock.order(), "ship_to", address, Digest::Kept));
    let quantity = json!(stock.draws().between(5, 10));
    add("another quantity", "order-bot", STALE, member(stock.order(), "quantity", quantity, Digest::Kept));
    add(
        "another customer",
        "order-bot",
        STALE,
        member(stock.order(), "customer", json!("C-1001"), Digest::Kept),
    );
    add("another amount, digest computed anew", "payment-bot", RESIGN, amount(stock, Digest::Recomputed));
    add("another account, digest computed anew", "payment-bot", RESIGN, iban(stock, Digest::Recomputed));
    let number = json!(format!("+44 20 {}", stock.draws().between(1_000_000, 9_999_999)));
    add(
        "another telephone number, digest computed anew",
        "support-bot",
        RESIGN,
        member(stock.phone(), "phone", number, Digest::Recomputed),
    );
    add("another amount, with a second digest", "payment-bot", CONFUSED, amount(stock, Digest::Added));
    add("another amount, without a digest", "payment-bot", CONFUSED, amount(stock, Digest::Removed));
    add(
        "another account, with a digest of another algorithm",
        "payment-bot",
        CONFUSED,
        iban(stock, Digest::OtherAlgorithm),
    );

    let value = json!(stock.draws().between(300, 499));
    add(
        "the amount a second time",
        "payment-bot",
        &["json.duplicate_key", "sig.digest"],
        second_member(stock.small_payment(), "amount", value, false),
    );
    let value = json!(stock.draws().between(5_000, 9_000));
    add(
        "the amount twice, signed by the agent",
        "payment-bot",
        &["json.duplicate_key"],
        second_member(stock.small_payment(), "amount", value, true),
    );

    add("to another customer", "support-bot", RESIGN, other_customer(stock));
    add("to the path that pays at once", "payment-bot", RESIGN, to_transfers(stock));
    add("with a query added", "order-bot", RESIGN, query_added());
    add("with the method that deletes", "invoice-bot", RESIGN, deleted(stock));
    cases
}

fn member(mut target: Target, name: &'static str, value: Value, digest: Digest) -> (Target, Tampering) {
    target.forbidden.arguments.retain(|(argument, _)| argument != name);
    target.forbidden.arguments.push((name.to_owned(), value.clone()));
    (target, Tampering::Member { name, value, digest })
}

fn second_member(mut target: Target, name: &'static str, value: Value, signed: bool) -> (Target, Tampering) {
    target.forbidden.arguments.push((name.to_owned(), value.clone()));
    (target, Tampering::SecondMember { name, value, signed })
}

fn other_customer(stock: &mut Stock) -> (Target, Tampering) {
    let (mut target, other) = (stock.phone(), "C-1009");
    target.forbidden.arguments.retain(|(argument, _)| argument != "id");
    target.forbidden.arguments.push(("id".to_owned(), json!(other)));
    (target, Tampering::Path(format!("/customers/{other}/phone")))
}

fn to_transfers(stock: &mut Stock) -> (Target, Tampering) {
    let mut target = stock.small_payment();
    target.forbidden.operation = "execute:payments".to_owned();
    (target, Tampering::Path("/transfers".to_owned()))
}

fn query_added() -> (Target, Tampering) {
    let target = Target {
        call: Call::get("/orders"),
        forbidden: Forbidden::once("orders", "list:orders", &[("customer", json!("C-1011"))]),
    };
    (target, Tampering::Path("/orders?customer=C-1011".to_owned()))
}

fn deleted(stock: &mut Stock) -> (Target, Tampering) {
    (stock.delete_invoice(), Tampering::Method("DELETE"))
}

pub(super) async fn control(
    world: &PilotWorld,
    tampering: &Tampering,
    call: &Call,
) -> Result<(), RedteamError> {
    let mut request = by_api_key(world, call, "admin");
    apply(tampering, &mut request);
    once(world.baseline.url(call.service()?)?, &request).await.map(drop)
}

pub(super) async fn attack(
    world: &PilotWorld,
    agent: &str,
    tampering: &Tampering,
    call: &Call,
) -> Result<Attempt, RedteamError> {
    let agent = world.agent(agent)?;
    let request = if let Tampering::SecondMember { name, value, signed: true } = tampering {
        let body = with_second_member(&call.body_bytes(), name, value);
        signed_bytes(world, call, &body, &agent.chain, &agent.key)
    } else {
        let mut request = by_agent(world, call, agent);
        apply(tampering, &mut request);
        request
    };
    let (answer, _) = ask(world, &request).await;
    Ok(Attempt::of(answer))
}

fn apply(tampering: &Tampering, request: &mut Request) {
    match tampering {
        Tampering::Member { name, value, digest } => {
            let mut body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            if let Some(members) = body.as_object_mut() {
                members.insert((*name).to_owned(), value.clone());
            }
            request.body = body.to_string().into_bytes();
            redigest(request, *digest);
        }
        Tampering::SecondMember { name, value, .. } => {
            request.body = with_second_member(&request.body, name, value);
        }
        Tampering::Path(path) => request.target.clone_from(path),
        Tampering::Method(method) => request.method = (*method).to_owned(),
    }
}

fn redigest(request: &mut Request, digest: Digest) {
    if request.header("content-digest").is_none() {
        return;
    }
    let fresh = content_digest(&request.body);
    match digest {
        Digest::Kept => {}
        Digest::Recomputed => request.set_header("content-digest", fresh),
        Digest::Added => request.headers.push(("content-digest".to_owned(), fresh)),
        Digest::Removed => request.remove_header("content-digest"),
        Digest::OtherAlgorithm => request.set_header("content-digest", fresh.replace("sha-256", "sha-512")),
    }
}

/// `{…,"name":value}`: the member a second time, at the end.
fn with_second_member(body: &[u8], name: &str, value: &Value) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let open = text.trim_end().trim_end_matches('}');
    format!("{open},{}:{value}}}", json!(name)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_member_is_the_last() {
        let body = with_second_member(br#"{"a":1,"b":2}"#, "a", &json!(9));
        assert_eq!(body, br#"{"a":1,"b":2,"a":9}"#);
        let lenient: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(lenient["a"], json!(9));
    }
}
