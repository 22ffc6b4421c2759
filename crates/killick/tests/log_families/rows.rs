//! What the catalogue expects of a row, and what is held against it.

use std::collections::BTreeMap;
use std::path::Path;

pub(crate) const FAMILIES: [&str; 2] = ["LOG-", "HST-"];

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../redteam").join(name)).unwrap()
}

/// `expected` of every row of these families, by id.
pub(crate) fn catalogued() -> BTreeMap<String, String> {
    let (mut rows, mut id) = (BTreeMap::new(), String::new());
    for line in read("catalogue.yaml").lines() {
        if let Some(text) = line.strip_prefix("- id: ") {
            text.clone_into(&mut id);
        } else if let Some(expected) = line.strip_prefix("  expected: ")
            && FAMILIES.iter().any(|family| id.starts_with(family))
        {
            rows.insert(id.clone(), expected.trim_matches('\'').to_owned());
        }
    }
    rows
}

/// A line of `disputes.md` about one of these families: id, what is catalogued, what is held right, why.
pub(crate) fn disputed() -> Vec<[String; 4]> {
    let text = read("disputes.md");
    let lines =
        text.lines().filter(|line| FAMILIES.iter().any(|family| line.starts_with(&format!("| {family}"))));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            [1, 2, 3, 4].map(|cell| cells[cell].to_owned())
        })
        .collect()
}

/// The dotted codes in a text.
fn codes(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '.' || c == '_'));
    words.filter(|word| word.trim_matches('.').contains('.')).map(str::to_owned).collect()
}

/// One row under test. Every verdict that it is given must be among those that it permits, and there must be one.
pub(crate) struct Row {
    id: &'static str,
    codes: Vec<String>,
    detected: usize,
}

impl Row {
    pub(crate) fn new(id: &'static str) -> Self {
        let expected = catalogued().remove(id).unwrap_or_else(|| panic!("{id} is not in the catalogue"));
        let dispute = disputed().into_iter().find(|[disputed, ..]| disputed == id);
        let codes = codes(&dispute.map_or(expected, |[_, _, held_right, _]| held_right));
        assert!(!codes.is_empty(), "{id}: no code is expected");
        Self { id, codes, detected: 0 }
    }

    /// A step of the attack is found out, by a code of this row.
    pub(crate) fn detects(&mut self, what: &str, code: &str) {
        assert!(
            self.codes.iter().any(|known| known == code),
            "{}: {what}: {code}, not {:?}",
            self.id,
            self.codes
        );
        self.detected += 1;
    }

    /// A control or a near twin is accepted.
    pub(crate) fn accepts(&self, what: &str, code: &str) {
        assert_eq!(code, "ok", "{}: {what}", self.id);
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.detected > 0, "{}: nothing was detected", self.id);
        }
    }
}
