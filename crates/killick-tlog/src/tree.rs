//! The right edge of the tree, and how it grows. The edge is all that is needed to append: the roots of the complete
//! subtrees that the tree's size splits into, at most 64 of them.

use crate::error::LogError;
use crate::hash::{Hash, empty_root, node_hash};
use crate::proof;
use crate::tile::{TILE_WIDTH, Tile, TileKind, level_width};

/// Where hashes of complete subtrees come from: memory, tiles, a server.
pub trait HashReader {
    /// The hash of the complete subtree over entries `index << level .. (index + 1) << level`.
    fn node(&self, level: u32, index: u64) -> Result<Hash, LogError>;
}

/// The complete subtrees that a tree's size splits into, largest (leftmost) first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RightEdge {
    size: u64,
    nodes: Vec<Hash>,
}

impl RightEdge {
    /// The edge of the empty tree.
    pub const fn empty() -> Self {
        Self { size: 0, nodes: Vec::new() }
    }

    /// The edge of the tree of `size` entries whose hashes `reader` holds.
    pub fn read(reader: &impl HashReader, size: u64) -> Result<Self, LogError> {
        let mut nodes = Vec::new();
        for level in (0..u64::BITS).rev() {
            let complete = size >> level;
            if complete & 1 == 1 {
                nodes.push(reader.node(level, complete - 1)?);
            }
        }
        Ok(Self { size, nodes })
    }

    /// Entries of the tree.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each one-bit at the end of the size is a complete subtree that the new leaf completes into a larger one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.nodes.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.nodes.push(node);
        self.size = self.size.saturating_add(1);
    }

    /// The tree's root (RFC 6962 section 2.1).
    pub fn root(&self) -> Hash {
        self.root_with(None).unwrap_or_else(empty_root)
    }

    /// The root of this tree with another one to the right of it.
    fn root_with(&self, right: Option<Hash>) -> Option<Hash> {
        let join =
            |right: Option<Hash>, left: &Hash| Some(right.map_or(*left, |right| node_hash(left, &right)));
        self.nodes.iter().rev().fold(right, join)
    }

    fn node(&self, level: u32) -> Option<&Hash> {
        let larger = self.size.checked_shr(level + 1).unwrap_or(0).count_ones();
        (self.size >> level & 1 == 1).then(|| self.nodes.get(larger as usize)).flatten()
    }
}

/// What a batch of leaves added to a tree: enough to prove the inclusion of each of them in the grown tree, without
/// reading anything.
#[derive(Clone, Debug)]
pub struct Growth {
    old_size: u64,
    edge: RightEdge,
    /// Per tree level: the index of the first node kept, and the nodes from there to the tree's complete end.
    levels: Vec<(u64, Vec<Hash>)>,
}

impl Growth {
    /// Appends leaves to the tree with this edge. Costs one node hash per leaf.
    pub fn new(old: &RightEdge, leaves: &[Hash]) -> Self {
        let mut edge = old.clone();
        let mut levels = Vec::new();
        let mut added = leaves.to_vec();
        for level in 0..u64::BITS {
            // The old edge's node of this level is the left sibling of the first new one, if the first new one is a
            // right child.
            let first = old.size >> level;
            let (first, mut nodes) = match old.node(level) {
                Some(left) => (first.saturating_sub(1), vec![*left]),
                None => (first, Vec::new()),
            };
            nodes.append(&mut added);
            if nodes.is_empty() && first == 0 {
                break;
            }
            added = nodes.chunks_exact(2).filter_map(pair).collect();
            levels.push((first, nodes));
        }
        edge.size = old.size.saturating_add(leaves.len() as u64);
        edge.nodes = (0..u64::BITS)
            .rev()
            .filter(|level| edge.size >> level & 1 == 1)
            .filter_map(|level| find(&levels, level, (edge.size >> level).checked_sub(1)?))
            .collect();
        Self { old_size: old.size, edge, levels }
    }

    /// Size before the batch: the index of its first leaf.
    pub const fn old_size(&self) -> u64 {
        self.old_size
    }

    /// The edge of the grown tree.
    pub const fn edge(&self) -> &RightEdge {
        &self.edge
    }

