//! SVIDs: what the authority issues validates, here and in OpenSSL; what is wrong in one way does not.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::Command;

use killick_proof::fixtures::{self, NOW};
use killick_proof::svid::{SvidAuthority, new_root, to_pem, verify_svid};
use killick_proof::{Code, SpiffeId, UnixTime};

const DAY: u64 = 86_400;

fn authority(number: u8, domain: &str) -> SvidAuthority {
    new_root(domain, &[number; 32], [number; 16], NOW, 365 * DAY).unwrap()
}

fn id() -> SpiffeId {
    fixtures::id("/agent/invoice-bot")
}

fn leaf(authority: &SvidAuthority) -> Vec<u8> {
    authority.issue(&id(), fixtures::key(7).public(), [9; 16], NOW, 3_600).unwrap()
}

fn verify(leaf: &[u8], root: &SvidAuthority, now: UnixTime) -> Result<SpiffeId, Code> {
    verify_svid(leaf, &[root.certificate_der().to_vec()], "acme.example", now)
        .map(|svid| svid.id)
        .map_err(|refusal| refusal.code())
}

#[test]
fn what_is_issued_validates() {
    let root = authority(1, "acme.example");
    let svid = verify_svid(&leaf(&root), &[root.certificate_der().to_vec()], "acme.example", NOW).unwrap();
    assert_eq!(svid.id, id());
    assert_eq!(&svid.key, fixtures::key(7).public());
    assert_eq!(svid.not_after, NOW.plus_secs(3_600));
}

#[test]
fn one_of_several_roots_is_enough() {
    let (old, new) = (authority(1, "acme.example"), authority(2, "acme.example"));
    let roots = [old.certificate_der().to_vec(), new.certificate_der().to_vec()];
    assert!(verify_svid(&leaf(&new), &roots, "acme.example", NOW).is_ok());
    assert!(verify_svid(&leaf(&old), &roots, "acme.example", NOW).is_ok());
}

#[test]
fn validity_has_two_edges() {
    let root = authority(1, "acme.example");
    let leaf = leaf(&root);
    let at = |now: UnixTime| verify(&leaf, &root, now).map(|_| ());
    assert_eq!(at(UnixTime::from_secs(NOW.secs() - 30)), Ok(()), "30 s for clocks that are behind");
    assert_eq!(at(UnixTime::from_secs(NOW.secs() - 31)), Err(Code::IdentityExpired), "not valid yet");
    assert_eq!(at(NOW.plus_secs(3_600)), Ok(()));
    assert_eq!(at(NOW.plus_secs(3_601)), Err(Code::IdentityExpired));

    let later = root.issue(&id(), fixtures::key(7).public(), [9; 16], NOW.plus_secs(100), 3_600).unwrap();
    assert_eq!(verify(&later, &root, NOW.plus_secs(69)), Err(Code::IdentityExpired));
    assert_eq!(verify(&later, &root, NOW.plus_secs(70)).map(|_| ()), Ok(()));
}

#[test]
fn a_root_ends_when_it_says() {
    let root = new_root("acme.example", &[1; 32], [1; 16], NOW, 100).unwrap();
    let leaf = leaf(&root);
    assert!(verify(&leaf, &root, NOW.plus_secs(100)).is_ok());
    assert_eq!(verify(&leaf, &root, NOW.plus_secs(101)), Err(Code::IdentityChain));
}

#[test]
fn a_stranger_under_the_same_name_is_refused() {
    let (ours, stranger) = (authority(1, "acme.example"), authority(2, "acme.example"));
    assert_eq!(verify(&leaf(&stranger), &ours, NOW), Err(Code::IdentityChain));
    assert_eq!(
        verify_svid(&leaf(&ours), &[], "acme.example", NOW).unwrap_err().code(),
        Code::IdentityChain,
        "without roots nothing validates"
    );
}

#[test]
fn another_trust_domain_is_refused() {
    let other = authority(3, "other.example");
    let id = SpiffeId::parse("spiffe://other.example/agent/invoice-bot").unwrap();
    let leaf = other.issue(&id, fixtures::key(7).public(), [9; 16], NOW, 3_600).unwrap();
    // Even if its root were trusted by mistake.
    assert_eq!(verify(&leaf, &other, NOW), Err(Code::IdentityDomain));
    let refused = other.issue(&fixtures::id("/agent/a"), fixtures::key(7).public(), [9; 16], NOW, 3_600);
    assert_eq!(
        refused.unwrap_err().code(),
        Code::IdentityDomain,
        "an authority signs for its own domain only"
    );
}

#[test]
fn a_root_is_no_svid() {
    let root = authority(1, "acme.example");
    assert_eq!(verify(root.certificate_der(), &root, NOW), Err(Code::IdentityChain));
}

#[test]
fn a_changed_certificate_is_refused() {
    let root = authority(1, "acme.example");
    let leaf = leaf(&root);
    for at in 0..leaf.len() {
        let mut changed = leaf.clone();
        changed[at] ^= 1;
        assert!(verify(&changed, &root, NOW).is_err(), "byte {at}");
    }
    let mut longer = leaf.clone();
    longer.push(0);
    assert_eq!(verify(&longer, &root, NOW), Err(Code::IdentityChain));
}

