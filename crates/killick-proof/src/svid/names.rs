//! Name constraints (RFC 5280 section 4.2.1.10): the names that may stand beneath a signing certificate.
//!
//! URIs, DNS names, IP addresses and directory names are processed. A constraint on another form refuses every name of
//! that form, as the RFC asks of who cannot process it. The host of a SPIFFE ID is its trust domain's name, whatever it
//! looks like (SPIFFE-ID section 2.1: a name that happens to be an IP address is treated like any other).

use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::OID_PKCS9_EMAIL_ADDRESS;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

use super::der::{Elements, SEQUENCE};

/// The constraints of one signing certificate.
pub(super) struct NameConstraints<'a> {
    permitted: Vec<Subtree<'a>>,
    excluded: Vec<Subtree<'a>>,
}

enum Subtree<'a> {
    Dns(&'a str),
    Directory(X509Name<'a>),
    Uri(&'a str),
    Ip(&'a [u8]),
    /// The number of another form's tag.
    Other(u8),
}

/// The tag numbers of `GeneralName` (RFC 5280 section 4.2.1.6).
const EMAIL: u8 = 1;
const DNS: u8 = 2;
const DIRECTORY: u8 = 4;
const URI: u8 = 6;
const IP: u8 = 7;

impl<'a> NameConstraints<'a> {
    /// Reads the extension's value. `None` for what is not well formed: an empty sequence, an empty list, a `minimum`
    /// or `maximum`, a URI or DNS constraint that is no host or domain, an address without its mask.
    pub(super) fn read(value: &'a [u8]) -> Option<Self> {
        let mut elements = Elements::new(Elements::only(value, SEQUENCE)?);
        let mut constraints = Self { permitted: Vec::new(), excluded: Vec::new() };
        while !elements.is_empty() {
            let list = elements.next()?;
            match list.tag {
                0xa0 if constraints.permitted.is_empty() && constraints.excluded.is_empty() => {
                    constraints.permitted = read_subtrees(list.contents)?;
                }
                0xa1 if constraints.excluded.is_empty() => {
                    constraints.excluded = read_subtrees(list.contents)?;
                }
                _ => return None,
            }
        }
        (!constraints.permitted.is_empty() || !constraints.excluded.is_empty()).then_some(constraints)
    }

    /// Whether there is a constraint on a form that `rustls-webpki` refuses rather than processes.
    pub(super) fn is_beyond_webpki(&self) -> bool {
        let mut all = self.permitted.iter().chain(&self.excluded);
        all.any(|subtree| matches!(subtree.form(), URI | DIRECTORY))
    }

    /// RFC 5280 section 6.1.3 (b) and (c): whether a certificate with these names may stand beneath. Else what may not.
    pub(super) fn check(&self, subject: &X509Name<'_>, names: &[GeneralName<'_>]) -> Result<(), String> {
        if subject.iter_rdn().next().is_some() {
            self.check_name(&Name::Directory(subject), || "the subject".to_owned())?;
        }
        // An e-mail address in the subject is a name of its form too.
        if subject.iter_attributes().any(|attribute| *attribute.attr_type() == OID_PKCS9_EMAIL_ADDRESS) {
            self.check_name(&Name::Other(EMAIL), || "the subject's e-mail address".to_owned())?;
        }
        names.iter().try_for_each(|name| {
            let shown = || match name {
                GeneralName::URI(text) | GeneralName::DNSName(text) => {
                    format!("`{}`", crate::token::claims::shown(text))
                }
                _ => "one of its names".to_owned(),
            };
            self.check_name(&Name::of(name), shown)
        })
    }

    fn check_name(&self, name: &Name<'_>, shown: impl Fn() -> String) -> Result<(), String> {
        if self.excluded.iter().any(|subtree| subtree.covers(name, Side::Excluded)) {
            return Err(format!("{} is excluded by a name constraint", shown()));
        }
        let mut of_form = self.permitted.iter().filter(|subtree| subtree.form() == name.form()).peekable();
        if of_form.peek().is_none() || of_form.any(|subtree| subtree.covers(name, Side::Permitted)) {
            return Ok(());
        }
        Err(format!("{} is not within what the name constraints permit", shown()))
    }
}

fn read_subtrees(mut list: &[u8]) -> Option<Vec<Subtree<'_>>> {
    let mut elements = Elements::new(std::mem::take(&mut list));
    let mut subtrees = Vec::new();
    while !elements.is_empty() {
        let subtree = elements.next()?;
        if subtree.tag != SEQUENCE {
            return None;
        }
        let mut fields = Elements::new(subtree.contents);
        let base = fields.next()?;
        // Section 4.2.1.10: `minimum` is zero, thus not written in DER, and `maximum` is absent.
        if !fields.is_empty() {
            return None;
        }
        subtrees.push(match base.tag {
            0x82 => Subtree::Dns(host(base.contents)?),
            0x86 => Subtree::Uri(host(base.contents)?),
            0x87 if matches!(base.contents.len(), 8 | 32) => Subtree::Ip(base.contents),
            0xa4 => match X509Name::from_der(base.contents) {
                Ok(([], name)) => Subtree::Directory(name),
                _ => return None,
            },
            0x81 | 0x88 | 0xa0 | 0xa3 | 0xa5 => Subtree::Other(base.tag & 0x1f),
            _ => return None,
        });
    }
    (!subtrees.is_empty()).then_some(subtrees)
}

/// A host, or a domain with a dot before it: the characters of a trust domain's name in either case. What is something
/// else (a whole URI, say) can match nothing, so that an exclusion by it would exclude nothing: it is refused.
fn host(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_host = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    (is_host && !text.is_empty()).then_some(text)
}

/// A name that stands in a certificate.
enum Name<'a> {
    Dns(&'a str),
    Directory(&'a X509Name<'a>),
    Uri(&'a str),
    Ip(&'a [u8]),
    Other(u8),
}

impl<'a> Name<'a> {
    fn of(name: &'a GeneralName<'a>) -> Self {
        match name {
            GeneralName::OtherName(..) => Name::Other(0),
            GeneralName::RFC822Name(_) => Name::Other(EMAIL),
            GeneralName::DNSName(text) => Name::Dns(text),
            GeneralName::X400Address(_) => Name::Other(3),
            GeneralName::DirectoryName(name) => Name::Directory(name),
            GeneralName::EDIPartyName(_) => Name::Other(5),
            GeneralName::URI(text) => Name::Uri(text),
            GeneralName::IPAddress(bytes) => Name::Ip(bytes),
            GeneralName::RegisteredID(_) => Name::Other(8),
            GeneralName::Invalid(tag, _) => Name::Other(u8::try_from(tag.0).unwrap_or(u8::MAX)),
        }
    }

    const fn form(&self) -> u8 {
        match self {
            Name::Dns(_) => DNS,
            Name::Directory(_) => DIRECTORY,
            Name::Uri(_) => URI,
            Name::Ip(_) => IP,
            Name::Other(tag) => *tag,
        }
    }
}

/// Which way a doubt must fall: a name that may be covered is not within the permitted ones, and is among the excluded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Permitted,
    Excluded,
}

impl Subtree<'_> {
    const fn form(&self) -> u8 {
        match self {
            Subtree::Dns(_) => DNS,
            Subtree::Directory(_) => DIRECTORY,
            Subtree::Uri(_) => URI,
            Subtree::Ip(_) => IP,
            Subtree::Other(tag) => *tag,
        }
    }

    fn covers(&self, name: &Name<'_>, side: Side) -> bool {
        let in_doubt = side == Side::Excluded;
        match (self, name) {
            (Subtree::Uri(base), Name::Uri(uri)) => {
                host_of(uri).map_or(in_doubt, |host| covers_host(base, host))
            }
            (Subtree::Dns(base), Name::Dns(name)) => covers_domain(base, name),
            (Subtree::Ip(base), Name::Ip(address)) => covers_address(base, address).unwrap_or(in_doubt),
            (Subtree::Directory(base), Name::Directory(name)) => covers_directory(base, name, side),
            // A form that is not processed, or a name of a processed form that could not be read.
            _ => self.form() == name.form() && in_doubt,
        }
    }
}

/// The host of `scheme://host/…` without user or port; `None` if there is none.
fn host_of(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let after_user = authority.rsplit('@').next()?;
    let host = after_user.split(':').next()?;
    (!host.is_empty()).then_some(host)
}

/// Of a URI: `.example.com` covers every host beneath, `example.com` that host alone.
fn covers_host(base: &str, host: &str) -> bool {
    if base.starts_with('.') {
        return ends_with(host, base) && host.len() > base.len();
    }
    base.eq_ignore_ascii_case(host)
}

/// Of DNS: `example.com` covers that name and every one beneath it. A leading dot, which the RFC does not know here,
/// leaves out the name itself, as everywhere else.
fn covers_domain(base: &str, name: &str) -> bool {
    if base.starts_with('.') {
        return covers_host(base, name);
    }
    base.eq_ignore_ascii_case(name)
        || name.len() > base.len()
            && ends_with(name, base)
            && name.as_bytes().get(name.len() - base.len() - 1) == Some(&b'.')
}

fn ends_with(text: &str, end: &str) -> bool {
    let (text, end) = (text.as_bytes(), end.as_bytes());
    text.len()
        .checked_sub(end.len())
        .and_then(|at| text.get(at..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Address and mask, of one family; `None` if they are of two or the name is no address.
fn covers_address(base: &[u8], address: &[u8]) -> Option<bool> {
    if !matches!(address.len(), 4 | 16) {
        return None;
    }
    if base.len() != address.len() * 2 {
        return Some(false);
    }
    let (network, mask) = base.split_at(address.len());
    Some(network.iter().zip(mask).zip(address).all(|((network, mask), byte)| network & mask == byte & mask))
}

/// Section 7.1: the name begins with the base's relative distinguished names. Permitted names must agree byte by byte;
/// for excluded ones case and white space do not count, and a string in a form that is not compared counts as equal.
fn covers_directory(base: &X509Name<'_>, name: &X509Name<'_>, side: Side) -> bool {
    let mut names = name.iter_rdn();
    base.iter_rdn().all(|base| names.next().is_some_and(|name| covers_rdn(base, name, side)))
}

fn covers_rdn(
    base: &RelativeDistinguishedName<'_>,
    name: &RelativeDistinguishedName<'_>,
    side: Side,
) -> bool {
    let covered =
        |base: &AttributeTypeAndValue<'_>| name.iter().any(|name| covers_attribute(base, name, side));
    base.iter().count() == name.iter().count() && base.iter().all(covered)
}

fn covers_attribute(base: &AttributeTypeAndValue<'_>, name: &AttributeTypeAndValue<'_>, side: Side) -> bool {
    if base.attr_type() != name.attr_type() {
        return false;
    }
    let (base, name) = (base.attr_value(), name.attr_value());
    if side == Side::Permitted {
        return base.tag() == name.tag() && base.data == name.data;
    }
    match (folded(base.tag().0, base.data), folded(name.tag().0, name.data)) {
        (Some(base), Some(name)) => base == name,
        _ => true,
    }
}

/// UTF8String, PrintableString or IA5String, without case and superfluous white space.
fn folded(tag: u32, bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|_| matches!(tag, 12 | 19 | 22))?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_domain_cover_different_hosts() {
        for (base, host, is_covered) in [
            ("acme.example", "acme.example", true),
            ("ACME.example", "acme.example", true),
            ("acme.example", "a.acme.example", false),
            (".acme.example", "a.acme.example", true),
            (".acme.example", "a.b.acme.example", true),
            (".acme.example", "acme.example", false),
            (".acme.example", ".acme.example", false),
            ("acme.example", "evilacme.example", false),
            (".acme.example", "evilacme.example", false),
        ] {
            assert_eq!(covers_host(base, host), is_covered, "{base} {host}");
        }
        for (base, name, is_covered) in [
            ("acme.example", "acme.example", true),
            ("acme.example", "a.acme.example", true),
            ("acme.example", "evilacme.example", false),
            ("acme.example", "example", false),
        ] {
            assert_eq!(covers_domain(base, name), is_covered, "{base} {name}");
        }
    }

    #[test]
    fn the_host_of_a_uri() {
        assert_eq!(host_of("spiffe://acme.example/agent/a"), Some("acme.example"));
        assert_eq!(host_of("spiffe://acme.example"), Some("acme.example"));
        assert_eq!(host_of("https://u:p@acme.example:443?x"), Some("acme.example"));
        assert_eq!(host_of("urn:uuid:1"), None);
        assert_eq!(host_of("spiffe:///a"), None);
    }

    #[test]
    fn addresses_are_compared_under_the_mask() {
        let net = [10, 0, 0, 0, 255, 0, 0, 0];
        assert_eq!(covers_address(&net, &[10, 9, 8, 7]), Some(true));
        assert_eq!(covers_address(&net, &[11, 9, 8, 7]), Some(false));
        assert_eq!(covers_address(&net, &[0; 16]), Some(false));
        assert_eq!(covers_address(&net, &[10, 9, 8]), None);
    }

    #[test]
    fn malformed_constraints_are_not_read() {
        let subtree = |tag: u8, text: &[u8]| {
            let base = [&[tag, u8::try_from(text.len()).unwrap()][..], text].concat();
            [&[0x30, u8::try_from(base.len()).unwrap()][..], &base].concat()
        };
        let constraints = |list: u8, subtrees: &[u8]| {
            let list = [&[list, u8::try_from(subtrees.len()).unwrap()][..], subtrees].concat();
            [&[0x30, u8::try_from(list.len()).unwrap()][..], &list].concat()
        };
        let reads = |bytes: &[u8]| NameConstraints::read(bytes).is_some();
        assert!(reads(&constraints(0xa0, &subtree(0x86, b"acme.example"))));
        assert!(reads(&constraints(0xa1, &subtree(0x86, b".acme.example"))));
        assert!(!reads(&[0x30, 0]), "empty");
        assert!(!reads(&constraints(0xa0, &[])), "an empty list");
        assert!(!reads(&constraints(0xa2, &subtree(0x86, b"acme.example"))), "another list");
        assert!(!reads(&constraints(0xa0, &subtree(0x86, b"spiffe://acme.example"))), "a whole URI");
        assert!(!reads(&constraints(0xa0, &subtree(0x86, b""))), "no host");
        assert!(!reads(&constraints(0xa0, &subtree(0x87, &[10, 0, 0, 0]))), "no mask");
        let with_minimum = [&[0x30, 17][..], &[0x86, 12], b"acme.example", &[0x80, 1, 0]].concat();
        assert!(!reads(&constraints(0xa0, &with_minimum)), "a minimum");
    }
}
