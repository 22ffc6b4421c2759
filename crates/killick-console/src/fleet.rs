//! The agents and tokens, as whoever starts the console hands them in: the console does not know the authority.

use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The fleet at one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Fleet {
    /// e.g. `acme.example`
    pub trust_domain: String,
    /// The newest bundle's version.
    pub bundle_version: u64,
    /// Whether the kill switch is on.
    pub revoked_all: bool,
    /// Agents in order of onboarding.
    pub agents: Vec<AgentInfo>,
    /// Tokens, newest first.
    pub tokens: Vec<TokenInfo>,
    /// Why the fleet cannot be shown, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// An agent. Members that the console does not show are ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentInfo {
    /// Its name.
    pub name: String,
    /// Its SPIFFE ID.
    pub id: String,
    /// `active`, `suspended` or `offboarded`.
    pub state: String,
    /// Whether it has been revoked.
    #[serde(default)]
    pub revoked: bool,
    /// Who answers for it.
    pub owner: String,
    /// The model it runs.
    pub model: ModelInfo,
    /// What it is for.
    #[serde(default)]
    pub purpose: Option<String>,
    /// What it runs in.
    #[serde(default)]
    pub runtime: Option<String>,
    /// `low`, `medium` or `high`.
    #[serde(default)]
    pub risk_tier: String,
    /// Microseconds since the epoch.
    #[serde(default)]
    pub onboarded_at: u64,
    /// End of observe mode, microseconds since the epoch.
    #[serde(default)]
    pub observe_until: Option<u64>,
    /// Its keys, newest first: `thumbprint`, `not_after`.
    #[serde(default)]
    pub keys: Vec<Value>,
    /// Denies that hold for it whatever a token says.
    #[serde(default)]
    pub deny: Vec<String>,
}

/// A model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenInfo {
    /// Its id.
    pub jti: String,
    /// The agent's name.
    pub agent: String,
    /// What it grants, in the human syntax.
    pub granted: String,
    /// Seconds since the epoch.
    pub iat: u64,
    /// Seconds since the epoch.
    pub exp: u64,
    /// `live`, `expired` or `revoked`.
    pub state: String,
}

/// Where the console gets the fleet from, at every page.
pub type FleetSource = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Fleet> + Send>> + Send + Sync>;

/// A [`FleetSource`] from an asynchronous function.
pub fn fleet_source<F, T>(source: F) -> FleetSource
where
    F: Fn() -> T + Send + Sync + 'static,
    T: Future<Output = Fleet> + Send + 'static,
{
    Arc::new(move || Box::pin(source()))
}

impl Fleet {
    /// A fleet from what the admin API says: its `status`, the lists `agents` and `tokens`. Errs if a member is missing
    /// or of another type.
    pub fn read(
        status: &impl Serialize,
        agents: &impl Serialize,
        tokens: &impl Serialize,
    ) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Status {
            trust_domain: String,
            bundle_version: u64,
            revoked_all: bool,
        }
        let status: Status = serde_json::from_value(serde_json::to_value(status)?)?;
        Ok(Self {
            trust_domain: status.trust_domain,
            bundle_version: status.bundle_version,
            revoked_all: status.revoked_all,
            agents: serde_json::from_value(serde_json::to_value(agents)?)?,
            tokens: serde_json::from_value(serde_json::to_value(tokens)?)?,
            problem: None,
        })
    }

    /// A fleet that cannot be shown, and why.
    pub fn unavailable(problem: impl Into<String>) -> Self {
        Self { problem: Some(problem.into()), ..Self::default() }
    }

    pub(crate) fn agent(&self, name: &str) -> Option<&AgentInfo> {
        self.agents.iter().find(|agent| agent.name == name)
    }

    pub(crate) fn observing(&self) -> Vec<&AgentInfo> {
        self.agents.iter().filter(|agent| agent.observe_until.is_some()).collect()
    }
}

/// The name of an agent or sub-agent in its SPIFFE ID: what follows `/agent/`.
pub(crate) fn short_name(id: &str) -> &str {
    id.split_once("/agent/").map_or(id, |(_, name)| name)
}
