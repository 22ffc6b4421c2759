//! What a witness has cosigned, on its disk.
//!
//! ```text
//! DIR/witness.key           its key, mode 0600
//! DIR/lock                  taken while it runs
//! DIR/state/<origin hash>   per log: the last head cosigned, a note that the log and this witness have signed
//! DIR/state/seen            of every log: size, root, origin; and a hash over it all
//! ```
//!
//! A head is written to its own file, then to `seen`, each durable before the next step; the cosignature leaves last. So
//! a file may be one step ahead of `seen` after a crash, never behind: behind means that it was set back.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use killick_tlog::hash::Hash;
use killick_tlog::limits::NOTE_BYTES_MAX;
use killick_tlog::note::{SignatureType, VerifierKey};
use killick_tlog::witness::{AddCheckpoint, Held, Refused, cosigned, decide, origin_hash, read_cosigned};

use crate::error::WitnessError;
use crate::files;
use crate::key::WitnessKey;
use crate::limits::{LIST_BYTES_MAX, LOG_KEYS_MAX, LOGS_MAX};

const SET_BACK: &str = "restore the newest copy of the witness's whole folder; if there is none, this key must not cosign any more: \
                        make a witness in another folder under another name, and give the logs its key";

/// A log that a witness knows: its origin, and the keys that its checkpoints may be signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLog {
    /// The first line of its checkpoints.
    pub origin: String,
    /// Its keys.
    pub keys: Vec<VerifierKey>,
}

impl KnownLog {
    /// Reads a list of logs: one a line, `VKEY`, or `ORIGIN VKEY` where the key's name is not the origin. Empty lines and
    /// lines that begin with `#` are skipped; several lines of one origin are several keys of it.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, WitnessError> {
        let mut logs: Vec<Self> = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let wrong = |problem: &str| WitnessError::Config(format!("`{line}` is no log: {problem}"));
            // A vkey has no spaces; an origin might.
            let (origin, vkey) = line.rsplit_once(' ').unwrap_or(("", line));
            let key = VerifierKey::parse(vkey).map_err(|error| wrong(&error.to_string()))?;
            if key.kind() != SignatureType::Ed25519 {
                return Err(wrong("it is a witness's key, not a log's"));
            }
            let origin = if origin.is_empty() { key.name() } else { origin.trim() };
            let full = logs.len() >= LOGS_MAX;
            match logs.iter_mut().find(|log| log.origin == origin) {
                Some(log) if log.keys.contains(&key) => {}
                Some(log) if log.keys.len() >= LOG_KEYS_MAX => return Err(wrong("it has too many keys")),
                Some(log) => log.keys.push(key),
                None if full => return Err(wrong("there are too many logs")),
                None => logs.push(Self { origin: origin.to_owned(), keys: vec![key] }),
            }
        }
        Ok(logs)
    }
}

/// Sets up a witness's folder: a new key of this name, and the record that nothing was cosigned yet. Errs if there is a
/// witness. Returns its verifier key.
pub fn init(folder: &Path, name: &str) -> Result<VerifierKey, WitnessError> {
    let key_path = folder.join(KEY);
    if key_path.exists() {
        let mend = "see its key with `killick witness key`, or name another folder with --dir";
        return Err(WitnessError::damaged(&key_path, "there is a witness already", mend));
    }
    files::create_private_folder(folder)?;
    files::create_private_folder(&folder.join(STATE))?;
    // Before the key: a key without this record is a witness that was robbed of its memory.
    files::replace(&folder.join(STATE).join(SEEN), format_seen(&BTreeMap::new()).as_bytes())?;
    Ok(WitnessKey::create(&key_path, name)?.verifier().clone())
}

const KEY: &str = "witness.key";
const STATE: &str = "state";
const SEEN: &str = "seen";

