//! The token chains that decisions rested on, kept beside the log by their hash.
//!
//! An entry of the log names a chain by its SHA-256 only: a chain says for whom a task is done, and personal data is
//! never in an entry. Whoever wants to follow a decision to the originating model needs the chain itself; it lies here,
//! durable before the decision takes effect, and can be erased without touching the log.
//!
//! `chains.jsonl` in the gateway's state folder: one `{"hash":…,"chain":…}` a line, appended once for each chain.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use killick_proof::chain::Chain;
use killick_proof::keys::{base64url, sha256};
use killick_proof::{Code, Refusal};
use serde_json::json;

use crate::limits::EVIDENCE_PER_ROOT_MAX;

/// The file's name in the state folder.
const FILE: &str = "chains.jsonl";

/// The chains kept. Clones share it.
#[derive(Clone)]
pub(crate) struct Evidence {
    path: PathBuf,
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    file: File,
    hashes: HashSet<[u8; 32]>,
    /// Chains kept, by the SHA-256 of their root token.
    per_root: HashMap<[u8; 32], u32>,
    /// A write or a sync failed: what is on the disk is not known until the next start reads it.
    failed: bool,
}

impl Kept {
    fn insert(&mut self, compact: &str) {
        if self.hashes.insert(sha256(compact.as_bytes())) {
            *self.per_root.entry(root_of(compact)).or_default() += 1;
        }
    }
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
        if whole < bytes.len() {
            file.set_len(u64::try_from(whole).unwrap_or(u64::MAX))?;
            file.sync_data()?;
        }
        let mut kept = Kept { file, hashes: HashSet::new(), per_root: HashMap::new(), failed: false };
        for (_, chain) in chains_in(bytes.get(..whole).unwrap_or_default())? {
            kept.insert(&chain);
        }
        Ok(Self { path, kept: Arc::new(Mutex::new(kept)) })
    }

    /// The chain, if it is not kept yet. Errs with `limit.rate` where its root token has been delegated in more ways
    /// than are kept: an agent that makes ever new links of its own must not fill the disk.
    pub(crate) fn unkept(&self, chain: &Chain) -> Result<Option<Unkept>, Refusal> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.hashes.contains(chain.hash()) {
            return Ok(None);
        }
        if kept.per_root.get(&root_of(chain.compact())).is_some_and(|count| *count >= EVIDENCE_PER_ROOT_MAX) {
            return Err(Refusal::new(
                Code::LimitRate,
                format!(
                    "{EVIDENCE_PER_ROOT_MAX} different chains of this root token were used; ask for a new one"
                ),
            ));
        }
        Ok(Some(Unkept { hash: *chain.hash(), compact: chain.compact().to_owned() }))
    }

    /// Forgets every chain that names this person as owner or principal: the file is replaced by one without them.
    /// Returns how many there were. Blocks.
    pub(crate) fn forget(&self, subject: &str) -> io::Result<usize> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.failed {
            return Err(io::Error::other(format!("{FILE} could not be written before")));
        }
        let bytes = std::fs::read(&self.path)?;
        let all: Vec<(String, String)> = chains_in(&bytes)?.collect();
        let staying: Vec<&(String, String)> =
            all.iter().filter(|(_, chain)| !names(chain, subject)).collect();
        let forgotten = all.len() - staying.len();
        if forgotten == 0 {
            return Ok(0);
        }
        let mut text = String::new();
        for (hash, chain) in &staying {
            text.push_str(&json!({ "hash": hash, "chain": chain }).to_string());
            text.push('\n');
        }
        kept.failed = true;
        let fresh = self.path.with_extension("jsonl.new");
        let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        let file = File::options().append(true).read(true).open(&self.path)?;
        *kept = Kept { file, hashes: HashSet::new(), per_root: HashMap::new(), failed: false };
        for (_, chain) in staying {
            kept.insert(chain);
        }
        Ok(forgotten)
    }

    /// Keeps a chain; durable when it returns. Blocks for one commit of the disk. After an error every further chain is
    /// refused until the next start: a sync that failed once says nothing about what the next one covers.
    pub(crate) fn keep(&self, unkept: &Unkept) -> io::Result<()> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.hashes.contains(&unkept.hash) {
            return Ok(());
        }
        if kept.failed {
            return Err(io::Error::other(format!("{FILE} could not be written before")));
        }
        let mut line = json!({ "hash": base64url(&unkept.hash), "chain": unkept.compact }).to_string();
        line.push('\n');
        kept.failed = true;
        kept.file.write_all(line.as_bytes())?;
        kept.file.sync_data()?;
        kept.failed = false;
        kept.insert(&unkept.compact);
        Ok(())
    }
}

/// Whether the root of a chain that once verified names this person.
fn names(compact: &str, subject: &str) -> bool {
    use base64::Engine as _;
    let payload = compact.split('~').next().and_then(|root| root.split('.').nth(1));
    let bytes = payload
        .and_then(|payload| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok())
        .unwrap_or_default();
    let claims: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    ["/killick/origin/owner", "/killick/origin/principal"]
        .iter()
        .any(|member| claims.pointer(member).and_then(serde_json::Value::as_str) == Some(subject))
}

/// SHA-256 of a chain's root token: what stands before the first `~`.
fn root_of(compact: &str) -> [u8; 32] {
    sha256(compact.split('~').next().unwrap_or_default().as_bytes())
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

    #[test]
    fn what_names_a_person_can_be_forgotten_and_the_rest_stays() {
        use killick_proof::fixtures::{World, tools};

        let folder = tempfile::tempdir().unwrap();
        let evidence = Evidence::open(folder.path()).unwrap();
        let world = World::new();
        let of_ada = world.root_token("invoice-bot", tools(&["read:invoices"]));
        let mut claims = world.root_claims("payment-bot", tools(&["read:invoices"]));
        claims.killick.as_mut().unwrap().origin.as_mut().unwrap().principal = None;
        let of_grace = claims.sign(&world.token_key);
        for chain in [&of_ada, &format!("{of_ada}~link"), &of_grace] {
            evidence.keep(&unkept(chain)).unwrap();
        }
        assert_eq!(evidence.forget("nobody@acme.example").unwrap(), 0);
        assert_eq!(evidence.forget("ada@acme.example").unwrap(), 2);
        let chains = read(folder.path()).unwrap();
        assert_eq!(chains.values().collect::<Vec<_>>(), [&of_grace]);
        // The store goes on, and what comes again is kept again.
        evidence.keep(&unkept(&of_ada)).unwrap();
        drop(evidence);
        Evidence::open(folder.path()).unwrap();
        assert_eq!(read(folder.path()).unwrap().len(), 2);
    }

    #[test]
    fn one_root_token_cannot_fill_the_disk() {
        use killick_proof::fixtures::{NOW, World, tools};
        use killick_proof::verified::verify_agent_chain;

        let folder = tempfile::tempdir().unwrap();
        let evidence = Evidence::open(folder.path()).unwrap();
        let world = World::new();
        let token = world.root_token("invoice-bot", tools(&["read:invoices"]));
        let chain = verify_agent_chain(&token, &world.trust(), NOW).unwrap();
        assert!(evidence.unkept(&chain).unwrap().is_some());
        evidence.kept.lock().unwrap().per_root.insert(root_of(&token), EVIDENCE_PER_ROOT_MAX);
        assert_eq!(evidence.unkept(&chain).err().unwrap().code(), Code::LimitRate);
        // A chain that is kept already goes on working.
        evidence.keep(&unkept(&token)).unwrap();
        assert!(evidence.unkept(&chain).unwrap().is_none());
    }
}
