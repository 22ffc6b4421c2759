//! The folder that a real ledger writes, read by three verifiers: ours, the Python one, and one on Go's own libraries.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "../../killick-tlog/tests/strangers/verifiers.rs"]
mod verifiers;

use std::path::Path;

use killick_ledger::{Ledger, LedgerConfig, LogFolder};
use killick_tlog::checkpoint::Checkpoint;
use killick_tlog::hash::empty_root;
use killick_tlog::note::{SignatureType, SignerKey};
use killick_tlog::prove::{Wanted, prove};
use killick_tlog::verify::{Trust, verify_log};
use killick_tlog::{Entry, Seal};
use serde_json::{Value, json};

const ORIGIN: &str = "log.example/killick/gw-1";
const SEED: [u8; 32] = [7; 32];
/// Around the widths of a tile and of a tile of tiles.
const SIZES: [u64; 8] = [1, 2, 255, 256, 257, 65_535, 65_536, 65_537];
/// Entries handed in at once.
const AT_ONCE: u64 = 4_096;

struct Numbered(u64);

impl Entry for Numbered {
    fn encode(&self, _: &dyn Seal, _: &str) -> Vec<u8> {
        let at = 1_790_000_000_000_000 + self.0;
        json!({ "at": at, "kind": "decision", "number": self.0, "v": 1 }).to_string().into_bytes()
    }
}

fn seed() -> u64 {
    std::env::var("KILLICK_SEED").ok().map_or_else(
        || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64,
        |text| text.parse().expect("a number"),
    )
}

fn trust() -> Value {
    let key = SignerKey::from_seed(ORIGIN, SignatureType::Ed25519, &SEED).unwrap();
    json!({ "origin": ORIGIN, "log_vkey": key.verifier().to_string(), "witnesses": [] })
}

async fn grow(ledger: &Ledger, size: u64) {
    while ledger.size() < size {
        let from = ledger.size();
        let waiting: Vec<_> =
            (from..size.min(from + AT_ONCE)).map(|number| ledger.submit(Numbered(number)).unwrap()).collect();
        for submitted in waiting {
            submitted.durable().await.unwrap();
        }
    }
    ledger.publish().await.unwrap();
}

/// What the three say of a log of this size in this folder: all that it verifies.
fn all_three_accept(log: &Path, size: u64, work: &Path) {
    let trust = trust();
    let ours =
        verify_log(&LogFolder::new(log), Some(&Trust::parse(&trust.to_string()).unwrap()), &mut |_, _| {});
    assert_eq!(ours.map(|log| log.size), Ok(size));
    let request = [json!({ "folder": log, "trust": trust, "require_witnesses": 0 })];
    if let Some(mut python) = verifiers::python() {
        python.arg("--batch");
        let answer = &verifiers::batch(python, &request, work)[0];
        assert_eq!((verifiers::code_of(answer), &answer["size"]), ("ok", &json!(size)), "{answer}");
    }
    if let Some(go) = verifiers::go() {
        let answer = &verifiers::batch(go, &request, work)[0];
        assert_eq!(answer["verified"], true, "{size}: {answer}");
    }
}

/// Proofs out of the folder, checked by the two others from the file alone.
fn all_accept_proofs(log: &Path, indices: &[u64], work: &Path) {
    let trust = trust();
    let mut requests = Vec::new();
    for index in indices {
        let proved = prove(&LogFolder::new(log), None, Wanted::Index(*index)).unwrap();
        let file = work.join(format!("{index}.tlog-proof"));
        std::fs::write(&file, &proved.text).unwrap();
        if let Some(mut python) = verifiers::python() {
            let trust_file = work.join("trust.json");
            std::fs::write(&trust_file, trust.to_string()).unwrap();
            let said = python.arg("--proof").arg(&file).arg("--trust").arg(trust_file).output().unwrap();
            assert!(said.status.success(), "{index}: {}", String::from_utf8_lossy(&said.stderr));
        }
        requests.push(json!({ "proof": file, "trust": trust }));
        let wrong = work.join(format!("{index}.wrong"));
        std::fs::write(
            &wrong,
            proved.text.replacen(&format!("index {index}\n"), &format!("index {}\n", index ^ 1), 1),
        )
        .unwrap();
        requests.push(json!({ "proof": wrong, "trust": trust }));
    }
    if let Some(go) = verifiers::go() {
        for (answer, right) in verifiers::batch(go, &requests, work).iter().zip([true, false].iter().cycle())
        {
            assert_eq!(answer["verified"], *right, "{answer}");
        }
    }
}

#[tokio::test]
async fn all_three_accept_what_the_ledger_writes_at_every_edge() {
    let seed = seed();
    println!("KILLICK_SEED={seed}");
    let work = tempfile::tempdir().unwrap();
    let log = work.path().join("log");
    let mut sizes: Vec<u64> = SIZES.into();
    sizes.extend([seed % 60_000 + 300, seed / 7 % 60_000 + 300]);
    sizes.sort_unstable();

    // The empty log: a ledger begins with its first entry, so the head of nothing is signed here.
    let key = SignerKey::from_seed(ORIGIN, SignatureType::Ed25519, &SEED).unwrap();
    let empty = work.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let head = Checkpoint::new(ORIGIN.to_owned(), 0, empty_root());
    std::fs::write(empty.join("checkpoint"), head.sign(&key)).unwrap();
    all_three_accept(&empty, 0, work.path());

    let config = LedgerConfig {
        log_dir: log.clone(),
        state_dir: work.path().join("log-state"),
        origin: ORIGIN.to_owned(),
        seed: SEED,
        build: "killick test".to_owned(),
    };
    let ledger = Ledger::open(config).await.unwrap();
    for size in sizes {
        grow(&ledger, size).await;
        all_three_accept(&log, size, work.path());
    }
    all_accept_proofs(&log, &[0, 1, 255, 256, 65_279, 65_280, 65_535, 65_536], work.path());
    ledger.close().await.unwrap();
}
