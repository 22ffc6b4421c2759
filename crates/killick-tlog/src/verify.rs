//! Verification of a whole log, offline, from nothing but its files: the checkpoint's signature, every entry against
//! every tile, and the root.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::cosignature::Cosignature;
use crate::error::LogError;
use crate::hash::{Hash, empty_root, leaf_hash, node_hash};
use crate::limits::TILES_KEPT_MAX;
use crate::note::VerifierKey;
use crate::order::TimeOrder;
use crate::tile::{
    self, BundleEntries, CHECKPOINT_PATH, CutOff, TILE_HEIGHT, TILE_WIDTH, Tile, TileKind, WITNESSED_PATH,
};
use crate::tree::{HashReader, TileTree};
use crate::trust::Witnessed;
pub use crate::trust::{Trust, Witness};

/// Where a log's files come from: a folder, a server, a map.
pub trait LogReader {
    /// The bytes of `checkpoint` or of a tile; `None` if there is no such file. Errs with [`LogError::Read`].
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, LogError>;
}

impl LogReader for BTreeMap<String, Vec<u8>> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, LogError> {
        Ok(self.get(path).cloned())
    }
}

/// Where the key came from that the checkpoint was checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// From the trust file.
    Trust,
    /// From the log's first entry: proves that the log is consistent, not whose it is (ADR 3).
    Folder,
}

impl KeySource {
    /// `trust` or `folder`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Folder => "folder",
        }
    }
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A log that verified.
#[derive(Clone, Debug)]
pub struct VerifiedLog {
    /// Its origin.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
    /// Where the key came from.
    pub key_source: KeySource,
    /// Cosignatures of trusted witnesses on the checkpoint, or on the newest head that they have cosigned, whichever has
    /// more operators.
    pub witnesses: Vec<Cosignature>,
    /// Entries under that head; 0 if nobody has cosigned.
    pub witnessed_size: u64,
    /// Distinct operators that have cosigned, without the log's own.
    pub operators: usize,
    /// Distinct operators whose cosignatures would count.
    pub operators_known: usize,
    /// The key that it verified under.
    pub key: VerifierKey,
}

/// Verifies a whole log: the checkpoint is signed, every entry hashes into every tile, and all of it to the root. With
/// `trust`, the key and origin are the trusted ones, cosignatures of its witnesses are checked and, where it requires
/// some, counted by their operators, and the log must extend the checkpoint seen before. Without, the key is taken
/// from entry 0. The times of the entries must not go back (`docs/spec/entry.md`). The file `witnessed`, where there is
/// one, must be a head of this log that the checkpoint extends; its cosignatures count as those on the checkpoint do.
///
/// `visit` gets each entry with its index, in order. What it saw counts only if the whole call returns `Ok`: the root
/// is known at the end. Reads each file once and holds one tile per level.
pub fn verify_log(
    reader: &impl LogReader,
    trust: Option<&Trust>,
    visit: &mut dyn FnMut(u64, &[u8]),
) -> Result<VerifiedLog, LogError> {
    // Before the checkpoint: a log that goes on meanwhile publishes a head before witnesses cosign it.
    let cosigned = reader.read(WITNESSED_PATH)?;
    let Head { signed, key, key_source, mut witnessed, .. } = Head::read(reader, trust)?;
    let head = signed.unverified();
    let cosigned = cosigned.map(|note| Cosigned::of(note, trust, head, &key)).transpose()?;
    let seen = trust.and_then(Trust::seen).map(SignedCheckpoint::unverified);
    let seen = seen.filter(|seen| seen.origin == head.origin);
    let cosigned_head = cosigned.as_ref().map(|cosigned| cosigned.signed.unverified());
    let older: Vec<&Checkpoint> = seen.into_iter().chain(cosigned_head).collect();
    for older in &older {
        if head.size < older.size {
            let problem = if cosigned_head.is_some_and(|cosigned| std::ptr::eq(cosigned, *older)) {
                format!(
                    "{} entries, the head in `{WITNESSED_PATH}` has {}; if it was copied while the log ran, copy it again",
                    head.size, older.size
                )
            } else {
                format!("{} entries, a checkpoint seen before has {}", head.size, older.size)
            };
            return Err(LogError::Truncated { what: CHECKPOINT_PATH.to_owned(), problem });
        }
        if head.size == older.size && head.root != older.root {
            return Err(LogError::Fork(head.size));
        }
    }
    Walk::new(reader, head, older).run(visit)?;
    let mut witnessed_size = head.size;
    if let Some(cosigned) = cosigned
        && cosigned.witnessed.operators.len() > witnessed.operators.len()
    {
        witnessed_size = cosigned.signed.unverified().size;
        witnessed = cosigned.witnessed;
    }
    // Last: whatever else is wrong says more than that nobody has cosigned it.
    if let Some(trust) = trust {
        trust.check_required(&witnessed)?;
    }
    Ok(VerifiedLog {
        origin: head.origin.clone(),
        size: head.size,
        root: head.root,
        key_source,
        witnessed_size: if witnessed.cosignatures.is_empty() { 0 } else { witnessed_size },
        witnesses: witnessed.cosignatures,
        operators: witnessed.operators.len(),
        operators_known: witnessed.operators_known.len(),
        key,
    })
}

