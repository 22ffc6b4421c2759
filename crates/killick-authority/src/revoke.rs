//! Revocation: by token, key, agent, subtree, model, owner, or everything. It takes effect with the next bundle, which
//! is published before the caller is answered.

use std::collections::BTreeMap;

use base64::Engine as _;
use killick_decide::entry::Act;
use killick_proof::{SpiffeId, UnixTime};
use serde_json::Value;

use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::limits::REVOCATIONS_MAX;
use crate::names;
use crate::state::{Batch, State};
use crate::store::Write;
use crate::store::load::{KINDS, push_revocation};

/// What is to be revoked.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// `token`, `key`, `agent`, `subtree`, `model`, `owner` or `all`.
    pub kind: String,
    /// Token id, key thumbprint, agent's name or SPIFFE ID, model `name` or `name@version`, owner; none for `all`.
    #[serde(default)]
    pub value: Option<String>,
    /// For people; kept in the database, not in the log.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A revocation in force.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Revocation {
    /// The bundle that carries it.
    pub bundle_version: u64,
    /// When the request was accepted, microseconds since the epoch.
    pub accepted_at_us: u64,
    /// Registered agents that it stops; for a token or key, the one that holds it.
    pub affected: usize,
    /// Whether it was in force before.
    pub already: bool,
}

/// A revocation, as listed.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RevocationView {
    /// What kind.
    pub kind: String,
    /// Of what.
    pub value: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Microseconds since the epoch.
    pub accepted_at_us: u64,
}

impl Authority {
    /// Revokes. `accepted_at` is when the request was accepted. Revoking twice is not an error. Errs with
    /// `request.invalid`, `identity.unknown` (an agent that was never onboarded), `identity.domain`.
    pub async fn revoke(
        &self,
        request: RevokeRequest,
        accepted_at: UnixTime,
    ) -> Result<Revocation, AuthorityError> {
        let target = Target::parse(&self.shared.config.trust_domain, &request)?;
        names::check_optional("request.invalid", "the reason", request.reason.as_ref())?;
        let change = move |state: &mut State, batch: &mut Batch| {
            target.check_known(state)?;
            let affected = target.affected(state);
            let already = state.is_revoked(target.kind, &target.value);
            if !already {
                put(state, batch, target.kind, &target.value, (request.reason, accepted_at))?;
                batch.acts.push(target.act(affected, accepted_at));
            }
            Ok((affected, already))
        };
        let ((affected, already), bundle_version) = self.shared.changes.submit(change).await?;
        Ok(Revocation { bundle_version, accepted_at_us: accepted_at.micros(), affected, already })
    }

    /// Turns the kill switch off again; what else is revoked stays so.
    pub async fn lift_all(&self) -> Result<Revocation, AuthorityError> {
        let now = self.now();
        let change = move |state: &mut State, batch: &mut Batch| {
            let was_on = state.document.revocations.all;
            if was_on {
                state.document.revocations.all = false;
                state.revoked.remove(&("all", String::new()));
                batch.writes.push(Write::DeleteRevocation { kind: "all", value: String::new() });
                batch.acts.push(act("all", "", "lifted", state.document.agents.len(), now));
                batch.publish = true;
            }
            Ok((state.document.agents.len(), !was_on))
        };
        let ((affected, already), bundle_version) = self.shared.changes.submit(change).await?;
        Ok(Revocation { bundle_version, accepted_at_us: now.micros(), affected, already })
    }

    /// Every revocation, newest first.
    pub async fn revocations(&self) -> Result<Vec<RevocationView>, AuthorityError> {
        let rows = self.shared.store.revocations().await?;
        let view = |row: crate::store::query::RevocationDetails| RevocationView {
            kind: row.kind,
            value: row.value,
            reason: row.reason,
            accepted_at_us: row.accepted_at,
        };
        Ok(rows.into_iter().map(view).collect())
    }
}

