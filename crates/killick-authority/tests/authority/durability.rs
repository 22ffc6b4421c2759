//! What is recorded, what survives, what a start refuses.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use crate::support::{DOMAIN, TestClock, World, config, key, onboarding, open_ledger};
use killick_authority::{AdminSocket, Authority};
use killick_tlog::verify::{LogReader, verify_log};
use serde_json::{Value, json};

struct Folder(std::path::PathBuf);

impl LogReader for Folder {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, killick_tlog::LogError> {
        Ok(std::fs::read(self.0.join(path)).ok())
    }
}

fn acts(entries: &[Value]) -> Vec<&Value> {
    entries.iter().filter(|entry| entry["act"].is_object()).collect()
}

#[tokio::test]
async fn every_act_is_an_entry_of_a_log_that_verifies() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    let (_, token) = world.grant("invoice-bot", "read:invoices; execute:none").await;
    world.revoke("token", token["jti"].as_str().unwrap()).await;
    world.revoke("owner", "alice@acme.example").await;
    world.post("/v1/agents/invoice-bot/suspend", &json!({})).await;
    world.call("DELETE", "/v1/agents/invoice-bot", Vec::new()).await;
    let entries = world.entries().await;
    let acts = acts(&entries);
    let found: Vec<String> = acts
        .iter()
        .map(|entry| {
            let act = &entry["act"];
            let what =
                [&act["change"], &act["what"], &act["key"]].into_iter().find_map(Value::as_str).unwrap_or("");
            format!("{} {what}", entry["kind"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        found,
        [
            "key created",
            "key created",
            "key created",
            "key created",
            "catalogue ",
            "policy ",
            "catalogue ",
            "agent onboarded",
            "issue token",
            "revoke revoked",
            "revoke revoked",
            "agent suspended",
            "agent offboarded",
        ]
    );
    let serials: Vec<u64> = acts.iter().map(|entry| entry["act"]["serial"].as_u64().unwrap()).collect();
    assert_eq!(serials, (1..=13).collect::<Vec<_>>());
    let text = serde_json::to_string(&entries).unwrap();
    assert!(!text.contains("alice"), "the log names no person: {text}");
    assert!(!text.contains(token["token"].as_str().unwrap()), "nor holds a token");

    world.ledger.publish().await.unwrap();
    let mut seen = 0;
    let log =
        verify_log(&Folder(world.dir.path().join("directory-log")), None, &mut |_, _| seen += 1).unwrap();
    assert_eq!((log.size, seen), (world.ledger.size(), log.size));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_onboardings_and_revocations_at_once() {
    let world = Arc::new(World::new().await);
    let tasks: Vec<_> = (0..50_u8)
        .map(|n| {
            let world = world.clone();
            tokio::spawn(async move {
                let name = format!("agent-{n}");
                let (status, _) = world.post("/v1/agents", &onboarding(&name, &key(n + 1))).await;
                assert_eq!(status, 201);
                // The same name and the same key, by somebody else at the same time.
                let (status, _) = world.post("/v1/agents", &onboarding(&name, &key(n + 101))).await;
                assert_eq!(status, 409);
                world.revoke("agent", &name).await["bundle_version"].as_u64().unwrap()
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let bundle = world.bundle();
    assert_eq!((bundle.agents.len(), bundle.revocations.agents.len()), (50, 50));
    let entries = world.entries().await;
    let names: HashSet<&str> = acts(&entries)
        .iter()
        .filter(|entry| entry["act"]["change"] == "onboarded")
        .map(|entry| entry["act"]["agent"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 50);
    let serials: Vec<u64> =
        acts(&entries).iter().map(|entry| entry["act"]["serial"].as_u64().unwrap()).collect();
    assert_eq!(serials, (1..=serials.len() as u64).collect::<Vec<_>>(), "in order, none twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_name_asked_for_by_many_goes_to_one() {
    let world = Arc::new(World::new().await);
    let tasks: Vec<_> = (0..20_u8)
        .map(|n| {
            let world = world.clone();
            tokio::spawn(async move { world.post("/v1/agents", &onboarding("prize", &key(n + 1))).await.0 })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
}

#[tokio::test]
async fn versions_grow_over_restarts_and_heartbeats() {
    let mut world = World::new().await;
    let mut last = world.bundle().version;
    for round in 0..3_u8 {
        world = world.restart().await;
        let now = world.bundle().version;
        assert!(now > last, "{now} after {last}");
        world.onboard(&format!("agent-{round}"), round + 1).await;
        last = world.bundle().version;
        assert_eq!(last, now + 1);
        assert_eq!(world.bundle().agents.len(), usize::from(round) + 1);
    }
}

#[tokio::test]
async fn a_heartbeat_is_a_newer_bundle_of_the_same_content() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let ledger = open_ledger(dir.path()).await;
    let authority = Authority::open(killick_authority::AuthorityConfig {
        heartbeat_secs: 1,
        ..config(dir.path(), ledger.clone(), &clock)
    })
    .await
    .unwrap();
    let mut bundles = authority.bundles();
    let read = |jws: &str| killick_proof::verified::verify_bundle(jws, authority.bundle_key()).unwrap();
    let first = read(&bundles.borrow_and_update().clone());
    let entries = ledger.size();
    clock.advance_secs(5);
    tokio::time::timeout(std::time::Duration::from_secs(5), bundles.changed()).await.unwrap().unwrap();
    let second = read(&bundles.borrow_and_update().clone());
    assert_eq!((second.version, second.issued_at), (first.version + 1, clock.now()));
    assert_eq!((&second.agents, &second.policies), (&first.agents, &first.policies));
    assert_eq!(ledger.size(), entries, "a heartbeat is no act");
    authority.close().await;
    let error = authority.suspend("x").await.unwrap_err();
    assert_eq!(error.code(), "authority.stopped");
}

/// A crash between the transaction and the log: at the next start the act is recorded, once.
#[tokio::test]
async fn an_act_that_a_crash_kept_from_the_log_is_recorded_at_the_next_start() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    let dir = world.dir.clone();
    let clock = world.clock.clone();
    let recorded = world.ledger.size();
    world.ledger.close().await.unwrap();
    // The log has stopped; the revocation is in the database and, because it narrows, in the bundle.
    let (status, problem) =
        world.post("/v1/revocations", &json!({ "kind": "agent", "value": "invoice-bot" })).await;
    assert_eq!((status, &problem["code"]), (503, &json!("log.unavailable")), "{problem}");
    assert_eq!(world.bundle().revocations.agents.len(), 1);
    drop(world);
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;

    for _ in 0..2 {
        let world = World::open(dir.clone(), clock.clone()).await.unwrap();
        assert_eq!(world.bundle().revocations.agents.len(), 1);
        let entries = world.entries().await;
        let late: Vec<&Value> = entries.iter().skip(usize::try_from(recorded).unwrap()).collect();
        assert_eq!(late.iter().filter(|entry| entry["act"]["change"] == "revoked").count(), 1, "{late:?}");
        world.restart().await.close().await;
    }
}

impl World {
    async fn close(self) {
        self.authority.close().await;
        self.ledger.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_refused_in_one_sentence() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let clock = TestClock::new();
    World::open(dir.clone(), clock.clone()).await.unwrap().restart().await.close().await;
    let database = dir.path().join("authority.db");
    let good = std::fs::read(&database).unwrap();
    assert_eq!(std::fs::metadata(&database).unwrap().permissions().mode() & 0o777, 0o600);

    let refused = async |what: &str| {
        let ledger = open_ledger(dir.path()).await;
        let error = Authority::open(config(dir.path(), ledger.clone(), &clock)).await.err().unwrap();
        ledger.close().await.unwrap();
        drop(ledger);
        let text = error.to_string();
        assert!(text.contains(what) && !text.contains('\n'), "{text}");
        text
    };

    // Damaged in its middle, not a database at all, cut off.
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[4_096..middle].fill(0xa5);
    for bytes in
        [&damaged[..], b"not a database, but quite long enough to look like a file of some kind".as_slice()]
    {
        std::fs::write(&database, bytes).unwrap();
        let text = refused("is damaged").await;
        assert!(text.contains("backup"), "{text}");
    }
    std::fs::write(&database, &good).unwrap();

    // A newer schema.
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&database, &newer).unwrap();
    refused("newer killick (schema 99, this one knows 2)").await;
    std::fs::write(&database, &good).unwrap();

    // A key that others can read, a damaged key, a damaged certificate.
    let token_key = dir.path().join("keys/authority-token.key");
    std::fs::set_permissions(&token_key, std::fs::Permissions::from_mode(0o644)).unwrap();
    refused(&format!("chmod 600 {}", token_key.display())).await;
    std::fs::set_permissions(&token_key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let certificate = dir.path().join("keys/svid-ca.der");
    let der = std::fs::read(&certificate).unwrap();
    std::fs::write(&certificate, &der[..40]).unwrap();
    refused("svid-ca.der").await;
    std::fs::write(&certificate, &der).unwrap();

    // Rules that do not hold.
    let catalogue = dir.path().join("catalogue.json");
    let rules = std::fs::read(&catalogue).unwrap();
    std::fs::write(&catalogue, b"{\"id\":").unwrap();
    refused("catalogue.json").await;
    std::fs::write(&catalogue, &rules).unwrap();
    std::fs::write(dir.path().join("policies/bad.cedar"), "permit (principal, action").unwrap();
    refused("bad").await;
    std::fs::remove_file(dir.path().join("policies/bad.cedar")).unwrap();

    // A folder of another trust domain, a domain that is none, a time zone that is none.
    let ledger = open_ledger(dir.path()).await;
    let with = |change: &dyn Fn(&mut killick_authority::AuthorityConfig)| {
        let mut made = config(dir.path(), ledger.clone(), &clock);
        change(&mut made);
        made
    };
    let other = with(&|config| {
        config.trust_domain = "other.example".to_owned();
        config.gateway.id = killick_proof::SpiffeId::parse("spiffe://other.example/gateway/gw-1").unwrap();
    });
    let cases = [
        (other, "belongs to the trust domain `acme.example`"),
        (with(&|config| config.trust_domain = "Not A Domain".to_owned()), "not a trust domain"),
        (with(&|config| config.time_zone = "Mars/Olympus".to_owned()), "not a time zone"),
        (with(&|config| config.token_lifetime_secs = 90_000), "token lifetimes"),
        (with(&|config| config.dir = "/proc/killick".into()), "/proc/killick"),
    ];
    for (config, what) in cases {
        let text = Authority::open(config).await.err().unwrap().to_string();
        assert!(text.contains(what), "{text}");
    }

    // And after all that nothing was lost.
    let authority = Authority::open(config(dir.path(), ledger, &clock)).await.unwrap();
    assert_eq!(authority.status().await.unwrap().trust_domain, DOMAIN);
}

#[tokio::test]
async fn the_socket_is_private_and_one_killick_holds_it() {
    let world = World::new().await;
    let mode = std::fs::metadata(&world.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = AdminSocket::bind(&world.socket).err().unwrap().to_string();
    assert!(error.contains("another killick answers"), "{error}");
    assert_eq!(world.get("/v1/status").await["trust_domain"], DOMAIN, "the first one still answers");

    // What a dead process left is replaced; what is no socket is not.
    let dir = tempfile::tempdir().unwrap();
    let stale = dir.path().join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    AdminSocket::bind(&stale).unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(AdminSocket::bind(&file).err().unwrap().to_string().contains("not a socket"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    let long = dir.path().join("x".repeat(120));
    assert!(AdminSocket::bind(&long).err().unwrap().to_string().contains("shorter --dir"));
}
