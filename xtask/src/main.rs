//! Every task of the repository. `cargo xtask check` is what the README names and what CI runs.
//!
//! `cargo xtask check` sets up what the tests need (Debian packages, Python and Node oracles in `target/oracles`), then runs
//! formatting, lints, dependency checks and every test, and says plainly what it skipped and why. With `CI=true`
//! nothing may be skipped: what would be skipped is then an error.

mod bench;
mod bench_ledger;
mod fuzz;
mod long;
mod machine;
mod mutants;
mod oracles;
mod report;
mod run;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

use crate::report::Report;
use crate::run::{Step, run};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Every task of the repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Set up, format check, lints, dependency checks, every test: what CI runs
    Check,
    /// Install what the tests need: Debian packages, Python, Node and Go oracles
    Setup,
    /// rustfmt, clippy and the documentation's own lints
    Lint,
    /// Licences, sources, duplicate stacks and, where its database can be had, advisories
    Deny,
    /// Every test, those that need an oracle included
    Test,
    /// The tests of the build in which a defence can be switched off
    Fault,
    /// Run the pilot and write its recording to docs/pilot.txt
    RecordPilot,
    /// Fuzz what strangers send: every target or one
    Fuzz {
        /// One of fuzz/fuzz_targets
        target: Option<String>,
        /// Seconds for each target
        #[arg(long, default_value_t = 60)]
        secs: u64,
        /// Afterwards add what was found, as few inputs as cover it, to the committed corpus
        #[arg(long)]
        keep: bool,
    },
    /// Mutation testing of the proof core; writes docs/measured/mutants.md
    Mutants {
        /// This part of all mutants, `k/n` with k from 0
        #[arg(long)]
        shard: Option<String>,
        /// Skip what a former run has settled
        #[arg(long)]
        resume: bool,
        /// Only this file, as a path below crates/killick-proof/src; may be given again
        #[arg(long)]
        file: Vec<String>,
        /// Stop after so many seconds
        #[arg(long)]
        secs: Option<u64>,
        /// Only what changed since the commit before, at most 3 minutes: what CI does
        #[arg(long, conflicts_with_all = ["shard", "resume", "file", "secs"])]
        diff: bool,
    },
    /// Benches with goals; writes docs/measured/bench-NAME; fails when a goal is missed
    Bench {
        /// Which one
        name: Bench,
        /// Entries at the peak of the ledger's bench; 10000000 takes minutes and 12 GB
        #[arg(long, default_value_t = 100_000)]
        entries: u64,
    },
    /// Runs for hours; the last result is kept under docs/measured
    Long {
        /// Which one
        name: long::Name,
        /// Seconds a fuzz target, seconds of mutants, rounds of kill, mutations of a log, or crash points
        #[arg(long)]
        amount: Option<u64>,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Bench {
    /// The proof core: requests, chains, constraints
    Proof,
    /// The log's mathematics: offline verification, proofs
    Tlog,
    /// The ledger beside SQLite, PostgreSQL and the bare disk
    Ledger,
}

fn main() -> ExitCode {
    let task = Arguments::parse().task;
    let root = root();
    let started = Instant::now();
    let mut report = Report::new(std::env::var_os("CI").is_some_and(|value| value == "true"));
    let outcome = match task {
        Task::Check => check(&root, &mut report),
        Task::Setup => oracles::set_up(&root, &mut report),
        Task::Lint => lint(&root, &mut report),
        Task::Deny => deny(&root, &mut report),
        Task::Test => test(&root, &mut report),
        Task::Fault => fault(&root, &mut report),
        Task::RecordPilot => record_pilot(&root, &mut report),
        Task::Fuzz { target, secs, keep } => {
            let outcome = fuzz::fuzz(&root, &mut report, target.as_deref(), secs).map(drop);
            if keep {
                outcome.and_then(|()| fuzz::keep(&root, &mut report, target.as_deref()))
            } else {
                outcome
            }
        }
        Task::Mutants { diff: true, .. } => mutants::on_the_diff(&root, &mut report),
        Task::Mutants { shard, resume, file, secs, .. } => {
            let order = mutants::Order { shard, resume, files: file, secs_max: secs };
            mutants::mutants(&root, &mut report, &order)
        }
        Task::Bench { name: Bench::Proof, .. } => bench::proof(&root, &mut report),
        Task::Bench { name: Bench::Tlog, .. } => bench::tlog(&root, &mut report),
        Task::Bench { name: Bench::Ledger, entries } => bench_ledger::ledger(&root, &mut report, entries),
        Task::Long { name, amount } => long::long(&root, &mut report, name, amount),
    };
    report.finish(outcome, started.elapsed())
}

/// The repository's root: xtask's own folder is one below it.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

fn check(root: &Path, report: &mut Report) -> Result<(), String> {
    oracles::set_up(root, report)?;
    lint(root, report)?;
    deny(root, report)?;
    test(root, report)?;
    fault(root, report)?;
    fuzz::fuzz(root, report, None, FUZZ_SECS)?;
    mutants::on_the_diff(root, report)
}

/// Seconds for each fuzz target in the check: enough to notice what broke; `cargo xtask long fuzz` is for the rest.
const FUZZ_SECS: u64 = 10;

fn lint(root: &Path, report: &mut Report) -> Result<(), String> {
    run(root, report, &Step::cargo("format", &["fmt", "--all", "--check"]))?;
    run(
        root,
        report,
        &Step::cargo(
            "clippy",
            &["clippy", "--release", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
        ),
    )
}

/// `cargo deny` from the Python package that ships its binary. The advisory database lies on a host that not every
/// machine reaches: where it can't be had that is printed, the one gap that is allowed.
fn deny(root: &Path, report: &mut Report) -> Result<(), String> {
    let Some(deny) = oracles::cargo_deny(root) else {
        return report.skip("cargo deny", "the oracles are not set up: cargo xtask setup");
    };
    let deny = deny.to_string_lossy().into_owned();
    run(
        root,
        report,
        &Step::new("dependencies", &deny, &["--locked", "check", "bans", "licenses", "sources"]),
    )?;
    let advisories = Step::new("advisories", &deny, &["--locked", "check", "advisories"]);
    if let Err(problem) = run::quietly(root, &advisories) {
        if !problem.contains("failed to fetch advisory database") {
            return Err(problem);
        }
        report.note(format!(
            "advisories: the database could not be had here; last checked {}",
            std::fs::read_to_string(root.join("docs/measured/advisories.txt"))
                .unwrap_or_else(|_| "never".into())
                .trim()
        ));
    }
    Ok(())
}

/// Every test. Those that are held against an independent implementation find its Python in `KILLICK_ORACLE_PYTHON`, its
/// Node in `KILLICK_ORACLE_NODE`, its npm packages in `KILLICK_ORACLE_NODE_FOLDER` and its Go program in
/// `KILLICK_ORACLE_GO`; with `KILLICK_NO_SKIP` a test that cannot do its work fails instead of saying so.
fn test(root: &Path, report: &mut Report) -> Result<(), String> {
    let mut step = Step::cargo("tests", &["test", "--release", "--workspace", "--locked", "--no-fail-fast"]);
    let found = oracles::environment(root);
    for (name, what) in [
        ("KILLICK_ORACLE_PYTHON", "the Python oracles"),
        ("KILLICK_ORACLE_NODE", "the Node oracles"),
        ("KILLICK_ORACLE_GO", "the Go oracle"),
    ] {
        if !found.iter().any(|(found, _)| *found == name) {
            report.skip(&format!("comparison with {what}"), "not set up: cargo xtask setup")?;
        }
    }
    for (name, value) in found {
        step = step.env(name, value);
    }
    if report.is_strict() {
        step = step.env("KILLICK_NO_SKIP", "1".to_owned());
    }
    run(root, report, &step)
}

/// Built into a target folder of its own, so that no shipped binary can be mistaken for it. What the ordinary build
/// compiled is there: only the crates that know the feature are compiled again.
fn fault(root: &Path, report: &mut Report) -> Result<(), String> {
    let own = run::copy_of_build(root, report, "fault-injection")?.to_string_lossy().into_owned();
    let feature = ["--features", "fault-injection", "--target-dir", &own];
    for (package, test) in
        [("killick-decide", "fault"), ("killick-gateway", "gateway"), ("killick", "fault_injection")]
    {
        let mut arguments = vec!["test", "--release", "--locked", "--package", package, "--test", test];
        arguments.extend(feature);
        run(root, report, &Step::cargo(&format!("{package} with defences off"), &arguments))?;
    }
    Ok(())
}

/// Runs the pilot as a newcomer does, in a folder of its own, so that the recording names no path of this machine.
fn record_pilot(root: &Path, report: &mut Report) -> Result<(), String> {
    run(root, report, &Step::cargo("build", &["build", "--release", "--locked", "--package", "killick"]))?;
    let folder = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
    let program = oracles::target(root).join("release/killick").to_string_lossy().into_owned();
    let recording = root.join("docs/pilot.txt").to_string_lossy().into_owned();
    run(
        folder.path(),
        report,
        &Step::new("pilot", &program, &["pilot", "--seed", "7", "--record", &recording]),
    )
}
