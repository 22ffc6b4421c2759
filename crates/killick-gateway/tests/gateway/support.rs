//! A world for one test: a tiny authority, a clock to turn, an upstream that counts, a ledger, a gateway.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use killick_gateway::client::{AgentClient, AgentClientConfig, AgentReply, AgentRequest};
use killick_gateway::{Clock, Gateway, GatewayConfig, GatewayError, Limits};
use killick_ledger::{Ledger, LedgerConfig};
use killick_proof::bundle::{
    AgentKey, AgentRecord, AgentState, BundleDocument, GatewayRecord, PolicyText, Revocations, RiskTier,
    sign_bundle,
};
use killick_proof::grammar::ActionPattern;
use killick_proof::http_signature::{Message, verify_forwarded};
use killick_proof::keys::{PublicKey, SigningKey};
use killick_proof::sign::{OutgoingRequest, sign_request};
use killick_proof::token::{CatalogueRef, Claims, Model, Origin, PrivateClaims};
use killick_proof::{SpiffeId, UnixTime};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub const ORIGIN: &str = "acme.example/killick/gw-1";
const AUTHORITY: &str = "spiffe://acme.example/authority";
pub const GATEWAY: &str = "spiffe://acme.example/gateway/gw-1";
const ISSUER: &str = "https://authority.acme.example";

/// The computer's clock with a hand to turn it, and a fault to throw.
#[derive(Default)]
pub struct TestClock {
    ahead_secs: AtomicI64,
    /// Readings until one fails; none fails at 0.
    fails_in: AtomicI64,
}

impl TestClock {
    pub fn turn(&self, secs: i64) {
        self.ahead_secs.fetch_add(secs, Ordering::SeqCst);
    }
    /// The `nth` reading from now on panics, once.
    pub fn fail_in(&self, nth: i64) {
        self.fails_in.store(nth, Ordering::SeqCst);
    }
    pub fn read(&self) -> UnixTime {
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
        UnixTime::from_micros((micros + self.ahead_secs.load(Ordering::SeqCst) * 1_000_000) as u64)
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixTime {
        if self.fails_in.load(Ordering::SeqCst) > 0 && self.fails_in.fetch_sub(1, Ordering::SeqCst) == 1 {
            panic!("the clock was told to fail");
        }
        self.read()
    }
}

/// What the upstream saw of one request.
#[derive(Clone, Debug)]
pub struct Hit {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// What the gateway vouched for, or the code for which its signature was refused.
    pub vouched: Result<killick_proof::http_signature::Forwarded, String>,
    /// Entries of the log when the request arrived.
    pub log_size: u64,
}

#[derive(Clone, Default)]
pub struct Hits(Arc<Mutex<Vec<Hit>>>);

impl Hits {
    pub fn all(&self) -> Vec<Hit> {
        self.0.lock().unwrap().clone()
    }
    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// A key from a number.
pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32]).unwrap()
}

