//! Runs for hours, whose last result is committed under `docs/measured/` with machine, date, commit and seed.

use std::path::Path;
use std::time::Instant;

use clap::ValueEnum;

use crate::bench::write;
use crate::fuzz;
use crate::machine::Machine;
use crate::mutants::{self, Order};
use crate::oracles;
use crate::report::Report;
use crate::run::{self, Step};

/// The long runs.
#[derive(Clone, Copy, ValueEnum)]
pub enum Name {
    /// Every fuzz target, an hour each unless told otherwise
    Fuzz,
    /// Every mutant of the proof core; goes on where it stopped
    Mutants,
    /// kill -9 under load, 10,000 times unless told otherwise
    Kill,
    /// Changes of a log against three verifiers, 10,000 unless told otherwise
    Mutations,
    /// Simulated crashes of the log, 1,000,000 unless told otherwise
    Crash,
}

/// Seconds a target.
const FUZZ_SECS: u64 = 3_600;
/// Deaths of the ledger.
const KILL_ROUNDS: u64 = 10_000;
/// Changes of a log.
const MUTATIONS: u64 = 10_000;

/// Simulated crashes.
const CRASH_POINTS: u64 = 1_000_000;

/// Runs one; `amount` is seconds a target (fuzz), rounds (kill), changes (mutations) or crash points (crash).
pub fn long(root: &Path, report: &mut Report, name: Name, amount: Option<u64>) -> Result<(), String> {
    match name {
        Name::Fuzz => fuzz(root, report, amount.unwrap_or(FUZZ_SECS)),
        Name::Mutants => {
            let order = Order { shard: None, resume: true, files: Vec::new(), secs_max: amount };
            mutants::mutants(root, report, &order)
        }
        Name::Kill => kill(root, report, amount.unwrap_or(KILL_ROUNDS)),
        Name::Mutations => mutations(root, report, amount.unwrap_or(MUTATIONS)),
        Name::Crash => crash(root, report, amount.unwrap_or(CRASH_POINTS)),
    }
}

fn fuzz(root: &Path, report: &mut Report, secs: u64) -> Result<(), String> {
    let machine = Machine::here(root);
    let outcomes = fuzz::fuzz(root, report, None, secs)?;
    let mut page = format!(
        "# Fuzzing, the last long run\n\nWritten by `cargo xtask long fuzz`, {secs} s a target; nothing was found. {}\n\n\
         | target | inputs | edges covered | seed |\n| --- | ---: | ---: | --- |\n",
        machine.line()
    );
    for outcome in outcomes {
        page.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            outcome.target, outcome.executions, outcome.coverage, outcome.seed
        ));
    }
    write(root, "fuzz.md", &page)
}

fn kill(root: &Path, report: &mut Report, rounds: u64) -> Result<(), String> {
    let machine = Machine::here(root);
    let started = Instant::now();
    let arguments = ["test", "--release", "--locked", "--package", "killick-ledger", "--test", "kill"];
    let step = Step::cargo("kill -9", &[&arguments[..], &["--", "--nocapture"]].concat())
        .env("KILLICK_KILL_ROUNDS", rounds.to_string());
    let lines = run::last_lines(root, report, &step, &["KILLICK_SEED=", " kills, "])?;
    let page = format!(
        "# kill -9 of the ledger, the last long run\n\nWritten by `cargo xtask long kill`. {}\n\nA child writes to a log \
         as fast as it can and is killed, under load or while it opens; then the log is opened and verified. When it \
         is killed follows from the seed and from the machine's own timing.\n\n```\n{}\n```\n\n{} s.\n",
        machine.line(),
        lines.join("\n"),
        started.elapsed().as_secs()
    );
    write(root, "kill.md", &page)
}

fn mutations(root: &Path, report: &mut Report, count: u64) -> Result<(), String> {
    let machine = Machine::here(root);
    let table = oracles::target(root).join("mutations.md");
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = seed.map_or(0, |elapsed| elapsed.as_secs());
    let arguments = ["test", "--release", "--locked", "--package", "killick-tlog", "--test", "strangers"];
    let mut step = Step::cargo("mutations of a log", &arguments)
        .env("KILLICK_SEED", seed.to_string())
        .env("KILLICK_MUTATIONS", count.to_string())
        .env("KILLICK_MUTATIONS_TABLE", table.to_string_lossy().into_owned())
        .env("KILLICK_NO_SKIP", "1".to_owned());
    for (name, value) in oracles::environment(root) {
        step = step.env(name, value);
    }
    run::run(root, report, &step)?;
    let counts = std::fs::read_to_string(&table)
        .map_err(|error| format!("cannot read {}: {error}", table.display()))?;
    let page = format!(
        "# Changes of a log, the last long run\n\nWritten by `cargo xtask long mutations`, seed {seed} (`KILLICK_SEED` repeats \
         it). {}\n\n{count} changes of a log of 600 entries, each given to three verifiers with the last checkpoint seen and the \
         keys of two witnesses who have to have cosigned: `killick log verify`'s own code, `tools/verify_log.py`, and \
         `tests/oracle/go/verify_log.go` on Go's libraries for the checksum database. All three refused every change of a \
         byte that the checkpoint commits to, and accepted what is marked `ok`. Ours and the Python verifier gave the same \
         diagnosis each time, the one in the table. Go's library does not know the time of entries and reads base64 \
         loosely: changes of signature lines and of time are not asked of it.\n\n{counts}",
        machine.line()
    );
    write(root, "log-mutations.md", &page)
}

fn crash(root: &Path, report: &mut Report, points: u64) -> Result<(), String> {
    let machine = Machine::here(root);
    let started = Instant::now();
    let test = "sim::no_crash_loses_splits_or_forks_anything";
    let arguments = ["test", "--release", "--locked", "--package", "killick-ledger", "--lib"];
    let step =
        Step::cargo("simulated crashes", &[&arguments[..], &["--", "--exact", test, "--nocapture"]].concat())
            .env("KILLICK_CRASH_POINTS", points.to_string());
    let lines = run::last_lines(root, report, &step, &["KILLICK_SEED=", " crash points "])?;
    let page = format!(
        "# Simulated crashes of the ledger, the last long run\n\nWritten by `cargo xtask long crash`. {}\n\nThe fault \
         model and what must hold after each crash are in `crates/killick-ledger/src/sim/mod.rs`. No acknowledged entry \
         was lost, no commit was there in part, no two heads disagreed, and each log opened and verified.\n\n\
         ```\n{}\n```\n\n{} s. The seed repeats the run; beside it, every run of the tests makes its own.\n",
        machine.line(),
        lines.join("\n"),
        started.elapsed().as_secs()
    );
    write(root, "crash.md", &page)
}
