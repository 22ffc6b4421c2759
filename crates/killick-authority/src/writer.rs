//! The one task that changes anything. It takes all changes that wait, checks each against [`State`] in order, commits
//! them in one transaction, records their acts in the directory log, publishes one bundle, and only then answers.
//!
//! After a crash nothing is lost and nothing is told twice: an act stands in the database from its transaction on,
//! until a later transaction knows it to be in the log (`acts`, `acts_logged`); at start the missing ones are recorded
//! before the first bundle goes out.

use std::sync::Arc;
use std::time::Duration;

use killick_decide::entry::Act;
use killick_ledger::Ledger;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::AuthorityConfig;
use crate::error::AuthorityError;
use crate::files;
use crate::limits::{BATCH_CHANGES_MAX, QUEUE_CHANGES_MAX};
use crate::publish::{self, Signer};
use crate::state::{Batch, FileChange, State};
use crate::store::Store;

type Answer = Box<dyn FnOnce(Result<u64, AuthorityError>) + Send>;
type Apply = Box<dyn FnOnce(&mut State, &mut Batch) -> Answer + Send>;

enum Job {
    Change(Apply),
    Close(oneshot::Sender<()>),
}

/// The way to the writer. Clones share it.
#[derive(Clone)]
pub(crate) struct Changes {
    jobs: mpsc::Sender<Job>,
}

impl Changes {
    /// Hands a change to the writer and waits until it is committed, recorded and published. `change` checks
    /// everything before it touches the state: if it errs, it has changed nothing. Returns what it made and the
    /// version of the bundle that holds it.
    pub(crate) async fn submit<R: Send + 'static>(
        &self,
        change: impl FnOnce(&mut State, &mut Batch) -> Result<R, AuthorityError> + Send + 'static,
    ) -> Result<(R, u64), AuthorityError> {
        let (answer, answered) = oneshot::channel();
        let apply: Apply = Box::new(move |state, batch| match change(state, batch) {
            Ok(made) => Box::new(move |outcome| {
                let _ = answer.send(outcome.map(|version| (made, version)));
            }),
            Err(error) => Box::new(move |_| {
                let _ = answer.send(Err(error));
            }),
        });
        self.jobs.send(Job::Change(apply)).await.map_err(|_| AuthorityError::stopped())?;
        answered.await.map_err(|_| AuthorityError::stopped())?
    }

    /// Finishes what waits and ends the writer.
    pub(crate) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.jobs.send(Job::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

pub(crate) struct Writer {
    pub(crate) config: Arc<AuthorityConfig>,
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) signer: Arc<Signer>,
    pub(crate) state: State,
    /// Serial of the last act known to be in the directory log.
    pub(crate) acts_logged: u64,
    pub(crate) bundles: watch::Sender<Arc<str>>,
    /// The catalogue as it is served when the state must be read again.
    pub(crate) reload: Reload,
}

/// Reads the state again from the database.
pub(crate) type Reload = Box<
    dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = Result<State, AuthorityError>> + Send>> + Send + Sync,
>;

impl Writer {
    /// Starts the task.
    pub(crate) fn start(self) -> Changes {
        let (jobs, waiting) = mpsc::channel(QUEUE_CHANGES_MAX);
        tokio::spawn(self.run(waiting));
        Changes { jobs }
    }

