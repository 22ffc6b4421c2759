//! The publisher: writes tiles, entry bundles and the checkpoint behind the committer, for readers and witnesses.
//!
//! Each file is written under another name, made durable and renamed, many at once; folders are made durable before the checkpoint
//! that needs their files; full tiles are never written twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use killick_tlog::hash::Hash;
use killick_tlog::limits::BUNDLE_BYTES_MAX;
use killick_tlog::tile::{CHECKPOINT_PATH, Tile, TileKind, append_entry, format_hashes};
use killick_tlog::tree::TileTree;

use crate::committer::StopOnPanic;
use crate::disk::{create_folder, read_file, replace_file, replace_files, sync_folder};
use crate::error::LedgerError;
use crate::fault::{Rule, holds};
use crate::journal::Segments;
use crate::limits::{PUBLISH_BYTES, PUBLISH_WITHIN};
use crate::shared::{Handoff, Published, Shared};
use crate::storage::Disk;

/// The public folder, and the unfinished tiles at its end.
pub(crate) struct Folder {
    disk: Disk,
    path: PathBuf,
    tree: TileTree,
    /// The unfinished entry bundle.
    bundle: Vec<u8>,
    /// Partial tiles that are in the folder, since this process has written or checked them.
    written: BTreeSet<Tile>,
    /// Folders that are known to exist.
    folders: BTreeSet<PathBuf>,
}

impl Folder {
    /// The folder that holds this tree; `bundle` is its unfinished entry bundle. Both have been checked against the
    /// checkpoint.
    pub(crate) fn new(disk: Disk, path: PathBuf, tree: TileTree, bundle: Vec<u8>) -> Self {
        Self { disk, path, tree, bundle, written: BTreeSet::new(), folders: BTreeSet::new() }
    }

    pub(crate) const fn tree(&self) -> &TileTree {
        &self.tree
    }

    /// Writes the tiles of these entries, then the checkpoint over them.
    pub(crate) fn publish<'a>(
        &mut self,
        entries: impl Iterator<Item = (&'a [u8], Hash)>,
        checkpoint: &str,
    ) -> Result<(), LedgerError> {
        let mut changed = BTreeSet::new();
        let mut files = Vec::new();
        let mut full = Vec::new();
        if !holds(Rule::CheckpointLast) {
            replace_file(&*self.disk, &self.path.join(CHECKPOINT_PATH), checkpoint.as_bytes(), 0o644)?;
        }
        for (entry, leaf) in entries {
            append_entry(&mut self.bundle, entry).map_err(|_| LedgerError::TooLarge(entry.len()))?;
            for (tile, hashes) in self.tree.push(leaf) {
                if tile.kind() == TileKind::Hashes(0) {
                    let bundle = std::mem::take(&mut self.bundle);
                    files.extend(self.prepare_once(tile.of(TileKind::Entries), bundle, &mut changed)?);
                    full.push(tile.of(TileKind::Entries));
                }
                files.extend(self.prepare_once(tile, format_hashes(&hashes), &mut changed)?);
                full.push(tile);
            }
        }
        for (tile, hashes) in self.tree.partial_tiles() {
            if self.written.contains(&tile) {
                continue;
            }
            if tile.kind() == TileKind::Hashes(0) {
                let bundle = self.bundle.clone();
                files.extend(self.prepare_once(tile.of(TileKind::Entries), bundle, &mut changed)?);
            }
            files.extend(self.prepare_once(tile, format_hashes(&hashes), &mut changed)?);
            self.written.insert(tile);
        }
        replace_files(&*self.disk, &files, 0o644)?;
        // Deepest first: a folder's name is in its parent.
        for folder in changed.iter().rev().filter(|_| holds(Rule::TileNamesBeforeCheckpoint)) {
            sync_folder(&*self.disk, folder)?;
        }
        if holds(Rule::CheckpointLast) {
            replace_file(&*self.disk, &self.path.join(CHECKPOINT_PATH), checkpoint.as_bytes(), 0o644)?;
        }
        sync_folder(&*self.disk, &self.path)?;
        self.drop_partial(&full);
        Ok(())
    }

