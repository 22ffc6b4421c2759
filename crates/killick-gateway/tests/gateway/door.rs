//! The door: bounds, framing, and what two parsers could read differently.

use std::time::Duration;

use crate::support::*;
use killick_gateway::Limits;
use killick_proof::limits::BODY_BYTES_MAX;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

#[tokio::test]
async fn the_gateway_says_who_it_is() {
    let world = World::new().await;
    let host = [("host".to_owned(), world.address.to_string())];
    let reply = world.raw("GET", "/.well-known/killick/gateway", &host, "").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["audience"], GATEWAY);
    assert_eq!(reply.json()["jwk"], key(GATEWAY_KEY).public().to_jwk());
    assert_eq!(world.raw("PUT", "/.well-known/killick/gateway", &host, "").await.status, 405);
    assert_eq!(world.raw("GET", "/.well-known/killick/other", &host, "").await.code(), "tool.unknown");
    assert_eq!(world.hits.count(), 0);
}

#[tokio::test]
async fn smuggling_attempts_reach_nobody() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices", "create:payments"]);
    let body = r#"{"amount":1,"to":"ACME"}"#;
    let signed = || world.signed(&bot, "POST", "/payments", Some(body));
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut cases: Vec<(&str, Vec<(String, String)>)> = Vec::new();

    let mut fields = signed();
    fields.push(field("transfer-encoding", "chunked"));
    cases.push(("content-length, then transfer-encoding", fields));
    let mut fields = signed();
    fields.insert(0, field("transfer-encoding", "chunked"));
    cases.push(("transfer-encoding, then content-length", fields));
    let mut fields = signed();
    fields.push(field("transfer-encoding", "identity"));
    cases.push(("an unknown transfer-encoding", fields));
    let mut fields = signed();
    fields.push(field("content-length", "3"));
    cases.push(("two lengths", fields));
    let mut fields = signed();
    fields.iter_mut().find(|(name, _)| name == "content-length").unwrap().1 = "+24".to_owned();
    cases.push(("a length with a sign", fields));
    for name in [
        "host",
        "authorization",
        "signature",
        "signature-input",
        "content-digest",
        "killick-audience",
        "content-type",
    ] {
        let mut fields = signed();
        let twin = fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).unwrap().clone();
        fields.push(twin);
        cases.push(("a field twice", fields));
    }
    for (name, value) in [
        ("killick-agent", "spiffe://acme.example/agent/root"),
        ("killick-request-id", "1"),
        ("killick_audience", GATEWAY),
        ("content-encoding", "gzip"),
    ] {
        let mut fields = signed();
        fields.push(field(name, value));
        cases.push(("a field of ours, or that changes the body", fields));
    }
    let mut fields = signed();
    fields.iter_mut().find(|(name, _)| name == "host").unwrap().1 = "evil.example".to_owned();
    cases.push(("another host", fields));

    for (what, fields) in cases {
        let reply = world.raw("POST", "/payments", &fields, body).await;
        assert!(matches!(reply.status, 0 | 400..=499), "{what}: {reply:?}\n{fields:?}");
        assert_eq!(world.hits.count(), 0, "{what}");
    }
    for target in [
        "http://evil.example/payments",
        "*",
        "//payments",
        "/payments/../payments",
        "/%70ayments",
        "/payments?",
    ] {
        let reply = world.raw("POST", target, &signed(), body).await;
        assert!(matches!(reply.status, 0 | 400..=499), "{target}: {reply:?}");
    }
    assert_eq!(world.hits.count(), 0);
    // A fragment is no part of a target: it is dropped where the request is read, before anything is decided.
    assert_eq!(world.raw("POST", "/payments#x", &signed(), body).await.status, 201);
    assert_eq!(world.hits.all().pop().unwrap().target, "/payments");
    // The near twin: the same request without any of this.
    assert_eq!(world.raw("POST", "/payments", &signed(), body).await.status, 201);
}

#[tokio::test]
async fn a_request_hidden_behind_another_is_not_seen() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    let inner = text("GET", "/invoices/2", &world.signed(&bot, "GET", "/invoices/2", None), "");
    let mut outer = world.signed(&bot, "GET", "/invoices/1", None);
    outer.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
    let mut bytes = text("GET", "/invoices/1", &outer, "0\r\n\r\n");
    bytes.extend(inner);
    let reply = exchange(world.address, &bytes).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "http.framing"));
    assert_eq!(reply.header("connection"), Some("close"), "what follows is not read");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.hits.count(), 0);
}

