//! The golden vectors of the extension constraints: what each accepts beside its near twins that it does not, which
//! stand below which, and what is no constraint.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where something is not as it must be")]

use std::path::Path;

use killick_proof::constraint::{Constraint, Extension};
use killick_proof::json::Json;

fn files() -> Vec<(String, Json)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/constraint");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    files
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (
                name,
                Json::parse(&std::fs::read(&path).unwrap()).unwrap_or_else(|why| panic!("{path:?}: {why}")),
            )
        })
        .collect()
}

fn items<'a>(json: &'a Json, member: &str) -> &'a [Json] {
    json.get(member).and_then(Json::as_array).unwrap_or_else(|| panic!("no {member} in {}", json.to_text()))
}

fn constraint(json: &Json) -> Constraint {
    Constraint::from_json(json).unwrap_or_else(|why| panic!("{}: {why}", json.to_text()))
}

#[test]
fn there_is_a_file_for_every_type() {
    let mut kinds: Vec<String> =
        files().iter().map(|(_, file)| file.get("type").and_then(Json::as_str).unwrap().to_owned()).collect();
    kinds.sort();
    assert_eq!(kinds, Extension::KINDS);
}

#[test]
fn each_accepts_and_refuses_what_is_written() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (file, json) in files() {
        for case in items(&json, "checks") {
            let constraint = constraint(case.get("constraint").unwrap());
            assert_eq!(constraint, self::constraint(&constraint.to_json()));
            for (member, expected) in [("accepts", true), ("refuses", false)] {
                for value in items(case, member) {
                    count += 1;
                    if constraint.check(value) != expected {
                        let name = case.get("name").unwrap().to_text();
                        wrong.push(format!("{file} {name}: not {expected} of {}", value.to_text()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 500, "{count}");
}

#[test]
fn each_stands_below_what_is_written() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (file, json) in files() {
        for case in items(&json, "subsumptions") {
            let parent = constraint(case.get("parent").unwrap());
            for (member, expected) in [("within", true), ("not_within", false)] {
                for child in items(case, member) {
                    count += 1;
                    if constraint(child).subsumes(&parent) != expected {
                        let name = case.get("name").unwrap().to_text();
                        wrong.push(format!("{file} {name}: not {expected} of {}", child.to_text()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 150, "{count}");
}

#[test]
fn what_is_no_constraint_is_refused_for_its_reason() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (file, json) in files() {
        for case in items(&json, "malformed") {
            count += 1;
            let read = Constraint::from_json(case.get("constraint").unwrap());
            let code = read.as_ref().err().map(|refusal| refusal.code().as_str());
            if code != case.get("code").and_then(Json::as_str) {
                wrong.push(format!("{file} {}: {code:?}", case.to_text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 80, "{count}");
}
