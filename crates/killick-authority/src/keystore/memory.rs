//! Keys in memory: gone with the process. For tests, and for runs that shall leave nothing behind.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use killick_proof::keys::SigningKey;

use super::{KeyName, KeyStore, StoredKey, random_seed};
use crate::error::AuthorityError;

/// Keys that live as long as this value. What is dropped is wiped.
#[derive(Debug, Default)]
pub struct MemoryKeyStore {
    keys: Mutex<HashMap<KeyName, SigningKey>>,
}

impl MemoryKeyStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl KeyStore for MemoryKeyStore {
    fn find(&self, name: KeyName) -> Result<Option<StoredKey>, AuthorityError> {
        // A panic elsewhere leaves the map whole: each change is one insertion.
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(&name).map(copy).transpose()
    }

    fn make(&self, name: KeyName) -> Result<StoredKey, AuthorityError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.contains_key(&name) {
            return Err(AuthorityError::setup(
                format!("there is a key `{}` already", name.as_str()),
                "start again",
            ));
        }
        let key = SigningKey::from_seed(*random_seed()?)?;
        let handed_out = copy(&key)?;
        keys.insert(name, key);
        Ok(handed_out)
    }
}

fn copy(key: &SigningKey) -> Result<StoredKey, AuthorityError> {
    Ok(StoredKey::Exportable(SigningKey::from_seed(**key.seed())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let store = MemoryKeyStore::new();
        assert!(store.load(KeyName::Log).unwrap().is_none());
        let made = store.load_or_create(KeyName::Log).unwrap();
        assert_eq!(store.load_or_create(KeyName::Log).unwrap().id(), made.id());
        assert!(store.create(KeyName::Log).is_err(), "an existing key is never replaced");
        assert_ne!(store.create(KeyName::Gateway).unwrap().id(), made.id());
        assert!(!format!("{store:?}").contains(&format!("{:?}", made.seed())));
    }
}
