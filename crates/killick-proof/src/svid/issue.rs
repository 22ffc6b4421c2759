//! Issuing: a root for a trust domain, signing certificates beneath it, SVIDs for workloads.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyIdMethod, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SanType, SerialNumber,
    SignatureAlgorithm,
};

use super::certificate::Certificate;
use super::{der, refuse};
use crate::keys::{KeyKind, PublicKey, Signer, SigningKey};
use crate::limits::{CLOCK_SKEW_SECS, TRUST_DOMAIN_COMMON_NAME_MAX};
use crate::refusal::{Code, Refusal};
use crate::spiffe::{SpiffeId, check_trust_domain};
use crate::time::UnixTime;

/// An X.509 signing authority of a trust domain: its certificate and its key, which signs SVIDs.
pub struct SvidAuthority {
    issuer: rcgen::Issuer<'static, Issuing>,
    certificate_der: Vec<u8>,
    trust_domain: String,
    path_length: u8,
}

/// A self-signed root for a trust domain (`acme.example`), valid from `now` for `lifetime_secs`, which signs SVIDs
/// itself (path length 0). Returns the authority; its certificate is [`SvidAuthority::certificate_der`]. `seed` is the
/// CA's Ed25519 seed; `serial` 16 random bytes.
///
/// Errs with `identity.chain` for a name that is no trust domain's or a lifetime beyond the year 9999.
pub fn new_root(
    trust_domain: &str,
    seed: &[u8; 32],
    serial: [u8; 16],
    now: UnixTime,
    lifetime_secs: u64,
) -> Result<SvidAuthority, Refusal> {
    new_root_with(trust_domain, Box::new(SigningKey::from_seed(*seed)?), 0, serial, now, lifetime_secs)
}

/// As [`new_root`], with a signer of either kind, in memory or not, and room for `path_length` signing certificates
/// between the root and its SVIDs (RFC 5280 section 4.2.1.9).
pub fn new_root_with(
    trust_domain: &str,
    signer: Box<dyn Signer>,
    path_length: u8,
    serial: [u8; 16],
    now: UnixTime,
    lifetime_secs: u64,
) -> Result<SvidAuthority, Refusal> {
    check_trust_domain(trust_domain)?;
    let mut params = signing_params(trust_domain, path_length, None)?;
    params.serial_number = Some(serial_number(serial));
    set_validity(&mut params, now, lifetime_secs)?;
    let issuing = Issuing(signer);
    let certificate_der = params.self_signed(&issuing).map_err(not_made)?.der().to_vec();
    let issuer = rcgen::Issuer::new(params, issuing);
    Ok(SvidAuthority { issuer, certificate_der, trust_domain: trust_domain.to_owned(), path_length })
}

impl SvidAuthority {
    /// Loads an authority from its certificate and its Ed25519 seed; see [`SvidAuthority::load_with`].
    pub fn load(certificate_der: &[u8], seed: &[u8; 32]) -> Result<Self, Refusal> {
        Self::load_with(certificate_der, Box::new(SigningKey::from_seed(*seed)?))
    }

    /// Loads an authority from its certificate and its signer. Errs with `identity.chain` if the certificate was not made
    /// by [`new_root_with`] or [`SvidAuthority::issue_signing`] over this signer's key.
    pub fn load_with(certificate_der: &[u8], signer: Box<dyn Signer>) -> Result<Self, Refusal> {
        let certificate = Certificate::read(certificate_der)?;
        let Some(trust_domain) = certificate.check_signing()? else {
            return refuse(Code::IdentityChain, "the signing certificate does not name a trust domain");
        };
        if certificate.key() != signer.public() {
            return refuse(Code::IdentityChain, "the signing certificate is not over this key");
        }
        let path_length = certificate.path_length().and_then(|length| u8::try_from(length).ok());
        let (Some(path_length), Some(key_id)) = (path_length, certificate.subject_key_id()) else {
            return refuse(
                Code::IdentityChain,
                "the signing certificate has no path length or no key identifier, which killick gives one",
            );
        };
        let subordinate = (!certificate.is_self_issued()).then(|| signer.public());
        let mut params = signing_params(trust_domain, path_length, subordinate)?;
        // The issuer's name goes into every leaf, so it must be the one that stands in the certificate.
        if written_name(&params)? != certificate.subject().as_raw() {
            return refuse(
                Code::IdentityChain,
                "the signing certificate has another subject than killick gives one",
            );
        }
        params.key_identifier_method = KeyIdMethod::PreSpecified(key_id.to_vec());
        let trust_domain = trust_domain.to_owned();
        let issuer = rcgen::Issuer::new(params, Issuing(signer));
        Ok(Self { issuer, certificate_der: certificate_der.to_vec(), trust_domain, path_length })
    }

