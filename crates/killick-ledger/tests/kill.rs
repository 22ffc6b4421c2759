//! kill -9 under load: no acknowledged entry is ever lost. The test binary starts itself as the child that is killed.
//! When, follows from a seed that is printed (`KILLICK_SEED` repeats it) and from the machine's own timing.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use killick_ledger::{Ledger, LedgerConfig, LogFolder};
use killick_tlog::receipt::Receipt;
use killick_tlog::verify::{Trust, verify_log};
use killick_tlog::{Entry, Seal};

const CHILD: &str = "KILLICK_TEST_KILLED_CHILD";
/// Deaths in an ordinary test run; `KILLICK_KILL_ROUNDS` asks for more (`cargo xtask long kill`).
const ROUNDS: u64 = 100;
/// Deaths that one log lives through. Each is followed by the verification of the whole log, which grows.
const ROUNDS_PER_LOG: u64 = 20;
/// Callers that wait for their entries at the same time.
const TASKS: u64 = 8;
/// A child that is killed under load dies within so many microseconds of its first acknowledgements: beyond the
/// publisher's period of 200 ms, so that the kill meets every one of its steps.
const UNDER_LOAD_US: u64 = 260_000;
/// A child that is killed while it opens dies within so many microseconds of its start.
const OPENING_US: u64 = 40_000;

/// A text, and the subject that it is about.
struct Text(String, String);

impl Entry for Text {
    fn encode(&self, seal: &dyn Seal, _: &str) -> Vec<u8> {
        format!("{} {}", self.0, seal.pseudonym(&self.1)).into_bytes()
    }
}

fn config(folder: &Path) -> LedgerConfig {
    LedgerConfig {
        log_dir: folder.join("log"),
        state_dir: folder.join("log-state"),
        origin: "test.example/killed".to_owned(),
        seed: [3; 32],
        build: "killick test".to_owned(),
    }
}

/// The child: its tasks submit as fast as they can; each acknowledgement is a line `index text`.
async fn write_until_killed(folder: PathBuf) {
    let ledger = Ledger::open(config(&folder)).await.unwrap();
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let ledger = ledger.clone();
        tasks.push(tokio::spawn(async move {
            for number in 0.. {
                let text = format!("{}-{task}-{number}", std::process::id());
                // Now and then a new subject, so that keys are written under load.
                let subject = format!("{}-{}", std::process::id(), number / 64);
                let record = ledger.submit(Text(text, subject)).unwrap().durable().await.unwrap();
                let head =
                    Receipt::parse(&record.receipt()).unwrap().checkpoint().note().text().replace('\n', ",");
                let line = format!("{} {} {head}\n", record.index(), record.entry().0);
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn kill_9_loses_nothing_that_was_acknowledged() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Some(folder) = std::env::var_os(CHILD) {
        return runtime.block_on(write_until_killed(folder.into()));
    }
    let rounds = std::env::var("KILLICK_KILL_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut seed = std::env::var("KILLICK_SEED").map_or_else(|_| now(), |seed| seed.parse().unwrap());
    println!("KILLICK_SEED={seed}");
    let mut folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    let mut total = 0;
    for round in 0..rounds {
        if round > 0 && round % ROUNDS_PER_LOG == 0 {
            folder = tempfile::tempdir().unwrap();
            acknowledged.clear();
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill_9_loses_nothing_that_was_acknowledged", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (first, started) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut lines = Vec::new();
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                lines.push(String::from_utf8(line).unwrap());
                if lines.len() == 10 {
                    let _ = first.send(()); // nobody listens when it is killed while it opens
                }
            }
            lines
        });
        let under_load = draw(&mut seed, 4) > 0;
        if under_load {
            started.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        let wait = draw(&mut seed, if under_load { UNDER_LOAD_US } else { OPENING_US });
        std::thread::sleep(Duration::from_micros(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        // A last line that was cut off counts for nothing: a whole one has four parts.
        let before = acknowledged.len();
        for line in reader.join().unwrap() {
            let mut parts = line.split(' ');
            let (index, text, head) = (parts.next(), parts.next(), parts.next());
            let index = index.and_then(|index| index.parse().ok());
            if let (Some(index), Some(text), Some(head)) = (index, text, head)
                && head.ends_with("=,")
            {
                acknowledged.push((index, text.to_owned()));
            }
        }
        let new = acknowledged.len() - before;
        total += new;
        println!("round {round}: {new} acknowledged, killed after {wait} us, under load: {under_load}");
        assert!(new > 0 || !under_load, "the child did nothing");

        let vkey = runtime.block_on(async {
            let ledger = Ledger::open(config(folder.path())).await.unwrap();
            let vkey = ledger.vkey();
            ledger.close().await.unwrap();
            vkey
        });
        let trust = Trust::of_key(killick_tlog::note::VerifierKey::parse(&vkey).unwrap());
        let mut entries = Vec::new();
        let reader = LogFolder::new(folder.path().join("log"));
        let log = verify_log(&reader, Some(&trust), &mut |_, entry| {
            entries.push(String::from_utf8_lossy(entry).into_owned());
        });
        log.unwrap();
        for (index, text) in &acknowledged {
            let entry = entries.get(usize::try_from(*index).unwrap()).map(String::as_str).unwrap_or_default();
            assert_eq!(entry.split(' ').next(), Some(text.as_str()), "entry {index}");
        }
    }
    println!("{rounds} kills, {total} entries acknowledged, none lost");
}

/// One of `0..end` (SplitMix64).
fn draw(seed: &mut u64, end: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % end
}
