//! Audit-log tampering.

use std::path::Path;
use std::process::Command;

use killick_ledger::{Ledger, LedgerConfig, LogFolder};
use killick_tlog::checkpoint::Checkpoint;
use killick_tlog::hash::leaf_hash;
use killick_tlog::kept::{self, Kept};
use killick_tlog::note::{SignatureType, SignerKey};
use killick_tlog::proof::inclusion_proof;
use killick_tlog::receipt::{Receipt, format_receipt};
use killick_tlog::tile::append_entry;
use killick_tlog::verify::{LogReader, TileHashes, Trust, verify_log};
use killick_tlog::{Entry, LogError, Seal};

use crate::rows::Row;
use crate::world::{self, Files, entries, log, log_key, trust};

const SIZE: usize = 600;

/// What somebody says of a log who has last seen this checkpoint.
pub(crate) fn code(reader: &impl LogReader, seen: Option<&Files>) -> &'static str {
    let trust = trust(seen.map(|files| &*files["checkpoint"]));
    let trust = Trust::parse(&trust.to_string()).unwrap();
    verify_log(reader, Some(&trust), &mut |_, _| {}).map_or_else(|error| error.code(), |_| "ok")
}

fn honest() -> Files {
    log(&entries(SIZE), &log_key(1), &[])
}

fn with(change: impl FnOnce(&mut Files)) -> Files {
    let mut files = honest();
    change(&mut files);
    files
}

#[test]
fn log_01_drop_one_entry() {
    let mut row = Row::new("LOG-01");
    row.accepts("the log as it was", code(&honest(), None));
    for dropped in [1, 200, 257, 300] {
        let first = dropped / 256 * 256;
        let mut bundle = Vec::new();
        for (index, entry) in entries(SIZE).iter().enumerate().skip(first).take(256) {
            if index != dropped {
                append_entry(&mut bundle, entry).unwrap();
            }
        }
        let path = format!("tile/entries/{:03}", dropped / 256);
        row.detects("an entry taken out", code(&with(|files| drop(files.insert(path, bundle))), None));
    }
}

#[test]
fn log_02_truncate_the_tail() {
    let mut row = Row::new("LOG-02");
    for kept in [1, 256, 599] {
        let cut = log(&entries(kept), &log_key(1), &[]);
        row.accepts("without memory it is another log's honest head", code(&cut, None));
        row.detects("shorter than it was seen", code(&cut, Some(&honest())));
    }
    row.accepts("a log that has grown", code(&log(&entries(700), &log_key(1), &[]), Some(&honest())));
}

#[test]
fn log_03_fork() {
    let mut row = Row::new("LOG-03");
    let mut other = entries(SIZE);
    other[599].push(b' ');
    let other = log(&other, &log_key(1), &[]);
    row.accepts("each view alone", code(&other, None));
    row.detects("two heads of one size", code(&other, Some(&honest())));
    row.detects("and the other way round", code(&honest(), Some(&other)));
}

#[test]
fn log_04_reorder_two_entries() {
    let mut row = Row::new("LOG-04");
    for first in [1, 255, 300, 598] {
        let mut swapped = entries(SIZE);
        swapped.swap(first, first + 1);
        let swapped = log(&swapped, &log_key(1), &[]);
        let files = with(|files| {
            let leaves = swapped.into_iter();
            files.extend(
                leaves.filter(|(path, _)| path.starts_with("tile/0/") || path.starts_with("tile/entries/")),
            );
        });
        row.detects("swapped with their leaves", code(&files, None));
    }
}

#[test]
fn log_05_rewrite_history() {
    let mut row = Row::new("LOG-05");
    let mut rewritten = entries(700);
    rewritten[5].push(b' ');
    let rewritten = log(&rewritten, &log_key(1), &[]);
    row.accepts("the rewritten log alone", code(&rewritten, None));
    row.detects("against a head held elsewhere", code(&rewritten, Some(&honest())));
}

struct Note(String);

impl Entry for Note {
    fn encode(&self, _: &dyn Seal, _: &str) -> Vec<u8> {
        self.0.clone().into_bytes()
    }
}

fn config(folder: &Path) -> LedgerConfig {
    LedgerConfig {
        log_dir: folder.join("log"),
        state_dir: folder.join("log-state"),
        origin: world::ORIGIN.to_owned(),
        seed: [1; 32],
        build: "killick test".to_owned(),
    }
}

