//! One run: a log that lives, dies at a chosen call, is opened again and lives on, and the model it is held against.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use killick_tlog::Seal as _;
use killick_tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use killick_tlog::hash::{Hash, leaf_hash};
use killick_tlog::note::VerifierKey;
use killick_tlog::proof::verify_inclusion;
use killick_tlog::tree::RightEdge;
use killick_tlog::verify::{Trust, verify_log};
use tokio::sync::oneshot::Receiver;

use crate::committer::Committer;
use crate::disk::LogFolder;
use crate::error::LedgerError;
use crate::ledger::LedgerConfig;
use crate::limits::SPARE_SEGMENTS_MAX;
use crate::privacy::Subjects;
use crate::publish::Publisher;
use crate::recover;
use crate::shared::{Acknowledged, Pending, Shared};
use crate::sim::disk::{Draws, SimDisk, Trouble};
use crate::storage::Disk;

/// Small, so that segments fill up and are used again.
const SEGMENT_BYTES: usize = 32 * 1024;
/// What fits into such a segment with room to spare.
const BATCH_BYTES_MAX: usize = 24 * 1024;
/// Lives of one log.
const LIVES: usize = 30;
/// Calls to the disk within which trouble comes to a start, and those of them that change something: most starts take
/// fewer.
const OPENING_CALLS: usize = 120;
const OPENING_CHANGES: usize = 40;
/// Entries after which a log has lived long enough: every check reads all of them.
const ENTRIES_MAX: usize = 640;
/// The active segment, one that waits for its tiles or was just made, and the spare ones.
const SEGMENTS_MAX: usize = SPARE_SEGMENTS_MAX + 2;

/// What a run has met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    power_cuts: u64,
    kills: u64,
    errors: u64,
    no_space: u64,
    in_recovery: u64,
    whole: u64,
    absent: u64,
    acknowledged: u64,
    erased: u64,
    calls: u64,
}

impl Tally {
    /// Troubles that came.
    pub(super) fn points(&self) -> u64 {
        self.power_cuts + self.kills + self.errors + self.no_space
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.power_cuts += other.power_cuts;
        self.kills += other.kills;
        self.errors += other.errors;
        self.no_space += other.no_space;
        self.in_recovery += other.in_recovery;
        self.whole += other.whole;
        self.absent += other.absent;
        self.acknowledged += other.acknowledged;
        self.erased += other.erased;
        self.calls += other.calls;
    }

    /// Whether everything that can come has come.
    pub(super) fn is_varied(&self) -> bool {
        let Self {
            power_cuts,
            kills,
            errors,
            no_space,
            in_recovery,
            whole,
            absent,
            acknowledged,
            erased,
            ..
        } = *self;
        [power_cuts, kills, errors, no_space, in_recovery, whole, absent, acknowledged, erased]
            .iter()
            .all(|count| *count > 0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} crash points ({} power cuts, {} kills, {} EIO, {} ENOSPC; {} of them during recovery), {} entries \
             acknowledged, commits under way found whole {} times and absent {} times, {} erasures, {} calls to the disk",
            self.points(),
            self.power_cuts,
            self.kills,
            self.errors,
            self.no_space,
            self.in_recovery,
            self.acknowledged,
            self.whole,
            self.absent,
            self.erased,
            self.calls
        )
    }
}

/// An entry, and whom it is about under which pseudonym.
struct Written {
    bytes: Arc<[u8]>,
    about: Option<(String, String)>,
}

/// What must be true.
#[derive(Default)]
struct Model {
    /// Acknowledged, or seen in the log since.
    entries: Vec<Arc<[u8]>>,
    /// The root after each of them.
    roots: Vec<Hash>,
    edge: Option<RightEdge>,
    /// The commit that was under way when the process ended.
    under_way: Vec<Written>,
    /// Signed heads that anybody may have seen: size to root.
    heads: BTreeMap<u64, Hash>,
    /// Pseudonyms under which entries are about somebody.
    known: BTreeMap<String, String>,
    /// Subjects of whom nothing may be known.
    erased: BTreeSet<String>,
}

/// A process that has the log open.
struct Process {
    shared: Arc<Shared>,
    committer: Committer,
    publisher: Publisher,
}

struct World {
    disk: SimDisk,
    draws: Draws,
    model: Model,
    tally: Tally,
    trust: Trust,
    key: VerifierKey,
    texts: u64,
}

