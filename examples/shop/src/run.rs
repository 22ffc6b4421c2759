//! One service, from its configuration to its last reply.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use sqlx::SqlitePool;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::ShopError;
use crate::guard::{Guard, same_secret};
use crate::limits::{BODY_BYTES_MAX, DRAIN_MS};
use crate::openapi;
use crate::receipts::ReceiptBook;
use crate::services::{self, Service};
use crate::store;

/// What a service needs to run.
#[derive(Debug)]
pub struct ServiceConfig {
    /// Which of the five.
    pub service: Service,
    /// The shop's folder; the service keeps its data in a folder of its own name beneath it.
    pub dir: PathBuf,
    /// Where it listens; bind port 0 for a free one.
    pub listener: TcpListener,
    /// Who is let in.
    pub guard: Guard,
    /// Opens the receipt book to the judge (`X-Oracle-Secret`); killick never has it.
    pub oracle_secret: String,
}

/// A running service.
#[derive(Debug)]
pub struct Running {
    url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ShopError>>,
}

impl Running {
    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets open requests finish and stops.
    pub async fn stop(self) -> Result<(), ShopError> {
        // The receiver is gone only if the service ended by itself; its result says why.
        let _ = self.stop.send(());
        self.task.await.map_err(|error| ShopError::Guard(format!("the service's task failed: {error}")))?
    }
}

/// What every handler works with.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) db: SqlitePool,
    pub(crate) book: Arc<ReceiptBook>,
}

/// Runs a service until `stop` resolves.
pub async fn run_service(
    config: ServiceConfig,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ShopError> {
    serve(prepare(config).await?, stop).await
}

/// Starts a service as a task of this process: for tests, and for a shop in one process.
pub async fn start_service(config: ServiceConfig) -> Result<Running, ShopError> {
    let prepared = prepare(config).await?;
    let url = format!("http://{}", prepared.listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(serve(prepared, async move {
        // A dropped sender stops the service as well.
        let _ = stopped.await;
    }));
    Ok(Running { url, stop, task })
}

/// A service whose data and guard are in order, about to accept.
pub(crate) struct Prepared {
    router: Router,
    listener: TcpListener,
}

pub(crate) async fn prepare(config: ServiceConfig) -> Result<Prepared, ShopError> {
    let ServiceConfig { service, dir, listener, guard, oracle_secret } = config;
    if oracle_secret.is_empty() {
        return Err(ShopError::Guard("the oracle secret must not be empty".to_owned()));
    }
    let dir = dir.join(service.name());
    std::fs::create_dir_all(&dir)?;
    let book = Arc::new(ReceiptBook::open(&dir.join("receipts.jsonl"), service.name())?);
    let db = store::open(&dir.join("shop.db"), service).await?;
    let shop = Shop { db, book: Arc::clone(&book) };
    let guarded = guard.protect(services::routes(service).with_state(shop))?;
    let open = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route(
            "/openapi.json",
            get(async move || ([(header::CONTENT_TYPE, "application/json")], openapi::text(service))),
        )
        .route("/_receipts", get(read_receipts))
        .with_state((book, Arc::<str>::from(oracle_secret)));
    Ok(Prepared { router: guarded.merge(open).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)), listener })
}

pub(crate) async fn serve(
    Prepared { router, listener }: Prepared,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ShopError> {
    let (stopping, mut stopped) = tokio::sync::watch::channel(false);
    let shutdown = async move {
        stop.await;
        // Nobody listens only when the server has ended already.
        let _ = stopping.send(true);
    };
    let server = axum::serve(listener, router).with_graceful_shutdown(shutdown);
    tokio::select! {
        result = async { server.await } => Ok(result?),
        // A connection that is kept open must not keep the service alive.
        () = async {
            let _ = stopped.wait_for(|stopping| *stopping).await;
            tokio::time::sleep(Duration::from_millis(DRAIN_MS)).await;
        } => Ok(()),
    }
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

/// The judge's view of the receipt book.
async fn read_receipts(
    State((book, secret)): State<(Arc<ReceiptBook>, Arc<str>)>,
    headers: HeaderMap,
    Query(Since { since }): Query<Since>,
) -> Response {
    let given = headers.get("x-oracle-secret").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !same_secret(given, &secret) {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(book.since(since)).into_response()
}
