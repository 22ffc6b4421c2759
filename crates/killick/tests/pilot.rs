//! The pilot, run as a newcomer runs it, and held to what it prints.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails here says why"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

const SERVICES: [&str; 5] = ["catalogue", "orders", "invoices", "payments", "customers"];

struct Run {
    folder: tempfile::TempDir,
    output: Output,
    report: Value,
}

impl Run {
    fn dir(&self) -> PathBuf {
        self.folder.path().join("pilot")
    }

    fn attacks(&self) -> &[Value] {
        self.report["attacks"].as_array().expect("a list of attacks")
    }
}

/// One run serves every test of this file.
fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("pilot");
        let output = Command::new(env!("CARGO_BIN_EXE_killick"))
            .args(["pilot", "--json", "--seed", "7", "--dir"])
            .arg(&dir)
            .arg("--record")
            .arg(folder.path().join("recording.txt"))
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        let report = serde_json::from_str(&stdout).unwrap_or_else(|error| {
            panic!(
                "stdout is not one JSON value ({error}): {stdout}\n{}",
                String::from_utf8_lossy(&output.stderr)
            )
        });
        Run { folder, output, report }
    })
}

fn killick(arguments: &[&str], path: &Path) -> (i32, Value) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_killick")).args(arguments).arg(path).arg("--json").output().unwrap();
    let text = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    (output.status.code().unwrap(), serde_json::from_slice(text).unwrap())
}

#[test]
fn meets_its_targets_and_says_so_in_one_line() {
    let run = run();
    assert_eq!(run.output.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.output.stderr));
    assert_eq!(String::from_utf8_lossy(&run.output.stdout).lines().count(), 1);
    let report = &run.report;
    assert_eq!(report["asr"]["hits"], 0);
    assert!(report["asr"]["n"].as_u64().unwrap() >= 80);
    assert!(report["asr"]["high"].as_f64().unwrap() < 0.05);
    assert!(report["cr"]["low"].as_f64().unwrap() > 0.90);
    assert!(report["dis"]["low"].as_f64().unwrap() > 0.85);
    for part in ["icf", "rls", "alc"] {
        assert!(report["dis"][part].as_f64().unwrap() >= 0.80, "{part}");
    }
    assert_eq!(report["baseline"]["asr"]["value"], 1.0);
    assert!(report["latency_us"]["added"]["p50"].as_f64().unwrap() > 0.0);
    assert!(report["latency_us"]["added"]["p99"].as_f64() >= report["latency_us"]["added"]["p50"].as_f64());
    assert!(report["latency_us"]["n"].as_u64().unwrap() >= 200);
    assert_eq!(report["log"]["verified"], true);
}

