//! A maker of certificates that shares no code with the crate: it writes whatever it is told to, right or wrong.

use killick_proof::keys::{KeyKind, SigningKey};

pub(crate) type Name = Vec<(&'static [u64], String)>;

pub(crate) const ORGANISATION: &[u64] = &[2, 5, 4, 10];
pub(crate) const COMMON_NAME: &[u64] = &[2, 5, 4, 3];

pub(crate) const SUBJECT_KEY_ID: &[u64] = &[2, 5, 29, 14];
pub(crate) const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
pub(crate) const ALTERNATIVE_NAME: &[u64] = &[2, 5, 29, 17];
pub(crate) const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
pub(crate) const NAME_CONSTRAINTS: &[u64] = &[2, 5, 29, 30];
pub(crate) const AUTHORITY_KEY_ID: &[u64] = &[2, 5, 29, 35];
pub(crate) const EXTENDED_USAGE: &[u64] = &[2, 5, 29, 37];
pub(crate) const UNKNOWN: &[u64] = &[1, 3, 6, 1, 4, 1, 99_999, 1];

pub(crate) const DIGITAL_SIGNATURE: u16 = 0x8000;
pub(crate) const KEY_ENCIPHERMENT: u16 = 0x2000;
pub(crate) const KEY_AGREEMENT: u16 = 0x0800;
pub(crate) const CERT_SIGN: u16 = 0x0400;
pub(crate) const CRL_SIGN: u16 = 0x0200;

const ED25519: &[u64] = &[1, 3, 101, 112];
const ECDSA_SHA256: &[u64] = &[1, 2, 840, 10045, 4, 3, 2];

#[derive(Clone)]
pub(crate) struct Extension {
    pub(crate) oid: &'static [u64],
    pub(crate) critical: bool,
    pub(crate) value: Vec<u8>,
}

/// One certificate, before it is signed.
pub(crate) struct Certificate {
    pub(crate) kind: KeyKind,
    /// Draws the key.
    pub(crate) number: u8,
    pub(crate) subject: Name,
    pub(crate) version: u8,
    pub(crate) serial: Vec<u8>,
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
    pub(crate) extensions: Vec<Extension>,
    /// Another subject public key info than the key's.
    pub(crate) key_info: Option<Vec<u8>>,
    /// Another issuer than the subject of the certificate above.
    pub(crate) issuer: Option<Name>,
    /// Another signer than the certificate above, by number.
    pub(crate) signer: Option<u8>,
    /// Another algorithm under the signature than beside it.
    pub(crate) inner_algorithm: Option<&'static [u64]>,
    /// Flips a bit of the signature.
    pub(crate) spoilt: bool,
}

pub(crate) fn key(kind: KeyKind, number: u8) -> SigningKey {
    match kind {
        KeyKind::Ed25519 => SigningKey::from_seed([number; 32]).unwrap(),
        KeyKind::P256 => SigningKey::from_p256_scalar([number; 32]).unwrap(),
    }
}

impl Certificate {
    pub(crate) fn key(&self) -> SigningKey {
        key(self.kind, self.number)
    }

    /// Replaces an extension, or adds it.
    pub(crate) fn set(&mut self, oid: &'static [u64], critical: bool, value: Vec<u8>) {
        self.remove(oid);
        self.extensions.push(Extension { oid, critical, value });
    }

    pub(crate) fn remove(&mut self, oid: &[u64]) {
        self.extensions.retain(|extension| extension.oid != oid);
    }

    pub(crate) fn key_id(&self) -> Vec<u8> {
        killick_proof::keys::sha256(self.key().public().as_bytes())[..20].to_vec()
    }

    /// DER, signed by `above`.
    pub(crate) fn sign(&self, above: &Certificate) -> Vec<u8> {
        let signer = key(above.kind, self.signer.unwrap_or(above.number));
        let oid_of = |kind| if kind == KeyKind::Ed25519 { ED25519 } else { ECDSA_SHA256 };
        let algorithm = oid_of(above.kind);
        let mut fields = vec![
            tlv(0xa0, &integer(&[self.version - 1])),
            integer(&self.serial),
            seq(&[oid(self.inner_algorithm.unwrap_or(algorithm))]),
            name(self.issuer.as_ref().unwrap_or(&above.subject)),
            seq(&[time(self.not_before), time(self.not_after)]),
            name(&self.subject),
            self.key_info.clone().unwrap_or_else(|| key_info(&self.key())),
        ];
        if self.version == 1 {
            fields.remove(0);
        }
        let extensions: Vec<Vec<u8>> = self.extensions.iter().map(extension).collect();
        fields.push(tlv(0xa3, &seq(&extensions)));
        let body = seq(&fields);
        let mut signature = signer.sign(&body).to_vec();
        if above.kind == KeyKind::P256 {
            signature = seq(&[unsigned(&signature[..32]), unsigned(&signature[32..])]);
        }
        if self.spoilt {
            *signature.last_mut().unwrap() ^= 1;
        }
        seq(&[body, seq(&[oid(algorithm)]), bits(&signature)])
    }
}

fn extension(extension: &Extension) -> Vec<u8> {
    let critical = if extension.critical { tlv(0x01, &[0xff]) } else { Vec::new() };
    seq(&[oid(extension.oid), critical, tlv(0x04, &extension.value)])
}

fn key_info(key: &SigningKey) -> Vec<u8> {
    let public = key.public();
    match public.kind() {
        KeyKind::Ed25519 => key_info_of(&[oid(ED25519)], public.as_bytes()),
        KeyKind::P256 => p256_info(public.as_bytes()),
    }
}

pub(crate) fn p256_info(point: &[u8]) -> Vec<u8> {
    key_info_of(&[oid(&[1, 2, 840, 10045, 2, 1]), oid(&[1, 2, 840, 10045, 3, 1, 7])], point)
}

pub(crate) fn ed25519_info(bytes: &[u8]) -> Vec<u8> {
    key_info_of(&[oid(ED25519)], bytes)
}

pub(crate) fn key_info_of(algorithm: &[Vec<u8>], key: &[u8]) -> Vec<u8> {
    seq(&[seq(algorithm), bits(key)])
}

pub(crate) fn key_usage(flags: u16) -> Vec<u8> {
    let bytes = flags.to_be_bytes();
    let used = if bytes[1] == 0 { &bytes[..1] } else { &bytes[..] };
    let unused = used.last().unwrap().trailing_zeros();
    tlv(0x03, &[&[u8::try_from(unused).unwrap()], used].concat())
}

pub(crate) fn basic_constraints(is_ca: bool, path_length: Option<u8>) -> Vec<u8> {
    let ca = if is_ca { tlv(0x01, &[0xff]) } else { Vec::new() };
    let length = path_length.map_or_else(Vec::new, |length| integer(&[length]));
    seq(&[ca, length])
}

/// Server authentication is 1, client authentication is 2 (RFC 5280 section 4.2.1.12).
pub(crate) fn extended_usage(purposes: &[u64]) -> Vec<u8> {
    let purposes: Vec<Vec<u8>> =
        purposes.iter().map(|purpose| oid(&[1, 3, 6, 1, 5, 5, 7, 3, *purpose])).collect();
    seq(&purposes)
}

pub(crate) fn uri(text: &str) -> Vec<u8> {
    tlv(0x86, text.as_bytes())
}

pub(crate) fn dns(text: &str) -> Vec<u8> {
    tlv(0x82, text.as_bytes())
}

pub(crate) fn email(text: &str) -> Vec<u8> {
    tlv(0x81, text.as_bytes())
}

pub(crate) fn ip(bytes: &[u8]) -> Vec<u8> {
    tlv(0x87, bytes)
}

pub(crate) fn directory(subject: &Name) -> Vec<u8> {
    tlv(0xa4, &name(subject))
}

pub(crate) fn permitted(bases: &[Vec<u8>]) -> Vec<u8> {
    seq(&[subtrees(0xa0, bases)])
}

pub(crate) fn excluded(bases: &[Vec<u8>]) -> Vec<u8> {
    seq(&[subtrees(0xa1, bases)])
}

fn subtrees(tag: u8, bases: &[Vec<u8>]) -> Vec<u8> {
    let list: Vec<Vec<u8>> = bases.iter().map(|base| seq(std::slice::from_ref(base))).collect();
    tlv(tag, &list.concat())
}

pub(crate) fn name(parts: &Name) -> Vec<u8> {
    let part =
        |(kind, text): &(&'static [u64], String)| tlv(0x31, &seq(&[oid(kind), tlv(0x0c, text.as_bytes())]));
    seq(&parts.iter().map(part).collect::<Vec<_>>())
}

pub(crate) fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub(crate) fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let head = match length {
        0..=0x7f => vec![tag, u8::try_from(length).unwrap()],
        0x80..=0xff => vec![tag, 0x81, u8::try_from(length).unwrap()],
        _ => [&[tag, 0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
    };
    [head, contents.to_vec()].concat()
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    tlv(0x02, bytes)
}

fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap();
    let digits = &bytes[start..];
    integer(&if digits[0] & 0x80 != 0 { [&[0], digits].concat() } else { digits.to_vec() })
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], bytes].concat())
}

pub(crate) fn oid(arcs: &[u64]) -> Vec<u8> {
    let mut contents = vec![u8::try_from(arcs[0] * 40 + arcs[1]).unwrap()];
    for arc in &arcs[2..] {
        let mut digits = vec![u8::try_from(arc & 0x7f).unwrap()];
        let mut rest = arc >> 7;
        while rest > 0 {
            digits.insert(0, u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        contents.extend(digits);
    }
    tlv(0x06, &contents)
}

/// UTCTime until 2049 (RFC 5280 section 4.1.2.5), which is enough here.
fn time(secs: u64) -> Vec<u8> {
    let (days, rest) = (secs / 86_400, secs % 86_400);
    let (mut year, mut day) = (1970, days);
    let length = |year: u64| if year.is_multiple_of(4) { 366 } else { 365 };
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let february = if year.is_multiple_of(4) { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let text = format!("{:02}{month:02}{:02}{hour:02}{minute:02}{second:02}Z", year % 100, day + 1);
    tlv(0x17, text.as_bytes())
}
