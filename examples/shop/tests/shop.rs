//! Every endpoint over real sockets, the guard of the usual way, and the receipt book.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop the test as tests do")]

use std::path::Path;

use killick_shop::{Guard, Running, Service, ServiceConfig, openapi, seed, start_service};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const KEY: &str = "one-key-for-all";
const SECRET: &str = "only-the-judge";

async fn start(service: Service, dir: &Path) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    start_service(ServiceConfig {
        service,
        dir: dir.to_owned(),
        listener,
        guard: Guard::ApiKey(KEY.to_owned()),
        oracle_secret: SECRET.to_owned(),
    })
    .await
    .unwrap()
}

async fn send(url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        request += "content-type: application/json\r\n";
    }
    request += &format!("content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn admin(url: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(url, method, path, &[("X-Api-Key", KEY), ("X-Role", "admin")], &body).await
}

async fn receipts(url: &str) -> Vec<Value> {
    let (status, all) = send(url, "GET", "/_receipts", &[("X-Oracle-Secret", SECRET)], "").await;
    assert_eq!(status, 200);
    all.as_array().unwrap().clone()
}

/// Each endpoint of a service: method, path, body, the status, and the action that its description names.
fn endpoints(service: Service) -> Vec<(&'static str, &'static str, Value, u16, &'static str)> {
    let pay = json!({ "payee": "P", "iban": "DE02120300000000202051", "amount": 12.5, "currency": "EUR",
                      "reference": "R" });
    let null = Value::Null;
    match service {
        Service::Catalogue => vec![
            ("GET", "/products?category=office&limit=2", null.clone(), 200, "list:products"),
            ("GET", "/products/SKU-1002", null, 200, "read:products"),
            (
                "PUT",
                "/products/SKU-1002/price",
                json!({ "price": 1, "currency": "EUR" }),
                200,
                "update:prices",
            ),
        ],
        Service::Orders => vec![
            ("GET", "/orders?status=open", null.clone(), 200, "list:orders"),
            ("GET", "/orders/O-5001", null, 200, "read:orders"),
            (
                "POST",
                "/orders",
                json!({ "customer": "C-1001", "sku": "SKU-1001", "quantity": 2, "ship_to": "Here 1", "reference": "x" }),
                201,
                "create:orders",
            ),
            ("PATCH", "/orders/O-5002", json!({ "ship_to": "There 2" }), 200, "update:orders"),
            ("POST", "/orders/O-5003/cancel", json!({ "reason": "no longer wanted" }), 200, "cancel:orders"),
        ],
        Service::Invoices => vec![
            ("GET", "/invoices?limit=3", null.clone(), 200, "list:invoices"),
            ("GET", "/invoices/INV-7003", null.clone(), 200, "read:invoices"),
            (
                "POST",
                "/invoices",
                json!({ "supplier": "S", "subject": "T", "amount": 9.99, "currency": "EUR",
                        "iban": "DE02120300000000202051", "note": "n" }),
                201,
                "create:invoices",
            ),
            ("POST", "/invoices/INV-7004/void", json!({ "reason": "twice" }), 200, "void:invoices"),
            (
                "PUT",
                "/invoices/INV-7005/bank-account",
                json!({ "iban": "GB33BUKB20201555555555" }),
                200,
                "update:bank-accounts",
            ),
            ("DELETE", "/invoices/INV-7006", null, 200, "delete:invoices"),
        ],
        Service::Payments => vec![
            ("GET", "/payments?status=draft", null.clone(), 200, "list:payments"),
            ("GET", "/payments/PAY-3001", null.clone(), 200, "read:payments"),
            ("POST", "/payments", pay.clone(), 201, "create:payments"),
            ("POST", "/transfers", pay, 201, "execute:payments"),
            ("POST", "/payments/PAY-3005/release", null, 200, "release:payments"),
            (
                "POST",
                "/payments/PAY-3002/refund",
                json!({ "amount": 10, "currency": "EUR", "iban": "GB33BUKB20201555555555" }),
                200,
                "refund:payments",
            ),
        ],
        Service::Customers => vec![
            ("GET", "/customers?segment=retail", null.clone(), 200, "list:customers"),
            ("GET", "/customers/C-1001", null.clone(), 200, "read:customers"),
            ("PUT", "/customers/C-1002/phone", json!({ "phone": "+49 1" }), 200, "update:phones"),
            ("PATCH", "/customers/C-1002", json!({ "email": "new@mail.example" }), 200, "update:customers"),
            (
                "POST",
                "/customer-exports",
                json!({ "segment": "all", "recipient": "a@mail.example" }),
                200,
                "export:customers",
            ),
            ("DELETE", "/customers/C-1003", null, 200, "delete:customers"),
        ],
    }
}

