//! The statements behind each change, and the rows that the admin API lists.

use std::collections::HashMap;

use sqlx::{Row as _, Sqlite, SqliteConnection, Transaction};

use super::{Store, Write, schema, signed, unsigned};
use crate::capabilities::{CapabilityBundle, CapabilityUse};
use crate::error::AuthorityError;
use crate::limits::ROWS_MAX;

/// An agent with what the bundle does not say.
pub(crate) struct AgentDetails {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) owner: String,
    pub(crate) model: String,
    pub(crate) runtime: Option<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) risk_tier: String,
    pub(crate) onboarded_at: u64,
    pub(crate) observe_until: Option<u64>,
    /// Thumbprint, JWK and end of the SVID, newest first; expired ones only while they are the newest.
    pub(crate) keys: Vec<(String, String, u64)>,
    /// Denies of its live tokens.
    pub(crate) deny: Vec<String>,
}

/// A token as it was granted.
pub(crate) struct TokenDetails {
    pub(crate) jti: String,
    pub(crate) agent: String,
    pub(crate) granted: String,
    pub(crate) deny: String,
    pub(crate) bundles: String,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
    pub(crate) revoked: bool,
}

/// A revocation as it was accepted.
pub(crate) struct RevocationDetails {
    pub(crate) kind: String,
    pub(crate) value: String,
    pub(crate) reason: Option<String>,
    pub(crate) accepted_at: u64,
}

