//! Who may use a sidecar, and for what: the secret, the two ways in, and the hosts.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::Full;
use killick_proof::keys::sha256;
use zeroize::Zeroizing;

/// Characters of a secret: 96 bits in base64url.
const SECRET_CHARS_MIN: usize = 16;
/// The user name of the proxy's credentials.
const USER: &str = "killick";

/// The way into one sidecar.
pub(super) struct Entrance {
    /// SHA-256 of the secret: compared instead of it, so that neither time nor length tells anything.
    secret: Zeroizing<[u8; 32]>,
    hosts: BTreeSet<String>,
    /// The names of this very listener, `127.0.0.1:PORT` and `localhost:PORT`.
    own: [String; 2],
}

/// A request that is not signed, and why.
#[derive(Debug)]
pub(super) struct Turned {
    status: StatusCode,
    detail: String,
}

impl Entrance {
    /// `None` if the secret is too short or would not survive in a URL.
    pub(super) fn new(secret: &str, hosts: BTreeSet<String>, address: SocketAddr) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if secret.len() < SECRET_CHARS_MIN || !secret.bytes().all(fits) {
            return None;
        }
        Some(Self {
            secret: Zeroizing::new(sha256(secret.as_bytes())),
            hosts,
            own: [address.to_string(), format!("localhost:{}", address.port())],
        })
    }

    /// The target (path and query) that a request is for, if it may be signed.
    pub(super) fn admit(&self, head: &Parts) -> Result<String, Turned> {
        if head.method == Method::CONNECT {
            return Err(Turned::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "CONNECT is refused: this proxy signs each request, and cannot see the requests inside a tunnel. \
                 Use the http:// address of the service; the hop to the gateway is the sidecar's",
            ));
        }
        match head.uri.scheme_str() {
            Some(scheme) => self.admit_proxied(head, scheme),
            None => self.admit_based(head),
        }
    }

    /// `http://127.0.0.1:PORT/<secret>/path`
    fn admit_based(&self, head: &Parts) -> Result<String, Turned> {
        // A page in a browser can be made to resolve any name to this address; it cannot choose another `Host`.
        let mut hosts = head.headers.get_all(HOST).iter();
        let named = hosts.next().and_then(|host| host.to_str().ok()).map(str::to_ascii_lowercase);
        if hosts.next().is_some() || !named.is_some_and(|host| self.own.contains(&host)) {
            return Err(Turned::new(
                StatusCode::MISDIRECTED_REQUEST,
                "call the sidecar by its loopback address",
            ));
        }
        let target = target(&head.uri);
        let (secret, rest) =
            target.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
        if !self.is_secret(secret.as_bytes()) {
            return Err(Turned::new(
                StatusCode::UNAUTHORIZED,
                "the address does not begin with this sidecar's secret: use the address in KILLICK_URL",
            ));
        }
        Ok(format!("/{rest}"))
    }

    /// `GET http://invoices.shop.example/invoices/INV-7`, with `Proxy-Authorization`.
    fn admit_proxied(&self, head: &Parts, scheme: &str) -> Result<String, Turned> {
        if !self.has_credentials(head) {
            return Err(Turned::new(
                StatusCode::PROXY_AUTHENTICATION_REQUIRED,
                "the proxy's address does not carry this sidecar's secret: use the address in http_proxy",
            ));
        }
        if scheme != "http" {
            return Err(Turned::new(StatusCode::BAD_REQUEST, "only http:// addresses are signed"));
        }
        let host =
            head.uri.authority().map(|authority| authority.as_str().to_ascii_lowercase()).unwrap_or_default();
        let bare = host.strip_suffix(":80").unwrap_or(&host);
        if !self.hosts.contains(&host) && !self.hosts.contains(bare) {
            return Err(Turned::new(
                StatusCode::FORBIDDEN,
                "the catalogue knows no service of this host, so nothing may be sent to it",
            ));
        }
        Ok(target(&head.uri))
    }

    /// RFC 7617: `Basic base64(killick:<secret>)`, once.
    fn has_credentials(&self, head: &Parts) -> bool {
        let mut fields = head.headers.get_all(PROXY_AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return false };
        let Some((scheme, encoded)) = field.to_str().ok().and_then(|field| field.split_once(' ')) else {
            return false;
        };
        let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).unwrap_or_default());
        let secret = decoded.strip_prefix(USER.as_bytes()).and_then(|rest| rest.strip_prefix(b":"));
        scheme.eq_ignore_ascii_case("basic") && secret.is_some_and(|secret| self.is_secret(secret))
    }

    fn is_secret(&self, offered: &[u8]) -> bool {
        verify_slices_are_equal(&sha256(offered), self.secret.as_slice()).is_ok()
    }
}

