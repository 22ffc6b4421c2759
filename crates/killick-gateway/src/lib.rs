//! The gateway: the doors, and the line behind them that verifies, decides, records and forwards; and the sidecar,
//! which signs for agents that cannot.
//!
//! [`Gateway::start`] is handed a listener, a ledger, a clock and a stream of signed bundles; it reads no
//! configuration and opens no port by itself, so that a test, the pilot and the installed service start the same one.
//!
//! ```no_run
//! # async fn example(
//! #     ledger: killick_ledger::Ledger,
//! #     key: killick_proof::keys::SigningKey,
//! #     bundle_key: killick_proof::keys::PublicKey,
//! #     bundles: tokio::sync::watch::Receiver<std::sync::Arc<str>>,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use killick_gateway::{Gateway, GatewayConfig, Limits, SystemClock};
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:7443").await?;
//! let config = GatewayConfig {
//!     id: killick_proof::SpiffeId::parse("spiffe://acme.example/gateway/gw-1")?,
//!     public_origins: vec!["http://127.0.0.1:7443".to_owned()],
//!     key,
//!     ledger,
//!     bundles,
//!     bundle_key,
//!     state_dir: "data/gateway".into(),
//!     clock: Arc::new(SystemClock),
//!     limits: Limits::default(),
//! };
//! let gateway = Gateway::start(config, listener).await?;
//! gateway.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod admission;
mod bundles;
mod chains;
pub mod client;
mod clock;
mod doors;
pub mod evidence;
#[cfg(feature = "fault-injection")]
mod fault;
mod held;
pub mod limits;
mod metrics;
mod pass;
mod pipeline;
mod respond;
mod restart;
pub mod sidecar;
mod strangers;
mod upstream;

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use killick_ledger::Ledger;
use killick_proof::call::PublicOrigins;
use killick_proof::keys::{PublicKey, SigningKey};
use killick_proof::{Code, Refusal, SpiffeId};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use bundles::{BundleRejected, SeenBundle};
pub use clock::{Clock, SystemClock};
pub use limits::Limits;
pub use metrics::Metrics;
pub use pass::Pass;
pub use respond::{OBSERVED, RECEIPT, REQUEST_ID};
pub use strangers::RefusalSummary;
pub use upstream::{Forwarded, UpstreamError, Upstreams};

/// What this build calls itself in every log entry. A build with `fault-injection` says so.
#[cfg(not(feature = "fault-injection"))]
pub const BUILD: &str = concat!("killick ", env!("CARGO_PKG_VERSION"));
/// What this build calls itself in every log entry. A build with `fault-injection` says so.
#[cfg(feature = "fault-injection")]
pub const BUILD: &str = concat!("killick ", env!("CARGO_PKG_VERSION"), " fault-injection");

/// What a gateway is started with.
pub struct GatewayConfig {
    /// Its SPIFFE ID: the `killick-audience` that requests to it must be signed for.
    pub id: SpiffeId,
    /// Under which names agents reach it: `scheme://authority`, lower case, default ports left out. At least one; the
    /// first is the canonical one, from which `@target-uri` is made.
    pub public_origins: Vec<String>,
    /// The key that signs what is forwarded.
    pub key: SigningKey,
    /// Where everything is recorded.
    pub ledger: Ledger,
    /// The newest signed bundle, as a compact JWS; empty before the first. Signing the same content anew is the
    /// authority's heartbeat.
    pub bundles: watch::Receiver<Arc<str>>,
    /// The one key that bundles must be signed with.
    pub bundle_key: PublicKey,
    /// A private folder of this gateway's own, created if absent: the last bundle, the note of the last run.
    pub state_dir: PathBuf,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
    /// The bounds.
    pub limits: Limits,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// No public origin, or one that is not `scheme://authority`.
    #[error("`{0}` is not a public origin; write it as `http://host:port`, lower case, without a path")]
    Origin(String),
    /// The state folder cannot be used.
    #[error("cannot use the folder {path}: {source}")]
    State {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The listener has no address.
    #[error("cannot listen: {0}")]
    Listener(std::io::Error),
    /// The authority's newest bundle is older than the one that this gateway kept, or another of the same version: the
    /// authority lost its state, or was restored from a backup. Whatever it publishes from now on, revocations too,
    /// would be rejected without an effect.
    #[error(
        "the authority offers bundle version {offered}, but this gateway has decided by version {kept} (kept in {}): \
         the authority's state is older than that, so that its revocations would have no effect",
        file.display()
    )]
    Rollback {
        /// The version that the gateway kept.
        kept: u64,
        /// The version that the authority offers.
        offered: u64,
        /// The file that keeps it. Without it the gateway accepts the older state, and what was revoked since is lost.
        file: PathBuf,
    },
    /// The environment names a fault that does not exist.
    #[cfg(feature = "fault-injection")]
    #[error("{0}")]
    Fault(String),
}

