//! The token chains that decisions rested on, kept beside the log by their hash.
//!
//! An entry of the log names a chain by its SHA-256 only: a chain says for whom a task is done, and personal data is
//! never in an entry. Whoever wants to follow a decision to the originating model needs the chain itself; it lies here,
//! durable before the decision takes effect, and can be erased without touching the log.
//!
//! `chains.jsonl` in the gateway's state folder: one `{"hash":…,"chain":…}` a line, appended once for each chain.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use killick_proof::chain::Chain;
use killick_proof::keys::{base64url, sha256};
use serde_json::json;

/// The file's name in the state folder.
const FILE: &str = "chains.jsonl";

/// The chains kept. Clones share it.
#[derive(Clone)]
pub(crate) struct Evidence {
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    file: File,
    /// Bytes of whole, synced lines.
    bytes: u64,
    hashes: HashSet<[u8; 32]>,
}

/// A chain that is not kept yet.
pub(crate) struct Unkept {
    hash: [u8; 32],
    compact: String,
}

impl Evidence {
    /// Opens the store in `state_dir`. A last line that a crash cut short is cut off: its chain was not yet relied on.
    pub(crate) fn open(state_dir: &Path) -> io::Result<Self> {
        let path = path(state_dir);
        let file = File::options().create(true).append(true).read(true).mode(0o600).open(&path)?;
        let bytes = std::fs::read(&path)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let length = u64::try_from(whole).unwrap_or(u64::MAX);
        if whole < bytes.len() {
            file.set_len(length)?;
            file.sync_data()?;
        }
        let hashes =
            chains_in(bytes.get(..whole).unwrap_or_default())?.map(|(_, chain)| sha256(chain.as_bytes()));
        Ok(Self { kept: Arc::new(Mutex::new(Kept { hashes: hashes.collect(), bytes: length, file })) })
    }

    /// The chain, if it is not kept yet.
    pub(crate) fn unkept(&self, chain: &Chain) -> Option<Unkept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let new = !kept.hashes.contains(chain.hash());
        new.then(|| Unkept { hash: *chain.hash(), compact: chain.compact().to_owned() })
    }

    /// Keeps a chain; durable when it returns. Blocks for one commit of the disk.
    pub(crate) fn keep(&self, unkept: &Unkept) -> io::Result<()> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.hashes.contains(&unkept.hash) {
            return Ok(());
        }
        let mut line = json!({ "hash": base64url(&unkept.hash), "chain": unkept.compact }).to_string();
        line.push('\n');
        if let Err(error) = kept.file.write_all(line.as_bytes()).and_then(|()| kept.file.sync_data()) {
            // A full disk may have taken half a line: the next one must not be joined to it.
            kept.file.set_len(kept.bytes)?;
            return Err(error);
        }
        kept.bytes += line.len() as u64;
        kept.hashes.insert(unkept.hash);
        Ok(())
    }
}

/// Every chain kept in `state_dir`, by the base64url SHA-256 of its text. Errs if the file cannot be read, or if a
/// line is not one of ours.
pub fn read(state_dir: &Path) -> io::Result<BTreeMap<String, String>> {
    match std::fs::read(path(state_dir)) {
        Ok(bytes) => Ok(chains_in(&bytes)?.collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

fn chains_in(bytes: &[u8]) -> io::Result<impl Iterator<Item = (String, String)> + use<>> {
    #[derive(serde::Deserialize)]
    struct Line {
        hash: String,
        chain: String,
    }
    let lines: Result<Vec<Line>, _> = serde_json::Deserializer::from_slice(bytes).into_iter().collect();
    let damaged =
        |error: serde_json::Error| io::Error::new(io::ErrorKind::InvalidData, format!("{FILE}: {error}"));
    Ok(lines.map_err(damaged)?.into_iter().map(|line| (line.hash, line.chain)))
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unkept(text: &str) -> Unkept {
        Unkept { hash: sha256(text.as_bytes()), compact: text.to_owned() }
    }

    #[test]
    fn what_is_kept_is_there_once_and_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let evidence = Evidence::open(folder.path()).unwrap();
        evidence.keep(&unkept("root~leaf")).unwrap();
        evidence.keep(&unkept("root~leaf")).unwrap();
        drop(evidence);
        let evidence = Evidence::open(folder.path()).unwrap();
        evidence.keep(&unkept("root~leaf")).unwrap();
        evidence.keep(&unkept("root")).unwrap();
        let chains = read(folder.path()).unwrap();
        assert_eq!(chains.len(), 2);
        assert_eq!(chains.get(&base64url(&sha256(b"root~leaf"))).unwrap(), "root~leaf");
        assert_eq!(std::fs::read_to_string(path(folder.path())).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Evidence::open(folder.path()).unwrap().keep(&unkept("root")).unwrap();
        let file = path(folder.path());
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, [whole.as_slice(), br#"{"hash":"abc","cha"#].concat()).unwrap();
        Evidence::open(folder.path()).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), whole);

        std::fs::write(&file, b"not ours\n").unwrap();
        assert!(Evidence::open(folder.path()).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"not ours\n");
    }
}
