//! Commitments instead of content. Whatever people or models supplied is in an entry only as an HMAC under a key of
//! that entry and field, which is derived from a random key of the subject. Erasing the subject's key leaves every
//! entry and every proof valid, and makes its commitments meaningless to everyone.
//!
//! The keys lie in `subjects.keys`: records of 80 bytes, each the subject's hash, its key and a checksum. The first is of
//! no subject and is written with the file, so that a file without it is damaged, not new. It is kept out of the log,
//! and should be kept out of ordinary backups.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_tlog::Seal;
use zeroize::Zeroizing;

use crate::disk::{read_file, replace_file, sync_folder};
use crate::error::LedgerError;
use crate::fault::{Rule, holds};
use crate::limits::SUBJECTS_MAX;
use crate::storage::{Access, Disk, StorageFile};

const RECORD_BYTES: usize = 80;
const FILE_BYTES_MAX: usize = RECORD_BYTES * 2 * SUBJECTS_MAX;
/// Bytes of a pseudonym: beyond guessing, short in a list.
const PSEUDONYM_BYTES: usize = 16;

/// Said by a commit after an erasure that failed.
const ERASURE_FAILED: &str = "subjects.keys could not be written anew";

type Id = [u8; 32];
/// The first record's: no subject's hash is all zeros.
const HEADER_ID: Id = [0; 32];
type Key = Zeroizing<[u8; 32]>;

/// The keys of all subjects.
pub(crate) struct Subjects {
    keys: RwLock<HashMap<Id, Key>>,
    /// Made, but not yet in the file. Filled under the lock of `keys`, before anybody can use the key.
    fresh: Mutex<Vec<Id>>,
    file: Mutex<KeyFile>,
    /// Random bytes to derive keys from, should the system have none when they are needed: sealing cannot err.
    reserve: Key,
    disk: Disk,
}

struct KeyFile {
    disk: Disk,
    path: PathBuf,
    /// `None` after an erasure that failed: which of two files has the name is unknown then.
    file: Option<Box<dyn StorageFile>>,
    length: u64,
}

const MEND: &str = "restore it from a backup, or remove it: what entries commit to about agents and people can then \
                    no longer be told";

impl Subjects {
    /// Reads the keys in this folder. A record cut off at the very end is left out: the entry that it was for was never
    /// acknowledged.
    pub(crate) fn open(disk: &Disk, folder: &Path) -> Result<Self, LedgerError> {
        let path = folder.join("subjects.keys");
        let bytes = match read_file(&**disk, &path, FILE_BYTES_MAX)? {
            Some(bytes) => Zeroizing::new(bytes),
            None => {
                let header = record(&HEADER_ID, &Key::default());
                replace_file(&**disk, &path, &header, 0o600)?;
                header
            }
        };
        let mut keys = HashMap::new();
        let mut length = 0;
        let mut records = bytes.chunks(RECORD_BYTES).peekable();
        while let Some(bytes) = records.next() {
            match parse_record(bytes) {
                Some((id, key)) => {
                    keys.insert(id, key);
                    length += RECORD_BYTES as u64;
                }
                // One is written at a time, and the file grows by it.
                None if length > 0 && records.peek().is_none() => {}
                None => {
                    return Err(LedgerError::damaged(
                        &path,
                        format!("a record within it was changed; {MEND}"),
                    ));
                }
            }
        }
        if length == 0 {
            return Err(LedgerError::damaged(&path, format!("it is empty; {MEND}")));
        }
        keys.remove(&HEADER_ID);
        let opened = disk.open(&path, Access::Write);
        let file = opened.map_err(|source| LedgerError::io("cannot open", &path, source))?;
        // A process that was killed, or whose disk failed, may have left the last record in memory only.
        let last = length - RECORD_BYTES as u64;
        let start = usize::try_from(last).unwrap_or(usize::MAX);
        let record = bytes.get(start..).unwrap_or_default();
        if holds(Rule::FoundKeysDurable) {
            let write = || {
                file.write_all_at(record.get(..RECORD_BYTES).unwrap_or_default(), last)?;
                file.sync()
            };
            write().map_err(|source| LedgerError::io("cannot write", &path, source))?;
            sync_folder(&**disk, folder)?;
        }
        let mut reserve = Zeroizing::new([0; 32]);
        let drawn = disk.draw(&mut *reserve);
        drawn.map_err(|source| LedgerError::io("cannot draw random bytes for", &path, source))?;
        let file = Mutex::new(KeyFile { disk: Disk::clone(disk), path, file: Some(file), length });
        Ok(Self { keys: RwLock::new(keys), fresh: Mutex::default(), file, reserve, disk: Disk::clone(disk) })
    }

    /// Makes the keys of new subjects durable. Called by the committer before each commit: an entry's keys were made
    /// before the entry was submitted.
    pub(crate) fn flush(&self) -> Result<(), LedgerError> {
        let mut file = lock(&self.file);
        let fresh = std::mem::take(&mut *lock(&self.fresh));
        if fresh.is_empty() {
            return Ok(());
        }
        for id in fresh {
            let key = self.keys.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
            let Some(key) = key else { continue }; // erased meanwhile
            let KeyFile { path, file, length, .. } = &mut *file;
            let Some(file) = file else { return Err(LedgerError::Stopped(ERASURE_FAILED.to_owned())) };
            // One at a time, so that only the last record can be cut off. New subjects are rare.
            let write = || {
                file.write_all_at(&record(&id, &key), *length)?;
                file.sync()
            };
            write().map_err(|source| LedgerError::io("cannot write", path, source))?;
            *length += RECORD_BYTES as u64;
        }
        Ok(())
    }

