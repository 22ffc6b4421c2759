//! X.509-SVIDs: issuing and path validation (SPIFFE X509-SVID).
//!
//! A trust domain has roots, which sign leaves directly or over signing certificates in between. Keys are Ed25519
//! (RFC 8410) or P-256 (RFC 5480); every other kind is refused. What is checked, rule by rule, and where it is stricter
//! than the specification asks, stands in `docs/spec/identity.md`.
//!
//! ```
//! use killick_proof::svid::{new_root, verify_svid};
//! use killick_proof::{fixtures, keys::SigningKey};
//!
//! let root = new_root("acme.example", &[1; 32], [1; 16], fixtures::NOW, 86_400)?;
//! let (id, key) = (fixtures::id("/agent/invoice-bot"), SigningKey::from_seed([7; 32])?);
//! let leaf = root.issue(&id, key.public(), [2; 16], fixtures::NOW, 3_600)?;
//!
//! let roots = [root.certificate_der().to_vec()];
//! let svid = verify_svid(&leaf, &roots, "acme.example", fixtures::NOW.plus_secs(60))?;
//! assert_eq!((svid.id, svid.key), (id, key.public().clone()));
//! # Ok::<(), killick_proof::Refusal>(())
//! ```

mod certificate;
mod der;
mod issue;
mod names;
mod path;
mod pem;

pub use self::issue::{SvidAuthority, new_root, new_root_with};
pub use self::pem::{from_pem, to_pem};

use self::certificate::Certificate;
use crate::keys::PublicKey;
use crate::limits::SVID_INTERMEDIATES_MAX;
use crate::refusal::{Code, Refusal};
use crate::spiffe::SpiffeId;
use crate::time::UnixTime;

/// What a valid SVID says.
#[derive(Clone, Debug)]
pub struct Svid {
    /// The one URI SAN.
    pub id: SpiffeId,
    /// The certified key.
    pub key: PublicKey,
    /// End of validity.
    pub not_after: UnixTime,
}

/// Validates a leaf SVID that one of the trust domain's roots signed itself; see [`verify_svid_chain`].
pub fn verify_svid(
    leaf_der: &[u8],
    roots_der: &[Vec<u8>],
    trust_domain: &str,
    now: UnixTime,
) -> Result<Svid, Refusal> {
    verify_svid_chain(&[leaf_der], roots_der, trust_domain, now)
}

/// Validates a leaf SVID to one of the trust domain's roots (X509-SVID section 5, RFC 5280 section 6). `chain_der` is
/// the leaf and the signing certificates that came with it, in order: each is certified by the next (as RFC 8446
/// section 4.4.2 asks of senders), the last by a root. At most six may stand between. A root that is expired or cannot
/// be used at all counts as absent.
///
/// Times are exact: the tolerance for clocks lies in the certificate, which begins 30 seconds early.
///
/// Errs with `identity.domain`, `identity.expired` (the leaf), `limit.size`, and `identity.chain` for everything else.
pub fn verify_svid_chain(
    chain_der: &[impl AsRef<[u8]>],
    roots_der: &[Vec<u8>],
    trust_domain: &str,
    now: UnixTime,
) -> Result<Svid, Refusal> {
    if chain_der.len() > SVID_INTERMEDIATES_MAX + 1 {
        return refuse(
            Code::LimitSize,
            format!("more than {SVID_INTERMEDIATES_MAX} certificates came with the SVID"),
        );
    }
    let presented: Vec<Certificate<'_>> =
        chain_der.iter().map(|der| Certificate::read(der.as_ref())).collect::<Result<_, _>>()?;
    let Some(leaf) = presented.first() else { return refuse(Code::IdentityChain, "there is no SVID") };
    let id = leaf.check_leaf()?;
    if id.trust_domain() != trust_domain {
        return refuse(Code::IdentityDomain, "the SVID is of another trust domain");
    }
    let roots: Vec<Certificate<'_>> =
        roots_der.iter().filter_map(|der| Certificate::read(der).ok()).collect();
    path::verify(&presented, &roots, trust_domain, now)?;
    Ok(Svid { id, key: leaf.key().clone(), not_after: leaf.end() })
}

/// Checks that a certificate may be a root of `trust_domain`: a signing certificate by X509-SVID sections 3.2 and 4, of a
/// supported key, that names this trust domain or none. Errs with `identity.chain`, `identity.domain`, `limit.size`.
pub fn check_root(der: &[u8], trust_domain: &str) -> Result<PublicKey, Refusal> {
    let certificate = Certificate::read(der)?;
    match certificate.check_signing()? {
        Some(domain) if domain != trust_domain => {
            refuse(Code::IdentityDomain, "the signing certificate is of another trust domain")
        }
        _ => Ok(certificate.key().clone()),
    }
}

/// The key that a certificate is over, whatever else is said of it.
pub(crate) fn certified_key(der: &[u8]) -> Result<PublicKey, Refusal> {
    Certificate::read(der).map(|certificate| certificate.key().clone())
}

fn refuse<T>(code: Code, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}
