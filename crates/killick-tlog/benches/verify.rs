//! Offline verification of a log of 10^6 entries and proofs in a tree of 10^8, held against their goals. Prints a table,
//! then one JSON line. One thread.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench"
)]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use killick_tlog::LogError;
use killick_tlog::checkpoint::Checkpoint;
use killick_tlog::hash::{leaf_hash, node_hash};
use killick_tlog::note::{SignatureType, SignerKey};
use killick_tlog::proof::inclusion_proof;
use killick_tlog::tile::{Tile, TileKind, append_entry, format_hashes};
use killick_tlog::tree::TileTree;
use killick_tlog::verify::{LogReader, TileHashes, Trust, verify_log};
use serde_json::{Value, json};

const ENTRIES: u64 = 1_000_000;
/// Bytes of one entry: what a decision takes.
const ENTRY_BYTES: usize = 512;
const ROUNDS: usize = 5;
const LARGE: u64 = 100_000_000;
const PROOFS: usize = 2_000;
/// Proofs that a reader that stays has made before: it has then read most of the tiles above the leaves once.
const WARM: u64 = 10_000;
const VERIFIED_PER_SECOND_MIN: f64 = 300_000.0;
const PROOF_MICROS_MAX: f64 = 100.0;

/// A log in memory, so that no disk is measured.
struct Memory(HashMap<String, Vec<u8>>);

impl LogReader for Memory {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, LogError> {
        Ok(self.0.get(path).cloned())
    }
}

/// The tiles of a tree of 10^8 leaves, made when they are read: a hash is told by its place alone.
struct Synthetic;

impl LogReader for Synthetic {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, LogError> {
        let tile = Tile::parse(path)?;
        let TileKind::Hashes(level) = tile.kind() else { return Ok(None) };
        let mut bytes = Vec::with_capacity(usize::from(tile.width()) * 32);
        for place in 0..u64::from(tile.width()) {
            let index = tile.index() * 256 + place;
            for part in 0..4 {
                let mixed = (index ^ (u64::from(level) << 56)).wrapping_add(part);
                bytes.extend(mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            }
        }
        Ok(Some(bytes))
    }
}

fn memory_log(key: &SignerKey) -> Memory {
    let mut files = HashMap::new();
    let (mut tree, mut bundle) = (TileTree::empty(), Vec::new());
    for number in 0..ENTRIES {
        let head = format!(r#"{{"action":"read:invoices","at":{},"code":""#, 1_790_000_000_000_000 + number);
        let tail = format!(r#"","kind":"decision","number":{number},"v":1,"verdict":"deny"}}"#);
        let fill = "x".repeat(ENTRY_BYTES - head.len() - tail.len());
        let entry = format!("{head}{fill}{tail}").into_bytes();
        append_entry(&mut bundle, &entry).unwrap();
        for (tile, hashes) in tree.push(leaf_hash(&entry)) {
            if tile.kind() == TileKind::Hashes(0) {
                files.insert(tile.of(TileKind::Entries).path(), std::mem::take(&mut bundle));
            }
            files.insert(tile.path(), format_hashes(&hashes));
        }
    }
    for (tile, hashes) in tree.partial_tiles() {
        if tile.kind() == TileKind::Hashes(0) {
            files.insert(tile.of(TileKind::Entries).path(), std::mem::take(&mut bundle));
        }
        files.insert(tile.path(), format_hashes(&hashes));
    }
    let head = Checkpoint::new(key.verifier().name().to_owned(), tree.size(), tree.root());
    files.insert("checkpoint".to_owned(), head.sign(key).into_bytes());
    Memory(files)
}

/// Seconds of each of a few rounds, the median.
fn verified_per_second() -> f64 {
    let key = SignerKey::from_seed("log.example", SignatureType::Ed25519, &[1; 32]).unwrap();
    let log = memory_log(&key);
    let trust = Trust::of_key(key.verifier().clone());
    let mut taken: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            assert_eq!(verify_log(&log, Some(&trust), &mut |_, _| {}).unwrap().size, ENTRIES);
            started.elapsed().as_secs_f64()
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    ENTRIES as f64 / taken[ROUNDS / 2]
}

/// Microseconds of a proof, median and 99th percentile: by a reader that stays, or by a new one for each proof.
fn proof_micros(stays: bool) -> (f64, f64) {
    let size = LARGE + 12_345;
    let mut taken = Vec::new();
    let mut hashes = TileHashes::new(&Synthetic, size);
    let warm = if stays { WARM } else { 0 };
    for turn in 0..warm + PROOFS as u64 {
        let index = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size;
        if !stays {
            hashes = TileHashes::new(&Synthetic, size);
        }
        let started = Instant::now();
        let proof = black_box(inclusion_proof(&hashes, index, size).unwrap());
        if turn >= warm {
            taken.push(started.elapsed().as_secs_f64() * 1e6);
        }
        // Synthetic tiles do not agree with one another: what a proof can be held against is the shape of the tree.
        assert!((17..=27).contains(&proof.len()), "{}", proof.len());
    }
    taken.sort_by(f64::total_cmp);
    (taken[PROOFS / 2], taken[PROOFS * 99 / 100])
}

fn node_nanos() -> f64 {
    const TIMES: u32 = 1_000_000;
    let mut node = leaf_hash(b"");
    let started = Instant::now();
    (0..TIMES).for_each(|_| node = node_hash(&node, &node));
    black_box(node);
    started.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
}

fn main() {
    let verified = verified_per_second();
    let ((median, p99), (cold, cold_p99)) = (proof_micros(true), proof_micros(false));
    let round = |value: f64| (value * 10.0).round() / 10.0;
    let runs = [
        json!({ "name": "offline verification, 10^6 entries of 512 bytes", "reached": verified.round(), "unit": "entries/s" }),
        json!({ "name": "proof in a tree of 10^8 entries, median", "reached": round(median), "unit": "µs" }),
        json!({ "name": "proof in a tree of 10^8 entries, p99", "reached": round(p99), "unit": "µs" }),
        json!({ "name": "the same, nothing kept in memory, median", "reached": round(cold), "unit": "µs" }),
        json!({ "name": "the same, nothing kept in memory, p99", "reached": round(cold_p99), "unit": "µs" }),
        json!({ "name": "the hash of one node", "reached": round(node_nanos()), "unit": "ns" }),
    ];
    for run in &runs {
        println!("{run}");
    }
    let goals: [Value; 2] = [
        json!({ "name": "offline verification, entries/s of one core", "bound": "least", "goal": VERIFIED_PER_SECOND_MIN,
            "reached": verified.round(), "met": verified >= VERIFIED_PER_SECOND_MIN }),
        json!({ "name": "a proof in a tree of 10^8 entries, µs", "bound": "most", "goal": PROOF_MICROS_MAX,
            "reached": round(median), "met": median <= PROOF_MICROS_MAX }),
    ];
    println!("{}", json!({ "runs": runs, "goals": goals }));
}
