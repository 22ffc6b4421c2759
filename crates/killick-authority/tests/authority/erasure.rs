//! Erasure: nobody can tell any more whose an entry was, and that it was erased can be told by everyone.

use std::sync::Arc;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::support::World;

async fn erase(world: &World, subject: &str) -> (u16, Value) {
    world.post("/v1/erasures", &json!({ "subject": subject })).await
}

#[tokio::test]
async fn an_erased_person_stands_in_the_log_under_a_name_that_nobody_can_tell() {
    let world = World::new().await;
    world.onboard("invoice-bot", 1).await;
    let alice = "alice@acme.example";
    world.mention(alice).await;
    let pseudonym = world.ledger.pseudonym(alice).unwrap();
    let before = world.entries().await;
    assert!(before.iter().any(|entry| entry.to_string().contains(&pseudonym)), "{before:?}");

    let (status, problem) = erase(&world, alice).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("subject.active")), "{problem}");
    assert!(problem["mend"].as_str().unwrap().contains("offboard invoice-bot"), "{problem}");
    assert_eq!(world.ledger.pseudonym(alice).unwrap(), pseudonym, "nothing was erased");
    world.call("DELETE", "/v1/agents/invoice-bot", Vec::new()).await;

    let (status, erased) = erase(&world, alice).await;
    assert_eq!(status, 200, "{erased}");
    assert_eq!(erased["pseudonyms"]["acme.example/killick/directory"], json!(pseudonym));
    assert_eq!(world.ledger.pseudonym(alice), None);
    assert_eq!(world.bundle().agents[0].owner, "erased");
    assert_eq!(world.get("/v1/agents/invoice-bot").await["agent"]["owner"], "erased");
    assert_eq!(erase(&world, alice).await.1["code"], "subject.unknown", "once is enough");

    // What was recorded is as it was; one entry more says what was erased, without saying whose it was.
    let after = world.entries().await;
    assert_eq!(after[..before.len()], before);
    let act = after.last().unwrap();
    assert_eq!((&act["kind"], &act["act"]["change"]), (&json!("erase"), &json!("erased")));
    assert_eq!(act["act"]["pseudonyms"], erased["pseudonyms"]);
    assert!(!serde_json::to_string(&after).unwrap().contains("alice"));
    world.ledger.publish().await.unwrap();

    let world = world.restart().await;
    assert_eq!(world.ledger.pseudonym(alice), None, "nor does a restart bring it back");
    assert_eq!(world.get("/v1/agents/invoice-bot").await["agent"]["owner"], "erased");
    assert_eq!(erase(&world, "nobody@acme.example").await.0, 404);
    assert_eq!(erase(&world, "a\nb").await.1["code"], "request.invalid");
}

#[tokio::test]
async fn what_else_is_kept_is_asked_first_so_that_a_failure_can_be_mended() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (seen, fails) = (Arc::clone(&asked), Arc::new(Mutex::new(true)));
    let failing = Arc::clone(&fails);
    let world = World::new_with(move |config| {
        config.forget = Arc::new(move |subject: &str| {
            seen.lock().unwrap().push(subject.to_owned());
            if *failing.lock().unwrap() { Err(std::io::Error::other("disk full")) } else { Ok(3) }
        });
    })
    .await;
    world.onboard("invoice-bot", 1).await;
    world.mention("alice@acme.example").await;
    world.call("DELETE", "/v1/agents/invoice-bot", Vec::new()).await;
    let (status, problem) = erase(&world, "alice@acme.example").await;
    assert_eq!((status, problem["code"].as_str()), (503, Some("erase.unfinished")), "{problem}");
    assert!(world.ledger.pseudonym("alice@acme.example").is_some(), "it can be asked for again");
    *fails.lock().unwrap() = false;
    assert_eq!(erase(&world, "alice@acme.example").await.1["chains"], 3);
    assert_eq!(*asked.lock().unwrap(), ["alice@acme.example"; 2]);
}
