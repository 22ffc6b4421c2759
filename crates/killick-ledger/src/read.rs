//! Reading a log that is open: entries and receipts.

use std::sync::Arc;

use killick_tlog::LogError;
use killick_tlog::checkpoint::SignedCheckpoint;
use killick_tlog::hash::leaf_hash;
use killick_tlog::proof::{inclusion_proof, verify_inclusion};
use killick_tlog::receipt::format_receipt;
use killick_tlog::tile::{BundleEntries, TILE_WIDTH, Tile, TileKind};
use killick_tlog::tree::HashReader as _;
use killick_tlog::verify::{TileHashes, read_bundle};

use crate::disk::LogFolder;
use crate::error::LedgerError;
use crate::limits::READ_ENTRIES_MAX;
use crate::shared::{Published, Shared};

/// The bytes of entries `from..to`, at most [`READ_ENTRIES_MAX`] of them: from tiles, and from memory where those are not
/// written yet.
pub(crate) fn read(shared: &Arc<Shared>, from: u64, to: u64) -> Result<Vec<Vec<u8>>, LedgerError> {
    let to = to.min(*shared.size.borrow()).min(from.saturating_add(READ_ENTRIES_MAX));
    if from >= to {
        return Ok(Vec::new());
    }
    // Memory first: what is not there when asked is in tiles.
    let (unpublished_from, recent) = shared.unpublished(from, to);
    let mut entries = read_published(shared, from, to.min(unpublished_from))?;
    entries.extend(recent.iter().map(|entry| entry.to_vec()));
    Ok(entries)
}

fn read_published(shared: &Shared, from: u64, to: u64) -> Result<Vec<Vec<u8>>, LedgerError> {
    let reader = LogFolder::on(&shared.disk, &shared.log_dir);
    let size = shared.published().size;
    let mut entries = Vec::new();
    let mut next = from;
    while next < to {
        let tile = Tile::containing(TileKind::Entries, next, size).ok_or(LedgerError::NoEntry(next))?;
        let (bundle, _) = read_bundle(&reader, tile).map_err(|error| damaged(shared, &error))?;
        let first = tile.index().saturating_mul(TILE_WIDTH);
        let end = to.min(first.saturating_add(u64::from(tile.width())));
        let (skip, take) = (next - first, end - next);
        let read: Vec<_> = BundleEntries::new(&bundle)
            .map_while(Result::ok)
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .take(usize::try_from(take).unwrap_or(usize::MAX))
            .map(<[u8]>::to_vec)
            .collect();
        if read.len() as u64 != take {
            return Err(damaged(shared, &LogError::Inclusion(next)));
        }
        entries.extend(read);
        next = end;
    }
    Ok(entries)
}

/// The receipt of a published entry to the published head.
pub(crate) fn receipt(shared: &Arc<Shared>, index: u64) -> Result<String, LedgerError> {
    receipt_to(shared, index, &shared.published())
}

/// The receipt of an entry to a head that is published and includes it. Checked before it is handed out.
pub(crate) fn receipt_to(shared: &Arc<Shared>, index: u64, head: &Published) -> Result<String, LedgerError> {
    let reader = LogFolder::on(&shared.disk, &shared.log_dir);
    let make = || {
        let signed = SignedCheckpoint::parse(head.checkpoint.as_bytes())?;
        let hashes = TileHashes::new(&reader, head.size);
        let leaf = hashes.node(0, index)?;
        let proof = inclusion_proof(&hashes, index, head.size)?;
        verify_inclusion(&leaf, index, head.size, &proof, &signed.unverified().root)?;
        Ok((leaf, format_receipt(&leaf, index, &proof, &head.checkpoint)))
    };
    let (leaf, receipt) = make().map_err(|error| damaged(shared, &error))?;
    let entry = read(shared, index, index.saturating_add(1))?;
    if entry.first().is_none_or(|entry| leaf_hash(entry) != leaf) {
        return Err(damaged(shared, &LogError::Inclusion(index)));
    }
    Ok(receipt)
}

fn damaged(shared: &Shared, error: &LogError) -> LedgerError {
    LedgerError::damaged(&shared.log_dir, format!("{error}; stop, and restore the folder from a backup"))
}
