//! Authority, gateway, log and console in one process: what `killick up` runs, and the pilot too. Nothing is printed
//! here; whoever starts a stack tells people about it.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use killick_authority::keystore::{FileKeyStore, KeyName, KeyStore as _};
use killick_authority::{
    AdminSocket, Authority, AuthorityConfig, AuthorityError, GatewayIdentity, LogIdentity, WitnessIdentity,
};
use killick_console::{Console, ConsoleConfig, Fleet, FleetSource, fleet_source};
use killick_gateway::{BUILD, Gateway, GatewayConfig, GatewayError, Limits, SeenBundle, SystemClock};
use killick_ledger::{Ledger, LedgerConfig, LedgerError};
use killick_proof::SpiffeId;
use killick_proof::keys::SigningKey;
use killick_tlog::note::{SignatureType, SignerKey};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::{Config, Witness};
use crate::folder::{Folder, Run, create_private_dir, write_whole};
use crate::metrics::{self, Watched};
use crate::output::{Exit, Failure, plain};

/// The name of the one gateway of a stack.
const GATEWAY: &str = "gw-1";
/// How long open connections to console and admin port may delay a shutdown; the gateway's own have been drained.
const SERVICES_DRAIN: Duration = Duration::from_secs(5);
/// How long an administrator waits for the gateway to take up what was decided; it takes milliseconds.
const ENFORCED_WAIT: Duration = Duration::from_secs(2);

/// What a stack is started with.
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// The data folder; set up if it is empty or absent.
    pub dir: PathBuf,
    /// The configuration. Port 0 takes a free port.
    pub config: Config,
    /// The gateway's bounds.
    pub limits: Limits,
}

impl StackConfig {
    /// A stack with the documented bounds.
    pub fn new(dir: impl Into<PathBuf>, config: Config) -> Self {
        Self { dir: dir.into(), config, limits: Limits::default() }
    }

    /// A stack of a trust domain on free ports of this machine: for evaluations and tests.
    pub fn on_free_ports(dir: impl Into<PathBuf>, trust_domain: &str) -> Result<Self, Failure> {
        let mut config = Config::for_trust_domain(trust_domain)
            .map_err(|error| Failure::usage("config.invalid", error.problem).mend(error.mend))?;
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        config.gateway.listen = free;
        config.console.listen = free;
        config.admin.listen = free;
        Ok(Self::new(dir, config))
    }
}

/// A running killick.
pub struct Stack {
    folder: Folder,
    run: Run,
    authority: Authority,
    /// Shared with the metrics page; taken out by the shutdown.
    gateway: Arc<Mutex<Option<Gateway>>>,
    log: Ledger,
    directory_log: Ledger,
    stop: watch::Sender<bool>,
    services: JoinSet<Result<(), Failure>>,
    console: Console,
    /// Held as long as the stack runs: no second process writes to this folder.
    _lock: File,
}

