//! Onboarding: a name, an owner, a model and a key whose holder has shown that it holds it. No owner, no identity.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_decide::entry::Act;
use killick_proof::bundle::{AgentKey, AgentRecord, AgentState, RiskTier};
use killick_proof::keys::{KeyId, KeyKind, PublicKey};
use killick_proof::token::Model;
use killick_proof::{SpiffeId, UnixTime};
use serde_json::Value;

use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::issue_svid;
use crate::limits::AGENTS_MAX;
use crate::names;
use crate::state::State;
use crate::store::query::AgentDetails;
use crate::store::{AgentRow, Write};

/// Who is to be onboarded. Owner and model are required; they are optional here so that their absence gets a sentence
/// of its own.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnboardRequest {
    /// Unique for ever in the trust domain, ignoring case.
    pub name: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// The model it runs.
    #[serde(default)]
    pub model: Option<Model>,
    /// What it runs in, e.g. `python 3.13`.
    #[serde(default)]
    pub runtime: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub purpose: Option<String>,
    /// How much harm it could do; `medium` if not said.
    #[serde(default)]
    pub risk_tier: Option<RiskTier>,
    /// Public JWK, Ed25519.
    pub public_key: Value,
    /// Base64url Ed25519 signature over [`proof_message`].
    #[serde(default)]
    pub proof: Option<String>,
}

/// A new agent.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Onboarded {
    /// The agent.
    pub agent: AgentView,
    /// Its SVID, PEM.
    pub svid_pem: String,
    /// `trust.json`.
    pub trust: Value,
}

/// An agent, as people see it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AgentView {
    /// Its name.
    pub name: String,
    /// Its SPIFFE ID.
    pub id: String,
    /// `active`, `suspended` or `offboarded`.
    pub state: String,
    /// Whether the agent itself has been revoked.
    pub revoked: bool,
    /// Who answers for it.
    pub owner: String,
    /// The model it runs.
    pub model: Model,
    /// What it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// `low`, `medium` or `high`.
    pub risk_tier: String,
    /// Microseconds since the epoch.
    pub onboarded_at: u64,
    /// End of observe mode, microseconds since the epoch; absent if denials are enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observe_until: Option<u64>,
    /// Its keys, newest first.
    pub keys: Vec<KeyView>,
    /// Explicit denies that hold for it and everything beneath it, from its live tokens.
    pub deny: Vec<String>,
}

/// An agent's key.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KeyView {
    /// RFC 7638 thumbprint.
    pub thumbprint: String,
    /// Public JWK.
    pub jwk: Value,
    /// End of the SVID that certifies it, microseconds since the epoch.
    pub not_after: u64,
}

/// The bytes that a key signs to show that its holder asks for this name:
/// `killick-onboard`, the name and the RFC 7638 thumbprint, joined by LF. For onboarding and for renewing an SVID.
pub fn proof_message(name: &str, key: &KeyId) -> Vec<u8> {
    format!("killick-onboard\n{name}\n{key}").into_bytes()
}

impl Authority {
    /// Onboards an agent and issues its first SVID. Errs with `identity.chain` (name), `identity.owner`,
    /// `identity.model`, `token.key`, `pop.missing`, `pop.mismatch`, `identity.reuse`, `identity.revoked`.
    pub async fn onboard(&self, request: OnboardRequest) -> Result<Onboarded, AuthorityError> {
        let now = self.now();
        let checked = Checked::new(request)?;
        let id = names::agent_id(&self.shared.config.trust_domain, &checked.name)?;
        let (signer, lifetime) = (self.shared.signer.clone(), self.shared.config.svid_lifetime_secs);
        let change = move |state: &mut State, batch: &mut crate::state::Batch| {
            check_new(state, &checked)?;
            let svid = issue_svid::issue(&signer.svid, &id, &checked.key, now, lifetime)?;
            let record = checked.record(id, svid.not_after, now);
            let view = checked.view(&record, svid.not_after);

            batch.writes.push(Write::InsertAgent(checked.row(now)?));
            batch.writes.push(issue_svid::key_write(&checked.name, &checked.key, svid.not_after, now));
            batch.acts.push(checked.act(&record, svid.not_after, now));
            batch.publish = true;
            state.key_holders.insert(checked.key.id().as_str().to_owned(), record.id.clone());
            state.positions.insert(checked.name.to_ascii_lowercase(), state.document.agents.len());
            state.document.agents.push(record);
            Ok((view, svid.pem))
        };
        let ((agent, svid_pem), _) = self.shared.changes.submit(change).await?;
        Ok(Onboarded { agent, svid_pem, trust: self.trust_document() })
    }

    /// Every agent, in order of onboarding.
    pub async fn agents(&self) -> Result<Vec<AgentView>, AuthorityError> {
        self.views(None).await
    }

