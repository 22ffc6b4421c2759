//! Fuzzing on the pinned stable toolchain: builds `fuzz/` with LLVM's coverage instrumentation and runs its targets
//! under libFuzzer (`docs/adr/0007-fuzzing-on-stable.md`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::machine::output;
use crate::oracles;
use crate::report::Report;
use crate::run::{Step, run};

/// What cargo-fuzz passes too; all of it is stable (`-C passes`, `-C llvm-args`).
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Folded branches would hide from the fuzzer which half of a condition held.
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];
/// Seconds that one input may take: whatever needs longer is a finding.
const INPUT_SECS_MAX: u64 = 10;
/// Resident megabytes at which a target is stopped: nothing of ours needs that much.
const RSS_MEGABYTES_MAX: u64 = 2_048;
/// Bytes of one input that is kept in the repository.
const KEPT_BYTES_MAX: u64 = 2_048;
/// Found inputs of one target that are kept: a corpus that a person can still list.
const FOUND_MAX: usize = 32;

/// What one target did.
pub struct Outcome {
    /// Its name.
    pub target: String,
    /// libFuzzer's seed.
    pub seed: String,
    /// Inputs run.
    pub executions: String,
    /// Edges covered.
    pub coverage: String,
}

/// Fuzzes one target or each of them for so many seconds. Errs, naming the input, if one breaks an assertion.
pub fn fuzz(root: &Path, report: &mut Report, only: Option<&str>, secs: u64) -> Result<Vec<Outcome>, String> {
    let all = targets(root)?;
    let chosen: Vec<String> =
        all.iter().filter(|target| only.is_none_or(|only| only == *target)).cloned().collect();
    if chosen.is_empty() {
        return Err(format!("no such fuzz target; there are {}", all.join(", ")));
    }
    let programs = build(root, report)?;
    let started = std::time::Instant::now();
    let at_once = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut outcomes = Vec::new();
    report.heading(&format!("fuzzing, {secs} s each"));
    for group in chosen.chunks(at_once) {
        let results: Vec<Result<Outcome, String>> = std::thread::scope(|scope| {
            let runs: Vec<_> =
                group.iter().map(|target| scope.spawn(|| one(root, &programs, target, secs))).collect();
            runs.into_iter()
                .map(|run| run.join().unwrap_or_else(|_| Err("a thread panicked".into())))
                .collect()
        });
        for outcome in results {
            let outcome = outcome?;
            crate::report::line(&format!(
                "{:<16} {:>10} inputs  {:>6} edges  seed {}",
                outcome.target, outcome.executions, outcome.coverage, outcome.seed
            ));
            outcomes.push(outcome);
        }
    }
    report.done(&format!("{} fuzz targets", outcomes.len()), started.elapsed());
    Ok(outcomes)
}

/// Adds to the committed corpus found inputs that reach what it does not, of all lengths, as many as there is room for.
pub fn keep(root: &Path, report: &mut Report, only: Option<&str>) -> Result<(), String> {
    let programs = build(root, report)?;
    for target in targets(root)?.iter().filter(|target| only.is_none_or(|only| only == *target)) {
        let (kept, found) = (root.join("fuzz/corpus").join(target), found(root, target));
        let fresh = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
        let merged = Command::new(programs.join(target))
            .args(["-set_cover_merge=1", &format!("-max_len={KEPT_BYTES_MAX}")])
            .args([fresh.path(), &kept, &found])
            .output()
            .map_err(|error| format!("cannot start {target}: {error}"))?;
        if !merged.status.success() {
            return Err(format!("{target}: {}", tail(&String::from_utf8_lossy(&merged.stderr))));
        }
        let read = |folder: &Path| -> Vec<(PathBuf, Vec<u8>)> {
            files(folder)
                .into_iter()
                .filter_map(|file| std::fs::read(&file).ok().map(|bytes| (file, bytes)))
                .collect()
        };
        let name = |file: &Path| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let already = read(&kept);
        let of_found = already.iter().filter(|(file, _)| name(file).starts_with("found-")).count();
        let room = FOUND_MAX.saturating_sub(of_found);
        let mut candidates = read(fresh.path());
        candidates.retain(|(_, bytes)| !already.iter().any(|(_, known)| known == bytes));
        candidates.sort_by_key(|(_, bytes)| bytes.len());
        let every = candidates.len().div_ceil(room.max(1)).max(1);
        let mut added = 0;
        for (file, bytes) in candidates.into_iter().step_by(every).take(room) {
            let name: String = format!("found-{}", name(&file)).chars().take(18).collect();
            std::fs::write(kept.join(name), bytes).map_err(|error| format!("cannot write: {error}"))?;
            added += 1;
        }
        report.note(format!("{target}: {added} inputs added to fuzz/corpus/{target}"));
    }
    Ok(())
}

