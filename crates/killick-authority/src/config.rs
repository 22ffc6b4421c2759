//! What an authority is opened with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use killick_ledger::Ledger;
use killick_proof::{SpiffeId, UnixTime};

use crate::limits;

/// The one clock; tests hand in their own.
pub type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Forgets what a part of the installation keeps about a person, and says how many things that were.
pub type Forget = Arc<dyn Fn(&str) -> std::io::Result<usize> + Send + Sync>;

/// The machine's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    })
}

/// The gateway of this trust domain, as agents and upstreams must know it.
#[derive(Clone, Debug)]
pub struct GatewayIdentity {
    /// e.g. `spiffe://acme.example/gateway/gw-1`
    pub id: SpiffeId,
    /// Public JWK with which it signs what it forwards.
    pub jwk: serde_json::Value,
    /// Where agents reach it, e.g. `http://127.0.0.1:7443`.
    pub url: String,
}

/// The gateway's log, named in `trust.json`.
#[derive(Clone, Debug)]
pub struct LogIdentity {
    /// e.g. `acme.example/killick/gw-1`
    pub origin: String,
    /// Its C2SP verifier key.
    pub vkey: String,
}

/// A witness of the logs, named in `trust.json`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct WitnessIdentity {
    /// Its C2SP verifier key.
    pub vkey: String,
    /// Who runs it: distinct operators are counted.
    pub operator: String,
}

/// What an authority is opened with. Make one with [`AuthorityConfig::new`] and change what differs.
#[derive(Clone)]
pub struct AuthorityConfig {
    /// The data folder.
    pub dir: PathBuf,
    /// e.g. `acme.example`
    pub trust_domain: String,
    /// The gateway.
    pub gateway: GatewayIdentity,
    /// The directory log, open.
    pub ledger: Ledger,
    /// The gateway's log.
    pub log: LogIdentity,
    /// The clock.
    pub clock: Clock,
    /// The organisation's time zone, an IANA name such as `Europe/Berlin`.
    pub time_zone: String,
    /// Seconds that a token lives when the grant does not say.
    pub token_lifetime_secs: u64,
    /// Seconds that a token may live at most; not above `killick_proof::limits::TOKEN_LIFETIME_SECS_MAX`.
    pub token_lifetime_secs_max: u64,
    /// Links below a root token when the grant does not say.
    pub token_depth: u64,
    /// Seconds that an SVID lives.
    pub svid_lifetime_secs: u64,
    /// Seconds between bundles when nothing changes.
    pub heartbeat_secs: u64,
    /// Logs beside the directory log whose commitments are erased with it: the gateway's.
    pub logs: Vec<Ledger>,
    /// Forgets what else is kept about a person, and says how much it was. Blocks.
    pub forget: Forget,
    /// The logs' witnesses, for `trust.json`.
    pub witnesses: Vec<WitnessIdentity>,
}

impl AuthorityConfig {
    /// A configuration with the documented defaults and the machine's clock.
    pub fn new(
        dir: impl Into<PathBuf>,
        trust_domain: impl Into<String>,
        gateway: GatewayIdentity,
        ledger: Ledger,
        log: LogIdentity,
    ) -> Self {
        Self {
            dir: dir.into(),
            trust_domain: trust_domain.into(),
            gateway,
            ledger,
            log,
            clock: system_clock(),
            time_zone: "UTC".to_owned(),
            token_lifetime_secs: limits::TOKEN_LIFETIME_SECS,
            token_lifetime_secs_max: killick_proof::limits::TOKEN_LIFETIME_SECS_MAX,
            token_depth: limits::TOKEN_DEPTH,
            svid_lifetime_secs: limits::SVID_LIFETIME_SECS,
            heartbeat_secs: limits::HEARTBEAT_SECS,
            logs: Vec::new(),
            forget: Arc::new(|_| Ok(0)),
            witnesses: Vec::new(),
        }
    }

    /// `https://authority.acme.example`: the `iss` of root tokens.
    pub(crate) fn issuer(&self) -> String {
        format!("https://authority.{}", self.trust_domain)
    }
}
