//! Trees and proofs against a naive implementation, written from RFC 6962 section 2.1 as it reads.
#![expect(clippy::indexing_slicing, reason = "tests")]

use killick_tlog::LogError;
use killick_tlog::hash::{Hash, empty_root, leaf_hash, node_hash};
use killick_tlog::proof::{consistency_proof, inclusion_proof, root, verify_consistency, verify_inclusion};
use killick_tlog::tree::{Growth, HashReader, RightEdge, TileTree};
use proptest::prelude::*;

/// MTH(D[n]).
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&mth(left), &mth(right))
        }
    }
}

/// PATH(m, D[n]).
fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let mut path_below = if index < k { path(index, left) } else { path(index - k, right) };
    path_below.push(if index < k { mth(right) } else { mth(left) });
    path_below
}

/// SUBPROOF(m, D[n], b).
fn subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    if old <= k {
        let mut proof = subproof(old, left, whole);
        proof.push(mth(right));
        proof
    } else {
        let mut proof = subproof(old - k, right, false);
        proof.push(mth(left));
        proof
    }
}

fn split(count: usize) -> usize {
    let mut k = 1;
    while k * 2 < count {
        k *= 2;
    }
    k
}

/// The leaves, read as subtrees.
struct Leaves<'a>(&'a [Hash]);

impl HashReader for Leaves<'_> {
    fn node(&self, level: u32, index: u64) -> Result<Hash, LogError> {
        let start = (index << level) as usize;
        Ok(mth(&self.0[start..start + (1 << level)]))
    }
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

#[test]
fn roots_of_the_certificate_transparency_test_vectors() {
    let inputs: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut edge = RightEdge::empty();
    for (input, expected) in inputs.iter().zip(roots) {
        edge.push(leaf_hash(input));
        let found: String = edge.root().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn roots_at_the_sizes_where_tiles_begin_and_end() {
    let leaves = leaves(65_537);
    let mut edge = RightEdge::empty();
    let mut tiles = TileTree::empty();
    let mut full = 0;
    assert_eq!((edge.root(), tiles.root()), (empty_root(), empty_root()));
    for (size, leaf) in (1..).zip(&leaves) {
        edge.push(*leaf);
        full += tiles.push(*leaf).len();
        if [1, 2, 3, 255, 256, 257, 511, 65_535, 65_536, 65_537].contains(&size) {
            let expected = mth(&leaves[..size]);
            assert_eq!(
                (edge.root(), tiles.root(), tiles.edge()),
                (expected, expected, edge.clone()),
                "size {size}"
            );
            assert_eq!(root(&Leaves(&leaves), size as u64).unwrap(), expected);
            assert_eq!(RightEdge::read(&Leaves(&leaves), size as u64).unwrap(), edge);
        }
    }
    assert_eq!(full, 257);
    let widths: Vec<_> = tiles.partial_tiles().iter().map(|(tile, _)| tile.path()).collect();
    assert_eq!(widths, ["tile/0/256.p/1", "tile/2/000.p/1"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_are_those_of_the_rfc(size in 1_usize..700, at: prop::sample::Index, older: prop::sample::Index) {
        let leaves = leaves(size);
        let (index, old) = (at.index(size), older.index(size + 1));
        let whole = mth(&leaves);
        let inclusion = inclusion_proof(&Leaves(&leaves), index as u64, size as u64).unwrap();
        prop_assert_eq!(&inclusion, &path(index, &leaves));
        let (at, count) = (index as u64, size as u64);
        prop_assert!(verify_inclusion(&leaves[index], at, count, &inclusion, &whole).is_ok());

        let consistency = consistency_proof(&Leaves(&leaves), old as u64, count).unwrap();
        if old > 0 {
            prop_assert_eq!(&consistency, &subproof(old, &leaves, true));
        }
        let before = mth(&leaves[..old]);
        prop_assert!(verify_consistency(old as u64, count, &before, &whole, &consistency).is_ok());
    }

    #[test]
    fn no_changed_proof_verifies(
        size in 2_usize..300, at: prop::sample::Index, older: prop::sample::Index, which: prop::sample::Index, how in 0..4,
    ) {
        let leaves = leaves(size);
        let (index, old, count) = (at.index(size), 1 + older.index(size - 1), size as u64);
        let whole = mth(&leaves);
        let change = |proof: &mut Vec<Hash>| {
            let count = proof.len().max(1);
            let place = which.index(count);
            match how {
                0 => proof.push(leaf_hash(b"x")),
                1 if !proof.is_empty() => drop(proof.remove(place)),
                2 if proof.len() > 1 => proof.swap(place, (place + 1) % count),
                _ if !proof.is_empty() => proof[place] = leaf_hash(b"y"),
                _ => proof.push(leaf_hash(b"z")),
            }
        };
        let mut proof = path(index, &leaves);
        prop_assert!(verify_inclusion(&leaf_hash(b"other"), index as u64, count, &proof, &whole).is_err());
        prop_assert!(verify_inclusion(&leaves[index], index as u64, count, &proof, &leaf_hash(b"root")).is_err());
        prop_assert!(verify_inclusion(&leaves[index], (index as u64) ^ 1, count, &proof, &whole).is_err());
        change(&mut proof);
        prop_assert!(verify_inclusion(&leaves[index], index as u64, count, &proof, &whole).is_err());

        let mut proof = subproof(old, &leaves, true);
        let before = mth(&leaves[..old]);
        prop_assert!(verify_consistency(old as u64, count, &leaf_hash(b"a"), &whole, &proof).is_err());
        prop_assert!(verify_consistency(old as u64, count, &before, &leaf_hash(b"b"), &proof).is_err());
        change(&mut proof);
        prop_assert!(verify_consistency(old as u64, count, &before, &whole, &proof).is_err());
    }

    #[test]
    fn nothing_that_is_no_proof_panics(
        index: u64, size: u64, old: u64, hashes in prop::collection::vec(any::<[u8; 32]>(), 0..80),
    ) {
        let hashes: Vec<_> = hashes.into_iter().map(Hash::from_bytes).collect();
        let some = leaf_hash(b"");
        let _ = verify_inclusion(&some, index, size, &hashes, &some);
        let _ = verify_consistency(old, size, &some, &some, &hashes);
        let _ = verify_consistency(old, old, &some, &some, &hashes);
    }

    #[test]
    fn a_batch_proves_each_of_its_leaves(sizes in prop::collection::vec(0_usize..70, 1..12)) {
        let all = leaves(sizes.iter().sum());
        let mut edge = RightEdge::empty();
        for count in sizes {
            let start = edge.size() as usize;
            let growth = Growth::new(&edge, &all[start..start + count]);
            let end = start + count;
            prop_assert_eq!(growth.edge().size(), end as u64);
            let whole = mth(&all[..end]);
            prop_assert_eq!(growth.edge().root(), whole);
            for index in start..end {
                prop_assert_eq!(growth.inclusion(index as u64).unwrap(), path(index, &all[..end]));
            }
            prop_assert!(growth.inclusion(end as u64).is_err());
            edge = growth.edge().clone();
            let mut pushed = RightEdge::empty();
            all[..end].iter().for_each(|leaf| pushed.push(*leaf));
            prop_assert_eq!(&edge, &pushed);
        }
    }
}