/// A witness's memory, open. One process has it.
#[derive(Debug)]
pub struct Store {
    key: WitnessKey,
    state: PathBuf,
    logs: HashMap<String, Log>,
    /// What the file `seen` says.
    seen: Mutex<BTreeMap<String, Held>>,
    /// A write failed: what is on the disk is unknown until it is read anew, by the next process.
    failed: AtomicBool,
    _lock: File,
}

/// One log. Its lock is held from the comparison of the old size to the end of the write (C2SP tlog-witness,
/// add-checkpoint: both "must be performed atomically").
#[derive(Debug)]
struct Log {
    keys: Vec<VerifierKey>,
    held: Mutex<Held>,
}

impl Store {
    /// The witness's key of a folder.
    pub fn verifier(folder: &Path) -> Result<VerifierKey, WitnessError> {
        Ok(WitnessKey::read(&folder.join(KEY))?.verifier().clone())
    }

    /// Opens a witness's folder. Errs if another process has it, or if what it holds is damaged or was set back.
    pub fn open(folder: &Path, known: &[KnownLog]) -> Result<Self, WitnessError> {
        let key = WitnessKey::read(&folder.join(KEY))?;
        let lock = take_lock(&folder.join("lock"))?;
        let state = folder.join(STATE);
        let seen = reconcile(&state, &key)?;
        let mut logs = HashMap::new();
        for log in known {
            let held = seen.get(&log.origin).copied().unwrap_or_else(Held::nothing);
            logs.insert(log.origin.clone(), Log { keys: log.keys.clone(), held: Mutex::new(held) });
        }
        Ok(Self { key, state, logs, seen: Mutex::new(seen), failed: AtomicBool::new(false), _lock: lock })
    }

    /// The witness's verifier key.
    pub fn key(&self) -> &VerifierKey {
        self.key.verifier()
    }

    /// Answers one `add-checkpoint` request: the cosignature's line, made at `time` (seconds since 1970), or why there is
    /// none. Errs if the disk fails; then nothing may be answered any more, since what is on the disk is unknown.
    pub fn add_checkpoint(
        &self,
        request: &AddCheckpoint,
        time: u64,
    ) -> Result<Result<String, Refused>, WitnessError> {
        let origin = &request.checkpoint.unverified().origin;
        let Some(log) = self.logs.get(origin) else {
            return Ok(Err(Refused::UnknownOrigin(origin.clone())));
        };
        let mut held = lock(&log.held);
        if self.failed.load(Ordering::SeqCst) {
            return Err(WitnessError::Config("the witness has stopped: its disk failed".to_owned()));
        }
        let new = match decide(&log.keys, &held, request) {
            Ok(new) => new,
            Err(refused) => return Ok(Err(refused)),
        };
        let cosigned = cosigned(&log.keys, self.key.signer(), &request.checkpoint, time);
        let cosigned = cosigned.map_err(|error| WitnessError::Config(format!("cannot cosign: {error}")))?;
        // INVARIANT: the head is durable before its cosignature leaves.
        self.write(origin, new, &cosigned.note, new != *held).inspect_err(|_| {
            self.failed.store(true, Ordering::SeqCst);
        })?;
        *held = new;
        Ok(Ok(cosigned.line))
    }

    fn write(&self, origin: &str, new: Held, note: &str, grown: bool) -> Result<(), WitnessError> {
        files::replace(&self.state.join(origin_hash(origin)), note.as_bytes())?;
        if grown {
            let mut seen = lock(&self.seen);
            seen.insert(origin.to_owned(), new);
            files::replace(&self.state.join(SEEN), format_seen(&seen).as_bytes())?;
        }
        Ok(())
    }

    /// The last cosigned checkpoint of the log with this origin hash, if there is one and the log is known.
    pub fn checkpoint(&self, hash: &str) -> Result<Option<String>, WitnessError> {
        match self.logs.keys().find(|origin| origin_hash(origin) == hash) {
            Some(_) => files::read(&self.state.join(hash), NOTE_BYTES_MAX),
            None => Ok(None),
        }
    }
}

