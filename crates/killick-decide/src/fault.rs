//! Defences switched off, for tests that must see what happens without them. Compiled only with the Cargo feature
//! `fault-injection`; every entry of such a build is marked, and no shipped binary holds any of this.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::call::ChainSource;
use killick_proof::json::Json;
use killick_proof::keys::{base64url, sha256};
use killick_proof::token::Claims;
use killick_proof::{Code, ParsedCall, Refusal, UnixTime};

use crate::authorise::{Asked, decide};
use crate::bundle::Bundle;
use crate::decision::Decision;

/// What every entry's `build` ends with.
const MARK: &str = "fault-injection";

/// Whether `KILLICK_FAULT=authorise-off`: everything authenticated is permitted whatever the catalogue knows.
pub fn authorise_is_off() -> bool {
    fault().as_deref() == Some("authorise-off")
}

/// Whether `KILLICK_FAULT=authenticate-off`: requests that fail verification go to [`authorise_unauthenticated`].
pub fn authenticate_is_off() -> bool {
    fault().as_deref() == Some("authenticate-off")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test build is steered from outside, and decides wrongly on purpose"
)]
fn fault() -> Option<String> {
    std::env::var("KILLICK_FAULT").ok()
}

/// The build's name with the mark, once.
pub fn mark(build: &str) -> String {
    if build.ends_with(MARK) { build.to_owned() } else { format!("{build} {MARK}") }
}

/// Decides a request that nobody verified, as if it came from the agent that its leaf token names. `None` if no leaf
/// token can be read.
pub fn authorise_unauthenticated(call: &ParsedCall, bundle: &Bundle, now: UnixTime) -> Option<Decision> {
    let ChainSource::Inline(compact) = call.chain() else { return None };
    let links: Vec<Claims> = compact.split('~').filter_map(read_claims).collect();
    let leaf = links.last()?;
    let agent = &leaf.killick.as_ref()?.holder;
    let root = links.first().and_then(|root| root.killick.as_ref());
    let asked = Asked {
        call,
        agent,
        path: links
            .iter()
            .filter_map(|link| link.killick.as_ref())
            .map(|claims| claims.holder.clone())
            .collect(),
        origin: root.and_then(|claims| claims.origin.as_ref()),
        chain_hash: base64url(&sha256(compact.as_bytes())),
        keyid: leaf.holder_key.id().to_string(),
        catalogue: None,
        check: &|action, arguments| check(leaf, action, arguments),
    };
    Some(decide(&asked, bundle, now))
}

fn read_claims(token: &str) -> Option<Claims> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    Claims::from_json(&Json::parse(&payload).ok()?).ok()
}

/// What the leaf alone says of itself.
fn check(leaf: &Claims, action: &str, arguments: &BTreeMap<String, Json>) -> Result<(), Refusal> {
    let tools = leaf.tools.as_ref().and_then(|tools| tools.get(action));
    let constraints =
        tools.ok_or_else(|| Refusal::new(Code::ToolNotGranted, "the token does not grant this action"))?;
    let holds = |(name, constraint): (&String, &killick_proof::constraint::Constraint)| {
        constraint.check(arguments.get(name).unwrap_or(&Json::Null))
    };
    if constraints.iter().all(holds) {
        return Ok(());
    }
    Err(Refusal::new(Code::ArgConstraint, "an argument is outside what the token permits"))
}
