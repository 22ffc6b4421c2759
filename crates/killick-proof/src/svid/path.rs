//! Path validation (RFC 5280 section 6.1, with X509-SVID section 5.1): from a leaf, over the signing certificates that
//! came with it, to a root of the trust domain.
//!
//! The rules are checked here. A second reading of the same bytes by `rustls-webpki`, which shares no parser with this
//! one, must then agree; it is left out where a URI or directory name is constrained, which it refuses unseen.

use std::time::Duration;

use rustls_pki_types::CertificateDer;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::certificate::Certificate;
use super::refuse;
use crate::refusal::{Code, Refusal};
use crate::time::UnixTime;

/// Validates `presented` (leaf first, each certified by the next) to one of `roots`. Errs with `identity.chain` or
/// `identity.expired`. The leaf's own rules have been checked.
pub(super) fn verify(
    presented: &[Certificate<'_>],
    roots: &[Certificate<'_>],
    trust_domain: &str,
    now: UnixTime,
) -> Result<(), Refusal> {
    let mut path: Vec<&Certificate<'_>> = Vec::with_capacity(presented.len() + 1);
    let mut refused = None;
    for certificate in presented {
        if let Some(below) = path.last() {
            check_link(below, certificate)?;
        }
        path.push(certificate);
        for root in roots.iter().filter(|root| certificate.names_issuer(root)) {
            path.push(root);
            match check_path(&path, trust_domain, now) {
                Ok(()) => return Ok(()),
                Err(refusal) => refused.get_or_insert(refusal),
            };
            path.pop();
        }
    }
    Err(refused.unwrap_or_else(|| Refusal::new(Code::IdentityChain, "the SVID does not lead to a root")))
}

/// One whole path: leaf first, root last.
fn check_path(path: &[&Certificate<'_>], trust_domain: &str, now: UnixTime) -> Result<(), Refusal> {
    for pair in path.windows(2) {
        if let [below, above] = pair {
            check_link(below, above)?;
        }
    }
    let Some((leaf, signing)) = path.split_first() else {
        return refuse(Code::IdentityChain, "there is no SVID");
    };
    check_leaf_validity(leaf, now)?;
    for (between, certificate) in signing.iter().enumerate() {
        let names = certificate.check_signing()?;
        // X509-SVID section 3.2 says SHOULD of what signs a leaf; above that, domains may differ.
        if between == 0 && names.is_some_and(|domain| domain != trust_domain) {
            return refuse(Code::IdentityChain, "the SVID is signed by another trust domain's certificate");
        }
        if !is_valid_at(certificate, now) {
            return refuse(Code::IdentityChain, "a signing certificate above the SVID is not valid now");
        }
        check_path_length(certificate, signing.get(..between).unwrap_or_default())?;
        check_names(certificate, leaf, signing.get(..between).unwrap_or_default())?;
    }
    second_reading(path, now)
}

fn check_link(below: &Certificate<'_>, above: &Certificate<'_>) -> Result<(), Refusal> {
    if !below.names_issuer(above) {
        return refuse(Code::IdentityChain, "the certificates are not in order, each certified by the next");
    }
    if !below.is_signed_by(above.key()) {
        return refuse(Code::IdentityChain, "a certificate's signature is not of the one above it");
    }
    Ok(())
}

/// RFC 5280 section 4.1.2.5: both ends belong to the validity, in whole seconds.
fn is_valid_at(certificate: &Certificate<'_>, now: UnixTime) -> bool {
    (certificate.start()..=certificate.end()).contains(&UnixTime::from_secs(now.secs()))
}

fn check_leaf_validity(leaf: &Certificate<'_>, now: UnixTime) -> Result<(), Refusal> {
    match is_valid_at(leaf, now) {
        true => Ok(()),
        false if now < leaf.start() => refuse(Code::IdentityExpired, "the SVID is not valid yet"),
        false => refuse(Code::IdentityExpired, "the SVID has expired; renew it"),
    }
}

/// RFC 5280 section 6.1.4 (l) and (m): what is self-issued does not count. A root's own limit counts too.
fn check_path_length(certificate: &Certificate<'_>, between: &[&Certificate<'_>]) -> Result<(), Refusal> {
    let count = between.iter().filter(|certificate| !certificate.is_self_issued()).count();
    match certificate.path_length() {
        Some(most) if u32::try_from(count).is_ok_and(|count| count > most) => refuse(
            Code::IdentityChain,
            format!("more than {most} certificates stand beneath one that permits no more"),
        ),
        _ => Ok(()),
    }
}

/// RFC 5280 section 6.1.3 (b) and (c): every certificate beneath, but for self-issued ones that are not the leaf.
fn check_names(
    certificate: &Certificate<'_>,
    leaf: &Certificate<'_>,
    between: &[&Certificate<'_>],
) -> Result<(), Refusal> {
    let Some(constraints) = certificate.constraints() else { return Ok(()) };
    let between = between.iter().copied().filter(|certificate| !certificate.is_self_issued());
    for beneath in between.chain([leaf]) {
        if let Err(why) = constraints.check(beneath.subject(), beneath.names()) {
            return refuse(Code::IdentityChain, why);
        }
    }
    Ok(())
}

fn second_reading(path: &[&Certificate<'_>], now: UnixTime) -> Result<(), Refusal> {
    let beyond = |certificate: &&Certificate<'_>| {
        certificate.constraints().is_some_and(super::names::NameConstraints::is_beyond_webpki)
    };
    let ders: Vec<_> = path.iter().map(|certificate| CertificateDer::from(certificate.der())).collect();
    let [leaf, between @ .., root] = ders.as_slice() else {
        return refuse(Code::IdentityChain, "the SVID is its own root");
    };
    if path.iter().any(beyond) {
        return Ok(());
    }
    let (Ok(leaf), Ok(anchor)) = (EndEntityCert::try_from(leaf), anchor_from_trusted_cert(root)) else {
        return refuse(Code::IdentityChain, "the SVID does not lead to a root: a certificate cannot be read");
    };
    let anchors = [anchor];
    let verdict = leaf.verify_for_usage(
        &[webpki::aws_lc_rs::ED25519, webpki::aws_lc_rs::ECDSA_P256_SHA256],
        &anchors,
        between,
        rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now.secs())),
        KeyUsage::client_auth(),
        None,
        None,
    );
    match verdict {
        Ok(_) => Ok(()),
        Err(error) => refuse(Code::IdentityChain, format!("the SVID does not lead to a root: {error}")),
    }
}