fn target(uri: &Uri) -> String {
    uri.path_and_query().map_or("/", |target| target.as_str()).to_owned()
}

impl Turned {
    pub(super) fn new(status: StatusCode, detail: &str) -> Self {
        Self { status, detail: detail.to_owned() }
    }

    /// Problem details (RFC 9457) of the sidecar's own; its connection is closed, since the body was not read.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = Response::new(Full::new(Bytes::from(problem.to_string())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if self.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            headers.insert(PROXY_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="killick""#));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const SECRET: &str = "0123456789abcdef-_XYZ";

    fn entrance() -> Entrance {
        let hosts = BTreeSet::from(["invoices.shop.example".to_owned(), "127.0.0.1:9001".to_owned()]);
        Entrance::new(SECRET, hosts, "127.0.0.1:4100".parse().unwrap()).unwrap()
    }

    fn admit(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        entrance().admit(&head).map_err(|turned| turned.status.as_u16())
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    #[test]
    fn the_base_address_needs_the_secret_and_the_loopback_name() {
        let host = [("host", "127.0.0.1:4100")];
        let with = format!("/{SECRET}/invoices/INV-7?full=1");
        assert_eq!(admit("GET", &with, &host), Ok("/invoices/INV-7?full=1".to_owned()));
        assert_eq!(admit("GET", &format!("/{SECRET}/"), &host), Ok("/".to_owned()));
        assert_eq!(
            admit("GET", &with, &[("host", "LocalHost:4100")]),
            Ok("/invoices/INV-7?full=1".to_owned())
        );
        for wrong in
            ["/", "/invoices/INV-7", "/0123456789abcdef-_XY/invoices", "/0123456789abcdef-_XYZ", "//invoices"]
        {
            assert_eq!(admit("GET", wrong, &host), Err(401), "{wrong}");
        }
        for host in ["evil.example", "127.0.0.1", "127.0.0.1:4101", "localhost:4100.evil.example"] {
            assert_eq!(admit("GET", &with, &[("host", host)]), Err(421), "{host}");
        }
        assert_eq!(admit("GET", &with, &[]), Err(421));
        assert_eq!(admit("GET", &with, &[("host", "127.0.0.1:4100"), ("host", "evil.example")]), Err(421));
    }

    #[test]
    fn the_proxy_needs_its_credentials_and_a_known_host() {
        let right = basic(&format!("killick:{SECRET}"));
        let auth = [("proxy-authorization", right.as_str())];
        let uri = "http://invoices.shop.example/invoices/INV-7?x=1";
        assert_eq!(admit("GET", uri, &auth), Ok("/invoices/INV-7?x=1".to_owned()));
        assert_eq!(admit("GET", "http://INVOICES.shop.example:80/a", &auth), Ok("/a".to_owned()));
        assert_eq!(admit("GET", "http://127.0.0.1:9001/a", &auth), Ok("/a".to_owned()));
        assert_eq!(admit("GET", uri, &[]), Err(407));
        for wrong in [
            basic(SECRET),
            basic("killick:wrong"),
            basic(&format!("root:{SECRET}")),
            format!("Bearer {SECRET}"),
        ] {
            assert_eq!(admit("GET", uri, &[("proxy-authorization", &wrong)]), Err(407), "{wrong}");
        }
        assert_eq!(admit("GET", uri, &[auth[0], auth[0]]), Err(407), "credentials come once");
        assert_eq!(admit("GET", "http://evil.example/a", &auth), Err(403));
        assert_eq!(admit("GET", "http://u@invoices.shop.example/a", &auth), Err(403));
        assert_eq!(admit("GET", "https://invoices.shop.example/a", &auth), Err(400));
        assert_eq!(admit("CONNECT", "invoices.shop.example:443", &auth), Err(405));
    }

    #[test]
    fn a_secret_must_be_long_and_fit_into_an_address() {
        let make =
            |secret: &str| Entrance::new(secret, BTreeSet::new(), "127.0.0.1:1".parse().unwrap()).is_some();
        assert!(make(SECRET));
        assert!(!make("short"));
        assert!(!make("0123456789abcdef/?"));
    }
}
