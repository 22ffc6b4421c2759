//! The console over its real port, on a real log.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests, which may stop"
)]

use std::time::Duration;

use killick_console::{Console, ConsoleConfig, Fleet, fleet_source};
use killick_ledger::{Ledger, LedgerConfig};
use killick_tlog::{Entry, Seal};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// An entry as decide would make it.
struct Said(Value);

impl Entry for Said {
    fn encode(&self, _seal: &dyn Seal, build: &str) -> Vec<u8> {
        let mut entry = self.0.clone();
        entry["build"] = build.into();
        entry.to_string().into_bytes()
    }
}

struct World {
    _dir: TempDir,
    ledger: Ledger,
    console: Console,
}

const EVIL: &str = "<script>alert(1)</script>";

fn fleet() -> Fleet {
    let agent = |name: &str, state: &str, observe: Option<u64>| {
        json!({
            "name": name, "id": format!("spiffe://acme.example/agent/{name}"), "state": state, "revoked": false,
            "owner": format!("alice {EVIL}"), "model": { "name": "claude-opus", "version": "2026-05" },
            "purpose": "reads invoices and prepares payment drafts", "risk_tier": "medium",
            "onboarded_at": 1_780_000_000_000_000_u64, "observe_until": observe, "deny": ["execute:*"],
            "keys": [{ "thumbprint": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "jwk": {}, "not_after": 1_780_003_600_000_000_u64 }],
        })
    };
    let token = |agent: &str, state: &str| {
        json!({
            "jti": "019afc3e-7b1c-7d2e-9f60-3f1c2a4b5c6d", "agent": agent, "granted": "read:invoices; execute:none",
            "deny": ["execute:*"], "iat": 1_780_000_000_u64, "exp": 1_780_003_600_u64, "state": state,
        })
    };
    Fleet::read(
        &json!({ "trust_domain": "acme.example", "bundle_version": 17, "revoked_all": false, "more": 1 }),
        &json!([
            agent("invoice-bot", "active", None),
            agent("refund-bot", "active", Some(4_000_000_000_000_000)),
            agent("old-bot", "offboarded", None),
        ]),
        &json!([token("invoice-bot", "live"), token("refund-bot", "expired")]),
    )
    .unwrap()
}

