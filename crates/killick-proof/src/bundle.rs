//! The signed bundle: everything that a gateway must know to decide, in one versioned document.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::grammar::ActionPattern;
use crate::keys::{KeyId, KeyKind, PublicKey, SigningKey, base64url};
use crate::limits::BUNDLE_BYTES_MAX;
use crate::refusal::{Code, Refusal};
use crate::spiffe::{SpiffeId, check_trust_domain};
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
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    /// A stable id, shown in denials.
    pub id: String,
    /// Cedar.
    pub text: String,
}

/// One agent, as gateways know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
#[serde(deny_unknown_fields)]
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
#[serde(deny_unknown_fields)]
pub struct GatewayRecord {
    /// Its SPIFFE ID: the `killick-audience` of requests to it.
    pub id: SpiffeId,
    /// Public JWK with which it signs what it forwards.
    pub jwk: serde_json::Value,
}

/// Everything revoked. Sets only grow, except that `all` can be lifted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// Each agent's keys by thumbprint, and until when its SVID binds them.
    pub(crate) agent_keys: HashMap<SpiffeId, HashMap<KeyId, UnixTime>>,
    pub(crate) revoked_tokens: std::collections::HashSet<String>,
    pub(crate) revoked_keys: std::collections::HashSet<KeyId>,
    pub(crate) revocations: Revocations,
    pub(crate) gateways: BTreeMap<SpiffeId, PublicKey>,
    pub(crate) svid_roots: Vec<Vec<u8>>,
}