pub fn id(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

/// An agent with its key and its root token.
pub struct Agent {
    pub id: SpiffeId,
    pub key: Arc<SigningKey>,
    pub chain: String,
    pub jti: String,
}

pub struct World {
    pub gateway: Gateway,
    pub url: String,
    pub address: SocketAddr,
    pub ledger: Ledger,
    pub clock: Arc<TestClock>,
    pub hits: Hits,
    pub document: Mutex<BundleDocument>,
    pub publish: watch::Sender<Arc<str>>,
    pub dir: TempDir,
}

pub const BUNDLE_KEY: u8 = 1;
pub const TOKEN_KEY: u8 = 2;
pub const GATEWAY_KEY: u8 = 3;
pub const BOT_KEY: u8 = 10;

impl World {
    pub async fn new() -> Self {
        Self::with(Limits::default(), |_| {}).await
    }

    pub async fn with(limits: Limits, edit: impl FnOnce(&mut BundleDocument)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::default());
        let ledger = open_ledger(&dir).await;
        let (upstream, hits) = upstream(ledger.clone(), Arc::clone(&clock)).await;
        let mut document = document(upstream, clock.read());
        edit(&mut document);
        let (publish, _) = watch::channel(Arc::from(sign_bundle(&document, &key(BUNDLE_KEY))));
        let (gateway, url) = start(&dir, &ledger, &clock, publish.subscribe(), limits).await;
        let address = gateway.local_addr();
        Self { gateway, url, address, ledger, clock, hits, document: Mutex::new(document), publish, dir }
    }

    /// Stops the gateway in order and starts another on the same folder.
    pub async fn restart(self, limits: Limits) -> Self {
        let Self { gateway, ledger, clock, hits, document, publish, dir, .. } = self;
        gateway.shutdown().await;
        let (gateway, url) = start(&dir, &ledger, &clock, publish.subscribe(), limits).await;
        let address = gateway.local_addr();
        Self { gateway, url, address, ledger, clock, hits, document, publish, dir }
    }

    /// Publishes the next version of the bundle and waits until it is in force.
    pub async fn publish(&self, edit: impl FnOnce(&mut BundleDocument)) {
        let (jws, version) = {
            let mut document = self.document.lock().unwrap();
            edit(&mut document);
            document.version += 1;
            document.issued_at = self.clock.read();
            (sign_bundle(&document, &key(BUNDLE_KEY)), document.version)
        };
        self.publish.send_replace(Arc::from(jws));
        eventually("the bundle to be in force", || self.gateway.bundle_version() == Some(version)).await;
    }

    /// The registered agent `invoice-bot` with a root token for these actions; all arguments are free.
    pub fn bot(&self, grants: &[&str]) -> Agent {
        self.bot_with(grants, |_| {})
    }

    pub fn bot_with(&self, grants: &[&str], edit: impl FnOnce(&mut Claims)) -> Agent {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let now = self.clock.read();
        let holder = id("spiffe://acme.example/agent/invoice-bot");
        let key = Arc::new(key(BOT_KEY));
        let mut claims = Claims {
            jti: format!("0190aaaa-0000-7000-8000-{:012}", NEXT.fetch_add(1, Ordering::SeqCst)),
            iss: ISSUER.to_owned(),
            iat: now.secs(),
            exp: now.secs() + 3_600,
            holder_key: key.public().clone(),
            del_depth: 0,
            del_max_depth: 3,
            par_hash: None,
            tools: Some(grants.iter().map(|grant| ((*grant).to_owned(), BTreeMap::new())).collect()),
            killick: Some(PrivateClaims {
                issuer: id(AUTHORITY),
                holder: holder.clone(),
                origin: Some(Origin {
                    model: Model { name: "example-model".into(), version: "2026-05".into(), digest: None },
                    owner: "ada@acme.example".into(),
                    principal: None,
                    intent: None,
                    task: None,
                }),
                deny: vec![ActionPattern::parse("execute:*").unwrap()],
                catalogue: Some(CatalogueRef { id: "acme.example/catalogue".into(), version: 1 }),
            }),
        };
        edit(&mut claims);
        Agent { id: holder, key, jti: claims.jti.clone(), chain: claims.sign(&self::key(TOKEN_KEY)) }
    }

    pub fn client_config(&self, agent: &Agent) -> AgentClientConfig {
        AgentClientConfig {
            gateway_url: self.url.clone(),
            audience: GATEWAY.to_owned(),
            key: Arc::clone(&agent.key),
            chain: watch::channel(Arc::from(agent.chain.as_str())).1,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
        }
    }

    pub async fn get(&self, agent: &Agent, target: &str) -> AgentReply {
        self.call(agent, "GET", target, None).await
    }

    pub async fn post(&self, agent: &Agent, target: &str, body: &str) -> AgentReply {
        self.call(agent, "POST", target, Some(body)).await
    }

    pub async fn call(&self, agent: &Agent, method: &str, target: &str, body: Option<&str>) -> AgentReply {
        let client = AgentClient::new(self.client_config(agent)).unwrap();
        let request = AgentRequest {
            method: method.to_owned(),
            target: target.to_owned(),
            content_type: body.map(|_| "application/json".to_owned()),
            body: Bytes::from(body.unwrap_or_default().to_owned()),
        };
        client.call(request).await.unwrap()
    }

    /// The header fields of a signed request, `host` and `content-length` included, for tests that change them.
    pub fn signed(
        &self,
        agent: &Agent,
        method: &str,
        target: &str,
        body: Option<&str>,
    ) -> Vec<(String, String)> {
        self.signed_for(agent, method, target, body, GATEWAY)
    }

    pub fn signed_for(
        &self,
        agent: &Agent,
        method: &str,
        target: &str,
        body: Option<&str>,
        audience: &str,
    ) -> Vec<(String, String)> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let content = body.unwrap_or_default();
        let mut fields = vec![("host".to_owned(), self.address.to_string())];
        if body.is_some() {
            fields.push(("content-length".to_owned(), content.len().to_string()));
        }
        fields.extend(sign_request(
            &OutgoingRequest {
                method,
                target_uri: &format!("{}{target}", self.url),
                content_type: body.map(|_| "application/json"),
                body: content.as_bytes(),
                chain: &agent.chain,
                audience,
                nonce: &format!("test-nonce-{:016}", NEXT.fetch_add(1, Ordering::SeqCst)),
                lifetime_secs: 30,
            },
            &agent.key,
            self.clock.read(),
        ));
        fields
    }

    pub async fn raw(&self, method: &str, target: &str, fields: &[(String, String)], body: &str) -> Http {
        exchange(self.address, &text(method, target, fields, body)).await
    }

    /// Every entry of the log, as text.
    pub async fn entries(&self) -> Vec<String> {
        let entries = self.ledger.read(0, self.ledger.size()).await.unwrap();
        entries.into_iter().map(|entry| String::from_utf8(entry).unwrap()).collect()
    }

    /// Checks a receipt in full: that this log includes this very entry. Returns the entry.
    pub async fn check_receipt(&self, receipt: &str) -> String {
        let text = String::from_utf8(STANDARD.decode(receipt).unwrap()).unwrap();
        let receipt = killick_tlog::receipt::Receipt::parse(&text).unwrap();
        let index: u64 = text.lines().find_map(|line| line.strip_prefix("index ")).unwrap().parse().unwrap();
        let entry = self.ledger.read(index, index + 1).await.unwrap().remove(0);
        receipt.verify(&entry, &self.ledger.vkey()).unwrap();
        String::from_utf8(entry).unwrap()
    }
}

