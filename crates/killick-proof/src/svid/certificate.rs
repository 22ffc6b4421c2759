//! One certificate: what of it counts, and the rules that hold for it alone (X509-SVID sections 2 to 4).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::oid::Oid;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ED25519,
    OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_KEY_USAGE,
    OID_X509_EXT_NAME_CONSTRAINTS, OID_X509_EXT_SUBJECT_ALT_NAME,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AlgorithmIdentifier, X509Name, X509Version};

use super::names::NameConstraints;
use super::refuse;
use crate::keys::{KeyKind, PublicKey};
use crate::limits::CERTIFICATE_BYTES_MAX;
use crate::refusal::{Code, Refusal};
use crate::spiffe::{SpiffeId, check_trust_domain};
use crate::time::UnixTime;

/// A certificate that was read: version 3, of a key and a signature that are supported, no extension twice, no critical
/// extension unknown.
pub(super) struct Certificate<'a> {
    der: &'a [u8],
    parsed: X509Certificate<'a>,
    key: PublicKey,
    /// What its issuer signed it with.
    signed_with: KeyKind,
    constraints: Option<NameConstraints<'a>>,
}

impl<'a> Certificate<'a> {
    /// Reads exactly one DER certificate. Errs with `identity.chain`, or `limit.size`.
    pub(super) fn read(der: &'a [u8]) -> Result<Self, Refusal> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return refuse(
                Code::LimitSize,
                format!("a certificate is longer than {CERTIFICATE_BYTES_MAX} bytes"),
            );
        }
        let Ok(([], parsed)) = X509Certificate::from_der(der) else {
            return refuse(Code::IdentityChain, "not exactly one DER certificate");
        };
        if parsed.version() != X509Version::V3 {
            return refuse(Code::IdentityChain, "the certificate is not of version 3");
        }
        check_serial(parsed.raw_serial())?;
        // RFC 5280 section 4.1.1.2: the algorithm is named twice, outside the signature and under it.
        if parsed.signature_algorithm != parsed.tbs_certificate.signature {
            return refuse(Code::IdentityChain, "the certificate names two signature algorithms");
        }
        let signed_with = signature_kind(&parsed.signature_algorithm)?;
        let key = certified_key(&parsed)?;
        let constraints = read_extensions(&parsed)?;
        Ok(Self { der, parsed, key, signed_with, constraints })
    }

    pub(super) const fn der(&self) -> &'a [u8] {
        self.der
    }

    pub(super) const fn key(&self) -> &PublicKey {
        &self.key
    }

    pub(super) const fn constraints(&self) -> Option<&NameConstraints<'a>> {
        self.constraints.as_ref()
    }

    pub(super) fn subject(&self) -> &X509Name<'_> {
        self.parsed.subject()
    }

    /// Names are compared byte by byte, which is stricter than RFC 5280 section 7.1 asks.
    pub(super) fn is_self_issued(&self) -> bool {
        self.parsed.subject().as_raw() == self.parsed.issuer().as_raw()
    }

    /// Whether `issuer` is named as this certificate's issuer: subject and, where both are there, key identifier
    /// (RFC 5280 sections 4.2.1.1 and 6.1.3 (a) (4)).
    pub(super) fn names_issuer(&self, issuer: &Certificate<'_>) -> bool {
        let is_key = match (self.issuer_key_id(), issuer.subject_key_id()) {
            (Some(named), Some(own)) => named == own,
            _ => true,
        };
        is_key && self.parsed.issuer().as_raw() == issuer.parsed.subject().as_raw()
    }

    /// Whether `issuer`'s key signed this certificate.
    pub(super) fn is_signed_by(&self, issuer: &PublicKey) -> bool {
        let (message, signature) = (self.parsed.tbs_certificate.as_ref(), &self.parsed.signature_value);
        signature.unused_bits == 0
            && self.signed_with == issuer.kind()
            && match issuer.kind() {
                KeyKind::Ed25519 => issuer.verifies(message, &signature.data),
                KeyKind::P256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, issuer.as_bytes())
                    .verify(message, &signature.data)
                    .is_ok(),
            }
    }

    /// First second of validity.
    pub(super) fn start(&self) -> UnixTime {
        UnixTime::from_secs(self.parsed.validity().not_before.timestamp().try_into().unwrap_or(0))
    }

    /// Last second of validity.
    pub(super) fn end(&self) -> UnixTime {
        UnixTime::from_secs(self.parsed.validity().not_after.timestamp().try_into().unwrap_or(0))
    }

    /// How many certificates may stand between this one and the leaf; `None` if it does not say.
    pub(super) fn path_length(&self) -> Option<u32> {
        self.parsed.basic_constraints().ok().flatten().and_then(|basic| basic.value.path_len_constraint)
    }

    /// Every subject alternative name.
    pub(super) fn names(&self) -> &[GeneralName<'a>] {
        match self.parsed.subject_alternative_name() {
            Ok(Some(names)) => &names.value.general_names,
            _ => &[],
        }
    }

    /// The rules of a leaf (X509-SVID sections 2, 3.1, 4 and 5.2). Its SPIFFE ID, which has a path. Errs with
    /// `identity.chain`.
    pub(super) fn check_leaf(&self) -> Result<SpiffeId, Refusal> {
        let Some(uri) = self.only_uri()? else {
            return refuse(Code::IdentityChain, "the SVID has no URI among its names");
        };
        let id = SpiffeId::parse(uri)?;
        // Section 3.1; RFC 5280 section 4.1.2.6.
        let is_critical = matches!(self.parsed.subject_alternative_name(), Ok(Some(names)) if names.critical);
        if self.subject().iter_rdn().next().is_none() && !is_critical {
            return refuse(
                Code::IdentityChain,
                "the SVID has no subject, and its subject alternative name is not critical",
            );
        }
        if self.parsed.is_ca() {
            return refuse(
                Code::IdentityChain,
                "the SVID is a signing authority's certificate, not a workload's",
            );
        }
        // RFC 5280 sections 4.2.1.9 and 4.2.1.10: both are for authorities alone.
        if self.path_length().is_some() || self.constraints.is_some() {
            return refuse(Code::IdentityChain, "the SVID has constraints that only an authority may set");
        }
        match self.parsed.key_usage() {
            Ok(Some(usage))
                if usage.critical
                    && usage.value.digital_signature()
                    && !usage.value.key_cert_sign()
                    && !usage.value.crl_sign() => {}
            _ => {
                return refuse(
                    Code::IdentityChain,
                    "the SVID's key usage must be critical and digitalSignature, without certificate signing",
                );
            }
        }
        self.check_extended_usage("the SVID")?;
        Ok(id)
    }

    /// The rules of a signing certificate (X509-SVID sections 3.2 and 4; RFC 5280 sections 4.1.2.6 and 4.2.1.9). The
    /// trust domain that it names, if any. Errs with `identity.chain`.
    pub(super) fn check_signing(&self) -> Result<Option<&str>, Refusal> {
        match self.parsed.basic_constraints() {
            Ok(Some(basic)) if basic.critical && basic.value.ca => {}
            _ => {
                return refuse(
                    Code::IdentityChain,
                    "a signing certificate's basic constraints must be critical and say cA",
                );
            }
        }
        if self.subject().iter_rdn().next().is_none() {
            return refuse(Code::IdentityChain, "a signing certificate has no subject");
        }
        let Ok(Some(usage)) = self.parsed.key_usage() else {
            return refuse(Code::IdentityChain, "a signing certificate has no key usage");
        };
        if !usage.critical || !usage.value.key_cert_sign() {
            return refuse(
                Code::IdentityChain,
                "a signing certificate's key usage must be critical and keyCertSign",
            );
        }
        self.check_extended_usage("a signing certificate")?;
        let Some(uri) = self.only_uri()? else { return Ok(None) };
        // Appendix A: it is an SVID, so digitalSignature would make it one that authenticates.
        if usage.value.digital_signature() {
            return refuse(
                Code::IdentityChain,
                "a signing certificate with a SPIFFE ID has the key usage digitalSignature",
            );
        }
        match uri.strip_prefix("spiffe://").map(|domain| (domain, check_trust_domain(domain))) {
            Some((domain, Ok(()))) => Ok(Some(domain)),
            _ => refuse(
                Code::IdentityChain,
                "a signing certificate's URI is not its trust domain's SPIFFE ID without a path",
            ),
        }
    }

    /// Section 4.4: where the extension is, it names both purposes. Beneath a signing certificate that leaves one out no
    /// leaf could have both, as most validators take it for a limit.
    fn check_extended_usage(&self, whose: &str) -> Result<(), Refusal> {
        match self.parsed.extended_key_usage() {
            Ok(None) => Ok(()),
            Ok(Some(usage)) if usage.value.server_auth && usage.value.client_auth => Ok(()),
            _ => refuse(
                Code::IdentityChain,
                format!("the extended key usage of {whose} is not for servers and clients both"),
            ),
        }
    }

    /// X509-SVID section 2: at most one URI.
    pub(super) fn only_uri(&self) -> Result<Option<&str>, Refusal> {
        let mut uris = self.names().iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        match (uris.next(), uris.next()) {
            (uri, None) => Ok(uri),
            _ => refuse(Code::IdentityChain, "the certificate has more than one URI among its names"),
        }
    }

    /// RFC 5280 section 4.2.1.2.
    pub(super) fn subject_key_id(&self) -> Option<&[u8]> {
        self.parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
            _ => None,
        })
    }

    /// RFC 5280 section 4.2.1.1.
    fn issuer_key_id(&self) -> Option<&[u8]> {
        self.parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
            _ => None,
        })
    }
}

