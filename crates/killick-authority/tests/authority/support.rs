//! An authority on a fresh folder, reached over its real socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use killick_authority::keystore::{FileKeyStore, KeyName, KeyStore as _};
use killick_authority::{
    AdminSocket, Authority, AuthorityConfig, AuthorityError, GatewayIdentity, LogIdentity, proof_message,
};
use killick_ledger::{Ledger, LedgerConfig};
use killick_proof::bundle::BundleDocument;
use killick_proof::keys::{SigningKey, base64url};
use killick_proof::verified::verify_bundle;
use killick_proof::{SpiffeId, UnixTime, Verified};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

pub const DOMAIN: &str = "acme.example";
pub const START_SECS: u64 = 1_780_000_000;

/// A clock that tests move.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START_SECS * 1_000_000)))
    }
    pub fn now(&self) -> UnixTime {
        UnixTime::from_micros(self.0.load(Ordering::SeqCst))
    }
    pub fn advance_secs(&self, secs: u64) {
        self.0.fetch_add(secs * 1_000_000, Ordering::SeqCst);
    }
}

pub struct World {
    pub dir: Arc<TempDir>,
    pub authority: Authority,
    pub ledger: Ledger,
    pub clock: TestClock,
    pub socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    server: tokio::task::JoinHandle<()>,
}

pub async fn open_ledger(dir: &Path) -> Ledger {
    let keys = FileKeyStore::open(dir).unwrap();
    let key = keys.load_or_create(KeyName::DirectoryLog).unwrap();
    Ledger::open(LedgerConfig {
        log_dir: dir.join("directory-log"),
        state_dir: dir.join("directory-log-state"),
        origin: format!("{DOMAIN}/killick/directory"),
        seed: **key.seed(),
        build: "killick test".to_owned(),
    })
    .await
    .unwrap()
}

pub fn config(dir: &Path, ledger: Ledger, clock: &TestClock) -> AuthorityConfig {
    let keys = FileKeyStore::open(dir).unwrap();
    let gateway = keys.load_or_create(KeyName::Gateway).unwrap();
    let clock = clock.clone();
    AuthorityConfig {
        clock: Arc::new(move || clock.now()),
        ..AuthorityConfig::new(
            dir,
            DOMAIN,
            GatewayIdentity {
                id: SpiffeId::parse(&format!("spiffe://{DOMAIN}/gateway/gw-1")).unwrap(),
                jwk: gateway.public().to_jwk(),
                url: "http://127.0.0.1:7443".to_owned(),
            },
            ledger,
            LogIdentity { origin: format!("{DOMAIN}/killick/gw-1"), vkey: "unused".to_owned() },
        )
    }
}

impl World {
    pub async fn new() -> Self {
        let world = Self::open(Arc::new(tempfile::tempdir().unwrap()), TestClock::new()).await.unwrap();
        world.import().await;
        world
    }

