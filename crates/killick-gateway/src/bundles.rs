//! The bundle that calls are decided on: followed, verified, compiled, swapped whole, and kept for the next start.
//!
//! A bundle is taken only if the pinned key signed it and it is not older than the one in force. It is then swapped in
//! at once, so that a revocation works from the next request on; the copy on disk follows.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use killick_decide::Bundle;
use killick_decide::catalogue::Risk;
use killick_proof::bundle::BundleDocument;
use killick_proof::keys::{PublicKey, sha256};
use killick_proof::verified::verify_bundle;
use killick_proof::{Code, Refusal, UnixTime};
use tokio::sync::watch;

use crate::clock::Forward;
use crate::limits::{STALE_CRITICAL_SECS, STALE_READ_SECS, STALE_WRITE_SECS};

/// The file, in the state folder, that holds the last bundle taken.
const FILE: &str = "bundle.jws";

/// A bundle in force.
pub(crate) struct Held {
    pub(crate) bundle: Arc<Bundle>,
    /// When the authority last signed it: when the bundle was made, or its latest heartbeat.
    signed_at: UnixTime,
    /// When the authority last vouched for it: the time of its signing, or of its arrival if that lies later, so that
    /// a date in the future does not keep a bundle fresh.
    fresh_at: UnixTime,
    /// SHA-256 of the document without its date: a heartbeat changes nothing else.
    content: [u8; 32],
}

impl Held {
    /// Whether a call of this risk may still be decided on this bundle. Errs with `state.stale`.
    pub(crate) fn fresh_for(&self, risk: Risk, now: UnixTime) -> Result<(), Refusal> {
        let (name, limit) = match risk {
            Risk::Read => ("read", STALE_READ_SECS),
            Risk::Write => ("write", STALE_WRITE_SECS),
            Risk::Critical => ("critical", STALE_CRITICAL_SECS),
        };
        let age = now.secs_since(self.fresh_at);
        if age <= limit {
            return Ok(());
        }
        Err(Refusal::new(
            Code::StateStale,
            format!(
                "the authority was last heard {age} s ago; a `{name}` operation needs it within {limit} s"
            ),
        ))
    }

    /// Whether the bundle is so old that some risk is not decided on it.
    pub(crate) fn may_be_stale(&self, now: UnixTime) -> bool {
        now.secs_since(self.fresh_at) > STALE_CRITICAL_SECS
    }

    /// Seconds since the authority last vouched for it.
    pub(crate) fn age_secs(&self, now: UnixTime) -> u64 {
        now.secs_since(self.fresh_at)
    }
}