/// RFC 5280 section 4.1.2.2: positive, of at most 20 octets.
fn check_serial(octets: &[u8]) -> Result<(), Refusal> {
    let is_positive =
        octets.first().is_some_and(|first| *first < 0x80) && octets.iter().any(|byte| *byte != 0);
    if is_positive && octets.len() <= 20 {
        return Ok(());
    }
    refuse(Code::IdentityChain, "the certificate's serial number is not positive and of at most 20 octets")
}

/// No extension twice (RFC 5280 section 4.2), every critical one known here, every one that counts well formed.
fn read_extensions<'a>(parsed: &X509Certificate<'a>) -> Result<Option<NameConstraints<'a>>, Refusal> {
    /// What is processed. Everything else may be there if it is not critical: among it the key identifiers, which only
    /// help to find a path and which RFC 5280 sections 4.2.1.1 and 4.2.1.2 forbid to be critical.
    const PROCESSED: [Oid<'static>; 5] = [
        OID_X509_EXT_BASIC_CONSTRAINTS,
        OID_X509_EXT_EXTENDED_KEY_USAGE,
        OID_X509_EXT_KEY_USAGE,
        OID_X509_EXT_NAME_CONSTRAINTS,
        OID_X509_EXT_SUBJECT_ALT_NAME,
    ];
    let mut constraints = None;
    let extensions = parsed.extensions();
    for (index, extension) in extensions.iter().enumerate() {
        if extensions.iter().take(index).any(|before| before.oid == extension.oid) {
            return refuse(Code::IdentityChain, "the certificate has an extension twice");
        }
        let is_processed = PROCESSED.contains(&extension.oid);
        if extension.critical && !is_processed {
            return refuse(
                Code::IdentityChain,
                format!(
                    "the certificate has the critical extension {}, which is not known here",
                    extension.oid
                ),
            );
        }
        if extension.oid == OID_X509_EXT_NAME_CONSTRAINTS {
            constraints = NameConstraints::read(extension.value);
            if constraints.is_none() {
                return refuse(Code::IdentityChain, "the certificate's name constraints are malformed");
            }
        } else if is_processed && !is_well_formed(extension.parsed_extension()) {
            return refuse(Code::IdentityChain, "an extension of the certificate is malformed");
        }
    }
    Ok(constraints)
}

