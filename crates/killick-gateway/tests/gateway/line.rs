//! The line itself: what is permitted arrives, signed by the gateway and with a receipt; what is not, does not.

use crate::support::*;

#[tokio::test]
async fn a_permitted_read_arrives_signed_and_returns_with_its_receipt() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    let reply = world.get(&bot, "/invoices/INV-7").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.body, r#"{"target":"/invoices/INV-7"}"#);
    let entry = world.check_receipt(reply.receipt.as_deref().unwrap()).await;
    let request_id = reply.request_id.unwrap();
    assert!(entry.contains(&request_id), "the receipt is of this very request");

    let hit = world.hits.all().remove(0);
    let vouched = hit.vouched.unwrap();
    assert_eq!(vouched.agent, bot.id.as_str());
    assert_eq!(vouched.action, "read:invoices");
    assert_eq!(vouched.request_id, request_id);
    let mut names: Vec<&str> = hit.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let ours = [
        "accept",
        "content-digest",
        "host",
        "killick-action",
        "killick-agent",
        "killick-request-id",
        "signature",
        "signature-input",
    ];
    assert_eq!(names, ours, "nothing of the agent's request travels on but what was parsed");
}

#[tokio::test]
async fn a_permitted_write_arrives_only_after_its_record() {
    let world = World::new().await;
    let bot = world.bot(&["create:payments"]);
    for n in 1..=5 {
        let body = format!(r#"{{ "to" : "ACME Ltd", "amount" : {n}.50 }}"#);
        let reply = world.post(&bot, "/payments", &body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let index = reply.log_index().unwrap();
        world.check_receipt(reply.receipt.as_deref().unwrap()).await;
        let hit = world.hits.all().pop().unwrap();
        assert!(
            hit.log_size > index,
            "entry {index} was not in the log of {} when the upstream was called",
            hit.log_size
        );
        assert_eq!(hit.vouched.unwrap().request_id, reply.request_id.unwrap());
        assert_eq!((hit.method.as_str(), hit.target.as_str()), ("POST", "/payments"));
        let body: serde_json::Value = serde_json::from_str(&hit.body).unwrap();
        assert_eq!(body["to"], "ACME Ltd");
        assert!(!hit.body.contains("\" :"), "what arrives was serialised again: {}", hit.body);
    }
}

#[tokio::test]
async fn of_the_upstreams_reply_only_the_content_comes_through() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    let fields = world.signed(&bot, "GET", "/invoices/INV-7", None);
    let reply = world.raw("GET", "/invoices/INV-7", &fields, "").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("etag"), Some("\"7\""));
    for dropped in ["set-cookie", "location", "x-internal", "killick-observed"] {
        assert_eq!(reply.header(dropped), None, "{dropped}");
    }
    let receipts: Vec<_> = reply.headers.iter().filter(|(name, _)| name == "killick-receipt").collect();
    assert_eq!(receipts.len(), 1);
    assert_ne!(receipts[0].1, "Zm9yZ2Vk", "an upstream cannot bring a receipt of its own");
}

