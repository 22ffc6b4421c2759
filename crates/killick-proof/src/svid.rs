//! X.509-SVIDs: issuing and path validation (SPIFFE X509-SVID).

use crate::keys::PublicKey;
use crate::refusal::Refusal;
use crate::spiffe::SpiffeId;
use crate::time::UnixTime;

/// An X.509 signing authority of a trust domain: its certificate and its Ed25519 key, which signs SVIDs.
pub struct SvidAuthority {
    pub(crate) issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub(crate) certificate_der: Vec<u8>,
}

/// A self-signed root for a trust domain (`spiffe://acme.example`), valid from `now` for `lifetime_secs`. Returns the
/// authority; its certificate is [`SvidAuthority::certificate_der`]. `seed` is the CA's Ed25519 seed; `serial` 16
/// random bytes.
pub fn new_root(
    trust_domain: &str,
    seed: &[u8; 32],
    serial: [u8; 16],
    now: UnixTime,
    lifetime_secs: u64,
) -> Result<SvidAuthority, Refusal> {
    let _ = (trust_domain, seed, serial, now, lifetime_secs);
    todo!()
}

impl SvidAuthority {
    /// Loads an authority from its certificate and seed.
    pub fn load(certificate_der: &[u8], seed: &[u8; 32]) -> Result<Self, Refusal> {
        let _ = (certificate_der, seed);
        todo!()
    }

    /// The CA certificate, DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    /// Issues a leaf SVID for `id` over an Ed25519 public key: one URI SAN, digitalSignature, not a CA, server and
    /// client authentication. DER.
    pub fn issue(
        &self,
        id: &SpiffeId,
        key: &PublicKey,
        serial: [u8; 16],
        now: UnixTime,
        lifetime_secs: u64,
    ) -> Result<Vec<u8>, Refusal> {
        let _ = (id, key, serial, now, lifetime_secs, &self.issuer);
        todo!()
    }
}

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

/// Validates a leaf SVID to one of the trust domain's roots (X509-SVID section 5, RFC 5280 section 6).
/// Errs with `identity.chain`, `identity.expired`, `identity.domain`.
pub fn verify_svid(
    leaf_der: &[u8],
    roots_der: &[Vec<u8>],
    trust_domain: &str,
    now: UnixTime,
) -> Result<Svid, Refusal> {
    let _ = (leaf_der, roots_der, trust_domain, now);
    todo!()
}

/// PEM of a DER certificate.
pub fn to_pem(der: &[u8]) -> String {
    let _ = der;
    todo!()
}
