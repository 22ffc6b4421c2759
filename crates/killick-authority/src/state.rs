//! What the authority knows, in memory: the next bundle and the indexes that changes are checked against. A cache of
//! the database; after a failed transaction it is read again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use killick_decide::Catalogue;
use killick_decide::entry::Act;
use killick_proof::bundle::{AgentRecord, AgentState, BundleDocument};
use killick_proof::grammar::ActionPattern;
use killick_proof::{SpiffeId, UnixTime};

use crate::capabilities::CapabilityBundle;
use crate::error::AuthorityError;
use crate::limits::AGENT_KEYS_MAX;
use crate::names;
use crate::store::Write;

/// Everything that a change is checked against. Owned by the writer task.
pub(crate) struct State {
    /// The newest bundle's content; `version` is the newest published one.
    pub(crate) document: BundleDocument,
    /// Position in `document.agents` by name in lower case: names that differ in case only are one name.
    pub(crate) positions: HashMap<String, usize>,
    /// Every key ever used and whose it is: a key never changes hands.
    pub(crate) key_holders: HashMap<String, SpiffeId>,
    /// Tokens that have neither expired nor been revoked, by `jti`.
    pub(crate) tokens: BTreeMap<String, LiveToken>,
    /// Every version of every capability bundle, by name in lower case; oldest first.
    pub(crate) capabilities: BTreeMap<String, Vec<CapabilityBundle>>,
    /// What is revoked, for a look-up in constant time: kind and value.
    pub(crate) revoked: HashSet<(&'static str, String)>,
    /// The catalogue, checked.
    pub(crate) catalogue: Arc<Catalogue>,
    /// Serial of the next act.
    pub(crate) act_next: u64,
}

/// What a live token means for other grants.
pub(crate) struct LiveToken {
    pub(crate) agent: SpiffeId,
    pub(crate) exp_secs: u64,
    pub(crate) deny: Vec<ActionPattern>,
}

/// What one transaction will hold.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) files: Vec<FileChange>,
    pub(crate) writes: Vec<Write>,
    pub(crate) acts: Vec<Act>,
    /// Whether a new bundle must be published.
    pub(crate) publish: bool,
}

/// A rules file to be replaced or removed, before the transaction: the database then remembers what was written.
pub(crate) enum FileChange {
    Replace(PathBuf, Vec<u8>),
    Remove(PathBuf),
}

impl State {
    /// The registered agent of this name.
    pub(crate) fn agent(&self, name: &str) -> Result<&AgentRecord, AuthorityError> {
        self.positions
            .get(&name.to_ascii_lowercase())
            .and_then(|position| self.document.agents.get(*position))
            .filter(|record| names::registered_name(&record.id) == name)
            .ok_or_else(|| self.unknown_agent(name))
    }

    /// The registered agent of this name, to be changed.
    pub(crate) fn agent_mut(&mut self, name: &str) -> Result<&mut AgentRecord, AuthorityError> {
        self.agent(name)?;
        let position = self.positions.get(&name.to_ascii_lowercase()).copied();
        position
            .and_then(|position| self.document.agents.get_mut(position))
            .ok_or_else(|| AuthorityError::invalid("identity.unknown", "no such agent", ""))
    }

    fn unknown_agent(&self, name: &str) -> AuthorityError {
        let near = names::nearest(name, self.document.agents.iter().map(|a| names::registered_name(&a.id)));
        let shown: String = name.chars().take(64).flat_map(char::escape_default).collect();
        AuthorityError::new(
            crate::ErrorKind::NotFound,
            "identity.unknown",
            format!("there is no agent `{shown}`"),
            near.map_or_else(
                || "onboard it first".to_owned(),
                |near| format!("did you mean `{near}`? otherwise onboard it first"),
            ),
        )
    }