fn decision(n: u64, agent: &str, action: &str, risk: &str, verdict: &str, code: Option<&str>) -> Value {
    let path: Vec<String> = agent
        .split('/')
        .scan(String::from("spiffe://acme.example/agent"), |id, segment| {
            id.push('/');
            id.push_str(segment);
            Some(id.clone())
        })
        .collect();
    let mut entry = json!({
        "v": 1, "kind": "decision", "at": 1_780_000_000_123_456_u64 + n * 1_700_000, "id": format!("019afc3e-0000-7000-8000-{n:012}"),
        "verdict": verdict, "agent": format!("spiffe://acme.example/agent/{agent}"), "path": path,
        "model": "claude-opus@2026-05", "owner": "p-Xq2k9vB1", "principal": "p-77aZe0Lk", "action": action, "risk": risk,
        "task": "T-17", "policies": ["default"], "catalogue": "acme.example/catalogue@7", "bundle": "b", "chain": "c",
        "keyid": "k", "args": "a", "payload": "p", "peer": "q",
    });
    if let Some(code) = code {
        entry["code"] = code.into();
    }
    entry
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let open = async |name: &str| {
            Ledger::open(LedgerConfig {
                log_dir: dir.path().join(name),
                state_dir: dir.path().join(format!("{name}-state")),
                origin: format!("acme.example/killick/{name}"),
                seed: [7; 32],
                build: "killick 0.1.0".to_owned(),
            })
            .await
            .unwrap()
        };
        let (ledger, directory) = (open("gw-1").await, open("directory").await);
        let config = ConsoleConfig {
            ledger: ledger.clone(),
            directory,
            fleet: fleet_source(|| async { fleet() }),
            log_dir: dir.path().join("gw-1"),
            trust_path: dir.path().join("trust.json"),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let console = Console::start(config, listener).unwrap();
        Self { _dir: dir, ledger, console }
    }

    async fn say(&self, entry: Value) -> u64 {
        self.ledger.submit(Said(entry)).unwrap().durable().await.unwrap().index()
    }

    async fn ask(&self, method: &str, path: &str, host: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.console.address()).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
    }

    async fn get(&self, path: &str) -> String {
        let (status, _, body) = self.ask("GET", path, &self.console.address().to_string()).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn json(&self, path: &str) -> Value {
        let body = self.get(path).await;
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// A log with one of everything; waits until the console has seen it.
    async fn fill(&self) -> (u64, u64) {
        let permitted = self.say(decision(0, "invoice-bot", "read:invoices", "read", "permit", None)).await;
        self.say(json!({ "v": 1, "kind": "outcome", "decision": permitted, "status": 200, "at": 1_780_000_000_223_456_u64,
                         "agent": "spiffe://acme.example/agent/invoice-bot", "forwarded": "f" }))
            .await;
        let denied = self
            .say(decision(
                1,
                "invoice-bot/summariser",
                "execute:payments",
                "critical",
                "deny",
                Some("chain.explicit_deny"),
            ))
            .await;
        self.say(decision(2, "refund-bot", "create:refunds", "write", "observe", Some("arg.constraint")))
            .await;
        self.say(json!({ "v": 1, "kind": "refusal", "code": "token.expired", "at": 1_780_000_009_000_000_u64, "id": "x",
                         "peer": "q", "payload": "p" }))
            .await;
        let last = self.say(decision(5, "invoice-bot", EVIL, "write", "deny", Some(EVIL))).await;
        for _ in 0..100 {
            let newest = self.json("/api/decisions").await;
            if newest["decisions"][0]["index"] == json!(last) {
                return (permitted, denied);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the console did not see the last entry");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_their_twins_say_what_the_log_says() {
    let world = World::new().await;
    let (permitted, denied) = world.fill().await;
    world.ledger.publish().await.unwrap();

    let overview = world.json("/api/overview").await;
    assert_eq!(overview["verdicts"]["permit"], 1);
    assert_eq!(overview["verdicts"]["deny"], 2);
    assert_eq!(overview["agents"]["active"], 2);
    assert_eq!(overview["observing"], json!(["refund-bot"]));
    assert_eq!(overview["log"]["verification"]["verified"], true, "{overview}");
    let page = world.get("/").await;
    assert!(page.contains("Observe mode.") && page.contains("refund-bot") && page.contains("verified"));

    let list = |query: &'static str| {
        let world = &world;
        async move {
            let found = world.json(&format!("/api/decisions?{query}")).await;
            found["decisions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["index"].as_u64().unwrap())
                .collect::<Vec<_>>()
        }
    };
    assert!(list("agent=invoice-bot&verdict=permit").await == [permitted]);
    assert_eq!(list("code=chain").await, [denied]);
    assert_eq!(list("agent=invoice-bot%2Fsummariser").await, [denied]);
    assert_eq!(list("verdict=refuse").await.len(), 1);
    assert_eq!(list("agent=nobody").await, [] as [u64; 0]);
    assert!(world.get("/decisions?verdict=deny").await.contains("chain.explicit_deny"));

    let story = world.json(&format!("/api/decisions/{permitted}")).await;
    assert_eq!(story["outcome"]["status"], 200);
    assert_eq!(story["entry"]["action"], "read:invoices");
    assert!(story["receipt"]["Ok"].as_str().unwrap().contains("tlog-proof"), "{story}");
    let story = world.json(&format!("/api/decisions/{denied}")).await;
    assert!(story["missing"].as_str().unwrap().contains("execute:payments"), "{story}");
    let page = world.get(&format!("/decisions/{denied}")).await;
    for part in [
        "<svg",
        "summariser",
        "claude-opus@2026-05",
        "nothing was forwarded",
        "chain.explicit_deny",
        "tlog-proof",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }

    let agent = world.json("/api/agents/invoice-bot").await;
    assert_eq!(agent["tokens"].as_array().unwrap().len(), 1);
    assert_eq!(agent["decisions"].as_array().unwrap().len(), 3);
    assert!(world.get("/agents/invoice-bot").await.contains("read:invoices; execute:none"));
    assert!(world.get("/agents").await.contains("old-bot"));
    let log = world.json("/api/log").await;
    assert!(log["command"].as_str().unwrap().starts_with("killick log verify "), "{log}");
    assert!(log["checkpoint"].as_str().unwrap().starts_with("acme.example/killick/gw-1\n"));
    assert!(world.get("/log").await.contains("killick log verify"));
    for path in ["/agents/nobody", "/decisions/999999", "/nothing"] {
        assert_eq!(world.ask("GET", path, &world.console.address().to_string()).await.0, 404, "{path}");
    }
}

/// What an attacker can bring into a page stays text, and the page is for its own address alone.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_and_hostile_callers() {
    let world = World::new().await;
    world.fill().await;
    let last = world.json("/api/decisions").await["decisions"][0]["index"].as_u64().unwrap();
    for path in ["/", "/agents", "/agents/invoice-bot", "/decisions", &format!("/decisions/{last}"), "/log"] {
        let page = world.get(path).await;
        assert!(!page.contains(EVIL), "{path}");
        assert!(!page.contains(" style="), "{path}: an inline style would be blocked");
    }
    let page = world.get("/decisions?agent=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert!(!page.contains("\"><script>alert"), "{page}");

    let own = world.console.address().to_string();
    let port = world.console.address().port();
    let (_, head, _) = world.ask("GET", "/", &own).await;
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    assert!(head.contains("x-content-type-options: nosniff") && !head.contains("set-cookie"));
    assert_eq!(world.ask("GET", "/", &format!("localhost:{port}")).await.0, 200);
    for host in [
        format!("evil.example:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1.evil.example:{port}"),
        String::new(),
    ] {
        assert_eq!(world.ask("GET", "/api/agents", &host).await.0, 421, "{host}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(world.ask(method, "/", &own).await.0, 405, "{method}");
    }
}

#[tokio::test]
async fn it_answers_on_loopback_only() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(LedgerConfig {
        log_dir: dir.path().join("log"),
        state_dir: dir.path().join("state"),
        origin: "acme.example/killick/gw-1".to_owned(),
        seed: [7; 32],
        build: "killick 0.1.0".to_owned(),
    })
    .await
    .unwrap();
    let config = ConsoleConfig {
        directory: ledger.clone(),
        ledger,
        fleet: fleet_source(|| async { Fleet::unavailable("not yet") }),
        log_dir: dir.path().join("log"),
        trust_path: dir.path().join("trust.json"),
    };
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    assert!(Console::start(config, listener).err().unwrap().to_string().contains("loopback"));
}

/// Keeps a console with sample data open for a minute, to look at it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "for people: run it and open the address"]
async fn show() {
    let world = World::new().await;
    world.fill().await;
    for n in 6..20 {
        let (verdict, code) = if n % 4 == 0 { ("deny", Some("tool.not_granted")) } else { ("permit", None) };
        let index = world.say(decision(n, "invoice-bot", "read:invoices", "read", verdict, code)).await;
        if code.is_none() {
            world.say(json!({ "v": 1, "kind": "outcome", "decision": index, "status": 200, "at": 1_780_000_100_223_456_u64 })).await;
        }
    }
    world.ledger.publish().await.unwrap();
    println!("http://{}", world.console.address());
    tokio::time::sleep(Duration::from_secs(60)).await;
}