    /// One agent. Errs with `identity.unknown`.
    pub async fn agent(&self, name: &str) -> Result<AgentView, AuthorityError> {
        if let Some(view) = self.views(Some(name)).await?.into_iter().find(|view| view.name == name) {
            return Ok(view);
        }
        // The writer knows the names that are near.
        let name = name.to_owned();
        let (view, _) = self.shared.changes.submit(move |state, _| state.agent(&name).map(drop)).await?;
        let () = view;
        Err(AuthorityError::stopped())
    }

    async fn views(&self, name: Option<&str>) -> Result<Vec<AgentView>, AuthorityError> {
        let revoked: std::collections::HashSet<String> = self
            .shared
            .store
            .revocations()
            .await?
            .into_iter()
            .filter(|revocation| matches!(revocation.kind.as_str(), "agent" | "subtree"))
            .map(|revocation| revocation.value)
            .collect();
        let details = self.shared.store.agents(name, self.now().secs()).await?;
        details.into_iter().map(|details| self.view(details, &revoked)).collect()
    }

    fn view(
        &self,
        details: AgentDetails,
        revoked: &std::collections::HashSet<String>,
    ) -> Result<AgentView, AuthorityError> {
        let id = names::agent_id(&self.shared.config.trust_domain, &details.name)?;
        let model = serde_json::from_str(&details.model).map_err(|_| {
            AuthorityError::setup("authority.db is damaged (a model)", "restore it from a backup")
        })?;
        let key = |(thumbprint, jwk, not_after): (String, String, u64)| KeyView {
            thumbprint,
            jwk: serde_json::from_str(&jwk).unwrap_or_default(),
            not_after,
        };
        let now = self.now().micros();
        Ok(AgentView {
            revoked: revoked.contains(id.as_str()),
            id: id.as_str().to_owned(),
            name: details.name,
            state: details.state,
            owner: details.owner,
            model,
            runtime: details.runtime,
            purpose: details.purpose,
            risk_tier: details.risk_tier,
            onboarded_at: details.onboarded_at,
            observe_until: details.observe_until.filter(|until| *until > now),
            keys: details.keys.into_iter().map(key).collect(),
            deny: details.deny,
        })
    }
}

/// A request whose fields have been checked.
struct Checked {
    name: String,
    owner: String,
    model: Model,
    runtime: Option<String>,
    purpose: Option<String>,
    risk_tier: RiskTier,
    key: PublicKey,
}

impl Checked {
    fn new(request: OnboardRequest) -> Result<Self, AuthorityError> {
        names::check_name(&request.name)?;
        let owner = request.owner.unwrap_or_default();
        names::check_line("identity.owner", "the owner", &owner)?;
        let Some(model) = request.model else {
            return Err(AuthorityError::invalid(
                "identity.model",
                "the model is missing",
                "say name and version",
            ));
        };
        check_model(&model)?;
        names::check_optional("request.invalid", "the runtime", request.runtime.as_ref())?;
        names::check_optional("request.invalid", "the purpose", request.purpose.as_ref())?;
        let key = PublicKey::from_jwk(&request.public_key)?;
        check_proof(&request.name, &key, request.proof.as_deref())?;
        Ok(Self {
            name: request.name,
            owner,
            model,
            runtime: request.runtime,
            purpose: request.purpose,
            risk_tier: request.risk_tier.unwrap_or(RiskTier::Medium),
            key,
        })
    }

    fn record(&self, id: SpiffeId, not_after: UnixTime, now: UnixTime) -> AgentRecord {
        AgentRecord {
            id,
            state: AgentState::Active,
            keys: vec![AgentKey { jwk: self.key.to_jwk(), not_after }],
            owner: self.owner.clone(),
            model: self.model.clone(),
            risk_tier: self.risk_tier,
            onboarded_at: now,
            deny: Vec::new(),
            observe_until: None,
        }
    }

    fn row(&self, now: UnixTime) -> Result<AgentRow, AuthorityError> {
        Ok(AgentRow {
            name: self.name.clone(),
            owner: self.owner.clone(),
            model: serde_json::to_string(&self.model)
                .map_err(|error| AuthorityError::invalid("identity.model", error.to_string(), ""))?,
            runtime: self.runtime.clone(),
            purpose: self.purpose.clone(),
            risk_tier: tier_text(self.risk_tier).to_owned(),
            onboarded_at: now.micros(),
        })
    }

    fn view(&self, record: &AgentRecord, not_after: UnixTime) -> AgentView {
        AgentView {
            name: self.name.clone(),
            id: record.id.as_str().to_owned(),
            state: "active".to_owned(),
            revoked: false,
            owner: self.owner.clone(),
            model: self.model.clone(),
            runtime: self.runtime.clone(),
            purpose: self.purpose.clone(),
            risk_tier: tier_text(self.risk_tier).to_owned(),
            onboarded_at: record.onboarded_at.micros(),
            observe_until: None,
            keys: vec![KeyView {
                thumbprint: self.key.id().as_str().to_owned(),
                jwk: self.key.to_jwk(),
                not_after: not_after.micros(),
            }],
            deny: Vec::new(),
        }
    }