    /// The CA certificate, DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    /// Issues a leaf SVID for `id` over a public key of either kind: one URI SAN, digitalSignature, not a CA, server and
    /// client authentication. DER. It begins 30 seconds before `now`, for verifiers whose clocks are behind. Errs with
    /// `identity.domain` for an ID of another trust domain, `identity.chain` if the signer does not sign.
    pub fn issue(
        &self,
        id: &SpiffeId,
        key: &PublicKey,
        serial: [u8; 16],
        now: UnixTime,
        lifetime_secs: u64,
    ) -> Result<Vec<u8>, Refusal> {
        if id.trust_domain() != self.trust_domain {
            return refuse(
                Code::IdentityDomain,
                "the SPIFFE ID is of another trust domain than the authority",
            );
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = name(None, None);
        params.subject_alt_names = vec![uri_san(id.as_str())?];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, key, serial, now, lifetime_secs)
    }

    /// Issues a signing certificate of the same trust domain over another authority's key, with room for one level less.
    /// DER, for [`SvidAuthority::load_with`]. Errs with `identity.chain` if this authority's path length is 0.
    pub fn issue_signing(
        &self,
        key: &PublicKey,
        serial: [u8; 16],
        now: UnixTime,
        lifetime_secs: u64,
    ) -> Result<Vec<u8>, Refusal> {
        let Some(path_length) = self.path_length.checked_sub(1) else {
            return refuse(
                Code::IdentityChain,
                "the authority's certificate permits no signing certificate beneath it",
            );
        };
        let params = signing_params(&self.trust_domain, path_length, Some(key))?;
        self.sign(params, key, serial, now, lifetime_secs)
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        key: &PublicKey,
        serial: [u8; 16],
        now: UnixTime,
        lifetime_secs: u64,
    ) -> Result<Vec<u8>, Refusal> {
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial_number(serial));
        set_validity(&mut params, now, lifetime_secs)?;
        Ok(params.signed_by(&Subject(key), &self.issuer).map_err(not_made)?.der().to_vec())
    }
}

/// RFC 5280 section 4.1.2.2: positive. All zeros is the one draw that is not.
fn serial_number(random: [u8; 16]) -> SerialNumber {
    SerialNumber::from_slice(if random == [0; 16] { &[1] } else { &random })
}

/// X509-SVID section 3.2: a signing certificate names the trust domain itself. A subordinate's subject also names its
/// key, so that it is not taken for its root's.
fn signing_params(
    trust_domain: &str,
    path_length: u8,
    subordinate: Option<&PublicKey>,
) -> Result<CertificateParams, Refusal> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(Some(trust_domain), subordinate);
    params.subject_alt_names = vec![uri_san(&format!("spiffe://{trust_domain}"))?];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn name(trust_domain: Option<&str>, subordinate: Option<&PublicKey>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "killick");
    if let Some(key) = subordinate {
        name.push(DnType::OrganizationalUnitName, key.id().as_str());
    }
    if let Some(common) = trust_domain.filter(|text| text.len() <= TRUST_DOMAIN_COMMON_NAME_MAX) {
        name.push(DnType::CommonName, common);
    }
    name
}

/// The subject of a certificate with these parameters, DER.
fn written_name(params: &CertificateParams) -> Result<Vec<u8>, Refusal> {
    // Any key does: the name alone is looked at.
    let any: Box<dyn Signer> = Box::new(SigningKey::from_seed([1; 32])?);
    let written = params.self_signed(&Issuing(any)).map_err(not_made)?;
    Ok(Certificate::read(written.der())?.subject().as_raw().to_vec())
}

fn uri_san(uri: &str) -> Result<SanType, Refusal> {
    uri.try_into().map(SanType::URI).map_err(not_made)
}

/// From a little before `now`, for verifiers whose clock is behind, to `lifetime_secs` after it.
fn set_validity(params: &mut CertificateParams, now: UnixTime, lifetime_secs: u64) -> Result<(), Refusal> {
    /// The last second of the year 9999: the latest that a certificate can say (RFC 5280 section 4.1.2.5).
    const LATEST_SECS: u64 = 253_402_300_799;
    let end = now.secs().saturating_add(lifetime_secs);
    if end > LATEST_SECS {
        return refuse(Code::IdentityChain, "the certificate would end after the year 9999");
    }
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(now.secs().saturating_sub(CLOCK_SKEW_SECS));
    params.not_after = epoch + Duration::from_secs(end);
    Ok(())
}

/// The subject of a certificate: a public key alone; its private half stays with the agent.
struct Subject<'a>(&'a PublicKey);

impl PublicKeyData for Subject<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        algorithm(self.0.kind())
    }
}

/// The issuer's key, which may lie in a device.
struct Issuing(Box<dyn Signer>);

impl PublicKeyData for Issuing {
    fn der_bytes(&self) -> &[u8] {
        self.0.public().as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        algorithm(self.0.public().kind())
    }
}

impl rcgen::SigningKey for Issuing {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.0.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(match self.0.public().kind() {
            KeyKind::Ed25519 => signature.to_vec(),
            KeyKind::P256 => der::ecdsa_signature(&signature),
        })
    }
}

fn algorithm(kind: KeyKind) -> &'static SignatureAlgorithm {
    match kind {
        KeyKind::Ed25519 => &PKCS_ED25519,
        KeyKind::P256 => &PKCS_ECDSA_P256_SHA256,
    }
}

fn not_made(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::IdentityChain, format!("the certificate could not be made: {error}"))
}