/// Why a bundle was not taken. The one in force stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleRejected {
    /// It is not signed by the pinned key, or it is malformed.
    #[error("the bundle does not verify: {0}")]
    Unverified(#[from] Refusal),
    /// It is older than the one in force, or another of the same version.
    #[error("the bundle is version {offered}; version {current} is in force and is not replaced by it")]
    Rollback {
        /// The version in force.
        current: u64,
        /// The version offered.
        offered: u64,
    },
    /// It says the same as the one in force and was signed before it: the authority's clock went back.
    #[error("the bundle of version {version} was signed before the one in force, which says the same")]
    Outdated {
        /// The version of both.
        version: u64,
    },
    /// A part of it does not compile.
    #[error("{0}")]
    Compile(#[from] killick_decide::bundle::BundleError),
}

/// A bundle that the gateway has looked at, and what became of it.
#[derive(Clone, Debug)]
pub struct SeenBundle {
    /// The bundle, as it was published; empty before the first.
    pub jws: Arc<str>,
    /// Whether requests are decided by it. One that was rejected changes nothing: the bundle before it stays in force.
    pub taken: bool,
}

/// The bundle in force and where it is kept.
pub(crate) struct Bundles {
    current: ArcSwapOption<Held>,
    key: PublicKey,
    file: PathBuf,
    clock: Arc<Forward>,
    /// Held while a bundle is taken, so that two cannot overtake each other.
    taking: Mutex<()>,
    /// The last bundle that was looked at, taken or rejected.
    seen: watch::Sender<SeenBundle>,
}

impl Bundles {
    /// Loads the last bundle that was taken, if there is one. A damaged or foreign file is reported and not used.
    pub(crate) fn load(state_dir: &Path, key: PublicKey, clock: Arc<Forward>) -> io::Result<Self> {
        let bundles = Self {
            current: ArcSwapOption::empty(),
            key,
            file: state_dir.join(FILE),
            clock,
            taking: Mutex::new(()),
            seen: watch::Sender::new(SeenBundle { jws: Arc::from(""), taken: false }),
        };
        match fs::read_to_string(&bundles.file) {
            Ok(jws) => {
                if let Err(error) = bundles.swap(&jws) {
                    tracing::warn!(%error, "the bundle kept from the last run is not used");
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(bundles)
    }

    /// Where the last bundle taken is kept.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The bundle in force. Errs with `state.missing` before the first.
    pub(crate) fn current(&self) -> Result<Arc<Held>, Refusal> {
        self.current.load_full().ok_or_else(|| {
            Refusal::new(Code::StateMissing, "the gateway has not received its first bundle yet")
        })
    }

    /// Verifies, compiles and swaps in a bundle, then keeps it on disk.
    pub(crate) fn take(&self, jws: &str) -> Result<(), BundleRejected> {
        let version = self.swap(jws)?;
        // The swap comes first: a revocation must not wait for a disk. If this write fails, the next start begins
        // with an older bundle and the authority's newest replaces it.
        if let Err(error) = self.keep(jws) {
            tracing::error!(%error, version, "the bundle is in force but could not be kept for the next start");
        }
        Ok(())
    }

    fn swap(&self, jws: &str) -> Result<u64, BundleRejected> {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let document = verify_bundle(jws, &self.key)?;
        let content = content_digest(&document);
        let previous = self.current.load_full();
        let (signed_at, version) = (document.issued_at, document.version);
        let mut heartbeat = None;
        if let Some(previous) = &previous {
            let current = previous.bundle.trust.version();
            let same = version == current && content == previous.content;
            if version < current || (version == current && !same) {
                return Err(BundleRejected::Rollback { current, offered: version });
            }
            if same && signed_at < previous.signed_at {
                return Err(BundleRejected::Outdated { version });
            }
            // The same content under a newer date: nothing to compile, and entries go on naming the same bundle.
            heartbeat = same.then(|| Arc::clone(&previous.bundle));
        }
        let bundle = match heartbeat {
            Some(bundle) => bundle,
            None => Arc::new(Bundle::compile(&document, previous.as_ref().map(|held| &*held.bundle))?),
        };
        let fresh_at = signed_at.min(self.clock.now());
        self.current.store(Some(Arc::new(Held { bundle, signed_at, fresh_at, content })));
        tracing::info!(version, "a bundle is in force");
        Ok(version)
    }

    /// Replaces the kept bundle in one step: written beside it, synced, renamed, and the folder synced.
    fn keep(&self, jws: &str) -> io::Result<()> {
        let beside = self.file.with_extension("jws.new");
        let mut file = File::create(&beside)?;
        file.write_all(jws.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.file)?;
        match self.file.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    /// Takes every bundle that the sender publishes, until the sender is gone. The bundle in force then stays, and
    /// ages.
    pub(crate) async fn follow(self: Arc<Self>, mut source: watch::Receiver<Arc<str>>) {
        while source.changed().await.is_ok() {
            let jws = Arc::clone(&source.borrow_and_update());
            // A rejection is reported there, and whoever published the bundle sees it.
            let _ = self.offer(jws).await;
        }
        tracing::warn!("nobody publishes bundles any more; the one in force ages");
    }

    /// Takes one bundle off the request path. A rejection is reported, shown to whoever watches, and returned.
    pub(crate) async fn offer(self: &Arc<Self>, jws: Arc<str>) -> Result<(), BundleRejected> {
        if jws.is_empty() {
            return Ok(());
        }
        let (bundles, offered) = (Arc::clone(self), Arc::clone(&jws));
        let taken = tokio::task::spawn_blocking(move || bundles.take(&offered)).await.unwrap_or_else(|_| {
            let inside = Refusal::new(Code::InternalError, "taking a bundle failed inside");
            Err(BundleRejected::Unverified(inside))
        });
        if let Err(error) = &taken {
            tracing::error!(%error, "a bundle was rejected; the one in force stays");
        }
        self.seen.send_replace(SeenBundle { jws, taken: taken.is_ok() });
        taken
    }

    /// Changes with each bundle that was looked at, taken or rejected.
    pub(crate) fn seen(&self) -> watch::Receiver<SeenBundle> {
        self.seen.subscribe()
    }
}

/// SHA-256 over the document with its date set aside.
fn content_digest(document: &BundleDocument) -> [u8; 32] {
    let mut undated = document.clone();
    undated.issued_at = UnixTime::from_micros(0);
    // Serialising cannot fail: every key is a string. An empty text would only ever equal itself.
    sha256(&serde_json::to_vec(&undated).unwrap_or_default())
}
