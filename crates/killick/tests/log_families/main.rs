//! Families LOG and HST of `redteam/catalogue.yaml`: each row that can be shown on a log a test of its own, named by its
//! id, with the code as catalogued, or as `redteam/disputes.md` holds against it. Rows whose defence is not built yet
//! stand there as open; those shown by another crate's tests are listed here.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]

mod hst;
mod log;
mod rows;
#[path = "../../../killick-tlog/tests/strangers/world.rs"]
#[expect(dead_code, reason = "what these tests do not need of it")]
mod world;

use std::path::Path;

/// The files that hold the tests.
const SOURCES: [&str; 2] = [include_str!("log.rs"), include_str!("hst.rs")];

/// Rows that tests of other crates show: file and test.
const ELSEWHERE: [(&str, &str, &str); 2] = [
    ("LOG-08", "killick-gateway/tests/gateway/recorded.rs", "nothing_is_forwarded_when_the_log_has_stopped"),
    ("LOG-31", "killick-gateway/tests/gateway/recorded.rs", "strangers_cannot_fill_the_log"),
];

#[test]
fn every_row_has_its_test_or_is_said_to_be_open() {
    let rows = rows::catalogued();
    assert_eq!(rows.len(), 19, "the catalogue has changed");
    let open: Vec<String> = rows::disputed()
        .into_iter()
        .filter(|[_, _, held_right, _]| held_right == "open")
        .map(|[id, ..]| id)
        .collect();
    for id in rows.keys() {
        let name = format!("fn {}_", id.to_lowercase().replace('-', "_"));
        let tested = SOURCES.iter().any(|source| source.contains(&name));
        let elsewhere = ELSEWHERE.iter().any(|(row, ..)| row == id);
        let ways = [tested, elsewhere, open.contains(id)].into_iter().filter(|way| *way).count();
        assert_eq!(ways, 1, "{id}: tested {tested}, elsewhere {elsewhere}, open {}", open.contains(id));
    }
}

#[test]
fn every_dispute_is_about_a_row_and_says_why() {
    let rows = rows::catalogued();
    for [id, catalogued, held_right, why] in rows::disputed() {
        assert_eq!(rows.get(&id), Some(&catalogued), "{id}: the catalogue says otherwise");
        assert!(!held_right.is_empty() && why.len() > 60, "{id}");
    }
}

#[test]
fn every_test_named_elsewhere_is_there() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (row, file, test) in ELSEWHERE {
        let text = std::fs::read_to_string(crates.join(file)).unwrap();
        assert!(text.contains(&format!("fn {test}()")), "{row}: {file} has no {test}");
    }
}
