//! A log of 600 entries as killick writes one, cosigned by two witnesses of different operators, and everybody who
//! could sign something else.

use std::collections::BTreeMap;

use killick_tlog::checkpoint::Checkpoint;
use killick_tlog::cosignature::cosign;
use killick_tlog::hash::leaf_hash;
use killick_tlog::note::{SignatureType, SignerKey};
use killick_tlog::tile::{TILE_WIDTH, Tile, TileKind, append_entry, format_hashes};
use killick_tlog::tree::TileTree;
use serde_json::{Value, json};

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) const ORIGIN: &str = "log.example/killick/gw-1";
pub(crate) const SIZE: usize = 600;
/// Microseconds since 1970 of the first entry.
pub(crate) const BEGIN: u64 = 1_790_000_000_000_000;

pub(crate) fn log_key(seed: u8) -> SignerKey {
    SignerKey::from_seed(ORIGIN, SignatureType::Ed25519, &[seed; 32]).unwrap()
}

pub(crate) fn witness_key(name: &str, seed: u8) -> SignerKey {
    SignerKey::from_seed(name, SignatureType::CosignatureV1, &[seed; 32]).unwrap()
}

/// The two witnesses that have to cosign: one named with its operator, one without.
pub(crate) fn witnesses() -> [SignerKey; 2] {
    [witness_key("one.example/w", 11), witness_key("two.example/w", 12)]
}

/// A second witness of the first one's operator.
pub(crate) fn sibling() -> SignerKey {
    witness_key("one.example/w-bis", 13)
}

/// Entries of different lengths, a second apart, some of them 3 s before the one above.
pub(crate) fn entries(count: usize) -> Vec<Vec<u8>> {
    let key = log_key(1);
    (0..count as u64)
        .map(|number| {
            let at = BEGIN + number * 1_000_000 - if number % 7 == 3 { 4_000_000 } else { 0 };
            let entry = if number == 0 {
                json!({ "at": at, "kind": "log-key", "origin": ORIGIN, "v": 1, "vkey": key.verifier().to_string() })
            } else {
                let args = "a".repeat((number * 37 % 211) as usize);
                json!({ "args": args, "at": at, "kind": "decision", "number": number, "v": 1, "verdict": "permit" })
            };
            entry.to_string().into_bytes()
        })
        .collect()
}

/// The files of a log with these entries, its checkpoint signed by `key` and cosigned by `cosigners`.
pub(crate) fn log(entries: &[Vec<u8>], key: &SignerKey, cosigners: &[SignerKey]) -> Files {
    let mut files = Files::new();
    let mut tree = TileTree::empty();
    for entry in entries {
        for (tile, hashes) in tree.push(leaf_hash(entry)) {
            files.insert(tile.path(), format_hashes(&hashes));
        }
    }
    for (tile, hashes) in tree.partial_tiles() {
        files.insert(tile.path(), format_hashes(&hashes));
    }
    for (index, chunk) in (0..).zip(entries.chunks(TILE_WIDTH as usize)) {
        let mut bundle = Vec::new();
        chunk.iter().for_each(|entry| append_entry(&mut bundle, entry).unwrap());
        files.insert(Tile::new(TileKind::Entries, index, chunk.len() as u64).unwrap().path(), bundle);
    }
    let head = Checkpoint::new(ORIGIN.to_owned(), tree.size(), tree.root());
    let mut note = head.sign(key);
    for cosigner in cosigners {
        note.push_str(&cosign(cosigner, &head.text(), 1_790_001_000).unwrap());
    }
    files.insert("checkpoint".to_owned(), note.into_bytes());
    files
}

/// The trust file of somebody who has last seen this checkpoint.
pub(crate) fn trust(seen: Option<&[u8]>) -> Value {
    let [one, two] = witnesses();
    let mut trust = json!({
        "origin": ORIGIN,
        "log_vkey": log_key(1).verifier().to_string(),
        "witnesses": [
            { "vkey": one.verifier().to_string(), "operator": "one.example" },
            two.verifier().to_string(),
            sibling().verifier().to_string(),
        ],
    });
    if let Some(seen) = seen {
        trust["checkpoint"] = std::str::from_utf8(seen).unwrap().into();
    }
    trust
}
