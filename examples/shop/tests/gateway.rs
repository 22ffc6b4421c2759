//! The other guard: only what a gateway has signed gets in, and the caller in the receipt book is the one that its
//! signature vouches for.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop the test as tests do")]

use killick_proof::UnixTime;
use killick_proof::keys::SigningKey;
use killick_proof::sign::{ForwardedRequest, sign_forwarded};
use killick_shop::{Guard, Running, Service, ServiceConfig, start_service};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "only-the-judge";
const AGENT: &str = "spiffe://shop.example/agent/order-bot";

fn now() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixTime::from_micros(u64::try_from(since.as_micros()).unwrap())
}

async fn start(dir: &std::path::Path, gateway: &SigningKey) -> Running {
    start_service(ServiceConfig {
        service: Service::Orders,
        dir: dir.to_owned(),
        listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        guard: Guard::Gateway(gateway.public().to_jwk()),
        oracle_secret: SECRET.to_owned(),
    })
    .await
    .unwrap()
}

async fn send(url: &str, method: &str, path: &str, headers: &[(String, String)], body: &str) -> (u16, Value) {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn forwarded(
    key: &SigningKey,
    method: &str,
    path: &str,
    query: &str,
    body: &str,
    nonce: &str,
) -> Vec<(String, String)> {
    let content_type = if body.is_empty() { None } else { Some("application/json") };
    let request = ForwardedRequest {
        method,
        path,
        query,
        content_type,
        body: body.as_bytes(),
        request_id: "r-1",
        agent: AGENT,
        action: "create:orders",
        nonce,
    };
    let mut headers = sign_forwarded(&request, key, now());
    if let Some(kind) = content_type
        && !headers.iter().any(|(name, _)| name == "content-type")
    {
        headers.push(("content-type".to_owned(), kind.to_owned()));
    }
    headers
}

async fn receipts(url: &str) -> Vec<Value> {
    let secret = [("x-oracle-secret".to_owned(), SECRET.to_owned())];
    send(url, "GET", "/_receipts", &secret, "").await.1.as_array().unwrap().clone()
}

#[tokio::test]
async fn only_what_the_gateway_signed_gets_in() {
    let dir = tempfile::tempdir().unwrap();
    let (gateway, stranger) =
        (SigningKey::from_seed([7; 32]).unwrap(), SigningKey::from_seed([8; 32]).unwrap());
    let running = start(dir.path(), &gateway).await;
    let url = running.url();
    let order = json!({ "customer": "C-1001", "sku": "SKU-1001", "quantity": 2, "ship_to": "Here 1", "reference": "x" })
        .to_string();

    let good = forwarded(&gateway, "POST", "/orders", "?", &order, "nonce-1");
    assert_eq!(send(url, "POST", "/orders", &good, &order).await.0, 201);
    let read = forwarded(&gateway, "GET", "/orders", "?status=open", "", "nonce-2");
    assert_eq!(send(url, "GET", "/orders?status=open", &read, "").await.0, 200);

    // The same again; the usual way; a stranger's signature; another body; another path; another query.
    let usual = [("x-api-key".to_owned(), "k".to_owned()), ("x-role".to_owned(), "admin".to_owned())];
    let forged = forwarded(&stranger, "POST", "/orders", "?", &order, "nonce-3");
    let fresh = |nonce: &str| forwarded(&gateway, "POST", "/orders", "?", &order, nonce);
    let more = order.replace("\"quantity\":2", "\"quantity\":900");
    assert_ne!(more, order);
    for (what, method, path, headers, body) in [
        ("a replay", "POST", "/orders", good, order.as_str()),
        ("the usual way", "POST", "/orders", usual.to_vec(), order.as_str()),
        ("a stranger's signature", "POST", "/orders", forged, order.as_str()),
        ("another body", "POST", "/orders", fresh("nonce-4"), more.as_str()),
        ("another path", "POST", "/orders/O-5001/cancel", fresh("nonce-5"), order.as_str()),
        ("another method", "PATCH", "/orders", fresh("nonce-6"), order.as_str()),
        (
            "another query",
            "GET",
            "/orders?customer=C-1001",
            forwarded(&gateway, "GET", "/orders", "?", "", "nonce-7"),
            "",
        ),
        ("no signature", "GET", "/orders/O-5001", vec![], ""),
    ] {
        assert_eq!(send(url, method, path, &headers, body).await.0, 401, "{what}");
    }

    let book = receipts(url).await;
    assert_eq!(book.len(), 2, "{book:?}");
    for line in &book {
        assert_eq!(line["caller"], json!({ "guard": "gateway", "agent": AGENT, "request_id": "r-1" }));
    }
    // The description and the health check need no signature; they say nothing about anybody.
    assert_eq!(send(url, "GET", "/openapi.json", &[], "").await.0, 200);
    assert_eq!(send(url, "GET", "/healthz", &[], "").await.0, 200);
    running.stop().await.unwrap();
}
