//! X.509-SVIDs: issuing and path validation (SPIFFE X509-SVID).
//!
//! A trust domain has one root, which signs leaves directly (path length 0). Everything is Ed25519 (RFC 8410).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use zeroize::Zeroizing;

use crate::keys::{PublicKey, SigningKey};
use crate::limits::{CLOCK_SKEW_SECS, TRUST_DOMAIN_COMMON_NAME_MAX};
use crate::refusal::{Code, Refusal};
use crate::spiffe::{SpiffeId, check_trust_domain};
use crate::time::UnixTime;

/// An X.509 signing authority of a trust domain: its certificate and its Ed25519 key, which signs SVIDs.
pub struct SvidAuthority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate_der: Vec<u8>,
    trust_domain: String,
}

/// A self-signed root for a trust domain (`acme.example`), valid from `now` for `lifetime_secs`. Returns the
/// authority; its certificate is [`SvidAuthority::certificate_der`]. `seed` is the CA's Ed25519 seed; `serial` 16
/// random bytes.
///
/// Errs with `identity.chain` for a name that is no trust domain's or a lifetime beyond the year 9999.
pub fn new_root(
    trust_domain: &str,
    seed: &[u8; 32],
    serial: [u8; 16],
    now: UnixTime,
    lifetime_secs: u64,
) -> Result<SvidAuthority, Refusal> {
    check_trust_domain(trust_domain)?;
    let mut params = root_params(trust_domain)?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    set_validity(&mut params, now, lifetime_secs)?;
    let pair = key_pair(seed)?;
    let certificate_der = params.self_signed(&pair).map_err(not_made)?.der().to_vec();
    let issuer = rcgen::Issuer::new(params, pair);
    Ok(SvidAuthority { issuer, certificate_der, trust_domain: trust_domain.to_owned() })
}

impl SvidAuthority {
    /// Loads an authority from its certificate and seed. Errs with `identity.chain` if the certificate was not made by
    /// [`new_root`] over this seed's key.
    pub fn load(certificate_der: &[u8], seed: &[u8; 32]) -> Result<Self, Refusal> {
        let certificate = parse(certificate_der)?;
        let uri = only_uri(&certificate)?;
        let Some(trust_domain) = uri.strip_prefix("spiffe://") else {
            return refuse(Code::IdentityChain, "the root certificate does not name a trust domain");
        };
        check_trust_domain(trust_domain)?;
        if certified_key(&certificate)? != *SigningKey::from_seed(*seed)?.public() {
            return refuse(Code::IdentityChain, "the root certificate is not over this key");
        }
        // The issuer's name goes into every leaf, so it must be the one that stands in the certificate.
        let params = root_params(trust_domain)?;
        let pair = key_pair(seed)?;
        let same = params.self_signed(&pair).map_err(not_made)?;
        if parse(same.der())?.subject().as_raw() != certificate.subject().as_raw() {
            return refuse(
                Code::IdentityChain,
                "the root certificate has another subject than killick gives one",
            );
        }
        let issuer = rcgen::Issuer::new(params, pair);
        Ok(Self { issuer, certificate_der: certificate_der.to_vec(), trust_domain: trust_domain.to_owned() })
    }

    /// The CA certificate, DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    /// Issues a leaf SVID for `id` over an Ed25519 public key: one URI SAN, digitalSignature, not a CA, server and
    /// client authentication. DER. Errs with `identity.domain` for an ID of another trust domain.
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
        params.distinguished_name = name(None);
        params.subject_alt_names = vec![uri_san(id.as_str())?];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        set_validity(&mut params, now, lifetime_secs)?;
        Ok(params.signed_by(&Subject(key), &self.issuer).map_err(not_made)?.der().to_vec())
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
    let certificate = parse(leaf_der)?;
    let id = SpiffeId::parse(&only_uri(&certificate)?)?;
    if id.trust_domain() != trust_domain {
        return refuse(Code::IdentityDomain, "the SVID is of another trust domain");
    }
    check_leaf_usage(&certificate)?;
    let key = certified_key(&certificate)?;
    verify_path(leaf_der, roots_der, now)?;
    Ok(Svid { id, key, not_after: end_of(&certificate) })
}

/// PEM of a DER certificate (RFC 7468 section 5).
pub fn to_pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII, so that every index is a boundary.
        let (line, further) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = further;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// RFC 5280 section 6.1: signature, validity, names and constraints, up to a root that is itself within its validity.
