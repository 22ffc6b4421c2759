//! Chains of tokens, root first: the draft's verification algorithm (section 7) and what a verified chain says.

use crate::bundle::TrustBundle;
use crate::json::Json;
use crate::keys::{KeyId, PublicKey};
use crate::refusal::Refusal;
use crate::spiffe::SpiffeId;
use crate::time::UnixTime;
use crate::token::{Claims, Origin};
use std::collections::BTreeMap;

/// A chain of tokens. Inside [`crate::Verified`] its links have passed steps 1 to 5 of the draft's section 7; step 6
/// is [`Chain::check`], step 7 the request signature or the PoP JWT.
#[derive(Clone, Debug)]
pub struct Chain {
    pub(crate) links: Vec<Claims>,
    pub(crate) compact: String,
    pub(crate) hash: [u8; 32],
}

impl Chain {
    /// The links' claims, root first; at least one.
    pub fn links(&self) -> &[Claims] {
        &self.links
    }

    /// The chain as it travels: compact JWSs joined by `~`.
    pub fn compact(&self) -> &str {
        &self.compact
    }

    /// SHA-256 of [`Chain::compact`].
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The leaf.
    pub fn leaf(&self) -> &Claims {
        todo!()
    }

    /// The key that must sign requests.
    pub fn holder_key(&self) -> &PublicKey {
        todo!()
    }

    /// The leaf holder's SPIFFE ID.
    pub fn holder(&self) -> Option<&SpiffeId> {
        todo!()
    }

    /// Every holder's SPIFFE ID, root's first.
    pub fn path(&self) -> Vec<&SpiffeId> {
        todo!()
    }

    /// The root's origin.
    pub fn origin(&self) -> Option<&Origin> {
        todo!()
    }

    /// Every key that holds or signs a link.
    pub fn keys(&self) -> Vec<&KeyId> {
        todo!()
    }

    /// Step 6 of the draft plus the explicit denies of every link: may this chain's leaf invoke `tool` with `args`?
    /// Errs with `tool.not_granted`, `chain.explicit_deny`, `arg.unlisted`, `arg.missing`, `arg.constraint`.
    pub fn check(&self, tool: &str, args: &BTreeMap<String, Json>) -> Result<(), Refusal> {
        todo!("{tool}{args:?}")
    }
}

/// What a chain is verified against when the killick profile is not asked for: anybody's tokens.
pub struct Anchors<'a> {
    /// Keys trusted as root issuers.
    pub keys: &'a [PublicKey],
    /// Longest token lifetime, seconds.
    pub lifetime_secs_max: u64,
}

/// Steps 1 to 5 of the draft's section 7, nothing else. Used by [`crate::verified`]; returns the bare chain.
pub(crate) fn verify_links(compact: &str, anchors: &Anchors<'_>, now: UnixTime) -> Result<Chain, Refusal> {
    todo!("{compact}{:?}{now:?}", anchors.keys)
}

/// The killick profile over a chain whose links verified: names bound to keys, one origin, denies kept, nothing
/// revoked, every identity alive (`chain.identity`, `chain.origin`, `chain.explicit_deny`, `token.revoked`,
/// `key.revoked`, `identity.*`, `revoked.all`).
pub(crate) fn verify_profile(chain: &Chain, trust: &TrustBundle, now: UnixTime) -> Result<(), Refusal> {
    todo!("{chain:?}{trust:?}{now:?}")
}
