//! The ledger: open it, submit to it, read it, close it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use killick_tlog::entry::ENTRY_BYTES_MAX;
use killick_tlog::hash::leaf_hash;
use killick_tlog::note::VerifierKey;
use killick_tlog::{Entry, Seal};
use killick_witness::Panel;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use crate::committer::Committer;
use crate::error::LedgerError;
use crate::limits::{SEGMENT_BYTES, SUBJECTS_MAX};
use crate::privacy::Subjects;
use crate::publish::Publisher;
use crate::recorded::Submitted;
use crate::shared::{Pending, Published, Shared};
use crate::storage::system_disk;
use crate::witnessed::{Asker, Witnessed};
use crate::{read, recover};

/// Where a log lives and who signs for it.
pub struct LedgerConfig {
    /// The public tiled directory: `checkpoint`, `tile/…`. Created if absent.
    pub log_dir: PathBuf,
    /// Journal, lock and subject keys: private, beside the log, not in it. Created if absent, mode 0700.
    pub state_dir: PathBuf,
    /// The checkpoint origin and key name, e.g. `acme.example/killick/gw-1`.
    pub origin: String,
    /// The log's Ed25519 seed.
    pub seed: [u8; 32],
    /// Named in every entry, e.g. `killick 0.1.0`.
    pub build: String,
}

impl std::fmt::Debug for LedgerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("LedgerConfig");
        debug
            .field("log_dir", &self.log_dir)
            .field("state_dir", &self.state_dir)
            .field("origin", &self.origin);
        debug.field("build", &self.build).finish_non_exhaustive() // not the seed
    }
}

/// A log. Clones share it; when the last one is dropped, what was submitted is still committed and published.
#[derive(Clone)]
pub struct Ledger {
    handle: Arc<Handle>,
    witnessed: Arc<Mutex<Witnessed>>,
}

struct Handle {
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
    /// The task that asks the witnesses.
    asking: Mutex<Option<AbortHandle>>,
}

/// The threads, and the lock that they work under.
struct Running {
    committer: JoinHandle<()>,
    publisher: JoinHandle<()>,
    _lock: File,
}

impl Ledger {
    /// Opens or creates the log: takes the lock, replays the journal, compares it with the tiles and the checkpoint.
    /// Refuses to run on a damaged log rather than overwrite it. A new log's first entry names its key (ADR 3).
    pub async fn open(config: LedgerConfig) -> Result<Self, LedgerError> {
        Self::start(config, None).await?.begin().await
    }

    /// Opens or creates the log, and asks these witnesses first whether they have seen more of it than it holds: then it
    /// errs with [`LedgerError::BehindWitness`] and nothing is appended. From then on they are asked in the background to
    /// cosign what is published. Must run in a tokio runtime, whose task that is.
    pub async fn open_witnessed(config: LedgerConfig, panel: Panel) -> Result<Self, LedgerError> {
        Self::start(config, Some(panel)).await?.begin().await
    }

    async fn start(config: LedgerConfig, panel: Option<Panel>) -> Result<Self, LedgerError> {
        let opening = tokio::task::spawn_blocking(move || Self::run(config));
        let (mut ledger, key) = opening.await.map_err(|error| LedgerError::Stopped(error.to_string()))??;
        let Some(panel) = panel else { return Ok(ledger) };
        let shared = Arc::clone(&ledger.handle.shared);
        let asker = tokio::task::spawn_blocking(move || Asker::new(shared, panel, &key)).await;
        let asker = asker.unwrap_or_else(|error| Err(LedgerError::Stopped(error.to_string())));
        let checked = match asker {
            Ok(mut asker) => asker.check().await.map(|()| asker),
            Err(error) => Err(error),
        };
        match checked {
            Ok(asker) => {
                ledger.witnessed = asker.state();
                let asking = tokio::spawn(asker.run()).abort_handle();
                *ledger.handle.asking.lock().unwrap_or_else(PoisonError::into_inner) = Some(asking);
                Ok(ledger)
            }
            Err(error) => {
                let _ = ledger.close().await;
                Err(error)
            }
        }
    }

