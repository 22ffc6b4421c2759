//! The constraints, held against a second implementation that was written from `docs/spec/constraints.md` alone
//! (`tests/oracle/constraint_check.py`): over the golden vectors and over thousands of drawn cases, one verdict.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops where something is not as it must be, and says what it skips"
)]

mod constraint_space;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use constraint_space::{Draws, TOPICS};
use killick_proof::constraint::Constraint;
use killick_proof::json::Json;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A Python; `None`, said so, where there is none and that is permitted.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("KILLICK_ORACLE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let is_there = Command::new(&python).arg("--version").output().is_ok_and(|out| out.status.success());
    assert!(is_there || std::env::var_os("KILLICK_NO_SKIP").is_none(), "there is no python3");
    if !is_there {
        println!("skipped: python3 is not there");
    }
    is_there.then_some(python)
}

/// What we say of a case, in the oracle's words.
fn verdict(case: &Json) -> &'static str {
    let read = |member: &str| Constraint::from_json(case.get(member).unwrap());
    let holds = match (case.get("parent"), case.get("value")) {
        (Some(_), _) => read("child").and_then(|child| Ok(child.subsumes(&read("parent")?))),
        (None, Some(value)) => read("constraint").map(|constraint| constraint.check(value)),
        (None, None) => read("constraint").map(|_| true),
    };
    holds.map_or("refused", |holds| if holds { "true" } else { "false" })
}

/// Asks both, and returns how often each verdict was given.
fn compare(python: &Path, cases: &[Json]) -> [usize; 3] {
    let mut oracle = Command::new(python)
        .arg(root().join("tests/oracle/constraint_check.py"))
        .arg(root().join("docs/spec/constraints.md"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = oracle.stdin.take().unwrap();
    let lines: String = cases.iter().map(|case| format!("{}\n", case.to_text())).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = oracle.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), cases.len(), "the oracle stopped");

    let mut counts = [0; 3];
    let mut wrong = Vec::new();
    for (case, theirs) in cases.iter().zip(answers) {
        let ours = verdict(case);
        let index = ["true", "false", "refused"].iter().position(|word| *word == ours).unwrap();
        counts[index] += 1;
        if ours != theirs {
            wrong.push(format!("we say {ours}, the page says {theirs}: {}", case.to_text()));
        }
    }
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    counts
}

fn items<'a>(json: &'a Json, member: &str) -> &'a [Json] {
    json.get(member).and_then(Json::as_array).unwrap_or_default()
}

fn vectors() -> Vec<Json> {
    let mut cases = Vec::new();
    let files =
        std::fs::read_dir(root().join("vectors/constraint")).unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
        let file = Json::parse(&std::fs::read(&path).unwrap()).unwrap();
        for check in items(&file, "checks") {
            let constraint = check.get("constraint").unwrap();
            for value in ["accepts", "refuses"].into_iter().flat_map(|member| items(check, member)) {
                cases.push(Json::object([("constraint", constraint.clone()), ("value", value.clone())]));
            }
        }
        for pair in items(&file, "subsumptions") {
            let parent = pair.get("parent").unwrap();
            for child in ["within", "not_within"].into_iter().flat_map(|member| items(pair, member)) {
                cases.push(Json::object([("child", child.clone()), ("parent", parent.clone())]));
            }
        }
        for malformed in items(&file, "malformed") {
            cases.push(Json::object([("constraint", malformed.get("constraint").unwrap().clone())]));
        }
    }
    cases
}

/// The constraint with one member changed, dropped or spoiled, so that reading is compared too.
fn spoiled(draws: &mut Draws, constraint: &Json, value: Json) -> Json {
    let Json::Object(mut members) = constraint.clone() else { return value };
    let names: Vec<String> = members.keys().cloned().collect();
    if names.is_empty() {
        return value;
    }
    let name = names[draws.below(names.len())].clone();
    match (draws.below(3), members.get(&name).cloned()) {
        (0, _) => drop(members.remove(&name)),
        (1, Some(Json::Array(items))) if !items.is_empty() => {
            let mut items = items;
            let at = draws.below(items.len());
            items[at] = value;
            members.insert(name, Json::Array(items));
        }
        (1, Some(inner @ Json::Object(_))) => drop(members.insert(name, spoiled(draws, &inner, value))),
        _ => drop(members.insert(name, value)),
    }
    Json::Object(members)
}

#[test]
fn a_checker_written_from_the_page_alone_agrees() {
    let Some(python) = python() else { return };
    let cases = vectors();
    let counts = compare(&python, &cases);
    assert!(cases.len() > 800 && counts.iter().all(|count| *count > 80), "{counts:?}");
}

#[test]
fn a_checker_written_from_the_page_alone_agrees_on_drawn_cases() {
    let Some(python) = python() else { return };
    let mut runner = TestRunner::deterministic();
    let rows = proptest::collection::vec(proptest::num::u32::ANY, 0..120);
    let rounds = if std::env::var_os("KILLICK_LONG").is_some() { 40_000 } else { 600 };
    let mut cases = Vec::new();
    for topic in TOPICS.into_iter().flat_map(|topic| std::iter::repeat_n(topic, rounds)) {
        let row = rows.new_tree(&mut runner).unwrap().current();
        let mut draws = Draws::new(row.into_iter().cycle().take(400));
        let (one, other) = (draws.constraint(topic, 2).to_json(), draws.constraint(topic, 1).to_json());
        for _ in 0..3 {
            cases.push(Json::object([("constraint", one.clone()), ("value", draws.value(topic))]));
        }
        let value = draws.value(topic);
        cases.push(Json::object([("constraint", spoiled(&mut draws, &one, value))]));
        cases.push(Json::object([("child", one), ("parent", other)]));
    }
    let counts = compare(&python, &cases);
    assert!(cases.len() >= 20_000 && counts.iter().all(|count| *count > 1_000), "{counts:?}");
    println!("{} cases: {} true, {} false, {} refused", cases.len(), counts[0], counts[1], counts[2]);
}
