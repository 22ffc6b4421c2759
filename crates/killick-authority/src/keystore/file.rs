//! Keys in files: `keys/NAME.key`, a 32-byte seed in base64url, readable by their owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::keys::SigningKey;
use zeroize::Zeroizing;

use super::{KeyName, KeyStore};
use crate::error::AuthorityError;
use crate::files;

/// Bytes of a key file: 43 characters of base64url and a line end; anything longer is something else.
const KEY_FILE_BYTES_MAX: u64 = 64;

/// A folder of key files.
#[derive(Clone, Debug)]
pub struct FileKeyStore {
    dir: PathBuf,
}

impl FileKeyStore {
    /// The keys of a data folder: `<data>/keys`, created (mode 0700) if absent.
    pub fn open(data_dir: &Path) -> Result<Self, AuthorityError> {
        let dir = data_dir.join("keys");
        files::create_dir(&dir)?;
        Ok(Self { dir })
    }

    /// The file of a key.
    pub fn path(&self, name: KeyName) -> PathBuf {
        self.dir.join(format!("{}.key", name.as_str()))
    }
}

impl KeyStore for FileKeyStore {
    fn load(&self, name: KeyName) -> Result<Option<SigningKey>, AuthorityError> {
        let path = self.path(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(AuthorityError::io("read", &path, &error)),
        };
        let metadata = file.metadata().map_err(|error| AuthorityError::io("read", &path, &error))?;
        if !metadata.is_file() {
            return Err(AuthorityError::setup(format!("`{}` is not a file", path.display()), "remove it"));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(AuthorityError::setup(
                format!(
                    "`{}` can be read by others than its owner (mode {:04o})",
                    path.display(),
                    metadata.permissions().mode() & 0o7777
                ),
                format!("chmod 600 {}", path.display()),
            ));
        }
        if metadata.uid() != nix::unistd::geteuid().as_raw() {
            return Err(AuthorityError::setup(
                format!("`{}` belongs to another user (uid {})", path.display(), metadata.uid()),
                format!("run killick as that user, or chown {}", path.display()),
            ));
        }
        let mut text = Zeroizing::new(String::new());
        let damaged = || {
            AuthorityError::setup(
                format!("`{}` is not a key: 43 characters of base64url are expected", path.display()),
                "restore it from a backup",
            )
        };
        file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(|_| damaged())?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.trim_end()).map_err(|_| damaged())?);
        let seed = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| damaged())?);
        SigningKey::from_seed(*seed).map(Some).map_err(|_| damaged())
    }

    fn create(&self, name: KeyName) -> Result<SigningKey, AuthorityError> {
        let path = self.path(name);
        let mut seed = Zeroizing::new([0_u8; 32]);
        aws_lc_rs::rand::fill(seed.as_mut_slice())
            .map_err(|_| AuthorityError::setup("the system gives no random bytes", "check /dev/urandom"))?;
        let key = SigningKey::from_seed(*seed)?;
        let text = Zeroizing::new(format!("{}\n", URL_SAFE_NO_PAD.encode(seed.as_slice())));

        // Written beside its place and linked into it: a key file is whole or absent, and one that exists is never
        // overwritten, even by two processes at once (link(2) errs with EEXIST).
        let beside = self.dir.join(format!(".{}.{}.new", name.as_str(), std::process::id()));
        let fail = |error: std::io::Error| {
            let _ = fs::remove_file(&beside);
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                AuthorityError::setup(format!("`{}` exists already", path.display()), "start again")
            } else {
                AuthorityError::io("write", &path, &error)
            }
        };
        let _ = fs::remove_file(&beside);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(fail)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)?;
        fs::hard_link(&beside, &path).map_err(fail)?;
        fs::remove_file(&beside).map_err(fail)?;
        File::open(&self.dir).and_then(|folder| folder.sync_all()).map_err(fail)?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_and_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileKeyStore::open(dir.path()).unwrap();
        let made = store.load_or_create(KeyName::Gateway).unwrap();
        let mode = fs::metadata(store.path(KeyName::Gateway)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let again = store.load_or_create(KeyName::Gateway).unwrap();
        assert_eq!(made.id(), again.id());
        assert!(store.create(KeyName::Gateway).is_err(), "an existing key is never replaced");
        assert_eq!(store.load(KeyName::Gateway).unwrap().unwrap().id(), made.id());
    }

    #[test]
    fn loose_permissions_are_refused_with_the_mend() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileKeyStore::open(dir.path()).unwrap();
        store.create(KeyName::Log).unwrap();
        let path = store.path(KeyName::Log);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = store.load(KeyName::Log).unwrap_err().to_string();
        assert!(error.contains("mode 0640"), "{error}");
        assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
    }

    #[test]
    fn a_damaged_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileKeyStore::open(dir.path()).unwrap();
        for text in ["", "short", &"A".repeat(42), &"!".repeat(43), &"A".repeat(200)] {
            let path = store.path(KeyName::Log);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = store.load(KeyName::Log).unwrap_err().to_string();
            assert!(error.contains("is not a key") && error.contains("backup"), "{text:?}: {error}");
        }
    }
}