/// Puts one revocation into the state and the transaction. Errs before it changes anything.
pub(crate) fn put(
    state: &mut State,
    batch: &mut Batch,
    kind: &'static str,
    value: &str,
    (reason, accepted_at): (Option<String>, UnixTime),
) -> Result<(), AuthorityError> {
    // The kill switch always fits.
    if state.revoked.len() >= REVOCATIONS_MAX && kind != "all" {
        return Err(AuthorityError::conflict(
            "limit.size",
            format!("there are {REVOCATIONS_MAX} revocations, the most that a bundle holds"),
            "revoke by agent, model or owner instead",
        ));
    }
    push_revocation(&mut state.document.revocations, kind, value)
        .ok_or_else(|| AuthorityError::invalid("request.invalid", format!("this is no {kind}"), ""))?;
    state.revoked.insert((kind, value.to_owned()));
    batch.writes.push(Write::InsertRevocation {
        kind,
        value: value.to_owned(),
        reason,
        accepted_at: accepted_at.micros(),
    });
    batch.publish = true;
    if kind == "token"
        && let Some(token) = state.tokens.remove(value)
    {
        state.refresh_denies(&token.agent);
    }
    Ok(())
}

struct Target {
    kind: &'static str,
    value: String,
    agent: Option<SpiffeId>,
}

impl Target {
    fn parse(trust_domain: &str, request: &RevokeRequest) -> Result<Self, AuthorityError> {
        let invalid =
            |detail: String, mend: &str| Err(AuthorityError::invalid("request.invalid", detail, mend));
        let Some(kind) = KINDS.into_iter().find(|kind| *kind == request.kind) else {
            let near = names::nearest(&request.kind, KINDS.into_iter());
            let shown: String = request.kind.chars().take(32).flat_map(char::escape_default).collect();
            return match near {
                Some(near) => {
                    invalid(format!("`{shown}` cannot be revoked"), &format!("did you mean `{near}`?"))
                }
                None => {
                    invalid(format!("`{shown}` cannot be revoked"), "name one of the kinds of the reference")
                }
            };
        };
        let value = request.value.clone().unwrap_or_default();
        if kind == "all" {
            return match value.as_str() {
                "" | "*" => Ok(Self { kind, value: String::new(), agent: None }),
                _ => invalid("revoking everything takes no value".to_owned(), "leave `value` out"),
            };
        }
        names::check_line("request.invalid", &format!("the {kind} to revoke"), &value)?;
        match kind {
            "agent" | "subtree" => {
                let id = names::agent_id(trust_domain, &value)?;
                Ok(Self { kind, value: id.as_str().to_owned(), agent: Some(id) })
            }
            "key" => {
                let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&value);
                match bytes {
                    Ok(bytes) if bytes.len() == 32 => Ok(Self { kind, value, agent: None }),
                    _ => invalid(
                        "the key to revoke is not an RFC 7638 thumbprint".to_owned(),
                        "give its 43 characters; `killick agent show` lists them",
                    ),
                }
            }
            _ => Ok(Self { kind, value, agent: None }),
        }
    }

    /// A mistyped agent must not look revoked. Sub-agents are not registered, but the agent above them is.
    fn check_known(&self, state: &State) -> Result<(), AuthorityError> {
        match &self.agent {
            Some(id) => state.agent(names::registered_name(id)).map(drop),
            None => Ok(()),
        }
    }

    fn affected(&self, state: &State) -> usize {
        let agents = &state.document.agents;
        match self.kind {
            "all" => agents.len(),
            "agent" => agents.iter().filter(|agent| Some(&agent.id) == self.agent.as_ref()).count(),
            "subtree" => agents
                .iter()
                .filter(|agent| {
                    self.agent.as_ref().is_some_and(|top| agent.id == *top || agent.id.is_beneath(top))
                })
                .count(),
            "owner" => agents.iter().filter(|agent| agent.owner == self.value).count(),
            "model" => agents
                .iter()
                .map(|agent| &agent.model)
                .filter(|m| m.name == self.value || format!("{}@{}", m.name, m.version) == self.value)
                .count(),
            "key" => usize::from(state.key_holders.contains_key(&self.value)),
            _ => usize::from(state.tokens.contains_key(&self.value)),
        }
    }

    fn act(&self, affected: usize, at: UnixTime) -> Act {
        act(self.kind, &self.value, "revoked", affected, at)
    }
}

/// The log does not name people: an owner's revocation says only how many agents it stopped.
fn act(kind: &'static str, value: &str, change: &str, affected: usize, at: UnixTime) -> Act {
    let mut members = BTreeMap::from([
        ("what".to_owned(), Value::from(kind)),
        ("change".to_owned(), Value::from(change)),
        ("affected".to_owned(), Value::from(affected)),
    ]);
    if !matches!(kind, "owner" | "all") {
        members.insert("value".to_owned(), Value::from(value));
    }
    Act { kind: "revoke", at, by: "admin".to_owned(), members }
}
