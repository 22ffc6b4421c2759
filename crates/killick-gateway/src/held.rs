//! Chains that verified lately, kept whole, so that the next call of the same agent costs one signature and not one
//! more for each link.
//!
//! A cache and nothing else: what it holds is looked at again with every call, as to time, names and revocation
//! ([`killick_proof::verified::verify_held_call`]), and what it has forgotten is verified anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use killick_proof::Verified;
use killick_proof::chain::Chain;
use killick_proof::limits::CHAIN_HEADER_BYTES_MAX;

use crate::limits::HELD_PER_GENERATION_MAX;

/// The chains, by SHA-256 of their text. Two generations: when the young one is full the old one goes, and what is asked
/// for moves from the old to the young. So what is in use stays, without a clock or a list for each use.
#[derive(Default)]
pub(crate) struct HeldChains(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: ByHash,
    old: ByHash,
}

type ByHash = HashMap<[u8; 32], Arc<Verified<Chain>>>;

impl HeldChains {
    /// The chain with this hash, if it is held.
    pub(crate) fn get(&self, hash: &[u8; 32]) -> Option<Arc<Verified<Chain>>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chain) = held.young.get(hash) {
            return Some(Arc::clone(chain));
        }
        let chain = held.old.remove(hash)?;
        held.hold(&chain);
        Some(chain)
    }

    /// Holds a chain whose holder has just shown its key. One longer than a header's is not held: memory is bounded by
    /// the number of chains.
    pub(crate) fn hold(&self, chain: &Arc<Verified<Chain>>) {
        if chain.compact().len() <= CHAIN_HEADER_BYTES_MAX {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).hold(chain);
        }
    }
}

impl Generations {
    fn hold(&mut self, chain: &Arc<Verified<Chain>>) {
        if self.young.contains_key(chain.hash()) {
            return;
        }
        if self.young.len() >= HELD_PER_GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(*chain.hash(), Arc::clone(chain));
    }
}

#[cfg(test)]
mod tests {
    use killick_proof::fixtures::{self, NOW, World};
    use killick_proof::verified::verify_agent_chain;

    use super::*;

    fn chain(world: &World, number: usize) -> Arc<Verified<Chain>> {
        let mut claims = world.root_claims("invoice-bot", fixtures::tools(&["read:invoices"]));
        claims.jti = fixtures::uuid(number.try_into().unwrap());
        let compact = claims.sign(&world.token_key);
        Arc::new(verify_agent_chain(&compact, &world.trust(), NOW).unwrap())
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let world = World::new();
        let held = HeldChains::default();
        let used = chain(&world, 0);
        let unused = chain(&world, 1);
        held.hold(&used);
        held.hold(&unused);
        for number in 2..2 * HELD_PER_GENERATION_MAX + 4 {
            held.hold(&chain(&world, number));
            assert!(held.get(used.hash()).is_some(), "in use");
            let generations = held.0.lock().unwrap();
            assert!(generations.young.len() <= HELD_PER_GENERATION_MAX);
            assert!(generations.old.len() <= HELD_PER_GENERATION_MAX);
        }
        assert!(held.get(unused.hash()).is_none(), "forgotten");
        assert!(held.get(&[0; 32]).is_none());
    }
}