mod of_another_maker {
    //! Certificates that our own authority would not make, signed by a root that is trusted.

    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
        PKCS_ED25519, SanType,
    };

    struct Maker {
        root_der: Vec<u8>,
        issuer: Issuer<'static, KeyPair>,
    }

    fn maker() -> Maker {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "another maker");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root_der = params.self_signed(&key).unwrap().der().to_vec();
        Maker { root_der, issuer: Issuer::new(params, key) }
    }

    fn plain() -> CertificateParams {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![uri("spiffe://acme.example/agent/a")];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn verdict(change: impl FnOnce(&mut CertificateParams)) -> Result<(), Code> {
        let maker = maker();
        let mut params = plain();
        change(&mut params);
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let leaf = params.signed_by(&key, &maker.issuer).unwrap();
        verify_svid(leaf.der(), &[maker.root_der], "acme.example", NOW)
            .map(|_| ())
            .map_err(|refusal| refusal.code())
    }

    #[test]
    fn the_plain_one_validates() {
        assert_eq!(verdict(|_| {}), Ok(()));
        let dns = SanType::DnsName("a.acme.example".try_into().unwrap());
        assert_eq!(
            verdict(|params| params.subject_alt_names.push(dns)),
            Ok(()),
            "X509-SVID section 2 permits it"
        );
    }

    #[test]
    fn exactly_one_uri() {
        assert_eq!(verdict(|params| params.subject_alt_names.clear()), Err(Code::IdentityChain));
        let second = uri("spiffe://acme.example/agent/b");
        assert_eq!(verdict(|params| params.subject_alt_names.push(second)), Err(Code::IdentityChain));
        let web = uri("https://acme.example/");
        assert_eq!(verdict(|params| params.subject_alt_names = vec![web]), Err(Code::IdentityChain));
    }

    #[test]
    fn a_leaf_signs_and_is_no_authority() {
        let ca = |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        assert_eq!(verdict(ca), Err(Code::IdentityChain));
        assert_eq!(verdict(|params| params.key_usages.clear()), Err(Code::IdentityChain));
        for usage in [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign] {
            assert_eq!(
                verdict(|params| params.key_usages.push(usage)),
                Err(Code::IdentityChain),
                "{usage:?}"
            );
        }
    }

    #[test]
    fn a_critical_extension_that_is_not_known_is_refused() {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
        extension.set_criticality(true);
        assert_eq!(verdict(|params| params.custom_extensions.push(extension)), Err(Code::IdentityChain));
    }

    #[test]
    fn an_authority_does_not_load_what_it_did_not_make() {
        let refused = SvidAuthority::load(&maker().root_der, &[1; 32]).err().unwrap();
        assert_eq!(refused.code(), Code::IdentityChain);
    }
}

#[test]
fn an_authority_loads_and_goes_on() {
    let root = authority(1, "acme.example");
    let loaded = SvidAuthority::load(root.certificate_der(), &[1; 32]).unwrap();
    assert!(verify(&leaf(&loaded), &root, NOW).is_ok());
    assert_eq!(leaf(&loaded), leaf(&root), "the same serial, key and time make the same certificate");
    let refused = SvidAuthority::load(root.certificate_der(), &[2; 32]).err().unwrap();
    assert_eq!(refused.code(), Code::IdentityChain, "another key");
}

#[test]
fn what_no_certificate_can_say_is_refused() {
    assert!(new_root("Acme.example", &[1; 32], [1; 16], NOW, 100).is_err());
    assert!(new_root("acme.example", &[1; 32], [1; 16], NOW, u64::MAX).is_err());
    let long = "a".repeat(255);
    let root = new_root(&long, &[1; 32], [1; 16], NOW, 100).unwrap();
    assert!(
        SvidAuthority::load(root.certificate_der(), &[1; 32]).is_ok(),
        "a name too long for a common name"
    );
}

/// An independent implementation agrees.
#[test]
fn openssl_agrees() {
    if Command::new("openssl").arg("version").output().is_err() {
        return;
    }
    let root = authority(1, "acme.example");
    let dir = std::env::temp_dir().join(format!("killick-svid-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (root_pem, leaf_pem) = (dir.join("root.pem"), dir.join("leaf.pem"));
    std::fs::write(&root_pem, to_pem(root.certificate_der())).unwrap();
    std::fs::write(&leaf_pem, to_pem(&leaf(&root))).unwrap();
    let verify = |at: u64, purpose: &str| {
        Command::new("openssl")
            .args([
                "verify",
                "-x509_strict",
                "-check_ss_sig",
                "-attime",
                &at.to_string(),
                "-purpose",
                purpose,
            ])
            .arg("-CAfile")
            .args([&root_pem, &leaf_pem])
            .output()
            .unwrap()
    };
    for purpose in ["sslclient", "sslserver"] {
        let output = verify(NOW.secs(), purpose);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(!verify(NOW.secs() + 3_601, "sslclient").status.success());
    let text =
        Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(&leaf_pem).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    for part in [
        "URI:spiffe://acme.example/agent/invoice-bot",
        "ED25519",
        "CA:FALSE",
        "Digital Signature",
        "TLS Web Server Authentication, TLS Web Client Authentication",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
