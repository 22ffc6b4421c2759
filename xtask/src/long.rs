//! Runs for hours, whose last result is committed under `docs/measured/` with machine, date, commit and seed.

use std::path::Path;
use std::time::Instant;

use clap::ValueEnum;

use crate::bench::write;
use crate::fuzz;
use crate::machine::Machine;
use crate::mutants::{self, Order};
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
    /// Simulated crashes of the log, 1,000,000 unless told otherwise
    Crash,
}

/// Seconds a target.
const FUZZ_SECS: u64 = 3_600;
/// Deaths of the ledger.
const KILL_ROUNDS: u64 = 10_000;
/// Simulated crashes.
const CRASH_POINTS: u64 = 1_000_000;

/// Runs one; `amount` is seconds a target (fuzz), rounds (kill) or crash points (crash).
pub fn long(root: &Path, report: &mut Report, name: Name, amount: Option<u64>) -> Result<(), String> {
    match name {
        Name::Fuzz => fuzz(root, report, amount.unwrap_or(FUZZ_SECS)),
        Name::Mutants => {
            let order = Order { shard: None, resume: true, files: Vec::new(), secs_max: amount };
            mutants::mutants(root, report, &order)
        }
        Name::Kill => kill(root, report, amount.unwrap_or(KILL_ROUNDS)),
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