/// Waits, for a bounded time, until something is so.
pub async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain for {what}");
}

async fn open_ledger(dir: &TempDir) -> Ledger {
    Ledger::open(LedgerConfig {
        log_dir: dir.path().join("log"),
        state_dir: dir.path().join("log-state"),
        origin: ORIGIN.to_owned(),
        seed: [9; 32],
        build: killick_gateway::BUILD.to_owned(),
    })
    .await
    .unwrap()
}

pub async fn start(
    dir: &TempDir,
    ledger: &Ledger,
    clock: &Arc<TestClock>,
    bundles: watch::Receiver<Arc<str>>,
    limits: Limits,
) -> (Gateway, String) {
    try_start(dir, ledger, clock, bundles, limits).await.unwrap()
}

pub async fn try_start(
    dir: &TempDir,
    ledger: &Ledger,
    clock: &Arc<TestClock>,
    bundles: watch::Receiver<Arc<str>>,
    limits: Limits,
) -> Result<(Gateway, String), GatewayError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = GatewayConfig {
        id: id(GATEWAY),
        public_origins: vec![url.clone()],
        key: key(GATEWAY_KEY),
        ledger: ledger.clone(),
        bundles,
        bundle_key: key(BUNDLE_KEY).public().clone(),
        state_dir: dir.path().join("gateway"),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        limits,
    };
    Ok((Gateway::start(config, listener).await?, url))
}

fn document(upstream: SocketAddr, now: UnixTime) -> BundleDocument {
    let argument = |name: &str, place: &str, kind: &str, required: bool| serde_json::json!({ "name": name, "place": place, "type": kind, "required": required });
    let by_id = || vec![argument("id", "path", "string", true)];
    let operation = |action: &str, upstream: &str, method: &str, path: &str, risk: &str, arguments| {
        serde_json::json!({ "action": action, "upstream": upstream, "method": method, "path": path, "risk": risk,
            "arguments": serde_json::Value::Array(arguments) })
    };
    let catalogue = serde_json::json!({
        "id": "acme.example/catalogue",
        "version": 1,
        "upstreams": {
            "shop": { "url": format!("http://{upstream}"), "hosts": ["invoices.shop.example"] },
            "gone": { "url": "http://127.0.0.1:1", "hosts": [] },
        },
        "operations": [
            operation("read:invoices", "shop", "GET", "/invoices/{id}", "read", by_id()),
            operation("create:payments", "shop", "POST", "/payments", "write", vec![
                argument("amount", "body", "number", true),
                argument("to", "body", "string", true),
            ]),
            operation("delete:orders", "shop", "DELETE", "/orders/{id}", "critical", by_id()),
            operation("read:gone", "gone", "GET", "/gone/{id}", "read", by_id()),
        ],
    });
    BundleDocument {
        version: 1,
        issued_at: now,
        trust_domain: "acme.example".into(),
        issuer: ISSUER.into(),
        authority: id(AUTHORITY),
        token_keys: vec![key(TOKEN_KEY).public().to_jwk()],
        svid_roots: vec![],
        agents: vec![AgentRecord {
            id: id("spiffe://acme.example/agent/invoice-bot"),
            state: AgentState::Active,
            keys: vec![AgentKey {
                jwk: key(BOT_KEY).public().to_jwk(),
                not_after: now.plus_secs(30 * 86_400),
            }],
            owner: "ada@acme.example".into(),
            model: Model { name: "example-model".into(), version: "2026-05".into(), digest: None },
            risk_tier: RiskTier::Medium,
            onboarded_at: UnixTime::from_secs(now.secs() - 86_400),
            deny: vec![],
            observe_until: None,
        }],
        revocations: Revocations::default(),
        gateways: vec![GatewayRecord { id: id(GATEWAY), jwk: key(GATEWAY_KEY).public().to_jwk() }],
        catalogue,
        policies: vec![PolicyText {
            id: "allow".into(),
            text: "permit(principal, action, resource);".into(),
        }],
        time_zone: "Europe/Berlin".into(),
    }
}

