//! The committed corpus of the fuzz targets (`fuzz/corpus/TARGET/`), replayed by the ordinary test run through the same
//! entry functions, `fuzz/src/`. Run with `KILLICK_WRITE=1` to write the seeds that are made from the vectors anew.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]

#[path = "../../../../fuzz/src/lib.rs"]
mod fuzz;
mod seeds;

use std::path::{Path, PathBuf};

/// Bytes of the whole corpus: it is read by every test run and every clone.
const CORPUS_BYTES_MAX: u64 = 500_000;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(corpus().join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Every input holds what its target asserts; and every target's corpus gets to both verdicts, for one that is only
/// ever refused at the first byte would show nothing.
#[test]
fn every_input_of_the_corpus_holds_what_its_target_asserts() {
    if std::env::var_os("KILLICK_WRITE").is_some() {
        seeds::write(&corpus());
    }
    for (target, run) in fuzz::TARGETS {
        let mut verdicts = [0, 0];
        for file in inputs(target) {
            let data = std::fs::read(&file).unwrap();
            let outcome = std::panic::catch_unwind(|| run(&data));
            let accepted =
                outcome.unwrap_or_else(|_| panic!("this input broke an assertion: {}", file.display()));
            verdicts[usize::from(accepted)] += 1;
        }
        println!("{target}: {} refused, {} accepted", verdicts[0], verdicts[1]);
        assert!(verdicts[0] >= 3 && verdicts[1] >= 3, "{target}: {verdicts:?}");
    }
}

#[test]
fn the_corpus_is_small_and_every_folder_is_a_targets() {
    let mut bytes = 0;
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(fuzz::TARGETS.iter().any(|(target, _)| *target == name), "{name} is no target");
        bytes += inputs(&name).iter().map(|file| file.metadata().unwrap().len()).sum::<u64>();
    }
    assert!(bytes <= CORPUS_BYTES_MAX, "{bytes} bytes");
}
