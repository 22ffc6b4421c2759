//! Keys in files: `keys/NAME.key`, readable by their owner alone: a 32-byte seed in base64url, or one encrypted under a
//! passphrase. A folder is one or the other: with a passphrase no plain key is taken, so that nobody who can write a
//! file can slip one in.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::keys::SigningKey;
use zeroize::Zeroizing;

use super::sealed::{self, NotOpened};
use super::{KeyName, KeyStore, PASSPHRASE_FILE_VARIABLE, Passphrase, StoredKey, random_seed};
use crate::error::AuthorityError;
use crate::files;

/// Bytes of a key file: an encrypted one has about 400; anything longer is something else.
const KEY_FILE_BYTES_MAX: u64 = 1_024;
/// Characters of a plain one: 43 of base64url and a line end.
const PLAIN_CHARS_MAX: usize = 45;

/// A folder of key files.
#[derive(Debug)]
pub struct FileKeyStore {
    dir: PathBuf,
    passphrase: Option<Passphrase>,
}

impl FileKeyStore {
    /// The keys of a data folder: `<data>/keys`, created (mode 0700) if absent; encrypted under the passphrase of the
    /// file that `KILLICK_KEY_PASSPHRASE_FILE` names, plain if that is not set.
    pub fn open(data_dir: &Path) -> Result<Self, AuthorityError> {
        Self::open_with(data_dir, Passphrase::from_environment()?)
    }

    /// As [`FileKeyStore::open`], under this passphrase, or plain.
    pub fn open_with(data_dir: &Path, passphrase: Option<Passphrase>) -> Result<Self, AuthorityError> {
        let dir = data_dir.join("keys");
        files::create_dir(&dir)?;
        Ok(Self { dir, passphrase })
    }

    /// Writes every key that is there anew, under another passphrase, or plain. Returns how many were; each file is
    /// replaced whole. A key that lies under the new passphrase already is left as it is: after a crash the same call
    /// finishes the work.
    pub fn change_passphrase(&mut self, new: Option<Passphrase>) -> Result<usize, AuthorityError> {
        let mut changed = 0;
        for name in KeyName::ALL {
            let Some(text) = self.read(name)? else { continue };
            let seed = match self.seed_of(name, &text, self.passphrase.as_ref()) {
                Ok(seed) => seed,
                Err(error) => match self.seed_of(name, &text, new.as_ref()) {
                    Ok(_) => continue,
                    // What the old passphrase says of it is what helps.
                    Err(_) => return Err(error),
                },
            };
            let text = text_of(name, &seed, new.as_ref())?;
            files::write_whole(&self.path(name), text.as_bytes(), 0o600)?;
            changed += 1;
        }
        self.passphrase = new;
        Ok(changed)
    }

    /// The file of a key.
    pub fn path(&self, name: KeyName) -> PathBuf {
        self.dir.join(format!("{}.key", name.as_str()))
    }

    /// The text of a key file that is its owner's alone; `None` if there is no such file.
    fn read(&self, name: KeyName) -> Result<Option<Zeroizing<String>>, AuthorityError> {
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
        let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES_MAX as usize));
        file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(|_| damaged(&path))?;
        Ok(Some(text))
    }

    fn seed_of(
        &self,
        name: KeyName,
        text: &str,
        passphrase: Option<&Passphrase>,
    ) -> Result<Zeroizing<[u8; 32]>, AuthorityError> {
        let path = self.path(name);
        match (sealed::is_sealed(text), passphrase) {
            (false, None) => plain_seed(text).ok_or_else(|| damaged(&path)),
            (true, Some(passphrase)) => sealed::open(name, text, passphrase).map_err(|why| match why {
                NotOpened::WrongPassphrase => AuthorityError::setup(
                    format!("the passphrase does not open `{}`", path.display()),
                    "use the passphrase that the keys were encrypted with",
                ),
                NotOpened::Changed => AuthorityError::setup(
                    format!("`{}` is not as killick wrote it", path.display()),
                    "restore it from a backup",
                ),
            }),
            (true, None) => Err(AuthorityError::setup(
                format!("`{}` is encrypted", path.display()),
                format!("set {PASSPHRASE_FILE_VARIABLE} to a file that holds the passphrase"),
            )),
            (false, Some(_)) => Err(AuthorityError::setup(
                format!("`{}` is not encrypted, though there is a passphrase", path.display()),
                "encrypt the keys with it, or start without it",
            )),
        }
    }
}

fn plain_seed(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    if text.len() > PLAIN_CHARS_MAX {
        return None;
    }
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.trim_end()).ok()?);
    <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