/// Holds `seen` against every log's own file; whichever log is one step ahead is put into `seen`. What is behind, missing
/// or damaged is an error.
fn reconcile(state: &Path, key: &WitnessKey) -> Result<BTreeMap<String, Held>, WitnessError> {
    let seen_path = state.join(SEEN);
    let Some(text) = files::read(&seen_path, LIST_BYTES_MAX)? else {
        return Err(WitnessError::damaged(
            &seen_path,
            "the record of what was cosigned is missing",
            SET_BACK,
        ));
    };
    let mut seen = parse_seen(&text).ok_or_else(|| {
        WitnessError::damaged(&seen_path, "the record of what was cosigned is damaged", SET_BACK)
    })?;
    let mut ahead = false;
    let mut found = BTreeMap::new();
    let failed = |error| WitnessError::io("cannot read", state, error);
    for file in std::fs::read_dir(state).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Written halfway when the process was killed, and never put in place.
        if name == SEEN || name.starts_with('.') {
            continue;
        }
        let damaged = |problem: String| WitnessError::damaged(&path, problem, SET_BACK);
        let note = files::read(&path, NOTE_BYTES_MAX)?.unwrap_or_default();
        let (head, _) = read_cosigned(note.as_bytes(), &[], key.verifier())
            .map_err(|error| damaged(format!("it is no checkpoint that this witness cosigned: {error}")))?;
        if origin_hash(&head.origin) != name {
            return Err(damaged("it is the checkpoint of another log".to_owned()));
        }
        found.insert(head.origin, (path.clone(), Held { size: head.size, root: head.root }));
    }
    for (origin, recorded) in &seen {
        let path = state.join(origin_hash(origin));
        match found.get(origin) {
            None => {
                return Err(WitnessError::damaged(
                    &path,
                    "the last checkpoint cosigned is missing",
                    SET_BACK,
                ));
            }
            Some((_, held)) if held.size < recorded.size => {
                let problem = format!(
                    "it was set back: it holds {} entries of `{origin}`, and {} were cosigned",
                    held.size, recorded.size
                );
                return Err(WitnessError::damaged(&path, problem, SET_BACK));
            }
            Some((_, held)) if held.size == recorded.size && held.root != recorded.root => {
                let problem = "it holds another tree than the one that was cosigned";
                return Err(WitnessError::damaged(&path, problem, SET_BACK));
            }
            Some(_) => {}
        }
    }
    for (origin, (_, held)) in found {
        ahead |= seen.insert(origin, held) != Some(held);
    }
    if ahead {
        files::replace(&seen_path, format_seen(&seen).as_bytes())?;
    }
    Ok(seen)
}

/// One line a log, `<size> <root> <origin>`, then `sha256 <hash of these lines>`.
fn format_seen(seen: &BTreeMap<String, Held>) -> String {
    let mut text = String::new();
    for (origin, held) in seen {
        let _ = writeln!(text, "{} {} {origin}", held.size, held.root);
    }
    let hash = hex(text.as_bytes());
    let _ = writeln!(text, "sha256 {hash}");
    text
}

fn parse_seen(text: &str) -> Option<BTreeMap<String, Held>> {
    let (lines, hash) = text.strip_suffix('\n')?.rsplit_once("sha256 ")?;
    if hex(lines.as_bytes()) != hash {
        return None;
    }
    let mut seen = BTreeMap::new();
    for line in lines.lines() {
        let mut parts = line.splitn(3, ' ');
        let (size, root, origin) = (parts.next()?, parts.next()?, parts.next()?);
        seen.insert(
            origin.to_owned(),
            Held { size: size.parse().ok()?, root: Hash::from_base64(root).ok()? },
        );
    }
    Some(seen)
}

fn hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn take_lock(path: &Path) -> Result<File, WitnessError> {
    let failed = |source| WitnessError::io("cannot lock", path, source);
    let file = File::options().write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(WitnessError::damaged(path, "another process runs this witness", "stop it first"))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