#[tokio::test]
async fn every_endpoint_works_and_enters_exactly_one_receipt() {
    for service in Service::ALL {
        let dir = tempfile::tempdir().unwrap();
        let running = start(service, dir.path()).await;
        let all = endpoints(service);
        for (method, path, body, expected, _) in &all {
            let (status, reply) = admin(running.url(), method, path, body.clone()).await;
            assert_eq!(status, *expected, "{method} {path}: {reply}");
        }
        let book = receipts(running.url()).await;
        let entered: Vec<&str> = book.iter().map(|line| line["operation"].as_str().unwrap()).collect();
        let expected: Vec<&str> = all.iter().map(|(.., action)| *action).collect();
        assert_eq!(entered, expected);
        for (line, (method, path, body, ..)) in book.iter().zip(&all) {
            assert_eq!(line["caller"], json!({ "guard": "api-key", "key": "…-all", "role": "admin" }));
            for (name, value) in body.as_object().into_iter().flatten() {
                assert_eq!(&line["arguments"][name], value, "{method} {path}");
            }
        }
        let file = std::fs::read_to_string(dir.path().join(service.name()).join("receipts.jsonl")).unwrap();
        let lines: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, book);
        running.stop().await.unwrap();
    }
}

#[tokio::test]
async fn the_openapi_description_names_every_endpoint_with_its_action() {
    for service in Service::ALL {
        let dir = tempfile::tempdir().unwrap();
        let running = start(service, dir.path()).await;
        let (status, document) = send(running.url(), "GET", "/openapi.json", &[], "").await;
        assert_eq!((status, &document), (200, &openapi::document(service).unwrap()));
        let mut described = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                described += 1;
                let action = operation["x-killick-action"].as_str().unwrap();
                assert!(
                    ["read", "write", "critical"].contains(&operation["x-killick-risk"].as_str().unwrap())
                );
                let fits = |(tried, target, _, _, named): &(&str, &str, Value, u16, &str)| {
                    let target = target.split('?').next().unwrap();
                    tried.eq_ignore_ascii_case(method)
                        && *named == action
                        && path.split('/').count() == target.split('/').count()
                        && path.split('/').zip(target.split('/')).all(|(a, b)| a.starts_with('{') || a == b)
                };
                assert!(endpoints(service).iter().any(fits), "{method} {path} is described but not tried");
            }
        }
        assert_eq!(described, endpoints(service).len());
        running.stop().await.unwrap();
    }
}