/// Lives one log. Errs with what is wrong.
pub(super) fn run(seed: u64) -> Result<Tally, String> {
    let mut draws = Draws(seed);
    let disk = SimDisk::new(draws.next());
    let key = signer().verifier().clone();
    let mut world = World {
        disk,
        draws,
        model: Model::default(),
        tally: Tally::default(),
        trust: Trust::of_key(key.clone()),
        key,
        texts: 0,
    };
    for life in 0..LIVES {
        world.live().map_err(|problem| format!("life {life}: {problem}"))?;
        if world.model.entries.len() > ENTRIES_MAX {
            break;
        }
    }
    world.tally.calls = world.disk.calls();
    Ok(world.tally)
}

fn config() -> LedgerConfig {
    LedgerConfig {
        log_dir: PathBuf::from("/data/log"),
        state_dir: PathBuf::from("/data/log-state"),
        origin: "test.example/simulated".to_owned(),
        seed: [5; 32],
        build: "killick test".to_owned(),
    }
}

fn signer() -> killick_tlog::note::SignerKey {
    let config = config();
    killick_tlog::note::SignerKey::from_seed(
        &config.origin,
        killick_tlog::note::SignatureType::Ed25519,
        &config.seed,
    )
    .unwrap()
}

impl World {
    /// From one start to the next: trouble comes somewhere, or nowhere.
    fn live(&mut self) -> Result<(), String> {
        let trouble = match self.draws.below(20) {
            0..8 => Trouble::PowerCut,
            8..13 => Trouble::Kill,
            13..17 => Trouble::Eio,
            17..19 => Trouble::NoSpace,
            _ => Trouble::Full,
        };
        let while_opening = self.draws.one_in(2);
        if while_opening {
            let calls = if trouble == Trouble::Eio { OPENING_CALLS } else { OPENING_CHANGES };
            self.disk.arm(self.draws.below(calls) as u64, trouble);
        }
        let opened = self.open();
        self.see_heads()?;
        match opened {
            Ok(mut process) => {
                self.check(&process)?;
                if !while_opening {
                    // Evenly over the scales: as many in the first calls as long after.
                    let scale = 1 << self.draws.below(9);
                    self.disk.arm((scale + self.draws.below(scale) - 1) as u64, trouble);
                }
                self.work(&mut process)?;
                self.see_heads()?;
            }
            Err(_) if self.disk.came().is_some() || self.disk.is_full() => self.tally.in_recovery += 1,
            Err(error) => return Err(format!("the log does not open: {error}")),
        }
        let came = self.disk.came();
        match came {
            Some(Trouble::PowerCut) => self.tally.power_cuts += 1,
            Some(Trouble::Kill) => self.tally.kills += 1,
            Some(Trouble::Eio) => self.tally.errors += 1,
            Some(Trouble::NoSpace | Trouble::Full) => self.tally.no_space += 1,
            None => {}
        }
        if self.draws.one_in(2) {
            self.disk.make_room();
        }
        let power_cut = match came {
            Some(Trouble::PowerCut) => true,
            Some(Trouble::Kill) => false,
            _ => self.draws.one_in(2),
        };
        self.disk.restart(power_cut);
        Ok(())
    }

    fn open(&self) -> Result<Process, LedgerError> {
        let config = config();
        let disk: Disk = Arc::new(self.disk.clone());
        let opened = recover::open(&disk, &config, SEGMENT_BYTES)?;
        let subjects = Subjects::open(&disk, &config.state_dir)?;
        let vkey = self.key.to_string();
        let head = opened.head;
        let shared = Shared::new(config.origin, vkey, config.build, disk, config.log_dir, subjects, head);
        let shared = Arc::new(shared);
        let segments = opened.journal.segments();
        let edge = opened.folder.tree().edge();
        let committer =
            Committer { shared: Arc::clone(&shared), journal: opened.journal, key: opened.key, edge };
        let publisher = Publisher { shared: Arc::clone(&shared), folder: opened.folder, segments };
        Ok(Process { shared, committer, publisher })
    }