fn targets(root: &Path) -> Result<Vec<String>, String> {
    let names: Vec<String> = files(&root.join("fuzz/fuzz_targets"))
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    if names.is_empty() { Err("fuzz/fuzz_targets is empty".into()) } else { Ok(names) }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// Where a target's own corpus grows; the committed one stays as it is.
fn found(root: &Path, target: &str) -> PathBuf {
    oracles::target(root).join("fuzz-corpus").join(target)
}

/// Builds the targets; returns the folder that they are in. With `--target` cargo leaves build scripts and macros
/// uninstrumented.
fn build(root: &Path, report: &mut Report) -> Result<PathBuf, String> {
    let version = output(root, "rustc", &["-vV"]);
    let Some(host) = version.lines().find_map(|line| line.strip_prefix("host: ")) else {
        return Err("rustc does not say what machine this is".into());
    };
    let folder = oracles::target(root).join("fuzz");
    let folder_text = folder.to_string_lossy().into_owned();
    let arguments = [
        "build",
        "--release",
        "--locked",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--bins",
        "--target",
        host,
        "--target-dir",
        &folder_text,
    ];
    let flags = COVERAGE.join("\u{1f}");
    run(root, report, &Step::cargo("fuzz targets", &arguments).env("CARGO_ENCODED_RUSTFLAGS", flags))?;
    Ok(folder.join(host).join("release"))
}

fn one(root: &Path, programs: &Path, target: &str, secs: u64) -> Result<Outcome, String> {
    let own = oracles::target(root);
    let (corpus, findings, logs) = (found(root, target), own.join("fuzz-findings"), own.join("fuzz-logs"));
    for folder in [&corpus, &findings, &logs] {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    let log = logs.join(format!("{target}.log"));
    let file = File::create(&log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
    let status = Command::new(programs.join(target))
        .args([&corpus, &root.join("fuzz/corpus").join(target)])
        .arg(format!("-max_total_time={secs}"))
        .arg(format!("-timeout={INPUT_SECS_MAX}"))
        .arg(format!("-rss_limit_mb={RSS_MEGABYTES_MAX}"))
        .arg(format!("-artifact_prefix={}/{target}-", findings.display()))
        .arg("-print_final_stats=1")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .status()
        .map_err(|error| format!("cannot start {target}: {error}"))?;
    let text =
        std::fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    if !status.success() {
        return Err(format!("the fuzz target `{target}` found something ({status}):\n{}", tail(&text)));
    }
    let after = |mark: &str| {
        let rest = text.rsplit_once(mark).map_or("", |(_, rest)| rest);
        rest.split_whitespace().next().unwrap_or("?").to_owned()
    };
    Ok(Outcome {
        target: target.to_owned(),
        seed: after("INFO: Seed: "),
        executions: after("stat::number_of_executed_units:"),
        coverage: after(" cov: "),
    })
}

/// What a person needs of a log: the assertion and where the input is.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.get(lines.len().saturating_sub(24)..).unwrap_or_default().join("\n")
}
