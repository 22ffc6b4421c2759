//! What a URI is (RFC 3986 section 3 and appendix A): `iss` must be one (AAT draft section 3.2).

use std::net::Ipv6Addr;

/// Whether the text is a URI: a scheme, a colon, then what may follow it. A relative reference is none.
pub(super) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    is_scheme(scheme)
        && is_made_of(fragment, b":@/?")
        && is_made_of(query, b":@/?")
        && match hierarchy.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                is_authority(authority) && is_made_of(path, b":@/")
            }
            None => is_made_of(hierarchy, b":@/"),
        }
}

/// Section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Section 3.2.
fn is_authority(text: &str) -> bool {
    let (userinfo, host) = text.rsplit_once('@').unwrap_or(("", text));
    let (host, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((literal, after)) if is_literal(literal) => ("", after),
            _ => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_is_one = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    is_made_of(userinfo, b":") && is_made_of(host, b"") && port_is_one
}

/// Section 3.2.2: what stands between brackets.
fn is_literal(text: &str) -> bool {
    let future = |text: &str| {
        text.split_once('.').is_some_and(|(version, address)| {
            !version.is_empty()
                && version.bytes().all(|b| b.is_ascii_hexdigit())
                && !address.is_empty()
                && !address.contains('%')
                && is_made_of(address, b":")
        })
    };
    match text.strip_prefix(['v', 'V']) {
        Some(rest) => future(rest),
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

/// Unreserved characters, sub-delimiters, `%` with two hexadecimal digits, and `more` (sections 2 and 3.3).
fn is_made_of(text: &str, more: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let permitted = match byte {
            b'%' => (0..2).all(|_| bytes.next().is_some_and(|b| b.is_ascii_hexdigit())),
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte) || more.contains(&byte),
        };
        if !permitted {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_uri;

    #[test]
    fn uris_are_those_of_rfc_3986() {
        // The first eight are the examples of section 1.1.2.
        for text in [
            "ftp://ftp.is.co.za/rfc/rfc1808.txt",
            "http://www.ietf.org/rfc/rfc2396.txt",
            "ldap://[2001:db8::7]/c=GB?objectClass?one",
            "mailto:John.Doe@example.com",
            "news:comp.infosystems.www.servers.unix",
            "tel:+1-816-555-1212",
            "telnet://192.0.2.16:80/",
            "urn:oasis:names:specification:docbook:dtd:xml:4.1.2",
            "https://as.example",
            "a:",
            "a://",
            "a:/b//c",
            "http://u:p@h:/?a?#/?",
            "http://[v1.a:b]",
            "x+y-z.1:%41%ff",
        ] {
            assert!(is_uri(text), "{text}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "",
            "authority",
            "//as.example",
            ":a",
            "1a:b",
            "a b:c",
            "http://a b",
            "http://a/%4",
            "http://a/%zz",
            "a:b#c#d",
            "a:[b]",
            "http://a[b]",
            "http://[::1",
            "http://[::g]",
            "http://[::1]x",
            "http://[v.a]",
            "http://[fe80::1%25eth0]",
            "http://h:80a",
            "http://a/\"",
            "http://a/<b>",
            "http://a/\\",
            "http://a/^`{|}",
            "http://ä.example",
            "http://a/\u{7f}",
        ] {
            assert!(!is_uri(text), "{text}");
        }
    }
}