/// The kills themselves are `killick-ledger`'s: `tests/kill.rs`.
#[tokio::test]
async fn log_06_no_effect_before_its_record() {
    let mut row = Row::new("LOG-06");
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(config(folder.path())).await.unwrap();
    let mut receipts = Vec::new();
    for number in 0..300 {
        let record = ledger.submit(Note(format!(r#"{{"kind":"decision","number":{number}}}"#))).unwrap();
        receipts.push(record.durable().await.unwrap().receipt());
    }
    // What a crash leaves: the files as they are now, before anything is closed, and recovered elsewhere.
    let crashed = tempfile::tempdir().unwrap();
    for name in ["log", "log-state"] {
        let copied = Command::new("cp").arg("-r").arg(folder.path().join(name)).arg(crashed.path()).status();
        assert!(copied.unwrap().success());
    }
    ledger.close().await.unwrap();
    Ledger::open(config(crashed.path())).await.unwrap().close().await.unwrap();

    let reader = LogFolder::new(crashed.path().join("log"));
    let key = log_key(1);
    let found = verify_log(&reader, Some(&Trust::of_key(key.verifier().clone())), &mut |_, _| {}).unwrap();
    let head = Checkpoint::new(found.origin, found.size, found.root);
    let hashes = TileHashes::new(&reader, found.size);
    for receipt in &receipts {
        let receipt = Receipt::parse(receipt).unwrap();
        let kept = kept::check(&receipt, &head, key.verifier(), &hashes, None, std::time::Duration::ZERO);
        assert_eq!(kept, Ok(Kept::Included));
    }
    // A record whose file is gone is found missing.
    std::fs::remove_file(crashed.path().join("log/tile/entries/000")).unwrap();
    row.detects("the record's bundle removed", code(&reader, None));
}

/// Catalogued as `allow with escaped row`: one entry, and one line on the terminal.
#[test]
fn log_07_log_line_injection() {
    let folder = tempfile::tempdir().unwrap();
    let value = "x\n     1  -  decision  permit  root\u{1b}[2J\u{9b}2J";
    let entry = serde_json::json!({ "action": value, "agent": value, "at": 5, "kind": value, "v": 1, "verdict": value });
    let mut all = entries(2);
    all.push(entry.to_string().into_bytes());
    for (path, bytes) in log(&all, &log_key(1), &[]) {
        let path = folder.path().join("log").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    for more in [&["--tail", "3"][..], &["--index", "2"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_killick"));
        command.args(["log", "show"]).arg(folder.path().join("log")).args(more);
        let shown = command.output().unwrap();
        let text = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.status.success() && text.contains("[2J"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        if more[0] == "--tail" {
            assert_eq!(text.lines().count(), 3, "{text}");
        }
    }
}

#[test]
fn log_09_backdated() {
    let mut row = Row::new("LOG-09");
    let dated = |back: u64| {
        let mut all = entries(SIZE);
        let at = world::BEGIN + 599 * 1_000_000 - back * 1_000_000;
        all[599] = format!(r#"{{"at":{at},"kind":"decision","v":1}}"#).into_bytes();
        log(&all, &log_key(1), &[])
    };
    row.accepts("what entries in flight explain", code(&dated(20), None));
    row.detects("an hour back", code(&dated(3_600), None));
    row.detects("a minute back", code(&dated(60), None));
}

#[test]
fn log_33_receipt_of_another_log() {
    let mut row = Row::new("LOG-33");
    let receipt = |name: &str, seed: u8, index: u64| {
        let key = SignerKey::from_seed(name, SignatureType::Ed25519, &[seed; 32]).unwrap();
        let files = honest();
        let hashes = TileHashes::new(&files, 600);
        let root = killick_tlog::proof::root(&hashes, 600).unwrap();
        let note = Checkpoint::new(name.to_owned(), 600, root).sign(&key);
        let leaf = leaf_hash(&entries(SIZE)[index as usize]);
        format_receipt(&leaf, index, &inclusion_proof(&hashes, index, 600).unwrap(), &note)
    };
    let verdict = |text: &str, index: usize| {
        let verified = Receipt::parse(text).and_then(|receipt| {
            receipt.verify(&entries(SIZE)[index], &log_key(1).verifier().to_string()).map(drop)
        });
        verified.map_or_else(|error: LogError| error.code(), |()| "ok")
    };
    let right = receipt(world::ORIGIN, 1, 17);
    row.accepts("the log's own receipt", verdict(&right, 17));
    row.detects("another gateway's", verdict(&receipt("log.example/killick/gw-2", 2, 17), 17));
    row.detects("another entry's", verdict(&right, 18));
    row.detects("another index", verdict(&right.replacen("index 17", "index 18", 1), 17));
    let strange = receipt(world::ORIGIN, 9, 17);
    row.detects("signed by an unknown key alone", verdict(&strange, 17));
    let stranger = format!("{right}{}", strange.lines().last().unwrap()) + "\n";
    row.accepts("an unknown key's line beside the log's", verdict(&stranger, 17));
}
