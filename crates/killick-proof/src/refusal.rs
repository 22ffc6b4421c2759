//! Why a call was not let through: one list of stable dotted codes, and the refusal that carries one.

use std::fmt;

macro_rules! codes {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $text:literal, $status:literal; )*) => {
        /// A stable, machine-readable reason. The dotted text is part of the promise to users: it is never reused for
        /// another meaning. `refusal.rs` is its only list; the reference page is made from it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $( $(#[doc = $doc])+ $variant, )* }

        impl Code {
            /// Every code, in the order of the list.
            pub const ALL: &'static [Code] = &[ $( Code::$variant, )* ];

            /// The dotted text, e.g. `token.expired`.
            pub const fn as_str(self) -> &'static str {
                match self { $( Code::$variant => $text, )* }
            }

            /// The HTTP status that a door answers with.
            pub const fn http_status(self) -> u16 {
                match self { $( Code::$variant => $status, )* }
            }

            /// One sentence of what it means, for the reference page and for `explain`.
            pub const fn meaning(self) -> &'static str {
                match self { $( Code::$variant => concat!($($doc),+), )* }
            }

            /// The code with this dotted text.
            pub fn from_text(text: &str) -> Option<Code> {
                Code::ALL.iter().copied().find(|code| code.as_str() == text)
            }
        }
    };
}

