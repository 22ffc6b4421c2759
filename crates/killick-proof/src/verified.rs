//! The one file that makes a [`Verified`] value: from signed bytes, after the signature check.

use std::fmt;
use std::ops::Deref;

use crate::bundle::{BundleDocument, TrustBundle};
use crate::call::ParsedCall;
use crate::chain::{Anchors, Chain};
use crate::keys::PublicKey;
use crate::refusal::Refusal;
use crate::spiffe::SpiffeId;
use crate::time::UnixTime;

/// Proof that `T`'s signatures were checked. Its fields are private to this file; there is no other way to make one.
pub struct Verified<T>(T, Evidence);

/// What the verification of a call established besides the value itself.
enum Evidence {
    None,
    Call { chain: Box<Verified<Chain>>, agent: SpiffeId },
}

impl<T> Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Verified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verified").field(&self.0).finish()
    }
}

/// Verifies a chain by the AAT draft's section 7, steps 1 to 5: anybody's tokens, no killick profile.
pub fn verify_chain(compact: &str, anchors: &Anchors<'_>, now: UnixTime) -> Result<Verified<Chain>, Refusal> {
    let _ = (compact, anchors.keys, now);
    todo!()
}

/// Verifies a chain under the killick profile: the draft's steps, then names, origin, denies, revocation, identities.
pub fn verify_agent_chain(
    compact: &str,
    trust: &TrustBundle,
    now: UnixTime,
) -> Result<Verified<Chain>, Refusal> {
    let _ = (compact, trust, now);
    todo!()
}

/// Verifies the hop: the chain, the request signature under the leaf's key, its time window and audience.
/// `known` finds chains by hash that this gateway has verified before; it is asked only for [`ChainSource::Hash`]
/// (`chain.unknown` if it has none).
///
/// [`ChainSource::Hash`]: crate::call::ChainSource::Hash
pub fn verify_call(
    call: ParsedCall,
    trust: &TrustBundle,
    known: &dyn Fn(&[u8; 32]) -> Option<String>,
    now: UnixTime,
) -> Result<Verified<ParsedCall>, Refusal> {
    let _ = (call, trust, known, now);
    todo!()
}

/// Verifies a signed bundle under the pinned bundle key.
pub fn verify_bundle(jws: &str, key: &PublicKey) -> Result<Verified<BundleDocument>, Refusal> {
    let _ = (jws, key);
    todo!()
}

impl Verified<ParsedCall> {
    /// The verified chain that authorises the sender.
    pub(crate) fn chain_verified(&self) -> &Verified<Chain> {
        match &self.1 {
            Evidence::Call { chain, .. } => chain,
            Evidence::None => unreachable!("a verified call is made with its chain"),
        }
    }

    /// The sender.
    pub(crate) fn agent(&self) -> &SpiffeId {
        match &self.1 {
            Evidence::Call { agent, .. } => agent,
            Evidence::None => unreachable!("a verified call is made with its agent"),
        }
    }
}
