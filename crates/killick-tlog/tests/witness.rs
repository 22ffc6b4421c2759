//! The witness protocol, as the specification says it: each answer, and a near twin that gets another.
#![expect(clippy::unwrap_used, reason = "tests")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use killick_tlog::cosignature::cosign;
use killick_tlog::hash::{Hash, empty_root, leaf_hash};
use killick_tlog::note::{SignatureType, SignerKey, VerifierKey};
use killick_tlog::proof::consistency_proof;
use killick_tlog::tree::{Growth, RightEdge};
use killick_tlog::witness::{
    AddCheckpoint, Held, Refused, cosigned, decide, format_add_checkpoint, origin_hash, read_conflict,
    read_cosignature, read_cosigned,
};
use proptest::prelude::*;

const ORIGIN: &str = "example.com/behind-the-sofa";

fn log() -> SignerKey {
    SignerKey::from_seed(ORIGIN, SignatureType::Ed25519, &[1; 32]).unwrap()
}

fn witness() -> SignerKey {
    SignerKey::from_seed("witness.example/w1", SignatureType::CosignatureV1, &[2; 32]).unwrap()
}

/// A tree of `size` entries whose texts begin with `prefix` from `from` on.
fn tree(size: u64, from: u64, prefix: &str) -> Growth {
    let leaf = |index: u64| {
        let prefix = if index < from { "entry" } else { prefix };
        leaf_hash(format!("{prefix} {index}").as_bytes())
    };
    let leaves: Vec<_> = (0..size).map(leaf).collect();
    Growth::new(&RightEdge::empty(), &leaves)
}

fn head(size: u64) -> Checkpoint {
    Checkpoint::new(ORIGIN.to_owned(), size, tree(size, size, "").edge().root())
}

fn held(size: u64) -> Held {
    Held { size, root: head(size).root }
}

fn proof(old: u64, new: u64) -> Vec<Hash> {
    consistency_proof(&tree(new, new, ""), old, new).unwrap()
}

fn request(old: u64, proof: &[Hash], note: &str) -> AddCheckpoint {
    AddCheckpoint::parse(format_add_checkpoint(old, proof, note).as_bytes()).unwrap()
}

fn decided(held: &Held, request: &AddCheckpoint) -> Result<Held, Refused> {
    decide(&[log().verifier().clone()], held, request)
}

fn status(held: &Held, request: &AddCheckpoint) -> u16 {
    decided(held, request).map_or_else(|refused| refused.status(), |_| 200)
}

#[test]
fn the_specifications_example_is_read() {
    let body = "old 20852014\n\
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
        \n\
        example.com/behind-the-sofa\n\
        20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
        \n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    let read = AddCheckpoint::parse(body.as_bytes()).unwrap();
    assert_eq!((read.old, read.proof.len()), (20_852_014, 4));
    assert_eq!(read.checkpoint.unverified().size, 20_852_163);
    let (text, signature) = body.split_once("\n\n").unwrap().1.split_once("\n\n").unwrap();
    assert_eq!(format_add_checkpoint(read.old, &read.proof, &format!("{text}\n\n{signature}")), body);
    // Only the origin is known here, under another key.
    assert_eq!(status(&held(3), &read), 403);
}

#[test]
fn bodies_are_strict() {
    let note = head(3).sign(&log());
    let hash = empty_root();
    let good = format!("old 0\n\n{note}");
    AddCheckpoint::parse(good.as_bytes()).unwrap();
    for bad in [
        String::new(),
        "\n\n".to_owned(),
        note.clone(),
        format!("\n{note}"),
        format!("old 0\n{note}"),
        format!("old 00\n\n{note}"),
        format!("old +1\n\n{note}"),
        format!("old  1\n\n{note}"),
        format!("old 1 \n\n{note}"),
        format!("Old 1\n\n{note}"),
        format!("old 18446744073709551616\n\n{note}"),
        format!("old 0\r\n\r\n{note}"),
        format!("old 1\n{}\n\n{note}", &hash.to_base64()[1..]),
        format!("old 1\n{hash} \n\n{note}"),
        format!("old 1\n{}\n\n{note}", vec![hash.to_base64(); 64].join("\n")),
        format!("old 0\n\n{}", note.trim_end()),
        format!("old 0\n\n{}", head(3).text()),
    ] {
        assert_eq!(AddCheckpoint::parse(bad.as_bytes()).unwrap_err().code(), "log.format", "{bad:?}");
    }
    let longest = format!("old 1\n{}\n\n{note}", vec![hash.to_base64(); 63].join("\n"));
    assert_eq!(AddCheckpoint::parse(longest.as_bytes()).unwrap().proof.len(), 63);
}

