//! One Attenuating Agent Token: its claims, and how they are written and read (AAT draft section 3).

pub(crate) mod claims;
pub(crate) mod jws;
pub(crate) mod numeric_date;
mod uri;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::constraint::Constraint;
use crate::grammar::ActionPattern;
use crate::json::{Json, View};
use crate::keys::{PublicKey, SigningKey, base64url, sha256};
use crate::refusal::Refusal;
use crate::spiffe::SpiffeId;

/// The JWS `typ` of a token (ours: the draft names none).
pub const TOKEN_TYP: &str = "aat+jwt";

/// The constraints of one tool, by argument name. Empty: any arguments (draft section 3.3).
pub type ConstraintMap = BTreeMap<String, Constraint>;
/// What a token grants, by tool identifier; ours are actions such as `read:invoices`.
pub type Tools = BTreeMap<String, ConstraintMap>;

/// The model that an agent runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Model {
    /// e.g. `claude-opus`
    pub name: String,
    /// e.g. `2026-05`
    pub version: String,
    /// Digest of the weights or of the provider's model card, when known: `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Where a chain's authority comes from: said once by the root, the same for every link below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The originating model.
    pub model: Model,
    /// The owner of the originating agent.
    pub owner: String,
    /// The human or system for whom the task is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Base64url SHA-256 of the signed intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// The task's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

/// killick's private claims, under the one claim name `killick` (`docs/spec/token-profile.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateClaims {
    /// SPIFFE ID of the issuer: the authority's for a root, the parent link's holder for a derived link.
    pub issuer: SpiffeId,
    /// SPIFFE ID of the holder.
    pub holder: SpiffeId,
    /// Only in the root.
    pub origin: Option<Origin>,
    /// Explicit denies of this link. The union over all links counts.
    pub deny: Vec<ActionPattern>,
    /// Only in the root: id and version of the catalogue that the actions were resolved against.
    pub catalogue: Option<CatalogueRef>,
}

/// A catalogue, by id and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueRef {
    /// The catalogue's id.
    pub id: String,
    /// Its version: grows by one with every change.
    pub version: u64,
}

/// The claims of one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Unique id (UUIDv7).
    pub jti: String,
    /// Authority URI (root) or RFC 9278 thumbprint URI (derived).
    pub iss: String,
    /// Seconds since the epoch; of a foreign token's fraction (RFC 7519 section 2) rounded up.
    pub iat: u64,
    /// Seconds since the epoch; of a foreign token's fraction rounded down.
    pub exp: u64,
    /// The holder's key (`cnf.jwk`).
    pub holder_key: PublicKey,
    /// 0 for a root.
    pub del_depth: u64,
    /// The deepest link permitted.
    pub del_max_depth: u64,
    /// Base64url SHA-256 of the parent's JWS signing input; absent in a root.
    pub par_hash: Option<String>,
    /// The capability entry; `None` if there is none (an empty, non-leaf, derived token).
    pub tools: Option<Tools>,
    /// Absent from tokens of other issuers' making.
    pub killick: Option<PrivateClaims>,
}

impl Claims {
    /// Reads the payload of a token whose signature has been verified. Unknown claims are ignored (AAT draft section
    /// 3.4), unknown members of our own claim are not. Errs with `token.claims`, `token.key`, `chain.depth` (a depth that
    /// is no non-negative integer), `chain.entry_count`, `constraint.unknown`, `constraint.depth`, `limit.size`, or
    /// `chain.widened` (a derived token's constraint that is malformed, so that it narrows nothing).
    pub fn from_json(payload: &Json) -> Result<Self, Refusal> {
        Self::read(&View::from(payload))
    }

    pub(crate) fn read(payload: &View<'_>) -> Result<Self, Refusal> {
        claims::read(payload)
    }

    /// The payload, ready to be signed.
    pub fn to_json(&self) -> Json {
        claims::write(self)
    }

    /// Signs the claims: a compact JWS (`alg` EdDSA, `typ` [`TOKEN_TYP`], `kid` the key's thumbprint).
    pub fn sign(&self, key: &SigningKey) -> String {
        jws::sign(TOKEN_TYP, &self.to_json().to_bytes(), key)
    }

    /// Base64url SHA-256 of a compact token's JWS signing input: the `par_hash` of its children (AAT draft section 4.6).
    pub fn parent_hash(compact: &str) -> String {
        let signing_input = compact.rsplit_once('.').map_or(compact, |(input, _)| input);
        base64url(&sha256(signing_input.as_bytes()))
    }
}
