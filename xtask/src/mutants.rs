//! Mutation testing of the proof core: each small change of a check must be noticed by a test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::bench::write;
use crate::machine::{Machine, output};
use crate::oracles;
use crate::report::{Report, line};
use crate::run::{self, Step};

/// The tool, pinned.
const VERSION: &str = "27.1.0";
/// What decides whether something is accepted: paths below `crates/killick-proof/src`.
const FILES: [&str; 12] = [
    "verified.rs",
    "chain.rs",
    "chain/**/*.rs",
    "attenuate.rs",
    "constraint.rs",
    "constraint/**/*.rs",
    "replay.rs",
    "pop.rs",
    "http_signature.rs",
    "call.rs",
    "bundle.rs",
    "token/**/*.rs",
];
/// Tests that compare with other programs take long and notice nothing that the others do not.
const SLOW: [&str; 3] = ["oracle", "differential", "corpus"];
/// Seconds that the check of a change may take.
const DIFF_SECS_MAX: u64 = 180;
/// Seconds that the tests of one mutant may take: several times what they take without one.
const TEST_SECS_MAX: &str = "120";
/// Survivors that were looked at, each with the reason why it accepts nothing more: one mutant a line, without the
/// line number, then ` # ` and the reason.
const KNOWN: &str = "docs/measured/mutants-known.txt";

/// What to mutate.
pub struct Order {
    /// `k/n`: this part of all mutants.
    pub shard: Option<String>,
    /// Skip what a former run has settled.
    pub resume: bool,
    /// Only these files, as paths below `crates/killick-proof/src`; all that decide if there are none.
    pub files: Vec<String>,
    /// Stop after so many seconds.
    pub secs_max: Option<u64>,
}

impl Order {
    /// What is mutated, in words.
    fn scope(&self) -> String {
        let files = if self.files.is_empty() { FILES.join(", ") } else { self.files.join(", ") };
        match &self.shard {
            Some(shard) => format!("part {shard}, counted from 0, of {files}"),
            None => files,
        }
    }
}

/// Runs the mutants and writes `docs/measured/mutants.md`. Errs if one survives whose reason is not known.
pub fn mutants(root: &Path, report: &mut Report, order: &Order) -> Result<(), String> {
    install(root, report)?;
    let mut extra: Vec<String> = Vec::new();
    let files: Vec<String> =
        if order.files.is_empty() { FILES.map(str::to_owned).to_vec() } else { order.files.clone() };
    for file in files {
        extra.extend(["--file".to_owned(), format!("crates/killick-proof/src/{file}")]);
    }
    if let Some(shard) = &order.shard {
        extra.extend(["--shard".to_owned(), shard.clone(), "--sharding=round-robin".to_owned()]);
    }
    if order.resume {
        extra.push("--iterate".to_owned());
    }
    let folder = folder(root, "mutants-run");
    run_tool(root, report, &folder, &extra, order.secs_max)?;
    let found = Found::read(&folder)?;
    write(root, "mutants.md", &found.page(&order.scope(), &Machine::here(root), root))?;
    found.judge(root, report)
}

/// In CI: only what changed since the commit before, for three minutes. `KILLICK_DIFF_BASE` names another base.
pub fn on_the_diff(root: &Path, report: &mut Report) -> Result<(), String> {
    let base = std::env::var("KILLICK_DIFF_BASE").unwrap_or_else(|_| "HEAD^".to_owned());
    if output(root, "git", &["rev-parse", "--verify", "--quiet", &format!("{base}^{{commit}}")]).is_empty() {
        report.note(format!(
            "mutants: there is no commit `{base}` to compare with (a shallow clone): none tested"
        ));
        return Ok(());
    }
    let diff = output(root, "git", &["diff", &base, "--", "crates/killick-proof/src"]);
    if diff.is_empty() {
        report.note(format!("mutants: the proof core is as it was at {base}: none tested"));
        return Ok(());
    }
    install(root, report)?;
    let folder = folder(root, "mutants-diff");
    let list = folder.join("mutants.out/mutants.json");
    if list.exists() {
        std::fs::remove_file(&list).map_err(|error| format!("cannot remove {}: {error}", list.display()))?;
    }
    let file = oracles::target(root).join("mutants.diff");
    std::fs::write(&file, diff + "\n")
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    // The tests of the code itself have just passed: every second is for mutants.
    let mut extra: Vec<String> =
        vec!["--baseline=skip".into(), "--in-diff".into(), file.to_string_lossy().into()];
    for file in FILES {
        extra.extend(["--file".to_owned(), format!("crates/killick-proof/src/{file}")]);
    }
    run_tool(root, report, &folder, &extra, Some(DIFF_SECS_MAX))?;
    if !list.exists() {
        report.note(format!("mutants: what changed since {base} has none: none tested"));
        return Ok(());
    }
    Found::read(&folder)?.judge(root, report)
}

