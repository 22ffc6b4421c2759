//! What happens to an agent between onboarding and its end: suspended, resumed, observed, off-boarded.

use std::collections::BTreeMap;

use killick_decide::entry::Act;
use killick_proof::UnixTime;
use killick_proof::bundle::AgentState;
use killick_proof::keys::PublicKey;
use serde_json::Value;

use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::limits::OBSERVE_SECS_MAX;
use crate::names;
use crate::revoke;
use crate::state::{Batch, State};
use crate::store::Write;

/// An agent's new state and the bundle that carries it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct StateChange {
    /// The agent's name.
    pub name: String,
    /// `active`, `suspended` or `offboarded`.
    pub state: &'static str,
    /// End of observe mode, microseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observe_until: Option<u64>,
    /// The bundle's version.
    pub bundle_version: u64,
}

impl Authority {
    /// Stops an agent until it is resumed. Errs with `identity.unknown`, `identity.revoked` (off-boarded).
    pub async fn suspend(&self, name: &str) -> Result<StateChange, AuthorityError> {
        self.set_state(name, AgentState::Suspended).await
    }

    /// Lets a suspended agent act again. What is revoked stays revoked.
    pub async fn resume(&self, name: &str) -> Result<StateChange, AuthorityError> {
        self.set_state(name, AgentState::Active).await
    }

    /// Ends an agent and everything beneath it for good: its subtree, live tokens and keys are revoked, its name is
    /// never used again.
    pub async fn offboard(&self, name: &str) -> Result<StateChange, AuthorityError> {
        let (now, name) = (self.now(), name.to_owned());
        let change = move |state: &mut State, batch: &mut Batch| {
            let record = state.agent(&name)?;
            if record.state != AgentState::Offboarded {
                end(state, batch, &name, now)?;
            }
            Ok(name)
        };
        let (name, bundle_version) = self.shared.changes.submit(change).await?;
        Ok(StateChange { name, state: "offboarded", observe_until: None, bundle_version })
    }

    /// Turns observe mode on until a time (at most a week ahead), or off with `None`: denials of authorisation are
    /// recorded, not enforced; identity is always enforced.
    pub async fn observe(&self, name: &str, until: Option<UnixTime>) -> Result<StateChange, AuthorityError> {
        let (now, name) = (self.now(), name.to_owned());
        if let Some(until) = until
            && (until <= now || until > now.plus_secs(OBSERVE_SECS_MAX))
        {
            return Err(AuthorityError::invalid(
                "request.invalid",
                "observe mode must end within the next 7 days",
                "give `until` in microseconds since the epoch",
            ));
        }
        let change = move |state: &mut State, batch: &mut Batch| {
            let record = state.agent(&name)?;
            if until.is_some() {
                state.check_standing(record)?;
            }
            let (id, was) = (record.id.clone(), record.observe_until);
            let record = state.agent_mut(&name)?;
            let shown = state_text(record.state);
            if was != until {
                record.observe_until = until;
                let value = until.map_or(Value::Null, |until| Value::from(until.micros()));
                batch.acts.push(act("observe", id.as_str(), now, [("until", value)]));
                let until = until.map(UnixTime::micros);
                batch.writes.push(Write::SetObserve { name: name.clone(), until });
                batch.publish = true;
            }
            Ok((name, shown))
        };
        let ((name, state), bundle_version) = self.shared.changes.submit(change).await?;
        Ok(StateChange { name, state, observe_until: until.map(UnixTime::micros), bundle_version })
    }

    async fn set_state(&self, name: &str, wanted: AgentState) -> Result<StateChange, AuthorityError> {
        let (now, name) = (self.now(), name.to_owned());
        let change = move |state: &mut State, batch: &mut Batch| {
            let record = state.agent(&name)?;
            if record.state == AgentState::Offboarded {
                return Err(AuthorityError::forbidden(
                    "identity.revoked",
                    format!("`{name}` has been off-boarded"),
                    "onboard a new agent under another name",
                ));
            }
            let (id, differs) = (record.id.clone(), record.state != wanted);
            if differs {
                state.agent_mut(&name)?.state = wanted;
                let word = if wanted == AgentState::Active { "resumed" } else { "suspended" };
                batch.acts.push(act("agent", id.as_str(), now, [("change", Value::from(word))]));
                batch.writes.push(Write::SetState { name: name.clone(), state: state_text(wanted) });
                batch.publish = true;
            }
            Ok((name, state.agent_mut(names::registered_name(&id))?.observe_until))
        };
        let ((name, observe_until), bundle_version) = self.shared.changes.submit(change).await?;
        let observe_until = observe_until.map(UnixTime::micros);
        Ok(StateChange { name, state: state_text(wanted), observe_until, bundle_version })
    }
}

fn end(state: &mut State, batch: &mut Batch, name: &str, now: UnixTime) -> Result<(), AuthorityError> {
    let record = state.agent(name)?;
    let id = record.id.clone();
    let keys: Vec<String> = record
        .keys
        .iter()
        .filter_map(|key| PublicKey::from_jwk(&key.jwk).ok())
        .map(|key| key.id().as_str().to_owned())
        .filter(|thumbprint| !state.is_revoked("key", thumbprint))
        .collect();
    let tokens: Vec<String> = state
        .tokens
        .iter()
        .filter(|(_, token)| token.agent == id || token.agent.is_beneath(&id))
        .map(|(jti, _)| jti.clone())
        .collect();
    let counts = [
        ("change", Value::from("offboarded")),
        ("keys_revoked", Value::from(keys.len())),
        ("tokens_revoked", Value::from(tokens.len())),
    ];

    // The subtree first: if the bound of the sets is reached, nothing has been changed yet.
    let why = || (Some("off-boarded".to_owned()), now);
    if !state.is_revoked("subtree", id.as_str()) {
        revoke::put(state, batch, "subtree", id.as_str(), why())?;
    }
    for jti in &tokens {
        // The subtree's revocation covers what no longer fits.
        let _ = revoke::put(state, batch, "token", jti, why());
    }
    for key in &keys {
        let _ = revoke::put(state, batch, "key", key, why());
    }
    let record = state.agent_mut(name)?;
    record.state = AgentState::Offboarded;
    record.observe_until = None;
    batch.writes.push(Write::SetState { name: name.to_owned(), state: "offboarded" });
    batch.writes.push(Write::SetObserve { name: name.to_owned(), until: None });
    batch.acts.push(act("agent", id.as_str(), now, counts));
    batch.publish = true;
    Ok(())
}

const fn state_text(state: AgentState) -> &'static str {
    match state {
        AgentState::Active => "active",
        AgentState::Suspended => "suspended",
        AgentState::Offboarded => "offboarded",
    }
}

fn act<const N: usize>(kind: &'static str, agent: &str, at: UnixTime, members: [(&str, Value); N]) -> Act {
    let mut all: BTreeMap<String, Value> =
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    all.insert("agent".to_owned(), Value::from(agent));
    Act { kind, at, by: "admin".to_owned(), members: all }
}
