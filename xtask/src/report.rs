//! What was done, what was skipped and why, in plain words at the end.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

/// The outcome of a run of tasks.
pub struct Report {
    strict: bool,
    done: Vec<(String, Duration)>,
    skipped: Vec<String>,
    notes: Vec<String>,
    result: Option<String>,
}

impl Report {
    /// With `strict`, a skip is an error.
    pub const fn new(strict: bool) -> Self {
        Self { strict, done: Vec::new(), skipped: Vec::new(), notes: Vec::new(), result: None }
    }

    /// Whether nothing may be skipped.
    pub const fn is_strict(&self) -> bool {
        self.strict
    }

    /// Announces a step.
    pub fn heading(&self, name: &str) {
        line(&format!("\n== {name}"));
    }

    /// Counts a step that passed.
    pub fn done(&mut self, name: &str, took: Duration) {
        self.done.push((name.to_owned(), took));
    }

    /// Counts something skipped. Errs where nothing may be.
    pub fn skip(&mut self, what: &str, why: &str) -> Result<(), String> {
        let text = format!("{what}: {why}");
        if self.strict {
            return Err(format!("nothing may be skipped with CI=true, but {text}"));
        }
        self.skipped.push(text);
        Ok(())
    }

    /// Keeps a remark for the end.
    pub fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Keeps a machine-readable result, to be the last line of all.
    pub fn result(&mut self, json: String) {
        self.result = Some(json);
    }

    /// Prints the summary and gives the exit code.
    pub fn finish(self, outcome: Result<(), String>, took: Duration) -> ExitCode {
        line("");
        for (name, took) in &self.done {
            line(&format!("passed   {:>6.1} s  {name}", took.as_secs_f64()));
        }
        for text in &self.skipped {
            line(&format!("SKIPPED            {text}"));
        }
        for text in &self.notes {
            line(&format!("note               {text}"));
        }
        let failed = usize::from(outcome.is_err());
        if let Err(problem) = &outcome {
            line(&format!("FAILED             {problem}"));
        }
        line(&format!("{:.0} s in all", took.as_secs_f64()));
        line(&format!("steps: {} passed, {failed} failed, {} skipped", self.done.len(), self.skipped.len()));
        if let Some(json) = &self.result {
            line(json);
        }
        if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Prints a line.
pub fn line(text: &str) {
    // A closed pipe downstream is no reason to fail the checks.
    let _ = writeln!(std::io::stdout(), "{text}");
}
