//! The golden vectors in `vectors/tlog/`, for every language. With `KILLICK_WRITE_VECTORS=1` they are written anew.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use killick_tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use killick_tlog::cosignature::{cosign, verify};
use killick_tlog::hash::leaf_hash;
use killick_tlog::note::{Note, SignatureType, SignerKey, VerifierKey};
use killick_tlog::receipt::{Receipt, format_receipt};
use killick_tlog::tile::{Tile, TileKind};
use killick_tlog::tree::{Growth, RightEdge};
use serde_json::{Value, json};

fn vectors(name: &str, made: &Value) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/tlog").join(name);
    if std::env::var_os("KILLICK_WRITE_VECTORS").is_some() {
        std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(made).unwrap())).unwrap();
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(&kept, made, "{name} differs from what is made now");
    kept
}

#[test]
fn roots_and_proofs() {
    let entries: Vec<_> = (0..9).map(|number| format!("entry {number}")).collect();
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry.as_bytes())).collect();
    let trees: Vec<_> = (0..=leaves.len())
        .map(|size| {
            let growth = Growth::new(&RightEdge::empty(), &leaves[..size]);
            let proofs: Vec<Vec<_>> = (0..size)
                .map(|index| {
                    growth.inclusion(index as u64).unwrap().iter().map(ToString::to_string).collect()
                })
                .collect();
            json!({"size": size, "root": growth.edge().root().to_string(), "inclusion": proofs})
        })
        .collect();
    vectors("tree.json", &json!({"entries": entries, "trees": trees}));
}

#[test]
fn tile_paths() {
    let tile = |kind: TileKind, index: u64, width: u64| {
        let level = match kind {
            TileKind::Hashes(level) => Value::from(level),
            TileKind::Entries => "entries".into(),
        };
        let path = Tile::new(kind, index, width).unwrap().path();
        json!({"level": level, "index": index, "width": width, "path": path})
    };
    let made = json!({
        "valid": [
            tile(TileKind::Hashes(0), 0, 256),
            tile(TileKind::Hashes(0), 0, 1),
            tile(TileKind::Hashes(0), 273, 112),
            tile(TileKind::Hashes(1), 999, 256),
            tile(TileKind::Hashes(2), 1000, 17),
            tile(TileKind::Hashes(0), 1_234_067, 256),
            tile(TileKind::Entries, 1_234_067, 255),
        ],
        "invalid": ["tile/0/1", "tile/00/001", "tile/0/x000/001", "tile/64/000", "tile/0/000.p/0", "tile/0/000.p/256",
            "tile/0/000.p/01", "tile/0/001/067", "/tile/0/000", "tile/0/../000", "tile/entries/"],
    });
    for path in vectors("paths.json", &made)["invalid"].as_array().unwrap() {
        assert!(Tile::parse(path.as_str().unwrap()).is_err(), "{path}");
    }
}

#[test]
fn checkpoints_cosignatures_and_receipts() {
    let log = SignerKey::from_seed("log.example/killick/gw-1", SignatureType::Ed25519, &[1; 32]).unwrap();
    let witness = SignerKey::from_seed("witness.example/w1", SignatureType::CosignatureV1, &[2; 32]).unwrap();
    let entries: Vec<_> = (0..5).map(|number| format!("entry {number}")).collect();
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry.as_bytes())).collect();
    let growth = Growth::new(&RightEdge::empty(), &leaves);
    let head = Checkpoint::new("log.example/killick/gw-1".to_owned(), 5, growth.edge().root());
    let checkpoint = head.sign(&log);
    let cosigned = format!("{checkpoint}{}", cosign(&witness, &head.text(), 1_800_000_000).unwrap());
    let text = format_receipt(&leaves[3], 3, &growth.inclusion(3).unwrap(), &checkpoint);
    let bad = |text: String, entry: &str, code: &str| json!({"receipt": text, "entry": entry, "code": code});
    let made = json!({
        "vkey": log.verifier().to_string(),
        "witness_vkey": witness.verifier().to_string(),
        "checkpoint": checkpoint,
        "cosigned": {"checkpoint": cosigned, "time": 1_800_000_000},
        "good": [{"receipt": text, "entry": "entry 3", "index": 3, "size": 5}],
        "bad": [
            bad(text.clone(), "entry 4", "log.inclusion"),
            bad(text.replace("index 3", "index 2"), "entry 3", "log.inclusion"),
            bad(text.replace("\n5\n", "\n6\n"), "entry 3", "log.signature"),
            bad(text.replace("log.example", "other.example"), "entry 3", "log.origin"),
            bad(text.replace("index 3", "index 03"), "entry 3", "log.format"),
            bad(text.replace("@v1", "@v2"), "entry 3", "log.format"),
        ],
    });
    let kept = vectors("receipt.json", &made);
    let vkey = kept["vkey"].as_str().unwrap();
    let check = |case: &Value| {
        let receipt = Receipt::parse(case["receipt"].as_str().unwrap());
        receipt.and_then(|receipt| Ok(receipt.verify(case["entry"].as_str().unwrap().as_bytes(), vkey)?.size))
    };
    for case in kept["good"].as_array().unwrap() {
        assert_eq!(check(case), Ok(case["size"].as_u64().unwrap()));
    }
    for case in kept["bad"].as_array().unwrap() {
        assert_eq!(check(case).unwrap_err().code(), case["code"].as_str().unwrap(), "{case}");
    }
    let note = kept["cosigned"]["checkpoint"].as_str().unwrap().as_bytes();
    SignedCheckpoint::parse(note).unwrap().verify(&VerifierKey::parse(vkey).unwrap()).unwrap();
    let witness = VerifierKey::parse(kept["witness_vkey"].as_str().unwrap()).unwrap();
    let found = verify(&Note::parse(note).unwrap(), &witness).unwrap().unwrap();
    assert_eq!(found.time, kept["cosigned"]["time"].as_u64().unwrap());
}
