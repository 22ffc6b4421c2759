//! The sidecar: signs HTTP calls for a program that cannot, so that the program holds neither key nor token.
//!
//! It listens on loopback and is reached in two ways, both of which need its secret:
//!
//! - as a base address: `http://127.0.0.1:PORT/<secret>/invoices/INV-7`;
//! - as an HTTP proxy: `http_proxy=http://killick:<secret>@127.0.0.1:PORT`, for `http://` addresses whose host the
//!   catalogue knows. `CONNECT` is refused: what is inside a tunnel cannot be signed.
//!
//! Of what the program sends, the method, path, query, content type and body are kept and everything else is dropped.

mod entrance;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use killick_decide::catalogue::CatalogueDocument;
use killick_proof::limits::BODY_BYTES_MAX;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::client::{AgentClient, AgentClientConfig, AgentReply, AgentRequest, ClientError};
use crate::limits::{BODY_READ_TIMEOUT, HEAD_BUFFER_BYTES_MAX, HEAD_READ_TIMEOUT, SIDECAR_CONNECTIONS_MAX};
use crate::respond::{OBSERVED, RECEIPT, REQUEST_ID};
use entrance::{Entrance, Turned};

/// What a sidecar is started with.
pub struct SidecarConfig {
    /// The agent that it signs for, and the gateway that it calls.
    pub agent: AgentClientConfig,
    /// `host` or `host:port` under which the program knows the services behind the gateway, lower case; see
    /// [`catalogue_hosts`].
    pub hosts: BTreeSet<String>,
    /// At least 16 characters, made for this one sidecar: letters, digits, `-` and `_`, so that it fits into a URL.
    pub secret: Zeroizing<String>,
}

/// Why a sidecar does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SidecarError {
    /// It would be reachable from other machines.
    #[error("a sidecar listens on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The listener has no address.
    #[error("cannot listen: {0}")]
    Listener(std::io::Error),
    /// The secret is too short or does not fit into a URL.
    #[error("a sidecar's secret has at least 16 letters, digits, `-` and `_`")]
    Secret,
    /// The agent's client cannot be made.
    #[error("{0}")]
    Client(#[from] ClientError),
}

/// A running sidecar. Dropping it stops it.
pub struct Sidecar {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// The hosts under which a catalogue's services are known: the names that it lists, and the authorities of the
/// services' own addresses.
pub fn catalogue_hosts(catalogue: &CatalogueDocument) -> BTreeSet<String> {
    let own = |url: &str| {
        url.parse::<http::Uri>().ok()?.authority().map(|authority| authority.as_str().to_ascii_lowercase())
    };
    catalogue
        .upstreams
        .values()
        .flat_map(|upstream| {
            upstream.hosts.iter().map(|host| host.to_ascii_lowercase()).chain(own(&upstream.url))
        })
        .collect()
}

impl Sidecar {
    /// Starts to sign on `listener`, which must be bound to a loopback address.
    pub fn start(config: SidecarConfig, listener: TcpListener) -> Result<Self, SidecarError> {
        let address = listener.local_addr().map_err(SidecarError::Listener)?;
        if !address.ip().is_loopback() {
            return Err(SidecarError::NotLoopback(address));
        }
        let entrance = Entrance::new(&config.secret, config.hosts, address).ok_or(SidecarError::Secret)?;
        let inside = Arc::new(Inside { entrance, client: AgentClient::new(config.agent)? });
        Ok(Self { address, task: tokio::spawn(serve(inside, listener)) })
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Inside {
    entrance: Entrance,
    client: AgentClient,
}

async fn serve(inside: Arc<Inside>, listener: TcpListener) {
    let connections = Arc::new(Semaphore::new(SIDECAR_CONNECTIONS_MAX));
    // The connections belong to this task: they end with it.
    let mut open = tokio::task::JoinSet::new();
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                open.spawn(connection(Arc::clone(&inside), stream, permit));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        while open.try_join_next().is_some() {}
    }
}

async fn connection(inside: Arc<Inside>, stream: TcpStream, permit: OwnedSemaphorePermit) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let inside = Arc::clone(&inside);
        async move { Ok::<_, Infallible>(inside.answer(request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_READ_TIMEOUT)
        .max_buf_size(HEAD_BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(permit);
}

impl Inside {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let target = match self.entrance.admit(&head) {
            Ok(target) => target,
            Err(turned) => return turned.into_response(),
        };
        let collect = Limited::new(body, BODY_BYTES_MAX).collect();
        let body = match tokio::time::timeout(BODY_READ_TIMEOUT, collect).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return Turned::new(StatusCode::PAYLOAD_TOO_LARGE, "a body has at most 1 MiB")
                    .into_response();
            }
            Ok(Err(_)) => {
                return Turned::new(StatusCode::BAD_REQUEST, "the body ended early").into_response();
            }
            Err(_) => {
                return Turned::new(StatusCode::REQUEST_TIMEOUT, "the body took too long").into_response();
            }
        };
        // Without content there is nothing for a content type to describe; some programs send one all the same.
        let content_type = head
            .headers
            .get(CONTENT_TYPE)
            .filter(|_| !body.is_empty())
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let call = AgentRequest { method: head.method.as_str().to_owned(), target, content_type, body };
        match self.client.call(call).await {
            Ok(reply) => pass_back(reply),
            Err(error @ ClientError::Request(_)) => {
                Turned::new(StatusCode::BAD_REQUEST, &error.to_string()).into_response()
            }
            Err(error) => Turned::new(StatusCode::BAD_GATEWAY, &error.to_string()).into_response(),
        }
    }
}

/// The gateway's reply, as the program sees it: status, content type, receipt, request id and body.
fn pass_back(reply: AgentReply) -> Response<Full<Bytes>> {
    let redirect = matches!(reply.status, 300..=399) && reply.status != 304;
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = if redirect {
        let detail = format!(
            "the service answered with a redirect ({status}), which is not followed: a signature is for one target"
        );
        Turned::new(StatusCode::BAD_GATEWAY, &detail).into_response()
    } else {
        let mut response = Response::new(Full::new(reply.body));
        *response.status_mut() = status;
        set(&mut response, CONTENT_TYPE, reply.content_type);
        response
    };
    response.headers_mut().remove(LOCATION);
    set(&mut response, RECEIPT, reply.receipt);
    set(&mut response, REQUEST_ID, reply.request_id);
    set(&mut response, OBSERVED, reply.observed);
    set(&mut response, RETRY_AFTER, reply.retry_after);
    response
}

fn set(response: &mut Response<Full<Bytes>>, name: HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        response.headers_mut().insert(name, value);
    }
}
