//! A build with faults does what they say, and nothing more. The variable is set for a child process: this program
//! again, with one test.
#![cfg(feature = "fault-injection")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod world;

use std::process::Command;

use killick_decide::fault::authorise_unauthenticated;
use killick_decide::{Bundle, Decision};
use killick_proof::Code;
use world::{Call, Grants, World};

fn world() -> (World, Bundle) {
    let catalogue = serde_json::from_str(include_str!("../../../vectors/decision/catalogue.json")).unwrap();
    let world = World::new(&catalogue);
    let bundle = world.bundle();
    (world, bundle)
}

fn run_again(test: &str, fault: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .env("KILLICK_FAULT", fault)
        .status()
        .unwrap();
    assert!(status.success(), "{test} under {fault}");
}

fn transfer() -> Call {
    Call::new("POST", "/transfers", Some(r#"{"iban":"DE1","amount":1}"#))
}

#[test]
fn with_no_fault_named_everything_is_enforced() {
    let (world, bundle) = world();
    let Decision::Deny(denial) = world.decide(&bundle, "denied-bot", "read:invoices", &transfer()) else {
        panic!("permitted")
    };
    assert_eq!(denial.code(), Code::ChainExplicitDeny);
}

#[test]
fn authorise_off_permits_whatever_the_catalogue_knows() {
    run_again("authorise_off", "authorise-off");
}

#[test]
#[ignore = "runs under the fault"]
fn authorise_off() {
    let (world, bundle) = world();
    let decision = world.decide(&bundle, "denied-bot", "read:invoices", &transfer());
    let Decision::Permit(call) = decision else { panic!("denied") };
    assert_eq!(call.body(), br#"{"amount":1,"iban":"DE1"}"#);
    let unknown = world.decide(&bundle, "denied-bot", "read:invoices", &Call::new("GET", "/secrets", None));
    assert!(matches!(unknown, Decision::Deny(_)));
}

#[test]
fn an_unverified_leaf_is_believed() {
    let (world, bundle) = world();
    let (chain, _) = world.chain(&bundle, "invoice-bot", Grants::Text("execute:payments"), None);
    // Signed by nobody who may, with a chain whose signature is broken.
    let (_, stranger) = world.chain(&bundle, "low-bot", Grants::Text("read:invoices"), None);
    let broken = format!("{}AAAA", chain.get(..chain.len() - 4).unwrap());
    let parsed = world.parse(&broken, &stranger, &transfer());
    let decision = authorise_unauthenticated(&parsed, &bundle, world::now()).unwrap();
    let Decision::Permit(call) = decision else { panic!("denied") };
    assert_eq!(call.facts().agent, world::id("agent/invoice-bot"));
    // What the leaf does not say is still denied.
    let other = world.parse(&broken, &stranger, &Call::new("GET", "/invoices", None));
    assert!(matches!(authorise_unauthenticated(&other, &bundle, world::now()), Some(Decision::Deny(_))));
}