    /// The first entry of a new log.
    async fn begin(self) -> Result<Self, LedgerError> {
        let ledger = self;
        if ledger.size() == 0 {
            let shared = &ledger.handle.shared;
            let first = LogKey { origin: shared.origin.clone(), vkey: shared.vkey.clone() };
            ledger.submit(first)?.durable().await?;
            ledger.publish().await?;
        }
        Ok(ledger)
    }

    /// Recovers the log and starts its threads.
    fn run(config: LedgerConfig) -> Result<(Self, VerifierKey), LedgerError> {
        let disk = system_disk();
        let lock = recover::lock(&disk, &config)?;
        let opened = recover::open(&disk, &config, SEGMENT_BYTES)?;
        let key = opened.key.verifier().clone();
        let subjects = Subjects::open(&disk, &config.state_dir)?;
        let vkey = opened.key.verifier().to_string();
        let shared =
            Shared::new(config.origin, vkey, config.build, disk, config.log_dir, subjects, opened.head);
        let shared = Arc::new(shared);
        let segments = opened.journal.segments();
        let edge = opened.folder.tree().edge();
        let committer =
            Committer { shared: Arc::clone(&shared), journal: opened.journal, key: opened.key, edge };
        let publisher = Publisher { shared: Arc::clone(&shared), folder: opened.folder, segments };
        let committer = spawn("killick-commit", &config.state_dir, move || committer.run())?;
        let publisher = match spawn("killick-publish", &config.state_dir, move || publisher.run()) {
            Ok(publisher) => publisher,
            Err(error) => {
                shared.close();
                return Err(error);
            }
        };
        let running = Mutex::new(Some(Running { committer, publisher, _lock: lock }));
        let handle = Handle { shared, running, asking: Mutex::default() };
        Ok((Self { handle: Arc::new(handle), witnessed: Arc::default() }, key))
    }

