//! Every rule of a path: one change that breaks it, and near twins that change as much and break nothing.

use killick_proof::Code;
use killick_proof::fixtures::NOW;
use killick_proof::keys::KeyKind;

use crate::maker::{
    ALTERNATIVE_NAME, AUTHORITY_KEY_ID, BASIC_CONSTRAINTS, CERT_SIGN, COMMON_NAME, CRL_SIGN, Certificate,
    DIGITAL_SIGNATURE, EXTENDED_USAGE, Extension, KEY_AGREEMENT, KEY_ENCIPHERMENT, KEY_USAGE,
    NAME_CONSTRAINTS, Name, ORGANISATION, SUBJECT_KEY_ID, UNKNOWN, basic_constraints, directory, dns,
    ed25519_info, email, excluded, extended_usage, ip, key_info_of, key_usage, oid, p256_info, permitted,
    seq, tlv, uri,
};

pub(crate) const HOUR: u64 = 3_600;
const SVID_URI: &str = "spiffe://acme.example/agent/a";
const DOMAIN_URI: &str = "spiffe://acme.example";

/// What a general X.509 validator says beside us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// The same.
    Same,
    /// It accepts: the rule is SPIFFE's, or ours where the text says so. It may never refuse what we accept.
    Beyond,
    /// Implementations, or OpenSSL's versions, differ.
    Either,
}

/// A path before it is signed: leaf first, root last.
pub(crate) struct Path(pub(crate) Vec<Certificate>);

impl Path {
    fn leaf(&mut self) -> &mut Certificate {
        &mut self.0[0]
    }

    /// What signs the leaf.
    fn signing(&mut self) -> &mut Certificate {
        &mut self.0[1]
    }

    fn root(&mut self) -> &mut Certificate {
        self.0.last_mut().unwrap()
    }

    /// DER: leaf first, root last.
    pub(crate) fn sign(&self) -> Vec<Vec<u8>> {
        let above = self.0.iter().skip(1).chain(self.0.last());
        self.0.iter().zip(above).map(|(certificate, above)| certificate.sign(above)).collect()
    }
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) expected: Option<Code>,
    pub(crate) beside: Beside,
    /// Signing certificates below the root without which the case makes no sense.
    pub(crate) between: usize,
    pub(crate) change: fn(&mut Path),
}

/// A path of these keys, leaf's first, in which nothing is wrong.
pub(crate) fn plain(kinds: &[KeyKind]) -> Path {
    let count = kinds.len();
    let certificates = kinds.iter().enumerate().map(|(index, kind)| {
        let is_leaf = index == 0;
        let number = u8::try_from(count - index).unwrap() + 10;
        let mut certificate = Certificate {
            kind: *kind,
            number,
            subject: subject(&format!("level {}", count - index)),
            version: 3,
            serial: vec![number],
            not_before: NOW.secs() - HOUR,
            not_after: NOW.secs() + HOUR,
            extensions: Vec::new(),
            key_info: None,
            issuer: None,
            signer: None,
            inner_algorithm: None,
            spoilt: false,
        };
        let (usage, text) =
            if is_leaf { (DIGITAL_SIGNATURE, SVID_URI) } else { (CERT_SIGN | CRL_SIGN, DOMAIN_URI) };
        certificate.set(KEY_USAGE, true, key_usage(usage));
        certificate.set(ALTERNATIVE_NAME, false, seq(&[uri(text)]));
        if is_leaf {
            certificate.set(BASIC_CONSTRAINTS, true, basic_constraints(false, None));
            certificate.set(EXTENDED_USAGE, false, extended_usage(&[1, 2]));
        } else {
            let beneath = u8::try_from(index - 1).unwrap();
            certificate.set(BASIC_CONSTRAINTS, true, basic_constraints(true, Some(beneath)));
        }
        certificate
    });
    let mut path = Path(certificates.collect());
    let ids: Vec<Vec<u8>> = path.0.iter().map(Certificate::key_id).collect();
    for (index, certificate) in path.0.iter_mut().enumerate() {
        let above = ids.get(index + 1).unwrap_or(&ids[index]);
        certificate.set(SUBJECT_KEY_ID, false, tlv(0x04, &ids[index]));
        certificate.set(AUTHORITY_KEY_ID, false, seq(&[tlv(0x80, above)]));
    }
    path
}

