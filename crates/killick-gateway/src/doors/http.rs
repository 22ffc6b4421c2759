//! The HTTP/1.1 door: connections in, raw requests to the line, replies out.
//!
//! A request whose body is framed by `Transfer-Encoding` is refused: whoever signs a body's digest knows its length,
//! and with one length encoding left there is nothing that two parsers could read differently.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use killick_proof::call::RawRequest;
use killick_proof::limits::BODY_BYTES_MAX;
use killick_proof::{Code, Refusal};
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::clock::request_id;
use crate::doors::well_known;
use crate::limits::{HEAD_BUFFER_BYTES_MAX, HEAD_FIELDS_MAX, Limits};
use crate::pipeline::{Line, handle, refuse};
use crate::respond::{self, Reply};
use crate::strangers::Stranger;

/// The door, shared by its connections.
pub(crate) struct Door {
    pub(crate) line: Arc<Line>,
    pub(crate) limits: Limits,
    /// The static document about this gateway.
    pub(crate) about: Bytes,
    connections: Arc<Semaphore>,
    in_flight: Arc<Semaphore>,
}

impl Door {
    pub(crate) fn new(line: Arc<Line>, limits: Limits, about: Bytes) -> Arc<Self> {
        let connections = Arc::new(Semaphore::new(limits.connections_max));
        let in_flight = Arc::new(Semaphore::new(limits.in_flight_max));
        Arc::new(Self { line, limits, about, connections, in_flight })
    }

    /// Accepts connections until `stop` says so; then lets those under way finish, for a bounded time. Returns whether
    /// all of them did.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        mut stop: watch::Receiver<bool>,
    ) -> bool {
        let graceful = GracefulShutdown::new();
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                (stream, peer, permit) = self.accept(&listener) => {
                    tokio::spawn(Arc::clone(&self).connection(stream, peer, permit, graceful.watcher()));
                }
            }
        }
        drop(listener);
        let drained = tokio::time::timeout(self.limits.drain_timeout, self.drain(graceful)).await.is_ok();
        if !drained {
            tracing::warn!("some requests were still under way when the time to drain them was over");
        }
        drained
    }

    /// Waits for every connection, and for the requests whose callers have left.
    async fn drain(&self, graceful: GracefulShutdown) {
        graceful.shutdown().await;
        let all = u32::try_from(self.limits.in_flight_max).unwrap_or(u32::MAX);
        let _ = self.in_flight.acquire_many(all).await;
    }

    /// The next connection, once there is room for one more.
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, IpAddr, OwnedSemaphorePermit) {
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else {
                // The semaphore is never closed; if it were, nothing more would be accepted.
                return std::future::pending().await;
            };
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, peer.ip(), permit),
                Err(error) => {
                    // For instance too many open files: give the others time to finish.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: IpAddr,
        permit: OwnedSemaphorePermit,
        watcher: Watcher,
    ) {
        let _ = stream.set_nodelay(true);
        let _open = Counted::new(&self.line.metrics.connections, permit);
        let door = Arc::clone(&self);
        let service = service_fn(move |request| {
            let door = Arc::clone(&door);
            async move { Ok::<_, Infallible>(door.request(request, peer).await.into_response()) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_read_timeout)
            .max_buf_size(HEAD_BUFFER_BYTES_MAX)
            .max_headers(HEAD_FIELDS_MAX)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    /// One request: its body read whole, then the line, in a task of its own. A caller who leaves does not stop what
    /// was begun, and a panic in the task denies this request and no other.
    async fn request(self: Arc<Self>, request: Request<Incoming>, peer: IpAddr) -> Reply {
        let raw = match self.read(request, peer).await {
            Ok(raw) => raw,
            Err((stranger, refusal)) => return self.turn_away(&stranger, &refusal).await,
        };
        let stranger = Stranger::of(&raw);
        let Ok(permit) = Arc::clone(&self.in_flight).try_acquire_owned() else {
            // Recording each of these would add to the load that they are refused for.
            let refusal = Refusal::new(Code::LimitRate, "too many requests at once");
            self.line.strangers.count(&self.line.ledger, refusal.code(), self.line.clock.now());
            return self.counted(respond::refused(&refusal, &stranger.request_id, None));
        };
        let under_way = Counted::new(&self.line.metrics.in_flight, permit);
        let door = Arc::clone(&self);
        let task = tokio::spawn(async move {
            let _under_way = under_way;
            if raw.target.starts_with(well_known::PREFIX) {
                well_known::answer(&door, raw).await
            } else {
                handle(&door.line, raw).await
            }
        });
        match task.await {
            Ok(reply) => reply,
            Err(_) => {
                self.line.metrics.panicked();
                tracing::error!(request_id = stranger.request_id, "a request failed inside and is denied");
                let refusal = Refusal::new(Code::InternalError, "the request failed inside and was denied");
                self.turn_away(&stranger, &refusal).await
            }
        }
    }

    async fn turn_away(&self, stranger: &Stranger, refusal: &Refusal) -> Reply {
        let reply = refuse(&self.line, stranger, refusal).await;
        self.counted(reply)
    }

    fn counted(&self, reply: Reply) -> Reply {
        self.line.metrics.answered(&reply);
        reply
    }

    /// Reads a request whole, within the bounds of size and time.
    async fn read(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Result<RawRequest, (Stranger, Refusal)> {
        let (head, body) = request.into_parts();
        let id = request_id(self.line.clock.now());
        let mut raw = RawRequest {
            method: head.method.as_str().to_owned(),
            target: head.uri.to_string(),
            headers: head
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
                .collect(),
            body: Vec::new(),
            peer: peer.to_string(),
            request_id: id.as_deref().unwrap_or_default().to_owned(),
        };
        if let Err(refusal) = id {
            return Err((Stranger::of(&raw), refusal));
        }
        let refuse =
            |raw: &RawRequest, code, detail: String| Err((Stranger::of(raw), Refusal::new(code, detail)));
        if head.headers.contains_key(TRANSFER_ENCODING) {
            // RFC 9112 section 6.3: a message with both encodings is an attempt at smuggling; hyper drops the
            // content-length of such a message, so the transfer encoding alone must decide.
            let detail = "a request's length is said by content-length; transfer-encoding is not accepted";
            return refuse(&raw, Code::HttpFraming, detail.to_owned());
        }
        if head.headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
            return refuse(&raw, Code::HttpFraming, "content-length was sent twice".to_owned());
        }
        let too_large = || format!("a body has at most {BODY_BYTES_MAX} bytes");
        if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
            return refuse(&raw, Code::LimitSize, too_large());
        }
        let collect = Limited::new(body, BODY_BYTES_MAX).collect();
        match tokio::time::timeout(self.limits.body_read_timeout, collect).await {
            Ok(Ok(body)) => raw.body = body.to_bytes().into(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return refuse(&raw, Code::LimitSize, too_large());
            }
            Ok(Err(_)) => return refuse(&raw, Code::HttpFraming, "the body ended early".to_owned()),
            Err(_) => return refuse(&raw, Code::LimitTime, "the body took too long".to_owned()),
        }
        Ok(raw)
    }
}

/// Something that takes one of a bounded number of places, which it gives back however it ends.
struct Counted {
    gauge: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Counted {
    fn new(gauge: &Gauge, permit: OwnedSemaphorePermit) -> Self {
        gauge.inc();
        Self { gauge: gauge.clone(), _permit: permit }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl Reply {
    /// As hyper writes it. A request whose body was not read leaves bytes behind that must not be taken for another
    /// request, so such a connection is closed.
    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if matches!(self.code, Some(Code::HttpFraming | Code::LimitSize | Code::LimitTime)) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
