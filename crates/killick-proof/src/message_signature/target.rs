//! The target of a request and what is derived from it (RFC 9421 sections 2.2.2 to 2.2.8).

use crate::refusal::{Code, Refusal};

/// Which form a request target has (RFC 9112 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `/path?query`
    Origin,
    /// `https://host/path?query`
    Absolute,
    /// `host:port`, of CONNECT.
    Authority,
    /// `*`, of OPTIONS.
    Asterisk,
}

/// A request target with the scheme and authority that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    form: Form,
    /// As it was sent.
    raw: String,
    /// Lower case.
    scheme: String,
    /// As it was sent; `None` if the message has none.
    authority: Option<String>,
}

impl Target {
    /// Reads a target; see [`super::message::Request::new`].
    pub(super) fn read(method: &str, scheme: &str, raw: &str, host: Option<&[u8]>) -> Result<Self, Refusal> {
        // RFC 3986 has no others, and no fragment is ever sent (RFC 9110 section 7.1).
        if raw.is_empty() || !raw.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
            return refuse("the request target is empty or has bytes that no target may have");
        }
        let host = match host.map(std::str::from_utf8) {
            None | Some(Ok("")) => None,
            Some(Ok(host)) => Some(host),
            Some(Err(_)) => return refuse("`Host` is not ASCII"),
        };
        if let Some(host) = host {
            check_authority(host)?;
        }
        let scheme = scheme.to_ascii_lowercase();
        let with = |form, scheme: String, authority: Option<&str>| {
            check_scheme(&scheme)?;
            Ok(Self { form, raw: raw.to_owned(), scheme, authority: authority.map(str::to_owned) })
        };
        match (method, raw) {
            ("CONNECT", _) => {
                // RFC 9110 section 9.3.6: host and port, nothing else.
                let has_port =
                    raw.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && is_port(port));
                check_authority(raw)?;
                if !has_port {
                    return refuse("the target of CONNECT is not a host with its port");
                }
                with(Form::Authority, scheme, Some(raw))
            }
            ("OPTIONS", "*") => with(Form::Asterisk, scheme, host),
            _ if raw.starts_with('/') => with(Form::Origin, scheme, host),
            _ => {
                let Some((scheme, rest)) = raw.split_once("://") else {
                    return refuse("the request target has none of the forms of RFC 9112 section 3.2");
                };
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let authority = rest.get(..end).unwrap_or_default();
                check_authority(authority)?;
                let scheme = scheme.to_ascii_lowercase();
                // RFC 9112 section 3.2.2: the target wins; but whoever reads `Host` would read another.
                let same = |host| normal_authority(&scheme, host) == normal_authority(&scheme, authority);
                if !host.is_none_or(same) {
                    return refuse("`Host` is not the authority of the request target");
                }
                with(Form::Absolute, scheme, Some(authority))
            }
        }
    }

    /// With another scheme and authority.
    pub(super) fn with_origin(mut self, scheme: &str, authority: &str) -> Result<Self, Refusal> {
        let scheme = scheme.to_ascii_lowercase();
        check_scheme(&scheme)?;
        check_authority(authority)?;
        if matches!(self.form, Form::Absolute | Form::Authority) {
            return refuse("the request target has its own authority");
        }
        self.scheme = scheme;
        self.authority = Some(authority.to_owned());
        Ok(self)
    }

    /// `@request-target` (section 2.2.5): as it was sent.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// `@scheme` (section 2.2.4): lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// `@authority` (section 2.2.3): lower case, the scheme's default port left out. Errs (`sig.coverage`) if the
    /// message has none.
    pub fn authority(&self) -> Result<String, Refusal> {
        self.sent_authority().map(|authority| normal_authority(&self.scheme, authority))
    }

    /// `@target-uri` (section 2.2.2), assembled as in RFC 9112 section 3.3, in the spelling in which its parts came.
    /// Errs (`sig.coverage`) if the message has no authority.
    pub fn uri(&self) -> Result<String, Refusal> {
        let (scheme, path_and_query) = match self.form {
            Form::Absolute => return Ok(self.raw.clone()),
            Form::Origin => (&self.scheme, self.raw.as_str()),
            Form::Authority | Form::Asterisk => (&self.scheme, ""),
        };
        Ok(format!("{scheme}://{}{path_and_query}", self.sent_authority()?))
    }

    /// `@path` (section 2.2.6): the absolute path, `/` for an empty one, percent-encoding as sent. Errs
    /// (`sig.coverage`) for the asterisk and authority forms, which have none: RFC 9110 section 4.2.3 keeps the empty
    /// path of an OPTIONS request apart from `/`.
    pub fn path(&self) -> Result<&str, Refusal> {
        let (path, _) = self.path_and_query()?;
        Ok(if path.is_empty() { "/" } else { path })
    }

    /// `@query` (section 2.2.7): with its `?`, which stands alone where there is no query. Errs as [`Target::path`].
    pub fn query(&self) -> Result<&str, Refusal> {
        let (_, query) = self.path_and_query()?;
        Ok(if query.is_empty() { "?" } else { query })
    }

    /// `@query-param` (section 2.2.8): the encoded value of the one parameter with this encoded name. Errs with
    /// `sig.coverage` if there is none and with `http.ambiguous` if there are several, or if an escape is not UTF-8,
    /// the only encoding that the section supports: what a lossy decoder makes of it two texts could share.
    pub fn query_parameter(&self, name: &str) -> Result<String, Refusal> {
        let query = self.query()?.strip_prefix('?').unwrap_or_default();
        let mut found = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if form_recode(key)? == name && found.replace(form_recode(value)?).is_some() {
                return Err(Refusal::new(Code::HttpAmbiguous, "a covered query parameter is there twice"));
            }
        }
        found.ok_or_else(|| {
            Refusal::new(
                Code::SigCoverage,
                "the signature covers a query parameter that the request does not have",
            )
        })
    }

    fn sent_authority(&self) -> Result<&str, Refusal> {
        self.authority
            .as_deref()
            .ok_or_else(|| Refusal::new(Code::SigCoverage, "the request names no authority"))
    }

    fn path_and_query(&self) -> Result<(&str, &str), Refusal> {
        let text = match self.form {
            Form::Origin => self.raw.as_str(),
            Form::Absolute => {
                let (_, rest) = self.raw.split_once("://").unwrap_or_default();
                rest.find(['/', '?']).and_then(|end| rest.get(end..)).unwrap_or_default()
            }
            Form::Authority | Form::Asterisk => {
                return Err(Refusal::new(
                    Code::SigCoverage,
                    "a target of this form has no path and no query",
                ));
            }
        };
        Ok(text.find('?').map_or((text, ""), |mark| text.split_at(mark)))
    }
}

