//! What the catalogue expects of a row, and what is held against it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use killick_proof::{Code, Refusal};

const FAMILIES: [&str; 4] = ["TOK-", "RPL-", "DEL-", "AAT-"];

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
            rows.insert(id.clone(), expected.to_owned());
        }
    }
    rows
}

pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) catalogued: String,
    pub(crate) held_right: Vec<Code>,
    pub(crate) why: String,
}

pub(crate) fn disputed() -> Vec<Dispute> {
    let read = read("disputes.md");
    let rows = read.lines().filter(|line| FAMILIES.iter().any(|f| line.starts_with(&format!("| {f}"))));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        Dispute {
            id: cells[1].to_owned(),
            catalogued: cells[2].to_owned(),
            held_right: codes(cells[3]),
            why: cells[4].to_owned(),
        }
    })
    .collect()
}

fn codes(text: &str) -> Vec<Code> {
    text.split(|c: char| !(c.is_ascii_lowercase() || c == '.' || c == '_'))
        .filter_map(Code::from_text)
        .collect()
}

/// One row under test. Every verdict that it is given must be among those that it permits, and one of them a denial.
pub(crate) struct Row {
    id: &'static str,
    codes: Vec<Code>,
    denials: usize,
}

impl Row {
    pub(crate) fn new(id: &'static str) -> Self {
        let expected = catalogued().remove(id).unwrap_or_else(|| panic!("{id} is not in the catalogue"));
        let codes = match disputed().into_iter().find(|dispute| dispute.id == id) {
            Some(dispute) => dispute.held_right,
            None => codes(&expected),
        };
        assert!(
            !codes.is_empty(),
            "{id}: `{expected}` names no code of ours, and nothing is held against it"
        );
        Self { id, codes, denials: 0 }
    }

    /// A step of the attack: denied by a code of this row.
    pub(crate) fn denies<T: Debug>(&mut self, what: &str, verdict: Result<T, Refusal>) {
        match verdict {
            Err(refusal) if self.codes.contains(&refusal.code()) => self.denials += 1,
            other => panic!("{}: {what}: {:?} expected, got {other:?}", self.id, self.codes),
        }
    }

    /// A control or a near twin: permitted.
    pub(crate) fn permits<T>(&self, what: &str, verdict: Result<T, Refusal>) -> T {
        verdict.unwrap_or_else(|refusal| panic!("{}: {what}: {refusal}", self.id))
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.denials > 0, "{}: nothing was denied", self.id);
        }
    }
}
