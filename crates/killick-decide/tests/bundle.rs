//! Bundles are taken whole or not at all, and never backwards.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod world;

use std::sync::Arc;

use killick_decide::Decision;
use killick_decide::bundle::Bundle;
use killick_proof::UnixTime;
use killick_proof::bundle::PolicyText;
use serde_json::{Value, json};
use world::{Call, World};

fn catalogue() -> Value {
    serde_json::from_str(include_str!("../../../vectors/decision/catalogue.json")).unwrap()
}

fn policy(id: &str, text: &str) -> PolicyText {
    PolicyText { id: id.to_owned(), text: text.to_owned() }
}

/// The next version of `world`, changed.
fn next(world: &mut World, change: impl FnOnce(&mut World)) {
    world.document.version += 1;
    change(world);
}

#[test]
fn one_bad_policy_refuses_the_whole_bundle() {
    let mut world = World::new(&catalogue());
    world
        .document
        .policies
        .push(policy("typo", "forbid (principal, action == Action::\"exceute:payments\", resource);"));
    let error = world.compile(None).unwrap_err();
    assert!(error.contains("`typo`"), "{error}");
    world.document.policies.pop();
    world.bundle();
}

#[test]
fn one_bad_line_of_the_catalogue_refuses_the_whole_bundle() {
    let mut bad = catalogue();
    bad["operations"][0]["path"] = "/invoices/new//".into();
    let world = World { document: World::new(&catalogue()).document, ..World::new(&catalogue()) };
    let mut world = world;
    world.document.catalogue = bad;
    assert!(world.compile(None).unwrap_err().contains("catalogue"));
    world.document.catalogue = json!({ "id": "x" });
    assert!(world.compile(None).is_err());
}

#[test]
fn a_deny_that_cannot_be_read_refuses_the_whole_bundle() {
    let mut world = World::new(&catalogue());
    world.document.agents[0].deny = vec!["no pattern".to_owned()];
    let error = world.compile(None).unwrap_err();
    assert!(error.contains("no pattern"), "{error}");
}

#[test]
fn an_unknown_time_zone_refuses_the_whole_bundle() {
    let mut world = World::new(&catalogue());
    world.document.time_zone = "Mars/Olympus".to_owned();
    assert!(world.compile(None).unwrap_err().contains("Mars/Olympus"));
}

#[test]
fn older_bundles_and_second_versions_are_refused() {
    let mut world = World::new(&catalogue());
    world.document.version = 5;
    let first = world.bundle();
    // The same again is no news, and no error.
    let again = world.compile(Some(&first)).unwrap();
    assert_eq!(again.digest, first.digest);

    world.document.version = 4;
    assert!(world.compile(Some(&first)).unwrap_err().contains("state.rollback"));
    world.document.version = 5;
    world.document.issued_at = UnixTime::from_secs(1);
    assert!(world.compile(Some(&first)).unwrap_err().contains("state.rollback"));
    world.document.version = 6;
    assert_ne!(world.compile(Some(&first)).unwrap().digest, first.digest);
}

#[test]
fn an_older_catalogue_in_a_newer_bundle_is_refused() {
    let mut world = World::new(&catalogue());
    let first = world.bundle();
    next(&mut world, |world| world.document.catalogue["version"] = 6.into());
    assert!(world.compile(Some(&first)).unwrap_err().contains("state.rollback"));
    // Another content under the same version.
    world.document.catalogue["version"] = 7.into();
    world.document.catalogue["operations"][0]["risk"] = "write".into();
    assert!(world.compile(Some(&first)).unwrap_err().contains("state.rollback"));
    world.document.catalogue["version"] = 8.into();
    assert_eq!(world.compile(Some(&first)).unwrap().catalogue.reference().version, 8);
}

#[test]
fn what_did_not_change_is_not_compiled_again() {
    let mut world = World::new(&catalogue());
    let first = world.bundle();
    next(&mut world, |world| world.document.revocations.tokens.push("x".to_owned()));
    let revoked = world.compile(Some(&first)).unwrap();
    assert!(Arc::ptr_eq(&first.catalogue, &revoked.catalogue));
    assert!(Arc::ptr_eq(&first.policies, &revoked.policies));

    let reused = |first: &Bundle, second: &Bundle| {
        (Arc::ptr_eq(&first.catalogue, &second.catalogue), Arc::ptr_eq(&first.policies, &second.policies))
    };
    next(&mut world, |world| world.document.policies[0].text.push('\n'));
    assert_eq!(reused(&first, &world.compile(Some(&first)).unwrap()), (true, false));
    next(&mut world, |world| {
        world.document.policies[0].text.pop();
        world.document.time_zone = "UTC".to_owned();
    });
    assert_eq!(reused(&first, &world.compile(Some(&first)).unwrap()), (true, false));
    next(&mut world, |world| {
        world.document.time_zone = "Europe/Berlin".to_owned();
        world.document.catalogue["version"] = 8.into();
        world.document.catalogue["operations"][0]["risk"] = "write".into();
    });
    // New actions may make old policies valid or invalid: both are compiled.
    assert_eq!(reused(&first, &world.compile(Some(&first)).unwrap()), (false, false));
}

#[test]
fn a_new_policy_holds_from_the_next_bundle_on() {
    let mut world = World::new(&catalogue());
    let call = Call::new("GET", "/invoices/INV-7", None);
    let first = world.bundle();
    let permitted = world.decide(&first, "invoice-bot", "read:invoices", &call);
    assert!(matches!(permitted, Decision::Permit(_)));
    next(&mut world, |world| {
        world.document.policies.push(policy("closed", "forbid (principal, action, resource);"));
    });
    let second = world.compile(Some(&first)).unwrap();
    let Decision::Deny(denial) = world.decide(&second, "invoice-bot", "read:invoices", &call) else {
        panic!("permitted")
    };
    assert_eq!(denial.facts().policies, ["closed"]);
    assert_eq!(denial.facts().bundle, second.digest);
}
