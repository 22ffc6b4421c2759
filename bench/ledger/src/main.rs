//! `cargo xtask bench ledger`: durable appends of 512-byte entries, by the ledger, by SQLite, by PostgreSQL and by the
//! bare disk, in one run on one file system. Prints its progress; the last line is one JSON object with runs and goals.
//!
//! Callers and peers share the machine, as they would: `cpu_us_per_request` and `rss_bytes` of what runs in this process
//! (ledger, SQLite) include the callers; those of PostgreSQL are its server's.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench: what goes wrong ends it")]

mod floor;
mod ledger;
mod load;
mod postgres;
mod sqlite;
mod usage;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};
use tokio::runtime::{Handle, Runtime};

use crate::floor::Floor;
use crate::ledger::Killick;
use crate::load::{ENTRY_BYTES, Load, Measured, Peer, run};

const CALLERS: [usize; 4] = [1, 64, 512, 4_096];
/// Entries under way at the peak: nearly as many as the ledger's queue holds.
const PEAK: Load = Load::Bulk(16, 500);
const OPEN_RATE: u64 = 5_000;
/// The size of the floor's batch: what 2,048 entries take in the journal.
const BATCH_ENTRIES: usize = 2_048;
/// Seconds at the peak from which on the memory of its quarters can be compared.
const FLAT_AFTER_SECS: f64 = 20.0;
const BATCH_BYTES: usize = BATCH_ENTRIES * (ENTRY_BYTES + 2);

/// 10^5 entries at the peak take a minute in all; `--entries 10000000` shows that nothing grows.
#[derive(Parser)]
struct Arguments {
    /// Entries of the run at the peak, and at most of each other run
    #[arg(long, default_value_t = 100_000)]
    entries: u64,
    /// Seconds of each run but the one at the peak
    #[arg(long, default_value_t = 4)]
    secs: u64,
    /// Where the files go: on the disk to be measured
    #[arg(long)]
    folder: PathBuf,
    /// Only this program's own part: append to the log in `folder` for `secs`, then die without closing it
    #[arg(long, hide = true)]
    crash: bool,
    /// Only the ledger and the floor
    #[arg(long)]
    alone: bool,
}

struct Bench {
    runtime: Handle,
    runs: Vec<Value>,
    within: Duration,
    entries: u64,
}

impl Bench {
    fn run(&mut self, name: &str, peer: &impl Peer, load: Load) -> Measured {
        self.bounded(name, peer, load, self.entries.max(self.within.as_secs() * OPEN_RATE), self.within)
    }

    fn bounded(
        &mut self,
        name: &str,
        peer: &impl Peer,
        load: Load,
        entries: u64,
        within: Duration,
    ) -> Measured {
        let measured = run(&self.runtime, peer, load, entries, within);
        let mut run = json!({
            "peer": name, "load": load.name(), "rps": measured.rps().round(), "entries": measured.entries,
            "us": { "p50": measured.p50, "p99": measured.p99, "p999": measured.p999 },
            "cpu_us_per_request": round(measured.cpu_us_per_request), "rss_bytes": measured.rss_bytes.iter().max(),
        });
        if measured.gave_up {
            run["note"] = "broken off: it does not keep up with this rate".into();
        }
        println!("{run}");
        self.runs.push(run);
        measured
    }

    fn floor(&mut self, floor: &Floor, what: &str, bytes: usize, entries: u64) -> f64 {
        let histogram = floor.run(bytes, self.within);
        let median = histogram.value_at_quantile(0.5);
        let run = json!({
            "peer": "pwrite + fdatasync", "load": what,
            "rps": (1e6 / histogram.mean() * entries as f64).round(), "entries": histogram.len() * entries,
            "us": { "p50": median, "p99": histogram.value_at_quantile(0.99), "p999": histogram.value_at_quantile(0.999) },
            "cpu_us_per_request": null, "rss_bytes": null,
        });
        println!("{run}");
        self.runs.push(run);
        median as f64
    }
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = Runtime::new().unwrap();
    if arguments.crash {
        let ledger = runtime.block_on(ledger::open(&arguments.folder));
        run(runtime.handle(), &Killick(ledger), PEAK, u64::MAX / 8, Duration::from_secs(arguments.secs));
        // No destructor runs, nothing is flushed or closed: what a kill leaves.
        std::process::abort();
    }
    std::fs::create_dir_all(&arguments.folder).unwrap();
    let folder = tempfile::tempdir_in(&arguments.folder).unwrap();
    let mut bench = Bench {
        runtime: runtime.handle().clone(),
        runs: Vec::new(),
        within: Duration::from_secs(arguments.secs),
        entries: arguments.entries,
    };
    let mut goals = Vec::new();

    let floor = Floor::new(&folder.path().join("floor"));
    let sequential = floor.sequential();
    bench.floor(&floor, "one entry at a time", ENTRY_BYTES, 1);
    bench.floor(&floor, &format!("{BATCH_ENTRIES} entries at a time"), BATCH_BYTES, BATCH_ENTRIES as u64);

    let ours = folder.path().join("killick");
    let at_512 = measure_ledger(&mut bench, &runtime, &arguments, &ours, &floor, &mut goals);
    if !arguments.alone {
        measure_sqlite(&mut bench, folder.path());
        if let Some(theirs) = measure_postgres(&mut bench, &runtime, folder.path()) {
            goals.push(goal(
                "entries/s at 512 callers, as a multiple of PostgreSQL's",
                "least",
                10.0,
                at_512 / theirs,
            ));
        } else {
            println!("PostgreSQL is not installed: cargo xtask setup");
        }
    }
    let result = json!({
        "runs": bench.runs, "goals": goals,
        "disk": {
            "sequential_bytes_per_second": sequential.round(),
            "journal_bytes": bytes_on_disk(&ours.join("log-state/journal")),
        },
    });
    println!("{result}");
}