/// The key that a `log-key` entry names; `None` for any other entry.
pub fn parse_log_key_entry(entry: &[u8]) -> Option<VerifierKey> {
    #[derive(serde::Deserialize)]
    struct Members {
        kind: String,
        origin: String,
        vkey: String,
    }
    let members: Members = serde_json::from_slice(entry).ok()?;
    let key = VerifierKey::parse(&members.vkey).ok()?;
    (members.kind == "log-key" && members.origin == key.name()).then_some(key)
}

/// A tile's bytes, or as many of the full tile's as it is wide, since a log may drop a partial tile once the full one is
/// there (tlog-tiles, partial tiles). Errs with `log.missing`.
pub fn read_hashes(reader: &impl LogReader, tile: Tile) -> Result<Vec<Hash>, LogError> {
    if let Some(bytes) = reader.read(&tile.path())? {
        return tile::parse_hashes(&tile, &bytes);
    }
    let full = reader.read(&tile.full().path())?.filter(|_| tile.is_partial());
    let bytes = full.ok_or_else(|| LogError::Missing(tile.path()))?;
    let mut hashes = tile::parse_hashes(&tile.full(), &bytes)?;
    hashes.truncate(usize::from(tile.width()));
    Ok(hashes)
}

/// As [`read_hashes`] for an entry bundle: its bytes, which may hold more entries than the tile is wide, and the number
/// of entries it has to hold.
pub fn read_bundle(reader: &impl LogReader, tile: Tile) -> Result<(Vec<u8>, Tile), LogError> {
    if let Some(bytes) = reader.read(&tile.path())? {
        return Ok((bytes, tile));
    }
    let full = reader.read(&tile.full().path())?.filter(|_| tile.is_partial());
    full.map(|bytes| (bytes, tile.full())).ok_or_else(|| LogError::Missing(tile.path()))
}

/// Hashes of complete subtrees, out of the tiles of a tree of `size` entries. Verifies nothing: check what is made of
/// them against a root. Keeps the tiles read last, with what they hash up to: whoever makes many proofs keeps one.
pub struct TileHashes<'a, R> {
    reader: &'a R,
    size: u64,
    kept: RefCell<Kept>,
}

/// The last full tile of leaves, which nobody is likely to come back to, and all others by their place, in two
/// generations: what is used moves to the young one, and when that is full the old one goes.
#[derive(Default)]
struct Kept {
    leaves: Option<(Tile, Pyramid)>,
    young: HashMap<Tile, Pyramid>,
    old: HashMap<Tile, Pyramid>,
}

/// A tile's hashes, and above them, level by level, the hashes of the complete subtrees within it.
struct Pyramid(Vec<Vec<Hash>>);

impl Pyramid {
    fn new(hashes: Vec<Hash>) -> Self {
        let mut levels = vec![hashes];
        while let Some(above) = levels.last().filter(|level| level.len() > 1).map(|level| {
            let pairs = level.chunks_exact(2);
            pairs.filter_map(|pair| Some(node_hash(pair.first()?, pair.last()?))).collect()
        }) {
            levels.push(above);
        }
        Self(levels)
    }
}

