//! X.509-SVIDs: one certificate, one verdict; what is accepted names an agent of the trust domain, is valid now, and is
//! refused once a byte of it is changed.
//!
//! An input is taken as a certificate, as a root, and as the inner part (`TBSCertificate`) of a certificate, which the
//! target signs with the trust domain's root: that is what a certificate authority that errs could issue.

use std::sync::LazyLock;

use killick_proof::fixtures::{self, NOW, TRUST_DOMAIN, World};
use killick_proof::keys::{SigningKey, sha256};
use killick_proof::svid::{Svid, SvidAuthority, verify_svid};

/// The seed of the fixtures' root; see [`World::new`].
static SEED: LazyLock<[u8; 32]> = LazyLock::new(|| sha256(b"killick fixture root"));
static ROOT: LazyLock<Vec<u8>> = LazyLock::new(|| World::new().svid_authority.certificate_der().to_vec());
static LEAF: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let authority = World::new().svid_authority;
    let key = fixtures::agent_key("invoice-bot");
    authority.issue(&fixtures::id("/agent/invoice-bot"), key.public(), [7; 16], NOW, 3_600).expect("an SVID")
});

/// DER.
pub fn run(data: &[u8]) -> bool {
    let accepted = check(data).is_some();
    let inner = check(&sign(data)).is_some();
    // A stranger's root makes a leaf of ours valid only if it is over the same key.
    let _ = verify_svid(&LEAF, &[data.to_vec()], TRUST_DOMAIN, NOW);
    let loaded = SvidAuthority::load(data, &SEED);
    if let Ok(authority) = &loaded {
        assert_eq!(authority.certificate_der(), data);
    }
    accepted || inner || loaded.is_ok()
}

fn check(certificate: &[u8]) -> Option<Svid> {
    let roots = [ROOT.clone()];
    let verdict = verify_svid(certificate, &roots, TRUST_DOMAIN, NOW);
    let again = verify_svid(certificate, &roots, TRUST_DOMAIN, NOW);
    assert_eq!(
        verdict.as_ref().map(|svid| svid.id.clone()).map_err(|refusal| refusal.code()),
        again.as_ref().map(|svid| svid.id.clone()).map_err(|refusal| refusal.code()),
        "one certificate, one verdict"
    );
    let svid = verdict.ok()?;
    assert_eq!(svid.id.trust_domain(), TRUST_DOMAIN);
    // RFC 5280 section 4.1.2.5: through `notAfter`, inclusive.
    assert!(svid.not_after >= NOW);
    let name = svid.id.as_str().as_bytes();
    assert!(certificate.windows(name.len()).any(|window| window == name), "the name stands in it");
    let place = usize::from(certificate.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)));
    let mut changed = certificate.to_vec();
    let place = place * certificate.len() / 256;
    changed[place] ^= 1;
    assert!(verify_svid(&changed, &roots, TRUST_DOMAIN, NOW).is_err(), "byte {place} can be changed");
    assert!(verify_svid(certificate, &[], TRUST_DOMAIN, NOW).is_err(), "it needs a root");
    assert!(verify_svid(certificate, &roots, "other.example", NOW).is_err(), "it is of one trust domain");
    Some(svid)
}

/// RFC 5280 section 4.1: the inner part, the algorithm (Ed25519, RFC 8410), the signature.
fn sign(inner: &[u8]) -> Vec<u8> {
    let key = SigningKey::from_seed(*SEED).expect("a hash is a seed");
    let mut content = inner.to_vec();
    content.extend_from_slice(&[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x41, 0x00]);
    content.extend_from_slice(&key.sign(inner));
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut der = vec![0x30, 0x82];
    der.extend_from_slice(&length);
    der.extend(content);
    der
}
