//! Runs for hours, whose last result is committed under `docs/measured/` with machine, date, commit and seed.

use std::path::Path;

use clap::ValueEnum;

use crate::bench::write;
use crate::fuzz;
use crate::machine::Machine;
use crate::mutants::{self, Order};
use crate::report::Report;
use crate::run::{Step, run};

/// The long runs.
#[derive(Clone, Copy, ValueEnum)]
pub enum Name {
    /// Every fuzz target, an hour each unless told otherwise
    Fuzz,
    /// Every mutant of the proof core; goes on where it stopped
    Mutants,
    /// kill -9 under load, 10,000 times unless told otherwise
    Kill,
}

/// Seconds a target.
const FUZZ_SECS: u64 = 3_600;
/// Deaths of the ledger.
const KILL_ROUNDS: u64 = 10_000;

/// Runs one; `amount` is seconds a target (fuzz) or rounds (kill).
pub fn long(root: &Path, report: &mut Report, name: Name, amount: Option<u64>) -> Result<(), String> {
    match name {
        Name::Fuzz => fuzz(root, report, amount.unwrap_or(FUZZ_SECS)),
        Name::Mutants => {
            let order = Order { shard: None, resume: true, files: Vec::new(), secs_max: amount };
            mutants::mutants(root, report, &order)
        }
        Name::Kill => kill(root, report, amount.unwrap_or(KILL_ROUNDS)),
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
    let arguments = ["test", "--release", "--locked", "--package", "killick-ledger", "--test", "kill"];
    let step = Step::cargo("kill -9", &arguments).env("KILLICK_KILL_ROUNDS", rounds.to_string());
    run(root, report, &step)?;
    let page = format!(
        "# kill -9 of the ledger, the last long run\n\nWritten by `cargo xtask long kill`. {}\n\n{rounds} times the ledger \
         was killed under load and opened again: no acknowledged entry was lost, and the log verified each time. When it \
         is killed follows from the machine's own timing: there is no seed.\n",
        machine.line()
    );
    write(root, "kill.md", &page)
}
