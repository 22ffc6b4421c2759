//! What a figure must come with: the machine, the day, the commit.

use std::path::Path;
use std::process::Command;

/// Where and when something was measured.
pub struct Machine {
    /// CPU model and number of cores.
    pub cpu: String,
    /// UTC, RFC 3339.
    pub date: String,
    /// The commit, with `-changed` behind it if the work tree differs.
    pub commit: String,
}

impl Machine {
    /// Asks the machine, `date` and `git`.
    pub fn here(root: &Path) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let model =
            model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned());
        let changed = !output(root, "git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
        let commit = output(root, "git", &["rev-parse", "--short=12", "HEAD"]);
        Self {
            cpu: format!("{model}, {cores} cores"),
            date: output(root, "date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
            commit: format!("{commit}{}", if changed { "-changed" } else { "" }),
        }
    }

    /// One line for a document.
    pub fn line(&self) -> String {
        format!("Machine: {}. Date: {}. Commit: {}.", self.cpu, self.date, self.commit)
    }
}

/// What a program prints, trimmed; empty if it fails.
pub fn output(root: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map(|text| String::from_utf8_lossy(&text).trim().to_owned()).unwrap_or_default()
}
