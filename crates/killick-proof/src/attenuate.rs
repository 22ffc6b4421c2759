//! Narrowing a chain by one link. There is no function that widens.

use crate::chain::Chain;
use crate::grammar::ActionPattern;
use crate::keys::{PublicKey, SigningKey};
use crate::refusal::Refusal;
use crate::spiffe::SpiffeId;
use crate::time::UnixTime;
use crate::token::Tools;
use crate::verified::Verified;

/// What the new link shall say.
pub struct Attenuation {
    /// A fresh UUIDv7.
    pub jti: String,
    /// The new holder's key.
    pub holder_key: PublicKey,
    /// The new holder's SPIFFE ID: beneath the delegator's, or a registered agent's.
    pub holder: SpiffeId,
    /// What it may do; each tool and constraint within the parent's.
    pub tools: Tools,
    /// Denies to add.
    pub deny: Vec<ActionPattern>,
    /// When it ends; not after the parent.
    pub exp_secs: u64,
    /// The deepest link permitted below; not above the parent's.
    pub del_max_depth: u64,
}

/// Appends a link that `delegator` (the leaf's holder) signs, and returns the longer chain in its compact form. Errs,
/// naming the invariant and the argument, instead of signing what would not verify.
pub fn attenuate(
    parent: &Verified<Chain>,
    delegator: &SigningKey,
    attenuation: &Attenuation,
    now: UnixTime,
) -> Result<String, Refusal> {
    todo!("{parent:?}{delegator:?}{:?}{now:?}", attenuation.jti)
}
