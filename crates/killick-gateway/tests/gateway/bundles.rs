//! Bundles: revocation, rollback, staleness, restart.

use std::sync::Arc;

use crate::support::*;
use killick_gateway::{GatewayError, Limits};
use killick_proof::bundle::{AgentState, sign_bundle};
use tokio::sync::watch;

#[tokio::test]
async fn a_revocation_works_from_the_next_request_on() {
    let world = World::new().await;
    let (one, two) = (world.bot(&["read:invoices"]), world.bot(&["read:invoices"]));
    assert_eq!(world.get(&one, "/invoices/1").await.status, 200);
    world.publish(|document| document.revocations.tokens.push(one.jti.clone())).await;
    assert_eq!(world.get(&one, "/invoices/1").await.code().as_deref(), Some("token.revoked"));
    assert_eq!(world.get(&two, "/invoices/1").await.status, 200, "its twin still works");
    world.publish(|document| document.agents[0].state = AgentState::Suspended).await;
    assert_eq!(world.get(&two, "/invoices/1").await.code().as_deref(), Some("identity.suspended"));
    world.publish(|document| document.revocations.all = true).await;
    assert_eq!(world.get(&two, "/invoices/1").await.code().as_deref(), Some("revoked.all"));
    assert_eq!(world.hits.count(), 2);
}

#[tokio::test]
async fn an_older_a_foreign_and_a_twin_bundle_change_nothing() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    let first = world.publish.borrow().clone();
    world.publish(|document| document.revocations.tokens.push(bot.jti.clone())).await;

    world.publish.send_replace(first);
    let foreign = {
        let mut document = world.document.lock().unwrap().clone();
        document.version += 1;
        document.revocations.tokens.clear();
        (sign_bundle(&document, &key(99)), document)
    };
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    world.publish.send_replace(Arc::from(foreign.0));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let mut twin = foreign.1;
    twin.version -= 1;
    world.publish.send_replace(Arc::from(sign_bundle(&twin, &key(BUNDLE_KEY))));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(world.gateway.bundle_version(), Some(2));
    assert_eq!(world.get(&bot, "/invoices/1").await.code().as_deref(), Some("token.revoked"));
}

#[tokio::test]
async fn without_a_bundle_everything_is_refused() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    let dir = tempfile::tempdir().unwrap();
    let (publish, bundles) = watch::channel(Arc::from(""));
    let (gateway, url) = start(&dir, &world.ledger, &world.clock, bundles, Limits::default()).await;
    assert_eq!(gateway.ready().unwrap_err().code().as_str(), "state.missing");
    let address = gateway.local_addr();
    let elsewhere = World { gateway, url, address, ..world };
    let reply = elsewhere.get(&bot, "/invoices/1").await;
    assert_eq!((reply.status, reply.code().as_deref()), (503, Some("state.missing")));
    drop(publish);
}