fn is_well_formed(extension: &ParsedExtension<'_>) -> bool {
    match extension {
        // RFC 5280 section 4.2.1.6: at least one name.
        ParsedExtension::SubjectAlternativeName(names) => {
            let is_valid = |name: &GeneralName<'_>| !matches!(name, GeneralName::Invalid(..));
            !names.general_names.is_empty() && names.general_names.iter().all(is_valid)
        }
        ParsedExtension::BasicConstraints(_)
        | ParsedExtension::KeyUsage(_)
        | ParsedExtension::ExtendedKeyUsage(_) => true,
        _ => false,
    }
}

/// Ed25519 (RFC 8410 section 3) or ECDSA with SHA-256 (RFC 5758 section 3.2), both without parameters.
fn signature_kind(algorithm: &AlgorithmIdentifier<'_>) -> Result<KeyKind, Refusal> {
    let kind = match &algorithm.algorithm {
        oid if *oid == OID_SIG_ED25519 => Some(KeyKind::Ed25519),
        oid if *oid == OID_SIG_ECDSA_WITH_SHA256 => Some(KeyKind::P256),
        _ => None,
    };
    match kind {
        Some(kind) if algorithm.parameters.is_none() => Ok(kind),
        _ => refuse(
            Code::IdentityChain,
            "the certificate is signed with an algorithm other than Ed25519 and ECDSA P-256 with SHA-256",
        ),
    }
}

/// RFC 8410 section 4, RFC 5480 section 2.1.1. A weak key is refused by [`PublicKey`].
fn certified_key(certificate: &X509Certificate<'_>) -> Result<PublicKey, Refusal> {
    let info = certificate.public_key();
    let (algorithm, bits) = (&info.algorithm, &info.subject_public_key);
    let bytes = if bits.unused_bits == 0 { bits.data.as_ref() } else { &[] };
    let curve = algorithm.parameters.as_ref().and_then(|parameters| parameters.clone().oid().ok());
    let key = if algorithm.algorithm == OID_SIG_ED25519 && algorithm.parameters.is_none() {
        <[u8; 32]>::try_from(bytes).ok().map(PublicKey::from_bytes)
    } else if algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == Some(OID_EC_P256) {
        <[u8; 65]>::try_from(bytes).ok().map(PublicKey::from_p256_point)
    } else {
        None
    };
    match key {
        Some(Ok(key)) => Ok(key),
        Some(Err(refusal)) => refuse(Code::IdentityChain, format!("the certified key: {}", refusal.detail())),
        None => refuse(
            Code::IdentityChain,
            "the certified key is neither an Ed25519 key nor an uncompressed P-256 one",
        ),
    }
}