impl Stack {
    /// Starts everything on a data folder: takes its lock, binds the ports, opens keys and logs, sets up what is
    /// missing, and returns once calls are answered. Errs with one sentence and leaves nothing running.
    pub async fn start(config: StackConfig) -> Result<Stack, Failure> {
        let StackConfig { dir, config, limits } = config;
        let folder = Folder::new(&dir);
        create_private_dir(folder.path())?;
        let lock = lock(&folder)?;
        set_up(&folder, &config)?;
        let gateway_listener = bind("gateway", config.gateway.listen).await?;
        let console_listener = bind("console", config.console.listen).await?;
        let admin_listener = bind("admin", config.admin.listen).await?;
        let run = Run {
            gateway_url: url_of(&gateway_listener)?,
            console_url: url_of(&console_listener)?,
            admin_url: url_of(&admin_listener)?,
            pid: std::process::id(),
        };
        let public_origins = if config.gateway.public_origins.is_empty() {
            vec![run.gateway_url.clone()]
        } else {
            config.gateway.public_origins.clone()
        };

        let keys = FileKeyStore::open(folder.path()).map_err(|error| authority_failure(&error))?;
        let key = |name| keys.load_or_create(name).map_err(|error| authority_failure(&error));
        let gateway_key = key(KeyName::Gateway)?;
        let domain = &config.trust_domain;
        let log = open_log(
            &config,
            folder.log(),
            folder.log_state(),
            format!("{domain}/killick/{GATEWAY}"),
            &key(KeyName::Log)?,
        )
        .await?;
        let directory_log = open_log(
            &config,
            folder.directory_log(),
            folder.directory_log_state(),
            format!("{domain}/killick/directory"),
            &key(KeyName::DirectoryLog)?,
        )
        .await?;
        if config.ledger.witnesses.is_empty() {
            tracing::warn!(
                "no witness is configured: whoever holds this machine could rewrite its logs unnoticed; see [ledger] in killick.toml"
            );
        }

        let id = SpiffeId::parse(&format!("spiffe://{domain}/gateway/{GATEWAY}"))
            .map_err(|refusal| Failure::usage("config.invalid", refusal.detail()))?;
        let url = public_origins.first().cloned().unwrap_or_default();
        // Filled once it has started: the authority, which it needs, comes first.
        let gateway = Arc::new(Mutex::new(None::<Gateway>));
        let keeper = Arc::clone(&gateway);
        let forget = move |subject: &str| {
            let gateway = keeper.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            gateway.as_ref().map_or(Ok(0), |gateway| gateway.forget(subject))
        };
        let authority = Authority::open(AuthorityConfig {
            logs: vec![log.clone()],
            forget: Arc::new(forget),
            time_zone: config.time_zone.clone(),
            token_lifetime_secs: config.lifetimes.token,
            svid_lifetime_secs: config.lifetimes.svid,
            witnesses: config.ledger.witnesses.iter().map(witness_identity).collect(),
            ..AuthorityConfig::new(
                folder.path(),
                domain,
                GatewayIdentity { id: id.clone(), jwk: gateway_key.public().to_jwk(), url },
                directory_log.clone(),
                LogIdentity { origin: log.origin().to_owned(), vkey: log.vkey() },
            )
        })
        .await
        .map_err(|error| authority_failure(&error))?;
        authority.write_trust().map_err(|error| authority_failure(&error))?;

        let started = Gateway::start(
            GatewayConfig {
                id,
                public_origins,
                key: gateway_key,
                ledger: log.clone(),
                bundles: authority.bundles(),
                bundle_key: authority.bundle_key().clone(),
                state_dir: folder.gateway_state(),
                clock: Arc::new(SystemClock),
                limits,
            },
            gateway_listener,
        )
        .await;
        let running = match started {
            Ok(running) => running,
            Err(error) => {
                authority.close().await;
                return Err(gateway_failure(error));
            }
        };
        let newest = Newest { published: authority.bundles(), seen: running.seen_bundle() };
        *gateway.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(running);

        let admin_socket =
            AdminSocket::bind(&folder.admin_socket()).map_err(|error| authority_failure(&error))?;
        let (stop, stopped) = watch::channel(false);
        let mut services = JoinSet::new();
        let router =
            authority.router().layer(axum::middleware::from_fn_with_state(newest, answer_once_enforced));
        let done = until(stopped.clone());
        services.spawn(async move {
            admin_socket.serve(router, done).await.map_err(|error| authority_failure(&error))
        });
        let watched = Watched {
            gateway: Arc::clone(&gateway),
            authority: authority.clone(),
            directory_log: directory_log.clone(),
            log: log.clone(),
        };
        services.spawn(serve("admin", admin_listener, metrics::router(watched), until(stopped.clone())));
        services.spawn(watch_log("the gateway's log", log.clone(), until(stopped.clone())));
        services.spawn(watch_log("the directory log", directory_log.clone(), until(stopped)));
        let console = Console::start(
            ConsoleConfig {
                ledger: log.clone(),
                directory: directory_log.clone(),
                fleet: fleet(&authority),
                log_dir: folder.log(),
                trust_path: folder.trust(),
            },
            console_listener,
        )
        .map_err(|error| {
            Failure::usage("port.address", plain(&error))
                .mend("set a loopback address at [console] listen in killick.toml")
        })?;

        let text = serde_json::to_string_pretty(&run).unwrap_or_default();
        write_whole(&folder.run(), format!("{text}\n").as_bytes(), 0o644)?;
        Ok(Stack {
            folder,
            run,
            authority,
            gateway,
            log,
            directory_log,
            stop,
            services,
            console,
            _lock: lock,
        })
    }

    /// Where it is reached.
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// Its data folder.
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its authority.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The gateway's log.
    pub const fn log(&self) -> &Ledger {
        &self.log
    }

    /// Returns when a part of it has failed for good, with what to tell; otherwise never. A log that cannot record is
    /// such a part: nothing is forwarded any more, and the process should end.
    pub async fn failed(&mut self) -> Failure {
        match self.services.join_next().await {
            Some(Ok(Err(failure))) => failure,
            Some(Err(error)) => {
                Failure::check("internal.error", format!("a part of killick failed: {error}"))
            }
            Some(Ok(Ok(()))) | None => Failure::check("internal.error", "a part of killick ended by itself"),
        }
    }

