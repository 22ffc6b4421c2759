//! Files that are on the disk when these functions return, and clear errors when they are not.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use killick_tlog::LogError;
use killick_tlog::limits::BUNDLE_BYTES_MAX;
use killick_tlog::tile::{CHECKPOINT_PATH, Tile};
use killick_tlog::verify::LogReader;

use crate::error::LedgerError;
use crate::limits::TILE_WRITERS_MAX;

/// Creates a folder and its parents, and makes them durable. `private` gives it, and only it, mode 0700.
pub(crate) fn create_folder(path: &Path, private: bool) -> Result<(), LedgerError> {
    let failed = |source| LedgerError::io("cannot create the folder", path, source);
    if !path.is_dir() {
        let mut missing: Vec<&Path> = path.ancestors().take_while(|parent| !parent.exists()).collect();
        missing.retain(|parent| !parent.as_os_str().is_empty());
        let mode = if private { 0o700 } else { 0o755 };
        fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(failed)?;
        for folder in missing {
            sync_folder(
                folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
            )?;
        }
    }
    if private {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), LedgerError> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(|source| LedgerError::io("cannot make durable the folder", path, source))
}

/// Writes a file under another name, makes its bytes durable, and puts it in place. The name is durable once the
/// folder is synced.
pub(crate) fn replace_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), LedgerError> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| LedgerError::io("cannot write", path, source))
}

/// [`replace_file`] for many files, several at once. Nearly all of the time of one is spent waiting for its sync, and a
/// file system makes syncs that come together durable in one go. Errs with one of the failures; then some of the files
/// may be in place, as after a crash.
pub(crate) fn replace_files(files: &[(PathBuf, Vec<u8>)], mode: u32) -> Result<(), LedgerError> {
    let rest = Mutex::new(files.iter());
    let next = || rest.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> Result<(), LedgerError> {
        while let Some((path, bytes)) = next() {
            replace_file(path, bytes, mode)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let spawn =
            |_| thread::Builder::new().name("killick-tiles".to_owned()).spawn_scoped(scope, work).ok();
        // Where the system gives no more threads, this one does the work alone.
        let others: Vec<_> = (1..files.len().min(TILE_WRITERS_MAX)).map_while(spawn).collect();
        let own = work();
        let panicked = |_| Err(LedgerError::Stopped("a writer of tiles has panicked".to_owned()));
        others.into_iter().map(|other| other.join().unwrap_or_else(panicked)).fold(own, Result::and)
    })
}

/// A file's bytes; `None` if there is none. Errs on anything but a regular file of at most `bytes_max` bytes.
pub(crate) fn read_file(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, LedgerError> {
    let failed = |source| LedgerError::io("cannot read", path, source);
    // Asked before opening: to open a FIFO would wait for a writer.
    match fs::metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound) => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.is_file() => {
            return Err(failed(std::io::Error::new(ErrorKind::InvalidInput, "it is not a regular file")));
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(failed)?.take(bytes_max as u64 + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        return Err(failed(std::io::Error::new(ErrorKind::InvalidData, "it is too large")));
    }
    Ok(Some(bytes))
}

/// A log in a folder, for [`killick_tlog::verify::verify_log`].
#[derive(Clone, Debug)]
pub struct LogFolder(PathBuf);

impl LogFolder {
    /// The log whose `checkpoint` is in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }
}

impl LogReader for LogFolder {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, LogError> {
        if path != CHECKPOINT_PATH {
            Tile::parse(path)?;
        }
        let read = |error: LedgerError| LogError::Read { path: path.to_owned(), problem: error.to_string() };
        read_file(&self.0.join(path), BUNDLE_BYTES_MAX).map_err(read)
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
        replace_files(&files, 0o644).unwrap();
        for (path, bytes) in &files {
            assert_eq!(&fs::read(path).unwrap(), bytes);
        }
        let absent = folder.path().join("absent/tile");
        files.insert(25, (absent.clone(), vec![1]));
        let error = replace_files(&files, 0o644).unwrap_err().to_string();
        assert!(error.contains(&absent.display().to_string()), "{error}");
        replace_files(&[], 0o644).unwrap();
    }
}