    /// Submits, commits, publishes, erases, until something stops it.
    fn work(&mut self, process: &mut Process) -> Result<(), String> {
        for _ in 0..1 + self.draws.below(60) {
            match self.draws.below(20) {
                0..12 => self.commit(process)?,
                12..18 => self.publish(process),
                18 => self.erase(process),
                _ => {}
            }
            if process.shared.failure().is_some() || self.disk.came().is_some() && self.draws.one_in(2) {
                break;
            }
        }
        if self.draws.one_in(4) {
            self.publish(process); // as a clean end does
        }
        Ok(())
    }

    fn commit(&mut self, process: &mut Process) -> Result<(), String> {
        let mut submitted = self.submit(process);
        let entries_max = 1 + self.draws.below(60);
        while process.shared.failure().is_none() && !submitted.is_empty() {
            let Some(batch) = process.shared.next_batch(entries_max, BATCH_BYTES_MAX) else { break };
            let rest = submitted.split_off(batch.len());
            let size = self.model.entries.len() as u64;
            process.committer.step(batch);
            let mut answers = Vec::new();
            for (written, mut answer) in std::mem::replace(&mut submitted, rest) {
                answers.push(answer.try_recv().ok());
                self.model.under_way.push(written);
            }
            if answers.iter().all(Option::is_some) {
                self.acknowledged(size, answers.into_iter().flatten().collect())?;
            } else if answers.iter().any(Option::is_some) {
                return Err("half of a commit was acknowledged".to_owned());
            } else if process.shared.failure().is_none() {
                return Err("a commit was neither acknowledged nor refused".to_owned());
            }
        }
        Ok(())
    }

    fn submit(&mut self, process: &Process) -> Vec<(Written, Receiver<Acknowledged>)> {
        let count = match self.draws.below(12) {
            0 => 1 + self.draws.below(150),
            1..5 => 1 + self.draws.below(12),
            _ => 1,
        };
        let mut submitted = Vec::new();
        let mut bytes_left = BATCH_BYTES_MAX;
        for _ in 0..count {
            let longest = match self.draws.below(60) {
                0 => 20_000,
                1..6 => 2_000,
                _ => 60,
            };
            let length = self.draws.below(longest);
            if length > bytes_left {
                break;
            }
            bytes_left -= length;
            self.texts += 1;
            let about = self.draws.one_in(3).then(|| {
                let subject = format!("subject-{}", self.draws.below(12));
                let pseudonym = process.shared.subjects.pseudonym(&subject);
                self.model.erased.remove(&subject);
                (subject, pseudonym)
            });
            let text = format!("{} {about:?} {}", self.texts, "x".repeat(length));
            let bytes: Arc<[u8]> = text.into_bytes().into();
            let (waiter, answer) = tokio::sync::oneshot::channel();
            let pending = Pending { entry: Arc::clone(&bytes), leaf: leaf_hash(&bytes), waiter };
            match process.shared.enqueue(pending) {
                Ok(()) => submitted.push((Written { bytes, about }, answer)),
                Err(_) => break,
            }
        }
        submitted
    }

    fn acknowledged(&mut self, first: u64, answers: Vec<Acknowledged>) -> Result<(), String> {
        self.absorb();
        let picked = self.draws.below(answers.len());
        for (index, answer) in (first..).zip(&answers) {
            if answer.index != index {
                return Err(format!("entry {index} was acknowledged as {}", answer.index));
            }
        }
        let Some(Acknowledged { index, commit }) = answers.get(picked) else { return Ok(()) };
        self.see_head(commit.checkpoint.as_bytes())?;
        let root = self.model.roots.last().unwrap();
        let size = self.model.entries.len() as u64;
        let proof = commit.growth.inclusion(*index).map_err(|error| error.to_string())?;
        let leaf = leaf_hash(&self.model.entries[*index as usize]);
        verify_inclusion(&leaf, *index, size, &proof, root).map_err(|error| error.to_string())?;
        self.tally.acknowledged += answers.len() as u64;
        Ok(())
    }

    /// What was under way is in the log, for good.
    fn absorb(&mut self) {
        let model = &mut self.model;
        for Written { bytes, about } in std::mem::take(&mut model.under_way) {
            let edge = model.edge.get_or_insert_with(RightEdge::empty);
            edge.push(leaf_hash(&bytes));
            model.roots.push(edge.root());
            model.entries.push(bytes);
            if let Some((subject, pseudonym)) = about {
                model.known.insert(subject, pseudonym);
            }
        }
    }

