//! A verified bundle, compiled: trust, catalogue and policies, swapped as one.

use std::sync::Arc;

use killick_proof::Verified;
use killick_proof::bundle::{BundleDocument, TrustBundle};

use crate::catalogue::Catalogue;
use crate::cedar::Policies;

/// Everything that a decision depends on besides the call and the time.
#[derive(Debug)]
pub struct Bundle {
    /// Keys, agents, revocations.
    pub trust: TrustBundle,
    /// What can be asked for.
    pub catalogue: Arc<Catalogue>,
    /// The organisation's policy.
    pub policies: Arc<Policies>,
    /// SHA-256 of the signed document, base64url: goes into every entry.
    pub digest: String,
    /// Microseconds since the epoch at which the authority signed it.
    pub issued_at: killick_proof::UnixTime,
}

/// Why a bundle is refused, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bundle: {0}")]
pub struct BundleError(pub String);

impl Bundle {
    /// Compiles a verified bundle. Parts that are the same as in `previous` are taken from it, so that a revocation
    /// costs no policy compilation. Errs if any part is malformed, or if it is older than `previous`.
    pub fn compile(document: &Verified<BundleDocument>, previous: Option<&Bundle>) -> Result<Bundle, BundleError> {
        let _ = (document, previous);
        todo!()
    }
}
