//! Inclusion and consistency proofs: made from hashes of complete subtrees, verified from nothing but themselves.

use crate::error::LogError;
use crate::hash::{Hash, empty_root, node_hash};
use crate::limits::PROOF_HASHES_MAX;
use crate::tree::HashReader;

/// The root of the tree of `size` entries.
pub fn root(reader: &impl HashReader, size: u64) -> Result<Hash, LogError> {
    if size == 0 { Ok(empty_root()) } else { subtree(reader, 0, size) }
}

/// PATH(index, D[0:size]) of RFC 6962 section 2.1.1: the leaf's sibling first, the root's child last. Errs with
/// `log.inclusion` unless `index < size`.
pub fn inclusion_proof(reader: &impl HashReader, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
    if index >= size {
        return Err(LogError::Inclusion(index));
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(subtree(reader, middle, end)?);
            end = middle;
        } else {
            path.push(subtree(reader, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// PROOF(old, D[0:new]) of RFC 6962 section 2.1.2. Empty if `old` is 0 or `new`. Errs if `old > new`.
pub fn consistency_proof(reader: &impl HashReader, old: u64, new: u64) -> Result<Vec<Hash>, LogError> {
    if old > new {
        return Err(LogError::Consistency { old, new });
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, new);
    let mut known = true; // SUBPROOF's b: the older root is still the root of the range
    let mut proof = Vec::new();
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(subtree(reader, middle, end)?);
            end = middle;
        } else {
            proof.push(subtree(reader, start, middle)?);
            start = middle;
            known = false;
        }
    }
    if !known {
        proof.push(subtree(reader, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that the leaf is at `index` in the tree of `size` with this root (RFC 9162 section 2.1.3.2). Errs with
/// `log.inclusion`.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), LogError> {
    let wrong = LogError::Inclusion(index);
    if index >= size || proof.len() > PROOF_HASHES_MAX {
        return Err(wrong);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(wrong);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(wrong) }
}

/// Checks that the tree of `new` entries extends the tree of `old` entries (RFC 9162 section 2.1.4.2). Errs with
/// `log.fork` for different roots of one size, `log.consistency` otherwise.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), LogError> {
    let wrong = LogError::Consistency { old, new };
    if old > new || proof.len() > PROOF_HASHES_MAX {
        return Err(wrong);
    }
    if old == new {
        return match (proof.is_empty(), old_root == new_root) {
            (true, true) => Ok(()),
            (_, false) => Err(LogError::Fork(old)),
            _ => Err(wrong),
        };
    }
    if old == 0 {
        return if proof.is_empty() && *old_root == empty_root() { Ok(()) } else { Err(wrong) };
    }
    let mut path = proof.iter();
    // The proof leaves out the older root itself where the older tree is one complete subtree.
    let first = if old.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return Err(wrong) };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return Err(wrong);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 && old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(wrong) }
}

/// MTH(D[start:end]) for a range that RFC 6962's splitting yields: its complete subtrees, joined from the right.
fn subtree(reader: &impl HashReader, start: u64, end: u64) -> Result<Hash, LogError> {
    let mut lefts = Vec::new();
    let mut from = start;
    loop {
        let count = end - from;
        if count.is_power_of_two() {
            let level = count.trailing_zeros();
            let mut hash = reader.node(level, from >> level)?;
            while let Some(left) = lefts.pop() {
                hash = node_hash(&left, &hash);
            }
            return Ok(hash);
        }
        let left = split(count);
        let level = left.trailing_zeros();
        lefts.push(reader.node(level, from >> level)?);
        from += left;
    }
}

/// The largest power of two below `count`, which is at least 2 (RFC 6962 section 2.1).
const fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}