    /// As [`World::new`], with what `change` makes of the configuration.
    pub async fn new_with(change: impl FnOnce(&mut AuthorityConfig)) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let world = Self::open_with(dir, TestClock::new(), change).await.unwrap();
        world.import().await;
        world
    }

    pub async fn open(dir: Arc<TempDir>, clock: TestClock) -> Result<Self, AuthorityError> {
        Self::open_with(dir, clock, |_| ()).await
    }

    async fn open_with(
        dir: Arc<TempDir>,
        clock: TestClock,
        change: impl FnOnce(&mut AuthorityConfig),
    ) -> Result<Self, AuthorityError> {
        let ledger = open_ledger(dir.path()).await;
        let mut config = config(dir.path(), ledger.clone(), &clock);
        change(&mut config);
        let authority = Authority::open(config).await?;
        let socket = dir.path().join("admin.sock");
        let bound = AdminSocket::bind(&socket)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let router = authority.router();
        let server = tokio::spawn(async move {
            let _ = bound.serve(router, async move { drop(stopped.await) }).await;
        });
        Ok(Self { dir, authority, ledger, clock, socket, stop: Some(stop), server })
    }

    /// Stops everything in order, and starts it again on the same folder.
    pub async fn restart(mut self) -> Self {
        let (dir, clock) = (self.dir.clone(), self.clock.clone());
        self.stop.take();
        self.server.await.unwrap();
        self.authority.close().await;
        self.ledger.close().await.unwrap();
        drop(self.ledger);
        drop(self.authority);
        Self::open(dir, clock).await.unwrap()
    }

    pub async fn import(&self) {
        let (status, body) = self
            .post(
                "/v1/catalogue/import",
                &json!({
                    "openapi": openapi(), "upstream": "shop", "url": "http://127.0.0.1:9001",
                }),
            )
            .await;
        assert_eq!(status, 200, "{body}");
    }

    pub async fn call(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, Value) {
        let stream = tokio::net::UnixStream::connect(&self.socket).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "admin")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.call("POST", path, body.to_string().into_bytes()).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, Vec::new()).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    pub async fn onboard(&self, name: &str, seed: u8) -> Value {
        let (status, body) = self.post("/v1/agents", &onboarding(name, &key(seed))).await;
        assert_eq!(status, 201, "{body}");
        body
    }

    pub async fn grant(&self, agent: &str, grant: &str) -> (u16, Value) {
        self.post("/v1/tokens", &json!({ "agent": agent, "grant": grant })).await
    }

    pub async fn revoke(&self, kind: &str, value: &str) -> Value {
        let (status, body) = self.post("/v1/revocations", &json!({ "kind": kind, "value": value })).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Records something about a person, as a gateway does of an owner. The directory log by itself names nobody.
    pub async fn mention(&self, subject: &str) {
        self.ledger.submit(Mention(subject.to_owned())).unwrap().durable().await.unwrap();
    }

    /// The newest bundle, verified as a gateway does.
    pub fn bundle(&self) -> Verified<BundleDocument> {
        let jws = self.authority.bundles().borrow().clone();
        verify_bundle(&jws, self.authority.bundle_key()).unwrap()
    }

    /// Every entry of the directory log, as JSON.
    pub async fn entries(&self) -> Vec<Value> {
        let mut entries = Vec::new();
        while (entries.len() as u64) < self.ledger.size() {
            let from = entries.len() as u64;
            let read = self.ledger.read(from, from + 1_000).await.unwrap();
            entries.extend(read.iter().map(|entry| serde_json::from_slice(entry).unwrap()));
        }
        entries
    }
}

struct Mention(String);

impl killick_tlog::Entry for Mention {
    fn encode(&self, seal: &dyn killick_tlog::Seal, _: &str) -> Vec<u8> {
        json!({ "kind": "decision", "owner": seal.pseudonym(&self.0) }).to_string().into_bytes()
    }
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32]).unwrap()
}

pub fn proof(name: &str, key: &SigningKey) -> String {
    base64url(&key.sign(&proof_message(name, key.id())))
}

pub fn onboarding(name: &str, key: &SigningKey) -> Value {
    json!({
        "name": name,
        "owner": "alice@acme.example",
        "model": { "name": "claude-opus", "version": "2026-05" },
        "purpose": "reads invoices",
        "public_key": key.public().to_jwk(),
        "proof": proof(name, key),
    })
}

pub fn openapi() -> Value {
    let id = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "shop", "version": "1" },
        "paths": {
            "/invoices": { "get": { "responses": {} } },
            "/customers/{id}": { "get": { "parameters": [id], "responses": {} } },
            "/payments": { "post": {
                "x-killick-action": "execute:payments",
                "x-killick-risk": "critical",
                "requestBody": { "required": true, "content": { "application/json": { "schema": {
                    "type": "object", "required": ["amount"],
                    "properties": { "amount": { "type": "integer" } },
                } } } },
                "responses": {},
            } },
        },
    })
}