#[tokio::test]
async fn a_denial_says_what_is_missing_and_carries_a_receipt() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    let fields = world.signed(&bot, "POST", "/payments", Some(r#"{"amount":1,"to":"x"}"#));
    let reply = world.raw("POST", "/payments", &fields, r#"{"amount":1,"to":"x"}"#).await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "tool.not_granted"), "{reply:?}");
    let problem = reply.json();
    assert_eq!(problem["type"], "https://killick.dev/reasons/tool.not_granted");
    assert!(problem["missing"].as_str().unwrap().contains("create:payments"), "{problem}");
    assert!(problem["grantor"].is_string());
    let entry = world.check_receipt(reply.header("killick-receipt").unwrap()).await;
    assert!(entry.contains("tool.not_granted"));
    assert!(entry.contains(reply.header("killick-request-id").unwrap()));
    assert_eq!(world.hits.count(), 0);
}

#[tokio::test]
async fn what_is_not_in_the_catalogue_is_denied() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    for (target, code) in [("/nothing", "tool.unknown"), ("/invoices/INV-7?full=1", "arg.unlisted")] {
        let reply = world.get(&bot, target).await;
        assert_eq!((reply.status, reply.code().as_deref()), (403, Some(code)), "{target}: {reply:?}");
        assert!(reply.receipt.is_some());
    }
    assert_eq!(world.hits.count(), 0);
}

#[tokio::test]
async fn a_replayed_request_is_refused() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    let fields = world.signed(&bot, "GET", "/invoices/INV-7", None);
    assert_eq!(world.raw("GET", "/invoices/INV-7", &fields, "").await.status, 200);
    let again = world.raw("GET", "/invoices/INV-7", &fields, "").await;
    assert_eq!((again.status, again.code().as_str()), (401, "replay.nonce"));
    assert_eq!(again.header("www-authenticate"), Some(r#"AAT realm="killick""#));
    assert_eq!(world.hits.count(), 1);
}

#[tokio::test]
async fn a_changed_request_is_refused() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices", "create:payments"]);
    let body = r#"{"amount":1,"to":"ACME"}"#;

    let fields = world.signed(&bot, "POST", "/payments", Some(body));
    let reply = world.raw("POST", "/payments", &fields, r#"{"amount":9,"to":"ACME"}"#).await;
    assert_eq!(reply.code(), "sig.digest", "another body");

    let fields = world.signed(&bot, "GET", "/invoices/INV-7", None);
    assert_eq!(
        world.raw("GET", "/invoices/INV-8", &fields, "").await.code(),
        "sig.invalid",
        "another target"
    );

    let mut fields = world.signed(&bot, "GET", "/invoices/INV-7", None);
    fields.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
    assert_eq!(world.raw("GET", "/invoices/INV-7", &fields, "").await.code(), "token.missing");

    let mut fields = world.signed(&bot, "GET", "/invoices/INV-7", None);
    fields.retain(|(name, _)| !name.to_ascii_lowercase().starts_with("signature"));
    assert_eq!(world.raw("GET", "/invoices/INV-7", &fields, "").await.code(), "pop.missing");

    let fields = world.signed_for(&bot, "GET", "/invoices/INV-7", None, "spiffe://acme.example/gateway/gw-2");
    let reply = world.raw("GET", "/invoices/INV-7", &fields, "").await;
    assert_eq!((reply.status, reply.code().as_str()), (421, "pop.audience"));

    let thief = Agent { key: std::sync::Arc::new(key(66)), ..world.bot(&["read:invoices"]) };
    let reply = world.get(&thief, "/invoices/INV-7").await;
    assert_eq!(reply.code().as_deref(), Some("pop.mismatch"), "a stolen token without its key");
    assert_eq!(world.hits.count(), 0);
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_said_to_be() {
    let world = World::new().await;
    let bot = world.bot(&["read:gone"]);
    let reply = world.get(&bot, "/gone/1").await;
    assert_eq!((reply.status, reply.code().as_deref()), (502, Some("upstream.unreachable")), "{reply:?}");
    world.check_receipt(reply.receipt.as_deref().unwrap()).await;
}

#[tokio::test]
async fn an_upstream_is_bounded_in_time_and_size() {
    let limits = killick_gateway::Limits {
        upstream_timeout: std::time::Duration::from_millis(200),
        upstream_body_bytes_max: 65_536,
        ..Default::default()
    };
    let world = World::with(limits, |_| {}).await;
    let bot = world.bot(&["read:invoices"]);
    for (target, said) in [("/invoices/slow", "in time"), ("/invoices/large", "more bytes")] {
        let reply = world.get(&bot, target).await;
        assert_eq!((reply.status, reply.code().as_deref()), (502, Some("upstream.unreachable")));
        assert!(String::from_utf8_lossy(&reply.body).contains(said), "{reply:?}");
        assert!(reply.receipt.is_some(), "the call was decided, and that is recorded");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    let fields = world.signed(&bot, "GET", "/invoices/moved", None);
    let reply = world.raw("GET", "/invoices/moved", &fields, "").await;
    assert_eq!((reply.status, reply.header("location")), (302, None));
    assert_eq!(world.hits.count(), 1);
}

#[tokio::test]
async fn a_panic_denies_its_own_request_and_no_other() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    // The door reads the clock for the request's id, then the line reads it in the request's own task. The task that
    // writes summaries reads it too, once a second: if that took a turn, it is tried again.
    let mut status = 0;
    for _ in 0..5 {
        let fields = world.signed(&bot, "GET", "/invoices/INV-7", None);
        world.clock.fail_in(2);
        let reply = world.raw("GET", "/invoices/INV-7", &fields, "").await;
        status = reply.status;
        if status == 500 {
            assert_eq!(reply.code(), "internal.error");
            let entry = world.check_receipt(reply.header("killick-receipt").unwrap()).await;
            assert!(entry.contains("internal.error"), "{entry}");
            break;
        }
        assert_eq!(status, 0, "{reply:?}");
    }
    assert_eq!(status, 500);
    assert_eq!(world.hits.count(), 0);
    assert_eq!(world.get(&bot, "/invoices/INV-8").await.status, 200);
    let metrics = world.gateway.metrics().encode();
    assert!(
        metrics.contains("killick_gateway_panics_total 1") && metrics.contains("killick_gateway_in_flight 0"),
        "{metrics}"
    );
}

#[tokio::test]
async fn of_many_copies_at_once_one_is_admitted() {
    let world = World::new().await;
    let bot = world.bot(&["create:payments"]);
    let body = r#"{"amount":1,"to":"ACME"}"#;
    let request = text("POST", "/payments", &world.signed(&bot, "POST", "/payments", Some(body)), body);
    let copies: Vec<_> = (0..20)
        .map(|_| {
            let (address, request) = (world.address, request.clone());
            tokio::spawn(async move { exchange(address, &request).await })
        })
        .collect();
    let mut admitted = 0;
    for copy in copies {
        let reply = copy.await.unwrap();
        match reply.status {
            201 => admitted += 1,
            _ => assert_eq!(reply.code(), "replay.nonce"),
        }
    }
    assert_eq!((admitted, world.hits.count()), (1, 1));
}

#[tokio::test]
async fn observe_mode_says_what_it_did_not_enforce() {
    let world = World::new().await;
    let until = world.clock.read().plus_secs(600);
    world.publish(|document| document.agents[0].observe_until = Some(until)).await;
    let bot = world.bot(&["read:invoices"]);
    let body = r#"{"amount":1,"to":"ACME"}"#;
    let reply = world.post(&bot, "/payments", body).await;
    assert_eq!((reply.status, reply.observed.as_deref()), (201, Some("tool.not_granted")), "{reply:?}");
    let entry = world.check_receipt(reply.receipt.as_deref().unwrap()).await;
    assert!(entry.contains(r#""verdict":"observe""#), "{entry}");
    assert_eq!(world.get(&bot, "/invoices/1").await.observed, None);
    let critical = world.call(&bot, "DELETE", "/orders/1", None).await;
    assert_eq!(critical.code().as_deref(), Some("tool.not_granted"), "what cannot be undone is enforced");
    let thief = Agent { key: std::sync::Arc::new(key(66)), ..world.bot(&["read:invoices"]) };
    assert_eq!(
        world.get(&thief, "/invoices/1").await.code().as_deref(),
        Some("pop.mismatch"),
        "identity always is"
    );
    world.clock.turn(601);
    let bot = world.bot(&["read:invoices"]);
    assert_eq!(
        world.post(&bot, "/payments", body).await.code().as_deref(),
        Some("tool.not_granted"),
        "it ends by itself"
    );
}