    /// Takes a place in the next commit. Errs at once if the queue is full or the log has stopped. Must not be called
    /// with an entry whose encoding blocks.
    pub fn submit<E: Entry>(&self, entry: E) -> Result<Submitted<E>, LedgerError> {
        let shared = &self.handle.shared;
        let subjects = shared.subjects.count();
        if subjects >= SUBJECTS_MAX {
            return Err(LedgerError::TooManySubjects(subjects));
        }
        let bytes = entry.encode(&shared.subjects, &shared.build);
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(LedgerError::TooLarge(bytes.len()));
        }
        let (waiter, answer) = oneshot::channel();
        let leaf = leaf_hash(&bytes);
        shared.enqueue(Pending { entry: bytes.into(), leaf, waiter })?;
        Ok(Submitted { entry, answer, shared: Arc::clone(shared) })
    }

    /// Writes out everything acknowledged as tiles and a signed checkpoint. Happens by itself within 200 ms too.
    pub async fn publish(&self) -> Result<(), LedgerError> {
        let shared = &self.handle.shared;
        shared.request_publication()?.await.map_err(|_| shared.stopped())
    }

    /// Commits what waits, publishes, closes files, releases the lock. Later submissions err. Errs if the log had failed.
    pub async fn close(&self) -> Result<(), LedgerError> {
        let handle = Arc::clone(&self.handle);
        let closing = tokio::task::spawn_blocking(move || handle.stop());
        closing.await.map_err(|error| LedgerError::Stopped(error.to_string()))?
    }

    /// Number of entries acknowledged.
    pub fn size(&self) -> u64 {
        *self.handle.shared.size.borrow()
    }

    /// The number of entries acknowledged, as it grows.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.handle.shared.size.subscribe()
    }

    /// Becomes `Some(why)` when the log stops by itself: the disk failed or a thread panicked. The process should then
    /// end; the next start recovers.
    pub fn failed(&self) -> watch::Receiver<Option<String>> {
        self.handle.shared.watch_failure()
    }

    /// What is known of the log's witnesses: quorum, the newest head that it has cosigned, each of them.
    pub fn witnessed(&self) -> Witnessed {
        self.witnessed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The log's verifier key (C2SP signed-note vkey).
    pub fn vkey(&self) -> String {
        self.handle.shared.vkey.clone()
    }

    /// The checkpoint's origin.
    pub fn origin(&self) -> &str {
        &self.handle.shared.origin
    }

    /// The public directory.
    pub fn log_dir(&self) -> &Path {
        &self.handle.shared.log_dir
    }

    /// The bytes of entries `from..to`, at most 1,024 of them; shorter at the end of the log.
    pub async fn read(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, LedgerError> {
        let shared = Arc::clone(&self.handle.shared);
        blocking(move || read::read(&shared, from, to)).await
    }

    /// The receipt (C2SP tlog-proof) of an entry to the newest published head; publishes first where the entry is newer.
    pub async fn receipt(&self, index: u64) -> Result<String, LedgerError> {
        if index >= self.size() {
            return Err(LedgerError::NoEntry(index));
        }
        if index >= self.handle.shared.published().size {
            self.publish().await?;
        }
        let shared = Arc::clone(&self.handle.shared);
        blocking(move || read::receipt(&shared, index)).await
    }

    /// The receipt of an entry to the newest head that a quorum of witnesses has cosigned, with their cosignatures; `None`
    /// if no such head includes it yet.
    pub async fn witnessed_receipt(&self, index: u64) -> Result<Option<String>, LedgerError> {
        let Some(head) = self.witnessed().head.filter(|head| index < head.size) else { return Ok(None) };
        let shared = Arc::clone(&self.handle.shared);
        let head = Published { size: head.size, checkpoint: head.note };
        blocking(move || read::receipt_to(&shared, index, &head)).await.map(Some)
    }

    /// The pseudonym under which an agent or a person stands in this log; `None` if it is not there, or was erased.
    pub fn pseudonym(&self, subject: &str) -> Option<String> {
        let subjects = &self.handle.shared.subjects;
        subjects.has(subject).then(|| subjects.pseudonym(subject))
    }

    /// Deletes the key of an agent or a person: what entries commit to about them can no longer be told by anyone. Every
    /// proof stays valid. Whether there was a key. An error of the disk stops the log, as one of a commit does.
    pub async fn erase(&self, subject: &str) -> Result<bool, LedgerError> {
        let (shared, subject) = (Arc::clone(&self.handle.shared), subject.to_owned());
        blocking(move || {
            let erased = shared.subjects.erase(&subject);
            erased.inspect_err(|error| shared.fail(&error.to_string()))
        })
        .await
    }

    /// Makes commitments as entries of this log do, to check what an entry commits to.
    pub fn seal(&self) -> &(impl Seal + use<>) {
        &self.handle.shared.subjects
    }
}

impl Handle {
    fn stop(&self) -> Result<(), LedgerError> {
        if let Some(asking) = self.asking.lock().unwrap_or_else(PoisonError::into_inner).take() {
            asking.abort();
        }
        self.shared.close();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            // A panic has been turned into a failure by then.
            let _ = running.committer.join();
            let _ = running.publisher.join();
        }
        self.shared.failure().map_or(Ok(()), |reason| Err(LedgerError::Stopped(reason)))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Errors have been logged and shown by `failed`.
        let _ = self.stop();
    }
}

/// The first entry of every log: its own key (ADR 3).
struct LogKey {
    origin: String,
    vkey: String,
}

impl Entry for LogKey {
    fn encode(&self, _: &dyn Seal, build: &str) -> Vec<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let members: BTreeMap<&str, serde_json::Value> = [
            ("at", u64::try_from(now).unwrap_or(u64::MAX).into()),
            ("build", build.into()),
            ("kind", "log-key".into()),
            ("origin", self.origin.as_str().into()),
            ("v", 1.into()),
            ("vkey", self.vkey.as_str().into()),
        ]
        .into();
        // Sorted names, no spaces, integers below 2^53: canonical (RFC 8785).
        serde_json::to_vec(&members).unwrap_or_default()
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, LedgerError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(LedgerError::Stopped(error.to_string())))
}

fn spawn(
    name: &str,
    path: &Path,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, LedgerError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map_err(|source| LedgerError::io("cannot start a thread for", path, source))
}
