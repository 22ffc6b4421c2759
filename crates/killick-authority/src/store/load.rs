//! The database read whole, at start and after a failed transaction.

use std::collections::HashMap;

use killick_proof::bundle::{AgentKey, AgentRecord, AgentState, Revocations, RiskTier};
use killick_proof::grammar::ActionPattern;
use killick_proof::keys::KeyId;
use killick_proof::{SpiffeId, UnixTime};
use sqlx::Row as _;

use super::{Store, query, schema, signed, unsigned};
use crate::capabilities::CapabilityBundle;
use crate::error::AuthorityError;
use crate::names;
use crate::state::LiveToken;

/// What the database says.
pub(crate) struct Loaded {
    pub(crate) meta: HashMap<String, String>,
    pub(crate) agents: Vec<AgentRecord>,
    /// Thumbprint and holder of every key ever certified.
    pub(crate) key_holders: Vec<(String, SpiffeId)>,
    pub(crate) tokens: Vec<(String, LiveToken)>,
    pub(crate) capabilities: Vec<CapabilityBundle>,
    pub(crate) revoked: Vec<(&'static str, String)>,
    pub(crate) revocations: Revocations,
    pub(crate) acts: Vec<PendingAct>,
}

/// An act whose entry may not have reached the directory log.
pub(crate) struct PendingAct {
    pub(crate) serial: u64,
    pub(crate) text: String,
}

/// Every kind of revocation, as the database and the API write it.
pub(crate) const KINDS: [&str; 7] = ["token", "key", "agent", "subtree", "model", "owner", "all"];

impl Store {
    /// Reads everything that the next bundle depends on.
    pub(crate) async fn load(&self, trust_domain: &str, now: UnixTime) -> Result<Loaded, AuthorityError> {
        self.try_load(trust_domain, now).await.map_err(|failure| failure.explain(&self.shown))
    }

    async fn try_load(&self, trust_domain: &str, now: UnixTime) -> Result<Loaded, schema::Failure> {
        let bad = |what: &str| schema::Failure::Damaged(format!("{what} is not readable"));
        let mut connection = self.pool.acquire().await?;

        let rows = sqlx::query("SELECT key, value FROM meta").fetch_all(&mut *connection).await?;
        let meta = rows
            .into_iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<Result<HashMap<String, String>, sqlx::Error>>()?;

        let rows = sqlx::query(
            "SELECT name, state, owner, model, risk_tier, onboarded_at, observe_until FROM agents
             ORDER BY onboarded_at, name",
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut agents = Vec::with_capacity(rows.len());
        let mut positions = HashMap::new();
        for row in rows {
            let name: String = row.try_get(0)?;
            let id = names::agent_id(trust_domain, &name).map_err(|_| bad("an agent's name"))?;
            let observe_until = row.try_get::<Option<i64>, _>(6)?.map(unsigned).map(UnixTime::from_micros);
            positions.insert(name, agents.len());
            agents.push(AgentRecord {
                id,
                state: match row.try_get::<String, _>(1)?.as_str() {
                    "active" => AgentState::Active,
                    "suspended" => AgentState::Suspended,
                    _ => AgentState::Offboarded,
                },
                keys: Vec::new(),
                owner: row.try_get(2)?,
                model: serde_json::from_str(&row.try_get::<String, _>(3)?)
                    .map_err(|_| bad("an agent's model"))?,
                risk_tier: match row.try_get::<String, _>(4)?.as_str() {
                    "low" => RiskTier::Low,
                    "medium" => RiskTier::Medium,
                    _ => RiskTier::High,
                },
                onboarded_at: UnixTime::from_micros(unsigned(row.try_get(5)?)),
                deny: Vec::new(),
                observe_until: observe_until.filter(|until| *until > now),
            });
        }

        let rows = sqlx::query(
            "SELECT thumbprint, agent, jwk, not_after FROM keys ORDER BY created_at, not_after, thumbprint",
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut key_holders = Vec::with_capacity(rows.len());
        for row in rows {
            let record = positions
                .get(&row.try_get::<String, _>(1)?)
                .and_then(|position: &usize| agents.get_mut(*position))
                .ok_or_else(|| bad("a key's agent"))?;
            key_holders.push((row.try_get(0)?, record.id.clone()));
            record.keys.push(AgentKey {
                jwk: serde_json::from_str(&row.try_get::<String, _>(2)?).map_err(|_| bad("a key"))?,
                not_after: UnixTime::from_micros(unsigned(row.try_get(3)?)),
            });
        }

        let rows = sqlx::query(
            "SELECT jti, agent, deny, exp FROM tokens WHERE exp > ?1 AND NOT EXISTS
                 (SELECT 1 FROM revocations r WHERE r.kind = 'token' AND r.value = jti)",
        )
        .bind(signed(now.secs()))
        .fetch_all(&mut *connection)
        .await?;
        let mut tokens = Vec::with_capacity(rows.len());
        for row in rows {
            let name: String = row.try_get(1)?;
            let deny: Vec<String> =
                serde_json::from_str(&row.try_get::<String, _>(2)?).map_err(|_| bad("a token's denies"))?;
            let deny = deny
                .iter()
                .map(|pattern| ActionPattern::parse(pattern))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| bad("a token's denies"))?;
            let agent = names::agent_id(trust_domain, &name).map_err(|_| bad("a token's agent"))?;
            tokens.push((row.try_get(0)?, LiveToken { agent, exp_secs: unsigned(row.try_get(3)?), deny }));
        }

        let capabilities = query::capability_bundles(&mut connection).await?;

        let rows = sqlx::query("SELECT kind, value FROM revocations ORDER BY seq")
            .fetch_all(&mut *connection)
            .await?;
        let mut revoked = Vec::with_capacity(rows.len());
        let mut revocations = Revocations::default();
        for row in rows {
            let kind: String = row.try_get(0)?;
            let kind = KINDS.into_iter().find(|known| **known == kind).ok_or_else(|| bad("a revocation"))?;
            let value: String = row.try_get(1)?;
            push_revocation(&mut revocations, kind, &value).ok_or_else(|| bad("a revocation"))?;
            revoked.push((kind, value));
        }

        let rows =
            sqlx::query("SELECT serial, act FROM acts ORDER BY serial").fetch_all(&mut *connection).await?;
        let acts = rows
            .into_iter()
            .map(|row| Ok(PendingAct { serial: unsigned(row.try_get(0)?), text: row.try_get(1)? }))
            .collect::<Result<Vec<_>, sqlx::Error>>()?;

        Ok(Loaded { meta, agents, key_holders, tokens, capabilities, revoked, revocations, acts })
    }
}

/// Adds one revocation to the bundle's sets. `None` if the value is not of the kind.
pub(crate) fn push_revocation(revocations: &mut Revocations, kind: &str, value: &str) -> Option<()> {
    match kind {
        "token" => revocations.tokens.push(value.to_owned()),
        "key" => revocations.keys.push(key_id(value)?),
        "agent" => revocations.agents.push(SpiffeId::parse(value).ok()?),
        "subtree" => revocations.subtrees.push(SpiffeId::parse(value).ok()?),
        "model" => revocations.models.push(value.to_owned()),
        "owner" => revocations.owners.push(value.to_owned()),
        "all" => revocations.all = true,
        _ => return None,
    }
    Some(())
}

/// A thumbprint from its text: 43 characters of base64url (RFC 7638 over SHA-256).
fn key_id(text: &str) -> Option<KeyId> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
    (bytes.len() == 32).then_some(())?;
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}
