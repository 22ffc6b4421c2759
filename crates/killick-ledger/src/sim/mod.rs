//! The deterministic simulator of crashes: the real committer, publisher and recovery over a disk in memory, in one
//! thread, and a model of what must then be true. A run follows from one seed.
//!
//! # The fault model
//! What the ledger must survive, at any call to the disk, while it runs and while it recovers:
//! - **Power cut.** Of what was written to a file since its last successful sync, any sectors (512 bytes) survive, each
//!   as after any of its writes: torn, reordered, lost. A file's length is the old one, the new one or one between;
//!   what was never written holds zeros or anything. Of the creations, removals and renamings in a folder since its last
//!   successful sync, any survive, each by itself whole.
//! - **kill -9.** All that was written can be read by the next process, and nothing of it is durable that was not
//!   before: a power cut may still take it.
//! - **EIO** at any call, which was done, half done, or not done. After a failed sync the bytes can be read, may never
//!   reach the disk, and a second sync says that they have.
//! - **ENOSPC** at any call that changes something, once, or for all that grows until there is room again.
//! - Reads and writes that do less than asked.
//!
//! What need not be survived: a disk that loses what it has acknowledged, changes bytes at rest without an error
//! (checksums and proofs show it: `tests/bad_input.rs`), or tears a sector; a file system that loses unrelated names.
//!
//! # What must hold
//! After every restart the ledger opens by itself (unless it still has no room), and: every acknowledged entry is there,
//! at its index; of the commit that was under way all entries are there or none; the log verifies; all heads that anybody
//! could have seen, from receipts and from the folder, are of one history; the keys of whom entries are about are
//! there, and those that were erased are not; segments do not pile up.

mod disk;
mod run;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::fault::{Rule, with_broken};
use crate::sim::run::{Tally, run};

/// Crash points of an ordinary test run; `KILLICK_CRASH_POINTS` asks for more (`cargo xtask long crash`).
const CRASH_POINTS: u64 = 20_000;
/// Crash points within which each broken rule has to be found.
const CONTROL_POINTS: u64 = 60_000;

/// `KILLICK_SEED`, or one that is new each time.
fn seed() -> u64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    std::env::var("KILLICK_SEED").map_or_else(|_| now(), |seed| seed.parse().unwrap())
}

#[test]
fn no_crash_loses_splits_or_forks_anything() {
    let points = std::env::var("KILLICK_CRASH_POINTS").map_or(CRASH_POINTS, |points| points.parse().unwrap());
    let first = seed();
    println!("KILLICK_SEED={first}");
    let (runs, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let tally = std::thread::scope(|scope| {
        let work = || {
            let mut tally = Tally::default();
            while done.load(Ordering::Relaxed) < points {
                let seed = first.wrapping_add(runs.fetch_add(1, Ordering::Relaxed));
                match run(seed) {
                    Ok(one) => {
                        done.fetch_add(one.points(), Ordering::Relaxed);
                        tally.add(&one);
                    }
                    Err(problem) => panic!("{problem}\nKILLICK_SEED={seed} shows it again"),
                }
            }
            tally
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut sum = Tally::default();
        running.into_iter().for_each(|thread| sum.add(&thread.join().expect("see above")));
        sum
    });
    println!("{} runs, {tally}", runs.into_inner());
    assert!(tally.is_varied(), "some kind of trouble never came: {tally}");
}

#[test]
fn a_run_follows_from_its_seed() {
    for seed in 0..20 {
        let (first, second) = (run(seed).unwrap(), run(seed).unwrap());
        assert_eq!(first, second, "seed {seed}");
    }
}

/// Breaks a rule and looks for a seed that shows it.
#[track_caller]
fn is_found(rule: Rule) {
    let found = with_broken(rule, || {
        let (mut points, mut seed) = (0, 0);
        while points < CONTROL_POINTS {
            match run(seed) {
                Ok(tally) => points += tally.points(),
                Err(problem) => return Some((problem, points)),
            }
            seed += 1;
        }
        None
    });
    let (problem, points) = found.unwrap_or_else(|| panic!("{rule:?} broken, and nothing is found"));
    println!("{rule:?}: found after {points} crash points: {problem}");
}

macro_rules! controls {
    ($($name:ident: $rule:ident,)*) => {
        $(
            #[test]
            fn $name() {
                is_found(Rule::$rule);
            }
        )*
    };
}

controls! {
    a_journal_that_is_not_synced_is_found: JournalBeforeAnswer,
    keys_written_after_their_entry_are_found: KeysBeforeJournal,
    tiles_that_are_not_synced_are_found: TileBytesBeforeName,
    tile_folders_that_are_not_synced_are_found: TileNamesBeforeCheckpoint,
    a_checkpoint_before_its_tiles_is_found: CheckpointLast,
    a_segment_freed_before_its_tiles_is_found: PublishedBeforeReuse,
    a_record_without_its_checksum_is_found: RecordChecksum,
    a_segment_that_is_not_synced_is_found: SegmentBeforeRecords,
    signing_over_what_is_in_memory_only_is_found: ReplayedBeforeSigned,
    a_found_checkpoint_in_memory_only_is_found: FoundCheckpointDurable,
    a_found_spare_in_memory_only_is_found: FoundSparesDurable,
    found_keys_in_memory_only_are_found: FoundKeysDurable,
    a_found_folder_in_memory_only_is_found: FoundFolderDurable,
    a_second_sync_after_an_error_is_found: SyncErrorIsFinal,
}
