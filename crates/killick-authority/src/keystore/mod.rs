//! Where the long-lived keys live. One small trait, so that an HSM or a vault can stand in for files.

mod file;

pub use file::FileKeyStore;

use killick_proof::keys::SigningKey;

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

/// A place for Ed25519 keys.
pub trait KeyStore {
    /// The key, if it is there. Errs if it is there and cannot be used.
    fn load(&self, name: KeyName) -> Result<Option<SigningKey>, AuthorityError>;

    /// A new key of random bytes, durable when this returns. Errs if there is one already.
    fn create(&self, name: KeyName) -> Result<SigningKey, AuthorityError>;

    /// The key, made now if there is none.
    fn load_or_create(&self, name: KeyName) -> Result<SigningKey, AuthorityError> {
        match self.load(name)? {
            Some(key) => Ok(key),
            None => self.create(name),
        }
    }
}