    /// Stops accepting, lets requests under way finish, closes both logs and releases the folder. Errs if a log could
    /// not be closed in order; what was acknowledged is on disk all the same.
    pub async fn shutdown(mut self) -> Result<(), Failure> {
        let _ = std::fs::remove_file(self.folder.run());
        let gateway = self.gateway.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(gateway) = gateway {
            gateway.shutdown().await;
        }
        let _ = self.stop.send(true);
        self.console.stop();
        // Whoever keeps a connection open must not keep the logs open.
        let ended = async { while self.services.join_next().await.is_some() {} };
        if tokio::time::timeout(SERVICES_DRAIN, ended).await.is_err() {
            self.services.abort_all();
        }
        self.authority.close().await;
        let log = self.log.close().await;
        let directory_log = self.directory_log.close().await;
        log.and(directory_log).map_err(|error| ledger_failure(&error))
    }
}

/// Resolves when the stack is to stop.
async fn until(mut stopped: watch::Receiver<bool>) {
    // A dropped sender means the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Ends with a failure when a log has stopped by itself: then nothing can be recorded, and nothing may be forwarded.
async fn watch_log(
    what: &'static str,
    log: Ledger,
    done: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let mut failed = log.failed();
    let why = tokio::select! {
        () = done => return Ok(()),
        changed = failed.wait_for(Option::is_some) => changed.ok().and_then(|why| why.clone()),
    };
    match why {
        Some(_) if let Some(alarm) = log.witnessed().alarm => {
            Err(Failure::check("log.behind_witness", alarm).mend(BEHIND_MEND))
        }
        Some(why) => Err(Failure::check("log.stopped", format!("{what} has stopped: {why}"))
            .mend("free or repair the disk, then start killick again: everything acknowledged is on disk")),
        // The log is gone because the stack is: the shutdown says the rest.
        None => Ok(()),
    }
}

/// What the console shows of agents and tokens.
fn fleet(authority: &Authority) -> FleetSource {
    let authority = authority.clone();
    fleet_source(move || {
        let authority = authority.clone();
        async move {
            let read = async {
                Ok::<_, AuthorityError>((
                    authority.status().await?,
                    authority.agents().await?,
                    authority.tokens(None).await?,
                ))
            };
            match read.await {
                Ok((status, agents, tokens)) => {
                    Fleet::read(&status, &agents, &tokens).unwrap_or_else(|error| {
                        Fleet::unavailable(format!("the authority's answer cannot be read: {error}"))
                    })
                }
                Err(error) => Fleet::unavailable(error.to_string()),
            }
        }
    })
}

async fn serve(
    what: &'static str,
    listener: TcpListener,
    router: axum::Router,
    done: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    axum::serve(listener, router).with_graceful_shutdown(done).await.map_err(|error| {
        Failure::check("port.failed", format!("the {what} cannot listen any more: {}", plain(&error)))
    })
}

/// The bundle that the authority published last, and the one that the gateway looked at last.
#[derive(Clone)]
struct Newest {
    published: watch::Receiver<Arc<str>>,
    seen: watch::Receiver<SeenBundle>,
}

/// Answers an act of administration only once the gateway decides by it, so that whoever is told `onboarded`, `granted`
/// or `revoked` can rely on it with the next request. Bounded: a gateway that lags holds up no administrator for long.
/// An act that the gateway does not decide by is never reported as done: the act itself stands in the directory log.
async fn answer_once_enforced(
    State(Newest { published, mut seen }): State<Newest>,
    request: Request,
    next: Next,
) -> Response {
    let is_act = !request.method().is_safe();
    let response = next.run(request).await;
    if !is_act || !response.status().is_success() {
        return response;
    }
    let newest_seen = seen.wait_for(|seen| Arc::ptr_eq(&seen.jws, &published.borrow()));
    match tokio::time::timeout(ENFORCED_WAIT, newest_seen).await {
        Ok(Ok(seen)) if seen.taken => response,
        Ok(Ok(_)) => not_enforced(
            "state.rollback",
            "it is recorded, but the gateway has rejected the authority's newest bundle and goes on deciding by the one before",
            "see what the gateway said of the bundle in its own messages; `killick doctor` names the state",
        ),
        Ok(Err(_)) | Err(_) => not_enforced(
            "state.lagging",
            "it is recorded, but the gateway did not say in time that it decides by it",
            "ask `killick status` whether the gateway answers; the act itself need not be repeated",
        ),
    }
}

/// An RFC 9457 problem for an act that is done and not in force.
fn not_enforced(code: &str, detail: &str, mend: &str) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let body = serde_json::json!({
        "type": format!("https://killick.dev/reasons/{code}"),
        "title": "recorded, not in force",
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
        "mend": mend,
    });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

/// One process per data folder.
fn lock(folder: &Folder) -> Result<File, Failure> {
    let path = folder.path().join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| Failure::io("open", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            let pid = folder.read_run().map(|run| format!(" (process {})", run.pid)).unwrap_or_default();
            Err(Failure::check(
                "folder.busy",
                format!("a killick is running on {} already{pid}", folder.path().display()),
            )
            .mend("stop it first, or name another folder with --dir"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(Failure::io("lock", &path, &error)),
    }
}

/// Writes what a new folder needs: the commented configuration, the baseline policy, an empty catalogue.
fn set_up(folder: &Folder, config: &Config) -> Result<(), Failure> {
    if !folder.config().exists() {
        let text = crate::config::default_text(&config.trust_domain);
        write_whole(&folder.config(), text.as_bytes(), 0o644)?;
    }
    Ok(())
}

async fn bind(what: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let failure = |code, why: &str, mend: String| {
            Failure::check(code, format!("the {what} cannot listen on {address}: {why}")).mend(mend)
        };
        match error.kind() {
            std::io::ErrorKind::AddrInUse => failure(
                "port.busy",
                "another program has that port",
                format!("stop it, or set another port at [{what}] listen in killick.toml"),
            ),
            std::io::ErrorKind::PermissionDenied => {
                failure("port.permission", "that port is reserved", "use a port from 1024 on".to_owned())
            }
            _ => failure(
                "port.address",
                &plain(&error),
                format!("set an address of this machine at [{what}] listen in killick.toml"),
            ),
        }
    })
}

fn url_of(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr().map_err(|error| Failure::check("port.address", plain(&error)))?;
    Ok(format!("http://{address}"))
}

async fn open_log(
    config: &Config,
    log_dir: PathBuf,
    state_dir: PathBuf,
    origin: String,
    key: &SigningKey,
) -> Result<Ledger, Failure> {
    let wrong =
        |problem: String| Failure::usage("config.invalid", problem).mend("correct [ledger] in killick.toml");
    let signer = SignerKey::from_seed(&origin, SignatureType::Ed25519, key.seed());
    let vkey = signer.map_err(|error| wrong(error.to_string()))?.verifier().clone();
    let panel = config.ledger.panel(&vkey, &config.trust_domain).map_err(wrong)?;
    let log = LedgerConfig { log_dir, state_dir, origin, seed: **key.seed(), build: BUILD.to_owned() };
    let opened = match panel {
        Some(panel) => Ledger::open_witnessed(log, panel).await,
        None => Ledger::open(log).await,
    };
    opened.map_err(|error| ledger_failure(&error))
}

/// What is to be done about a log that its witnesses have seen more of.
const BEHIND_MEND: &str = "do not go on with this state: bring back the newest copy of the folder; if none is left, keep this one as evidence \
     and found a new installation, whose logs have new keys; if a witness is wrong, take it out of [ledger] in killick.toml";

fn ledger_failure(error: &LedgerError) -> Failure {
    match error {
        LedgerError::Io { action, path, source } => {
            Failure::io(action.trim_start_matches("cannot "), std::path::Path::new(path), source)
        }
        LedgerError::Damaged { .. } => Failure::check("log.damaged", error.to_string())
            .mend("restore the folder from a backup; nothing in it was changed"),
        LedgerError::BehindWitness { .. } => {
            Failure::check("log.behind_witness", error.to_string()).mend(BEHIND_MEND)
        }
        _ => Failure::check("log.unavailable", error.to_string()),
    }
}

fn witness_identity(witness: &Witness) -> WitnessIdentity {
    WitnessIdentity { vkey: witness.vkey.clone(), operator: witness.operator.clone() }
}

/// How the authority says no, as the command line says it.
pub fn authority_failure(error: &AuthorityError) -> Failure {
    let failure = Failure::new(Exit::CheckFailed, error.code(), error.detail());
    if error.mend().is_empty() { failure } else { failure.mend(error.mend()) }
}

fn gateway_failure(error: GatewayError) -> Failure {
    match error {
        GatewayError::Origin(_) => Failure::usage("config.invalid", error.to_string())
            .mend("correct [gateway] public_origins in killick.toml"),
        GatewayError::State { path, source } => Failure::io("use", &path, &source),
        GatewayError::Rollback { ref file, .. } => Failure::check("state.rollback", error.to_string()).mend(format!(
            "restore the newest backup of the authority's part of the folder; to go on with the older state instead, \
             knowing that what was revoked since is permitted again, move {} away",
            file.display()
        )),
        other => Failure::check("gateway.start", other.to_string()),
    }
}
