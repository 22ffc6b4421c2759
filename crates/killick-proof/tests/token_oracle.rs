//! The golden token vectors, held against a second verifier that was written from the draft alone
//! (`tests/oracle/aat_verify.py`). Where killick refuses more than the draft asks, the vector says `beyond_draft`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops where something is not as it must be, and says what it skips"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Python that has the oracles' packages; `None`, said so, where there is none and that is permitted.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("KILLICK_ORACLE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let has = Command::new(&python)
        .args(["-c", "import cryptography"])
        .output()
        .is_ok_and(|out| out.status.success());
    let may_skip = std::env::var_os("KILLICK_NO_SKIP").is_none();
    assert!(has || may_skip, "python3 has no `cryptography`: cargo xtask setup");
    if !has {
        println!("skipped: python3 with the package `cryptography` is not there");
    }
    has.then_some(python)
}

fn cases() -> Vec<Value> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(root().join("vectors/token")).unwrap() {
        let file: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        cases.extend(file.get("cases").and_then(Value::as_array).unwrap().iter().cloned());
    }
    cases
}

#[test]
fn a_verifier_written_from_the_draft_alone_agrees() {
    let Some(python) = python() else { return };
    let cases = cases();
    let mut oracle = Command::new(python)
        .arg(root().join("tests/oracle/aat_verify.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = oracle.stdin.take().unwrap();
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = oracle.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let answers: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), cases.len());

    let mut beyond = 0;
    for (case, answer) in cases.iter().zip(&answers) {
        let ours = case.pointer("/expected/verdict").and_then(Value::as_str).unwrap();
        let theirs = answer.get("verdict").and_then(Value::as_str).unwrap();
        if case.get("beyond_draft") == Some(&Value::Bool(true)) {
            // Refusing more is allowed where it is said so; permitting more never is.
            assert_eq!((ours, theirs), ("deny", "permit"), "{case}");
            beyond += 1;
        } else if ours != theirs {
            panic!("we say {ours}, the draft says {answer}: {case}");
        }
    }
    assert!(beyond * 10 < cases.len(), "{beyond} of {} vectors are beyond the draft", cases.len());
}