/// Installs the pinned cargo-mutants into the build's own folder.
fn install(root: &Path, report: &mut Report) -> Result<(), String> {
    let program = program(root);
    let version = output(root, &program.to_string_lossy(), &["mutants", "--version"]);
    if version.ends_with(VERSION) {
        return Ok(());
    }
    let tools = oracles::target(root).join("tools").to_string_lossy().into_owned();
    let arguments = ["install", "cargo-mutants", "--version", VERSION, "--locked", "--root", &tools];
    run::run(root, report, &Step::cargo("cargo-mutants", &arguments))
}

fn program(root: &Path) -> PathBuf {
    oracles::target(root).join("tools/bin/cargo-mutants")
}

fn folder(root: &Path, name: &str) -> PathBuf {
    oracles::target(root).join(name)
}

/// The tool copies the tree and mutates the copy. It builds into a folder of its own, in which the dependencies are built
/// already and which nobody else waits for; our own crate is not optimised, since each mutant is built once and run once.
fn run_tool(
    root: &Path,
    report: &mut Report,
    folder: &Path,
    extra: &[String],
    secs_max: Option<u64>,
) -> Result<(), String> {
    let own = run::copy_of_build(root, report, "mutants-build")?;
    let started = Instant::now();
    report.heading("mutants");
    std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let mut command = match secs_max {
        Some(secs) => {
            let mut command = Command::new("timeout");
            command.args(["--signal=INT", "--kill-after=30", &secs.to_string()]).arg(program(root));
            command
        }
        None => Command::new(program(root)),
    };
    command
        .args([
            "mutants",
            "--package",
            "killick-proof",
            "--profile",
            "release",
            "--jobs",
            "1",
            "--no-shuffle",
        ])
        .args(["--timeout", TEST_SECS_MAX, "--colors", "never"])
        .args(["--cargo-arg=--config=profile.release.package.killick-proof.opt-level=1"])
        .arg("--output")
        .arg(folder)
        .args(extra)
        .arg("--")
        .args(["--locked", "--lib"])
        .args(tests(root).iter().flat_map(|test| ["--test".to_owned(), test.clone()]))
        .env("CARGO_TARGET_DIR", own)
        // Enough to notice a missing check; the full counts are for the check of the code itself.
        .env("PROPTEST_CASES", "64")
        .env("KILLICK_SAMPLES", "400")
        .current_dir(root)
        .stdin(Stdio::null());
    let status = command.status().map_err(|error| format!("cannot start cargo-mutants: {error}"))?;
    // 2: some were missed; 3: some timed out; 124: our own time was up. What was found is judged by the caller.
    match status.code() {
        Some(0 | 2 | 3 | 124 | 130) => {
            report.done("mutants", started.elapsed());
            Ok(())
        }
        _ => Err(format!("cargo-mutants failed ({status})")),
    }
}

/// The integration tests that are run on each mutant.
fn tests(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join("crates/killick-proof/tests")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs") || path.join("main.rs").exists())
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .filter(|name| !SLOW.iter().any(|slow| name.contains(slow)))
        .collect();
    names.sort();
    names
}

/// The names of mutants, by what became of them.
struct Found {
    caught: Vec<String>,
    missed: Vec<String>,
    timeout: Vec<String>,
    unviable: Vec<String>,
    planned: usize,
}