codes! {
    /// The request is malformed or two parsers could read it differently.
    HttpAmbiguous = "http.ambiguous", 400;
    /// The message framing is in conflict (length, transfer encoding, folding).
    HttpFraming = "http.framing", 400;
    /// A field that only killick may set came from the caller.
    HttpReservedHeader = "http.reserved_header", 400;
    /// The request target is not in origin form or does not match this gateway's public origin.
    HttpTargetForm = "http.target_form", 400;
    /// The body's content encoding is not declared by the operation.
    HttpContentEncoding = "http.content_encoding", 415;
    /// The content type is not the one that the operation declares.
    HttpContentType = "http.content_type", 415;
    /// The path is not in its one normal form.
    PathNoncanonical = "path.noncanonical", 400;
    /// The body is not valid JSON.
    JsonInvalid = "json.invalid", 400;
    /// A JSON object has the same member twice.
    JsonDuplicateKey = "json.duplicate_key", 400;
    /// Something is nested deeper than the bound.
    LimitDepth = "limit.depth", 400;
    /// Something is larger than the bound.
    LimitSize = "limit.size", 413;
    /// Too many requests or too much work at once.
    LimitRate = "limit.rate", 429;
    /// It took longer than the bound.
    LimitTime = "limit.time", 408;

    /// No capability token came with the request.
    TokenMissing = "token.missing", 401;
    /// The token is not a well-formed compact JWS in its one canonical encoding.
    TokenEncoding = "token.encoding", 401;
    /// The token's algorithm is not on the allow-list or does not fit the key.
    TokenAlg = "token.alg", 401;
    /// The token's `typ` is not the one expected.
    TokenTyp = "token.typ", 401;
    /// The token's header carries a critical extension.
    TokenCrit = "token.crit", 401;
    /// The token's key ID names no key of its issuer, or does not fit it.
    TokenKid = "token.kid", 401;
    /// The token's issuer is not trusted, or its header tries to bring its own key.
    TokenIssuer = "token.issuer", 401;
    /// The token's signature does not verify.
    TokenSig = "token.sig", 401;
    /// A required claim is missing, or has the wrong type or value.
    TokenClaims = "token.claims", 401;
    /// The key in `cnf` is missing, private, weak or of a kind that is not supported.
    TokenKey = "token.key", 401;
    /// The token has expired.
    TokenExpired = "token.expired", 401;
    /// The token was issued in the future, beyond the permitted clock skew.
    ClockSkew = "clock.skew", 401;
    /// The clock went backwards beyond what is safe.
    ClockRollback = "clock.rollback", 503;
    /// The token is meant for another audience.
    TokenAud = "token.aud", 401;
    /// The token has been revoked.
    TokenRevoked = "token.revoked", 401;
    /// The key has been revoked.
    KeyRevoked = "key.revoked", 401;

    /// A link of the chain is missing, or a token stands where no token may stand.
    ChainBroken = "chain.broken", 401;
    /// The same token occurs twice in the chain.
    ChainCycle = "chain.cycle", 401;
    /// The chain is deeper than a link of it permits.
    ChainDepth = "chain.depth", 401;
    /// A link reaches into another trust domain.
    ChainDomain = "chain.domain", 401;
    /// A token has not exactly one capability entry where one is required.
    ChainEntryCount = "chain.entry_count", 401;
    /// A link sheds or contradicts an explicit deny of the chain.
    ChainExplicitDeny = "chain.explicit_deny", 403;
    /// A link's issuer is not the holder of the link above it.
    ChainIssuer = "chain.issuer", 401;
    /// A link outlives the link above it, or predates it.
    ChainLifetime = "chain.lifetime", 401;
    /// A link does not commit to the link above it.
    ChainLinkage = "chain.linkage", 401;
    /// The links are not in order from root to leaf.
    ChainOrder = "chain.order", 401;
    /// A link's signature does not verify under its parent's holder key.
    ChainSignature = "chain.signature", 401;
    /// A link grants more than the link above it.
    ChainWidened = "chain.widened", 403;
    /// A name in the chain is not bound to its key, or is not the delegator's to give.
    ChainIdentity = "chain.identity", 401;
    /// A derived link states another origin (model, principal, intent, task) than the root.
    ChainOrigin = "chain.origin", 401;
    /// The hash names no chain that this gateway holds; send the chain again.
    ChainUnknown = "chain.unknown", 401;
    /// A constraint is nested deeper than the bound.
    ConstraintDepth = "constraint.depth", 401;
    /// A constraint is of a type that is not known here.
    ConstraintUnknown = "constraint.unknown", 403;

    /// No proof of possession came with the token.
    PopMissing = "pop.missing", 401;
    /// The proof was made with another key than the token's holder's.
    PopMismatch = "pop.mismatch", 401;
    /// The proof is for another tool.
    PopTool = "pop.tool", 401;
    /// The proof is for other arguments.
    PopArguments = "pop.arguments", 401;
    /// The proof is for another gateway.
    PopAudience = "pop.audience", 421;
    /// The proof was made outside the permitted time window.
    PopTime = "pop.time", 401;

    /// A component that must be signed is not covered.
    SigCoverage = "sig.coverage", 401;
    /// The body does not match the signed digest.
    SigDigest = "sig.digest", 401;
    /// The request's signature does not verify.
    SigInvalid = "sig.invalid", 401;
    /// The signature's time window has passed, has not begun or is too long.
    SigTime = "sig.time", 401;
    /// This signed request was already used.
    ReplayNonce = "replay.nonce", 401;

    /// The agent is not known to the authority.
    IdentityUnknown = "identity.unknown", 401;
    /// The certificate chain or the SPIFFE ID in it is not valid.
    IdentityChain = "identity.chain", 401;
    /// The identity belongs to another trust domain.
    IdentityDomain = "identity.domain", 401;
    /// The agent's certificate has expired.
    IdentityExpired = "identity.expired", 401;
    /// The agent is suspended.
    IdentitySuspended = "identity.suspended", 403;
    /// The agent has been revoked or off-boarded.
    IdentityRevoked = "identity.revoked", 403;
    /// The agent has no owner.
    IdentityOwner = "identity.owner", 403;
    /// The model claimed is not the one registered.
    IdentityModel = "identity.model", 403;
    /// The name was used before and may not be used again.
    IdentityReuse = "identity.reuse", 409;

    /// The token does not grant this action.
    ToolNotGranted = "tool.not_granted", 403;
    /// The operation is not in the catalogue.
    ToolUnknown = "tool.unknown", 403;
    /// The catalogue maps this action to something else than when it was granted.
    CatalogueChanged = "catalogue.changed", 403;
    /// An argument's value is outside what the token permits.
    ArgConstraint = "arg.constraint", 403;
    /// An argument that must be present is absent.
    ArgMissing = "arg.missing", 403;
    /// An argument has another type than the catalogue says.
    ArgType = "arg.type", 400;
    /// An argument is not listed by the token or the catalogue.
    ArgUnlisted = "arg.unlisted", 403;
    /// A number cannot be carried exactly.
    ArgNumber = "arg.number", 400;
    /// An address is not of the permitted form.
    ArgAddress = "arg.address", 403;
    /// The policy forbids it, or nothing in it permits it.
    PolicyForbid = "policy.forbid", 403;
    /// The policy could not be evaluated; in doubt, deny.
    PolicyError = "policy.error", 403;
    /// The policy does not validate.
    PolicyInvalid = "policy.invalid", 422;
    /// A sensitive value comes from an untrusted source.
    ProvUntrusted = "prov.untrusted", 403;
    /// A budget is used up.
    BudgetExceeded = "budget.exceeded", 403;
    /// A human must approve this exact call first.
    StepupRequired = "stepup.required", 403;

    /// The kill switch is on: everything is revoked.
    RevokedAll = "revoked.all", 403;
    /// The bundle is older than the action's risk permits.
    StateStale = "state.stale", 503;
    /// No bundle has been loaded yet.
    StateMissing = "state.missing", 503;
    /// An older state was offered than one already seen.
    StateRollback = "state.rollback", 409;
    /// The log cannot record, so nothing is forwarded.
    LogUnavailable = "log.unavailable", 503;
    /// The upstream could not be reached.
    UpstreamUnreachable = "upstream.unreachable", 502;
    /// The request did not come through the gateway.
    GatewaySignature = "gateway.signature", 401;
    /// Something failed inside; in doubt, deny.
    InternalError = "internal.error", 500;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The caller is not authenticated: nothing that it says has been proved. Carries a stable [`Code`] and a sentence
/// for the operator; the sentence holds no secret and no unbounded text of the caller's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Refusal {
    code: Code,
    detail: String,
}

impl Refusal {
    /// A refusal with its code and what exactly was wrong, in lower case, without a full stop.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// The stable code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// What exactly was wrong.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_dotted_unique_and_found_again() {
        let mut texts: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        for code in Code::ALL {
            assert_eq!(Code::from_text(code.as_str()), Some(*code));
            assert_eq!(code.as_str().split('.').count(), 2, "{code}");
            assert!(code.as_str().bytes().all(|b| matches!(b, b'a'..=b'z' | b'_' | b'.')), "{code}");
            assert!((400..600).contains(&code.http_status()), "{code}");
            assert!(!code.meaning().trim().is_empty());
        }
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
        assert_eq!(Code::from_text("token"), None);
    }
}