/// An authority in lower case without its scheme's default port, or an empty one (RFC 9110 section 4.2.3, RFC 3986
/// section 6.2.3).
pub(crate) fn normal_authority(scheme: &str, authority: &str) -> String {
    let mut authority = authority.to_ascii_lowercase();
    let default_port = match scheme {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        _ => ":",
    };
    let without = authority.strip_suffix(default_port).or_else(|| authority.strip_suffix(':')).map(str::len);
    if let Some(length) = without {
        authority.truncate(length);
    }
    authority
}

/// RFC 3986 section 3.1.
fn check_scheme(scheme: &str) -> Result<(), Refusal> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.');
    if scheme.starts_with(|c: char| c.is_ascii_lowercase()) && scheme.bytes().all(good) {
        return Ok(());
    }
    refuse("the scheme has bytes that no scheme may have")
}

/// RFC 3986 section 3.2 without user information (RFC 9110 section 4.2.4): a name, an address or `[` an address `]`,
/// and a port.
fn check_authority(authority: &str) -> Result<(), Refusal> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return refuse("the authority has brackets without an IPv6 address in them");
            }
            match rest.strip_prefix(':') {
                None if !rest.is_empty() => return refuse("the authority has text after its address"),
                port => ("", port.unwrap_or_default()),
            }
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    // `reg-name`: unreserved, sub-delims and escapes.
    let of_name = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&b);
    if authority.is_empty() || authority.starts_with(':') || !host.bytes().all(of_name) || !is_port(port) {
        return refuse("the authority is not a host with at most a port");
    }
    Ok(())
}

fn is_port(port: &str) -> bool {
    port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit())
}

/// A name or value of `application/x-www-form-urlencoded`, decoded and encoded again by the one set (URL standard
/// sections 5.1 and 1.3; RFC 9421 section 2.2.8).
fn form_recode(raw: &str) -> Result<String, Refusal> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        decoded.push(match (byte, tail) {
            (b'+', _) => b' ',
            // A percent sign without two digits is itself (URL standard section 1.3, "percent-decode").
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after;
                hex(*high) * 16 + hex(*low)
            }
            _ => *byte,
        });
    }
    if std::str::from_utf8(&decoded).is_err() {
        return Err(Refusal::new(Code::HttpAmbiguous, "the query has escapes that are not UTF-8"));
    }
    let mut out = String::with_capacity(decoded.len());
    for byte in decoded {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'-' | b'.' | b'_') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(out)
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