    /// Deletes a subject's key, from memory and from the file. Whether there was one. When it errs, no key can be
    /// added any more.
    pub(crate) fn erase(&self, subject: &str) -> Result<bool, LedgerError> {
        let mut file = lock(&self.file);
        let mut records = record(&HEADER_ID, &Key::default());
        {
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            if keys.remove(&id_of(subject)).is_none() {
                return Ok(false);
            }
            let mut kept: Vec<_> = keys.iter().collect();
            kept.sort_unstable_by_key(|(id, _)| **id);
            for (id, key) in kept {
                records.extend_from_slice(&record(id, key));
            }
        }
        let KeyFile { disk, path, file, length } = &mut *file;
        *file = None;
        replace_file(&**disk, path, &records, 0o600)?;
        sync_folder(&**disk, path.parent().unwrap_or(Path::new(".")))?;
        let opened = disk.open(path, Access::Write);
        *file = Some(opened.map_err(|source| LedgerError::io("cannot open", path, source))?);
        *length = records.len() as u64;
        Ok(true)
    }

    /// Whether anything in the log is under this subject's key.
    pub(crate) fn has(&self, subject: &str) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).contains_key(&id_of(subject))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn key(&self, subject: &str) -> Key {
        let id = id_of(subject);
        if let Some(key) = self.keys.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return key.clone();
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(&id) {
            return key.clone();
        }
        let mut key = Zeroizing::new([0; 32]);
        if self.disk.draw(&mut *key).is_err() {
            let reserve = hmac::Key::new(hmac::HMAC_SHA256, &*self.reserve);
            key.iter_mut().zip(hmac::sign(&reserve, &id).as_ref()).for_each(|(to, from)| *to = *from);
        }
        lock(&self.fresh).push(id);
        keys.insert(id, key.clone());
        key
    }
}

impl Seal for Subjects {
    fn commit(&self, subject: &str, entry_id: &str, field: &str, content: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.key(subject));
        let mut name = entry_id.as_bytes().to_vec();
        name.push(0);
        name.extend_from_slice(field.as_bytes());
        let field_key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, &name).as_ref());
        URL_SAFE_NO_PAD.encode(hmac::sign(&field_key, content))
    }

    fn pseudonym(&self, subject: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.key(subject));
        let tag = hmac::sign(&key, b"pseudonym");
        URL_SAFE_NO_PAD.encode(tag.as_ref().get(..PSEUDONYM_BYTES).unwrap_or_default())
    }
}

fn id_of(subject: &str) -> Id {
    let mut named = b"killick subject\n".to_vec();
    named.extend_from_slice(subject.as_bytes());
    let mut id = [0; 32];
    id.iter_mut().zip(digest(&SHA256, &named).as_ref()).for_each(|(to, from)| *to = *from);
    id
}

fn record(id: &Id, key: &Key) -> Zeroizing<Vec<u8>> {
    let mut record = Zeroizing::new(Vec::with_capacity(RECORD_BYTES));
    record.extend_from_slice(id);
    record.extend_from_slice(&**key);
    let checksum = digest(&SHA256, &record);
    record.extend(checksum.as_ref().iter().take(16));
    record
}

fn parse_record(bytes: &[u8]) -> Option<(Id, Key)> {
    let (id, rest) = bytes.split_first_chunk::<32>()?;
    let (key, _) = rest.split_first_chunk::<32>()?;
    let key = Zeroizing::new(*key);
    (*record(id, &key) == bytes).then_some((*id, key))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::system_disk;

    #[test]
    fn commitments_survive_reopening_and_not_erasure() {
        let folder = tempfile::tempdir().unwrap();
        let subjects = Subjects::open(&system_disk(), folder.path()).unwrap();
        let commitment = subjects.commit("alice", "id-1", "args", b"100 EUR");
        let pseudonym = subjects.pseudonym("alice");
        assert_ne!(commitment, subjects.commit("alice", "id-2", "args", b"100 EUR"));
        assert_ne!(commitment, subjects.commit("alice", "id-1", "payload", b"100 EUR"));
        assert_ne!(commitment, subjects.commit("bob", "id-1", "args", b"100 EUR"));
        subjects.flush().unwrap();

        let subjects = Subjects::open(&system_disk(), folder.path()).unwrap();
        assert_eq!(subjects.commit("alice", "id-1", "args", b"100 EUR"), commitment);
        assert_eq!(subjects.pseudonym("alice"), pseudonym);
        assert!(subjects.erase("alice").unwrap() && !subjects.erase("alice").unwrap());
        assert_eq!(subjects.count(), 1);

        let subjects = Subjects::open(&system_disk(), folder.path()).unwrap();
        assert_ne!(subjects.commit("alice", "id-1", "args", b"100 EUR"), commitment);
        assert_ne!(subjects.pseudonym("alice"), pseudonym);
        assert_eq!(subjects.count(), 2);
    }

    #[test]
    fn a_torn_tail_is_left_out_and_a_changed_middle_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let subjects = Subjects::open(&system_disk(), folder.path()).unwrap();
        for subject in ["a", "b", "c"] {
            subjects.pseudonym(subject);
            subjects.flush().unwrap();
        }
        let path = folder.path().join("subjects.keys");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 7]).unwrap();
        let subjects = Subjects::open(&system_disk(), folder.path()).unwrap();
        assert_eq!(subjects.count(), 2);
        subjects.pseudonym("d");
        subjects.flush().unwrap();
        assert_eq!(Subjects::open(&system_disk(), folder.path()).unwrap().count(), 3);

        let mut changed = bytes.clone();
        changed[100] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        assert!(matches!(Subjects::open(&system_disk(), folder.path()), Err(LedgerError::Damaged { .. })));
    }
}
