//! Starting the console.

use std::path::PathBuf;
use std::sync::Arc;

use axum::routing::get;
use axum::{Router, middleware};
use killick_ledger::Ledger;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::fleet::FleetSource;
use crate::guard::{self, Hosts};
use crate::index::Index;
use crate::verification::Verification;
use crate::{api, pages};

/// What a console is started with.
pub struct ConsoleConfig {
    /// The gateway's log.
    pub ledger: Ledger,
    /// The directory log.
    pub directory: Ledger,
    /// Agents and tokens; see [`crate::fleet_source`].
    pub fleet: FleetSource,
    /// The gateway's log as a folder, to be named in commands and verified.
    pub log_dir: PathBuf,
    /// `trust.json`.
    pub trust_path: PathBuf,
}

/// A running console. It stops when this is dropped.
pub struct Console {
    tasks: Vec<JoinHandle<()>>,
    address: std::net::SocketAddr,
}

/// What the pages are made from.
pub(crate) struct Sources {
    pub(crate) ledger: Ledger,
    pub(crate) directory: Ledger,
    pub(crate) fleet: FleetSource,
    pub(crate) log_dir: PathBuf,
    pub(crate) trust_path: PathBuf,
    pub(crate) index: Index,
    pub(crate) acts: Index,
    pub(crate) verification: Verification,
}

impl Console {
    /// Begins to follow the logs and to answer on `listener`, which must be bound to a loopback address: the console
    /// asks nobody who they are. Errs if it is not.
    pub fn start(config: ConsoleConfig, listener: TcpListener) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "the console answers on a loopback address only; reach it from elsewhere through ssh -L",
            ));
        }
        let sources = Arc::new(Sources {
            index: Index::default(),
            acts: Index::default(),
            verification: Verification::new(config.log_dir.clone(), config.trust_path.clone()),
            ledger: config.ledger,
            directory: config.directory,
            fleet: config.fleet,
            log_dir: config.log_dir,
            trust_path: config.trust_path,
        });
        let follow = [
            tokio::spawn(sources.index.clone().follow(sources.ledger.clone())),
            tokio::spawn(sources.acts.clone().follow(sources.directory.clone())),
        ];
        let serve = axum::serve(listener, router(sources, Hosts::of(address)));
        let mut tasks = Vec::from(follow);
        tasks.push(tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the console has stopped");
            }
        }));
        Ok(Self { tasks, address })
    }

    /// Where it answers.
    pub const fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// Stops it at once; it keeps nothing that could be lost.
    pub fn stop(self) {}
}

impl Drop for Console {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn router(sources: Arc<Sources>, hosts: Hosts) -> Router {
    Router::new()
        .route("/", get(pages::overview::page))
        .route("/agents", get(pages::agents::page))
        .route("/agents/{name}", get(pages::agent::page))
        .route("/decisions", get(pages::decisions::page))
        .route("/decisions/{index}", get(pages::trace::page))
        .route("/log", get(pages::log::page))
        .route("/style.css", get(pages::style))
        .route("/live.js", get(pages::script))
        .route("/api/overview", get(api::overview))
        .route("/api/agents", get(api::agents))
        .route("/api/agents/{name}", get(api::agent))
        .route("/api/decisions", get(api::decisions))
        .route("/api/decisions/{index}", get(api::decision))
        .route("/api/log", get(api::log))
        .fallback(pages::not_found)
        .with_state(sources)
        .layer(middleware::from_fn_with_state(hosts, guard::guard))
}