#[tokio::test]
async fn bodies_and_heads_are_bounded() {
    let world = World::new().await;
    let bot = world.bot(&["create:payments"]);
    let mut fields = world.signed(&bot, "POST", "/payments", Some("{}"));
    fields.iter_mut().find(|(name, _)| name == "content-length").unwrap().1 =
        (BODY_BYTES_MAX + 1).to_string();
    let reply = world.raw("POST", "/payments", &fields, "{}").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "limit.size"),
        "told by its length, before it is read"
    );

    let host = ("host".to_owned(), world.address.to_string());
    let long = [host.clone(), ("x-long".to_owned(), "x".repeat(40_000))];
    assert_eq!(world.raw("GET", "/invoices/1", &long, "").await.code(), "limit.size");
    let many: Vec<_> =
        std::iter::once(host.clone()).chain((0..100).map(|n| (format!("x-{n}"), "1".to_owned()))).collect();
    assert_eq!(world.raw("GET", "/invoices/1", &many, "").await.code(), "limit.size");
    let target = format!("/invoices/{}", "a".repeat(9_000));
    assert_eq!(world.raw("GET", &target, std::slice::from_ref(&host), "").await.code(), "limit.size");
    let huge = [host, ("x-huge".to_owned(), "x".repeat(300_000))];
    assert!(matches!(world.raw("GET", "/invoices/1", &huge, "").await.status, 0 | 431));
}

#[tokio::test]
async fn slow_senders_are_cut_off() {
    let limits = Limits {
        head_read_timeout: Duration::from_millis(200),
        body_read_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let world = World::with(limits, |_| {}).await;
    let bot = world.bot(&["create:payments"]);

    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a").await.unwrap();
    let reply = read_reply(&mut stream).await;
    assert!(matches!(reply.status, 0 | 408), "{reply:?}");

    let mut fields = world.signed(&bot, "POST", "/payments", Some("{}"));
    fields.iter_mut().find(|(name, _)| name == "content-length").unwrap().1 = "100".to_owned();
    let reply = world.raw("POST", "/payments", &fields, "{}").await;
    assert_eq!((reply.status, reply.code().as_str()), (408, "limit.time"));

    let fields = world.signed(&bot, "POST", "/payments", Some("{\"am"));
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let mut bytes = text("POST", "/payments", &fields, "");
    bytes.truncate(bytes.len());
    stream.write_all(&bytes).await.unwrap();
    drop(stream);
    assert_eq!(world.hits.count(), 0);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait() {
    let world = World::with(Limits { connections_max: 2, ..Limits::default() }, |_| {}).await;
    let bot = world.bot(&["read:invoices"]);
    let one = TcpStream::connect(world.address).await.unwrap();
    let _two = TcpStream::connect(world.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let fields = world.signed(&bot, "GET", "/invoices/1", None);
    let third = world.raw("GET", "/invoices/1", &fields, "");
    tokio::pin!(third);
    assert!(
        tokio::time::timeout(Duration::from_millis(200), &mut third).await.is_err(),
        "there is no place yet"
    );
    drop(one);
    assert_eq!(third.await.status, 200, "the place that became free");
}

#[tokio::test]
async fn requests_beyond_the_bound_are_asked_to_come_back() {
    let world = World::with(Limits { in_flight_max: 1, ..Limits::default() }, |_| {}).await;
    let bot = world.bot(&["read:invoices"]);
    let slow = world.get(&bot, "/invoices/slow");
    let next = async {
        eventually("the slow one to arrive", || world.hits.count() == 1).await;
        let fields = world.signed(&bot, "GET", "/invoices/2", None);
        world.raw("GET", "/invoices/2", &fields, "").await
    };
    let (slow, next) = tokio::join!(slow, next);
    assert_eq!(slow.status, 200);
    assert_eq!((next.status, next.code().as_str()), (429, "limit.rate"));
    assert_eq!(next.header("retry-after"), Some("1"));
    assert_eq!(world.get(&bot, "/invoices/3").await.status, 200);
}

#[tokio::test]
async fn a_shutdown_lets_requests_finish_and_takes_no_new_ones() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    let fields = world.signed(&bot, "GET", "/invoices/slow", None);
    let (address, hits) = (world.address, world.hits.clone());
    let slow =
        tokio::spawn(async move { exchange(address, &text("GET", "/invoices/slow", &fields, "")).await });
    eventually("the slow one to arrive", || hits.count() == 1).await;
    let World { gateway, dir: _dir, ledger: _ledger, .. } = world;
    gateway.shutdown().await;
    assert_eq!(slow.await.unwrap().status, 200);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_stop_a_write_half_way() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    let fields = world.signed(&bot, "GET", "/invoices/slow", None);
    let before = world.ledger.size();
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(&text("GET", "/invoices/slow", &fields, "")).await.unwrap();
    eventually("it to arrive", || world.hits.count() == 1).await;
    drop(stream);
    eventually("decision and outcome", || world.ledger.size() == before + 2).await;
}
