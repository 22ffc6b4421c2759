//! Files that are on the disk when these functions return, and clear errors when they are not.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use killick_tlog::LogError;
use killick_tlog::limits::BUNDLE_BYTES_MAX;
use killick_tlog::tile::{CHECKPOINT_PATH, Tile, WITNESSED_PATH};
use killick_tlog::verify::LogReader;

use crate::error::LedgerError;
use crate::fault::{Rule, holds};
use crate::storage::{Access, Disk, Kind, Storage, system_disk};

/// Sees to it that a folder is there, and its parents, and makes their names durable. `private` gives it, and only it,
/// mode 0700.
pub(crate) fn create_folder(disk: &dyn Storage, path: &Path, private: bool) -> Result<(), LedgerError> {
    let mode = if private { 0o700 } else { 0o755 };
    let create = || {
        make_folder(disk, path, mode)?;
        if private { disk.set_mode(path, mode) } else { Ok(()) }
    };
    create().map_err(|source| LedgerError::io("cannot create the folder", path, source))
}

fn make_folder(disk: &dyn Storage, path: &Path, mode: u32) -> io::Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    match disk.kind(path)? {
        // A process that was killed may have made it, and not yet have made its name durable.
        Some(Kind::Folder) if holds(Rule::FoundFolderDurable) => match disk.sync_folder(parent) {
            // Who may not read the parent has not made this folder.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        },
        Some(Kind::Folder) => Ok(()),
        Some(_) => Err(ErrorKind::NotADirectory.into()),
        None => {
            make_folder(disk, parent, 0o755)?;
            disk.make_folder(path, mode)?;
            disk.sync_folder(parent)
        }
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(disk: &dyn Storage, path: &Path) -> Result<(), LedgerError> {
    disk.sync_folder(path).map_err(|source| LedgerError::io("cannot make durable the folder", path, source))
}

/// Writes a file under another name, makes its bytes durable, and puts it in place. The name is durable once the
/// folder is synced.
pub(crate) fn replace_file(
    disk: &dyn Storage,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<(), LedgerError> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let write = || {
        let file = match disk.create(&temporary, mode) {
            // Left by a process that was killed. Never opened: it may be anything.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                disk.remove_file(&temporary)?;
                disk.create(&temporary, mode)?
            }
            created => created?,
        };
        file.write_all_at(bytes, 0)?;
        if holds(Rule::TileBytesBeforeName) {
            file.sync()?;
        }
        Ok(())
    };
    write().map_err(|source| LedgerError::io("cannot write", &temporary, source))?;
    disk.rename(&temporary, path).map_err(|source| LedgerError::io("cannot write", path, source))
}

/// [`replace_file`] for many files, several at once. Nearly all of the time of one is spent waiting for its sync, and a
/// file system makes syncs that come together durable in one go. Errs with one of the failures; then some of the files
/// may be in place, as after a crash.
pub(crate) fn replace_files(
    disk: &dyn Storage,
    files: &[(PathBuf, Vec<u8>)],
    mode: u32,
) -> Result<(), LedgerError> {
    let rest = Mutex::new(files.iter());
    let next = || rest.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> Result<(), LedgerError> {
        while let Some((path, bytes)) = next() {
            replace_file(disk, path, bytes, mode)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let spawn =
            |_| thread::Builder::new().name("killick-tiles".to_owned()).spawn_scoped(scope, work).ok();
        // Where the system gives no more threads, this one does the work alone.
        let others: Vec<_> = (1..files.len().min(disk.writers())).map_while(spawn).collect();
        let own = work();
        let panicked = |_| Err(LedgerError::Stopped("a writer of tiles has panicked".to_owned()));
        others.into_iter().map(|other| other.join().unwrap_or_else(panicked)).fold(own, Result::and)
    })
}

/// A file's bytes; `None` if there is none. Errs on anything but a regular file of at most `bytes_max` bytes.
pub(crate) fn read_file(
    disk: &dyn Storage,
    path: &Path,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, LedgerError> {
    let failed = |source| LedgerError::io("cannot read", path, source);
    let file = match disk.open(path, Access::Read) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    let bytes = file.read_all(bytes_max).map_err(failed)?;
    if bytes.len() > bytes_max {
        return Err(failed(io::Error::new(ErrorKind::InvalidData, "it is too large")));
    }
    Ok(Some(bytes))
}

/// A log in a folder, for [`killick_tlog::verify::verify_log`].
#[derive(Clone, Debug)]
pub struct LogFolder {
    disk: Disk,
    path: PathBuf,
}

impl LogFolder {
    /// The log whose `checkpoint` is in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self::on(&system_disk(), folder)
    }

    pub(crate) fn on(disk: &Disk, folder: impl Into<PathBuf>) -> Self {
        Self { disk: Disk::clone(disk), path: folder.into() }
    }
}

impl LogReader for LogFolder {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, LogError> {
        if !matches!(path, CHECKPOINT_PATH | WITNESSED_PATH) {
            Tile::parse(path)?;
        }
        let read = |error: LedgerError| LogError::Read { path: path.to_owned(), problem: error.to_string() };
        read_file(&*self.disk, &self.path.join(path), BUNDLE_BYTES_MAX).map_err(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_among_many_files_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |number: u8| folder.path().join(number.to_string());
        let mut files: Vec<_> = (0..50).map(|number| (path(number), vec![number; 100])).collect();
        replace_files(&*system_disk(), &files, 0o644).unwrap();
        for (path, bytes) in &files {
            assert_eq!(&std::fs::read(path).unwrap(), bytes);
        }
        let absent = folder.path().join("absent/tile");
        files.insert(25, (absent.clone(), vec![1]));
        let error = replace_files(&*system_disk(), &files, 0o644).unwrap_err().to_string();
        assert!(error.contains("absent"), "{error}");
        replace_files(&*system_disk(), &[], 0o644).unwrap();
    }
}