/// The ledger's runs and goals. Its entries/s at 512 callers.
fn measure_ledger(
    bench: &mut Bench,
    runtime: &Runtime,
    arguments: &Arguments,
    folder: &Path,
    floor: &Floor,
    goals: &mut Vec<Value>,
) -> f64 {
    let log = Killick(runtime.block_on(ledger::open(folder)));
    let mut at_512 = 0.0;
    for callers in CALLERS {
        let measured = bench.run("killick", &log, Load::Callers(callers));
        if callers == 512 {
            at_512 = measured.rps();
        }
    }
    // The floor just before and just after: other things that the machine does slow both alike.
    let before = bench.floor(floor, "one entry at a time, before the fixed rate", ENTRY_BYTES, 1);
    let open = bench.run("killick", &log, Load::Open(OPEN_RATE));
    let after = bench.floor(floor, "one entry at a time, after the fixed rate", ENTRY_BYTES, 1);
    let peak = bench.bounded("killick", &log, PEAK, arguments.entries, Duration::from_secs(3_600));
    goals.push(goal("durable 512-byte entries/s at the peak", "least", 400_000.0, peak.rps()));
    let median = (before + after) / 2.0;
    let name = "p50 at 5,000/s, as a multiple of the raw fdatasync median";
    let mut ratio = goal(name, "most", 2.5, open.p50 as f64 / median);
    if (open.p50 as f64) < median {
        // Nothing is faster than what it is made of: the floor's thread has waited for a processor.
        ratio["met"] = false.into();
        ratio["note"] = "not shown: the machine was too busy for a floor".into();
    }
    goals.push(ratio);
    let [_, second, _, last] = peak.rss_bytes;
    goals.push(goal(
        "resident MiB at the peak, bounded",
        "most",
        512.0,
        *peak.rss_bytes.iter().max().unwrap() as f64 / 1_048_576.0,
    ));
    // Before, its queue and the allocator's free lists are still filling.
    if peak.secs > FLAT_AFTER_SECS {
        goals.push(goal(
            "resident bytes in the last quarter beside the second",
            "most",
            1.1,
            last as f64 / second as f64,
        ));
    }
    let size = log.0.size();
    runtime.block_on(log.0.close()).unwrap();
    drop(log);
    let bytes = bytes_on_disk(&folder.join("log"));
    let per_byte = bytes as f64 / (size * ENTRY_BYTES as u64) as f64;
    goals.push(goal("bytes on disk for each byte of entries, tiles at rest", "most", 1.35, per_byte));

    let died = Command::new(std::env::current_exe().unwrap())
        .args(["--crash", "--secs", "2", "--folder"])
        .arg(folder)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!died.success(), "it was to die");
    let started = Instant::now();
    let log = runtime.block_on(ledger::open(folder));
    let secs = started.elapsed().as_secs_f64();
    println!("{} entries after the crash, {size} before", log.size());
    goals.push(goal(&format!("seconds to start after a crash, {} entries", log.size()), "most", 2.0, secs));
    runtime.block_on(log.close()).unwrap();
    at_512
}

fn measure_sqlite(bench: &mut Bench, folder: &Path) {
    for (name, batched) in [("SQLite, a row to a commit", false), ("SQLite, batched", true)] {
        for callers in CALLERS {
            let file = folder.join(format!("{callers}-{batched}.sqlite"));
            let sqlite = bench.runtime.block_on(async { sqlite::open(&file, batched) });
            bench.run(name, &sqlite, Load::Callers(callers));
        }
        let sqlite = sqlite::open(&folder.join(format!("open-{batched}.sqlite")), batched);
        bench.run(name, &sqlite, Load::Open(OPEN_RATE));
    }
    let sqlite = sqlite::open(&folder.join("peak.sqlite"), true);
    bench.run("SQLite, batched", &sqlite, PEAK);
}

/// PostgreSQL's runs. Its entries/s at 512 callers; `None` if it is not installed.
fn measure_postgres(bench: &mut Bench, runtime: &Runtime, folder: &Path) -> Option<f64> {
    // Its own user must come through to its folder.
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    open(folder, 0o711);
    let home = folder.join("postgres");
    std::fs::create_dir(&home).unwrap();
    open(&home, 0o777);
    let server = postgres::start(&home)?;
    let name = format!("PostgreSQL {}", server.version);
    let mut at_512 = 0.0;
    for callers in CALLERS {
        let postgres = runtime.block_on(server.connect(callers));
        let measured = bench.run(&name, &postgres, Load::Callers(callers));
        if callers == 512 {
            at_512 = measured.rps();
        }
    }
    let postgres = runtime.block_on(server.connect(usize::MAX));
    bench.run(&name, &postgres, Load::Open(OPEN_RATE));
    Some(at_512)
}

fn goal(name: &str, bound: &str, goal: f64, reached: f64) -> Value {
    let met = if bound == "least" { reached >= goal } else { reached <= goal };
    let goal = json!({ "name": name, "bound": bound, "goal": goal, "reached": round(reached), "met": met });
    println!("{goal}");
    goal
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The blocks that a folder's files take, its folders included.
fn bytes_on_disk(path: &Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else { return 0 };
    let own = metadata.blocks() * 512;
    let Ok(inside) = std::fs::read_dir(path) else { return own };
    own + inside.map(|entry| bytes_on_disk(&entry.unwrap().path())).sum::<u64>()
}
