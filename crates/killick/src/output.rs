//! The one place that writes to the terminal: text for people, one line of JSON for programs.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde_json::{Map, Value, json};

/// How a command ended. The numbers are part of the promise (`docs/reference/exit-codes.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Fine = 0,
    /// A check failed, or something here stands in the way.
    CheckFailed = 1,
    /// The command, an option, a file or a name is wrong.
    Usage = 2,
    /// What the command needs does not answer.
    NotReachable = 3,
    /// killick answered, and the answer is no.
    Denied = 4,
    /// A proof, a signature or a log does not verify.
    NotVerified = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// What a command returns: an exit code of its own (`killick run`) or one of ours, or a failure to be told.
pub type Outcome = Result<ExitCode, Failure>;

/// A failure as it is told: one clear sentence and, where there is one, the mend.
#[derive(Debug)]
pub struct Failure(Box<Told>);

#[derive(Debug)]
struct Told {
    exit: Exit,
    code: String,
    sentence: String,
    mend: Option<String>,
    more: Map<String, Value>,
}

impl Failure {
    /// A failure with its exit code, a stable word for programs and one sentence without a full stop.
    pub fn new(exit: Exit, code: &str, sentence: impl Into<String>) -> Self {
        let sentence = one_line(&sentence.into());
        Self(Box::new(Told { exit, code: code.to_owned(), sentence, mend: None, more: Map::new() }))
    }

    /// The command, an option, a file or a name is wrong.
    pub fn usage(code: &str, sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, sentence)
    }

    /// A check failed, or something here stands in the way.
    pub fn check(code: &str, sentence: impl Into<String>) -> Self {
        Self::new(Exit::CheckFailed, code, sentence)
    }

    /// A file or folder could not be read or written. A full disk is named as such.
    pub fn io(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let (code, exit, mend) = match error.kind() {
            std::io::ErrorKind::NotFound => ("file.missing", Exit::Usage, "check the path"),
            std::io::ErrorKind::PermissionDenied => {
                ("file.permission", Exit::CheckFailed, "let the user that runs killick read and write it")
            }
            // Written, a file is too large for the disk's rules; read, for ours.
            std::io::ErrorKind::FileTooLarge if action == "read" => (
                "limit.size",
                Exit::Usage,
                "check the path: no file that killick reads is larger than 64 MiB",
            ),
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => {
                ("disk.full", Exit::CheckFailed, "free some space; nothing that was acknowledged is lost")
            }
            _ => ("file.io", Exit::CheckFailed, "see the cause that the system gave"),
        };
        Self::new(exit, code, format!("cannot {action} {}: {}", path.display(), plain(error))).mend(mend)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.0.mend = Some(one_line(&mend.into()));
        self
    }

    /// Adds a member to the JSON form.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.more.insert(name.to_owned(), value.into());
        self
    }

    /// The stable word.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The sentence.
    pub fn sentence(&self) -> &str {
        &self.0.sentence
    }

    /// The mend.
    pub fn mend_text(&self) -> Option<&str> {
        self.0.mend.as_deref()
    }

    /// Writes it to stderr and returns the exit code.
    pub fn tell(&self, json: bool) -> ExitCode {
        if json {
            let mut error = self.0.more.clone();
            error.insert("code".to_owned(), self.0.code.clone().into());
            error.insert("error".to_owned(), self.0.sentence.clone().into());
            error.insert("exit".to_owned(), (self.0.exit as u8).into());
            if let Some(mend) = &self.0.mend {
                error.insert("mend".to_owned(), mend.clone().into());
            }
            to_stderr(&Value::Object(error).to_string());
        } else {
            let paint = Paint::of_stderr();
            let mut text = format!("{}: {}", paint.red("error"), self.0.sentence);
            if let Some(mend) = &self.0.mend {
                let _ = write!(text, "\n{}: {mend}", paint.bold("mend"));
            }
            to_stderr(&text);
        }
        self.0.exit.into()
    }
}

/// The system's words for an I/O error, without the number.
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

/// The text with its control characters spelt out: what a log or a server holds can neither forge a line nor steer a
/// terminal.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if killick_console::is_hidden(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// Keeps an error one sentence on one line, whatever a library put into it, and control characters off the terminal.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = false;
    for character in text.trim_end().trim_end_matches('.').chars() {
        if character.is_whitespace() {
            blank = true;
        } else if !character.is_control() {
            if blank && !out.is_empty() {
                out.push(' ');
            }
            blank = false;
            out.push(character);
        }
    }
    out
}

/// Where a command's results go.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    /// Whether results are JSON.
    pub json: bool,
}

impl Ui {
    /// Prints a result in the form that was asked for.
    pub fn result(self, value: &Value, human: impl FnOnce(Paint) -> String) {
        if self.json {
            to_stdout(&value.to_string());
        } else {
            let text = human(Paint::of_stdout());
            if !text.is_empty() {
                to_stdout(text.trim_end_matches('\n'));
            }
        }
    }

    /// A remark beside the result, for people only: on stderr, so that a result can be piped.
    pub fn remark(self, text: &str) {
        if !self.json {
            to_stderr(text);
        }
    }

    /// Prints text or bytes as they are.
    pub fn raw(self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        // A closed pipe is the reader's wish, not our failure.
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }
}

fn to_stdout(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn to_stderr(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Colour where it is wanted: on a terminal, unless `NO_COLOR` says otherwise. Nothing depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Paint(bool);

impl Paint {
    fn of_stdout() -> Self {
        Self(wants_colour() && std::io::stdout().is_terminal())
    }

    fn of_stderr() -> Self {
        Self(wants_colour() && std::io::stderr().is_terminal())
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// For headings.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// For what is well.
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// For what deserves a look.
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// For what is wrong.
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// For asides.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }
}

fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// Tells clap's own verdict on the command line in our form and with our exit codes.
pub fn tell_usage(error: &clap::Error, json: bool) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            Exit::Fine.into()
        }
        _ if json => {
            let text = error.render().to_string();
            // The sentence and what it lists; usage and hints come after an empty line.
            let sentence: Vec<&str> =
                text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
            let sentence = one_line(sentence.join(" ").trim_start_matches("error: "));
            to_stderr(
                &json!({ "code": "usage", "error": sentence, "exit": 2, "mend": "see `killick --help`" })
                    .to_string(),
            );
            Exit::Usage.into()
        }
        _ => {
            let _ = error.print();
            Exit::Usage.into()
        }
    }
}

/// A table with aligned columns; the first row is the heading.
pub fn table(paint: Paint, rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        let line = line.trim_end();
        let _ = writeln!(out, "{}", if number == 0 { paint.bold(line) } else { line.to_owned() });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_sentence_on_one_line() {
        let failure = Failure::check("x", "line one\n\tline\u{7} two.\n");
        assert_eq!(failure.sentence(), "line one line two");
    }

    #[test]
    fn tables_align() {
        let rows = vec![vec!["a".to_owned(), "b".to_owned()], vec!["long".to_owned(), "c".to_owned()]];
        assert_eq!(table(Paint(false), &rows), "a     b\nlong  c\n");
    }
}
