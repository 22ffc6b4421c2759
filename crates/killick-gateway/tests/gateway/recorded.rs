//! What the log holds, and what happens when it holds nothing more.

use crate::support::*;
use killick_gateway::Limits;

#[tokio::test]
async fn nothing_is_forwarded_when_the_log_has_stopped() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices", "create:payments"]);
    assert_eq!(world.get(&bot, "/invoices/1").await.status, 200);
    let before = world.hits.count();
    world.ledger.close().await.unwrap();
    let body = r#"{"amount":1,"to":"ACME"}"#;
    for (method, target, body) in [("GET", "/invoices/2", None), ("POST", "/payments", Some(body))] {
        let fields = world.signed(&bot, method, target, body);
        let reply = world.raw(method, target, &fields, body.unwrap_or_default()).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "log.unavailable"), "{method} {reply:?}");
        assert_eq!(reply.header("retry-after"), Some("5"));
        assert_eq!(reply.header("killick-receipt"), None);
    }
    assert_eq!(world.hits.count(), before, "nothing reached the upstream");
    let stranger = world.raw("GET", "/", &[("host".into(), world.address.to_string())], "").await;
    assert_eq!(stranger.code(), "log.unavailable", "what cannot be recorded is not answered otherwise");
}

#[tokio::test]
async fn the_outcome_follows_the_decision() {
    let world = World::new().await;
    let bot = world.bot(&["create:payments"]);
    let before = world.ledger.size();
    let reply = world.post(&bot, "/payments", r#"{"amount":1,"to":"ACME"}"#).await;
    let id = reply.request_id.clone().unwrap();
    eventually("decision and outcome", || world.ledger.size() == before + 2).await;
    let entries = world.entries().await;
    let of_request: Vec<&String> = entries.iter().filter(|entry| entry.contains(&id)).collect();
    assert_eq!(of_request.len(), 2, "{entries:#?}");
    assert!(of_request[1].contains("outcome") && of_request[1].contains("201"), "{}", of_request[1]);
    for entry in &entries {
        assert!(
            !entry.contains("ACME") && !entry.contains("ada@"),
            "no value and no person is in the log: {entry}"
        );
    }
}

#[tokio::test]
async fn strangers_cannot_fill_the_log() {
    let world = World::with(Limits { refusals_recorded_max: 3, ..Limits::default() }, |_| {}).await;
    // Away from the end of a minute, so that the count does not begin anew in the middle.
    let into = world.clock.read().secs() % 60;
    world.clock.turn(i64::try_from(60 - into).unwrap());
    let fields = [("host".to_owned(), world.address.to_string())];
    let before = world.ledger.size();
    let mut receipts = 0;
    for _ in 0..10 {
        let reply = world.raw("GET", "/invoices/1", &fields, "").await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "token.missing"));
        if let Some(receipt) = reply.header("killick-receipt") {
            receipts += 1;
            let entry = world.check_receipt(receipt).await;
            assert!(entry.contains("token.missing"), "{entry}");
        }
    }
    assert_eq!(receipts, 3, "a receipt only for what is recorded");
    assert_eq!(world.ledger.size(), before + 3);
    world.clock.turn(60);
    eventually("the summary", || world.ledger.size() == before + 4).await;
    let summary: serde_json::Value = serde_json::from_str(world.entries().await.last().unwrap()).unwrap();
    assert_eq!(summary["kind"], "refusal-summary");
    assert_eq!(summary["counts"]["token.missing"], 7);
}

#[tokio::test]
async fn metrics_count_by_verdict_and_code() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    world.get(&bot, "/invoices/1").await;
    world.post(&bot, "/payments", r#"{"amount":1,"to":"ACME"}"#).await;
    world.raw("GET", "/invoices/1", &[("host".into(), world.address.to_string())], "").await;
    let text = world.gateway.metrics().encode();
    for line in [
        r#"killick_gateway_requests_total{verdict="permit",code="none"} 1"#,
        r#"killick_gateway_requests_total{verdict="deny",code="tool.not_granted"} 1"#,
        r#"killick_gateway_requests_total{verdict="refuse",code="token.missing"} 1"#,
        r#"killick_gateway_stage_seconds_count{stage="forward"} 1"#,
        r#"killick_gateway_stage_seconds_count{stage="record"} 2"#,
        "killick_gateway_bundle_version 1",
        "killick_gateway_panics_total 0",
        "killick_gateway_replay_entries 2",
        "# EOF",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
    let page = include_str!("../../../../docs/reference/metrics.md");
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(page.contains(name), "{name} is not in docs/reference/metrics.md");
    }
}
