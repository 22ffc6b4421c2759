//! One HTTP/1.1 request and its whole answer, over TCP or a Unix socket. Bounded in size and time.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes of an answer that are read: an OpenAPI description or a long list fits.
pub const ANSWER_BYTES_MAX: usize = 16 * 1_048_576;
/// How long a connection may take to come about.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long an answer may take.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody answers there.
    #[error("{0}")]
    Unreachable(String),
    /// The connection broke, or what came is no HTTP.
    #[error("{0}")]
    Broken(String),
}

/// Sends over a Unix socket.
pub async fn over_unix(socket: &Path, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, HttpError> {
    let stream = tokio::time::timeout(CONNECT_TIME_MAX, tokio::net::UnixStream::connect(socket))
        .await
        .map_err(|_| HttpError::Unreachable("no answer in 5 s".to_owned()))?
        .map_err(|error| HttpError::Unreachable(crate::output::plain(&error)))?;
    exchange(stream, request).await
}

/// Sends over TCP to `authority`, e.g. `127.0.0.1:7443`; port 80 if it names none.
pub async fn over_tcp(authority: &str, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, HttpError> {
    let authority: http::uri::Authority =
        authority.parse().map_err(|_| HttpError::Unreachable(format!("`{authority}` is no address")))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let address = (host, authority.port_u16().unwrap_or(80));
    let stream = tokio::time::timeout(CONNECT_TIME_MAX, tokio::net::TcpStream::connect(address))
        .await
        .map_err(|_| HttpError::Unreachable("no answer in 5 s".to_owned()))?
        .map_err(|error| HttpError::Unreachable(crate::output::plain(&error)))?;
    let _ = stream.set_nodelay(true);
    exchange(stream, request).await
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| HttpError::Broken(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let driver = tokio::spawn(connection);
    let answer = tokio::time::timeout(ANSWER_TIME_MAX, async {
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| HttpError::Broken(error.to_string()))?
            .to_bytes();
        Ok(Response::from_parts(head, body))
    })
    .await
    .map_err(|_| HttpError::Broken("no answer in 60 s".to_owned()))?;
    driver.abort();
    answer
}