    /// The inclusion proof of a leaf of this batch in the grown tree. Errs for any other leaf.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, LogError> {
        proof::inclusion_proof(self, index, self.edge.size)
    }
}

impl HashReader for Growth {
    fn node(&self, level: u32, index: u64) -> Result<Hash, LogError> {
        find(&self.levels, level, index).ok_or(LogError::Inclusion(self.old_size))
    }
}

/// A growing tree that keeps the unfinished tile of each level, and hands out each tile when it is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileTree {
    size: u64,
    /// Per tile level, level 0 first: the hashes of the unfinished tile, fewer than 256.
    levels: Vec<Vec<Hash>>,
}

impl TileTree {
    /// The empty tree.
    pub const fn empty() -> Self {
        Self { size: 0, levels: Vec::new() }
    }

    /// The tree of `size` entries, out of the unfinished tiles that `read` returns. Nothing is verified: compare
    /// [`TileTree::root`] with a signed one.
    pub fn read(
        size: u64,
        mut read: impl FnMut(Tile) -> Result<Vec<Hash>, LogError>,
    ) -> Result<Self, LogError> {
        let mut levels = Vec::new();
        for level in 0..u8::MAX {
            let hashes = level_width(level, size);
            if hashes == 0 {
                break;
            }
            let tile = Tile::new(TileKind::Hashes(level), hashes / TILE_WIDTH, hashes % TILE_WIDTH);
            levels.push(tile.map(&mut read).transpose()?.unwrap_or_default());
        }
        Ok(Self { size, levels })
    }

    /// Entries.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf. Returns the tiles that are full now, lowest level first; almost always none.
    pub fn push(&mut self, leaf: Hash) -> Vec<(Tile, Vec<Hash>)> {
        let mut full = Vec::new();
        let mut hash = leaf;
        self.size = self.size.saturating_add(1);
        for level in 0..u8::MAX {
            if usize::from(level) == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(usize::from(level)) else { break };
            hashes.push(hash);
            if (hashes.len() as u64) < TILE_WIDTH {
                break;
            }
            let hashes = std::mem::take(hashes);
            let mut edge = RightEdge::empty();
            hashes.iter().for_each(|hash| edge.push(*hash));
            hash = edge.root();
            let index = level_width(level, self.size) / TILE_WIDTH;
            full.extend(
                Tile::new(TileKind::Hashes(level), index.saturating_sub(1), TILE_WIDTH)
                    .map(|tile| (tile, hashes)),
            );
        }
        full
    }

    /// The unfinished tiles, lowest level first.
    pub fn partial_tiles(&self) -> Vec<(Tile, Vec<Hash>)> {
        let tile = |(level, hashes): (u8, &Vec<Hash>)| {
            let index = level_width(level, self.size) / TILE_WIDTH;
            Tile::new(TileKind::Hashes(level), index, hashes.len() as u64).map(|tile| (tile, hashes.clone()))
        };
        (0..u8::MAX).zip(&self.levels).filter_map(tile).collect()
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let join = |right: Option<Hash>, hashes: &Vec<Hash>| {
            let mut edge = RightEdge::empty();
            hashes.iter().for_each(|hash| edge.push(*hash));
            edge.root_with(right)
        };
        self.levels.iter().fold(None, join).unwrap_or_else(empty_root)
    }

    /// The right edge of the tree.
    pub fn edge(&self) -> RightEdge {
        let mut nodes = Vec::new();
        for hashes in self.levels.iter().rev() {
            let mut edge = RightEdge::empty();
            hashes.iter().for_each(|hash| edge.push(*hash));
            nodes.append(&mut edge.nodes);
        }
        RightEdge { size: self.size, nodes }
    }
}

fn pair(nodes: &[Hash]) -> Option<Hash> {
    match nodes {
        [left, right] => Some(node_hash(left, right)),
        _ => None,
    }
}

fn find(levels: &[(u64, Vec<Hash>)], level: u32, index: u64) -> Option<Hash> {
    let (first, nodes) = levels.get(level as usize)?;
    nodes.get(usize::try_from(index.checked_sub(*first)?).ok()?).copied()
}