fn text_of(
    name: KeyName,
    seed: &[u8; 32],
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<String>, AuthorityError> {
    Ok(Zeroizing::new(match passphrase {
        Some(passphrase) => sealed::seal(name, seed, passphrase)?,
        None => format!("{}\n", URL_SAFE_NO_PAD.encode(seed)),
    }))
}

fn damaged(path: &Path) -> AuthorityError {
    AuthorityError::setup(
        format!("`{}` is not a key: 43 characters of base64url are expected", path.display()),
        "restore it from a backup",
    )
}

impl KeyStore for FileKeyStore {
    fn find(&self, name: KeyName) -> Result<Option<StoredKey>, AuthorityError> {
        let Some(text) = self.read(name)? else { return Ok(None) };
        let seed = self.seed_of(name, &text, self.passphrase.as_ref())?;
        let key = SigningKey::from_seed(*seed).map_err(|_| damaged(&self.path(name)))?;
        Ok(Some(StoredKey::Exportable(key)))
    }

    fn make(&self, name: KeyName) -> Result<StoredKey, AuthorityError> {
        let path = self.path(name);
        let seed = random_seed()?;
        let key = SigningKey::from_seed(*seed)?;
        let text = text_of(name, &seed, self.passphrase.as_ref())?;

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
        Ok(StoredKey::Exportable(key))
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

    fn passphrase(text: &str) -> Option<Passphrase> {
        Some(Passphrase::of(text))
    }

    #[test]
    fn encrypted_keys_open_with_their_passphrase_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileKeyStore::open_with(dir.path(), passphrase("one two three")).unwrap();
        let made = store.load_or_create(KeyName::Log).unwrap();
        let text = fs::read_to_string(store.path(KeyName::Log)).unwrap();
        assert!(!text.contains(&URL_SAFE_NO_PAD.encode(made.seed().as_slice())), "{text}");
        let mode = fs::metadata(store.path(KeyName::Log)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);

        let again = FileKeyStore::open_with(dir.path(), passphrase("one two three")).unwrap();
        assert_eq!(again.load(KeyName::Log).unwrap().unwrap().id(), made.id());
        let says = |passphrase: Option<Passphrase>| {
            let store = FileKeyStore::open_with(dir.path(), passphrase).unwrap();
            store.load(KeyName::Log).unwrap_err().to_string()
        };
        let wrong = says(passphrase("four"));
        assert!(wrong.contains("the passphrase does not open") && wrong.contains("log.key"), "{wrong}");
        assert!(!wrong.contains("four"), "{wrong}");
        let without = says(None);
        assert!(without.contains("is encrypted") && without.contains(PASSPHRASE_FILE_VARIABLE), "{without}");
    }

    #[test]
    fn a_changed_or_foreign_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = FileKeyStore::open_with(dir.path(), passphrase("one two three")).unwrap();
        store.create(KeyName::Log).unwrap();
        let text = fs::read_to_string(store.path(KeyName::Log)).unwrap();
        let write = |name: KeyName, text: &str| {
            fs::write(store.path(name), text).unwrap();
            fs::set_permissions(store.path(name), fs::Permissions::from_mode(0o600)).unwrap();
            store.load(name).unwrap_err().to_string()
        };
        let moved = write(KeyName::Gateway, &text);
        assert!(moved.contains("is not as killick wrote it") && moved.contains("backup"), "{moved}");
        let short = write(KeyName::Log, &text[..text.len() / 2]);
        assert!(short.contains("is not as killick wrote it"), "{short}");
        // A plain key where encrypted ones are expected is not taken: whoever can write a file could have put it there.
        let plain = write(KeyName::Log, &URL_SAFE_NO_PAD.encode([9; 32]));
        assert!(plain.contains("is not encrypted"), "{plain}");
    }

    #[test]
    fn the_passphrase_can_be_changed_and_a_crash_between_is_mended() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = FileKeyStore::open_with(dir.path(), None).unwrap();
        let log = store.create(KeyName::Log).unwrap();
        let gateway = store.create(KeyName::Gateway).unwrap();
        let ids = |store: &FileKeyStore| {
            [KeyName::Log, KeyName::Gateway].map(|name| store.load(name).unwrap().unwrap().id().clone())
        };
        let expected = [log.id().clone(), gateway.id().clone()];

        assert_eq!(store.change_passphrase(passphrase("one")).unwrap(), 2);
        assert_eq!(ids(&store), expected);
        // As after a crash: one file under the old passphrase, one under the new.
        let old_text = fs::read(store.path(KeyName::Gateway)).unwrap();
        assert_eq!(store.change_passphrase(passphrase("two")).unwrap(), 2);
        fs::write(store.path(KeyName::Gateway), old_text).unwrap();
        let mut store = FileKeyStore::open_with(dir.path(), passphrase("one")).unwrap();
        assert!(store.load(KeyName::Log).is_err());
        assert_eq!(store.change_passphrase(passphrase("two")).unwrap(), 1);
        assert_eq!(ids(&store), expected);
        assert_eq!(store.change_passphrase(None).unwrap(), 2);
        assert_eq!(ids(&FileKeyStore::open_with(dir.path(), None).unwrap()), expected);

        store.change_passphrase(passphrase("one")).unwrap();
        let mut wrong = FileKeyStore::open_with(dir.path(), passphrase("three")).unwrap();
        let error = wrong.change_passphrase(passphrase("four")).unwrap_err().to_string();
        assert!(error.contains("the passphrase does not open"), "{error}");
        assert_eq!(ids(&store), expected, "and nothing was changed");
    }
}