#[test]
fn every_answer_of_the_specification() {
    let good = request(3, &proof(3, 7), &head(7).sign(&log()));
    assert_eq!(decided(&held(3), &good), Ok(held(7)));
    // 404: the origin is not known.
    let unknown = decide(&[], &held(3), &good).unwrap_err();
    assert_eq!((unknown.status(), unknown.content_type()), (404, "text/plain; charset=utf-8"));
    // 403: not signed by the log, or wrongly; a wrong signature beside a good one is wrong.
    let stranger = SignerKey::from_seed(ORIGIN, SignatureType::Ed25519, &[9; 32]).unwrap();
    assert_eq!(status(&held(3), &request(3, &proof(3, 7), &head(7).sign(&stranger))), 403);
    let wrong = log().sign("another text\n");
    let both = format!("{}{wrong}", head(7).sign(&log()));
    assert_eq!(status(&held(3), &request(3, &proof(3, 7), &both)), 403);
    // Strangers' signatures are ignored.
    let strangers = format!("{}{}", head(7).sign(&log()), stranger.sign(&head(7).text()));
    assert_eq!(status(&held(3), &request(3, &proof(3, 7), &strangers)), 200);
    // 400: the old size is beyond the new one.
    assert_eq!(status(&held(8), &request(8, &[], &head(7).sign(&log()))), 400);
    // 409, with the size held: the old size is another one, whatever the proof says.
    let conflict = decided(&held(4), &good).unwrap_err();
    assert_eq!((conflict.status(), conflict.content_type()), (409, "text/x.tlog.size"));
    assert_eq!(conflict.body(), "4\n");
    assert_eq!(read_conflict(conflict.body().as_bytes()), Some(4));
    assert_eq!(status(&Held::nothing(), &good), 409);
    assert_eq!(status(&held(7), &request(0, &[], &head(7).sign(&log()))), 409);
    // 422: no proof, a wrong one, one too long, one from nothing.
    for wrong in [vec![], proof(3, 6), proof(2, 7), [proof(3, 7), vec![empty_root()]].concat()] {
        assert_eq!(status(&held(3), &request(3, &wrong, &head(7).sign(&log()))), 422, "{wrong:?}");
    }
    assert_eq!(status(&Held::nothing(), &request(0, &[], &head(7).sign(&log()))), 200);
    assert_eq!(status(&Held::nothing(), &request(0, &[empty_root()], &head(7).sign(&log()))), 422);
    // 422: same size, other root; 200: the same head again, for a newer cosignature.
    let forked = Checkpoint::new(ORIGIN.to_owned(), 7, tree(7, 5, "other").edge().root());
    assert_eq!(status(&held(7), &request(7, &[], &forked.sign(&log()))), 422);
    assert_eq!(decided(&held(7), &request(7, &[], &head(7).sign(&log()))), Ok(held(7)));
    assert_eq!(status(&held(7), &request(7, &[empty_root()], &head(7).sign(&log()))), 422);
    // 422: an empty tree has one root only.
    assert_eq!(status(&Held::nothing(), &request(0, &[], &head(0).sign(&log()))), 200);
    let strange = Checkpoint::new(ORIGIN.to_owned(), 0, leaf_hash(b""));
    assert_eq!(status(&Held::nothing(), &request(0, &[], &strange.sign(&log()))), 422);
}

