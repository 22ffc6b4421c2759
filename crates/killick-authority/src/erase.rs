//! Erasure: what the logs commit to about a person or an agent can no longer be told by anyone. Every entry and every proof
//! stays as it is.

use std::collections::BTreeMap;

use killick_decide::entry::Act;
use killick_ledger::Ledger;
use killick_proof::bundle::AgentState;
use serde_json::{Value, json};

use crate::ErrorKind;
use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::names;
use crate::state::{Batch, State};
use crate::store::Write;

/// Whose.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    /// As it was written when it was granted or onboarded: `alice@acme.example`, or an agent's SPIFFE ID.
    pub subject: String,
}

/// What was erased.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Erased {
    /// By the log's origin: the pseudonym under which the subject stands there. Nobody can tell any more whose it is.
    pub pseudonyms: BTreeMap<String, String>,
    /// Token chains beside the log that named the subject.
    pub chains: usize,
}

impl Authority {
    /// Erases a subject from the logs, from the chains kept beside them, and as owner of off-boarded agents. That it was
    /// done is an entry of the directory log, made before. Errs with `subject.unknown`, and with `subject.active` while
    /// it owns an agent, or is one, that is not off-boarded. After an error of the disk the same request finishes the work.
    pub async fn erase(&self, request: EraseRequest) -> Result<Erased, AuthorityError> {
        let (now, subject) = (self.now(), request.subject);
        names::check_line("request.invalid", "the subject", &subject)?;
        let config = self.shared.config.clone();
        let logs: Vec<Ledger> = std::iter::once(&config.ledger).chain(&config.logs).cloned().collect();
        let pseudonyms: BTreeMap<String, String> =
            logs.iter().filter_map(|log| Some((log.origin().to_owned(), log.pseudonym(&subject)?))).collect();
        if pseudonyms.is_empty() {
            return Err(AuthorityError::new(
                ErrorKind::NotFound,
                "subject.unknown",
                "no log holds anything about this subject",
                "write it exactly as it was granted or onboarded; what is erased already is unknown too",
            ));
        }
        let (named, whose) = (pseudonyms.clone(), subject.clone());
        let change = move |state: &mut State, batch: &mut Batch| {
            check_gone(state, &whose)?;
            for record in state.document.agents.iter_mut().filter(|record| record.owner == whose) {
                record.owner = "erased".to_owned();
                batch.publish = true;
            }
            batch.writes.push(Write::EraseOwner { owner: whose });
            let members = BTreeMap::from([
                ("change".to_owned(), Value::from("erased")),
                ("pseudonyms".to_owned(), json!(named)),
            ]);
            batch.acts.push(Act { kind: "erase", at: now, by: "admin".to_owned(), members });
            Ok(())
        };
        self.shared.changes.submit(change).await?;
        // The keys last: as long as a log knows the subject, the same request can be made again.
        let whose = subject.clone();
        let forgetting = tokio::task::spawn_blocking(move || (config.forget)(&whose));
        let forgotten = forgetting.await.map_err(|error| failed(&error.to_string()))?;
        let chains = forgotten.map_err(|error| failed(&error.to_string()))?;
        for log in &logs {
            log.erase(&subject).await.map_err(|error| failed(&error.to_string()))?;
        }
        Ok(Erased { pseudonyms, chains })
    }
}

/// Who still acts, or answers for what does, is not erased: its next call would be recorded about it again.
fn check_gone(state: &State, subject: &str) -> Result<(), AuthorityError> {
    let active = state.document.agents.iter().find(|record| {
        record.state != AgentState::Offboarded && (record.owner == subject || record.id.as_str() == subject)
    });
    match active {
        None => Ok(()),
        Some(record) => {
            let name = names::registered_name(&record.id);
            Err(AuthorityError::conflict(
                "subject.active",
                format!("the agent `{name}` is theirs and has not been off-boarded"),
                format!("off-board it first: killick agent offboard {name}"),
            ))
        }
    }
}

fn failed(why: &str) -> AuthorityError {
    AuthorityError::unavailable(
        "erase.unfinished",
        format!("not everything was erased: {why}"),
        "mend that, and ask again: the same request finishes the work",
    )
}
