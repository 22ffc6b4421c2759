//! Token theft: somebody has an agent's token, or a request of it, but not its key.

use killick_proof::keys::{SigningKey, base64url, sha256};
use killick_proof::sign::{OutgoingRequest, sign_request};
use killick_proof::time::UnixTime;
use serde_json::json;

use super::stock::Stock;
use super::{Attempt, Sketch, bare};
use crate::call::{Call, ask, by_agent, signed};
use crate::case::{Case, Kind, Steps};
use crate::error::RedteamError;
use crate::forge::{Parts, leaf, links};
use crate::wire::Request;
use crate::world::{Agent, PilotWorld, fresh_key, fresh_nonce, now};

/// How the thief uses what was stolen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described in the table of cases below")]
pub enum Theft {
    Bearer,
    NoProof,
    OwnKey,
    ClaimedKeyId,
    SwappedKey,
    ReissuedRoot,
    EmbeddedKey,
    CapturedSignature,
    OtherAgent,
    OwnLink,
    OwnLinkInVictimsName,
    GluedChains,
    BlankSignature,
    ByHash,
    OldCapture,
    ForOtherGateway,
}

type Row = (Theft, &'static str, &'static str, &'static [&'static str]);

const ROWS: &[Row] = &[
    (Theft::Bearer, "the token as a bearer token", "invoice-bot", &["pop.missing"]),
    (Theft::NoProof, "the token without a signature", "order-bot", &["pop.missing"]),
    (Theft::OwnKey, "signed with the thief's key", "order-bot", &["pop.mismatch"]),
    (
        Theft::ClaimedKeyId,
        "signed with the thief's key under the agent's key ID",
        "payment-bot",
        &["sig.invalid"],
    ),
    (Theft::SwappedKey, "the thief's key written into the token", "payment-bot", &["token.sig"]),
    (
        Theft::ReissuedRoot,
        "the token signed anew by the thief under the issuer's key ID",
        "support-bot",
        &["token.sig"],
    ),
    (
        Theft::EmbeddedKey,
        "the token signed anew with the key in its own header",
        "order-bot",
        &["token.issuer", "token.kid"],
    ),
    (
        Theft::CapturedSignature,
        "the signature of another request",
        "payment-bot",
        &["sig.invalid", "sig.digest", "sig.coverage"],
    ),
    (Theft::OtherAgent, "another agent signs with its own good key", "payment-bot", &["pop.mismatch"]),
    (
        Theft::OwnLink,
        "a link to the thief, signed by the thief",
        "order-bot",
        &["chain.issuer", "chain.signature"],
    ),
    (
        Theft::OwnLinkInVictimsName,
        "a link to the thief in the agent's name, signed by the thief",
        "support-bot",
        &["chain.signature"],
    ),
    (
        Theft::GluedChains,
        "the stolen token appended to the thief's own",
        "order-bot",
        &[
            "chain.order",
            "chain.linkage",
            "chain.broken",
            "chain.depth",
            "chain.issuer",
            "chain.signature",
            "token.claims",
        ],
    ),
    (Theft::BlankSignature, "a signature of zero bytes' value", "invoice-bot", &["sig.invalid"]),
    (Theft::ByHash, "the token named by its hash", "support-bot", &["pop.mismatch", "chain.unknown"]),
    (
        Theft::OldCapture,
        "a request that was signed ten minutes ago and never sent",
        "order-bot",
        &["sig.time", "pop.time"],
    ),
    (
        Theft::ForOtherGateway,
        "a request that was signed for another gateway",
        "payment-bot",
        &["pop.audience"],
    ),
];

pub(super) fn cases(stock: &mut Stock) -> Vec<Case> {
    ROWS.iter()
        .enumerate()
        .map(|(number, (theft, technique, agent, expected))| {
            // Each victim's own right: what a thief gains by its token.
            let target = match *agent {
                "invoice-bot" => stock.read_invoice(),
                "payment-bot" => stock.small_payment(),
                "support-bot" => stock.phone(),
                _ => stock.order(),
            };
            let sketch = Sketch { kind: Kind::TokenTheft, number: number + 1, technique, agent, expected };
            let call = target.call.clone();
            sketch.case(
                &format!("{agent}'s {technique}", technique = technique.trim_start_matches("the ")),
                target,
                Steps::Theft(*theft, call),
            )
        })
        .collect()
}

