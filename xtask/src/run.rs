//! Runs one step and says how long it took.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::oracles;
use crate::report::Report;

/// A program with its arguments, and the name under which its outcome is reported.
pub struct Step {
    name: String,
    program: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Step {
    /// A step that runs any program.
    pub fn new(name: &str, program: &str, arguments: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: Vec::new(),
        }
    }

    /// A step that runs the same cargo that runs this.
    pub fn cargo(name: &str, arguments: &[&str]) -> Self {
        Self::new(name, &std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), arguments)
    }

    /// The step with one more environment variable.
    pub fn env(mut self, name: &str, value: String) -> Self {
        self.environment.push((name.to_owned(), value));
        self
    }

    fn command(&self, root: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(root).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Runs the step with its output shown. Errs if it cannot start or fails.
pub fn run(root: &Path, report: &mut Report, step: &Step) -> Result<(), String> {
    report.heading(&step.name);
    let started = Instant::now();
    let status = step
        .command(root)
        .status()
        .map_err(|error| format!("{}: cannot start `{}`: {error}", step.name, step.program))?;
    if !status.success() {
        return Err(format!(
            "{}: `{} {}` failed ({status})",
            step.name,
            step.program,
            step.arguments.join(" ")
        ));
    }
    report.done(&step.name, started.elapsed());
    Ok(())
}

/// Runs the step and shows its output; of its lines, for each of `marks` the last one that holds it.
pub fn last_lines(
    root: &Path,
    report: &mut Report,
    step: &Step,
    marks: &[&str],
) -> Result<Vec<String>, String> {
    report.heading(&step.name);
    let started = Instant::now();
    let failed = |error| format!("{}: cannot run `{}`: {error}", step.name, step.program);
    let mut running = step.command(root).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut found: Vec<Option<String>> = marks.iter().map(|_| None).collect();
    for line in running.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line.map_err(failed)?;
        crate::report::line(&line);
        for (found, _) in found.iter_mut().zip(marks).filter(|(_, mark)| line.contains(**mark)) {
            *found = Some(line.clone());
        }
    }
    let status = running.wait().map_err(failed)?;
    if !status.success() {
        return Err(format!("{}: failed ({status})", step.name));
    }
    report.done(&step.name, started.elapsed());
    found.into_iter().zip(marks).map(|(line, mark)| line.ok_or(format!("no line says `{mark}`"))).collect()
}

/// Runs the step with its output kept back; the error holds it.
pub fn quietly(root: &Path, step: &Step) -> Result<(), String> {
    let output = step
        .command(root)
        .output()
        .map_err(|error| format!("{}: cannot start `{}`: {error}", step.name, step.program))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{}: {}{}",
        step.name,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// A target folder of its own, `target/NAME`, in which what the ordinary build compiled is there already; made once.
pub fn copy_of_build(root: &Path, report: &mut Report, name: &str) -> Result<PathBuf, String> {
    let target = oracles::target(root);
    let own = target.join(name);
    let (built, copied) = (target.join("release"), own.join("release"));
    if built.is_dir() && !copied.exists() {
        std::fs::create_dir_all(&own).map_err(|error| format!("cannot create {}: {error}", own.display()))?;
        let (from, to) = (built.to_string_lossy(), copied.to_string_lossy());
        run(root, report, &Step::new("copy of the build", "cp", &["-a", "--reflink=auto", &from, &to]))?;
    }
    Ok(own)
}
