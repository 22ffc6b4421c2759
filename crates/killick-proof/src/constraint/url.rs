//! `killick_url`: a web address within scheme, host, port and path.
//!
//! An address that two readers could take for two places is refused, whatever the constraint says: there is one
//! spelling of each address (a subset of RFC 3986 on which the WHATWG URL standard agrees), and all else fails.

use std::collections::BTreeSet;
use std::fmt;

use super::extension::texts;
use super::members::Members;
use crate::json::Json;
use crate::limits::URL_BYTES_MAX;
use crate::refusal::Refusal;

/// Bytes of a host name (RFC 1035 section 2.3.4, without the root label's two).
const HOST_BYTES_MAX: usize = 253;
/// Bytes of one label of it.
const LABEL_BYTES_MAX: usize = 63;

/// A web address within scheme, host, port and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    schemes: BTreeSet<Scheme>,
    host: Host,
    port: Option<u16>,
    /// Begins with `/`.
    path_prefix: String,
}

/// The schemes whose addresses the two standards read alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scheme {
    Http,
    Https,
    Ws,
    Wss,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// This host.
    Exactly(String),
    /// A host with one label or more before these; not these alone.
    Beneath(String),
}

/// What counts of an address.
struct Address<'a> {
    scheme: Scheme,
    host: &'a str,
    port: u16,
    path: &'a str,
}

impl Url {
    pub(super) const KIND: &'static str = "killick_url";
    pub(super) const MEMBERS: [&'static str; 5] = ["schemes", "host", "host_suffix", "port", "path_prefix"];

    pub(super) fn read(members: &Members<'_>) -> Result<Self, Refusal> {
        let Some(schemes) = members.filled_set("schemes", Scheme::read)? else {
            return members.malformed("lacks its `schemes`");
        };
        let host = match (members.text("host")?, members.text("host_suffix")?) {
            (Some(host), None) => Host::Exactly(members.named("host", read_host(host))?),
            (None, Some(suffix)) => Host::Beneath(members.named("host_suffix", read_host(suffix))?),
            _ => return members.malformed("needs one of `host` and `host_suffix`"),
        };
        let port = match members.get("port") {
            None => None,
            Some(port) => {
                let number = port.as_number().and_then(|number| number.as_u64());
                let Some(port) = number.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
                else {
                    return members.malformed("has a `port` that is none of 1 to 65535");
                };
                Some(port)
            }
        };
        let prefix = members.text("path_prefix")?.unwrap_or("/");
        Ok(Self { schemes, host, port, path_prefix: members.named("path_prefix", read_prefix(prefix))? })
    }

    /// From the text of the human syntax: `https,wss://*.acme.example:8443/hooks/`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some((schemes, rest)) = text.split_once("://") else {
            return Err("an address begins with `https://`".to_owned());
        };
        let schemes = schemes.split(',').map(Scheme::read).collect::<Result<_, _>>()?;
        let (authority, prefix) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.split_once(':') {
            None => (authority, None),
            Some((host, port)) => (host, Some(read_port(port).ok_or("a port is a number of 1 to 65535")?)),
        };
        let host = match host.strip_prefix("*.") {
            Some(suffix) => Host::Beneath(read_host(suffix)?),
            None => Host::Exactly(read_host(host)?),
        };
        Ok(Self { schemes, host, port, path_prefix: read_prefix(prefix)? })
    }

    pub(super) fn members(&self) -> Vec<(&'static str, Json)> {
        let host = match &self.host {
            Host::Exactly(host) => ("host", Json::from(host.as_str())),
            Host::Beneath(suffix) => ("host_suffix", Json::from(suffix.as_str())),
        };
        let mut members = vec![("schemes", texts(&self.schemes)), host];
        members.extend(self.port.map(|port| ("port", Json::from(u64::from(port)))));
        members.extend((self.path_prefix != "/").then(|| ("path_prefix", Json::from(&*self.path_prefix))));
        members
    }

    pub(super) fn check(&self, text: &str) -> bool {
        let Some(address) = read_address(text) else { return false };
        self.schemes.contains(&address.scheme)
            && self.host.holds(address.host)
            && self.port_for(address.scheme) == address.port
            && is_within(address.path, &self.path_prefix)
    }

    pub(super) fn subsumes(&self, parent: &Self) -> bool {
        self.schemes.is_subset(&parent.schemes)
            && self.host.is_within(&parent.host)
            && self.schemes.iter().all(|scheme| self.port_for(*scheme) == parent.port_for(*scheme))
            && is_within(&self.path_prefix, &parent.path_prefix)
    }

    /// The one port that the constraint permits under this scheme.
    fn port_for(&self, scheme: Scheme) -> u16 {
        self.port.unwrap_or_else(|| scheme.default_port())
    }
}

