//! What a run is handed: where things are, who the agents are, and what an operator can do.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use killick_proof::UnixTime;
use killick_proof::keys::SigningKey;

use crate::error::RedteamError;

/// A future in a box, so that [`Operator`] can be handed in as an object.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An agent that a run needs, and what it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RosterAgent {
    /// Its name: the last segment of its SPIFFE ID.
    pub name: &'static str,
    /// Who answers for it.
    pub owner: &'static str,
    /// The model that it runs.
    pub model: &'static str,
    /// The model's version.
    pub model_version: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// What it is granted, in the human syntax.
    pub grant: &'static str,
    /// How deep it may delegate.
    pub max_depth: u64,
}

/// The agents of the pilot. The caller onboards them with these grants before the run. `order-bot` holds one grant
/// that it never needs, for the run to find ([`crate::tighten`]).
pub const ROSTER: &[RosterAgent] = &[
    RosterAgent {
        name: "invoice-bot",
        owner: "maria.keller@shop.example",
        model: "ledger-large",
        model_version: "2026-05",
        purpose: "reads suppliers' invoices and books them",
        grant: "read:invoices; execute:none",
        max_depth: 0,
    },
    RosterAgent {
        name: "payment-bot",
        owner: "maria.keller@shop.example",
        model: "ledger-large",
        model_version: "2026-05",
        purpose: "drafts small payments to known suppliers",
        grant: "read:invoices; read:payments; create:payments(amount <= 500, currency in {EUR}, \
                iban in {DE02120300000000202051, NL91ABNA0417164300, AT611904300234573201}); execute:none",
        max_depth: 2,
    },
    RosterAgent {
        name: "order-bot",
        owner: "jonas.weber@shop.example",
        model: "clerk-small",
        model_version: "7",
        purpose: "places customers' orders",
        grant: "read:orders; list:orders; create:orders(quantity <= 10); cancel:orders; execute:none",
        max_depth: 2,
    },
    RosterAgent {
        name: "support-bot",
        owner: "elif.demir@shop.example",
        model: "clerk-small",
        model_version: "7",
        purpose: "answers customers and keeps their telephone numbers right",
        grant: "read:customers; update:phones; deny delete:customers; deny export:customers",
        max_depth: 1,
    },
];

/// The roster's grants by name, as the report and [`crate::tighten`] take them.
pub fn roster_grants() -> BTreeMap<String, String> {
    ROSTER.iter().map(|agent| (agent.name.to_owned(), agent.grant.to_owned())).collect()
}

/// The grant of the throw-away agents that are onboarded to be revoked.
pub const THROW_AWAY_GRANT: &str = "read:orders; create:orders(quantity <= 10)";

/// An agent with its credentials, as its own process holds them.
#[derive(Clone)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Its SPIFFE ID.
    pub id: String,
    /// Its key.
    pub key: Arc<SigningKey>,
    /// Its capability chain: compact JWSs joined by `~`.
    pub chain: String,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Agent({}, {})", self.id, self.key.id())
    }
}

/// A shop: where each service is, and the secret that opens the receipt books.
#[derive(Clone)]
pub struct Services {
    /// URLs by service: catalogue, orders, invoices, payments, customers.
    pub urls: BTreeMap<String, String>,
    /// Opens `GET /_receipts`. The gateway does not have it.
    pub oracle_secret: String,
}

impl Services {
    /// The URL of a service.
    pub fn url(&self, service: &str) -> Result<&str, RedteamError> {
        self.urls
            .get(service)
            .map(String::as_str)
            .ok_or_else(|| RedteamError::Missing(format!("the URL of the service `{service}`")))
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// Everything that a run works with.
pub struct PilotWorld {
    /// The gateway's public origin: `http://127.0.0.1:7443`.
    pub gateway: String,
    /// The gateway's SPIFFE ID: what signatures must name.
    pub audience: String,
    /// e.g. `acme.example`
    pub trust_domain: String,
    /// The agents of [`ROSTER`], by name.
    pub agents: BTreeMap<String, Agent>,
    /// The shop behind the gateway.
    pub protected: Services,
    /// The same shop, guarded by one shared key and an asserted role.
    pub baseline: Services,
    /// The baseline's shared key.
    pub api_key: String,
    /// Who can onboard, grant and revoke.
    pub operator: Arc<dyn Operator>,
    /// The run's seed; printed in the report.
    pub seed: u64,
}

impl fmt::Debug for PilotWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PilotWorld")
            .field("gateway", &self.gateway)
            .field("agents", &self.agents)
            .field("protected", &self.protected)
            .field("baseline", &self.baseline)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl PilotWorld {
    /// The roster's agent of this name.
    pub fn agent(&self, name: &str) -> Result<&Agent, RedteamError> {
        self.agents.get(name).ok_or_else(|| RedteamError::Missing(format!("the agent `{name}`")))
    }
}

/// An agent to onboard, with its first token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAgent {
    /// Its name; unique in the run.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Its model.
    pub model: String,
    /// Its model's version.
    pub model_version: String,
    /// What it is granted.
    pub grant: String,
    /// How deep it may delegate.
    pub max_depth: u64,
}

/// One more token for an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// The agent's name.
    pub agent: String,
    /// What it grants.
    pub grant: String,
    /// How deep it may be delegated.
    pub max_depth: u64,
    /// How long it holds; the authority's default if `None`.
    pub lifetime_secs: Option<u64>,
}

/// What to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoke {
    /// A token by its `jti`.
    Token(String),
    /// A key by its thumbprint.
    Key(String),
    /// An agent by its SPIFFE ID.
    Agent(String),
    /// An agent and everything beneath it, by SPIFFE ID.
    Subtree(String),
    /// Every agent that runs this model.
    Model(String),
    /// Every agent of this owner.
    Owner(String),
    /// Suspend the agent of this name.
    Suspend(String),
    /// Off-board the agent of this name.
    Offboard(String),
}

/// That the authority has accepted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// When, in microseconds since the epoch, by the authority's clock (on this machine: the same clock).
    pub at_us: u64,
}

/// What an operator can do; implemented over the authority's admin API.
pub trait Operator: Send + Sync {
    /// Onboards an agent with a fresh key and grants it its first token.
    fn onboard(&self, agent: NewAgent) -> Boxed<'_, Result<Agent, RedteamError>>;
    /// Grants one more token and returns the chain.
    fn grant(&self, token: NewToken) -> Boxed<'_, Result<String, RedteamError>>;
    /// Stops something; resolves when the authority has accepted it.
    fn revoke(&self, what: Revoke) -> Boxed<'_, Result<Accepted, RedteamError>>;
}

/// The clock that everything on this machine shares.
pub fn now() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// 32 bytes from the operating system's generator, for nonces and attackers' keys.
pub fn fresh_bytes() -> [u8; 32] {
    let mut bytes = Vec::with_capacity(48);
    for _ in 0..3 {
        bytes.extend_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    killick_proof::keys::sha256(&bytes)
}

/// A fresh nonce: 32 bytes in base64url.
pub fn fresh_nonce() -> String {
    killick_proof::keys::base64url(&fresh_bytes())
}

/// A fresh key, for an attacker or a sub-agent.
pub fn fresh_key() -> Result<SigningKey, RedteamError> {
    Ok(SigningKey::from_seed(fresh_bytes())?)
}