    /// The owner is a person: the directory log does not name people, the database does.
    fn act(&self, record: &AgentRecord, not_after: UnixTime, now: UnixTime) -> Act {
        let mut members = BTreeMap::from([
            ("change".to_owned(), Value::from("onboarded")),
            ("agent".to_owned(), Value::from(record.id.as_str())),
            ("model".to_owned(), Value::from(format!("{}@{}", self.model.name, self.model.version))),
            ("risk_tier".to_owned(), Value::from(tier_text(self.risk_tier))),
            ("key".to_owned(), Value::from(self.key.id().as_str())),
            ("svid_not_after".to_owned(), Value::from(not_after.micros())),
        ]);
        if let Some(digest) = &self.model.digest {
            members.insert("model_digest".to_owned(), Value::from(digest.as_str()));
        }
        Act { kind: "agent", at: now, by: "admin".to_owned(), members }
    }
}

const fn tier_text(tier: RiskTier) -> &'static str {
    match tier {
        RiskTier::Low => "low",
        RiskTier::Medium => "medium",
        RiskTier::High => "high",
    }
}

fn check_model(model: &Model) -> Result<(), AuthorityError> {
    names::check_line("identity.model", "the model's name", &model.name)?;
    names::check_line("identity.model", "the model's version", &model.version)?;
    // `name@version` names a version in revocations and in the log.
    if model.name.contains('@') {
        return Err(AuthorityError::invalid(
            "identity.model",
            "the model's name contains `@`",
            "put what follows it into the version",
        ));
    }
    let is_digest = |digest: &String| {
        digest
            .strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    if model.digest.as_ref().is_some_and(|digest| !is_digest(digest)) {
        return Err(AuthorityError::invalid(
            "identity.model",
            "the model's digest is not `sha256:` and 64 hexadecimal digits",
            "leave it out if it is not known",
        ));
    }
    Ok(())
}

/// Checks that whoever asks holds the key.
pub(crate) fn check_proof(name: &str, key: &PublicKey, proof: Option<&str>) -> Result<(), AuthorityError> {
    // The core verifies P-256 too; the sidecar, the signer of requests and the wallet know Ed25519 only.
    if key.kind() != KeyKind::Ed25519 {
        return Err(AuthorityError::invalid("token.key", "agents have Ed25519 keys", "make an Ed25519 key"));
    }
    let mend =
        "sign `killick-onboard`, the name and the key's thumbprint, joined by line feeds, with the key";
    let Some(proof) = proof.filter(|proof| !proof.is_empty()) else {
        return Err(AuthorityError::invalid("pop.missing", "the proof of possession is missing", mend));
    };
    let signature = URL_SAFE_NO_PAD.decode(proof).unwrap_or_default();
    if key.verifies(&proof_message(name, key.id()), &signature) {
        Ok(())
    } else {
        Err(AuthorityError::invalid(
            "pop.mismatch",
            "the proof was not made with this key for this name",
            mend,
        ))
    }
}

fn check_new(state: &State, checked: &Checked) -> Result<(), AuthorityError> {
    let name = &checked.name;
    if state.positions.contains_key(&name.to_ascii_lowercase()) {
        return Err(AuthorityError::conflict(
            "identity.reuse",
            format!("the name `{name}` is or was another agent's"),
            "choose another name; names are never used twice",
        ));
    }
    check_key_holder(state, &checked.key, None)?;
    state.check_not_barred(&checked.owner, &checked.model.name, &checked.model.version)?;
    if state.document.agents.len() >= AGENTS_MAX {
        return Err(AuthorityError::conflict(
            "limit.size",
            format!("there are {AGENTS_MAX} agents, the most that one trust domain holds"),
            "use a second trust domain",
        ));
    }
    Ok(())
}

/// A key never changes hands, and a revoked one is not certified again.
pub(crate) fn check_key_holder(
    state: &State,
    key: &PublicKey,
    holder: Option<&SpiffeId>,
) -> Result<(), AuthorityError> {
    let thumbprint = key.id().as_str();
    if state.is_revoked("key", thumbprint) {
        return Err(AuthorityError::forbidden("key.revoked", "the key has been revoked", "make a new key"));
    }
    match state.key_holders.get(thumbprint) {
        Some(known) if Some(known) != holder => Err(AuthorityError::conflict(
            "identity.reuse",
            format!("the key belongs to `{}`", names::registered_name(known)),
            "make a new key; keys are never shared",
        )),
        _ => Ok(()),
    }
}