    /// Errs unless the agent may be given something: active, and nothing about it revoked.
    pub(crate) fn check_standing(&self, record: &AgentRecord) -> Result<(), AuthorityError> {
        let name = names::registered_name(&record.id);
        match record.state {
            AgentState::Active => {}
            AgentState::Suspended => {
                return Err(AuthorityError::forbidden(
                    "identity.suspended",
                    format!("`{name}` is suspended"),
                    format!("resume it first: killick agent resume {name}"),
                ));
            }
            AgentState::Offboarded => {
                return Err(AuthorityError::forbidden(
                    "identity.revoked",
                    format!("`{name}` has been off-boarded"),
                    "onboard a new agent under another name",
                ));
            }
        }
        if self.is_revoked("agent", record.id.as_str()) || self.is_revoked("subtree", record.id.as_str()) {
            return Err(AuthorityError::forbidden(
                "identity.revoked",
                format!("`{name}` has been revoked"),
                "onboard a new agent under another name",
            ));
        }
        self.check_not_barred(&record.owner, &record.model.name, &record.model.version)
    }

    /// Errs if the kill switch is on, or the owner or model is revoked.
    pub(crate) fn check_not_barred(
        &self,
        owner: &str,
        model: &str,
        version: &str,
    ) -> Result<(), AuthorityError> {
        if self.document.revocations.all {
            return Err(AuthorityError::forbidden(
                "revoked.all",
                "the kill switch is on: everything is revoked",
                "turn it off first: DELETE /v1/revocations/all on the admin socket",
            ));
        }
        if self.is_revoked("owner", owner) {
            return Err(AuthorityError::forbidden(
                "identity.revoked",
                "the owner has been revoked",
                "name another owner",
            ));
        }
        if self.is_revoked("model", model) || self.is_revoked("model", &format!("{model}@{version}")) {
            return Err(AuthorityError::forbidden(
                "identity.revoked",
                format!("the model `{model}@{version}` has been revoked"),
                "use another model or version",
            ));
        }
        Ok(())
    }

    pub(crate) fn is_revoked(&self, kind: &'static str, value: &str) -> bool {
        self.revoked.contains(&(kind, value.to_owned()))
    }

    /// Recomputes the denies that hold for an agent: the union over its live tokens. Returns whether they changed.
    pub(crate) fn refresh_denies(&mut self, agent: &SpiffeId) -> bool {
        let mut deny: Vec<String> = self
            .tokens
            .values()
            .filter(|token| token.agent == *agent)
            .flat_map(|token| token.deny.iter().map(|pattern| pattern.as_str().to_owned()))
            .collect();
        deny.sort();
        deny.dedup();
        match self.agent_mut(names::registered_name(agent)) {
            Ok(record) if record.deny != deny => {
                record.deny = deny;
                true
            }
            _ => false,
        }
    }

    /// Forgets what time has ended: expired tokens with their denies, observe modes, keys whose SVID has expired and
    /// that are not the agent's newest.
    pub(crate) fn expire(&mut self, now: UnixTime) {
        let expired: Vec<SpiffeId> = self
            .tokens
            .extract_if(.., |_, token| token.exp_secs <= now.secs())
            .map(|(_, token)| token.agent)
            .collect();
        let affected: HashSet<SpiffeId> = expired.into_iter().collect();
        for agent in &affected {
            self.refresh_denies(agent);
        }
        for record in &mut self.document.agents {
            if record.observe_until.is_some_and(|until| until <= now) {
                record.observe_until = None;
            }
            trim_keys(record, now);
        }
    }
}

/// Keeps the newest key, and the one before it while its SVID lives. The newest stays even when its SVID has expired,
/// so that the gateway can say `identity.expired` rather than `identity.unknown`.
pub(crate) fn trim_keys(record: &mut AgentRecord, now: UnixTime) {
    let newest = record.keys.pop();
    record.keys.retain(|key| key.not_after > now);
    record.keys.extend(newest);
    while record.keys.len() > AGENT_KEYS_MAX {
        record.keys.remove(0);
    }
}
