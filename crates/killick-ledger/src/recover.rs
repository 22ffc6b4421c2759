//! Opening a log: the lock, then the journal against the tiles against the checkpoint. What does not agree is refused,
//! never overwritten.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use killick_tlog::LogError;
use killick_tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use killick_tlog::hash::leaf_hash;
use killick_tlog::limits::NOTE_BYTES_MAX;
use killick_tlog::note::{SignatureType, SignerKey};
use killick_tlog::tile::{BundleEntries, CHECKPOINT_PATH, TileKind, append_entry};
use killick_tlog::tree::{HashReader as _, TileTree};
use killick_tlog::verify::{TileHashes, read_bundle, read_hashes};

use crate::disk::{LogFolder, create_folder, read_file, sync_folder};
use crate::error::LedgerError;
use crate::fault::{Rule, holds};
use crate::journal::{Journal, JournalFolder, Replay, replay};
use crate::ledger::LedgerConfig;
use crate::publish::Folder;
use crate::shared::Published;
use crate::storage::{Disk, open_or_create_regular};

const RESTORE: &str = "restore both folders from one backup, or start a new log under a new origin";

/// A log that is in order.
pub(crate) struct Opened {
    pub(crate) key: SignerKey,
    pub(crate) journal: Journal,
    pub(crate) folder: Folder,
    pub(crate) head: Published,
}

/// Makes the folders, and takes the lock that is held while the log is open.
pub(crate) fn lock(disk: &Disk, config: &LedgerConfig) -> Result<File, LedgerError> {
    create_folders(disk, config)?;
    take_lock(&config.state_dir)
}

fn create_folders(disk: &Disk, config: &LedgerConfig) -> Result<(), LedgerError> {
    create_folder(&**disk, &config.state_dir, true)?;
    create_folder(&**disk, &config.log_dir, false)?;
    create_folder(&**disk, &config.state_dir.join("journal"), true)
}

/// Replays the journal over the tiles, and publishes what the last process had not. The lock is held.
pub(crate) fn open(disk: &Disk, config: &LedgerConfig, segment_bytes: usize) -> Result<Opened, LedgerError> {
    let key =
        SignerKey::from_seed(&config.origin, SignatureType::Ed25519, &config.seed).map_err(|error| {
            LedgerError::damaged(&config.log_dir, format!("its origin or key cannot be used: {error}"))
        })?;
    create_folders(disk, config)?;
    let path = config.state_dir.join("journal");
    let journal = JournalFolder { disk: Disk::clone(disk), path, log: identity(&key), segment_bytes };

    let replay = replay(&journal)?;
    let published = read_checkpoint(disk, &config.log_dir, &key)?;
    let size = published.as_ref().map_or(0, |published| published.size);
    check_agreement(disk, config, replay.as_ref(), published.as_ref())?;

    let reader = LogFolder::on(disk, &config.log_dir);
    let damaged = |error: LogError| LedgerError::damaged(&config.log_dir, format!("{error}; {RESTORE}"));
    let tree = TileTree::read(size, |tile| read_hashes(&reader, tile)).map_err(damaged)?;
    if published.as_ref().is_some_and(|published| published.root != tree.root()) {
        let tiles: Vec<_> =
            tree.partial_tiles().iter().map(|(tile, _)| format!("`{}`", tile.path())).collect();
        let problem = format!(
            "its checkpoint of {size} entries names another root than its unfinished tiles have ({}); {RESTORE}",
            tiles.join(", ")
        );
        return Err(LedgerError::damaged(&config.log_dir, problem));
    }
    let bundle = read_unfinished_bundle(&reader, &tree, config)?;
    let mut folder = Folder::new(Disk::clone(disk), config.log_dir.clone(), tree, bundle);

    let mut entries: &[Vec<u8>] = &[];
    if let Some(replay) = &replay {
        let before = usize::try_from(size.saturating_sub(replay.first)).unwrap_or(usize::MAX);
        let (old, new) = replay.entries.split_at_checked(before).unwrap_or((&replay.entries, &[]));
        let hashes = TileHashes::new(&reader, size);
        for (index, entry) in (replay.first..).zip(old) {
            if hashes.node(0, index).map_err(damaged)? != leaf_hash(entry) {
                let problem =
                    format!("entry {index} is another one in the journal than in the tiles; {RESTORE}");
                return Err(LedgerError::damaged(&config.log_dir, problem));
            }
        }
        entries = new;
        if !entries.is_empty() && holds(Rule::ReplayedBeforeSigned) {
            replay.make_durable(&journal)?;
        }
    }
    // The checkpoint, too, may be there in memory only, if a process was killed before it had synced its name.
    if holds(Rule::FoundCheckpointDurable) {
        sync_folder(&**disk, &config.log_dir)?;
    }
    let head = publish_rest(&mut folder, &key, entries, published)?;
    let journal = Journal::start(journal, replay)?;
    journal.segments().release(head.size)?;
    Ok(Opened { key, journal, folder, head })
}