impl TrustBundle {
    /// Indexes a verified bundle. Errs (`token.key` for a key that cannot be used, otherwise `policy.invalid`) if any
    /// part of it is malformed or names another trust domain: the bundle is then refused as a whole.
    pub fn index(bundle: &Verified<BundleDocument>) -> Result<Self, Refusal> {
        let document: &BundleDocument = bundle;
        check_trust_domain(&document.trust_domain).map_err(|refusal| malformed(refusal.detail()))?;
        let ours = |id: &SpiffeId| {
            if id.trust_domain() == document.trust_domain {
                Ok(())
            } else {
                Err(malformed(&format!("`{id}` is not of the bundle's trust domain")))
            }
        };
        ours(&document.authority)?;
        if document.issuer.is_empty() || document.token_keys.is_empty() {
            return Err(malformed("it has no issuer or no key for root tokens"));
        }
        let token_keys: Result<Vec<_>, _> = document.token_keys.iter().map(PublicKey::from_jwk).collect();

        let mut agents = HashMap::with_capacity(document.agents.len());
        let mut agent_keys = HashMap::with_capacity(document.agents.len());
        for agent in &document.agents {
            ours(&agent.id)?;
            if let Some(pattern) = agent.deny.iter().find(|pattern| ActionPattern::parse(pattern).is_err()) {
                return Err(malformed(&format!("the deny `{pattern}` of `{}` cannot be read", agent.id)));
            }
            let mut keys = HashMap::with_capacity(agent.keys.len());
            for key in &agent.keys {
                // A key that is listed twice is certified until the later time.
                let until = keys.entry(PublicKey::from_jwk(&key.jwk)?.id().clone()).or_insert(key.not_after);
                *until = key.not_after.max(*until);
            }
            agent_keys.insert(agent.id.clone(), keys);
            if agents.insert(agent.id.clone(), agent.clone()).is_some() {
                return Err(malformed(&format!("`{}` is there twice", agent.id)));
            }
        }
        let mut gateways = BTreeMap::new();
        for gateway in &document.gateways {
            ours(&gateway.id)?;
            if gateways.insert(gateway.id.clone(), PublicKey::from_jwk(&gateway.jwk)?).is_some() {
                return Err(malformed(&format!("`{}` is there twice", gateway.id)));
            }
        }
        let svid_roots: Result<Vec<_>, _> =
            document.svid_roots.iter().map(|der| STANDARD.decode(der)).collect();

        Ok(Self {
            version: document.version,
            trust_domain: document.trust_domain.clone(),
            issuer: document.issuer.clone(),
            authority: document.authority.clone(),
            token_keys: token_keys?,
            agents,
            agent_keys,
            revoked_tokens: document.revocations.tokens.iter().cloned().collect(),
            revoked_keys: document.revocations.keys.iter().cloned().collect(),
            revocations: document.revocations.clone(),
            gateways,
            svid_roots: svid_roots.map_err(|_| malformed("a root certificate is not base64"))?,
        })
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

    /// Until when `key` is certified for `agent`; `None` if it is not its key.
    pub fn certified_until(&self, agent: &SpiffeId, key: &KeyId) -> Option<UnixTime> {
        self.agent_keys.get(agent)?.get(key).copied()
    }

    /// The keys that sign root tokens.
    pub fn token_keys(&self) -> &[PublicKey] {
        &self.token_keys
    }

    /// The key with which a gateway signs what it forwards.
    pub fn gateway(&self, id: &SpiffeId) -> Option<&PublicKey> {
        self.gateways.get(id)
    }

    /// The roots of the trust domain's SVIDs, DER.
    pub fn svid_roots(&self) -> &[Vec<u8>] {
        &self.svid_roots
    }
}

/// Signs a bundle: a compact JWS (RFC 7515) of the document's JSON, `alg` EdDSA (RFC 8037), `typ` [`BUNDLE_TYP`].
pub fn sign_bundle(document: &BundleDocument, key: &SigningKey) -> String {
    // Every map of the document has strings for keys, the one thing without which JSON cannot be written.
    let payload = serde_json::to_vec(document).unwrap_or_default();
    let input = format!("{}.{}", base64url(header(key.id()).as_bytes()), base64url(&payload));
    let signature = base64url(&key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// Checks the header and the signature, then reads the document. Only [`crate::verified`] calls it.
pub(crate) fn read_signed(jws: &str, key: &PublicKey) -> Result<BundleDocument, Refusal> {
    if jws.len() > BUNDLE_BYTES_MAX {
        return Err(Refusal::new(
            Code::LimitSize,
            format!("the bundle is longer than {BUNDLE_BYTES_MAX} bytes"),
        ));
    }
    // The one algorithm of bundles is EdDSA; a pinned key of another kind could only be a slip.
    if key.kind() != KeyKind::Ed25519 {
        return Err(Refusal::new(Code::TokenKey, "the pinned bundle key is not an Ed25519 key"));
    }
    let encoding = |why: &str| Refusal::new(Code::TokenEncoding, format!("the signed bundle {why}"));
    let mut parts = jws.split('.');
    let (Some(head), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(encoding("is not a compact JWS of three parts"));
    };
    // One signer writes these headers, and writes them in one way; whatever else stands there is wrong.
    if head != base64url(header(key.id()).as_bytes()) {
        return Err(wrong_header(head, key.id()));
    }
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
        return Err(encoding("has a signature that is not base64url"));
    };
    // The signing input is a prefix of the text: RFC 7515 section 5.2, step 8.
    let signed = jws.get(..head.len() + 1 + payload.len()).unwrap_or_default();
    if !key.verifies(signed.as_bytes(), &signature) {
        return Err(Refusal::new(Code::TokenSig, "the bundle's signature does not verify"));
    }
    let Ok(payload) = URL_SAFE_NO_PAD.decode(payload) else {
        return Err(encoding("has a payload that is not base64url"));
    };
    serde_json::from_slice(&payload).map_err(|error| malformed(&error.to_string()))
}

/// The one protected header of a bundle under this key.
fn header(key: &KeyId) -> String {
    format!(r#"{{"alg":"EdDSA","kid":"{key}","typ":"{BUNDLE_TYP}"}}"#)
}

/// Says what is wrong with a header that is not the expected one.
fn wrong_header(head: &str, key: &KeyId) -> Refusal {
    let json: Option<serde_json::Value> =
        URL_SAFE_NO_PAD.decode(head).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(json) = json else {
        return Refusal::new(Code::TokenEncoding, "the bundle's header is not base64url of JSON");
    };
    let text = |name: &str| json.get(name).and_then(serde_json::Value::as_str);
    if text("alg") != Some("EdDSA") {
        Refusal::new(Code::TokenAlg, "the bundle's `alg` is not EdDSA")
    } else if text("typ") != Some(BUNDLE_TYP) {
        Refusal::new(Code::TokenTyp, format!("the bundle's `typ` is not `{BUNDLE_TYP}`"))
    } else if json.get("crit").is_some() {
        Refusal::new(Code::TokenCrit, "the bundle's header has a critical extension")
    } else if text("kid") != Some(key.as_str()) {
        Refusal::new(Code::TokenKid, "the bundle is not signed with the pinned key")
    } else {
        Refusal::new(Code::TokenEncoding, "the bundle's header is not in its one form")
    }
}

fn malformed(why: &str) -> Refusal {
    Refusal::new(Code::PolicyInvalid, format!("the bundle cannot be used: {why}"))
}