fn refuse<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Code::HttpTargetForm, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, raw: &str, host: &str) -> Result<Target, Code> {
        let host = (!host.is_empty()).then_some(host.as_bytes());
        Target::read(method, "HTTPS", raw, host).map_err(|refusal| refusal.code())
    }

    #[test]
    fn the_forms_of_section_2_2() {
        let origin = read("POST", "/path?param=value", "Www.Example.com:443").unwrap();
        assert_eq!(origin.uri().unwrap(), "https://Www.Example.com:443/path?param=value");
        assert_eq!(origin.authority().unwrap(), "www.example.com");
        assert_eq!(
            (origin.scheme(), origin.path().unwrap(), origin.query().unwrap()),
            ("https", "/path", "?param=value")
        );

        let absolute = read("GET", "HTTP://www.example.com:80?a=/b", "WWW.example.com").unwrap();
        assert_eq!((absolute.scheme(), absolute.authority().unwrap().as_str()), ("http", "www.example.com"));
        assert_eq!((absolute.path().unwrap(), absolute.query().unwrap()), ("/", "?a=/b"));
        assert_eq!(absolute.uri().unwrap(), absolute.raw());

        let connect = read("CONNECT", "www.example.com:80", "www.example.com").unwrap();
        assert_eq!(
            (connect.raw(), connect.authority().unwrap().as_str()),
            ("www.example.com:80", "www.example.com:80")
        );
        assert_eq!(connect.uri().unwrap(), "https://www.example.com:80");
        let options = read("OPTIONS", "*", "www.example.com").unwrap();
        assert_eq!((options.raw(), options.uri().unwrap().as_str()), ("*", "https://www.example.com"));
        for target in [connect, options] {
            assert_eq!(target.path().unwrap_err().code(), Code::SigCoverage);
            assert_eq!(target.query().unwrap_err().code(), Code::SigCoverage);
        }
        let bare = read("GET", "/?", "a").unwrap();
        assert_eq!(
            (bare.path().unwrap(), bare.query().unwrap(), bare.uri().unwrap().as_str()),
            ("/", "?", "https://a/?")
        );
        assert_eq!(read("GET", "/", "").unwrap().authority().unwrap_err().code(), Code::SigCoverage);
    }

    #[test]
    fn authorities_have_one_form() {
        for (scheme, authority, normal) in [
            ("https", "A.example:443", "a.example"),
            ("https", "a.example:80", "a.example:80"),
            ("http", "a.example:80", "a.example"),
            ("https", "a.example:", "a.example"),
            ("https", "[2001:DB8::443]", "[2001:db8::443]"),
            ("https", "[::1]:443", "[::1]"),
            ("https", "[::1]:8443", "[::1]:8443"),
            ("coap", "a.example:443", "a.example:443"),
        ] {
            assert_eq!(normal_authority(scheme, authority), normal, "{authority}");
        }
        for bad in
            ["user@a", "a:b", "a:1:2", ":80", "::1", "[::1", "[a]", "[::1]x", "a b", "a/b", "a:123456", "ä"]
        {
            assert_eq!(read("GET", "/", bad), Err(Code::HttpTargetForm), "{bad}");
        }
        for bad in
            ["", "a", "http:/a", "/a b", "/a#b", "/\u{e4}", "http://user@a/", "http:///a", "*", "1x://a/"]
        {
            assert_eq!(read("GET", bad, "a"), Err(Code::HttpTargetForm), "{bad}");
        }
        assert_eq!(read("GET", "http://a/", "b"), Err(Code::HttpTargetForm));
        assert_eq!(read("CONNECT", "a", "a"), Err(Code::HttpTargetForm));
        assert_eq!(read("CONNECT", "/", "a"), Err(Code::HttpTargetForm));
    }

    #[test]
    fn query_parameters_are_decoded_and_encoded_anew() {
        let target = "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace\
            &fa%C3%A7ade%22%3A%20=something&qux=&none&=x&t=%7e*%zz&a=1&a=2&b=1&%62=2&c=%ff";
        let target = read("GET", target, "a").unwrap();
        let value = |name: &str| target.query_parameter(name).map_err(|refusal| refusal.code());
        assert_eq!(value("c"), Err(Code::HttpAmbiguous), "not UTF-8");
        let target = read("GET", target.raw().strip_suffix("&c=%ff").unwrap(), "a").unwrap();
        let value = |name: &str| target.query_parameter(name).map_err(|refusal| refusal.code());
        let of = |text: &str| Ok(text.to_owned());
        // RFC 9421 section 2.2.8.
        assert_eq!(value("var"), of("this%20is%20a%20big%0Amultiline%20value"));
        assert_eq!(value("bar"), of("with%20plus%20whitespace"));
        assert_eq!(value("fa%C3%A7ade%22%3A%20"), of("something"));
        assert_eq!(value("qux"), of(""));
        assert_eq!(value("none"), of(""));
        assert_eq!(value(""), of("x"));
        assert_eq!(value("t"), of("%7E*%25zz"));
        assert_eq!(value("a"), Err(Code::HttpAmbiguous), "twice");
        assert_eq!(value("b"), Err(Code::HttpAmbiguous), "twice, once escaped");
        assert_eq!(value("absent"), Err(Code::SigCoverage));
        assert_eq!(value("fa%c3%a7ade%22%3a%20"), Err(Code::SigCoverage), "the name is in its one encoding");
    }
}