pub(super) async fn attack(
    world: &PilotWorld,
    agent: &str,
    theft: Theft,
    call: &Call,
) -> Result<Attempt, RedteamError> {
    let victim = world.agent(agent)?;
    let request = forge(world, victim, theft, call, &fresh_key()?)?;
    let (answer, _) = ask(world, &request).await;
    Ok(Attempt::of(answer))
}

fn forge(
    world: &PilotWorld,
    victim: &Agent,
    theft: Theft,
    call: &Call,
    thief: &SigningKey,
) -> Result<Request, RedteamError> {
    let mut root = Parts::of(links(&victim.chain).first().copied().unwrap_or_default())?;
    let request = match theft {
        Theft::Bearer | Theft::NoProof => {
            let mut request = bare(call);
            let scheme = if theft == Theft::Bearer { "Bearer" } else { "AAT" };
            request.set_header("authorization", format!("{scheme} {}", victim.chain));
            request.set_header("killick-audience", world.audience.clone());
            request
        }
        Theft::OwnKey => signed(world, call, &victim.chain, thief),
        Theft::ClaimedKeyId => {
            let mut request = signed(world, call, &victim.chain, thief);
            let input = request.header("signature-input").unwrap_or_default();
            let claimed = input.replace(thief.id().as_str(), victim.key.id().as_str());
            request.set_header("signature-input", claimed);
            request
        }
        Theft::SwappedKey => {
            root.set("cnf", json!({ "jwk": thief.public().to_jwk() }));
            signed(world, call, &root.keep_signature(), thief)
        }
        Theft::ReissuedRoot => {
            root.set("cnf", json!({ "jwk": thief.public().to_jwk() }));
            signed(world, call, &root.sign(thief), thief)
        }
        Theft::EmbeddedKey => {
            root.set("cnf", json!({ "jwk": thief.public().to_jwk() }));
            root.set_header("jwk", thief.public().to_jwk());
            root.set_header("kid", json!(thief.id().as_str()));
            signed(world, call, &root.sign(thief), thief)
        }
        Theft::CapturedSignature => {
            let captured = by_agent(world, &Call::get("/payments/PAY-3001"), victim);
            let mut request = bare(call);
            for (name, value) in captured.headers {
                if !name.eq_ignore_ascii_case("content-digest") {
                    request.set_header(&name, value);
                }
            }
            request
        }
        Theft::OtherAgent => signed(world, call, &victim.chain, &world.agent("invoice-bot")?.key),
        Theft::OwnLink | Theft::OwnLinkInVictimsName => {
            let mut link = crate::forge::honest_child(victim, thief, "helper")?;
            if theft == Theft::OwnLink {
                link.iss = thief.id().thumbprint_uri();
            }
            signed(world, call, &format!("{}~{}", victim.chain, link.sign(thief)), thief)
        }
        Theft::GluedChains => {
            let own = world.agent("invoice-bot")?;
            signed(world, call, &format!("{}~{}", own.chain, leaf(&victim.chain)), &own.key)
        }
        Theft::BlankSignature => {
            let mut request = by_agent(world, call, victim);
            request.set_header("signature", format!("killick=:{}==:", "A".repeat(86)));
            request
        }
        Theft::ByHash => {
            let mut request = signed(world, call, &victim.chain, thief);
            request.set_header(
                "authorization",
                format!("AAT-Hash {}", base64url(&sha256(victim.chain.as_bytes()))),
            );
            request
        }
        Theft::OldCapture => captured(
            world,
            victim,
            call,
            &world.audience,
            UnixTime::from_secs(now().secs().saturating_sub(600)),
        ),
        Theft::ForOtherGateway => {
            let audience = format!("spiffe://{}/gateway/gw-elsewhere", world.trust_domain);
            captured(world, victim, call, &audience, now())
        }
    };
    Ok(request)
}

/// A request that the agent itself signed, for this audience and at this time.
fn captured(world: &PilotWorld, victim: &Agent, call: &Call, audience: &str, at: UnixTime) -> Request {
    let body = call.body_bytes();
    let outgoing = OutgoingRequest {
        method: &call.method,
        target_uri: &format!("{}{}", world.gateway, call.path),
        content_type: if body.is_empty() { None } else { Some("application/json") },
        body: &body,
        chain: &victim.chain,
        audience,
        nonce: &fresh_nonce(),
        lifetime_secs: 30,
    };
    let headers = sign_request(&outgoing, &victim.key, at);
    Request { method: call.method.clone(), target: call.path.clone(), headers, body }
}