/// A running gateway. Dropping it closes the door without waiting for anyone; [`Gateway::shutdown`] waits for the
/// requests under way and notes an orderly end.
pub struct Gateway {
    line: Arc<pipeline::Line>,
    address: SocketAddr,
    state_dir: PathBuf,
    stop: watch::Sender<bool>,
    door: JoinHandle<bool>,
    background: Vec<JoinHandle<()>>,
}

impl Gateway {
    /// Starts to answer on `listener`. The bundle that `config.bundles` holds now, or the one kept from the last run,
    /// is in force when this returns; without either every call is refused with `state.missing` until one comes. Errs
    /// with [`GatewayError::Rollback`] if the bundle that it holds is older than the one kept.
    pub async fn start(config: GatewayConfig, listener: TcpListener) -> Result<Gateway, GatewayError> {
        for origin in &config.public_origins {
            check_origin(origin)?;
        }
        if config.public_origins.is_empty() {
            return Err(GatewayError::Origin(String::new()));
        }
        #[cfg(feature = "fault-injection")]
        fault::announce().map_err(GatewayError::Fault)?;
        let address = listener.local_addr().map_err(GatewayError::Listener)?;
        let state_dir = config.state_dir;
        let state = |source| GatewayError::State { path: state_dir.clone(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&state_dir).map_err(state)?;

        let clock = Arc::new(clock::Forward::new(config.clock));
        let bundles = Arc::new(
            bundles::Bundles::load(&state_dir, config.bundle_key, Arc::clone(&clock)).map_err(state)?,
        );
        let mut source = config.bundles;
        let first = Arc::clone(&source.borrow_and_update());
        if let Err(BundleRejected::Rollback { current, offered }) = bundles.offer(first).await {
            let file = bundles.file().to_owned();
            return Err(GatewayError::Rollback { kept: current, offered, file });
        }

        // A new log begins with one entry of its own, its key.
        let logged = config.ledger.size() > 1;
        let opens = restart::begin(&state_dir, logged, clock.now()).map_err(state)?;
        let key = Arc::new(config.key);
        let public = PublicOrigins { origins: config.public_origins, audience: config.id.to_string() };
        let about = doors::well_known::about(&public, key.public());
        let line = Arc::new(pipeline::Line {
            public,
            bundles: Arc::clone(&bundles),
            chains: chains::Chains::default(),
            held_chains: held::HeldChains::default(),
            evidence: evidence::Evidence::open(&state_dir).map_err(state)?,
            admission: admission::Admission::new(opens),
            ledger: config.ledger,
            upstreams: Upstreams::new(key, Arc::clone(&clock), config.limits.clone()),
            strangers: strangers::Strangers::new(config.limits.refusals_recorded_max),
            clock,
            metrics: Metrics::new(),
        });
        let (stop, stopped) = watch::channel(false);
        let door = doors::http::Door::new(Arc::clone(&line), config.limits, about);
        let background =
            vec![tokio::spawn(bundles.follow(source)), tokio::spawn(summarise(Arc::clone(&line)))];
        tracing::info!(%address, id = line.public.audience, "the gateway answers");
        let door = tokio::spawn(door.serve(listener, stopped));
        Ok(Gateway { line, address, state_dir, stop, door, background })
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Its metrics, with gauges as of now.
    pub fn metrics(&self) -> &Metrics {
        let metrics = &self.line.metrics;
        let now = self.line.clock.now();
        if let Ok(held) = self.line.bundles.current() {
            metrics.bundle_version.set(held.bundle.trust.version());
            metrics.bundle_age_secs.set(held.age_secs(now));
        }
        metrics.replay_entries.set(self.line.admission.size(now));
        metrics.chains.set(i64::try_from(self.line.chains.len()).unwrap_or(i64::MAX));
        metrics.ledger_entries.set(self.line.ledger.size());
        metrics
    }

    /// Forgets the token chains kept beside the log that name this person as owner or principal. Returns how many there
    /// were. Blocks for the disk.
    pub fn forget(&self, subject: &str) -> std::io::Result<usize> {
        self.line.evidence.forget(subject)
    }

    /// The last bundle that this gateway looked at, and whether it took it: whoever published one learns from it when
    /// requests are decided by it, or that they will not be.
    pub fn seen_bundle(&self) -> watch::Receiver<SeenBundle> {
        self.line.bundles.seen()
    }

    /// The version of the bundle in force; `None` before the first.
    pub fn bundle_version(&self) -> Option<u64> {
        self.line.bundles.current().ok().map(|held| held.bundle.trust.version())
    }

    /// Whether calls can be decided now: for `/readyz`. Errs with `state.missing`, `state.stale` (the bundle is too
    /// old even for reads) or `clock.rollback`.
    pub fn ready(&self) -> Result<(), Refusal> {
        let now = self.line.clock.checked_now()?;
        if self.door.is_finished() {
            return Err(Refusal::new(Code::InternalError, "the door is closed"));
        }
        self.line.bundles.current()?.fresh_for(killick_decide::catalogue::Risk::Read, now)
    }

    /// Stops accepting, lets requests under way finish (at most [`Limits::drain_timeout`]), records what was counted.
    /// The ledger stays open: it is its owner's to close.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        let drained = matches!((&mut self.door).await, Ok(true));
        self.line.strangers.flush(&self.line.ledger);
        let ended = self.line.admission.reopens_at().map(|reopens| reopens.max(self.line.clock.now()));
        if drained
            && let Ok(ended) = ended
            && let Err(error) = restart::end(&self.state_dir, ended)
        {
            tracing::warn!(%error, "the end of this run could not be noted");
        }
        tracing::info!("the gateway has stopped");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.door.abort();
        for task in &self.background {
            task.abort();
        }
    }
}

/// Submits the summary of refusals soon after each minute has ended.
async fn summarise(line: Arc<pipeline::Line>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        line.strangers.roll(&line.ledger, line.clock.now());
    }
}

/// `scheme://authority`, as RFC 9421 section 2.2.2 needs it for `@target-uri`: lower case and without a default port.
fn check_origin(origin: &str) -> Result<(), GatewayError> {
    let wrong = || GatewayError::Origin(origin.to_owned());
    let uri: http::Uri = origin.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
    let default_port = matches!((scheme, authority.port_u16()), ("http", Some(80)) | ("https", Some(443)));
    let exact = format!("{scheme}://{authority}") == origin && origin.to_ascii_lowercase() == origin;
    if !exact || default_port || !matches!(scheme, "http" | "https") || authority.as_str().contains('@') {
        return Err(wrong());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_one_form() {
        for right in ["http://127.0.0.1:7443", "https://gw.acme.example", "http://[::1]:7443"] {
            assert!(check_origin(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "127.0.0.1:7443",
            "http://A.example",
            "http://a.example/",
            "http://a.example:80",
            "ftp://a.example",
            "http://u@a.example",
        ] {
            assert!(check_origin(wrong).is_err(), "{wrong}");
        }
    }
}