#[tokio::test]
async fn a_stale_bundle_stops_critical_operations_first_then_writes_then_reads() {
    let world = World::new().await;
    let attempt = async |expected: [&str; 3]| {
        // Tokens are issued anew each time: it is the bundle that ages.
        let bot = world.bot(&["read:invoices", "create:payments", "delete:orders"]);
        let body = Some(r#"{"amount":1,"to":"ACME"}"#);
        for ((method, target, body), expected) in
            [("DELETE", "/orders/1", None), ("POST", "/payments", body), ("GET", "/invoices/1", None)]
                .into_iter()
                .zip(expected)
        {
            let reply = world.call(&bot, method, target, body).await;
            let code = reply.code().unwrap_or_else(|| "permit".to_owned());
            assert_eq!(code, expected, "{method} {target}");
        }
    };
    let hold = |document: &mut killick_proof::bundle::BundleDocument| {
        document.agents[0].keys[0].not_after = killick_proof::UnixTime::from_secs(u64::MAX / 2_000_000);
    };
    world.publish(hold).await;
    attempt(["permit", "permit", "permit"]).await;
    world.clock.turn(301);
    attempt(["state.stale", "permit", "permit"]).await;
    world.clock.turn(3_600 - 300);
    attempt(["state.stale", "state.stale", "permit"]).await;
    world.clock.turn(72 * 3_600 - 3_600);
    attempt(["state.stale", "state.stale", "state.stale"]).await;
    assert_eq!(world.gateway.ready().unwrap_err().code().as_str(), "state.stale");
    // The authority's heartbeat: the same content, signed anew.
    let heartbeat = {
        let mut document = world.document.lock().unwrap();
        document.issued_at = world.clock.read();
        sign_bundle(&document, &key(BUNDLE_KEY))
    };
    world.publish.send_replace(Arc::from(heartbeat));
    eventually("the heartbeat", || world.gateway.ready().is_ok()).await;
    attempt(["permit", "permit", "permit"]).await;
}

#[tokio::test]
async fn a_restart_keeps_the_bundle_and_admits_no_old_request() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    world.publish(|document| document.agents[0].risk_tier = killick_proof::bundle::RiskTier::High).await;
    let old = world.publish.borrow().clone();
    assert_eq!(world.get(&bot, "/invoices/1").await.status, 200);
    let fields = world.signed(&bot, "GET", "/invoices/7", None);
    assert_eq!(world.raw("GET", "/invoices/7", &fields, "").await.status, 200);

    // The authority is away at the restart: nothing is published, and what was is forgotten.
    eventually("the bundle to be kept", || world.dir.path().join("gateway/bundle.jws").exists()).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    world.publish.send_replace(Arc::from(""));
    let world = world.restart(Limits::default()).await;
    assert_eq!(world.gateway.bundle_version(), Some(2));

    let mut again = fields.clone();
    again[0].1 = world.address.to_string();
    let reply = world.raw("GET", "/invoices/7", &again, "").await;
    assert!(reply.status == 401, "a request of the last run is not admitted again: {reply:?}");

    let first = {
        let mut document = world.document.lock().unwrap().clone();
        document.version = 1;
        sign_bundle(&document, &key(BUNDLE_KEY))
    };
    world.publish.send_replace(Arc::from(first));
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(world.gateway.bundle_version(), Some(2), "no older bundle, across a restart either");
    drop(old);
}

#[tokio::test]
async fn a_clock_that_goes_back_far_stops_everything() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    assert_eq!(world.get(&bot, "/invoices/1").await.status, 200);
    world.clock.turn(-120);
    let reply = world.get(&bot, "/invoices/1").await;
    assert_eq!((reply.status, reply.code().as_deref()), (503, Some("clock.rollback")));
}

#[tokio::test]
async fn an_authority_that_lost_its_state_is_told_and_no_gateway_starts_behind_it() {
    let world = World::new().await;
    let first = world.publish.borrow().clone();
    world.publish(|document| document.revocations.all = true).await;
    let mut seen = world.gateway.seen_bundle();
    let newest = world.publish.borrow().clone();
    let taken = seen.wait_for(|seen| Arc::ptr_eq(&seen.jws, &newest)).await.unwrap().taken;
    assert!(taken);
    world.publish.send_replace(Arc::clone(&first));
    let taken = seen.wait_for(|seen| Arc::ptr_eq(&seen.jws, &first)).await.unwrap().taken;
    assert!(!taken, "whoever published it must not report success");

    // Restored from a backup: the authority offers what the gateway has left behind.
    world.gateway.shutdown().await;
    let twin = {
        let mut document = world.document.lock().unwrap().clone();
        document.revocations.all = false;
        Arc::from(sign_bundle(&document, &key(BUNDLE_KEY)))
    };
    for (what, bundle, offered) in [("an older one", first, 1), ("another of that version", twin, 2)] {
        let (_publish, bundles) = watch::channel(bundle);
        let started = try_start(&world.dir, &world.ledger, &world.clock, bundles, Limits::default()).await;
        let Err(GatewayError::Rollback { kept, offered: told, file }) = started.map(|_| ()) else {
            panic!("{what}: the gateway starts")
        };
        assert_eq!((kept, told), (2, offered), "{what}");
        assert!(file.ends_with("bundle.jws") && file.exists(), "{what}");
    }
    // The newest again, signed anew or as it was, is what it should be.
    let (_publish, bundles) = watch::channel(newest);
    assert!(try_start(&world.dir, &world.ledger, &world.clock, bundles, Limits::default()).await.is_ok());
}
