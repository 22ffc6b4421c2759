//! Proofs made from a log's files alone: C2SP tlog-proofs to the newest checkpoint, with its cosignatures.

use std::time::Duration;

use crate::error::LogError;
use crate::hash::leaf_hash;
use crate::kept::{self, logged_leaf};
use crate::proof::{inclusion_proof, root};
use crate::receipt::{Receipt, format_receipt};
use crate::tile::{BundleEntries, TILE_WIDTH, Tile, TileKind, WITNESSED_PATH};
use crate::verify::{Cosigned, Head, KeySource, LogReader, TileHashes, Trust, read_bundle};

/// A proof, ready to be kept.
#[derive(Clone, Debug)]
pub struct Proved {
    /// The text of the `.tlog-proof`.
    pub text: String,
    /// The entry's index.
    pub index: u64,
    /// The log's origin.
    pub origin: String,
    /// Entries under the checkpoint.
    pub size: u64,
    /// Where the log's key came from.
    pub key_source: KeySource,
    /// Distinct operators that have cosigned, without the log's own.
    pub operators: usize,
}

/// What to prove.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// The entry at this index.
    Index(u64),
    /// The entry of this receipt, which may be to an older head.
    Receipt(&'a Receipt),
}

/// Proves an entry to the log's checkpoint, or to the newest head that witnesses have cosigned if that includes it and
/// more operators have cosigned it. The proof is checked before it is returned. Errs as
/// [`crate::verify::verify_log`] does, with `log.inclusion` for an index beyond the checkpoint or an entry that is
/// not what the tree includes, and with `log.equivocation` for a receipt that the log contradicts.
pub fn prove(reader: &impl LogReader, trust: Option<&Trust>, wanted: Wanted<'_>) -> Result<Proved, LogError> {
    let cosigned = reader.read(WITNESSED_PATH)?;
    let Head { mut note, signed, key, key_source, mut witnessed } = Head::read(reader, trust)?;
    let mut head = signed.unverified();
    let hashes = TileHashes::new(reader, head.size);
    let index = match wanted {
        Wanted::Index(index) => index,
        Wanted::Receipt(receipt) => {
            kept::check(receipt, head, &key, &hashes, None, Duration::MAX)?;
            receipt.index()
        }
    };
    if index >= head.size {
        return Err(LogError::Inclusion(index));
    }
    let leaf = logged_leaf(head, &hashes, index)?;
    let tile = Tile::containing(TileKind::Entries, index, head.size).ok_or(LogError::Inclusion(index))?;
    let (bundle, _) = read_bundle(reader, tile)?;
    let place = usize::try_from(index % TILE_WIDTH).map_err(|_| LogError::Inclusion(index))?;
    let entry = BundleEntries::new(&bundle).nth(place).and_then(Result::ok);
    if entry.is_none_or(|entry| leaf_hash(entry) != leaf) {
        return Err(LogError::Inclusion(index));
    }
    // A head that witnesses have cosigned proves more than a newer one that only the log has signed.
    let cosigned = cosigned.map(|note| Cosigned::of(note, trust, head, &key)).transpose()?;
    if let Some(cosigned) = &cosigned
        && index < cosigned.signed.unverified().size
        && cosigned.witnessed.operators.len() > witnessed.operators.len()
    {
        let older = cosigned.signed.unverified();
        if head.size < older.size || root(&hashes, older.size)? != older.root {
            return Err(LogError::Consistency { old: older.size, new: head.size });
        }
        (note, head) = (cosigned.note.clone(), older);
        witnessed = cosigned.witnessed.clone();
    }
    if let Some(trust) = trust {
        trust.check_required(&witnessed)?;
    }
    let proof = inclusion_proof(&hashes, index, head.size)?;
    let note = std::str::from_utf8(&note).map_err(|_| LogError::format("checkpoint", "not UTF-8"))?;
    Ok(Proved {
        text: format_receipt(&leaf, index, &proof, note),
        index,
        origin: head.origin.clone(),
        size: head.size,
        key_source,
        operators: witnessed.operators.len(),
    })
}