#[test]
fn runs_seven_kinds_as_distinct_cases_each_with_its_control() {
    let attacks = run().attacks();
    let kinds: BTreeSet<&str> = attacks.iter().map(|attack| attack["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 7, "{kinds:?}");
    let ids: BTreeSet<&str> = attacks.iter().map(|attack| attack["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), attacks.len());
    for attack in attacks {
        assert_eq!(attack["control"]["effect_recorded"], true, "{attack}");
        assert_eq!(attack["effect_recorded"], false, "{attack}");
        let verdict = attack["verdict"].as_str().unwrap();
        let code = verdict.strip_prefix("deny ").unwrap_or_else(|| panic!("{attack}"));
        assert!(killick_proof::Code::from_text(code).is_some(), "{code} is no code");
    }
}

/// The judge believes the shop alone: every effect that the report claims for the unprotected shop stands in that
/// shop's own receipt book, and none of the forbidden ones in the protected shop's.
#[test]
fn effects_come_from_the_shops_receipt_book() {
    let run = run();
    for attack in run.attacks() {
        let receipt = &attack["control"]["receipt"];
        let service = receipt["service"].as_str().unwrap_or_else(|| panic!("no receipt: {attack}"));
        let sequence = receipt["seq"].as_u64().unwrap();
        let book = run.dir().join("shop-baseline").join(service).join("receipts.jsonl");
        let lines = std::fs::read_to_string(&book).unwrap();
        let found = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .find(|entry| entry["seq"].as_u64() == Some(sequence));
        assert!(found.is_some(), "{} has no receipt {sequence}", book.display());
    }
    // What the protected shop did has a request id that the gateway gave it, each in the log.
    let log = killick(&["log", "verify"], &run.dir().join("log")).1;
    assert_eq!(log["verified"], true);
    let mut effects = 0;
    for service in SERVICES {
        let book = run.dir().join("shop").join(service).join("receipts.jsonl");
        for line in std::fs::read_to_string(&book).unwrap_or_default().lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            assert!(
                entry["caller"].to_string().contains("request_id"),
                "an effect that no gateway vouches for: {entry}"
            );
            effects += 1;
        }
    }
    assert!(effects > 0, "the permitted calls had effects");
}

#[test]
fn the_log_verifies_offline_and_a_changed_byte_is_found() {
    let run = run();
    let copy = run.folder.path().join("copy");
    let status = Command::new("cp").arg("-r").arg(run.dir().join("log")).arg(&copy).status().unwrap();
    assert!(status.success());
    let trust = run.dir().join("trust.json");
    let (exit, verdict) = killick(&["log", "verify", "--trust", trust.to_str().unwrap()], &copy);
    assert_eq!((exit, &verdict["verified"]), (0, &Value::Bool(true)), "{verdict}");
    assert_eq!(verdict["root"], run.report["log"]["root"]);
    assert_eq!(verdict["size"], run.report["log"]["size"]);

    let entries = first_file(&copy.join("tile/entries"));
    let mut bytes = std::fs::read(&entries).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&entries, bytes).unwrap();
    let (exit, verdict) = killick(&["log", "verify", "--trust", trust.to_str().unwrap()], &copy);
    // An entry was changed; or, where the byte is of an entry's length, the file is cut off.
    assert!([53, 56].contains(&exit) && verdict["verified"] == false, "{exit} {verdict}");
}

fn first_file(folder: &Path) -> PathBuf {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    match paths.iter().find(|path| path.is_file()) {
        Some(file) => file.clone(),
        None => first_file(&paths[0]),
    }
}

/// Every entry of both logs, held against the published schema by another implementation of JSON Schema.
#[test]
fn every_entry_is_of_the_published_schema() {
    let python = std::env::var("KILLICK_ORACLE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python)
        .args(["-c", "import jsonschema"])
        .output()
        .is_ok_and(|out| out.status.success());
    assert!(has || std::env::var_os("KILLICK_NO_SKIP").is_none(), "no `jsonschema`: cargo xtask setup");
    if !has {
        println!("skipped: python3 with the package `jsonschema` is not there");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for log in ["log", "directory-log"] {
        let (exit, shown) = killick(&["log", "show", "--tail", "100000"], &run().dir().join(log));
        assert_eq!(exit, 0, "{shown}");
        let entries = shown["entries"].as_array().unwrap();
        let lines: String = entries.iter().map(|entry| format!("{}\n", entry["entry"])).collect();
        let file = run().folder.path().join(format!("{log}.jsonl"));
        std::fs::write(&file, lines).unwrap();
        let output = Command::new(&python)
            .arg(root.join("tests/oracle/check_entries.py"))
            .arg(root.join("docs/spec/entry.schema.json"))
            .stdin(std::fs::File::open(&file).unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{log}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), format!("{} entries", entries.len()));
    }
}

/// docs/pilot.txt is what the pilot prints, figures apart: made by `cargo xtask record-pilot`.
#[test]
fn the_recording_in_the_documents_is_what_it_prints() {
    let printed = std::fs::read_to_string(run().folder.path().join("recording.txt")).unwrap();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pilot.txt");
    let recorded = std::fs::read_to_string(recorded).unwrap();
    let left: Vec<String> = recorded.lines().map(without_figures).collect();
    let right: Vec<String> = printed.lines().map(without_figures).collect();
    assert_eq!(left, right, "run `cargo xtask record-pilot`");
}

/// A line with what differs from run to run replaced: numbers, hashes, keys, paths, bars.
fn without_figures(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let figure = word.chars().any(|c| c.is_ascii_digit());
        let path = word.contains('/') && !word.contains("//") && word.len() > 3;
        if figure || path || word.len() > 40 { "·".to_owned() } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}
