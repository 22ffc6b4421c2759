//! The catalogue and the policies: checked whole before they are in force.

use crate::support::{World, openapi};
use serde_json::json;

#[tokio::test]
async fn an_import_replaces_one_upstreams_operations() {
    let world = World::new().await;
    let catalogue = world.get("/v1/catalogue").await;
    assert_eq!(catalogue["version"], 2);
    let actions: Vec<_> =
        catalogue["operations"].as_array().unwrap().iter().map(|o| o["action"].clone()).collect();
    assert!(
        actions.contains(&json!("read:invoices")) && actions.contains(&json!("execute:payments")),
        "{actions:?}"
    );
    let version = world.bundle().version;
    world.import().await;
    assert_eq!(world.get("/v1/catalogue").await["version"], 2, "the same again changes nothing");
    assert_eq!(world.bundle().version, version);

    let mut smaller = openapi();
    smaller["paths"].as_object_mut().unwrap().remove("/payments");
    let body = json!({ "openapi": smaller, "upstream": "shop", "url": "http://127.0.0.1:9001" });
    let (status, report) = world.post("/v1/catalogue/import", &body).await;
    assert_eq!((status, &report["operations"]), (200, &json!(2)), "{report}");
    assert_eq!(world.bundle().catalogue["version"], 3);

    // A second upstream with the same paths contradicts the first.
    let body = json!({ "openapi": openapi(), "upstream": "other", "url": "http://127.0.0.1:9002" });
    let (status, problem) = world.post("/v1/catalogue/import", &body).await;
    assert_eq!((status, &problem["code"]), (422, &json!("catalogue.invalid")), "{problem}");
    let (status, _) = world
        .post("/v1/catalogue/import", &json!({ "openapi": {}, "upstream": "x", "url": "http://h" }))
        .await;
    assert_eq!(status, 422);
    assert_eq!(world.get("/v1/catalogue").await["version"], 3);
    let world = world.restart().await;
    assert_eq!(world.get("/v1/catalogue").await["version"], 3);
}

#[tokio::test]
async fn an_action_that_moves_is_remembered_whatever_the_file_says() {
    let world = World::new().await;
    let empty = json!({ "openapi": "3.1.0", "info": { "title": "t", "version": "1" }, "paths": {} });
    let import = async |openapi: serde_json::Value, upstream: &str| {
        let body = json!({ "openapi": openapi, "upstream": upstream, "url": "http://127.0.0.1:9002" });
        let (status, report) = world.post("/v1/catalogue/import", &body).await;
        assert_eq!(status, 200, "{report}");
    };
    assert_eq!(world.bundle().catalogue.get("moved"), None, "nothing has moved yet");
    import(empty.clone(), "shop").await;
    import(openapi(), "other").await;
    let version = world.bundle().catalogue["version"].clone();
    assert_eq!(world.bundle().catalogue["moved"]["read:invoices"], version);

    // Out and back in: nothing says that it is the same action.
    import(empty, "other").await;
    import(openapi(), "other").await;
    let again = world.bundle().catalogue["version"].as_u64().unwrap();
    assert!(again > version.as_u64().unwrap());
    assert_eq!(world.bundle().catalogue["moved"]["read:invoices"], again);

    // Edited out of the file, and the process started anew.
    let path = world.dir.path().join("catalogue.json");
    let mut catalogue: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    catalogue.as_object_mut().unwrap().remove("moved");
    std::fs::write(&path, catalogue.to_string()).unwrap();
    let world = world.restart().await;
    assert_eq!(world.bundle().catalogue["moved"]["read:invoices"], again);
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(written["moved"]["read:invoices"], again);
}

#[tokio::test]
async fn a_reload_takes_all_or_nothing() {
    let world = World::new().await;
    let folder = world.dir.path().join("policies");
    let before = world.bundle();
    assert_eq!(before.policies.len(), 1, "the default policy");
    std::fs::write(
        folder.join("night.cedar"),
        "forbid (principal, action, resource) when { context.nonsense };",
    )
    .unwrap();
    let (status, problem) = world.post("/v1/reload", &json!({})).await;
    assert_eq!((status, &problem["code"]), (422, &json!("policy.invalid")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("night"), "{problem}");
    assert_eq!(world.bundle().version, before.version, "the old rules stay in force");

    std::fs::write(
        folder.join("night.cedar"),
        "forbid (principal, action, resource) when { context.risk == \"critical\" };",
    )
    .unwrap();
    let (status, report) = world.post("/v1/reload", &json!({})).await;
    assert_eq!((status, &report["changed"]), (200, &json!(true)), "{report}");
    assert_eq!(world.bundle().policies.len(), 2);
    let (_, report) = world.post("/v1/reload", &json!({})).await;
    assert_eq!(report["changed"], false);

    // A catalogue changed by hand gets the next version, in the file too.
    let path = world.dir.path().join("catalogue.json");
    let mut catalogue: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    catalogue["upstreams"]["shop"]["url"] = json!("http://127.0.0.1:9009");
    std::fs::write(&path, catalogue.to_string()).unwrap();
    world.post("/v1/reload", &json!({})).await;
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((&written["version"], &world.bundle().catalogue["version"]), (&json!(3), &json!(3)));
}

#[tokio::test]
async fn policies_are_put_whole() {
    let world = World::new().await;
    let put = async |body: serde_json::Value| {
        world.call("PUT", "/v1/policies", body.to_string().into_bytes()).await
    };
    let permit = "permit (principal, action, resource);";
    let (status, report) = put(json!([{ "id": "a", "text": permit }, { "id": "b", "text": permit }])).await;
    assert_eq!((status, &report["policies"]), (200, &json!(["a", "b"])), "{report}");
    assert!(!world.dir.path().join("policies/default.cedar").exists());
    assert!(world.dir.path().join("policies/a.cedar").exists());
    for bad in [
        json!([{ "id": "../x", "text": permit }]),
        json!([{ "id": "a", "text": permit }, { "id": "A", "text": permit }]),
        json!([{ "id": "a", "text": "permit" }]),
        json!([{ "id": "a", "text": permit, "more": 1 }]),
        json!({}),
    ] {
        let (status, problem) = put(bad.clone()).await;
        assert_eq!(status, 422, "{bad} {problem}");
    }
    let world = world.restart().await;
    let ids: Vec<_> = world.bundle().policies.iter().map(|policy| policy.id.clone()).collect();
    assert_eq!(ids, ["a", "b"]);
}
