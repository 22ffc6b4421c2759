//! The witness's own key, in a file of its owner's alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_tlog::note::{SignatureType, SignerKey, VerifierKey};
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::WitnessError;
use crate::files;

/// Bytes of a key file: a name of 255 bytes, an ID, a seed, with room to spare.
const KEY_FILE_BYTES_MAX: usize = 1_024;
const PREFIX: &str = "PRIVATE+KEY+";
const MEND: &str =
    "restore the key file from a backup, or make a witness in another folder under another name";

/// The key that a witness cosigns with.
#[derive(Debug)]
pub struct WitnessKey(SignerKey);

impl WitnessKey {
    /// A key of this name from a seed. Errs unless the name is one: no spaces, no `+`, at most 255 bytes.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, WitnessError> {
        SignerKey::from_seed(name, SignatureType::CosignatureV1, seed)
            .map(Self)
            .map_err(|error| WitnessError::Config(format!("`{name}` cannot name a witness: {error}")))
    }

    /// Makes a new key and writes it to `path`, mode 0600. Errs if there is a file.
    pub(crate) fn create(path: &Path, name: &str) -> Result<Self, WitnessError> {
        if path.exists() {
            return Err(WitnessError::damaged(
                path,
                "there is a key already",
                "name another folder with --dir",
            ));
        }
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed)
            .map_err(|_| WitnessError::Config("the system gives no random bytes".to_owned()))?;
        let key = Self::from_seed(name, &seed)?;
        let mut data = Zeroizing::new(vec![0x04]);
        data.extend_from_slice(&seed);
        seed.zeroize();
        let text = Zeroizing::new(format!(
            "{PREFIX}{name}+{:08x}+{}\n",
            key.verifier().id(),
            Zeroizing::new(STANDARD.encode(&*data)).as_str()
        ));
        files::replace(path, text.as_bytes())?;
        Ok(key)
    }

    /// Reads a key file. Errs if others may read it, or it is damaged.
    pub(crate) fn read(path: &Path) -> Result<Self, WitnessError> {
        let Some(text) = files::read(path, KEY_FILE_BYTES_MAX)?.map(Zeroizing::new) else {
            let mend = "make the witness first: `killick witness init NAME --dir DIR`";
            return Err(WitnessError::damaged(path, "there is no key", mend));
        };
        let mode = std::fs::metadata(path).map_err(|error| WitnessError::io("cannot read", path, error))?;
        if mode.permissions().mode() & 0o077 != 0 {
            let mend = "chmod 600 the file; if others could read it, make a new witness under another name";
            return Err(WitnessError::damaged(path, "other users can read the key", mend));
        }
        Self::parse(&text).ok_or_else(|| WitnessError::damaged(path, "it is no witness key", MEND))
    }

    /// `PRIVATE+KEY+<name>+<key ID>+<base64 of 0x04 and the seed>`: as Go's `note` package writes private keys.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_suffix('\n')?.strip_prefix(PREFIX)?.splitn(3, '+');
        let (name, id, data) = (parts.next()?, parts.next()?, parts.next()?);
        let data = Zeroizing::new(STANDARD.decode(data).ok()?);
        let (kind, seed) = data.split_first()?;
        let key = Self::from_seed(name, seed.try_into().ok()?).ok()?;
        (*kind == 0x04 && format!("{:08x}", key.verifier().id()) == id).then_some(key)
    }

    /// Its verifier key, for logs and verifiers.
    pub fn verifier(&self) -> &VerifierKey {
        self.0.verifier()
    }

    pub(crate) const fn signer(&self) -> &SignerKey {
        &self.0
    }
}
