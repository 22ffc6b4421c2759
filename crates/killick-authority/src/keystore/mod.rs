//! Where the long-lived keys live. One small trait, so that an HSM or a vault can stand in for files.
//!
//! A store hands out a [`StoredKey`]: either its secret is in this process ([`StoredKey::Exportable`]), or it stays where
//! it is and only signatures come out ([`StoredKey::Held`]). Whoever needs the secret itself says so by
//! [`StoredKey::export`], which a held key refuses.

mod file;
mod memory;
mod passphrase;
mod sealed;

pub use file::FileKeyStore;
pub use memory::MemoryKeyStore;
pub use passphrase::{PASSPHRASE_FILE_VARIABLE, Passphrase};

use killick_proof::keys::{PublicKey, SignError, Signer, SigningKey};
use zeroize::Zeroizing;

use crate::error::AuthorityError;

/// The keys of one installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyName {
    /// Signs root tokens.
    AuthorityToken,
    /// Signs bundles; gateways pin it.
    AuthorityBundle,
    /// Signs SVIDs.
    SvidCa,
    /// Signs what the gateway forwards.
    Gateway,
    /// Signs the gateway's log.
    Log,
    /// Signs the directory log.
    DirectoryLog,
}

impl KeyName {
    /// Every key.
    pub const ALL: [KeyName; 6] = [
        KeyName::AuthorityToken,
        KeyName::AuthorityBundle,
        KeyName::SvidCa,
        KeyName::Gateway,
        KeyName::Log,
        KeyName::DirectoryLog,
    ];

    /// The key's name in files and log entries, e.g. `authority-token`.
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyName::AuthorityToken => "authority-token",
            KeyName::AuthorityBundle => "authority-bundle",
            KeyName::SvidCa => "svid-ca",
            KeyName::Gateway => "gateway",
            KeyName::Log => "log",
            KeyName::DirectoryLog => "directory-log",
        }
    }
}

/// A key of a store.
#[non_exhaustive]
pub enum StoredKey {
    /// Its secret is in this process.
    Exportable(SigningKey),
    /// Its secret never leaves the store: a PKCS#11 token, a vault.
    Held(Box<dyn Signer>),
}

impl StoredKey {
    /// The key itself. Errs if it never leaves its store.
    pub fn export(self) -> Result<SigningKey, AuthorityError> {
        match self {
            StoredKey::Exportable(key) => Ok(key),
            StoredKey::Held(key) => Err(AuthorityError::setup(
                format!("the key {} never leaves its store, and is needed here", key.public().id()),
                "keep this key in a file store",
            )),
        }
    }

    /// What signs with it, wherever it is.
    pub fn into_signer(self) -> Box<dyn Signer> {
        match self {
            StoredKey::Exportable(key) => Box::new(key),
            StoredKey::Held(signer) => signer,
        }
    }
}

impl Signer for StoredKey {
    fn public(&self) -> &PublicKey {
        match self {
            StoredKey::Exportable(key) => key.public(),
            StoredKey::Held(signer) => signer.public(),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        match self {
            StoredKey::Exportable(key) => Ok(key.sign(message)),
            StoredKey::Held(signer) => signer.sign(message),
        }
    }
}

/// A place for keys. The two methods that are asked for work on keys wherever they are; the three that are given want
/// the key itself and err for one that is held.
pub trait KeyStore {
    /// The key, if it is there. Errs if it is there and cannot be used.
    fn find(&self, name: KeyName) -> Result<Option<StoredKey>, AuthorityError>;

    /// A new key of random bytes, durable when this returns. Errs if there is one already.
    fn make(&self, name: KeyName) -> Result<StoredKey, AuthorityError>;

    /// The key itself, if it is there.
    fn load(&self, name: KeyName) -> Result<Option<SigningKey>, AuthorityError> {
        self.find(name)?.map(StoredKey::export).transpose()
    }

    /// A new key, and the key itself.
    fn create(&self, name: KeyName) -> Result<SigningKey, AuthorityError> {
        self.make(name)?.export()
    }

    /// The key itself, made now if there is none.
    fn load_or_create(&self, name: KeyName) -> Result<SigningKey, AuthorityError> {
        match self.load(name)? {
            Some(key) => Ok(key),
            None => self.create(name),
        }
    }
}

/// A seed from the system's generator.
fn random_seed() -> Result<Zeroizing<[u8; 32]>, AuthorityError> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    fill(seed.as_mut_slice())?;
    Ok(seed)
}

fn fill(bytes: &mut [u8]) -> Result<(), AuthorityError> {
    aws_lc_rs::rand::fill(bytes)
        .map_err(|_| AuthorityError::setup("the system gives no random bytes", "check /dev/urandom"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that holds one key and lets nothing out but signatures.
    struct Device(SigningKey);

    struct Handle(PublicKey, SigningKey);

    impl Signer for Handle {
        fn public(&self) -> &PublicKey {
            &self.0
        }
        fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
            Ok(self.1.sign(message))
        }
    }

    impl KeyStore for Device {
        fn find(&self, _: KeyName) -> Result<Option<StoredKey>, AuthorityError> {
            let inside = SigningKey::from_seed(**self.0.seed())?;
            Ok(Some(StoredKey::Held(Box::new(Handle(inside.public().clone(), inside)))))
        }
        fn make(&self, _: KeyName) -> Result<StoredKey, AuthorityError> {
            Err(AuthorityError::setup("the device makes no keys", "make one with its own tool"))
        }
    }

    #[test]
    fn a_held_key_signs_and_is_not_exported() {
        let device = Device(SigningKey::from_seed([7; 32]).unwrap());
        let key = device.find(KeyName::SvidCa).unwrap().unwrap();
        let signature = Signer::sign(&key, b"one call").unwrap();
        assert!(key.public().verifies(b"one call", &signature));
        let error = device.load(KeyName::SvidCa).unwrap_err().to_string();
        assert!(error.contains("never leaves its store"), "{error}");
        assert_eq!(key.into_signer().public(), device.0.public());
    }

    #[test]
    fn a_held_key_issues_svids() {
        use killick_proof::fixtures::{NOW, id};
        let device = Device(SigningKey::from_seed([7; 32]).unwrap());
        let signer = device.find(KeyName::SvidCa).unwrap().unwrap().into_signer();
        let root = killick_proof::svid::new_root_with("acme.example", signer, 0, [1; 16], NOW, 600).unwrap();
        let agent = SigningKey::from_seed([8; 32]).unwrap();
        let leaf = root.issue(&id("/agent/a"), agent.public(), [2; 16], NOW, 60).unwrap();
        let roots = [root.certificate_der().to_vec()];
        let svid = killick_proof::svid::verify_svid(&leaf, &roots, "acme.example", NOW).unwrap();
        assert_eq!(&svid.key, agent.public());
    }
}