impl Kept {
    /// The tile, read where it is not kept.
    fn tile(
        &mut self,
        tile: Tile,
        read: impl FnOnce() -> Result<Vec<Hash>, LogError>,
    ) -> Result<Option<&Pyramid>, LogError> {
        if tile.kind() == TileKind::Hashes(0) && !tile.is_partial() {
            if self.leaves.as_ref().is_none_or(|(kept, _)| *kept != tile) {
                self.leaves = Some((tile, Pyramid::new(read()?)));
            }
            return Ok(self.leaves.as_ref().map(|(_, pyramid)| pyramid));
        }
        if !self.young.contains_key(&tile) {
            let pyramid = match self.old.remove(&tile) {
                Some(pyramid) => pyramid,
                None => Pyramid::new(read()?),
            };
            if self.young.len() >= TILES_KEPT_MAX {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(tile, pyramid);
        }
        Ok(self.young.get(&tile))
    }
}

impl<'a, R: LogReader> TileHashes<'a, R> {
    /// The hashes of the tree of `size` entries behind this reader.
    pub fn new(reader: &'a R, size: u64) -> Self {
        Self { reader, size, kept: RefCell::default() }
    }
}

impl<R: LogReader> HashReader for TileHashes<'_, R> {
    fn node(&self, level: u32, index: u64) -> Result<Hash, LogError> {
        let outside = || {
            LogError::format("tree", format!("no subtree {index} of level {level} in {} entries", self.size))
        };
        let tile_level = u8::try_from(level / TILE_HEIGHT).map_err(|_| outside())?;
        let within = level % TILE_HEIGHT;
        let first = index.checked_mul(1 << within).ok_or_else(outside)?;
        let tile = Tile::containing(TileKind::Hashes(tile_level), first, self.size).ok_or_else(outside)?;
        let mut kept = self.kept.borrow_mut();
        let place = usize::try_from((first % TILE_WIDTH) >> within).map_err(|_| outside())?;
        let levels = kept.tile(tile, || read_hashes(self.reader, tile))?.ok_or_else(outside)?;
        let level = usize::try_from(within).ok().and_then(|within| levels.0.get(within));
        level.and_then(|level| level.get(place)).copied().ok_or_else(outside)
    }
}

/// A log's checkpoint, its signature and cosignatures verified.
pub(crate) struct Head {
    /// The note as it came.
    pub(crate) note: Vec<u8>,
    pub(crate) signed: SignedCheckpoint,
    pub(crate) key: VerifierKey,
    pub(crate) key_source: KeySource,
    pub(crate) witnessed: Witnessed,
}

impl Head {
    pub(crate) fn read(reader: &impl LogReader, trust: Option<&Trust>) -> Result<Self, LogError> {
        let note = reader.read(CHECKPOINT_PATH)?;
        let note = note.ok_or_else(|| LogError::Missing(CHECKPOINT_PATH.to_owned()))?;
        let signed = SignedCheckpoint::parse(&note)?;
        let (key, key_source) = match trust {
            Some(trust) => (trust.key_of(&signed.unverified().origin).clone(), KeySource::Trust),
            None => (key_of_first_entry(reader, signed.unverified())?, KeySource::Folder),
        };
        signed.verify(&key)?;
        let witnessed = match trust {
            Some(trust) => trust.witnessed(signed.note(), &key)?,
            None => Witnessed::default(),
        };
        Ok(Self { note, signed, key, key_source, witnessed })
    }
}

/// The newest head that witnesses have cosigned, from its file beside the checkpoint. That the log extends it is still
/// to be seen.
pub(crate) struct Cosigned {
    /// The note as it came.
    pub(crate) note: Vec<u8>,
    pub(crate) signed: SignedCheckpoint,
    pub(crate) witnessed: Witnessed,
}

impl Cosigned {
    pub(crate) fn of(
        note: Vec<u8>,
        trust: Option<&Trust>,
        head: &Checkpoint,
        key: &VerifierKey,
    ) -> Result<Self, LogError> {
        let signed = SignedCheckpoint::parse(&note)?;
        if signed.unverified().origin != head.origin {
            let found = signed.unverified().origin.clone();
            return Err(LogError::Origin { expected: head.origin.clone(), found });
        }
        signed.verify(key)?;
        let witnessed = match trust {
            Some(trust) => trust.witnessed(signed.note(), key)?,
            None => Witnessed::default(),
        };
        Ok(Self { note, signed, witnessed })
    }
}

fn key_of_first_entry(reader: &impl LogReader, head: &Checkpoint) -> Result<VerifierKey, LogError> {
    let none = || LogError::Key("give the log's verifier key, or a trust file".to_owned());
    let tile = Tile::containing(TileKind::Entries, 0, head.size).ok_or_else(none)?;
    let (bundle, _) = read_bundle(reader, tile)?;
    let first = BundleEntries::new(&bundle).next().and_then(Result::ok).ok_or_else(none)?;
    parse_log_key_entry(first).ok_or_else(none)
}

/// One pass over a log: entries first, then upwards through the levels.
struct Walk<'a, R> {
    reader: &'a R,
    head: &'a Checkpoint,
    /// Heads that the log must extend.
    older: Vec<&'a Checkpoint>,
    /// The tree that the entries add up to.
    entries: TileTree,
    /// The tree that the level-0 tiles add up to, from the first bundle on whose entries differ from its tile.
    leaves: Option<TileTree>,
    /// The first entry that differs from its level-0 tile.
    entry_wrong: Option<LogError>,
    /// The first tile of a higher level that differs from the entries.
    tile_wrong: Option<LogError>,
    /// The size of a head that the log must extend and does not: the entries' root there is another.
    rewritten: Option<u64>,
    time: TimeOrder,
}