/// A service that verifies the gateway's signature, notes what it saw, and answers with more than may come through.
async fn upstream(ledger: Ledger, clock: Arc<TestClock>) -> (SocketAddr, Hits) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hits = Hits::default();
    let seen = hits.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (ledger, clock, seen) = (ledger.clone(), Arc::clone(&clock), seen.clone());
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let (ledger, clock, seen) = (ledger.clone(), Arc::clone(&clock), seen.clone());
                async move {
                    let log_size = ledger.size();
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let headers: Vec<(String, String)> = head
                        .headers
                        .iter()
                        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                        .collect();
                    let target = head.uri.to_string();
                    let gateways: [PublicKey; 1] = [key(GATEWAY_KEY).public().clone()];
                    let target_uri = format!("http://{}{target}", head.headers["host"].to_str().unwrap());
                    let message = Message {
                        method: head.method.as_str(),
                        target_uri: &target_uri,
                        headers: &headers,
                        body: &body,
                    };
                    let vouched = verify_forwarded(&message, &gateways, clock.read());
                    seen.0.lock().unwrap().push(Hit {
                        method: head.method.to_string(),
                        target: target.clone(),
                        headers,
                        body: String::from_utf8(body.to_vec()).unwrap(),
                        vouched: vouched.map_err(|refusal| refusal.code().to_string()),
                        log_size,
                    });
                    let (status, body) = match target.as_str() {
                        "/invoices/slow" => {
                            tokio::time::sleep(Duration::from_millis(600)).await;
                            (200, "{}".to_owned())
                        }
                        "/invoices/large" => (200, "x".repeat(70_000)),
                        "/invoices/moved" => (302, String::new()),
                        "/payments" => (201, r#"{"paid":true}"#.to_owned()),
                        _ => (200, format!(r#"{{"target":"{target}"}}"#)),
                    };
                    Ok::<_, std::convert::Infallible>(
                        http::Response::builder()
                            .status(status)
                            .header("content-type", "application/json")
                            .header("etag", "\"7\"")
                            .header("set-cookie", "session=stolen")
                            .header("location", "http://evil.example/")
                            .header("killick-receipt", "Zm9yZ2Vk")
                            .header("x-internal", "secret")
                            .body(Full::new(Bytes::from(body)))
                            .unwrap(),
                    )
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (address, hits)
}

/// A reply as it came over the wire.
#[derive(Debug)]
pub struct Http {
    /// 0 if the connection was closed without a reply.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Http {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The code of a refusal or denial; empty if it is none.
    pub fn code(&self) -> String {
        if self.header("content-type") != Some("application/problem+json") {
            return String::new();
        }
        self.json()["code"].as_str().unwrap().to_owned()
    }
}

/// A request as bytes.
pub fn text(method: &str, target: &str, fields: &[(String, String)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// Sends bytes and reads one reply.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Http {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The gateway may answer and close before it has read everything.
    let _ = stream.write_all(request).await;
    read_reply(&mut stream).await
}

pub async fn read_reply(stream: &mut TcpStream) -> Http {
    let mut bytes = Vec::new();
    let read = async {
        let mut buffer = [0; 65_536];
        loop {
            if let Some(reply) = parse_reply(&bytes) {
                return reply;
            }
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
                _ => {
                    return Http {
                        status: 0,
                        headers: vec![],
                        body: String::from_utf8_lossy(&bytes).into_owned(),
                    };
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("no reply in 20 s")
}

fn parse_reply(bytes: &[u8]) -> Option<Http> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
    (body.len() >= length).then(|| Http { status, headers, body: body.to_owned() })
}
