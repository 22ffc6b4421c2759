//! What a gateway remembers of its last run: whether it stopped in order, and when.
//!
//! A replay window admits only signatures made after the last run was over, so that no request of that run can be
//! used again. A first start has no such run, and an orderly stop says when it ended; only after a crash the new
//! window must begin now, and refuses what was signed a moment before.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use killick_proof::UnixTime;

/// The file in the state folder.
const FILE: &str = "last-run";
/// Its text while a gateway runs.
const RUNNING: &str = "running";

/// Notes that a run begins, and returns the time at which its replay window opens. `logged` says whether anything was
/// ever recorded: if so, a missing note was deleted, and nothing is known of the last run. A note from the future is
/// believed: requests are then refused until the clock has caught up, rather than admitted twice.
pub(crate) fn begin(state_dir: &Path, logged: bool, now: UnixTime) -> io::Result<UnixTime> {
    let file = state_dir.join(FILE);
    let opens = match fs::read_to_string(&file) {
        Ok(note) => note
            .trim()
            .strip_prefix("stopped ")
            .and_then(|micros| micros.parse().ok())
            .map_or(now, UnixTime::from_micros),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !logged => UnixTime::from_micros(0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => now,
        Err(error) => return Err(error),
    };
    write(&file, RUNNING)?;
    Ok(opens)
}

/// Notes that the run ended: `reopens` is the earliest time at which a window admits nothing that this run admitted.
pub(crate) fn end(state_dir: &Path, reopens: UnixTime) -> io::Result<()> {
    write(&state_dir.join(FILE), &format!("stopped {}", reopens.micros()))
}

fn write(file: &Path, note: &str) -> io::Result<()> {
    let mut file = File::create(file)?;
    writeln!(file, "{note}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_opens_where_the_last_run_ended() {
        let dir = tempfile::tempdir().unwrap();
        let at = UnixTime::from_secs;
        assert_eq!(begin(dir.path(), false, at(100)).unwrap(), at(0), "a first start has nothing to fear");
        assert_eq!(begin(dir.path(), true, at(200)).unwrap(), at(200), "after a crash it opens now");
        end(dir.path(), at(300)).unwrap();
        assert_eq!(
            begin(dir.path(), true, at(400)).unwrap(),
            at(300),
            "after an orderly stop, where that was"
        );
        end(dir.path(), at(900)).unwrap();
        assert_eq!(
            begin(dir.path(), true, at(450)).unwrap(),
            at(900),
            "a clock that went back opens nothing"
        );
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        assert_eq!(begin(dir.path(), true, at(500)).unwrap(), at(500), "a deleted note opens nothing");
    }
}
