//! Onboarding, renewal, the states of an agent, off-boarding.

use crate::support::{World, key, onboarding, proof};
use killick_proof::bundle::AgentState;
use killick_proof::svid::verify_svid;
use serde_json::{Value, json};

fn der(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

#[tokio::test]
async fn onboarding_gives_an_identity_that_verifies() {
    let world = World::new().await;
    let answer = world.onboard("invoice-bot", 1).await;
    assert_eq!(answer["agent"]["id"], "spiffe://acme.example/agent/invoice-bot");
    assert_eq!(answer["agent"]["state"], "active");
    assert_eq!(answer["agent"]["risk_tier"], "medium");
    assert_eq!(answer["trust"]["trust_domain"], "acme.example");
    assert_eq!(answer["trust"]["gateway"]["url"], "http://127.0.0.1:7443");

    let bundle = world.bundle();
    let record = &bundle.agents[0];
    assert_eq!(record.owner, "alice@acme.example");
    assert_eq!(record.keys[0].jwk, key(1).public().to_jwk());
    use base64::Engine as _;
    let root = base64::engine::general_purpose::STANDARD.decode(&bundle.svid_roots[0]).unwrap();
    let leaf = der(answer["svid_pem"].as_str().unwrap());
    let svid = verify_svid(&leaf, std::slice::from_ref(&root), "acme.example", world.clock.now()).unwrap();
    assert_eq!(svid.id, record.id);
    assert_eq!(svid.key, *key(1).public());
    assert_eq!(svid.not_after, record.keys[0].not_after);
    let later = world.clock.now().plus_secs(3_700);
    assert_eq!(
        verify_svid(&leaf, &[root], "acme.example", later).unwrap_err().code().as_str(),
        "identity.expired"
    );

    let shown = world.get("/v1/agents/invoice-bot").await;
    assert_eq!(shown["agent"], answer["agent"]);
    assert_eq!(world.get("/v1/agents").await["agents"].as_array().unwrap().len(), 1);
}

/// Each field missing or hostile, its code, and a word of the sentence.
#[tokio::test]
async fn every_bad_onboarding_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    world.onboard("first", 9).await;
    let before = (world.ledger.size(), world.bundle().version);
    let good = onboarding("invoice-bot", &key(1));
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let without = |name: &str| {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let named = |name: &str| onboarding(name, &key(1));
    let cases: Vec<(Value, u16, &str, &str)> = vec![
        (without("owner"), 422, "identity.owner", "owner"),
        (with("owner", json!("  ")), 422, "identity.owner", "owner"),
        (with("owner", json!("a\nb")), 422, "identity.owner", "control"),
        (with("owner", json!("bob\u{202e}")), 422, "identity.owner", "control"),
        (with("owner", json!("x".repeat(257))), 422, "limit.size", "256"),
        (without("model"), 422, "identity.model", "model"),
        (with("model", json!({ "name": "", "version": "1" })), 422, "identity.model", "name"),
        (with("model", json!({ "name": "a@b", "version": "1" })), 422, "identity.model", "@"),
        (with("model", json!({ "name": "a" })), 422, "request.invalid", "version"),
        (
            with("model", json!({ "name": "a", "version": "1", "digest": "md5:0" })),
            422,
            "identity.model",
            "digest",
        ),
        (named(""), 422, "identity.chain", "name"),
        (named("a/b"), 422, "identity.chain", "/"),
        (named(".."), 422, "identity.chain", "begin"),
        (named("-x"), 422, "identity.chain", "begin"),
        (named("käse"), 422, "identity.chain", "contains"),
        (named(&"x".repeat(64)), 422, "identity.chain", "63"),
        (named("first"), 409, "identity.reuse", "another"),
        (named("FIRST"), 409, "identity.reuse", "another"),
        (onboarding("other", &key(9)), 409, "identity.reuse", "first"),
        (without("proof"), 422, "pop.missing", "proof"),
        (with("proof", json!("AAAA")), 422, "pop.mismatch", "proof"),
        (with("proof", json!(proof("other-name", &key(1)))), 422, "pop.mismatch", "name"),
        (with("public_key", key(2).public().to_jwk()), 422, "pop.mismatch", "key"),
        (without("public_key"), 422, "request.invalid", "public_key"),
        (with("public_key", json!({ "kty": "RSA" })), 422, "token.key", "Ed25519"),
        (
            // RFC 7515 appendix A.3: a P-256 key, which the core would verify with.
            with(
                "public_key",
                json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }),
            ),
            422,
            "token.key",
            "Ed25519",
        ),
        (
            with("public_key", json!({ "kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43) })),
            422,
            "token.key",
            "small order",
        ),
        (
            with("public_key", json!({ "kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43), "d": "A" })),
            422,
            "token.key",
            "private",
        ),
        (with("risk_tier", json!("none")), 422, "request.invalid", "none"),
        (with("admin", json!(true)), 422, "request.invalid", "admin"),
        (with("purpose", json!("x\u{0}")), 422, "request.invalid", "control"),
        (json!([]), 422, "request.invalid", ""),
    ];
    for (body, status, code, word) in cases {
        let (found, problem) = world.post("/v1/agents", &body).await;
        assert_eq!((found, problem["code"].as_str().unwrap()), (status, code), "{body}\n{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
        assert!(problem["mend"].is_string());
    }
    let (status, problem) =
        world.call("POST", "/v1/agents", b"{\"name\":\"a\",\"name\":\"b\"}".to_vec()).await;
    assert_eq!((status, &problem["code"]), (422, &json!("request.invalid")), "{problem}");
    let (status, problem) = world.call("POST", "/v1/agents", b"{".to_vec()).await;
    assert_eq!((status, &problem["code"]), (422, &json!("json.invalid")), "{problem}");
    assert_eq!(before, (world.ledger.size(), world.bundle().version), "nothing was recorded or published");
    assert_eq!(world.get("/v1/agents").await["agents"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_is_rotated_and_the_old_one_ends_with_its_svid() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    world.clock.advance_secs(1_800);
    let renew = |seed: u8| json!({ "public_key": key(seed).public().to_jwk(), "proof": proof("invoice-bot", &key(seed)) });
    let (status, answer) = world.post("/v1/agents/invoice-bot/svid", &renew(2)).await;
    assert_eq!(status, 200, "{answer}");
    let keys: Vec<_> = world.bundle().agents[0].keys.iter().map(|key| key.jwk.clone()).collect();
    assert_eq!(keys, [key(1).public().to_jwk(), key(2).public().to_jwk()]);

    // The same key again: no second entry, a later end.
    world.clock.advance_secs(60);
    let (_, again) = world.post("/v1/agents/invoice-bot/svid", &renew(2)).await;
    assert!(again["not_after"].as_u64() > answer["not_after"].as_u64());
    assert_eq!(world.bundle().agents[0].keys.len(), 2);

    // Once the first SVID has ended, the first key is gone.
    world.clock.advance_secs(1_800);
    world.onboard("other", 7).await;
    let keys: Vec<_> = world.bundle().agents[0].keys.iter().map(|key| key.jwk.clone()).collect();
    assert_eq!(keys, [key(2).public().to_jwk()]);

    // A key of another agent, a revoked key, a proof for another name.
    let (status, problem) = world
        .post(
            "/v1/agents/invoice-bot/svid",
            &json!({
                "public_key": key(7).public().to_jwk(), "proof": proof("invoice-bot", &key(7)),
            }),
        )
        .await;
    assert_eq!((status, &problem["code"]), (409, &json!("identity.reuse")), "{problem}");
    world.revoke("key", key(3).id().as_str()).await;
    let (status, problem) = world.post("/v1/agents/invoice-bot/svid", &renew(3)).await;
    assert_eq!((status, &problem["code"]), (403, &json!("key.revoked")), "{problem}");
    let (status, problem) = world.post("/v1/agents/nobody/svid", &renew(2)).await;
    assert_eq!((status, &problem["code"]), (422, &json!("pop.mismatch")), "{problem}");
}

#[tokio::test]
async fn suspended_resumed_observed_offboarded() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    let state = || world.bundle().agents[0].state;

    let (status, answer) = world.post("/v1/agents/invoice-bot/suspend", &json!({})).await;
    assert_eq!((status, &answer["state"]), (200, &json!("suspended")));
    assert_eq!(state(), AgentState::Suspended);
    assert_eq!(world.bundle().version, answer["bundle_version"].as_u64().unwrap());
    let (status, problem) = world.grant("invoice-bot", "read:invoices").await;
    assert_eq!((status, &problem["code"]), (403, &json!("identity.suspended")));
    let entries = world.ledger.size();
    world.post("/v1/agents/invoice-bot/suspend", &json!({})).await;
    assert_eq!(world.ledger.size(), entries, "suspending twice is one act");
    world.post("/v1/agents/invoice-bot/resume", &json!({})).await;
    assert_eq!(state(), AgentState::Active);

    let until = world.clock.now().plus_secs(600).micros();
    let observe = |until: Value| json!({ "until": until });
    let (status, answer) = world.post("/v1/agents/invoice-bot/observe", &observe(json!(until))).await;
    assert_eq!((status, &answer["observe_until"]), (200, &json!(until)));
    assert_eq!(world.bundle().agents[0].observe_until.unwrap().micros(), until);
    for bad in [json!(until - 600_000_000), json!(until + 604_800_000_000_u64), json!("soon"), json!(-1)] {
        let (status, problem) = world.post("/v1/agents/invoice-bot/observe", &observe(bad)).await;
        assert_eq!((status, &problem["code"]), (422, &json!("request.invalid")), "{problem}");
    }
    let (status, _) = world.post("/v1/agents/invoice-bot/observe", &json!({})).await;
    assert_eq!(status, 422, "leaving `until` out ends nothing");
    world.clock.advance_secs(601);
    world.onboard("other", 2).await;
    assert_eq!(world.bundle().agents[0].observe_until, None, "observe mode ends by itself");

    let (_, token) = world.grant("invoice-bot", "read:invoices; execute:none").await;
    let (status, answer) = world.call("DELETE", "/v1/agents/invoice-bot", Vec::new()).await;
    assert_eq!((status, &answer["state"]), (200, &json!("offboarded")));
    let bundle = world.bundle();
    assert_eq!(bundle.agents[0].state, AgentState::Offboarded);
    assert_eq!(bundle.revocations.subtrees[0].as_str(), "spiffe://acme.example/agent/invoice-bot");
    assert_eq!(bundle.revocations.tokens, [token["jti"].as_str().unwrap()]);
    assert_eq!(bundle.revocations.keys, [key(1).id().clone()]);
    for path in ["suspend", "resume"] {
        let (status, problem) = world.post(&format!("/v1/agents/invoice-bot/{path}"), &json!({})).await;
        assert_eq!((status, &problem["code"]), (403, &json!("identity.revoked")));
    }
    let (status, problem) = world.post("/v1/agents", &onboarding("invoice-bot", &key(5))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("identity.reuse")));
    let (status, _) = world.call("DELETE", "/v1/agents/invoice-bot", Vec::new()).await;
    assert_eq!(status, 200, "off-boarding twice is not an error");

    let world = world.restart().await;
    assert_eq!(world.bundle().agents[0].state, AgentState::Offboarded);
    let (status, problem) = world.post("/v1/agents", &onboarding("invoice-bot", &key(5))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("identity.reuse")), "not after a restart either");
}

#[tokio::test]
async fn unknown_agents_are_named_with_what_was_meant() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    for (method, path) in [
        ("GET", "/v1/agents/invoce-bot"),
        ("DELETE", "/v1/agents/invoce-bot"),
        ("POST", "/v1/agents/invoce-bot/suspend"),
        ("GET", "/v1/tokens?agent=invoce-bot"),
        ("GET", "/v1/agents/INVOICE-BOT"),
    ] {
        let (status, problem) = world.call(method, path, b"{}".to_vec()).await;
        assert_eq!((status, &problem["code"]), (404, &json!("identity.unknown")), "{path}: {problem}");
        assert!(problem["mend"].as_str().unwrap().contains("invoice-bot"), "{problem}");
    }
    let (status, problem) = world.call("GET", "/v2/nothing", Vec::new()).await;
    assert_eq!((status, &problem["code"]), (404, &json!("request.unknown")));
    let (status, problem) = world.call("PATCH", "/v1/agents", Vec::new()).await;
    assert_eq!((status, &problem["code"]), (405, &json!("request.unknown")));
}