/// The tree over the journal's rest, signed and published; the published head as it is where there is no rest.
fn publish_rest(
    folder: &mut Folder,
    key: &SignerKey,
    entries: &[Vec<u8>],
    published: Option<Checkpoint>,
) -> Result<Published, LedgerError> {
    let origin = key.verifier().name();
    if entries.is_empty() {
        let head = published.unwrap_or_else(|| Checkpoint::new(origin.to_owned(), 0, folder.tree().root()));
        // Ed25519 signatures are deterministic: this is the checkpoint that is in the folder.
        return Ok(Published { size: head.size, checkpoint: head.sign(key).into() });
    }
    tracing::info!(origin, entries = entries.len(), "replaying the journal");
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let mut edge = folder.tree().edge();
    leaves.iter().for_each(|leaf| edge.push(*leaf));
    let head = Checkpoint::new(origin.to_owned(), edge.size(), edge.root());
    let checkpoint = head.sign(key);
    folder.publish(entries.iter().map(Vec::as_slice).zip(leaves), &checkpoint)?;
    Ok(Published { size: head.size, checkpoint: checkpoint.into() })
}

/// Whether the sizes fit: the journal reaches at least as far as the checkpoint, and starts no later.
fn check_agreement(
    disk: &Disk,
    config: &LedgerConfig,
    replay: Option<&Replay>,
    published: Option<&Checkpoint>,
) -> Result<(), LedgerError> {
    let size = published.map_or(0, |published| published.size);
    let (tiles, journal) = (config.log_dir.join("tile"), config.state_dir.join("journal"));
    let tiles = disk.kind(&tiles).map_err(|source| LedgerError::io("cannot read", &tiles, source))?;
    let problem = match (replay, published) {
        (None, None) if tiles.is_none() => return Ok(()),
        (None, None) => {
            format!("it has tiles, but no checkpoint, and there is no journal in {}", journal.display())
        }
        (None, Some(_)) => {
            format!("it has a checkpoint of {size} entries, but there is no journal in {}", journal.display())
        }
        (Some(replay), None) if replay.first > 0 => {
            format!("its checkpoint is missing, and the journal starts at entry {}", replay.first)
        }
        (Some(replay), _) if replay.first > size => {
            format!(
                "its checkpoint has {size} entries, and the journal starts at entry {} only",
                replay.first
            )
        }
        (Some(replay), _) if replay.end() < size => {
            format!("its checkpoint has {size} entries, but the journal ends after {}", replay.end())
        }
        _ => return Ok(()),
    };
    Err(LedgerError::damaged(&config.log_dir, format!("{problem}; {RESTORE}")))
}

fn read_checkpoint(disk: &Disk, folder: &Path, key: &SignerKey) -> Result<Option<Checkpoint>, LedgerError> {
    let path = folder.join(CHECKPOINT_PATH);
    let Some(note) = read_file(&**disk, &path, NOTE_BYTES_MAX)? else { return Ok(None) };
    let checkpoint = SignedCheckpoint::parse(&note).and_then(|signed| signed.verify(key.verifier()).cloned());
    let mend = |error: &LogError| match error {
        LogError::Origin { .. } => "give the origin that the log was made with",
        LogError::Signature { .. } => {
            "give the key that the log was made with, or restore the folder from a backup"
        }
        _ => "restore the folder from a backup",
    };
    checkpoint.map(Some).map_err(|error| LedgerError::damaged(&path, format!("{error}; {}", mend(&error))))
}

/// The unfinished entry bundle of a tree whose root has been checked.
fn read_unfinished_bundle(
    reader: &LogFolder,
    tree: &TileTree,
    config: &LedgerConfig,
) -> Result<Vec<u8>, LedgerError> {
    let damaged = |problem: String| LedgerError::damaged(&config.log_dir, format!("{problem}; {RESTORE}"));
    let mut bundle = Vec::new();
    let last = tree.partial_tiles().into_iter().find(|(tile, _)| tile.kind() == TileKind::Hashes(0));
    if let Some((tile, leaves)) = last {
        let first = tile.index().saturating_mul(killick_tlog::tile::TILE_WIDTH);
        let read = read_bundle(reader, tile.of(TileKind::Entries));
        let (bytes, found) = read.map_err(|error| damaged(error.to_string()))?;
        let mut entries = BundleEntries::new(&bytes);
        for (index, leaf) in (first..).zip(leaves) {
            let entry = entries.next().and_then(Result::ok).filter(|entry| leaf_hash(entry) == leaf);
            let changed = || {
                let (bundle, tile) = (found.path(), tile.path());
                damaged(format!("entry {index} in `{bundle}` is not the one of `{tile}` and the checkpoint"))
            };
            append_entry(&mut bundle, entry.ok_or_else(changed)?)
                .map_err(|error| damaged(error.to_string()))?;
        }
    }
    Ok(bundle)
}

/// What binds a journal to its log: the hash of origin and key.
fn identity(key: &SignerKey) -> [u8; 32] {
    let mut identity = [0; 32];
    let hash = digest(&SHA256, key.verifier().to_string().as_bytes());
    identity.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    identity
}

fn take_lock(state_dir: &Path) -> Result<File, LedgerError> {
    let path = state_dir.join("lock");
    let failed = |source| LedgerError::io("cannot lock", &path, source);
    let mut file = open_or_create_regular(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = (&mut file).take(64).read_to_string(&mut owner);
            let owner =
                owner.trim().parse::<u32>().map_or(String::new(), |owner| format!(" (process {owner})"));
            let problem = format!("another process{owner} has this log open; stop it first");
            return Err(LedgerError::damaged(&path, problem));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // For people to read: what a crash leaves of it is of no matter.
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(failed)?;
    Ok(file)
}
