//! Token chains: one chain, one verdict; what verifies is written back the same, is refused once a byte of it is
//! changed, permits no call that the chain above it does not, and what is attenuated from it verifies.
//!
//! An input that begins with `ey` is a chain as it stands. Any other is text with one payload a line, root first, which
//! the target signs: `$PAR` is the hash of the token above, `$ISS` the signer's thumbprint URI, `$X0` to `$X3` are public
//! keys whose holders the target plays. A line may begin with a header of its own and a tab.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use killick_proof::Verified;
use killick_proof::attenuate::{Attenuation, attenuate};
use killick_proof::bundle::TrustBundle;
use killick_proof::chain::{Anchors, Chain};
use killick_proof::constraint::Constraint;
use killick_proof::fixtures::{self, NOW, World};
use killick_proof::json::Json;
use killick_proof::keys::{PublicKey, SigningKey, base64url};
use killick_proof::limits::TOKEN_LIFETIME_SECS_MAX;
use killick_proof::token::Claims;
use killick_proof::verified::{verify_agent_chain, verify_chain};

/// The keys named `$X0` to `$X3`.
static HOLDERS: LazyLock<[SigningKey; 4]> =
    LazyLock::new(|| ["invoice-bot", "payment-bot", "sub", "other"].map(fixtures::agent_key));
static ANCHOR: LazyLock<SigningKey> = LazyLock::new(|| fixtures::key(1));
static TRUST: LazyLock<TrustBundle> = LazyLock::new(|| World::new().trust());

/// A chain, or the payloads of one.
pub fn run(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let compact = if text.starts_with("ey") { text.trim_end().to_owned() } else { sign_lines(text) };
    let (verdict, again) = (verify(&compact), verify(&compact));
    assert_eq!(code(&verdict), code(&again), "one chain, one verdict");
    let ours = verify_agent_chain(&compact, &TRUST, NOW);
    let Ok(chain) = verdict else {
        assert!(ours.is_err(), "our profile is narrower than the draft");
        return false;
    };
    assert_eq!(chain.compact(), compact);
    for claims in chain.links() {
        assert_eq!(Claims::from_json(&claims.to_json()).as_ref(), Ok(claims), "read and written");
    }
    refuses_a_changed_byte(&compact, data);
    permits_no_more_than_above(&chain);
    attenuates(&chain);
    true
}

fn verify(compact: &str) -> Result<Verified<Chain>, killick_proof::Refusal> {
    let keys = [ANCHOR.public().clone()];
    verify_chain(compact, &Anchors { keys: &keys, lifetime_secs_max: TOKEN_LIFETIME_SECS_MAX }, NOW)
}

fn code<T>(verdict: &Result<T, killick_proof::Refusal>) -> Option<killick_proof::Code> {
    verdict.as_ref().err().map(killick_proof::Refusal::code)
}

/// Signs each line as the holder of the key above it would.
fn sign_lines(text: &str) -> String {
    let mut tokens: Vec<String> = Vec::new();
    let mut signer: &SigningKey = &ANCHOR;
    for line in text.lines().take(6) {
        let (header, payload) = match line.split_once('\t') {
            Some((header, payload)) => (header.to_owned(), payload),
            None => (format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"aat+jwt"}}"#, signer.id()), line),
        };
        let mut payload = payload.replace("$ISS", &signer.id().thumbprint_uri());
        payload = payload
            .replace("$PAR", &tokens.last().map(|token| Claims::parent_hash(token)).unwrap_or_default());
        for (index, key) in HOLDERS.iter().enumerate() {
            payload = payload.replace(&format!("$X{index}"), &x(key.public()));
        }
        let input = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()));
        tokens.push(format!("{input}.{}", base64url(&signer.sign(input.as_bytes()))));
        // Whoever is named as the holder signs the next line.
        let holder = HOLDERS.iter().find(|key| payload.contains(&x(key.public())));
        signer = holder.unwrap_or(signer);
    }
    tokens.join("~")
}

fn x(key: &PublicKey) -> String {
    base64url(key.as_bytes())
}

/// Every byte of a chain is signed or is itself a signature. Where to change it follows from the input.
fn refuses_a_changed_byte(compact: &str, data: &[u8]) {
    let sum: usize = data.iter().map(|byte| usize::from(*byte)).sum();
    let mut bytes = compact.as_bytes().to_vec();
    let place = sum % bytes.len();
    if let Some(byte) = bytes.get_mut(place) {
        *byte = if *byte == b'A' { b'B' } else { b'A' };
    }
    let changed = String::from_utf8_lossy(&bytes);
    assert!(verify(&changed).is_err(), "byte {place} can be changed");
}

/// Every call that the leaf permits is permitted by each chain above it.
fn permits_no_more_than_above(chain: &Verified<Chain>) {
    let Some((above, _)) = chain.compact().rsplit_once('~') else { return };
    // A link without a capability entry may stand in the middle, not at the end.
    let Ok(above) = verify(above) else { return };
    for (tool, constraints) in chain.leaf().tools.iter().flatten().take(4) {
        for turn in 0..6 {
            let value = |constraint: &Constraint| {
                let mut values = vec![Json::Null, Json::from(true)];
                mine(&constraint.to_json(), &mut values);
                let fitting: Vec<Json> = values.into_iter().filter(|value| constraint.check(value)).collect();
                fitting.get(turn % fitting.len().max(1)).cloned().unwrap_or(Json::Null)
            };
            let arguments: BTreeMap<String, Json> =
                constraints.iter().map(|(name, constraint)| (name.clone(), value(constraint))).collect();
            if chain.check(tool, &arguments).is_ok() {
                assert!(above.check(tool, &arguments).is_ok(), "{tool} {arguments:?} was widened");
            }
        }
    }
    for deny in chain.denies() {
        assert!(chain.check(deny.as_str(), &BTreeMap::new()).is_err(), "{} is denied", deny.as_str());
    }
}

fn mine(json: &Json, values: &mut Vec<Json>) {
    if values.len() > 64 {
        return;
    }
    values.push(json.clone());
    match json {
        Json::Array(items) => items.iter().for_each(|item| mine(item, values)),
        Json::Object(members) => members.values().for_each(|item| mine(item, values)),
        _ => {}
    }
}

/// The holder hands on all that it has: either this is refused, or what comes out verifies.
fn attenuates(chain: &Verified<Chain>) {
    let Some(holder) = HOLDERS.iter().find(|key| key.public() == chain.holder_key()) else { return };
    let attenuation = Attenuation {
        jti: fixtures::uuid(9),
        holder_key: HOLDERS[3].public().clone(),
        holder: fixtures::id("/agent/invoice-bot/part"),
        tools: chain.leaf().tools.clone().unwrap_or_default(),
        deny: Vec::new(),
        exp_secs: chain.leaf().exp,
        del_max_depth: chain.leaf().del_max_depth,
    };
    if let Ok(longer) = attenuate(chain, holder, &attenuation, NOW) {
        let longer = verify(&longer);
        assert!(longer.is_ok(), "what was attenuated does not verify: {:?}", code(&longer));
    }
}
