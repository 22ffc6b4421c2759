//! The passphrase under which key files lie. It comes from a file, named by an environment variable or by the caller:
//! never from the command line or the environment itself, which every process of the machine can read.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::AuthorityError;

/// The environment variable that names the passphrase's file.
pub const PASSPHRASE_FILE_VARIABLE: &str = "KILLICK_KEY_PASSPHRASE_FILE";
/// Bytes of a passphrase file: a long sentence, or random text of any sensible length.
const PASSPHRASE_BYTES_MAX: usize = 1_024;

/// A passphrase; wiped from memory when it goes, never printed.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// The passphrase of the file that [`PASSPHRASE_FILE_VARIABLE`] names; `None` if it is not set.
    pub fn from_environment() -> Result<Option<Self>, AuthorityError> {
        match std::env::var_os(PASSPHRASE_FILE_VARIABLE) {
            None => Ok(None),
            Some(path) if path.is_empty() => Err(AuthorityError::setup(
                format!("{PASSPHRASE_FILE_VARIABLE} is set to nothing"),
                "name a file, or unset it",
            )),
            Some(path) => Self::from_file(&PathBuf::from(path)).map(Some),
        }
    }

    /// The passphrase that a file holds: its bytes but for one line end. Errs if others than its owner can read it, if it
    /// is empty, or if it is longer than 1024 bytes.
    pub fn from_file(path: &Path) -> Result<Self, AuthorityError> {
        let read = |error| AuthorityError::io("read the passphrase in", path, &error);
        let file = File::open(path).map_err(read)?;
        let mode = file.metadata().map_err(read)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(AuthorityError::setup(
                format!(
                    "the passphrase file `{}` can be read by others than its owner (mode {:04o})",
                    path.display(),
                    mode & 0o7777
                ),
                format!("chmod 600 {}", path.display()),
            ));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX + 1));
        let limit = u64::try_from(PASSPHRASE_BYTES_MAX + 1).unwrap_or(u64::MAX);
        file.take(limit).read_to_end(&mut bytes).map_err(read)?;
        if bytes.len() > PASSPHRASE_BYTES_MAX {
            return Err(AuthorityError::setup(
                format!("`{}` is longer than {PASSPHRASE_BYTES_MAX} bytes", path.display()),
                "is it the right file?",
            ));
        }
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        if bytes.is_empty() {
            return Err(AuthorityError::setup(
                format!("the passphrase file `{}` is empty", path.display()),
                "write the passphrase into it",
            ));
        }
        Ok(Self(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

#[cfg(test)]
impl Passphrase {
    pub(super) fn of(text: &str) -> Self {
        Self(Zeroizing::new(text.as_bytes().to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_passphrase_file_is_read_strictly() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        let read = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Passphrase::from_file(&path).map(|passphrase| passphrase.as_bytes().to_vec())
        };
        for text in ["one two", "one two\n", "one two\r\n"] {
            assert_eq!(read(text, 0o600).unwrap(), b"one two", "{text:?}");
        }
        assert_eq!(read("one two \n\n", 0o400).unwrap(), b"one two \n", "one line end, nothing else");
        assert!(read("", 0o600).unwrap_err().to_string().contains("is empty"));
        assert!(read("\n", 0o600).unwrap_err().to_string().contains("is empty"));
        assert!(read("one two", 0o644).unwrap_err().to_string().contains("chmod 600"));
        assert!(read(&"x".repeat(1_025), 0o600).unwrap_err().to_string().contains("longer"));
        assert!(read(&"x".repeat(1_024), 0o600).is_ok());
        assert!(Passphrase::from_file(&dir.path().join("absent")).is_err());
        assert!(!format!("{:?}", Passphrase::of("one two")).contains("one"));
    }
}
