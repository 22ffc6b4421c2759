//! The one file that makes a [`Verified`] value: from signed bytes, after the signature check.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::bundle::{self, BundleDocument, TrustBundle};
use crate::call::{ChainSource, ParsedCall};
use crate::chain::{self, Anchors, Chain};
use crate::http_signature::{check_algorithm, check_window};
use crate::keys::{PublicKey, sha256};
use crate::limits::{SIGNATURE_LIFETIME_SECS_MAX, TOKEN_LIFETIME_SECS_MAX};
use crate::refusal::{Code, Refusal};
use crate::spiffe::SpiffeId;
use crate::svid::{Svid, verify_svid_chain};
use crate::time::UnixTime;

/// Proof that `T`'s signatures were checked. Its field is private to this file; there is no other way to make one.
pub struct Verified<T>(T);

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

/// A call with what the verification of its signature established.
#[derive(Debug)]
pub struct SignedCall {
    pub(crate) call: ParsedCall,
    pub(crate) chain: Arc<Verified<Chain>>,
    pub(crate) agent: SpiffeId,
}

impl SignedCall {
    /// The call as read.
    pub const fn call(&self) -> &ParsedCall {
        &self.call
    }

    /// The chain that authorises the sender.
    pub fn chain(&self) -> &Verified<Chain> {
        &self.chain
    }

    /// The same chain, to be held for the next call: see [`verify_held_call`].
    pub fn shared_chain(&self) -> Arc<Verified<Chain>> {
        Arc::clone(&self.chain)
    }

    /// The sender: the leaf holder's SPIFFE ID.
    pub const fn agent(&self) -> &SpiffeId {
        &self.agent
    }
}

/// Verifies a chain by the AAT draft's section 7, steps 1 to 5: anybody's tokens, no killick profile.
pub fn verify_chain(compact: &str, anchors: &Anchors<'_>, now: UnixTime) -> Result<Verified<Chain>, Refusal> {
    chain::verify_links(compact, anchors, now).map(Verified)
}

/// Verifies a chain under the killick profile: the draft's steps, then names, origin, denies, revocation, identities.
pub fn verify_agent_chain(
    compact: &str,
    trust: &TrustBundle,
    now: UnixTime,
) -> Result<Verified<Chain>, Refusal> {
    verify_agent_chain_shown(compact, &[], trust, now)
}

/// As [`verify_agent_chain`], with X.509-SVIDs that were shown beside the chain: each a leaf and the signing certificates
/// that came with it, DER. Each must be valid for this trust domain. A derived token whose holder is a registered agent
/// is then good for the key of that agent's SVID too, not only for those that the bundle's directory lists; what is
/// revoked stays so. Errs with what [`verify_agent_chain`] and [`verify_svid_chain`] err with.
pub fn verify_agent_chain_shown(
    compact: &str,
    svids: &[Vec<Vec<u8>>],
    trust: &TrustBundle,
    now: UnixTime,
) -> Result<Verified<Chain>, Refusal> {
    let anchors = Anchors { keys: trust.token_keys(), lifetime_secs_max: TOKEN_LIFETIME_SECS_MAX };
    let chain = chain::verify_links(compact, &anchors, now)?;
    // After the signatures: strangers must not have certificates read for them.
    let verify = |svid: &Vec<Vec<u8>>| verify_svid_chain(svid, trust.svid_roots(), trust.trust_domain(), now);
    let shown = svids.iter().map(verify).collect::<Result<Vec<Svid>, Refusal>>()?;
    chain::verify_profile(&chain, trust, &shown, now)?;
    Ok(Verified(chain))
}

/// Verifies the hop: the chain, the request signature under the leaf's key, the body's digest, the time window and the
/// audience, in this order. `known` finds chains by hash that this gateway has verified before; it is asked only for
/// [`ChainSource::Hash`] (`chain.unknown` if it has none), and what it finds is verified again.
///
/// Errs with what [`verify_agent_chain`] errs with, then `pop.mismatch`, `sig.invalid`, `sig.digest`, `sig.time`,
/// `pop.audience`.
pub fn verify_call(
    call: ParsedCall,
    trust: &TrustBundle,
    known: &dyn Fn(&[u8; 32]) -> Option<String>,
    now: UnixTime,
) -> Result<Verified<SignedCall>, Refusal> {
    verify_held_call(call, trust, &|_| None, known, now)
}

