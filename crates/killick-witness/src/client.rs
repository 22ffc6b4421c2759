//! One witness as a log sees it: an address, one connection that is kept, answers bounded in size and time.

use std::net::IpAddr;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use killick_tlog::witness::origin_hash;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::limits::{ANSWER_BYTES_MAX, ANSWER_TIME_MAX, CONNECT_TIME_MAX};

/// The submission prefix of a witness: `http://host[:port][/path]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessUrl {
    authority: http::uri::Authority,
    path: String,
}

impl WitnessUrl {
    /// Reads a prefix. Errs with one sentence.
    pub fn parse(url: &str) -> Result<Self, String> {
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(
                "a witness is asked over http://; put a local TLS proxy before a witness behind https://"
                    .to_owned(),
            );
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority: http::uri::Authority =
            authority.parse().map_err(|_| "there is no host and port in it".to_owned())?;
        let path = path.trim_end_matches('/');
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        if authority.host().is_empty() || authority.as_str().contains('@') || !path.chars().all(allowed) {
            return Err("it is not http://host[:port][/path]".to_owned());
        }
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        Ok(Self { authority, path })
    }

    /// The host, without brackets.
    pub fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }
}

impl std::fmt::Display for WitnessUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// Why a witness gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers there.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The connection broke, the answer took too long, or is none.
    #[error("{0}")]
    Broken(String),
}

/// What a witness answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// Whether the answer came from this machine: it vouches for nothing that this machine could not say itself.
    pub same_host: bool,
}

/// Asks one witness.
#[derive(Debug)]
pub struct Client {
    url: WitnessUrl,
    /// The connection of the last question, if it still stands.
    connection: Mutex<Option<Connection>>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    same_host: bool,
}

impl Client {
    /// A client of the witness at this address. Connects when it first asks.
    pub fn new(url: WitnessUrl) -> Self {
        Self { url, connection: Mutex::new(None) }
    }

    /// Where the witness is.
    pub const fn url(&self) -> &WitnessUrl {
        &self.url
    }

    /// `POST <prefix>/add-checkpoint`.
    pub async fn add_checkpoint(&self, body: String) -> Result<Reply, ClientError> {
        self.ask(Method::POST, "add-checkpoint", Bytes::from(body)).await
    }

    /// `GET <prefix>/<origin hash>/checkpoint`: what the witness has cosigned last, as monitors see it. The submission
    /// prefix is taken for the monitoring prefix.
    pub async fn checkpoint(&self, origin: &str) -> Result<Reply, ClientError> {
        self.ask(Method::GET, &format!("{}/checkpoint", origin_hash(origin)), Bytes::new()).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Reply, ClientError> {
        let mut kept = self.connection.lock().await;
        let exchange = async {
            // Kept alive, as the specification asks; one that the witness has closed meanwhile is made anew, once.
            if let Some(mut connection) = kept.take()
                && let Ok(reply) = self.send(&mut connection, &method, path, body.clone()).await
            {
                *kept = Some(connection);
                return Ok(reply);
            }
            let mut connection = self.connect().await?;
            let reply = self.send(&mut connection, &method, path, body).await?;
            *kept = Some(connection);
            Ok(reply)
        };
        let late = || ClientError::Broken(format!("no answer in {} s", ANSWER_TIME_MAX.as_secs()));
        timeout(ANSWER_TIME_MAX, exchange).await.unwrap_or_else(|_| Err(late()))
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        let unreachable = |error: std::io::Error| ClientError::Unreachable(error.to_string());
        let address = (self.url.host(), self.url.authority.port_u16().unwrap_or(80));
        let stream = timeout(CONNECT_TIME_MAX, TcpStream::connect(address))
            .await
            .map_err(|_| ClientError::Unreachable(format!("no answer in {} s", CONNECT_TIME_MAX.as_secs())))?
            .map_err(unreachable)?;
        let same_host = is_same_host(
            stream.local_addr().map_err(unreachable)?.ip(),
            stream.peer_addr().map_err(unreachable)?.ip(),
        );
        let _ = stream.set_nodelay(true);
        let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ClientError::Broken(error.to_string()))?;
        // Ends when the sender is dropped or the witness closes.
        tokio::spawn(driver);
        Ok(Connection { sender, same_host })
    }

    async fn send(
        &self,
        connection: &mut Connection,
        method: &Method,
        path: &str,
        body: Bytes,
    ) -> Result<Reply, ClientError> {
        let broken = |error: hyper::Error| ClientError::Broken(format!("the connection broke: {error}"));
        connection.sender.ready().await.map_err(broken)?;
        let request = Request::builder()
            .method(method.clone())
            .uri(format!("{}/{path}", self.url.path))
            .header(header::HOST, self.url.authority.as_str())
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(Full::new(body))
            .map_err(|error| ClientError::Broken(error.to_string()))?;
        let (head, body) = connection.sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| ClientError::Broken(format!("its answer cannot be read: {error}")))?
            .to_bytes();
        Ok(Reply { status: head.status.as_u16(), body, same_host: connection.same_host })
    }
}

/// A connection to an address of this machine has that address at both ends, or a loopback one.
fn is_same_host(local: IpAddr, peer: IpAddr) -> bool {
    let canonical = peer.to_canonical();
    canonical.is_loopback() || local.to_canonical() == canonical
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_strict() {
        for good in
            ["http://w.example", "http://w.example:8080/", "http://127.0.0.1:1/a/b/", "http://[::1]:80/w"]
        {
            WitnessUrl::parse(good).unwrap();
        }
        assert_eq!(WitnessUrl::parse("http://w.example/a/").unwrap().to_string(), "http://w.example/a");
        for bad in [
            "",
            "w.example",
            "https://w.example",
            "http://",
            "http:///a",
            "http://u@w.example",
            "http://w/a?b",
        ] {
            assert!(WitnessUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_of_this_machine_is_told() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(is_same_host(ip("127.0.0.1"), ip("127.0.0.2")));
        assert!(is_same_host(ip("::1"), ip("::1")));
        assert!(is_same_host(ip("192.0.2.7"), ip("192.0.2.7")));
        assert!(is_same_host(ip("192.0.2.7"), ip("::ffff:192.0.2.7")));
        assert!(!is_same_host(ip("192.0.2.7"), ip("192.0.2.8")));
    }
}
