//! Chains of tokens, root first: the draft's verification algorithm (section 7) and what a verified chain says.

mod links;
mod profile;

use std::collections::BTreeMap;

use crate::bundle::TrustBundle;
use crate::grammar::ActionPattern;
use crate::json::Json;
use crate::keys::{KeyId, PublicKey};
use crate::refusal::{Code, Refusal};
use crate::spiffe::SpiffeId;
use crate::svid::Svid;
use crate::time::UnixTime;
use crate::token::claims::shown;
use crate::token::{Claims, Origin};

pub(crate) use self::links::check_link;
pub(crate) use self::profile::{check_jti, refuse_denied_tools};

/// A chain of tokens. Inside [`crate::Verified`] its links have passed steps 1 to 5 of the draft's section 7; step 6
/// is [`Chain::check`], step 7 the request signature or the PoP JWT.
#[derive(Clone, Debug)]
pub struct Chain {
    // INVARIANT: never empty; made by `verify_links` alone.
    pub(crate) links: Vec<Claims>,
    pub(crate) compact: String,
    pub(crate) hash: [u8; 32],
    /// The trust anchor that signed the root.
    pub(crate) root_key: KeyId,
    /// Whether every token's header states our `typ`.
    pub(crate) is_typed: bool,
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
        match self.links.last() {
            Some(leaf) => leaf,
            None => unreachable!("a chain has at least its root"),
        }
    }

    /// The key that must sign requests.
    pub fn holder_key(&self) -> &PublicKey {
        &self.leaf().holder_key
    }

    /// The leaf holder's SPIFFE ID.
    pub fn holder(&self) -> Option<&SpiffeId> {
        self.leaf().killick.as_ref().map(|private| &private.holder)
    }

    /// Every holder's SPIFFE ID, root's first.
    pub fn path(&self) -> Vec<&SpiffeId> {
        self.links.iter().filter_map(|link| Some(&link.killick.as_ref()?.holder)).collect()
    }

    /// The root's origin.
    pub fn origin(&self) -> Option<&Origin> {
        self.links.first()?.killick.as_ref()?.origin.as_ref()
    }

    /// Every key that signs or holds a link: the root's issuer first, the leaf's holder last.
    pub fn keys(&self) -> Vec<&KeyId> {
        std::iter::once(&self.root_key).chain(self.links.iter().map(|link| link.holder_key.id())).collect()
    }

    /// The explicit denies of every link: their union counts, whatever a later link says.
    pub fn denies(&self) -> impl Iterator<Item = &ActionPattern> {
        self.links.iter().filter_map(|link| link.killick.as_ref()).flat_map(|private| &private.deny)
    }

    /// Step 6 of the draft plus the explicit denies of every link: may this chain's leaf invoke `tool` with `args`?
    /// Errs with `chain.explicit_deny`, `tool.not_granted`, `arg.unlisted`, `arg.missing`, `arg.constraint`, in this
    /// order.
    pub fn check(&self, tool: &str, args: &BTreeMap<String, Json>) -> Result<(), Refusal> {
        let refuse = |code: Code, why: String| Err(Refusal::new(code, why));
        if let Some(pattern) = self.denies().find(|pattern| pattern.matches(tool)) {
            let why = format!("the chain denies `{}`, which `{}` is", pattern.as_str(), shown(tool));
            return refuse(Code::ChainExplicitDeny, why);
        }
        let Some(constraints) = self.leaf().tools.as_ref().and_then(|tools| tools.get(tool)) else {
            return refuse(Code::ToolNotGranted, format!("the token does not grant `{}`", shown(tool)));
        };
        // AAT draft section 3.3: an empty map restricts nothing, any other is a closed world.
        if constraints.is_empty() {
            return Ok(());
        }
        if let Some(name) = args.keys().find(|name| !constraints.contains_key(*name)) {
            let why = format!("`{}` does not take `{}` under this token", shown(tool), shown(name));
            return refuse(Code::ArgUnlisted, why);
        }
        for (name, constraint) in constraints {
            match args.get(name) {
                None => {
                    return refuse(
                        Code::ArgMissing,
                        format!("`{}` needs `{}` under this token", shown(tool), shown(name)),
                    );
                }
                Some(value) if !constraint.check(value) => {
                    let permitted = bounded(constraint.to_human(name));
                    let (name, tool) = (shown(name), shown(tool));
                    let why = format!("`{name}` of `{tool}` is outside what the token permits: {permitted}");
                    return refuse(Code::ArgConstraint, why);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// A refusal's detail stays short, however long a constraint is.
fn bounded(text: String) -> String {
    const CHARS_MAX: usize = 200;
    if text.chars().count() <= CHARS_MAX {
        return text;
    }
    let head: String = text.chars().take(CHARS_MAX).collect();
    format!("{head}…")
}

/// What a chain is verified against when the killick profile is not asked for: anybody's tokens.
pub struct Anchors<'a> {
    /// Keys trusted as root issuers.
    pub keys: &'a [PublicKey],
    /// Longest token lifetime, seconds.
    pub lifetime_secs_max: u64,
}

/// Steps 1 to 5 and 6a of the draft's section 7, nothing else. Used by [`crate::verified`]; returns the bare chain.
pub(crate) fn verify_links(compact: &str, anchors: &Anchors<'_>, now: UnixTime) -> Result<Chain, Refusal> {
    links::verify(compact, anchors, now)
}

/// What of [`verify_links`] can become false of a chain for which it held: the anchor that signed the root is trusted,
/// and time is within every link's.
pub(crate) fn still_holds(chain: &Chain, anchors: &Anchors<'_>, now: UnixTime) -> bool {
    links::still_holds(chain, anchors, now)
}

/// The killick profile over a chain whose links verified: names bound to keys, one origin, denies kept, nothing
/// revoked, every identity alive (`chain.identity`, `chain.origin`, `chain.domain`, `chain.explicit_deny`,
/// `token.claims`, `token.typ`, `token.issuer`, `token.revoked`, `key.revoked`, `identity.*`, `revoked.all`).
///
/// `shown` are valid SVIDs that came with the chain: they bind a registered agent to a key that the directory does not
/// list.
pub(crate) fn verify_profile(
    chain: &Chain,
    trust: &TrustBundle,
    shown: &[Svid],
    now: UnixTime,
) -> Result<(), Refusal> {
    profile::verify(chain, trust, shown, now)
}
