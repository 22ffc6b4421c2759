//! A whole log, and every way to tamper with it: the right diagnosis for each. The Python verifier, written from the
//! specifications alone, has to say the same.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use killick_tlog::checkpoint::Checkpoint;
use killick_tlog::cosignature::cosign;
use killick_tlog::hash::{Hash, leaf_hash};
use killick_tlog::note::{SignatureType, SignerKey};
use killick_tlog::proof::inclusion_proof;
use killick_tlog::receipt::{Receipt, format_receipt};
use killick_tlog::tile::{TILE_WIDTH, Tile, TileKind, append_entry, format_hashes};
use killick_tlog::tree::TileTree;
use killick_tlog::verify::{KeySource, TileHashes, Trust, verify_log};
use proptest::prelude::*;

type Files = BTreeMap<String, Vec<u8>>;

const ORIGIN: &str = "log.example/killick/gw-1";

fn key(seed: u8) -> SignerKey {
    SignerKey::from_seed(ORIGIN, SignatureType::Ed25519, &[seed; 32]).unwrap()
}

fn witness() -> SignerKey {
    SignerKey::from_seed("witness.example/w1", SignatureType::CosignatureV1, &[9; 32]).unwrap()
}

fn entries(count: usize) -> Vec<Vec<u8>> {
    let first = format!(r#"{{"kind":"log-key","origin":"{ORIGIN}","v":1,"vkey":"{}"}}"#, key(1).verifier());
    let others = (1..).map(|number| format!(r#"{{"kind":"decision","number":{number}}}"#));
    std::iter::once(first).chain(others).take(count).map(String::into_bytes).collect()
}

/// The files of a log with these entries.
fn log(entries: &[Vec<u8>], key: &SignerKey) -> Files {
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
    files.insert("checkpoint".to_owned(), head.sign(key).into_bytes());
    files
}

fn trust_json(checkpoint: Option<&[u8]>) -> String {
    let mut trust = serde_json::json!({
        "origin": ORIGIN,
        "log_vkey": key(1).verifier().to_string(),
        "witnesses": [witness().verifier().to_string()],
        "issuer": "https://authority.log.example",
    });
    if let Some(checkpoint) = checkpoint {
        trust["checkpoint"] = std::str::from_utf8(checkpoint).unwrap().into();
    }
    trust.to_string()
}

fn code(files: &Files, trust: Option<&str>) -> &'static str {
    let trust = trust.map(|json| Trust::parse(json).unwrap());
    verify_log(files, trust.as_ref(), &mut |_, _| {}).map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn logs_of_every_size_verify() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 600] {
        let entries = entries(size);
        let files = log(&entries, &key(1));
        let mut seen = Vec::new();
        let trust = Trust::parse(&trust_json(None)).unwrap();
        let verified = verify_log(&files, Some(&trust), &mut |_, entry| seen.push(entry.to_vec())).unwrap();
        assert_eq!((verified.size, verified.key_source), (size as u64, KeySource::Trust));
        assert_eq!(seen, entries);
        assert_eq!(code(&files, None), if size == 0 { "log.key" } else { "ok" });
    }
    let files = log(&entries(65_537), &key(1));
    assert_eq!(code(&files, None), "ok");
}

#[test]
fn a_partial_tile_may_be_replaced_by_the_full_one() {
    let files = log(&entries(600), &key(1));
    let mut grown = log(&entries(800), &key(1));
    grown.insert("checkpoint".to_owned(), files["checkpoint"].clone());
    grown.insert("tile/1/000.p/2".to_owned(), files["tile/1/000.p/2"].clone());
    assert_eq!(code(&grown, None), "ok");
}

#[test]
fn witnesses_are_counted_and_checked() {
    let mut files = log(&entries(3), &key(1));
    let note = String::from_utf8(files["checkpoint"].clone()).unwrap();
    let text = note.split_inclusive('\n').take(3).collect::<String>();
    let cosigned = format!("{note}{}", cosign(&witness(), &text, 1_800_000_000).unwrap());
    files.insert("checkpoint".to_owned(), cosigned.clone().into_bytes());
    let trust = Trust::parse(&trust_json(None)).unwrap();
    let verified = verify_log(&files, Some(&trust), &mut |_, _| {}).unwrap();
    assert_eq!(
        (verified.witnesses[0].witness.as_str(), verified.witnesses[0].time),
        ("witness.example/w1", 1_800_000_000)
    );
    let other = cosign(&witness(), &text.replace("\n3\n", "\n4\n"), 1_800_000_000).unwrap();
    files.insert("checkpoint".to_owned(), format!("{note}{other}").into_bytes());
    assert_eq!(code(&files, Some(&trust_json(None))), "log.cosignature");
    assert_eq!(code(&files, None), "ok", "an unknown witness's line is not looked at");
}

#[test]
fn a_head_of_nothing_that_was_seen_must_have_been_of_nothing() {
    let files = log(&entries(3), &key(1));
    let seen = |root| Checkpoint::new(ORIGIN.to_owned(), 0, root).sign(&key(1));
    let empty = seen(killick_tlog::hash::empty_root());
    assert_eq!(code(&files, Some(&trust_json(Some(empty.as_bytes())))), "ok");
    let strange = seen(leaf_hash(b"x"));
    assert_eq!(code(&files, Some(&trust_json(Some(strange.as_bytes())))), "log.consistency");
}

/// Every way to tamper, with the code it must be met with.
fn tamperings() -> Vec<(&'static str, Files, Option<String>, &'static str)> {
    let whole = entries(600);
    let honest = log(&whole, &key(1));
    let with = |change: &dyn Fn(&mut Files)| {
        let mut files = honest.clone();
        change(&mut files);
        files
    };
    let flip = |path: &'static str, at: usize| with(&|files| files.get_mut(path).unwrap()[at] ^= 1);
    let cut =
        |path: &'static str| with(&|files| files.get_mut(path).unwrap().truncate(honest[path].len() - 1));
    let without = |path: &'static str| with(&|files| drop(files.remove(path)));
    let longer = |path: &'static str| with(&|files| files.get_mut(path).unwrap().extend([0, 0]));
    let swapped = |recompute_leaves: bool, first: usize| {
        let mut changed = whole.clone();
        changed.swap(first, first + 1);
        let other = log(&changed, &key(1));
        let tile = Tile::containing(TileKind::Entries, first as u64, 600).unwrap();
        with(&|files| {
            files.insert(tile.path(), other[&tile.path()].clone());
            if recompute_leaves {
                let leaves = tile.of(TileKind::Hashes(0)).path();
                files.insert(leaves.clone(), other[&leaves].clone());
            }
        })
    };
    let mut dropped = whole.clone();
    dropped.remove(300);
    let mut rewritten = whole.clone();
    rewritten[5] = b"{\"kind\":\"decision\",\"number\":\"another\"}".to_vec();
    let older = log(&whole[..500], &key(1));
    let longer_log = log(&entries(700), &key(1));
    let mut rewritten_longer = entries(700);
    rewritten_longer[5] = b"x".to_vec();
    let signature_at = honest["checkpoint"].len() - 20;
    let seen = Some(trust_json(Some(&honest["checkpoint"])));
    let last_entry_byte = honest["tile/entries/001"].len() - 1;
    let bundle = |changed: &[Vec<u8>]| log(changed, &key(1))["tile/entries/001"].clone();

    vec![
        ("nothing", honest.clone(), None, "ok"),
        ("nothing, with trust", honest.clone(), seen.clone(), "ok"),
        (
            "signature",
            with(&|files| {
                let byte = &mut files.get_mut("checkpoint").unwrap()[signature_at];
                *byte = if *byte == b'A' { b'B' } else { b'A' };
            }),
            None,
            "log.signature",
        ),
        ("origin", flip("checkpoint", 0), None, "log.origin"),
        (
            "size",
            with(&|files| {
                let note =
                    String::from_utf8(files["checkpoint"].clone()).unwrap().replacen("\n600\n", "\n599\n", 1);
                files.insert("checkpoint".to_owned(), note.into_bytes());
            }),
            None,
            "log.signature",
        ),
        ("another key", log(&whole, &key(2)), None, "log.signature"),
        ("checkpoint cut", cut("checkpoint"), None, "log.format"),
        ("checkpoint gone", without("checkpoint"), None, "log.missing"),
        ("entry byte", flip("tile/entries/000", 700), None, "log.inclusion"),
        ("last entry byte", flip("tile/entries/001", last_entry_byte), None, "log.inclusion"),
        ("entry byte, partial", flip("tile/entries/002.p/88", 30), None, "log.inclusion"),
        ("leaf tile", flip("tile/0/001", 77), None, "log.tile"),
        ("leaf tile, partial", flip("tile/0/002.p/88", 77), None, "log.tile"),
        ("upper tile", flip("tile/1/000.p/2", 40), None, "log.tile"),
        ("leaf tile cut", cut("tile/0/000"), None, "log.truncated"),
        ("upper tile cut", cut("tile/1/000.p/2"), None, "log.truncated"),
        ("bundle cut", cut("tile/entries/002.p/88"), None, "log.truncated"),
        ("bundle longer", longer("tile/entries/000"), None, "log.format"),
        ("leaf tile longer", longer("tile/0/000"), None, "log.format"),
        ("leaf tile gone", without("tile/0/001"), None, "log.missing"),
        ("upper tile gone", without("tile/1/000.p/2"), None, "log.missing"),
        ("bundle gone", without("tile/entries/001"), None, "log.missing"),
        ("partial bundle gone", without("tile/entries/002.p/88"), None, "log.missing"),
        (
            "entry dropped",
            with(&|files| {
                let mut bytes = Vec::new();
                dropped[256..511].iter().for_each(|entry| append_entry(&mut bytes, entry).unwrap());
                files.insert("tile/entries/001".to_owned(), bytes);
            }),
            None,
            "log.inclusion",
        ),
        (
            "entry dropped, later ones moved up",
            with(&|files| {
                files.insert("tile/entries/001".to_owned(), bundle(&dropped));
            }),
            None,
            "log.inclusion",
        ),
        (
            "entry dropped before a full end",
            with(&|files| {
                let mut kept = entries(512);
                *files = log(&kept, &key(1));
                kept.remove(300);
                let mut bytes = Vec::new();
                kept[256..].iter().for_each(|entry| append_entry(&mut bytes, entry).unwrap());
                files.insert("tile/entries/001".to_owned(), bytes);
            }),
            None,
            "log.inclusion",
        ),
        ("entries swapped", swapped(false, 300), None, "log.order"),
        ("entries swapped with their leaves", swapped(true, 300), None, "log.root"),
        ("entries swapped with their leaves, at the end", swapped(true, 590), None, "log.root"),
        ("checkpoint older than one seen", older.clone(), seen.clone(), "log.truncated"),
        ("older checkpoint without trust", older, None, "ok"),
        ("another log of the same size", log(&rewritten, &key(1)), seen.clone(), "log.fork"),
        ("a longer log that extends", longer_log, seen.clone(), "ok"),
        ("history rewritten with the key", log(&rewritten_longer, &key(1)), seen, "log.consistency"),
    ]
}

#[test]
fn every_tampering_gets_its_diagnosis() {
    for (name, files, trust, expected) in tamperings() {
        assert_eq!(code(&files, trust.as_deref()), expected, "{name}");
    }
}

fn python() -> Option<PathBuf> {
    let named = std::env::var_os("KILLICK_ORACLE_PYTHON").map(PathBuf::from);
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let has = Command::new(&python)
        .args(["-c", "import cryptography"])
        .output()
        .is_ok_and(|out| out.status.success());
    let must = named.is_some() || std::env::var_os("KILLICK_NO_SKIP").is_some();
    assert!(has || !must, "there is no Python with `cryptography`: cargo xtask setup");
    if !has {
        println!("skipped: python3 with the package `cryptography` is not there");
    }
    has.then_some(python)
}

fn python_code(python: &Path, files: &Files, trust: Option<&str>) -> String {
    let folder = std::env::temp_dir().join(format!("killick-verify-{}-{:p}", std::process::id(), files));
    let _ = std::fs::remove_dir_all(&folder);
    for (path, bytes) in files {
        let path = folder.join("log").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    std::fs::create_dir_all(folder.join("log")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify_log.py");
    let mut command = Command::new(python);
    command.arg(script).arg(folder.join("log")).arg("--json");
    if let Some(trust) = trust {
        std::fs::write(folder.join("trust.json"), trust).unwrap();
        command.arg("--trust").arg(folder.join("trust.json"));
    }
    let output = command.output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let code = said["error"]["code"].as_str().unwrap_or("ok").to_owned();
    // As a class: what ours exits with (`LogError::exit_code`).
    assert!(if code == "ok" {
        output.status.code() == Some(0)
    } else {
        output.status.code().is_some_and(|exit| exit == 5 || (51..=62).contains(&exit))
    });
    code
}

#[test]
fn the_python_verifier_agrees() {
    let Some(python) = python() else { return };
    for (name, files, trust, expected) in tamperings() {
        assert_eq!(python_code(&python, &files, trust.as_deref()), expected, "{name}");
    }
    for size in [0, 1, 2, 255, 256, 257, 65_536] {
        let files = log(&entries(size), &key(1));
        assert_eq!(python_code(&python, &files, Some(&trust_json(None))), "ok", "size {size}");
    }
}

#[test]
fn trust_files_are_checked() {
    let good = trust_json(None);
    assert_eq!(Trust::parse(&good).unwrap().log_key().name(), ORIGIN);
    for (bad, expected) in [
        (good.replace(ORIGIN, "other.example"), "log.format"),
        (good.replacen("\"origin\":\"log.example", "\"origin\":\"x.example", 1), "log.origin"),
        ("{}".to_owned(), "log.format"),
        ("[]".to_owned(), "log.format"),
        (String::new(), "log.format"),
        (good.replace(&witness().verifier().to_string(), &key(1).verifier().to_string()), "log.format"),
        (trust_json(Some(&log(&entries(3), &key(2))["checkpoint"])), "log.signature"),
    ] {
        assert_eq!(Trust::parse(&bad).unwrap_err().code(), expected, "{bad}");
    }
}

fn receipt(index: u64) -> (Vec<u8>, String) {
    let entries = entries(600);
    let files = log(&entries, &key(1));
    let proof = inclusion_proof(&TileHashes::new(&files, 600), index, 600).unwrap();
    let entry = entries[index as usize].clone();
    let checkpoint = String::from_utf8(files["checkpoint"].clone()).unwrap();
    let text = format_receipt(&leaf_hash(&entry), index, &proof, &checkpoint);
    (entry, text)
}

#[test]
fn receipts_verify_and_nothing_else_does() {
    let vkey = key(1).verifier().to_string();
    for index in [0, 1, 255, 256, 511, 512, 599] {
        let (entry, text) = receipt(index);
        let parsed = Receipt::parse(&text).unwrap();
        assert_eq!(parsed.verify(&entry, &vkey).unwrap().size, 600);
        assert_eq!(parsed.verify_own_leaf(&vkey).unwrap().size, 600);
    }
    let (entry, text) = receipt(300);
    let code = |text: &str, entry: &[u8], vkey: &str| {
        let parsed = Receipt::parse(text);
        parsed
            .and_then(|receipt| receipt.verify(entry, vkey).map(|_| ()))
            .map_or_else(|error| error.code(), |()| "ok")
    };
    assert_eq!(code(&text, b"another entry", &vkey), "log.inclusion");
    assert_eq!(code(&text.replacen("index 300", "index 301", 1), &entry, &vkey), "log.inclusion");
    assert_eq!(code(&text, &entry, &key(2).verifier().to_string()), "log.signature");
    let other = SignerKey::from_seed("other.example", SignatureType::Ed25519, &[1; 32]).unwrap();
    assert_eq!(code(&text, &entry, &other.verifier().to_string()), "log.origin");
    assert_eq!(code(&text, &entry, "nonsense"), "log.format");
    assert_eq!(code(&text.replacen("\n600\n", "\n601\n", 1), &entry, &vkey), "log.signature");
    let extra = text.lines().nth(1).unwrap();
    assert_eq!(
        code(&text.replacen(&format!("{extra}\n"), "", 1), &entry, &vkey),
        "ok",
        "extra may be left out"
    );
    for bad in [
        text.replacen("@v1", "@v2", 1),
        text.replacen("index 300", "index 0300", 1),
        text.replacen("index 300\n", "", 1),
        text.replacen("extra ", "extra  ", 1),
        text.replacen("\n\n", "\n", 1),
        text.replacen(&format!("{extra}\n"), &format!("{extra}\n{extra}\n"), 1),
        text.replacen('\n', "\r\n", 1),
        format!("\n{text}"),
        text[..text.len() - 1].to_owned(),
        String::new(),
    ] {
        assert_eq!(code(&bad, &entry, &vkey), "log.format", "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_flipped_bit_of_a_log_goes_unnoticed(file: prop::sample::Index, at: prop::sample::Index, bit in 0_u8..8) {
        let mut files = log(&entries(300), &key(1));
        let path = files.keys().nth(file.index(files.len())).unwrap().clone();
        let bytes = files.get_mut(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_ne!(code(&files, Some(&trust_json(None))), "ok", "{} byte {}", path, at);
    }

    #[test]
    fn no_file_panics(file: prop::sample::Index, bytes: Vec<u8>) {
        let mut files = log(&entries(300), &key(1));
        let path = files.keys().nth(file.index(files.len())).unwrap().clone();
        files.insert(path, bytes);
        prop_assert_ne!(code(&files, None), "ok");
    }

    #[test]
    fn no_receipt_panics(noise in "\\PC*", at: prop::sample::Index, byte in 0_u8..128) {
        let _ = Receipt::parse(&noise);
        let (entry, text) = receipt(300);
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes) && let Ok(receipt) = Receipt::parse(&text) {
            let _ = receipt.verify(&entry, &key(1).verifier().to_string());
        }
    }

    #[test]
    fn hashes_of_any_bytes_are_hashes(bytes: [u8; 32]) {
        let hash = Hash::from_bytes(bytes);
        prop_assert_eq!(Hash::from_base64(&hash.to_base64()), Ok(hash));
    }
}
