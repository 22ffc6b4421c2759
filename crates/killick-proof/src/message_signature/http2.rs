//! Requests as HTTP/2 and HTTP/3 have them (RFC 9113 section 8.3.1, RFC 9114 section 4.3.1): the same request, so the
//! same signature base.

use super::message::{FieldLines, Request};
use super::target::normal_authority;
use crate::refusal::{Code, Refusal};

/// What the pseudo-header fields of a request say, and its fields with a `host` among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pseudo {
    /// `:method`
    pub method: String,
    /// `:scheme`
    pub scheme: String,
    /// `:path`, or `:authority` for CONNECT: the request target in the form of HTTP/1.1.
    pub target: String,
    /// Fields in order: first `host`, which is `:authority` if that is there, then all others.
    pub fields: Vec<(String, Vec<u8>)>,
}

/// Fields about one connection, which these versions do not have (RFC 9113 section 8.2.2).
const OF_A_CONNECTION: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

impl Pseudo {
    /// Reads the fields of a request, pseudo-header fields first. `Host` must say what `:authority` says, if both are
    /// there; several `cookie` fields become one (RFC 9113 section 8.2.3).
    ///
    /// Errs with `http.framing` for what RFC 9113 section 8.1.1 calls malformed (a pseudo-header field that is missing,
    /// unknown, repeated or after another field; an upper-case name; a field about the connection; a line break in a
    /// value), and with `http.target_form` if `Host` and `:authority` differ.
    pub fn read(fields: &[(String, Vec<u8>)]) -> Result<Self, Refusal> {
        let count = fields.iter().take_while(|(name, _)| name.starts_with(':')).count();
        let (pseudo, rest) = fields.split_at_checked(count).unwrap_or_default();
        let known = |name: &str| matches!(name, ":method" | ":scheme" | ":authority" | ":path");
        for (name, _) in pseudo {
            if !known(name) || pseudo.iter().filter(|(other, _)| other == name).count() > 1 {
                return refuse("a pseudo-header field is not known or is there twice");
            }
        }
        let text = |wanted: &str| {
            let value = pseudo.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_slice());
            value
                .map(std::str::from_utf8)
                .transpose()
                .or_else(|_| refuse("a pseudo-header field is not ASCII"))
        };
        let (method, authority) = (text(":method")?, text(":authority")?);
        // RFC 9113 section 8.5: CONNECT has no scheme and no path.
        let (scheme, target) = match (method, text(":scheme")?, text(":path")?) {
            (Some("CONNECT"), None, None) => ("https", authority),
            (Some(_), Some(scheme), path @ Some(_)) => (scheme, path),
            _ => return refuse("a pseudo-header field is missing, or there where it may not be"),
        };
        let (Some(method), Some(target)) = (method, target) else {
            return refuse("a pseudo-header field is missing");
        };
        let fields = regular_fields(scheme, authority, rest)?;
        Ok(Self { method: method.to_owned(), scheme: scheme.to_owned(), target: target.to_owned(), fields })
    }
}

/// All fields that are not pseudo-header fields, with exactly one `host` before them.
fn regular_fields(
    scheme: &str,
    authority: Option<&str>,
    fields: &[(String, Vec<u8>)],
) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
    let mut host = authority.map(|authority| authority.as_bytes().to_vec());
    let mut cookies: Vec<&[u8]> = Vec::new();
    let mut out = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        if name.bytes().any(|b| b.is_ascii_uppercase()) || OF_A_CONNECTION.contains(&name.as_str()) {
            return refuse("a field name is in upper case, or the field is about the connection");
        }
        if name == "te" && value != b"trailers" {
            return refuse("`te` says something else than `trailers`");
        }
        if value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return refuse("a field value has a line break or NUL");
        }
        match name.as_str() {
            "host" => {
                let same = |known: &Vec<u8>| normal(scheme, known) == normal(scheme, value);
                if !host.as_ref().is_none_or(same) {
                    return Err(Refusal::new(Code::HttpTargetForm, "`Host` is not what `:authority` says"));
                }
                host.get_or_insert_with(|| value.clone());
            }
            "cookie" => cookies.push(value),
            _ => out.push((name.clone(), value.clone())),
        }
    }
    if !cookies.is_empty() {
        out.push(("cookie".to_owned(), cookies.join(b"; ".as_slice())));
    }
    if let Some(host) = host {
        out.insert(0, ("host".to_owned(), host));
    }
    Ok(out)
}

fn normal(scheme: &str, authority: &[u8]) -> Option<String> {
    std::str::from_utf8(authority).ok().map(|authority| normal_authority(scheme, authority))
}

impl Request {
    /// A request from the fields of an HTTP/2 or HTTP/3 request, pseudo-header fields first. Errs as [`Pseudo::read`] and
    /// [`Request::new`].
    pub fn from_http2(fields: &[(String, Vec<u8>)]) -> Result<Self, Refusal> {
        let pseudo = Pseudo::read(fields)?;
        let mut headers = FieldLines::new();
        for (name, value) in &pseudo.fields {
            headers.push(name, value)?;
        }
        Self::new(&pseudo.method, &pseudo.scheme, &pseudo.target, headers)
    }
}

fn refuse<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Code::HttpFraming, why))
}