#[test]
fn a_log_may_have_two_keys() {
    let second = SignerKey::from_seed("example.com/sofa-2", SignatureType::Ed25519, &[3; 32]).unwrap();
    let keys = [log().verifier().clone(), second.verifier().clone()];
    let by = |signatures: String| request(3, &proof(3, 7), &format!("{}\n{signatures}", head(7).text()));
    let (one, two) = (log().sign(&head(7).text()), second.sign(&head(7).text()));
    for good in [one.clone(), two.clone(), format!("{one}{two}")] {
        assert_eq!(decide(&keys, &held(3), &by(good)), Ok(held(7)));
    }
    let wrong = format!("{one}{}", second.sign("x\n"));
    assert_eq!(decide(&keys, &held(3), &by(wrong)).unwrap_err().status(), 403);
}

#[test]
fn a_cosignature_is_found_in_an_answer_and_nothing_else_is() {
    let signed = SignedCheckpoint::parse(head(7).sign(&log()).as_bytes()).unwrap();
    let made = cosigned(&[log().verifier().clone()], &witness(), &signed, 1_800_000_000).unwrap();
    let read = |body: &str| read_cosignature(&signed, body.as_bytes(), witness().verifier());
    let (cosignature, line) = read(&made.line).unwrap();
    assert_eq!((cosignature.time, &line), (1_800_000_000, &made.line));
    // Others' cosignatures are ignored; of several by one witness the newest counts.
    let other = SignerKey::from_seed("witness.example/w2", SignatureType::CosignatureV1, &[4; 32]).unwrap();
    let others = cosign(&other, &head(7).text(), 5).unwrap();
    let newer = cosign(&witness(), &head(7).text(), 1_800_000_009).unwrap();
    let (cosignature, line) = read(&format!("{others}{}{newer}{others}", made.line)).unwrap();
    assert_eq!((cosignature.time, &line), (1_800_000_009, &newer));
    // Over another head, by another witness alone, or no signature lines at all.
    let elsewhere = cosign(&witness(), &head(6).text(), 5).unwrap();
    for (bad, code) in [
        (elsewhere.as_str(), "log.cosignature"),
        (others.as_str(), "log.cosignature"),
        ("", "log.format"),
        ("\n", "log.format"),
        (&format!("more text\n\n{}", made.line), "log.format"),
        (&made.line[..made.line.len() - 1], "log.format"),
    ] {
        assert_eq!(read(bad).unwrap_err().code(), code, "{bad:?}");
    }
    // A good signature of the time zero: the statement of a witness names its time.
    let timeless = witness().sign(&format!("cosignature/v1\ntime 0\n{}", head(7).text()));
    let (name, data) = timeless.trim_end().rsplit_once(' ').unwrap();
    let data = STANDARD.decode(data).unwrap();
    let data = STANDARD.encode([&data[..4], &[0; 8], &data[4..]].concat());
    assert_eq!(read(&format!("{name} {data}\n")).unwrap_err().code(), "log.cosignature");
    // What the witness keeps: the log's signature and its own, and it can read it again.
    let keys = [log().verifier().clone()];
    let (kept, cosignature) = read_cosigned(made.note.as_bytes(), &keys, witness().verifier()).unwrap();
    assert_eq!((kept, cosignature.time), (head(7), 1_800_000_000));
    assert!(read_cosigned(made.note.as_bytes(), &keys, other.verifier()).is_err());
    assert!(
        read_cosigned(made.note.replacen("\n7\n", "\n8\n", 1).as_bytes(), &keys, witness().verifier())
            .is_err()
    );
    // tlog-witness, add-checkpoint: the timestamp is never zero.
    assert!(cosigned(&keys, &witness(), &signed, 0).is_err());
}