    async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut heartbeat = tokio::time::interval(Duration::from_secs(self.config.heartbeat_secs.max(1)));
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        heartbeat.tick().await;
        loop {
            tokio::select! {
                biased;
                job = waiting.recv() => match job {
                    None => return,
                    Some(Job::Close(done)) => {
                        let _ = done.send(());
                        return;
                    }
                    Some(Job::Change(first)) => {
                        let mut changes = vec![first];
                        let mut closing = None;
                        while changes.len() < BATCH_CHANGES_MAX {
                            match waiting.try_recv() {
                                Ok(Job::Change(change)) => changes.push(change),
                                Ok(Job::Close(done)) => {
                                    closing = Some(done);
                                    break;
                                }
                                Err(_) => break,
                            }
                        }
                        self.apply(changes).await;
                        if let Some(done) = closing {
                            let _ = done.send(());
                            return;
                        }
                    }
                },
                _ = heartbeat.tick() => {
                    self.state.expire((self.config.clock)());
                    let batch = Batch { publish: true, ..Batch::default() };
                    if let Err(error) = self.settle(batch).await {
                        tracing::error!(%error, "the heartbeat bundle could not be published");
                        self.read_again().await;
                    }
                }
            }
        }
    }

    async fn apply(&mut self, changes: Vec<Apply>) {
        let mut batch = Batch::default();
        self.state.expire((self.config.clock)());
        let answers: Vec<Answer> =
            changes.into_iter().map(|change| change(&mut self.state, &mut batch)).collect();
        let outcome = self.settle(batch).await;
        if let Err(error) = &outcome {
            tracing::error!(%error, "changes could not be made");
            self.read_again().await;
        }
        for answer in answers {
            answer(outcome.clone());
        }
    }

    /// Commits, records, publishes. Returns the version of the newest bundle.
    pub(crate) async fn settle(&mut self, batch: Batch) -> Result<u64, AuthorityError> {
        let Batch { files, writes, acts, publish } = batch;
        if writes.is_empty() && acts.is_empty() && files.is_empty() && !publish {
            return Ok(self.state.document.version);
        }
        if !files.is_empty() {
            tokio::task::spawn_blocking(move || change_files(files))
                .await
                .map_err(|_| AuthorityError::stopped())??;
        }
        let first = self.state.act_next;
        let acts: Vec<Act> =
            acts.into_iter().zip(first..).map(|(act, serial)| numbered(act, serial)).collect();
        self.state.act_next = first.saturating_add(u64::try_from(acts.len()).unwrap_or(0));
        if publish {
            self.state.document.version = self.state.document.version.saturating_add(1);
            self.state.document.issued_at = (self.config.clock)();
        }

        let rows = acts.iter().zip(first..).map(|(act, serial)| (serial, act_text(act))).collect();
        self.store.commit(writes, rows, self.acts_logged, self.state.document.version).await?;

        let logged = record(&self.ledger, acts).await;
        if logged.is_ok() {
            self.acts_logged = self.state.act_next.saturating_sub(1);
        }
        // A disk that cannot record must not keep a revocation from the gateways. What this bundle holds is in the
        // database, and its acts reach the log at the next start, before anything else is published. The caller is
        // told of the failure either way.
        if publish {
            self.bundles.send_replace(publish::sign(&self.state.document, &self.signer));
        }
        logged.map(|()| self.state.document.version)
    }

    async fn read_again(&mut self) {
        match (self.reload)().await {
            Ok(mut state) => {
                // Versions never go back, even if the transaction that counted this one failed.
                state.document.version = state.document.version.max(self.state.document.version);
                state.act_next = state.act_next.max(self.state.act_next);
                self.state = state;
            }
            Err(error) => tracing::error!(%error, "the authority's state could not be read again"),
        }
    }
}

fn change_files(changes: Vec<FileChange>) -> Result<(), AuthorityError> {
    for change in changes {
        match change {
            FileChange::Replace(path, bytes) => files::write_whole(&path, &bytes, 0o644)?,
            FileChange::Remove(path) => match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(AuthorityError::io("remove", &path, &error));
                }
                _ => {}
            },
        }
    }
    Ok(())
}

/// Submits all acts to one commit of the log, then waits for it.
pub(crate) async fn record(ledger: &Ledger, acts: Vec<Act>) -> Result<(), AuthorityError> {
    let submitted = acts.into_iter().map(|act| ledger.submit(act)).collect::<Result<Vec<_>, _>>()?;
    for act in submitted {
        act.durable().await?;
    }
    Ok(())
}

fn numbered(mut act: Act, serial: u64) -> Act {
    act.members.insert("serial".to_owned(), serial.into());
    act
}

/// Every kind of act, so that one read back from the database gets its name again.
const ACT_KINDS: [&str; 7] = ["agent", "issue", "revoke", "key", "policy", "catalogue", "observe"];

fn act_text(act: &Act) -> String {
    serde_json::json!({ "kind": act.kind, "at": act.at, "by": act.by, "members": act.members }).to_string()
}

/// The act behind a row of `acts`.
pub(crate) fn act_from_text(text: &str) -> Option<Act> {
    let mut json: serde_json::Value = serde_json::from_str(text).ok()?;
    let kind = json.get("kind")?.as_str()?;
    Some(Act {
        kind: ACT_KINDS.into_iter().find(|known| *known == kind)?,
        at: serde_json::from_value(json.get_mut("at")?.take()).ok()?,
        by: json.get("by")?.as_str()?.to_owned(),
        members: serde_json::from_value(json.get_mut("members")?.take()).ok()?,
    })
}