impl fmt::Display for Url {
    /// As the human syntax writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schemes: Vec<&str> = self.schemes.iter().map(|scheme| scheme.as_str()).collect();
        let (star, host) = match &self.host {
            Host::Exactly(host) => ("", host),
            Host::Beneath(suffix) => ("*.", suffix),
        };
        write!(f, "{}://{star}{host}", schemes.join(","))?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path_prefix)
    }
}

impl Scheme {
    const ALL: [Self; 4] = [Self::Http, Self::Https, Self::Ws, Self::Wss];

    fn read(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|scheme| scheme.as_str() == text);
        known.ok_or_else(|| "a scheme is one of `http`, `https`, `ws` and `wss`".to_owned())
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http | Self::Ws => 80,
            Self::Https | Self::Wss => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Host {
    fn holds(&self, host: &str) -> bool {
        match self {
            Self::Exactly(own) => own == host,
            Self::Beneath(suffix) => is_beneath(host, suffix),
        }
    }

    fn is_within(&self, parent: &Self) -> bool {
        match (self, parent) {
            (Self::Exactly(host), parent) => parent.holds(host),
            (Self::Beneath(own), Self::Beneath(wider)) => own == wider || is_beneath(own, wider),
            (Self::Beneath(_), Self::Exactly(_)) => false,
        }
    }
}

/// Whether `host` is `suffix` with labels before it, none of which may stand for letters that are not there to be seen
/// (RFC 5891 section 4.2.3.1: `--` at the third and fourth place, `xn--` among them). The issuer has not read them.
fn is_beneath(host: &str, suffix: &str) -> bool {
    let labels = host.strip_suffix(suffix).and_then(|rest| rest.strip_suffix('.'));
    labels.is_some_and(|labels| labels.split('.').all(|label| label.as_bytes().get(2..4) != Some(b"--")))
}

/// Whether the path is the prefix or beneath it. A prefix that ends in `/` is not within itself without it.
fn is_within(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// `None` for an address that is not in the one spelling that this file permits.
fn read_address(text: &str) -> Option<Address<'_>> {
    if text.len() > URL_BYTES_MAX {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let scheme = Scheme::read(scheme).ok()?;
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = match authority.split_once(':') {
        None => (authority, scheme.default_port()),
        Some((host, port)) => (host, read_port(port)?),
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    // Nothing after the host is the path `/` to everyone; a query right after the host is not.
    let path = if target.is_empty() { "/" } else { path };
    let is_one_spelling = is_host(host) && is_path(path) && query.is_none_or(is_query);
    is_one_spelling.then_some(Address { scheme, host, port, path })
}

/// A name of lower case letters, digits and hyphens whose last label begins with a letter: no IP address in any of its
/// spellings (`127.1`, `0x7f000001`, `2130706433`, `[::1]`), no root dot, no letters beyond ASCII.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= HOST_BYTES_MAX
        && host.split('.').all(is_label)
        && last.starts_with(|c: char| c.is_ascii_lowercase())
}

fn read_host(host: &str) -> Result<String, String> {
    if is_host(host) {
        return Ok(host.to_owned());
    }
    Err("a host is a name in lower case ASCII (`xn--…` for other letters), no IP address".to_owned())
}

/// Decimal, without leading zeros.
fn read_port(text: &str) -> Option<u16> {
    let is_decimal = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_decimal)
}

fn read_prefix(prefix: &str) -> Result<String, String> {
    if prefix.len() <= URL_BYTES_MAX && is_path(prefix) {
        return Ok(prefix.to_owned());
    }
    Err("a path begins with `/` and has no `//`, `.`, `..`, `;`, `\\`, `%2F` or the like in it".to_owned())
}

/// Segments without a second reading: none empty but the last, none of dots, no `;` (which some servers cut off before
/// they resolve dots), nothing encoded that has a meaning of its own or needs no encoding.
fn is_path(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else { return false };
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let is_named = !matches!(segment, "." | "..") && (is_last || !segment.is_empty());
        if !is_named || !is_text(segment, b"!$&'()*+,=:@", encodes_in_path) {
            return false;
        }
    }
    true
}

fn is_query(query: &str) -> bool {
    is_text(query, b"!$&'()*+,=:@;/?", |_| true)
}

/// Unreserved letters (RFC 3986 section 2.3), `others`, and `%` with two digits in upper case of an octet that
/// `may_be_encoded`.
fn is_text(text: &str, others: &[u8], may_be_encoded: impl Fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
                (Some(high), Some(low)) => may_be_encoded(high * 16 + low),
                _ => false,
            },
            _ => is_unreserved(byte) || others.contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// In a path: what decoding makes neither a separator nor a control character, nor is beyond ASCII, where an overlong
/// or normalised form could become one.
const fn encodes_in_path(octet: u8) -> bool {
    matches!(octet, 0x20..=0x7e)
        && !is_unreserved(octet)
        && !matches!(octet, b'/' | b'\\' | b'%' | b';' | b'?' | b'#')
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