pub(super) async fn apply(
    transaction: &mut Transaction<'_, Sqlite>,
    write: Write,
) -> Result<(), sqlx::Error> {
    let query = match write {
        Write::InsertAgent(row) => sqlx::query(
            "INSERT INTO agents (name, state, owner, model, runtime, purpose, risk_tier, onboarded_at)
             VALUES (?1, 'active', ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(row.name)
        .bind(row.owner)
        .bind(row.model)
        .bind(row.runtime)
        .bind(row.purpose)
        .bind(row.risk_tier)
        .bind(signed(row.onboarded_at)),
        Write::SetState { name, state } => {
            sqlx::query("UPDATE agents SET state = ?2 WHERE name = ?1").bind(name).bind(state)
        }
        Write::EraseOwner { owner } => sqlx::query(
            "UPDATE agents SET owner = 'erased' WHERE owner = ?1 AND state = 'offboarded'",
        )
        .bind(owner),
        Write::SetObserve { name, until } => {
            sqlx::query("UPDATE agents SET observe_until = ?2 WHERE name = ?1")
                .bind(name)
                .bind(until.map(signed))
        }
        Write::UpsertKey { thumbprint, agent, jwk, not_after, created_at } => sqlx::query(
            "INSERT INTO keys (thumbprint, agent, jwk, not_after, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (thumbprint) DO UPDATE SET not_after = excluded.not_after",
        )
        .bind(thumbprint)
        .bind(agent)
        .bind(jwk)
        .bind(signed(not_after))
        .bind(signed(created_at)),
        Write::InsertToken(row) => sqlx::query(
            "INSERT INTO tokens (jti, agent, granted, deny, bundles, iat, exp) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(row.jti)
        .bind(row.agent)
        .bind(row.granted)
        .bind(row.deny)
        .bind(row.bundles)
        .bind(signed(row.iat))
        .bind(signed(row.exp)),
        Write::InsertCapabilities { name, version, granted, defined_at } => sqlx::query(
            "INSERT INTO capability_bundles (name, version, granted, defined_at) VALUES (?1, ?2, ?3, ?4)",
        )
        .bind(name)
        .bind(signed(version))
        .bind(granted)
        .bind(signed(defined_at)),
        Write::RetireCapabilities { name } => {
            sqlx::query("UPDATE capability_bundles SET retired = 1 WHERE name = ?1").bind(name)
        }
        Write::InsertRevocation { kind, value, reason, accepted_at } => sqlx::query(
            "INSERT OR IGNORE INTO revocations (kind, value, reason, accepted_at) VALUES (?1, ?2, ?3, ?4)",
        )
        .bind(kind)
        .bind(value)
        .bind(reason)
        .bind(signed(accepted_at)),
        Write::DeleteRevocation { kind, value } => {
            sqlx::query("DELETE FROM revocations WHERE kind = ?1 AND value = ?2").bind(kind).bind(value)
        }
        Write::SetMeta { key, value } => return set_meta(transaction, key, &value).await,
    };
    query.execute(&mut **transaction).await.map(drop)
}

pub(super) async fn set_meta(
    connection: &mut SqliteConnection,
    key: &str,
    value: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2")
        .bind(key)
        .bind(value)
        .execute(connection)
        .await
        .map(drop)
}

/// Every version of every capability bundle, by name, oldest first.
pub(super) async fn capability_bundles(
    connection: &mut SqliteConnection,
) -> Result<Vec<CapabilityBundle>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT name, version, granted, defined_at, retired FROM capability_bundles ORDER BY name, version",
    )
    .fetch_all(connection)
    .await?;
    let bundle = |row: sqlx::sqlite::SqliteRow| {
        Ok(CapabilityBundle {
            name: row.try_get(0)?,
            version: unsigned(row.try_get(1)?),
            grant: row.try_get(2)?,
            defined_at: unsigned(row.try_get(3)?),
            retired: row.try_get::<i64, _>(4)? != 0,
        })
    };
    rows.into_iter().map(bundle).collect()
}

impl Store {
    /// Agents in order of onboarding, or one of them.
    pub(crate) async fn agents(
        &self,
        name: Option<&str>,
        now_secs: u64,
    ) -> Result<Vec<AgentDetails>, AuthorityError> {
        let read = async {
            let mut connection = self.pool.acquire().await?;
            let rows = sqlx::query(
                "SELECT name, state, owner, model, runtime, purpose, risk_tier, onboarded_at, observe_until
                 FROM agents WHERE ?1 IS NULL OR name = ?1 ORDER BY onboarded_at, name LIMIT ?2",
            )
            .bind(name)
            .bind(ROWS_MAX)
            .fetch_all(&mut *connection)
            .await?;
            let key_rows = sqlx::query(
                "SELECT agent, thumbprint, jwk, not_after FROM keys WHERE ?1 IS NULL OR agent = ?1
                 ORDER BY created_at DESC, not_after DESC, thumbprint DESC",
            )
            .bind(name)
            .fetch_all(&mut *connection)
            .await?;
            let mut keys = HashMap::<String, Vec<(String, String, u64)>>::new();
            for row in key_rows {
                let not_after = unsigned(row.try_get(3)?);
                let of_agent = keys.entry(row.try_get(0)?).or_default();
                if of_agent.is_empty() || not_after > now_secs.saturating_mul(1_000_000) {
                    of_agent.push((row.try_get(1)?, row.try_get(2)?, not_after));
                }
            }
            let deny_rows = sqlx::query(
                "SELECT agent, deny FROM tokens WHERE exp > ?2 AND deny <> '[]' AND (?1 IS NULL OR agent = ?1)
                 AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.kind = 'token' AND r.value = jti)",
            )
            .bind(name)
            .bind(signed(now_secs))
            .fetch_all(&mut *connection)
            .await?;
            let mut denies = HashMap::<String, Vec<String>>::new();
            for row in deny_rows {
                let of_token: Vec<String> =
                    serde_json::from_str(&row.try_get::<String, _>(1)?).unwrap_or_default();
                denies.entry(row.try_get(0)?).or_default().extend(of_token);
            }
            for deny in denies.values_mut() {
                deny.sort();
                deny.dedup();
            }
            rows.into_iter()
                .map(|row| {
                    let name: String = row.try_get(0)?;
                    Ok(AgentDetails {
                        keys: keys.remove(&name).unwrap_or_default(),
                        deny: denies.remove(&name).unwrap_or_default(),
                        name,
                        state: row.try_get(1)?,
                        owner: row.try_get(2)?,
                        model: row.try_get(3)?,
                        runtime: row.try_get(4)?,
                        purpose: row.try_get(5)?,
                        risk_tier: row.try_get(6)?,
                        onboarded_at: unsigned(row.try_get(7)?),
                        observe_until: row.try_get::<Option<i64>, _>(8)?.map(unsigned),
                    })
                })
                .collect::<Result<Vec<_>, sqlx::Error>>()
        };
        read.await.map_err(|error| schema::explain(&self.shown, &error))
    }

    /// Tokens, newest first; of one agent or of all.
    pub(crate) async fn tokens(&self, agent: Option<&str>) -> Result<Vec<TokenDetails>, AuthorityError> {
        let read = async {
            let rows = sqlx::query(
                "SELECT jti, agent, granted, deny, bundles, iat, exp,
                        EXISTS (SELECT 1 FROM revocations r WHERE r.kind = 'token' AND r.value = jti)
                 FROM tokens WHERE ?1 IS NULL OR agent = ?1 ORDER BY iat DESC, jti DESC LIMIT ?2",
            )
            .bind(agent)
            .bind(ROWS_MAX)
            .fetch_all(&self.pool)
            .await?;
            rows.into_iter()
                .map(|row| {
                    Ok(TokenDetails {
                        jti: row.try_get(0)?,
                        agent: row.try_get(1)?,
                        granted: row.try_get(2)?,
                        deny: row.try_get(3)?,
                        bundles: row.try_get(4)?,
                        iat: unsigned(row.try_get(5)?),
                        exp: unsigned(row.try_get(6)?),
                        revoked: row.try_get::<i64, _>(7)? != 0,
                    })
                })
                .collect::<Result<Vec<_>, sqlx::Error>>()
        };
        read.await.map_err(|error| schema::explain(&self.shown, &error))
    }

    /// Every version of every capability bundle, and by name in lower case which agents hold live tokens by it.
    pub(crate) async fn capabilities(
        &self,
        now_secs: u64,
    ) -> Result<(Vec<CapabilityBundle>, HashMap<String, Vec<CapabilityUse>>), AuthorityError> {
        let read = async {
            let mut connection = self.pool.acquire().await?;
            let bundles = capability_bundles(&mut connection).await?;
            // A use is written `name/version`.
            let rows = sqlx::query(
                "SELECT agent, used.value, COUNT(*) FROM tokens, json_each(tokens.bundles) AS used
                 WHERE exp > ?1 AND NOT EXISTS
                     (SELECT 1 FROM revocations r WHERE r.kind = 'token' AND r.value = jti)
                 GROUP BY agent, used.value ORDER BY agent, used.value",
            )
            .bind(signed(now_secs))
            .fetch_all(&mut *connection)
            .await?;
            let mut users = HashMap::<String, Vec<CapabilityUse>>::new();
            for row in rows {
                let used: String = row.try_get(1)?;
                let Some((name, version)) = used.rsplit_once('/') else { continue };
                users.entry(name.to_ascii_lowercase()).or_default().push(CapabilityUse {
                    agent: row.try_get(0)?,
                    version: version.parse().unwrap_or_default(),
                    tokens: unsigned(row.try_get(2)?),
                });
            }
            Ok((bundles, users))
        };
        read.await.map_err(|error| schema::explain(&self.shown, &error))
    }

    /// Revocations, newest first.
    pub(crate) async fn revocations(&self) -> Result<Vec<RevocationDetails>, AuthorityError> {
        let read = async {
            let rows = sqlx::query(
                "SELECT kind, value, reason, accepted_at FROM revocations ORDER BY seq DESC LIMIT ?1",
            )
            .bind(ROWS_MAX)
            .fetch_all(&self.pool)
            .await?;
            rows.into_iter()
                .map(|row| {
                    Ok(RevocationDetails {
                        kind: row.try_get(0)?,
                        value: row.try_get(1)?,
                        reason: row.try_get(2)?,
                        accepted_at: unsigned(row.try_get(3)?),
                    })
                })
                .collect::<Result<Vec<_>, sqlx::Error>>()
        };
        read.await.map_err(|error| schema::explain(&self.shown, &error))
    }
}
