//! Three verifiers, ours and two that share no code with it, against changes of one log. Each is given the last
//! checkpoint that it has seen and the keys of the witnesses, of whom two operators have to have cosigned.
//!
//! `KILLICK_SEED` repeats a run, `KILLICK_MUTATIONS` says how many (1,000 unless told otherwise; `cargo xtask long
//! mutations` does 10,000). With `KILLICK_MUTATIONS_TABLE` the counts are written to that file.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests, which read their seed and the tools from their surroundings"
)]

mod mutation;
mod verifiers;
mod world;

use std::collections::BTreeMap;
use std::path::Path;

use killick_tlog::verify::{Trust, verify_log};
use serde_json::{Value, json};

use crate::mutation::{Base, Dice, KINDS, Mutation};
use crate::verifiers::{batch, code_of};
use crate::world::{Files, SIZE, log, log_key, trust, witnesses};

/// Operators that have to have cosigned.
const REQUIRED: usize = 2;
/// Logs on the disk at once.
const CHUNK: usize = 500;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn seed() -> u64 {
    number("KILLICK_SEED").unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
    })
}

fn ours(mutation: &Mutation, trust: &Value) -> &'static str {
    let trust = Trust::parse(&trust.to_string()).unwrap().requiring(REQUIRED);
    verify_log(&mutation.files, Some(&trust), &mut |_, _| {}).map_or_else(|error| error.code(), |_| "ok")
}

/// Writes a log; a file that the honest one has too is linked.
fn write(files: &Files, honest: &Files, honest_at: &Path, folder: &Path) {
    for (path, bytes) in files {
        let to = folder.join(path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        if honest.get(path) == Some(bytes) {
            std::fs::hard_link(honest_at.join(path), to).unwrap();
        } else {
            std::fs::write(to, bytes).unwrap();
        }
    }
    std::fs::create_dir_all(folder).unwrap();
}

#[test]
fn all_three_refuse_every_change_and_two_say_why() {
    let (seed, count) = (seed(), number("KILLICK_MUTATIONS").unwrap_or(1_000));
    println!("KILLICK_SEED={seed} KILLICK_MUTATIONS={count}");
    let mut dice = Dice(seed);
    let base = Base::new();
    let trusts: BTreeMap<usize, Value> = [500, SIZE]
        .map(|size| {
            let seen = log(&base.entries[..size], &log_key(1), &witnesses());
            (size, trust(Some(&seen["checkpoint"])))
        })
        .into();
    let mut waiting = base.controls();
    // Each kind in turn, so that none is left out.
    waiting.extend((0..count).map(|turn| base.mutate(KINDS[turn as usize % KINDS.len()], &mut dice)));

    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let folder = std::env::temp_dir().join(format!("killick-strangers-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    for (turn, chunk) in waiting.chunks(CHUNK).enumerate() {
        let here = folder.join(turn.to_string());
        write(&base.files, &Files::new(), Path::new(""), &here.join("honest"));
        let requests: Vec<Value> = (0..)
            .zip(chunk)
            .map(|(number, mutation): (usize, _)| {
                let log = here.join(number.to_string());
                write(&mutation.files, &base.files, &here.join("honest"), &log);
                json!({ "folder": log, "trust": trusts[&mutation.seen], "require_witnesses": REQUIRED })
            })
            .collect();
        let python = verifiers::python().map(|mut python| {
            python.arg("--batch");
            batch(python, &requests, &here)
        });
        let go = verifiers::go().map(|go| batch(go, &requests, &here));
        for (number, mutation) in chunk.iter().enumerate() {
            let what = format!("{}, KILLICK_SEED={seed}, {}", mutation.kind, turn * CHUNK + number);
            let code = ours(mutation, &trusts[&mutation.seen]);
            assert!(
                mutation.expected.codes.contains(&code),
                "{what}: {code}, not {:?}",
                mutation.expected.codes
            );
            if let Some(answers) = &python {
                assert_eq!(code_of(&answers[number]), code, "{what}: Python: {}", answers[number]);
            }
            if let (Some(answers), Some(refuses)) = (&go, mutation.expected.go_refuses) {
                assert_eq!(answers[number]["verified"], !refuses, "{what}: Go: {}", answers[number]);
            }
            *counts.entry((mutation.kind, code)).or_default() += 1;
        }
        std::fs::remove_dir_all(&here).unwrap();
    }
    std::fs::remove_dir_all(&folder).unwrap();
    if count as usize >= KINDS.len() {
        let had = |kind: &&str| counts.keys().any(|(had, _)| had == kind);
        assert!(KINDS.iter().all(had), "not every kind was drawn");
    }
    report(&counts);
}

fn report(counts: &BTreeMap<(&str, &str), usize>) {
    let mut table = String::from("| change | diagnosis | times |\n| --- | --- | ---: |\n");
    for ((kind, code), times) in counts {
        table.push_str(&format!("| {kind} | {code} | {times} |\n"));
    }
    println!("{table}");
    if let Some(path) = std::env::var_os("KILLICK_MUTATIONS_TABLE") {
        std::fs::write(path, table).unwrap();
    }
}