fn subject(common: &str) -> Name {
    vec![(ORGANISATION, "Acme".to_owned()), (COMMON_NAME, common.to_owned())]
}

const CHAIN: Option<Code> = Some(Code::IdentityChain);
use Beside::{Beyond, Either, Same};

macro_rules! cases {
    ($( $name:literal, $expected:expr, $beside:expr, $between:literal, $change:expr; )*) => {
        pub(crate) const CASES: &[Case] = &[ $(
            Case { name: $name, expected: $expected, beside: $beside, between: $between, change: $change },
        )* ];
    };
}

cases! {
    // What is permitted.
    "plain", None, Same, 0, |_| {};
    "a DNS name beside the URI", None, Same, 0, |p| names(p.leaf(), &[dns("a.acme.example"), uri(SVID_URI)]);
    "no subject, critical names", None, Same, 0, |p| {
        p.leaf().subject.clear();
        p.leaf().set(ALTERNATIVE_NAME, true, seq(&[uri(SVID_URI)]));
    };
    "extended key usage critical", None, Same, 0, |p| p.leaf().set(EXTENDED_USAGE, true, extended_usage(&[1, 2]));
    "a third purpose", None, Same, 0, |p| p.leaf().set(EXTENDED_USAGE, false, extended_usage(&[1, 2, 8]));
    "no extended key usage", None, Same, 0, |p| p.leaf().remove(EXTENDED_USAGE);
    "no basic constraints in the leaf", None, Same, 0, |p| p.leaf().remove(BASIC_CONSTRAINTS);
    "key agreement and encipherment", None, Same, 0, |p| {
        p.leaf().set(KEY_USAGE, true, key_usage(DIGITAL_SIGNATURE | KEY_ENCIPHERMENT | KEY_AGREEMENT));
    };
    // RFC 5280 section 4.1.2.5 counts the last second in; OpenSSL does not.
    "the last second", None, Either, 0, |p| p.leaf().not_after = NOW.secs();
    "the first second", None, Same, 0, |p| p.leaf().not_before = NOW.secs();
    "signing certificate without a name", None, Same, 0, |p| p.signing().remove(ALTERNATIVE_NAME);
    "signing certificate with a DNS name", None, Same, 0, |p| names(p.signing(), &[dns("ca.acme.example")]);
    "no CRL signing", None, Same, 0, |p| p.signing().set(KEY_USAGE, true, key_usage(CERT_SIGN));
    "digitalSignature without a SPIFFE ID", None, Same, 0, |p| {
        p.signing().remove(ALTERNATIVE_NAME);
        p.signing().set(KEY_USAGE, true, key_usage(CERT_SIGN | DIGITAL_SIGNATURE));
    };
    "an unknown extension that is not critical", None, Same, 0, |p| {
        p.leaf().set(UNKNOWN, false, vec![5, 0]);
        p.signing().set(UNKNOWN, false, vec![5, 0]);
    };
    "no path length", None, Same, 0, |p| {
        for certificate in p.0.iter_mut().skip(1) {
            certificate.set(BASIC_CONSTRAINTS, true, basic_constraints(true, None));
        }
    };
    "purposes of the signing certificate", None, Same, 0, |p| {
        p.signing().set(EXTENDED_USAGE, false, extended_usage(&[1, 2]));
    };
    "20 octets of serial number", None, Same, 0, |p| p.leaf().serial = vec![0x7f; 20];
    "no key identifiers in the leaf", None, Either, 0, |p| {
        p.leaf().remove(AUTHORITY_KEY_ID);
        p.leaf().remove(SUBJECT_KEY_ID);
    };
    "another domain above", None, Same, 1, |p| names(p.root(), &[uri("spiffe://parent.example")]);
    "self-issued certificates do not count", None, Same, 1, |p| {
        if p.0.len() != 3 {
            return;
        }
        p.signing().subject = p.root().subject.clone();
        p.root().set(BASIC_CONSTRAINTS, true, basic_constraints(true, Some(0)));
    };

    // Name constraints.
    "URI: this host", None, Same, 0, |p| constrain(p, permitted(&[uri("acme.example")]));
    "URI: this host in capitals", None, Same, 0, |p| constrain(p, permitted(&[uri("ACME.example")]));
    "URI: one of two hosts", None, Same, 0, |p| {
        constrain(p, permitted(&[uri("other.example"), uri("acme.example")]));
    };
    "URI: the domain above", None, Same, 0, |p| constrain(p, permitted(&[uri(".example")]));
    "URI: another excluded", None, Same, 0, |p| constrain(p, excluded(&[uri("other.example")]));
    "URI: another permitted", CHAIN, Same, 0, |p| constrain(p, permitted(&[uri("other.example")]));
    "URI: only what is beneath", CHAIN, Same, 0, |p| constrain(p, permitted(&[uri(".acme.example")]));
    "URI: this one excluded", CHAIN, Same, 0, |p| constrain(p, excluded(&[uri("acme.example")]));
    "URI: the domain above excluded", CHAIN, Same, 0, |p| constrain(p, excluded(&[uri(".example")]));
    "URI: a whole URI", CHAIN, Beyond, 0, |p| constrain(p, excluded(&[uri("spiffe://acme.example")]));
    "URI: between the root and the leaf", CHAIN, Same, 1, |p| {
        p.signing().set(NAME_CONSTRAINTS, true, permitted(&[uri("other.example")]));
    };
    "URI: a signing certificate out of bounds", CHAIN, Same, 2, |p| {
        names(&mut p.0[2], &[uri("spiffe://elsewhere.example")]);
        constrain(p, permitted(&[uri("acme.example")]));
    };
    "URI: a signing certificate within bounds of its own", None, Same, 2, |p| {
        names(&mut p.0[2], &[uri("spiffe://elsewhere.example")]);
        constrain(p, permitted(&[uri("acme.example"), uri("elsewhere.example")]));
    };
    "DNS: within", None, Same, 0, |p| {
        names(p.leaf(), &[uri(SVID_URI), dns("a.acme.example")]);
        constrain(p, permitted(&[dns("acme.example")]));
    };
    "DNS: without", CHAIN, Same, 0, |p| {
        names(p.leaf(), &[uri(SVID_URI), dns("a.other.example")]);
        constrain(p, permitted(&[dns("acme.example")]));
    };
    "DNS: a suffix that is no label", CHAIN, Same, 0, |p| {
        names(p.leaf(), &[uri(SVID_URI), dns("evilacme.example")]);
        constrain(p, permitted(&[dns("acme.example")]));
    };
    "DNS: excluded", CHAIN, Same, 0, |p| {
        names(p.leaf(), &[uri(SVID_URI), dns("a.acme.example")]);
        constrain(p, excluded(&[dns("acme.example")]));
    };
    "IP: within", None, Same, 0, |p| {
        names(p.leaf(), &[uri(SVID_URI), ip(&[10, 1, 2, 3])]);
        constrain(p, permitted(&[ip(&[10, 0, 0, 0, 255, 0, 0, 0])]));
    };
    "IP: without", CHAIN, Same, 0, |p| {
        names(p.leaf(), &[uri(SVID_URI), ip(&[11, 1, 2, 3])]);
        constrain(p, permitted(&[ip(&[10, 0, 0, 0, 255, 0, 0, 0])]));
    };
    "IP: no mask", CHAIN, Same, 0, |p| {
        names(p.leaf(), &[uri(SVID_URI), ip(&[10, 1, 2, 3])]);
        constrain(p, permitted(&[ip(&[10, 0, 0, 0])]));
    };
    "directory: within", None, Same, 0, |p| {
        constrain(p, permitted(&[directory(&vec![(ORGANISATION, "Acme".to_owned())])]));
    };
    "directory: without", CHAIN, Same, 0, |p| {
        constrain(p, permitted(&[directory(&vec![(ORGANISATION, "Other".to_owned())])]));
    };
    "directory: excluded in other letters", CHAIN, Same, 0, |p| {
        constrain(p, excluded(&[directory(&vec![(ORGANISATION, " ACME ".to_owned())])]));
    };
    "e-mail: constrained and absent", None, Same, 0, |p| constrain(p, permitted(&[email("acme.example")]));
    "e-mail: not processed, so refused", CHAIN, Beyond, 0, |p| {
        names(p.leaf(), &[uri(SVID_URI), email("a@acme.example")]);
        constrain(p, permitted(&[email("acme.example")]));
    };
    "constraints with a minimum", CHAIN, Same, 0, |p| {
        let base = seq(&[uri("acme.example"), tlv(0x80, &[1])]);
        constrain(p, seq(&[tlv(0xa0, &base)]));
    };
    "constraints of nothing", CHAIN, Either, 0, |p| constrain(p, seq(&[]));
    "constraints in the leaf", CHAIN, Beyond, 0, |p| {
        p.leaf().set(NAME_CONSTRAINTS, true, permitted(&[uri("acme.example")]));
    };

    // The leaf.
    "no names", CHAIN, Beyond, 0, |p| p.leaf().remove(ALTERNATIVE_NAME);
    "names without a URI", CHAIN, Beyond, 0, |p| names(p.leaf(), &[dns("a.acme.example")]);
    "an empty list of names", CHAIN, Same, 0, |p| names(p.leaf(), &[]);
    "two URIs", CHAIN, Beyond, 0, |p| {
        names(p.leaf(), &[uri(SVID_URI), uri("spiffe://acme.example/agent/b")]);
    };
    "the same URI twice", CHAIN, Beyond, 0, |p| names(p.leaf(), &[uri(SVID_URI), uri(SVID_URI)]);
    "a URI of another scheme", CHAIN, Beyond, 0, |p| names(p.leaf(), &[uri("https://acme.example/agent/a")]);
    "a SPIFFE ID without a path", CHAIN, Beyond, 0, |p| names(p.leaf(), &[uri(DOMAIN_URI)]);
    "a SPIFFE ID with a slash at its end", CHAIN, Beyond, 0, |p| {
        names(p.leaf(), &[uri("spiffe://acme.example/agent/")]);
    };
    "another trust domain", Some(Code::IdentityDomain), Beyond, 0, |p| {
        names(p.leaf(), &[uri("spiffe://other.example/agent/a")]);
    };
    "no subject, names not critical", CHAIN, Same, 0, |p| p.leaf().subject.clear();
    "a leaf that says cA", CHAIN, Either, 0, |p| {
        p.leaf().set(BASIC_CONSTRAINTS, true, basic_constraints(true, None));
    };
    "a path length in the leaf", CHAIN, Same, 0, |p| {
        p.leaf().set(BASIC_CONSTRAINTS, true, basic_constraints(false, Some(0)));
    };
    "no key usage", CHAIN, Beyond, 0, |p| p.leaf().remove(KEY_USAGE);
    "key usage not critical", CHAIN, Beyond, 0, |p| p.leaf().set(KEY_USAGE, false, key_usage(DIGITAL_SIGNATURE));
    "no digitalSignature", CHAIN, Either, 0, |p| p.leaf().set(KEY_USAGE, true, key_usage(KEY_AGREEMENT));
    "a leaf that signs certificates", CHAIN, Same, 0, |p| {
        p.leaf().set(KEY_USAGE, true, key_usage(DIGITAL_SIGNATURE | CERT_SIGN));
    };
    "a leaf that signs CRLs", CHAIN, Beyond, 0, |p| {
        p.leaf().set(KEY_USAGE, true, key_usage(DIGITAL_SIGNATURE | CRL_SIGN));
    };
    "for servers alone", CHAIN, Same, 0, |p| p.leaf().set(EXTENDED_USAGE, false, extended_usage(&[1]));
    "for clients alone", CHAIN, Beyond, 0, |p| p.leaf().set(EXTENDED_USAGE, false, extended_usage(&[2]));
    "for signing code", CHAIN, Same, 0, |p| p.leaf().set(EXTENDED_USAGE, false, extended_usage(&[3]));
    "expired", Some(Code::IdentityExpired), Same, 0, |p| p.leaf().not_after = NOW.secs() - 1;
    "not valid yet", Some(Code::IdentityExpired), Same, 0, |p| p.leaf().not_before = NOW.secs() + 1;
    "an unknown critical extension", CHAIN, Same, 0, |p| p.leaf().set(UNKNOWN, true, vec![5, 0]);
    "a critical key identifier", CHAIN, Same, 0, |p| {
        let value = p.leaf().extensions.iter().find(|known| known.oid == AUTHORITY_KEY_ID).unwrap().value.clone();
        p.leaf().set(AUTHORITY_KEY_ID, true, value);
    };
    "an extension twice", CHAIN, Either, 0, |p| {
        let twin = Extension { oid: KEY_USAGE, critical: true, value: key_usage(DIGITAL_SIGNATURE) };
        p.leaf().extensions.push(twin);
    };
    "an unknown extension twice", CHAIN, Beyond, 0, |p| {
        let twin = Extension { oid: UNKNOWN, critical: false, value: vec![5, 0] };
        p.leaf().extensions.extend([twin.clone(), twin]);
    };
    "version 1", CHAIN, Same, 0, |p| p.leaf().version = 1;
    "version 2", CHAIN, Same, 0, |p| p.leaf().version = 2;
    "a serial number of nothing", CHAIN, Beyond, 0, |p| p.leaf().serial = vec![0];
    "a negative serial number", CHAIN, Beyond, 0, |p| p.leaf().serial = vec![0x80];
    "21 octets of serial number", CHAIN, Beyond, 0, |p| p.leaf().serial = vec![0x7f; 21];

    // Keys.
    "a small-order Ed25519 key", CHAIN, Beyond, 0, |p| {
        let mut one = [0; 32];
        one[0] = 1;
        p.leaf().key_info = Some(ed25519_info(&one));
    };
    "a compressed P-256 key", CHAIN, Beyond, 0, |p| {
        let point = crate::maker::key(KeyKind::P256, 7).public().as_bytes().to_vec();
        p.leaf().key_info = Some(p256_info(&[&[2 + (point[64] & 1)], &point[1..33]].concat()));
    };
    "a point that is not on the curve", CHAIN, Either, 0, |p| {
        let mut point = crate::maker::key(KeyKind::P256, 7).public().as_bytes().to_vec();
        point[64] ^= 1;
        p.leaf().key_info = Some(p256_info(&point));
    };
    "an RSA key", CHAIN, Beyond, 0, |p| {
        let modulus = tlv(0x02, &[&[0], &[0xff; 256][..]].concat());
        let key = seq(&[modulus, tlv(0x02, &[1, 0, 1])]);
        p.leaf().key_info = Some(key_info_of(&[oid(&[1, 2, 840, 113_549, 1, 1, 1]), tlv(0x05, &[])], &key));
    };
    "an X25519 key", CHAIN, Either, 0, |p| p.leaf().key_info = Some(key_info_of(&[oid(&[1, 3, 101, 110])], &[9; 32]));

    // Signing certificates.
    "no basic constraints", CHAIN, Same, 0, |p| p.signing().remove(BASIC_CONSTRAINTS);
    "basic constraints without cA", CHAIN, Same, 0, |p| {
        p.signing().set(BASIC_CONSTRAINTS, true, basic_constraints(false, None));
    };
    "basic constraints not critical", CHAIN, Same, 0, |p| {
        p.signing().set(BASIC_CONSTRAINTS, false, basic_constraints(true, None));
    };
    "signing: no key usage", CHAIN, Same, 0, |p| p.signing().remove(KEY_USAGE);
    "signing: no keyCertSign", CHAIN, Same, 0, |p| p.signing().set(KEY_USAGE, true, key_usage(CRL_SIGN));
    "signing: key usage not critical", CHAIN, Beyond, 0, |p| p.signing().set(KEY_USAGE, false, key_usage(CERT_SIGN));
    "signing: a SPIFFE ID with a path", CHAIN, Beyond, 0, |p| names(p.signing(), &[uri(SVID_URI)]);
    "signing: a SPIFFE ID with a slash at its end", CHAIN, Beyond, 0, |p| {
        names(p.signing(), &[uri("spiffe://acme.example/")]);
    };
    "signing: two URIs", CHAIN, Beyond, 0, |p| names(p.signing(), &[uri(DOMAIN_URI), uri(DOMAIN_URI)]);
    "signing: a URI of another scheme", CHAIN, Beyond, 0, |p| names(p.signing(), &[uri("https://acme.example")]);
    "signing: another trust domain", CHAIN, Beyond, 0, |p| names(p.signing(), &[uri("spiffe://other.example")]);
    "signing: a SPIFFE ID and digitalSignature", CHAIN, Beyond, 0, |p| {
        p.signing().set(KEY_USAGE, true, key_usage(CERT_SIGN | DIGITAL_SIGNATURE));
    };
    "signing: for servers alone", CHAIN, Same, 0, |p| p.signing().set(EXTENDED_USAGE, false, extended_usage(&[1]));
    "signing: for clients alone", CHAIN, Beyond, 0, |p| p.signing().set(EXTENDED_USAGE, false, extended_usage(&[2]));
    "signing: no subject", CHAIN, Same, 0, |p| p.signing().subject.clear();
    "signing: an unknown critical extension", CHAIN, Same, 0, |p| p.signing().set(UNKNOWN, true, vec![5, 0]);
    "signing: expired", CHAIN, Same, 0, |p| p.signing().not_after = NOW.secs() - 1;
    "signing: not valid yet", CHAIN, Same, 0, |p| p.signing().not_before = NOW.secs() + 1;
    "the root: expired", CHAIN, Same, 0, |p| p.root().not_after = NOW.secs() - 1;
    "the path is too long", CHAIN, Same, 1, |p| {
        p.root().set(BASIC_CONSTRAINTS, true, basic_constraints(true, Some(0)));
    };
    "the path is too long for what lies between", CHAIN, Same, 2, |p| {
        p.0[2].set(BASIC_CONSTRAINTS, true, basic_constraints(true, Some(0)));
    };

    // Links.
    "a spoilt signature", CHAIN, Same, 0, |p| p.leaf().spoilt = true;
    "a spoilt signature above", CHAIN, Same, 1, |p| p.signing().spoilt = true;
    "another signer of the same name", CHAIN, Same, 0, |p| p.leaf().signer = Some(99);
    "another issuer", CHAIN, Same, 0, |p| p.leaf().issuer = Some(subject("somebody else"));
    "the issuer in other letters", CHAIN, Beyond, 0, |p| {
        let issuer = p.signing().subject.iter().map(|(kind, text)| (*kind, text.to_uppercase())).collect();
        p.leaf().issuer = Some(issuer);
    };
    "another key identifier", CHAIN, Same, 0, |p| p.leaf().set(AUTHORITY_KEY_ID, false, seq(&[tlv(0x80, &[7; 20])]));
    "two signature algorithms", CHAIN, Same, 0, |p| p.leaf().inner_algorithm = Some(&[1, 2, 840, 10045, 4, 3, 3]);
    "one is missing", CHAIN, Same, 1, |p| {
        let gone = p.0.remove(1);
        p.leaf().issuer = Some(gone.subject);
    };
}

fn names(certificate: &mut Certificate, names: &[Vec<u8>]) {
    certificate.set(ALTERNATIVE_NAME, false, seq(names));
}

/// Constrains the root, whose constraints reach everything.
fn constrain(path: &mut Path, value: Vec<u8>) {
    path.root().set(NAME_CONSTRAINTS, true, value);
}
