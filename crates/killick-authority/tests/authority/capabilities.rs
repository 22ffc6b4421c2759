//! Capability bundles: defined, versioned, granted by, retired; and who holds what.

use serde_json::{Value, json};

use crate::support::World;

async fn define(world: &World, name: &str, grant: &str) -> (u16, Value) {
    world.post("/v1/capabilities", &json!({ "name": name, "grant": grant })).await
}

#[tokio::test]
async fn a_bundle_is_granted_by_its_name_and_its_users_are_known() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    world.onboard("payer", 2).await;
    let (status, first) = define(&world, "invoice-reader", "read:invoices;execute:none").await;
    assert_eq!(
        (status, &first["version"], &first["grant"]),
        (201, &json!(1), &json!("read:invoices; execute:none"))
    );

    let (status, token) = world.grant("invoice-bot", "@invoice-reader").await;
    assert_eq!(status, 201, "{token}");
    assert_eq!(token["granted"], "read:invoices; execute:none", "what the token says is spelled out");
    assert_eq!(token["claims"]["killick"]["deny"], json!(["execute:*"]));

    // The same again is no new version; a change is, and changes nothing of what is out.
    assert_eq!(define(&world, "invoice-reader", "read:invoices; execute:none").await.1["version"], 1);
    let (_, second) = define(&world, "invoice-reader", "read:invoices").await;
    assert_eq!(second["version"], 2);
    assert_eq!(world.get("/v1/tokens?agent=invoice-bot").await["tokens"][0]["granted"], token["granted"]);

    assert_eq!(
        world.grant("payer", "@invoice-reader; cancel:none").await.1["granted"],
        "read:invoices; cancel:none"
    );
    assert_eq!(
        world.grant("payer", "@invoice-reader/1").await.1["granted"],
        "read:invoices; execute:none",
        "an earlier version can be named"
    );
    let listed = world.get("/v1/capabilities").await;
    let bundle = &listed["capabilities"][0];
    assert_eq!((&bundle["version"], &bundle["earlier"][0]["version"]), (&json!(2), &json!(1)));
    assert_eq!(
        bundle["users"],
        json!([
            { "agent": "invoice-bot", "version": 1, "tokens": 1 },
            { "agent": "payer", "version": 1, "tokens": 1 },
            { "agent": "payer", "version": 2, "tokens": 1 },
        ])
    );
    assert_eq!(
        world.get("/v1/tokens?agent=invoice-bot").await["tokens"][0]["bundles"],
        json!(["invoice-reader/1"])
    );

    // A revoked token is used by nobody, nor is an expired one.
    world.revoke("token", token["jti"].as_str().unwrap()).await;
    assert_eq!(world.get("/v1/capabilities").await["capabilities"][0]["users"].as_array().unwrap().len(), 2);
    world.clock.advance_secs(3_600);
    assert_eq!(world.get("/v1/capabilities").await["capabilities"][0]["users"], json!([]));
}

#[tokio::test]
async fn a_bundle_that_would_not_do_is_refused_with_its_column() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    define(&world, "reader", "read:invoices; read:customers").await;
    for (name, text, status, code, word) in [
        ("reader", "read:invoces", 422, "grant.invalid", "did you mean `read:invoices`?"),
        ("reader", "read:", 422, "grant.syntax", "column"),
        ("other", "@reader", 422, "grant.invalid", "only the authority knows"),
        ("a reader", "read:invoices", 422, "capability.name", "letters"),
        ("*", "read:invoices", 422, "capability.name", "letters"),
        ("Reader", "read:invoices", 409, "capability.name", "case"),
        ("", "read:invoices", 422, "capability.name", "missing"),
    ] {
        let (found, problem) = define(&world, name, text).await;
        assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{name} {text}: {problem}");
        let said = format!("{} {}", problem["detail"], problem["mend"]);
        assert!(said.contains(word), "{name} {text}: {said}");
    }
    for (text, word) in [
        (
            "cancel:none; @raeder",
            "column 14: there is no capability bundle `raeder`; did you mean `@reader`?",
        ),
        ("@reader/2", "no such version"),
        (
            "@reader; read:customers(id == a)",
            "column 1: `@reader` grants `read:customers`, which is granted otherwise too",
        ),
    ] {
        let (status, problem) = world.grant("invoice-bot", text).await;
        assert_eq!((status, problem["code"].as_str()), (422, Some("grant.invalid")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
}

#[tokio::test]
async fn a_retired_bundle_grants_nothing_and_everything_is_in_the_log_and_outlives_a_restart() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    define(&world, "reader", "read:customers(id == carol)").await;
    let (status, _) = world.call("DELETE", "/v1/capabilities/reader", Vec::new()).await;
    assert_eq!(status, 200);
    assert_eq!(
        world.call("DELETE", "/v1/capabilities/nobody", Vec::new()).await.1["code"],
        "capability.unknown"
    );
    let world = world.restart().await;
    let (status, problem) = world.grant("invoice-bot", "@reader").await;
    assert_eq!(status, 422);
    assert!(problem["detail"].as_str().unwrap().contains("retired"), "{problem}");
    assert_eq!(
        define(&world, "reader", "read:customers(id == carol)").await.1["version"],
        2,
        "and it comes back"
    );
    assert_eq!(world.grant("invoice-bot", "@reader").await.0, 201);
    assert!(world.grant("invoice-bot", "@reader/1").await.1["detail"].as_str().unwrap().contains("retired"));

    let acts: Vec<Value> =
        world.entries().await.into_iter().filter(|entry| entry["kind"] == "capability").collect();
    let changes: Vec<&Value> = acts.iter().map(|entry| &entry["act"]["change"]).collect();
    assert_eq!(changes, ["define", "retire", "define"]);
    assert_eq!(acts[0]["act"]["actions"], json!(["read:customers"]));
    assert!(!acts[0].to_string().contains("carol"), "no argument and no value stands in the log");
    let issued = world.entries().await.into_iter().find(|entry| entry["act"]["what"] == "token").unwrap();
    assert_eq!(issued["act"]["bundles"], json!(["reader/2"]));
}
