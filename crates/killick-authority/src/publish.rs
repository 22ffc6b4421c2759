//! The signed bundle: what every gateway decides from.

use std::sync::Arc;

use killick_proof::bundle::{BundleDocument, sign_bundle};
use killick_proof::keys::SigningKey;
use killick_proof::svid::SvidAuthority;

/// The authority's keys, in memory.
pub(crate) struct Signer {
    pub(crate) bundle: SigningKey,
    pub(crate) token: SigningKey,
    pub(crate) svid: SvidAuthority,
}

/// The compact JWS of a bundle.
pub(crate) fn sign(document: &BundleDocument, signer: &Signer) -> Arc<str> {
    Arc::from(sign_bundle(document, &signer.bundle))
}