fn verify_path(leaf_der: &[u8], roots_der: &[Vec<u8>], now: UnixTime) -> Result<(), Refusal> {
    let mut roots = Vec::with_capacity(roots_der.len());
    for der in roots_der {
        let root = parse(der)?;
        // Path validation takes trust anchors as given, whatever their dates; ours end when they say.
        if (start_of(&root)..=end_of(&root)).contains(&UnixTime::from_secs(now.secs())) {
            roots.push(CertificateDer::from(der.as_slice()));
        }
    }
    let anchors: Result<Vec<_>, _> = roots.iter().map(anchor_from_trusted_cert).collect();
    let Ok(anchors) = anchors else {
        return refuse(Code::IdentityChain, "a root certificate of the trust domain cannot be used");
    };
    let leaf = CertificateDer::from(leaf_der);
    let Ok(leaf) = EndEntityCert::try_from(&leaf) else {
        return refuse(Code::IdentityChain, "the SVID is not a certificate that can be validated");
    };
    let time = rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now.secs()));
    let verified = leaf.verify_for_usage(
        &[webpki::aws_lc_rs::ED25519],
        &anchors,
        &[],
        time,
        KeyUsage::client_auth(),
        None,
        None,
    );
    match verified {
        Ok(_) => Ok(()),
        Err(webpki::Error::CertExpired { .. }) => {
            refuse(Code::IdentityExpired, "the SVID has expired; renew it")
        }
        Err(webpki::Error::CertNotValidYet { .. }) => {
            refuse(Code::IdentityExpired, "the SVID is not valid yet")
        }
        Err(error) => {
            Err(Refusal::new(Code::IdentityChain, format!("the SVID does not lead to a root: {error}")))
        }
    }
}

/// X509-SVID section 4: a leaf signs, and is no authority.
fn check_leaf_usage(certificate: &X509Certificate<'_>) -> Result<(), Refusal> {
    if certificate.is_ca() {
        return refuse(
            Code::IdentityChain,
            "the SVID is a signing authority's certificate, not a workload's",
        );
    }
    match certificate.key_usage() {
        Ok(Some(usage))
            if usage.value.digital_signature() && !usage.value.key_cert_sign() && !usage.value.crl_sign() =>
        {
            Ok(())
        }
        _ => refuse(
            Code::IdentityChain,
            "the SVID's key usage must be digitalSignature, without certificate signing",
        ),
    }
}

/// X509-SVID section 2: exactly one URI SAN.
fn only_uri(certificate: &X509Certificate<'_>) -> Result<String, Refusal> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return refuse(
            Code::IdentityChain,
            "the certificate has no subject alternative name, or two extensions of it",
        );
    };
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => Ok(uri.to_owned()),
        _ => refuse(Code::IdentityChain, "the certificate has not exactly one URI among its names"),
    }
}

fn certified_key(certificate: &X509Certificate<'_>) -> Result<PublicKey, Refusal> {
    let info = certificate.public_key();
    let is_ed25519 = info.algorithm.algorithm == x509_parser::oid_registry::OID_SIG_ED25519;
    match <[u8; 32]>::try_from(info.subject_public_key.data.as_ref()) {
        Ok(bytes) if is_ed25519 => PublicKey::from_bytes(bytes),
        _ => refuse(Code::IdentityChain, "the certified key is not an Ed25519 key"),
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Refusal> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => refuse(Code::IdentityChain, "not exactly one DER certificate"),
    }
}

fn start_of(certificate: &X509Certificate<'_>) -> UnixTime {
    UnixTime::from_secs(certificate.validity().not_before.timestamp().try_into().unwrap_or(0))
}

fn end_of(certificate: &X509Certificate<'_>) -> UnixTime {
    UnixTime::from_secs(certificate.validity().not_after.timestamp().try_into().unwrap_or(0))
}

fn root_params(trust_domain: &str) -> Result<CertificateParams, Refusal> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(Some(trust_domain));
    // X509-SVID section 3.1: a signing certificate names the trust domain itself.
    params.subject_alt_names = vec![uri_san(&format!("spiffe://{trust_domain}"))?];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn name(trust_domain: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "killick");
    if let Some(common) = trust_domain.filter(|text| text.len() <= TRUST_DOMAIN_COMMON_NAME_MAX) {
        name.push(DnType::CommonName, common);
    }
    name
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

fn key_pair(seed: &[u8; 32]) -> Result<KeyPair, Refusal> {
    /// RFC 8410 section 7: PKCS #8 version 1 around an Ed25519 seed.
    const PKCS8_HEAD: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let mut der = Zeroizing::new(Vec::with_capacity(PKCS8_HEAD.len() + seed.len()));
    der.extend_from_slice(&PKCS8_HEAD);
    der.extend_from_slice(seed);
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der.as_slice()), &PKCS_ED25519)
        .map_err(not_made)
}

/// The subject of a leaf: a public key alone; its private half stays with the agent.
struct Subject<'a>(&'a PublicKey);

impl PublicKeyData for Subject<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

fn not_made(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::IdentityChain, format!("the certificate could not be made: {error}"))
}

fn refuse<T>(code: Code, why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}
