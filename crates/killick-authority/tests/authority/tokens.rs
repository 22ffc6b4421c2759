//! Grants: good ones, and those that the authority must refuse.

use crate::support::{START_SECS, World, key};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

fn payload(jws: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jws.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_grant_becomes_a_signed_token() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    let (status, answer) = world
        .post("/v1/tokens", &json!({
            "agent": "invoice-bot", "grant": "read:invoices; execute:none", "lifetime_secs": 600, "max_depth": 1,
            "task": "T-17", "principal": "carol@acme.example", "intent": "A".repeat(43),
        }))
        .await;
    assert_eq!(status, 201, "{answer}");
    let claims = payload(answer["token"].as_str().unwrap());
    assert_eq!(claims, answer["claims"], "what is shown is what was signed");
    assert_eq!(claims["iss"], "https://authority.acme.example");
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(START_SECS), &json!(START_SECS + 600)));
    assert_eq!(claims["exp"], answer["exp"]);
    assert_eq!(claims["cnf"]["jwk"], key(1).public().to_jwk());
    assert_eq!((&claims["del_depth"], &claims["del_max_depth"]), (&json!(0), &json!(1)));
    let killick = &claims["killick"];
    assert_eq!(killick["holder"], "spiffe://acme.example/agent/invoice-bot");
    assert_eq!(killick["deny"], json!(["execute:*"]));
    assert_eq!(killick["catalogue"]["id"], "acme.example/catalogue");
    assert_eq!(killick["origin"]["task"], "T-17");
    assert_eq!(killick["origin"]["model"]["name"], "claude-opus");
    assert_eq!(answer["granted"], "read:invoices; execute:none");
    let jti = uuid_version(answer["jti"].as_str().unwrap());
    assert_eq!(jti, '7');
    assert_eq!(world.bundle().agents[0].deny, ["execute:*"], "the deny holds for the agent");

    let listed = world.get("/v1/tokens?agent=invoice-bot").await;
    assert_eq!(listed["tokens"][0]["jti"], answer["jti"]);
    assert_eq!(listed["tokens"][0]["state"], "live");
    assert_eq!(world.get("/v1/agents/invoice-bot").await["agent"]["deny"], json!(["execute:*"]));
    world.clock.advance_secs(600);
    assert_eq!(world.get("/v1/tokens").await["tokens"][0]["state"], "expired");
}

fn uuid_version(text: &str) -> char {
    text.chars().nth(14).unwrap()
}

#[tokio::test]
async fn bad_grants_are_refused_with_a_mend() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    let entries = world.ledger.size();
    let ask = |grant: &str| json!({ "agent": "invoice-bot", "grant": grant });
    let with = |name: &str, value: Value| {
        let mut body = ask("read:invoices");
        body[name] = value;
        body
    };
    let cases = [
        (ask("read:invoces"), 422, "grant.invalid", "did you mean `read:invoices`?"),
        (ask("read:invoices("), 422, "grant.syntax", "column"),
        (ask(""), 422, "grant.", ""),
        (ask("execute:none"), 422, "grant.invalid", "nothing"),
        (ask("execute:payments; execute:none"), 422, "grant.invalid", "execute:payments"),
        (ask(&"x".repeat(20_000)), 422, "limit.size", "16384"),
        (with("lifetime_secs", json!(0)), 422, "grant.lifetime", "0 s"),
        (with("lifetime_secs", json!(86_401)), 422, "grant.lifetime", "86401"),
        (with("max_depth", json!(33)), 422, "grant.depth", "33"),
        (with("intent", json!("not a hash")), 422, "request.invalid", "intent"),
        (with("task", json!("a\nb")), 422, "request.invalid", "task"),
        (with("agent", json!("nobody")), 404, "identity.unknown", "nobody"),
        (with("scope", json!("all")), 422, "request.invalid", "scope"),
    ];
    for (body, status, code, word) in cases {
        let (found, problem) = world.post("/v1/tokens", &body).await;
        assert_eq!(found, status, "{body} {problem}");
        assert!(problem["code"].as_str().unwrap().starts_with(code), "{body} {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
    assert_eq!(world.ledger.size(), entries);
    assert_eq!(world.get("/v1/tokens").await["tokens"], json!([]));
}

#[tokio::test]
async fn a_live_deny_stands_against_other_grants_until_it_ends() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    world.onboard("payer", 2).await;
    let (_, first) = world.grant("invoice-bot", "read:invoices; execute:none").await;
    let (status, problem) = world.grant("invoice-bot", "execute:payments").await;
    assert_eq!((status, &problem["code"]), (409, &json!("chain.explicit_deny")), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(first["jti"].as_str().unwrap()) && detail.contains("`execute:*`"), "{detail}");
    // Its twins: another agent, and the same agent without the denied action.
    assert_eq!(world.grant("payer", "execute:payments").await.0, 201);
    assert_eq!(world.grant("invoice-bot", "read:*").await.0, 201);

    // It survives a restart, and ends with the token that carries it: by revocation …
    let world = world.restart().await;
    assert_eq!(world.bundle().agents[0].deny, ["execute:*"]);
    assert_eq!(world.grant("invoice-bot", "execute:payments").await.0, 409);
    world.revoke("token", first["jti"].as_str().unwrap()).await;
    assert_eq!(world.bundle().agents[0].deny, [] as [&str; 0]);
    assert_eq!(world.grant("invoice-bot", "execute:payments").await.0, 201);

    // … or by time.
    world.grant("payer", "read:invoices; deny read:customers").await;
    assert_eq!(world.grant("payer", "read:customers").await.0, 409);
    world.clock.advance_secs(3_600);
    let renewal =
        json!({ "public_key": key(2).public().to_jwk(), "proof": crate::support::proof("payer", &key(2)) });
    assert_eq!(world.post("/v1/agents/payer/svid", &renewal).await.0, 200);
    assert_eq!(world.grant("payer", "read:customers").await.0, 201);
}

#[tokio::test]
async fn an_expired_identity_gets_no_token() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    world.clock.advance_secs(3_601);
    let (status, problem) = world.grant("invoice-bot", "read:invoices").await;
    assert_eq!((status, &problem["code"]), (409, &json!("identity.expired")), "{problem}");
}