    fn publish(&mut self, process: &mut Process) {
        if process.shared.failure().is_none() && process.shared.request_publication().is_ok() {
            let handoff =
                process.shared.next_handoff(crate::limits::PUBLISH_WITHIN, crate::limits::PUBLISH_BYTES);
            process.publisher.step(handoff);
        }
    }

    fn erase(&mut self, process: &mut Process) {
        let subject = format!("subject-{}", self.draws.below(12));
        // Until it is known to be done, either is right.
        let known = self.model.known.remove(&subject);
        match process.shared.subjects.erase(&subject) {
            Ok(_) => {
                self.tally.erased += u64::from(known.is_some());
                self.model.erased.insert(subject);
            }
            Err(error) => process.shared.fail(&error.to_string()),
        }
    }

    /// A log that has just been opened, against the model.
    fn check(&mut self, process: &Process) -> Result<(), String> {
        let mut found: Vec<Arc<[u8]>> = Vec::new();
        let disk: Disk = Arc::new(self.disk.clone());
        let reader = LogFolder::on(&disk, config().log_dir);
        let size = process.shared.published().size;
        if size > 0 {
            let verified = self
                .disk
                .quietly(|| verify_log(&reader, Some(&self.trust), &mut |_, entry| found.push(entry.into())));
            let verified = verified.map_err(|error| format!("the log does not verify: {error}"))?;
            if verified.size != size {
                return Err(format!("opened at {size}, published at {}", verified.size));
            }
        }
        let model = &mut self.model;
        let acknowledged = model.entries.len();
        if found.len() < acknowledged {
            return Err(format!("{acknowledged} entries were acknowledged, {} are there", found.len()));
        }
        if let Some(index) = model.entries.iter().zip(&found).position(|(entry, found)| entry != found) {
            return Err(format!("entry {index} is another one"));
        }
        let more = &found[acknowledged..];
        if !more.is_empty() {
            let whole = model.under_way.iter().map(|written| &written.bytes).eq(more);
            if !whole {
                return Err(format!(
                    "{} entries were being committed, and {} others are there",
                    model.under_way.len(),
                    more.len()
                ));
            }
            self.tally.whole += 1;
            self.absorb();
        } else if !model.under_way.is_empty() {
            self.tally.absent += 1;
            model.under_way.clear();
        }
        self.check_heads()?;
        self.check_subjects(process)?;
        let names = self.disk.names(&config().state_dir.join("journal"));
        let segments = names.iter().filter(|name| name.ends_with(".seg")).count();
        if segments > SEGMENTS_MAX {
            return Err(format!("{segments} segments have piled up: {names:?}"));
        }
        Ok(())
    }

    fn check_subjects(&self, process: &Process) -> Result<(), String> {
        let subjects = &process.shared.subjects;
        for (subject, pseudonym) in &self.model.known {
            if !subjects.has(subject) {
                return Err(format!("the key of {subject} is lost"));
            }
            if subjects.pseudonym(subject) != *pseudonym {
                return Err(format!("{subject} has another key"));
            }
        }
        match self.model.erased.iter().find(|subject| subjects.has(subject)) {
            Some(subject) => Err(format!("{subject} was erased and has a key")),
            None => Ok(()),
        }
    }

    /// Takes note of the checkpoints that lay in the folder.
    fn see_heads(&mut self) -> Result<(), String> {
        self.disk.take_heads().iter().try_for_each(|head| self.see_head(head))
    }

    fn see_head(&mut self, note: &[u8]) -> Result<(), String> {
        let signed = SignedCheckpoint::parse(note).map_err(|error| format!("a checkpoint: {error}"))?;
        // Its cost is most of a run's, and each start verifies the signature of the head that it finds.
        if self.draws.one_in(16) {
            signed.verify(&self.key).map_err(|error| error.to_string())?;
        }
        let Checkpoint { size, root, .. } = signed.unverified();
        match self.model.heads.insert(*size, *root) {
            Some(other) if other != *root => Err(format!("a fork: two heads of {size} entries")),
            _ => Ok(()),
        }
    }

    /// Whether all heads are of the log that is there.
    fn check_heads(&self) -> Result<(), String> {
        for (size, root) in &self.model.heads {
            let found = size.checked_sub(1).and_then(|last| self.model.roots.get(last as usize));
            if found != Some(root) && *size > 0 {
                return Err(format!("a fork: a head of {size} entries was signed that is not of this log"));
            }
        }
        Ok(())
    }
}
