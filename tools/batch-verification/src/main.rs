//! What batch verification of Ed25519 would save, and whether it accepts what single strict verification accepts.
//! The figures and the choice stand in `docs/adr/0006-no-batch-verification.md`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey, verify_batch};
use killick_proof::keys::{PublicKey, sha256};

/// Bytes of a token's signing input: a link with a handful of tools.
const MESSAGE_BYTES: usize = 700;
const ROUNDS: usize = 400;

struct Signed {
    message: Vec<u8>,
    signature: Signature,
    dalek: VerifyingKey,
    ours: PublicKey,
}

fn signed(number: u32) -> Signed {
    let key = SigningKey::from_bytes(&sha256(&number.to_be_bytes()));
    let message = sha256(&number.to_le_bytes()).repeat(MESSAGE_BYTES / 32);
    let dalek = key.verifying_key();
    Signed {
        signature: key.sign(&message),
        message,
        dalek,
        ours: PublicKey::from_bytes(dalek.to_bytes()).expect("a key"),
    }
}

/// The quickest of many rounds: what the machine can do when nobody else is on it.
fn quickest(mut round: impl FnMut()) -> Duration {
    (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn main() {
    let all: Vec<Signed> = (0..64).map(signed).collect();
    println!("| signatures | single, aws-lc-rs | single, dalek strict | batch, dalek | batch and torsion checks |");
    println!("|---|---|---|---|---|");
    for count in [1_usize, 2, 3, 4, 8, 16, 32, 64] {
        let some = &all[..count];
        let single = quickest(|| {
            for one in some {
                assert!(black_box(one.ours.verifies(&one.message, &one.signature.to_bytes())));
            }
        });
        let dalek = quickest(|| {
            for one in some {
                assert!(black_box(one.dalek.verify_strict(&one.message, &one.signature)).is_ok());
            }
        });
        let messages: Vec<&[u8]> = some.iter().map(|one| one.message.as_slice()).collect();
        let signatures: Vec<Signature> = some.iter().map(|one| one.signature).collect();
        let keys: Vec<VerifyingKey> = some.iter().map(|one| one.dalek).collect();
        let batch = quickest(|| assert!(verify_batch(&messages, &signatures, &keys).is_ok()));
        // What makes the batch's acceptance that of single verification: A and R without a small component. A could be
        // looked at once per key, R belongs to the signature.
        let checked = quickest(|| {
            for one in some {
                let r = VerifyingKey::from_bytes(one.signature.r_bytes()).expect("a point");
                assert!(black_box(r.to_edwards().is_torsion_free()));
            }
            assert!(verify_batch(&messages, &signatures, &keys).is_ok());
        });
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
        println!(
            "| {count} | {:.1} µs | {:.1} µs | {:.1} µs | {:.1} µs |",
            each(single),
            each(dalek),
            each(batch),
            each(checked)
        );
    }
    acceptance(&all);
}

/// Signatures that hold with the cofactor only (speccheck 4 and 5), put beside valid ones.
fn acceptance(all: &[Signed]) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/speccheck/cases.json");
    let cases: serde_json::Value = serde_json::from_slice(&std::fs::read(file).expect("vectors")).expect("JSON");
    for index in [4, 5] {
        let case = &cases[index];
        let bytes = |name: &str| {
            let text = case[name].as_str().expect("hex");
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
        };
        let (message, key, signature): (Vec<u8>, Vec<u8>, Vec<u8>) =
            (bytes("message"), bytes("pub_key"), bytes("signature"));
        let ours = PublicKey::from_bytes(key.as_slice().try_into().expect("32")).expect("a key of more than small order");
        let key = VerifyingKey::from_bytes(key.as_slice().try_into().expect("32")).expect("a point");
        let signature = Signature::from_slice(&signature).expect("64 bytes");
        let single = ours.verifies(&message, &signature.to_bytes());
        let dalek = key.verify(&message, &signature).is_ok();
        let mut accepted = 0;
        for beside in all {
            let messages = [message.as_slice(), beside.message.as_slice()];
            accepted += usize::from(verify_batch(&messages, &[signature, beside.signature], &[key, beside.dalek]).is_ok());
        }
        println!(
            "speccheck {index}: single aws-lc-rs {single}, single dalek {dalek}, in a batch with another accepted {accepted} of {} times",
            all.len()
        );
    }
}