/// Finds a chain that was verified before by the SHA-256 of its text.
pub type FindHeld<'a> = dyn Fn(&[u8; 32]) -> Option<Arc<Verified<Chain>>> + 'a;

/// As [`verify_call`], for who holds chains that were verified before: `held` finds one by the SHA-256 of its text,
/// whether the call sends the chain or names it. The verdict is that of [`verify_call`], sooner.
///
/// What cannot change of a held chain is not verified again: its signatures, its linkage, that each link narrows. What
/// time and the bundle can change is: the trust anchor, every expiry, names, keys, revocation. A held chain that no
/// longer passes is verified as if it had not been held, so that the refusal is the same one.
pub fn verify_held_call(
    call: ParsedCall,
    trust: &TrustBundle,
    held: &FindHeld<'_>,
    known: &dyn Fn(&[u8; 32]) -> Option<String>,
    now: UnixTime,
) -> Result<Verified<SignedCall>, Refusal> {
    let hash = match call.chain() {
        ChainSource::Inline(compact) => sha256(compact.as_bytes()),
        ChainSource::Hash(hash) => *hash,
    };
    // The stores are only caches; that they hold what was asked for is seen here. A chain that leans on an SVID is not
    // one that holds by itself.
    let held = if call.svids.is_empty() { held(&hash) } else { None };
    let held = held.filter(|chain| *chain.hash() == hash && still_holds(chain, trust, now));
    let chain = match (held, call.chain()) {
        (Some(chain), _) => chain,
        (None, ChainSource::Inline(compact)) => {
            Arc::new(verify_agent_chain_shown(compact, &call.svids, trust, now)?)
        }
        (None, ChainSource::Hash(_)) => {
            match known(&hash).filter(|compact| sha256(compact.as_bytes()) == hash) {
                Some(compact) => Arc::new(verify_agent_chain_shown(&compact, &call.svids, trust, now)?),
                None => {
                    return refuse(Code::ChainUnknown, "no chain with this hash is held here; send it again");
                }
            }
        }
    };
    let signature = call.signature();
    let key = chain.holder_key();
    if signature.keyid != key.id().as_str() {
        return refuse(Code::PopMismatch, "the signature's `keyid` is not the key of the token's holder");
    }
    check_algorithm(signature.alg, key)?;
    if !key.verifies(&signature.base, &signature.signature) {
        return refuse(Code::SigInvalid, "the request's signature does not verify");
    }
    if !call.digest_matches {
        return refuse(Code::SigDigest, "the body does not match its signed digest");
    }
    check_window(signature.created, signature.expires, SIGNATURE_LIFETIME_SECS_MAX, now)?;
    if signature.audience != call.audience_expected {
        return refuse(Code::PopAudience, "the request is meant for another gateway");
    }
    let Some(agent) = chain.holder().cloned() else {
        return refuse(Code::ChainIdentity, "the token does not name its holder");
    };
    Ok(Verified(SignedCall { call, chain, agent }))
}

/// Whether a chain that verified once would verify now: all that [`verify_agent_chain`] looks at and that can change.
fn still_holds(chain: &Verified<Chain>, trust: &TrustBundle, now: UnixTime) -> bool {
    let anchors = Anchors { keys: trust.token_keys(), lifetime_secs_max: TOKEN_LIFETIME_SECS_MAX };
    chain::still_holds(chain, &anchors, now) && chain::verify_profile(chain, trust, &[], now).is_ok()
}

/// Verifies a signed bundle under the pinned bundle key. Errs with `token.encoding`, `token.alg`, `token.typ`,
/// `token.crit`, `token.kid`, `token.sig`, `limit.size`, and `policy.invalid` for a document that is not a bundle.
pub fn verify_bundle(jws: &str, key: &PublicKey) -> Result<Verified<BundleDocument>, Refusal> {
    bundle::read_signed(jws, key).map(Verified)
}

fn refuse<T>(code: Code, why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}
