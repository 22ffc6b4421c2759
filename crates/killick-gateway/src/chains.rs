//! Chains put once and then named by their hash (`Authorization: AAT-Hash …`), for chains too long for a header.
//!
//! Only the text is kept, and only after it verified; each call that names it is verified again, so that a chain
//! revoked or expired since is worth nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use killick_proof::bundle::TrustBundle;
use killick_proof::limits::CHAIN_BYTES_MAX;
use killick_proof::verified::verify_agent_chain;
use killick_proof::{Code, Refusal, UnixTime};

use crate::limits::{CHAINS_BYTES_MAX, CHAINS_MAX, CHAINS_PER_ROOT_MAX};

/// The chains kept, by SHA-256.
#[derive(Default)]
pub(crate) struct Chains {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_hash: HashMap<[u8; 32], Chain>,
    per_root: HashMap<String, usize>,
    bytes: usize,
}

struct Chain {
    compact: String,
    root: String,
    exp_secs: u64,
}

/// What the sender is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) hash: [u8; 32],
    pub(crate) exp_secs: u64,
}

impl Chains {
    /// The chain with this hash, if it is kept.
    pub(crate) fn get(&self, hash: &[u8; 32]) -> Option<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.by_hash.get(hash).map(|chain| chain.compact.clone())
    }

    /// Verifies a chain and keeps it until it expires. Errs as verification does, with `limit.size` for a chain
    /// beyond the bound and with `limit.rate` when no more chains (or no more of this root) are kept.
    pub(crate) fn put(&self, compact: &str, trust: &TrustBundle, now: UnixTime) -> Result<Put, Refusal> {
        if compact.len() > CHAIN_BYTES_MAX {
            return Err(Refusal::new(
                Code::LimitSize,
                format!("a chain has at most {CHAIN_BYTES_MAX} bytes"),
            ));
        }
        let chain = verify_agent_chain(compact, trust, now)?;
        let root = chain.links().first().map(|root| root.jti.clone()).unwrap_or_default();
        let put = Put { hash: *chain.hash(), exp_secs: chain.leaf().exp };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.by_hash.contains_key(&put.hash) {
            return Ok(put);
        }
        kept.forget_expired(now);
        let of_root = kept.per_root.get(&root).copied().unwrap_or(0);
        let full =
            kept.by_hash.len() >= CHAINS_MAX || kept.bytes.saturating_add(compact.len()) > CHAINS_BYTES_MAX;
        if full || of_root >= CHAINS_PER_ROOT_MAX {
            return Err(Refusal::new(
                Code::LimitRate,
                "no more chains are kept now; wait for some to expire",
            ));
        }
        kept.bytes += compact.len();
        *kept.per_root.entry(root.clone()).or_default() += 1;
        kept.by_hash.insert(put.hash, Chain { compact: compact.to_owned(), root, exp_secs: put.exp_secs });
        Ok(put)
    }

    /// Chains kept now.
    pub(crate) fn len(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).by_hash.len()
    }
}

impl Kept {
    fn forget_expired(&mut self, now: UnixTime) {
        let Self { by_hash, per_root, bytes } = self;
        by_hash.retain(|_, chain| {
            let alive = chain.exp_secs > now.secs();
            if !alive {
                *bytes = bytes.saturating_sub(chain.compact.len());
                if let Some(count) = per_root.get_mut(&chain.root) {
                    *count = count.saturating_sub(1);
                }
            }
            alive
        });
        per_root.retain(|_, count| *count > 0);
    }
}
