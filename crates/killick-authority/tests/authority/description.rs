//! `docs/reference/admin-api.openapi.json` says what the admin API does: every operation is called, with the example of
//! the description where there is one, and the answer is held against its schema.

use std::collections::BTreeSet;

use killick_authority::ROUTES;
use serde_json::{Value, json};

use crate::support::{World, key, proof};

fn description() -> Value {
    serde_json::from_str(include_str!("../../../../docs/reference/admin-api.openapi.json")).unwrap()
}

#[test]
fn it_lists_every_operation_and_no_other() {
    let document = description();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .keys()
                .map(|method| (method.to_uppercase(), path.clone()))
                .collect::<Vec<_>>()
        })
        .collect();
    let routed: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described, routed);
    let reference = include_str!("../../../../docs/reference/admin-api.md");
    for (method, path) in ROUTES {
        assert!(reference.contains(&format!("`{method} {path}`")), "admin-api.md lacks {method} {path}");
    }
}

#[test]
fn the_reference_lists_every_code_of_the_source() {
    let reference = include_str!("../../../../docs/reference/admin-api.md");
    let mut found = BTreeSet::new();
    for source in [
        include_str!("../../src/capabilities.rs"),
        include_str!("../../src/erase.rs"),
        include_str!("../../src/onboard.rs"),
        include_str!("../../src/issue_token.rs"),
        include_str!("../../src/issue_svid.rs"),
        include_str!("../../src/revoke.rs"),
        include_str!("../../src/lifecycle.rs"),
        include_str!("../../src/rules.rs"),
        include_str!("../../src/state.rs"),
        include_str!("../../src/names.rs"),
        include_str!("../../src/http.rs"),
        include_str!("../../src/error.rs"),
        include_str!("../../src/store/schema.rs"),
    ] {
        for text in source.split('"').skip(1).step_by(2) {
            let is_code = |part: &str| {
                !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            };
            if text.split('.').count() == 2 && text.split('.').all(is_code) && !text.ends_with(".json") {
                found.insert(text.to_owned());
            }
        }
    }
    assert!(found.len() > 20, "{found:?}");
    let missing: Vec<_> = found.iter().filter(|code| !reference.contains(&format!("`{code}`"))).collect();
    assert_eq!(missing, [] as [&String; 0]);
}

#[tokio::test]
async fn every_operation_answers_as_described() {
    let document = description();
    let world = World::new().await;
    world.onboard("payer", 2).await;
    let substitute = |mut body: Value| {
        if body.get("proof").is_some() {
            body["public_key"] = key(1).public().to_jwk();
            body["proof"] = json!(proof("invoice-bot", &key(1)));
        }
        body
    };
    // In an order in which each can succeed; off-boarding and revoking the model come last.
    let mut order: Vec<(&str, &str)> = ROUTES.to_vec();
    order.sort_by_key(|(method, path)| match (*method, *path) {
        ("POST", "/v1/catalogue/import") => 0,
        ("POST", "/v1/agents") => 1,
        ("POST", path) if path.starts_with("/v1/agents/") || path == "/v1/tokens" => 2,
        ("GET", _) => 4,
        ("DELETE", "/v1/agents/{name}") => 6,
        ("POST", "/v1/revocations") => 5,
        // Of somebody who owns nothing that still acts.
        ("POST", "/v1/erasures") => 7,
        _ => 3,
    });
    order.push(("GET", "/v1/revocations"));
    order.push(("GET", "/v1/agents/{name}"));
    for (method, path) in order {
        if path == "/v1/erasures" {
            world.mention("alice@acme.example").await;
            world.call("DELETE", "/v1/agents/payer", Vec::new()).await;
        }
        let operation = &document["paths"][path][method.to_lowercase()];
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        let body =
            if example.is_null() { Vec::new() } else { substitute(example.clone()).to_string().into_bytes() };
        let name = if path.starts_with("/v1/capabilities") { "invoice-reader" } else { "invoice-bot" };
        let concrete = path.replace("{name}", name);
        let (status, answer) = world.call(method, &concrete, body).await;
        let response = &operation["responses"][status.to_string()];
        assert!(response.is_object(), "{method} {path} answered {status}: {answer}");
        let schema = &response["content"]["application/json"]["schema"];
        check(&document, schema, &answer, &format!("{method} {path}"));
    }
    for (method, path, body) in [
        ("POST", "/v1/agents", "{}"),
        ("GET", "/v1/agents/nobody", ""),
        ("GET", "/nothing", ""),
        ("PUT", "/v1/agents", ""),
    ] {
        let (status, problem) = world.call(method, path, body.as_bytes().to_vec()).await;
        assert!(status >= 400);
        check(&document, &json!({ "$ref": "#/components/schemas/Problem" }), &problem, path);
        assert_eq!(problem["status"], status);
    }
}

/// As much of JSON Schema as the description uses.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        return check(document, document.pointer(&reference[1..]).unwrap(), value, place);
    }
    let fits = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{place}: type {other}"),
    };
    match &schema["type"] {
        Value::String(kind) => assert!(fits(kind), "{place}: {value} is no {kind}"),
        Value::Array(kinds) => {
            assert!(kinds.iter().any(|kind| fits(kind.as_str().unwrap())), "{place}: {value}")
        }
        _ => {}
    }
    if let Some(values) = schema["enum"].as_array() {
        assert!(values.contains(value), "{place}: {value}");
    }
    for member in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(member.as_str().unwrap()).is_some(), "{place}: no {member}");
    }
    if let (Some(properties), Some(members)) = (schema["properties"].as_object(), value.as_object()) {
        for (name, member) in members {
            match properties.get(name) {
                Some(schema) => check(document, schema, member, &format!("{place}.{name}")),
                None => {
                    assert_ne!(schema["additionalProperties"], false, "{place}: `{name}` is not described")
                }
            }
        }
    }
    for element in value.as_array().into_iter().flatten() {
        check(document, &schema["items"], element, place);
    }
}