    /// tlog-tiles: a partial tile may go once the full one is there and under a checkpoint. One that stays does no harm.
    fn drop_partial(&mut self, full: &[Tile]) {
        for tile in full {
            let mut name = self.path.join(tile.path()).into_os_string();
            name.push(".p");
            let name = PathBuf::from(name);
            self.folders.remove(&name);
            if let Err(error) = self.remove_folder(&name)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::debug!(path = %name.display(), %error, "cannot remove partial tiles");
            }
        }
        let same_place = |written: &Tile| full.contains(&written.full());
        self.written.retain(|written| !same_place(written));
    }

    fn remove_folder(&self, path: &Path) -> std::io::Result<()> {
        for file in self.disk.list(path)? {
            self.disk.remove_file(&file)?;
        }
        self.disk.remove_folder(path)
    }

    /// What is to be written for a tile; nothing if it is there.
    ///
    /// INVARIANT: a tile, full or partial, once there, is never changed: readers may have seen it.
    fn prepare_once(
        &mut self,
        tile: Tile,
        bytes: Vec<u8>,
        changed: &mut BTreeSet<PathBuf>,
    ) -> Result<Option<(PathBuf, Vec<u8>)>, LedgerError> {
        let path = self.path.join(tile.path());
        match read_file(&*self.disk, &path, BUNDLE_BYTES_MAX)? {
            None => self.prepare(tile, bytes, changed).map(Some),
            // Written before a crash, and not under a checkpoint then.
            Some(found) if found == bytes => {
                changed.extend(path.parent().map(Path::to_owned));
                Ok(None)
            }
            Some(_) => {
                let problem =
                    "it is there already and holds something else; restore the folder from a backup";
                Err(LedgerError::damaged(&path, problem))
            }
        }
    }

    /// Sees to it that the tile's folder is there.
    fn prepare(
        &mut self,
        tile: Tile,
        bytes: Vec<u8>,
        changed: &mut BTreeSet<PathBuf>,
    ) -> Result<(PathBuf, Vec<u8>), LedgerError> {
        let path = self.path.join(tile.path());
        let parents = path.ancestors().skip(1).take_while(|parent| parent.starts_with(&self.path));
        let missing: Vec<_> =
            parents.filter(|parent| !self.folders.contains(*parent)).map(Path::to_owned).collect();
        for folder in missing.into_iter().rev() {
            create_folder(&*self.disk, &folder, false)?;
            self.folders.insert(folder);
        }
        changed.extend(path.parent().map(Path::to_owned));
        Ok((path, bytes))
    }
}

/// The publisher's thread.
pub(crate) struct Publisher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) folder: Folder,
    pub(crate) segments: Arc<Segments>,
}

impl Publisher {
    /// Runs until the committer is done, or the ledger has failed.
    pub(crate) fn run(mut self) {
        let _stop = StopOnPanic(Arc::clone(&self.shared), "the publisher");
        loop {
            let handoff = self.shared.next_handoff(PUBLISH_WITHIN, PUBLISH_BYTES);
            if self.shared.failure().is_some() || !self.step(handoff) {
                return;
            }
        }
    }

    /// Publishes what was handed over. Whether more may come.
    pub(crate) fn step(&mut self, mut handoff: Handoff) -> bool {
        if let Some(head) = handoff.commits.pop()
            && let Err(error) = self.publish(head, &handoff.entries)
        {
            self.shared.fail(&error.to_string());
            return false;
        }
        for request in handoff.requests {
            let _ = request.send(());
        }
        !handoff.done
    }

    fn publish(&mut self, head: Published, entries: &[(Arc<[u8]>, Hash)]) -> Result<(), LedgerError> {
        if !holds(Rule::PublishedBeforeReuse) {
            self.segments.release(head.size)?;
        }
        self.folder.publish(entries.iter().map(|(entry, leaf)| (&**entry, *leaf)), &head.checkpoint)?;
        let size = head.size;
        self.shared.set_published(head);
        self.segments.release(size)
    }
}
