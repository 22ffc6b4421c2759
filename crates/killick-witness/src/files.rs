//! Files that are on the disk when these functions return.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::error::WitnessError;

/// Creates a folder of its owner's alone, with its parents, and makes its name durable.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), WitnessError> {
    let create = || {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        sync_parent(path)
    };
    create().map_err(|source| WitnessError::io("cannot create the folder", path, source))
}

/// Writes a file under another name, makes its bytes durable, puts it in place, and makes its name durable.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), WitnessError> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_parent(path)
    };
    write().map_err(|source| WitnessError::io("cannot write", path, source))
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// A file's text; `None` if there is none. Errs on anything but a regular file of at most `bytes_max` bytes of UTF-8.
pub(crate) fn read(path: &Path, bytes_max: usize) -> Result<Option<String>, WitnessError> {
    let failed = |source| WitnessError::io("cannot read", path, source);
    let invalid = |problem| failed(std::io::Error::new(ErrorKind::InvalidData, problem));
    // Asked before opening: to open a FIFO would wait for a writer.
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.is_file() => return Err(invalid("it is not a regular file")),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max as u64 + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() > bytes_max {
        return Err(invalid("it is too large"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| invalid("it is not text"))
}
