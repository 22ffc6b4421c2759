//! What was decided, and on what.

use std::collections::BTreeMap;

use killick_proof::json::Json;
use killick_proof::{Code, Refusal, SpiffeId, UnixTime};

use crate::catalogue::Risk;

/// The verdict on one authenticated call.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// May be forwarded, once it is recorded.
    Permit(AuthorisedCall),
    /// May not.
    Deny(Denial),
}

/// A call that may be forwarded once it is recorded. Made by [`crate::authorise()`] alone; it holds all that the
/// forwarded request is built from.
#[derive(Debug)]
pub struct AuthorisedCall {
    pub(crate) facts: Facts,
    pub(crate) upstream_url: String,
    pub(crate) method: String,
    /// Percent-encoded path with its leading slash, rebuilt from the parsed segments.
    pub(crate) path: String,
    /// Rebuilt query with its leading `?`, or empty.
    pub(crate) query: String,
    /// Re-serialised body.
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: Option<String>,
    pub(crate) observed: Option<Box<Denial>>,
}

/// What the entry says of any decision.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The gateway's id for the request.
    pub request_id: String,
    /// When it was decided.
    pub decided_at: UnixTime,
    /// Who asked.
    pub agent: SpiffeId,
    /// The delegation path, root's holder first.
    pub path: Vec<SpiffeId>,
    /// The originating model, `name@version`.
    pub model: String,
    /// The owner (a person: entered as a pseudonym).
    pub owner: String,
    /// The principal (a person: entered as a pseudonym).
    pub principal: Option<String>,
    /// Base64url hash of the intent.
    pub intent: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// Base64url SHA-256 of the chain as it travelled.
    pub chain_hash: String,
    /// Key that signed the request.
    pub keyid: String,
    /// The action, if the catalogue knows the operation.
    pub action: Option<String>,
    /// Its risk, if known.
    pub risk: Option<Risk>,
    /// The arguments (entered as a commitment).
    pub arguments: BTreeMap<String, Json>,
    /// SHA-256 of the signature base (entered as a commitment).
    pub payload_digest: [u8; 32],
    /// The bundle's digest.
    pub bundle: String,
    /// Catalogue `id@version`.
    pub catalogue: String,
    /// Ids of the policies that determined the decision: those that permitted, those that forbade, or those that could
    /// not be evaluated.
    pub policies: Vec<String>,
    /// Peer address (entered as a commitment).
    pub peer: String,
}

/// The caller is known, and may not.
#[derive(Clone, Debug)]
pub struct Denial {
    pub(crate) facts: Facts,
    pub(crate) code: Code,
    pub(crate) detail: String,
    pub(crate) missing: Option<String>,
    pub(crate) grantor: Option<String>,
}

/// A request that was refused before anyone was authenticated, as the log keeps it.
#[derive(Clone, Debug)]
pub struct RefusedCall {
    /// The gateway's id for the request.
    pub request_id: String,
    /// When.
    pub refused_at: UnixTime,
    /// Peer address (entered as a commitment).
    pub peer: String,
    /// Why.
    pub refusal: Refusal,
    /// SHA-256 of the request head as received (entered as a commitment).
    pub payload_digest: [u8; 32],
}

impl Denial {
    /// The stable code.
    pub const fn code(&self) -> Code {
        self.code
    }
    /// What exactly was wrong, for the caller.
    pub fn detail(&self) -> &str {
        &self.detail
    }
    /// What would have permitted it, e.g. `a grant of create:payments`.
    pub fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }
    /// Who can grant that, e.g. `the owner of invoice-bot`.
    pub fn grantor(&self) -> Option<&str> {
        self.grantor.as_deref()
    }
    /// What the entry says.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }
}

impl AuthorisedCall {
    /// What the entry says.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }
    /// Base URL of the upstream.
    pub fn upstream_url(&self) -> &str {
        &self.upstream_url
    }
    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }
    /// The path to forward.
    pub fn path(&self) -> &str {
        &self.path
    }
    /// The query to forward, with its `?`, or empty.
    pub fn query(&self) -> &str {
        &self.query
    }
    /// The body to forward.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
    /// Its content type.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }
    /// In observe mode: the denial that would have been enforced.
    pub fn observed(&self) -> Option<&Denial> {
        self.observed.as_deref()
    }
}

impl Decision {
    /// What the entry says.
    pub const fn facts(&self) -> &Facts {
        match self {
            Decision::Permit(call) => &call.facts,
            Decision::Deny(denial) => &denial.facts,
        }
    }
}