impl Found {
    fn read(folder: &Path) -> Result<Self, String> {
        let folder = folder.join("mutants.out");
        let lines = |name: &str| -> Vec<String> {
            let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        let planned = std::fs::read_to_string(folder.join("mutants.json"))
            .map_err(|error| format!("cargo-mutants left no list of mutants: {error}"))?;
        let planned: Value = serde_json::from_str(&planned).map_err(|error| error.to_string())?;
        let both = |name: &str| {
            // What a former run settled, when this one went on from it.
            let mut all = lines(name);
            all.extend(lines(&format!("previously_{name}")));
            all
        };
        Ok(Self {
            caught: both("caught.txt"),
            missed: lines("missed.txt"),
            timeout: lines("timeout.txt"),
            unviable: both("unviable.txt"),
            planned: planned.as_array().map_or(0, Vec::len),
        })
    }

    fn judge(&self, root: &Path, report: &mut Report) -> Result<(), String> {
        report.note(format!(
            "mutants: {} caught, {} missed, {} ended by time, {} that do not compile, of {} planned",
            self.caught.len(),
            self.missed.len(),
            self.timeout.len(),
            self.unviable.len(),
            self.planned
        ));
        let unknown: Vec<&String> =
            self.missed.iter().filter(|mutant| reason(root, mutant).is_none()).collect();
        for mutant in &unknown {
            line(&format!("no test notices: {mutant}"));
        }
        if unknown.is_empty() {
            return Ok(());
        }
        Err(format!("{} mutants survive; give each a test, or its reason in {KNOWN}", unknown.len()))
    }

    fn page(&self, scope: &str, machine: &Machine, root: &Path) -> String {
        let settled = self.caught.len() + self.missed.len() + self.timeout.len() + self.unviable.len();
        let mut out = format!(
            "# Mutants of the proof core\n\nWritten by `cargo xtask mutants` with cargo-mutants {VERSION}. {}\n\nMutated: {scope}.\n\n\
             {} of {} mutants settled: {} caught by a test, {} ended by their time limit, {} do not compile, {} survive.\n",
            machine.line(),
            settled,
            self.planned.max(settled),
            self.caught.len(),
            self.timeout.len(),
            self.unviable.len(),
            self.missed.len(),
        );
        let mut by_file: std::collections::BTreeMap<&str, [usize; 2]> = std::collections::BTreeMap::new();
        for (index, list) in [&self.caught, &self.missed].into_iter().enumerate() {
            for mutant in list {
                let file = mutant.split(':').next().unwrap_or_default();
                if let Some(count) = by_file.entry(file).or_default().get_mut(index) {
                    *count += 1;
                }
            }
        }
        out.push_str("\n| file | caught | survive |\n| --- | ---: | ---: |\n");
        for (file, [caught, missed]) in by_file {
            out.push_str(&format!("| `{file}` | {caught} | {missed} |\n"));
        }
        out.push_str("\n## Survivors\n\n");
        for mutant in &self.missed {
            let reason = reason(root, mutant).unwrap_or_else(|| "**no reason is known**".to_owned());
            out.push_str(&format!("- `{mutant}`: {reason}\n"));
        }
        if self.missed.is_empty() {
            out.push_str("None.\n");
        }
        out
    }
}

/// The reason that is known for a survivor; a mutant is named without its line and column, which move.
fn reason(root: &Path, mutant: &str) -> Option<String> {
    let known = std::fs::read_to_string(root.join(KNOWN)).unwrap_or_default();
    let name = unplaced(mutant);
    known.lines().find_map(|line| {
        let (mutant, reason) = line.split_once(" # ")?;
        (unplaced(mutant) == name).then(|| reason.to_owned())
    })
}

/// `file:LINE:COLUMN: what` without line and column.
fn unplaced(mutant: &str) -> String {
    let mut parts = mutant.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(_), Some(_), Some(what)) => format!("{file}:{what}"),
        _ => mutant.to_owned(),
    }
}
