//! A build with `fault-injection`: it says so, and with a defence switched off the measurements would notice.
//!
//! The fault is named by the environment, so each test runs the ignored one beside it in a process of its own.

use std::process::Command;

use crate::support::*;

/// Runs one ignored test of this file with a fault; returns what it printed.
fn run(test: &str, fault: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&format!("fault::{test}"), "--exact", "--ignored", "--nocapture"])
        .env("KILLICK_FAULT", fault)
        .output()
        .unwrap();
    let printed =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    printed
}

#[test]
fn with_authentication_off_a_stolen_token_is_enough() {
    let printed = run("stolen_token_is_enough", "authenticate-off");
    assert!(
        printed.contains("fault-injection build, not for use; switched off now: authenticate-off"),
        "{printed}"
    );
}

#[tokio::test]
#[ignore = "run by with_authentication_off_a_stolen_token_is_enough"]
async fn stolen_token_is_enough() {
    let world = World::new().await;
    let thief = Agent { key: std::sync::Arc::new(key(66)), ..world.bot(&["read:invoices"]) };
    assert_eq!(world.get(&thief, "/invoices/INV-7").await.status, 200);
    assert_eq!(world.hits.all()[0].vouched.as_ref().unwrap().agent, thief.id.as_str());
    let denied = world.post(&thief, "/payments", r#"{"amount":1,"to":"x"}"#).await;
    assert_eq!(denied.code().as_deref(), Some("tool.not_granted"), "authorisation is still on");
    for entry in world.entries().await {
        assert!(entry.contains("fault-injection"), "every entry is marked: {entry}");
    }
}

#[test]
fn with_authorisation_off_everything_authenticated_is_permitted() {
    run("no_grant_is_needed", "authorise-off");
}

#[tokio::test]
#[ignore = "run by with_authorisation_off_everything_authenticated_is_permitted"]
async fn no_grant_is_needed() {
    let world = World::new().await;
    let bot = world.bot(&["read:invoices"]);
    assert_eq!(world.post(&bot, "/payments", r#"{"amount":1,"to":"x"}"#).await.status, 201);
    let thief = Agent { key: std::sync::Arc::new(key(66)), ..world.bot(&["read:invoices"]) };
    assert_eq!(
        world.get(&thief, "/invoices/INV-7").await.code().as_deref(),
        Some("pop.mismatch"),
        "authentication is still on"
    );
}

#[test]
fn an_unknown_fault_is_not_ignored() {
    run("unknown_fault", "everything-off");
}

#[tokio::test]
#[ignore = "run by an_unknown_fault_is_not_ignored"]
#[should_panic(expected = "is no fault")]
async fn unknown_fault() {
    World::new().await;
}

#[tokio::test]
async fn without_a_fault_named_such_a_build_refuses_like_any_other() {
    let world = World::new().await;
    let thief = Agent { key: std::sync::Arc::new(key(66)), ..world.bot(&["read:invoices"]) };
    assert_eq!(world.get(&thief, "/invoices/INV-7").await.code().as_deref(), Some("pop.mismatch"));
}
