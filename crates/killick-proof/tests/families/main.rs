//! Families TOK, RPL, DEL and AAT of `redteam/catalogue.yaml`: each row a test of its own, named by its id, with the verdict and
//! the code as catalogued, or as `redteam/disputes.md` holds against it.
//!
//! Some rows are about more than one process. They are shown here on the part that this crate has, and end to end by:
//!
//! | row | test |
//! | --- | --- |
//! | RPL-01 | `killick-gateway`: `a_replayed_request_is_refused` |
//! | RPL-02 | `killick-gateway`: `of_many_copies_at_once_one_is_admitted` |
//! | RPL-03 | `killick-gateway`: `a_restart_keeps_the_bundle_and_admits_no_old_request` |
//! | AAT-34 | `killick-authority`: `a_live_deny_stands_against_other_grants_until_it_ends` |
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]

mod aat_arguments;
mod aat_chain;
mod del;
mod forge;
mod rows;
mod rpl;
mod tok;

/// The files that hold the tests.
const SOURCES: [&str; 5] = [
    include_str!("tok.rs"),
    include_str!("rpl.rs"),
    include_str!("del.rs"),
    include_str!("aat_chain.rs"),
    include_str!("aat_arguments.rs"),
];

#[test]
fn every_row_of_these_families_has_its_test() {
    let rows = rows::catalogued();
    assert_eq!(rows.len(), 77, "the catalogue has changed");
    let name = |id: &str| format!("#[test]\nfn {}_", id.to_lowercase().replace('-', "_"));
    let missing: Vec<&String> =
        rows.keys().filter(|id| !SOURCES.iter().any(|source| source.contains(&name(id)))).collect();
    assert!(missing.is_empty(), "no test for {missing:?}");
}

#[test]
fn every_dispute_is_about_a_row_and_says_why() {
    let rows = rows::catalogued();
    for dispute in rows::disputed() {
        let row = rows.get(&dispute.id).unwrap_or_else(|| panic!("{} is no row", dispute.id));
        assert_eq!(*row, dispute.catalogued, "{}: the catalogue says otherwise", dispute.id);
        assert!(!dispute.held_right.is_empty() && dispute.why.len() > 60, "{}", dispute.id);
    }
}

#[test]
fn every_test_named_elsewhere_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (crate_name, file, test) in [
        ("killick-gateway", "tests/gateway/line.rs", "a_replayed_request_is_refused"),
        ("killick-gateway", "tests/gateway/line.rs", "of_many_copies_at_once_one_is_admitted"),
        (
            "killick-gateway",
            "tests/gateway/bundles.rs",
            "a_restart_keeps_the_bundle_and_admits_no_old_request",
        ),
        (
            "killick-authority",
            "tests/authority/tokens.rs",
            "a_live_deny_stands_against_other_grants_until_it_ends",
        ),
    ] {
        let text = std::fs::read_to_string(root.join(crate_name).join(file)).unwrap();
        assert!(text.contains(&format!("fn {test}()")), "{crate_name}: {test}");
    }
}
