//! The signed bundle: everything that a gateway must know to decide, in one versioned document.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::keys::{KeyId, PublicKey, SigningKey};
use crate::refusal::Refusal;
use crate::spiffe::SpiffeId;
use crate::time::UnixTime;
use crate::token::Model;
use crate::verified::Verified;

/// The JWS `typ` of a bundle.
pub const BUNDLE_TYP: &str = "killick-bundle+jws";

/// The document that the authority signs. JSON; unknown members are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleDocument {
    /// Grows by one with every change; an older one is refused.
    pub version: u64,
    /// When it was signed.
    pub issued_at: UnixTime,
    /// e.g. `acme.example`
    pub trust_domain: String,
    /// The authority's issuer URI: the `iss` of root tokens.
    pub issuer: String,
    /// The authority's SPIFFE ID.
    pub authority: SpiffeId,
    /// Public JWKs that sign root tokens.
    pub token_keys: Vec<serde_json::Value>,
    /// Root certificates of the SVIDs, DER in base64.
    pub svid_roots: Vec<String>,
    /// The directory of agents.
    pub agents: Vec<AgentRecord>,
    /// What is revoked.
    pub revocations: Revocations,
    /// The gateways of this trust domain.
    pub gateways: Vec<GatewayRecord>,
    /// The catalogue; read by `killick-decide`.
    pub catalogue: serde_json::Value,
    /// Organisation policy; read by `killick-decide`.
    pub policies: Vec<PolicyText>,
    /// The organisation's time zone (IANA name), for time-of-day rules.
    pub time_zone: String,
}

/// A policy as people wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyText {
    /// A stable id, shown in denials.
    pub id: String,
    /// Cedar.
    pub text: String,
}

/// One agent, as gateways know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// `spiffe://acme.example/agent/invoice-bot`
    pub id: SpiffeId,
    /// Only `Active` may act.
    pub state: AgentState,
    /// Its current keys (two during a rotation).
    pub keys: Vec<AgentKey>,
    /// Who answers for it.
    pub owner: String,
    /// The model it runs.
    pub model: Model,
    /// Its risk tier.
    pub risk_tier: RiskTier,
    /// When it was onboarded.
    pub onboarded_at: UnixTime,
    /// Explicit denies that hold for the agent and everything beneath it, whatever any token says.
    pub deny: Vec<String>,
    /// Observe mode: denials of authorisation are recorded, not enforced, until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe_until: Option<UnixTime>,
}

/// A key of an agent and until when its SVID binds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentKey {
    /// Public JWK.
    pub jwk: serde_json::Value,
    /// End of the SVID that certifies it.
    pub not_after: UnixTime,
}

/// An agent's place in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentState {
    /// May act.
    Active,
    /// May not act until resumed.
    Suspended,
    /// Gone for good.
    Offboarded,
}

/// How much harm an agent could do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RiskTier {
    /// Reads only, nothing personal.
    Low,
    /// The default.
    Medium,
    /// Money, health, personal data.
    High,
}

/// A gateway of the trust domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayRecord {
    /// Its SPIFFE ID: the `killick-audience` of requests to it.
    pub id: SpiffeId,
    /// Public JWK with which it signs what it forwards.
    pub jwk: serde_json::Value,
}

/// Everything revoked. Sets only grow, except that `all` can be lifted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocations {
    /// Token ids (`jti`), of any link.
    pub tokens: Vec<String>,
    /// Key thumbprints.
    pub keys: Vec<KeyId>,
    /// Agents, each alone.
    pub agents: Vec<SpiffeId>,
    /// Agents with everything beneath them.
    pub subtrees: Vec<SpiffeId>,
    /// Models by name, or `name@version`.
    pub models: Vec<String>,
    /// Owners.
    pub owners: Vec<String>,
    /// The kill switch.
    pub all: bool,
}

/// A bundle's trust, indexed for checks in constant time.
#[derive(Debug)]
pub struct TrustBundle {
    pub(crate) version: u64,
    pub(crate) trust_domain: String,
    pub(crate) issuer: String,
    pub(crate) authority: SpiffeId,
    pub(crate) token_keys: Vec<PublicKey>,
    pub(crate) agents: HashMap<SpiffeId, AgentRecord>,
    pub(crate) revoked_tokens: std::collections::HashSet<String>,
    pub(crate) revoked_keys: std::collections::HashSet<KeyId>,
    pub(crate) revocations: Revocations,
    pub(crate) gateways: BTreeMap<SpiffeId, PublicKey>,
}

impl TrustBundle {
    /// Indexes a verified bundle. Errs (`token.key`, `state.bundle_mismatch` as `policy.invalid`) if any part of it is
    /// malformed: the bundle is then refused as a whole.
    pub fn index(bundle: &Verified<BundleDocument>) -> Result<Self, Refusal> {
        let _ = bundle;
        todo!()
    }

    /// The bundle's version.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The trust domain's name.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The agent with this ID, if registered.
    pub fn agent(&self, id: &SpiffeId) -> Option<&AgentRecord> {
        self.agents.get(id)
    }

    /// The keys that sign root tokens.
    pub fn token_keys(&self) -> &[PublicKey] {
        &self.token_keys
    }
}

/// Signs a bundle: a compact JWS.
pub fn sign_bundle(document: &BundleDocument, key: &SigningKey) -> String {
    let _ = (document, key);
    todo!()
}
