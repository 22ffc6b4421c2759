//! Files that are either whole or absent: written beside their place, synced, renamed, the folder synced.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::error::AuthorityError;

/// Creates the folder and those above it, private to this user (mode 0700), if it is absent.
pub(crate) fn create_dir(path: &Path) -> Result<(), AuthorityError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| AuthorityError::io("create the folder", path, &error))
}

/// Replaces the file with `bytes`, atomically and durably.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AuthorityError> {
    let parent = path.parent().unwrap_or_else(|| Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
    let beside = parent.join(format!(".{name}.{}.new", std::process::id()));
    let fail = |error: std::io::Error| {
        let _ = fs::remove_file(&beside);
        AuthorityError::io("write", path, &error)
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)
        .map_err(|error| AuthorityError::io("write", path, &error))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fail)?;
    fs::rename(&beside, path).map_err(fail)?;
    // The name is durable only once the folder is (fsync(2)).
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(fail)
}

/// Reads a file of at most `bytes_max` bytes; `None` if it does not exist.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, AuthorityError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(AuthorityError::io("read", path, &error)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| AuthorityError::io("read", path, &error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(AuthorityError::setup(
            format!("`{}` is larger than {bytes_max} bytes", path.display()),
            "split it or remove what is not needed",
        ));
    }
    Ok(Some(bytes))
}