#[test]
fn sizes_and_places_are_exact() {
    assert_eq!(read_conflict(b"0\n"), Some(0));
    for bad in ["", "\n", "1", "01\n", "1\n\n", " 1\n", "-1\n", "18446744073709551616\n"] {
        assert_eq!(read_conflict(bad.as_bytes()), None, "{bad:?}");
    }
    // `printf %s example.com/behind-the-sofa | sha256sum`
    assert_eq!(origin_hash(ORIGIN), "5fd2dc0beb4ce54da5050cf6d5c75248b023abad441c3cecde3976fbe9da4fe4");
    assert_eq!(origin_hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/// Requests, and what a witness written from the specification alone answers (`tests/oracle/witness.py vectors`).
#[test]
fn the_oracles_answers_are_ours() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/tlog/witness.json");
    let vectors: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |value: &serde_json::Value, name: &str| value[name].as_str().unwrap().to_owned();
    let key = VerifierKey::parse(&text(&vectors, "log_vkey")).unwrap();
    let witness = VerifierKey::parse(&text(&vectors, "witness_vkey")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    for case in cases {
        let name = text(case, "name");
        let held = Held {
            size: case["held"].as_u64().unwrap(),
            root: Hash::from_base64(&text(case, "root")).unwrap(),
        };
        // As a witness does: the origin chooses the keys.
        let decided = AddCheckpoint::parse(text(case, "request").as_bytes())
            .map_err(Refused::Malformed)
            .and_then(|request| {
                let known = request.checkpoint.unverified().origin == key.name();
                let keys = if known { std::slice::from_ref(&key) } else { &[] };
                decide(keys, &held, &request).map(|next| (request, next))
            });
        match decided {
            Ok((request, next)) => {
                assert_eq!(case["status"], 200, "{name}");
                assert_eq!(next.size, request.checkpoint.unverified().size);
                let body = text(case, "body");
                let (cosignature, line) =
                    read_cosignature(&request.checkpoint, body.as_bytes(), &witness).unwrap();
                assert_eq!((cosignature.time, line), (1_800_000_000, body), "{name}");
            }
            Err(refused) => {
                assert_eq!(case["status"], refused.status(), "{name}");
                if let Some(body) = case["body"].as_str() {
                    assert_eq!(refused.body(), body, "{name}");
                }
            }
        }
    }
    assert!(cases.len() > 20);
}

proptest! {
    /// A witness follows a log through any sizes, and no step leads to a tree that does not extend the one before.
    #[test]
    fn a_witness_follows_one_history(steps in proptest::collection::vec((0_u64..80, 0_u64..80, any::<bool>()), 1..12)) {
        let mut state = Held::nothing();
        let mut history = RightEdge::empty();
        for (size, fork_at, forked) in steps {
            let new = if forked { tree(size, fork_at, "forked") } else { tree(size, size, "") };
            let old = state.size.min(size);
            let signed = Checkpoint::new(ORIGIN.to_owned(), size, new.edge().root()).sign(&log());
            let proof = consistency_proof(&new, old, size).unwrap();
            match decided(&state, &request(old, &proof, &signed)) {
                Ok(next) => {
                    // What it held is the beginning of what it holds.
                    prop_assert!(next.size >= state.size);
                    let leaves: Vec<_> = (0..size).collect();
                    let mut prefix = RightEdge::empty();
                    for index in leaves.iter().take(usize::try_from(state.size).unwrap()) {
                        let text = if forked && *index >= fork_at { "forked" } else { "entry" };
                        prefix.push(leaf_hash(format!("{text} {index}").as_bytes()));
                    }
                    prop_assert_eq!(prefix.root(), history.root());
                    history = new.edge().clone();
                    state = next;
                }
                Err(refused) => prop_assert!(matches!(refused.status(), 409 | 422), "{:?}", refused),
            }
        }
    }

    #[test]
    fn requests_survive_the_wire(old in 0_u64..40, more in 0_u64..40) {
        let new = old + more;
        let signed = head(new).sign(&log());
        let read = request(old, &proof(old, new), &signed);
        prop_assert_eq!(read.old, old);
        prop_assert_eq!(&read.proof, &proof(old, new));
        prop_assert_eq!(decided(&held(old), &read), Ok(held(new)));
    }

    #[test]
    fn nothing_panics(bytes: Vec<u8>, at in 0_usize..400, byte: u8) {
        let _ = AddCheckpoint::parse(&bytes);
        let _ = read_conflict(&bytes);
        let mut body = format_add_checkpoint(3, &proof(3, 7), &head(7).sign(&log())).into_bytes();
        let at = at % body.len();
        let same = body[at] == byte;
        body[at] = byte;
        if let Ok(changed) = AddCheckpoint::parse(&body) {
            // No changed byte of a request is cosigned as the original head, unless it changed nothing that counts.
            let accepted = decided(&held(3), &changed);
            prop_assert!(same || accepted.is_err() || accepted == Ok(held(7)));
        }
    }
}