#[tokio::test]
async fn the_usual_guard_checks_a_key_and_believes_a_role() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(Service::Payments, dir.path()).await;
    let url = running.url();
    for (headers, path, method, expected) in [
        (vec![], "/payments/PAY-3001", "GET", 401),
        (vec![("X-Api-Key", "wrong"), ("X-Role", "admin")], "/payments/PAY-3001", "GET", 401),
        (vec![("X-Api-Key", KEY)], "/payments/PAY-3001", "GET", 403),
        (vec![("X-Api-Key", KEY), ("X-Role", "clerk")], "/payments/PAY-3001", "GET", 200),
        (vec![("X-Api-Key", KEY), ("X-Role", "clerk")], "/payments/PAY-3005/release", "POST", 403),
        (vec![("X-Api-Key", KEY), ("X-Role", "admin")], "/payments/PAY-3005/release", "POST", 200),
    ] {
        let (status, reply) = send(url, method, path, &headers, "").await;
        assert_eq!(status, expected, "{headers:?} {path}: {reply}");
    }
    let operations: Vec<Value> =
        receipts(url).await.into_iter().map(|line| line["operation"].clone()).collect();
    assert_eq!(operations, ["read:payments", "release:payments"]);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn what_fails_leaves_no_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(Service::Payments, dir.path()).await;
    let url = running.url();
    let pay = |amount: Value, iban: &str| json!({ "payee": "P", "iban": iban, "amount": amount, "currency": "EUR", "reference": "R" });
    for (method, path, body, expected) in [
        ("GET", "/payments/PAY-9999", Value::Null, 404),
        ("POST", "/transfers", pay(json!(-5), "DE02120300000000202051"), 422),
        ("POST", "/transfers", pay(json!(5.001), "DE02120300000000202051"), 422),
        ("POST", "/transfers", pay(json!(5), "not an iban"), 422),
        ("POST", "/transfers", json!({ "amount": 5 }), 422),
        ("POST", "/payments/PAY-3001/release", Value::Null, 409),
        ("GET", "/nothing", Value::Null, 404),
    ] {
        let (status, reply) = admin(url, method, path, body).await;
        assert_eq!(status, expected, "{method} {path}: {reply}");
    }
    assert_eq!(receipts(url).await, Vec::<Value>::new());
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_receipt_book_opens_to_the_judge_alone() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(Service::Orders, dir.path()).await;
    for headers in [vec![], vec![("X-Oracle-Secret", "guess")], vec![("X-Api-Key", KEY), ("X-Role", "admin")]]
    {
        assert_eq!(send(running.url(), "GET", "/_receipts", &headers, "").await.0, 404);
    }
    assert_eq!(admin(running.url(), "GET", "/orders/O-5001", Value::Null).await.0, 200);
    let (_, later) =
        send(running.url(), "GET", "/_receipts?since=1", &[("X-Oracle-Secret", SECRET)], "").await;
    assert_eq!(later, json!([]));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn data_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(Service::Customers, dir.path()).await;
    assert_eq!(admin(running.url(), "DELETE", "/customers/C-1001", Value::Null).await.0, 200);
    running.stop().await.unwrap();
    let running = start(Service::Customers, dir.path()).await;
    assert_eq!(admin(running.url(), "GET", "/customers/C-1001", Value::Null).await.0, 404);
    assert_eq!(receipts(running.url()).await.len(), 1);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_last_of_two_equal_members_wins_as_in_most_services() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(Service::Payments, dir.path()).await;
    let twice = r#"{"payee":"P","iban":"DE02120300000000202051","amount":5,"currency":"EUR","reference":"R","amount":5000}"#;
    let headers = [("X-Api-Key", KEY), ("X-Role", "admin")];
    assert_eq!(send(running.url(), "POST", "/transfers", &headers, twice).await.0, 201);
    assert_eq!(receipts(running.url()).await[0]["arguments"]["amount"], json!(5000));
    running.stop().await.unwrap();
}

#[test]
fn the_seed_is_a_few_dozen_records_and_refers_to_what_exists() {
    let records = |service| serde_json::from_str::<Vec<Value>>(seed::text(service)).unwrap();
    for service in Service::ALL {
        assert!(records(service).len() >= 20, "{}", service.name());
    }
    let ids = |service, name: &str| -> Vec<Value> {
        records(service).iter().map(|row| row[name].clone()).collect()
    };
    let (customers, skus) = (ids(Service::Customers, "id"), ids(Service::Catalogue, "sku"));
    for order in records(Service::Orders) {
        assert!(customers.contains(&order["customer"]) && skus.contains(&order["sku"]), "{order}");
    }
}
