//! Reading a token for people: what each link says, whether or not it verifies.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::Verified;
use killick_proof::chain::{Anchors, Chain};
use killick_proof::json::Json;
use killick_proof::keys::PublicKey;
use killick_proof::limits::{CHAIN_BYTES_MAX, TOKEN_LIFETIME_SECS_MAX};
use killick_proof::token::Claims;
use killick_proof::verified::verify_chain;
use killick_proof::{Refusal, UnixTime};
use serde_json::Value;

use crate::folder::Folder;
use crate::output::Failure;
use crate::wallet::Wallet;

/// A chain as read, and what verification says of it.
pub struct Read {
    /// Compact JWSs joined by `~`.
    pub compact: String,
    /// The payload of each link, unverified.
    pub payloads: Vec<Value>,
    /// The claims of each link, as far as they can be read, unverified.
    pub claims: Vec<Option<Claims>>,
    /// Whether it verifies under the trust domain's keys.
    pub verdict: Result<Verified<Chain>, Refusal>,
}

/// The compact chain that an agent's name, a file or `-` stands for.
pub fn find(folder: &Folder, what: Option<&str>) -> Result<String, Failure> {
    match what {
        Some("-") => {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut std::io::Read::take(std::io::stdin(), bytes_max()), &mut text)
                .map_err(|error| Failure::io("read", Path::new("standard input"), &error))?;
            bounded(text)
        }
        Some(path) if Path::new(path).is_file() => from_file(Path::new(path)),
        name => bounded(Wallet::pick(folder, name)?.token()?),
    }
}

/// The compact chain in a file.
pub fn from_file(path: &Path) -> Result<String, Failure> {
    bounded(crate::folder::read_text(path)?)
}

fn bytes_max() -> u64 {
    u64::try_from(CHAIN_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(2)
}

fn bounded(text: String) -> Result<String, Failure> {
    let text = text.trim();
    if text.len() > CHAIN_BYTES_MAX {
        return Err(Failure::usage(
            "limit.size",
            format!("the token is larger than {CHAIN_BYTES_MAX} bytes"),
        ));
    }
    let text = text.strip_prefix("AAT ").unwrap_or(text);
    // Others keep a chain one token a line, root first.
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(lines.join("~"))
}

/// The keys that sign root tokens, as `trust.json` names them.
pub fn token_keys(trust: &Value) -> Result<Vec<PublicKey>, Failure> {
    let keys = trust.get("token_keys").and_then(Value::as_array).ok_or_else(|| {
        Failure::check("file.damaged", "trust.json has no `token_keys`").mend("`killick up` writes it afresh")
    })?;
    keys.iter()
        .map(|jwk| {
            PublicKey::from_jwk(jwk).map_err(|refusal| {
                Failure::check("file.damaged", format!("trust.json: {}", refusal.detail()))
            })
        })
        .collect()
}

/// Reads a chain and verifies it (AAT draft section 7, steps 1 to 5).
pub fn read(compact: String, keys: &[PublicKey], now: UnixTime) -> Result<Read, Failure> {
    let no_token = |why: &str| {
        Failure::usage("token.encoding", format!("this is no token: {why}"))
            .mend("give an agent's name, or a file with compact JWSs joined by `~`")
    };
    let mut payloads = Vec::new();
    let mut claims = Vec::new();
    for link in compact.split('~') {
        let payload = link.split('.').nth(1).ok_or_else(|| no_token("a link is no compact JWS"))?;
        let bytes = URL_SAFE_NO_PAD.decode(payload).map_err(|_| no_token("a payload is not base64url"))?;
        payloads.push(serde_json::from_slice(&bytes).map_err(|_| no_token("a payload is not JSON"))?);
        claims.push(Json::parse(&bytes).ok().and_then(|json| Claims::from_json(&json).ok()));
    }
    let verdict = verify(&compact, keys, now);
    Ok(Read { compact, payloads, claims, verdict })
}

/// Verifies a chain under these keys.
pub fn verify(compact: &str, keys: &[PublicKey], now: UnixTime) -> Result<Verified<Chain>, Refusal> {
    verify_chain(compact, &Anchors { keys, lifetime_secs_max: TOKEN_LIFETIME_SECS_MAX }, now)
}

impl Read {
    /// The chain down to link `index`, compact.
    pub fn down_to(&self, index: usize) -> String {
        self.compact.split('~').take(index + 1).collect::<Vec<_>>().join("~")
    }
}