impl<'a, R: LogReader> Walk<'a, R> {
    fn new(reader: &'a R, head: &'a Checkpoint, older: Vec<&'a Checkpoint>) -> Self {
        let of_nothing = older.iter().any(|older| older.size == 0 && older.root != empty_root());
        Self {
            reader,
            head,
            older,
            entries: TileTree::empty(),
            leaves: None,
            entry_wrong: None,
            tile_wrong: None,
            rewritten: of_nothing.then_some(0),
            time: TimeOrder::default(),
        }
    }

    fn run(mut self, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), LogError> {
        let size = self.head.size;
        let mut from = 0;
        while let Some(tile) = Tile::containing(TileKind::Hashes(0), from, size) {
            self.bundle(tile, from, visit)?;
            from = from.saturating_add(u64::from(tile.width()));
        }
        for (tile, hashes) in self.entries.partial_tiles() {
            self.compare(tile, &hashes)?;
        }
        if self.entries.root() == self.head.root {
            // Entries and checkpoint agree, so a tile that differs from them is what was changed.
            let leaf_tile =
                self.entry_wrong.as_ref().map(|wrong| LogError::Tile(leaf_tile_path(wrong, size)));
            if let Some(wrong) = leaf_tile.or(self.tile_wrong) {
                return Err(wrong);
            }
            return match self.rewritten {
                Some(old) => Err(LogError::Consistency { old, new: size }),
                None => self.time.check(),
            };
        }
        match (self.leaves, self.entry_wrong) {
            (Some(leaves), Some(wrong)) if leaves.root() == self.head.root => Err(wrong),
            _ => Err(LogError::Root { size }),
        }
    }

    /// One level-0 tile and its bundle.
    fn bundle(&mut self, tile: Tile, from: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), LogError> {
        let leaves = read_hashes(self.reader, tile)?;
        let (bundle, bundle_tile) = read_bundle(self.reader, tile.of(TileKind::Entries))?;
        let cut = |problem: String| Err(LogError::Truncated { what: bundle_tile.path(), problem });
        let before = self.entries.clone();
        let mut found = Vec::with_capacity(leaves.len());
        let mut differs = None;
        let mut entries = BundleEntries::new(&bundle);
        for (index, leaf) in (from..).zip(&leaves) {
            let entry = match entries.next() {
                Some(Ok(entry)) => Some(entry),
                // An earlier difference says more than where the bundle happens to end. The tile's leaf stands in, so
                // that later entries keep their places.
                _ if differs.is_some() => None,
                Some(Err(CutOff)) => return cut(format!("it ends within entry {index}")),
                None => return cut(format!("it ends before entry {index}")),
            };
            let hash = entry.map_or(*leaf, leaf_hash);
            if hash != *leaf && differs.is_none() {
                differs = Some(index);
            }
            found.push(hash);
            for (tile, hashes) in self.entries.push(hash) {
                self.compare(tile, &hashes)?;
            }
            let here = self.entries.size();
            if self.older.iter().any(|older| older.size == here && self.entries.root() != older.root) {
                self.rewritten.get_or_insert(here);
            }
            if let Some(entry) = entry {
                self.time.see(index, entry);
                visit(index, entry);
            }
        }
        if differs.is_none() && bundle_tile == tile.of(TileKind::Entries) && entries.next().is_some() {
            return Err(LogError::format(bundle_tile.path(), "it has more entries than its place allows"));
        }
        if let Some(index) = differs.filter(|_| self.entry_wrong.is_none()) {
            let sorted = |hashes: &[Hash]| {
                let mut hashes = hashes.to_vec();
                hashes.sort_unstable();
                hashes
            };
            let reordered = sorted(&found) == sorted(&leaves);
            self.entry_wrong =
                Some(if reordered { LogError::Order(index) } else { LogError::Inclusion(index) });
            self.leaves = Some(before);
        }
        if let Some(tree) = &mut self.leaves {
            leaves.iter().for_each(|leaf| drop(tree.push(*leaf)));
        }
        Ok(())
    }

    /// Compares a tile's file with what the entries add up to. Level 0 has been compared entry by entry.
    fn compare(&mut self, tile: Tile, hashes: &[Hash]) -> Result<(), LogError> {
        if tile.kind() != TileKind::Hashes(0)
            && self.tile_wrong.is_none()
            && read_hashes(self.reader, tile)? != hashes
        {
            self.tile_wrong = Some(LogError::Tile(tile.path()));
        }
        Ok(())
    }
}

fn leaf_tile_path(wrong: &LogError, size: u64) -> String {
    let index = match wrong {
        LogError::Inclusion(index) | LogError::Order(index) => *index,
        _ => 0,
    };
    Tile::containing(TileKind::Hashes(0), index, size).map(|tile| tile.path()).unwrap_or_default()
}
