//! Receipts that somebody has kept, held against the log as it is shown now: a log that gave a receipt and does not
//! include its entry has signed two histories, or keeps something back.

use std::time::Duration;

use crate::checkpoint::Checkpoint;
use crate::error::LogError;
use crate::hash::Hash;
use crate::note::VerifierKey;
use crate::proof::{consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
use crate::receipt::Receipt;
use crate::tree::HashReader;

/// What a receipt's own head and the log say of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The log includes the entry.
    Included,
    /// The entry is newer than the log's head, and nothing speaks against either.
    NotYet,
}

/// Holds a receipt against `log`, a head that verified under `key`. `hashes` may come from whoever serves the log: what they add up to is
/// checked against the log's head. `age` is how long before the log was as it is the receipt was given, if that
/// is known: a head that does not include it `delay` later keeps it back.
///
/// Errs with `log.origin`, `log.signature` or `log.inclusion` for what is no receipt of this log; with
/// `log.equivocation` for one that the log contradicts or has not merged in time; with `log.missing` and the like
/// where the log's files do not hold what is needed.
pub fn check(
    receipt: &Receipt,
    log: &Checkpoint,
    key: &VerifierKey,
    hashes: &impl HashReader,
    age: Option<Duration>,
    delay: Duration,
) -> Result<Kept, LogError> {
    let index = receipt.index();
    let equivocation = |problem: String| LogError::Equivocation { index, problem };
    let head = receipt.checkpoint().verify(key)?;
    let logged = if index < log.size { Some(logged_leaf(log, hashes, index)?) } else { None };
    // A receipt without a leaf hash is about whatever the log holds at its index.
    if let Some(leaf) = receipt.leaf().or(logged) {
        receipt.verify_leaf(&leaf, key)?;
        if logged.is_some_and(|logged| logged != leaf) {
            return Err(equivocation("the log holds another entry at this index".to_owned()));
        }
    }
    if head.size <= log.size {
        let proof = consistency_proof(hashes, head.size, log.size)?;
        return match verify_consistency(head.size, log.size, &head.root, &log.root, &proof) {
            Ok(()) => Ok(Kept::Included),
            Err(_) => Err(equivocation(format!(
                "the log of {} entries does not extend the receipt's head of {}",
                log.size, head.size
            ))),
        };
    }
    if logged.is_some() {
        return Ok(Kept::Included);
    }
    match age {
        Some(age) if age > delay => Err(equivocation(format!(
            "{} s after the receipt was given the log of {} entries does not include it; {} s are allowed",
            age.as_secs(),
            log.size,
            delay.as_secs()
        ))),
        _ => Ok(Kept::NotYet),
    }
}

/// The leaf hash that the log includes at `index`, proved to the log's head.
pub(crate) fn logged_leaf(log: &Checkpoint, hashes: &impl HashReader, index: u64) -> Result<Hash, LogError> {
    let leaf = hashes.node(0, index)?;
    let proof = inclusion_proof(hashes, index, log.size)?;
    verify_inclusion(&leaf, index, log.size, &proof, &log.root)?;
    Ok(leaf)
}
