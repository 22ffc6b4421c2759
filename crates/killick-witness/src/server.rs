//! The witness's HTTP interface (C2SP tlog-witness): `POST <prefix>/add-checkpoint`, and for monitors
//! `GET <prefix>/<origin hash>/checkpoint`. Plain HTTP: a proxy in front of it does TLS.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use killick_tlog::limits::ADD_CHECKPOINT_BYTES_MAX;
use killick_tlog::witness::{AddCheckpoint, Refused};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use crate::error::WitnessError;
use crate::limits::{ACCEPT_PAUSE, BODY_TIME_MAX, CONNECTIONS_MAX, DRAIN_TIME_MAX, HEAD_TIME_MAX};
use crate::store::Store;

/// A witness that answers.
#[derive(Clone, Debug)]
pub struct Server {
    store: Arc<Store>,
    failed: mpsc::Sender<WitnessError>,
}

impl Server {
    /// Answers on `listener` until `done` resolves. Errs when the witness's disk fails: the process should end then.
    pub async fn serve(
        store: Store,
        listener: TcpListener,
        done: impl Future<Output = ()> + Send,
    ) -> Result<(), WitnessError> {
        let (failed, mut failure) = mpsc::channel(1);
        let server = Self { store: Arc::new(store), failed };
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let connections = GracefulShutdown::new();
        tokio::pin!(done);
        let ended = loop {
            // A connection is accepted once there is a place for it.
            let place = Arc::clone(&places).acquire_owned();
            let accepted = async { (place.await, listener.accept().await) };
            let (place, accepted) = tokio::select! {
                () = &mut done => break Ok(()),
                Some(error) = failure.recv() => break Err(error),
                accepted = accepted => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                // Whoever connects may be gone before it is accepted; a full file table passes too.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let server = server.clone();
            let service = service_fn(move |request| {
                let server = server.clone();
                async move { Ok::<_, Infallible>(server.answer(request).await) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX);
            let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection broke");
                }
                drop(place);
            });
        };
        drop(listener);
        let _ = tokio::time::timeout(DRAIN_TIME_MAX, connections.shutdown()).await;
        ended
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        match path
            .rsplit_once('/')
            .map(|(prefix, last)| (prefix.rsplit('/').next().unwrap_or_default(), last))
        {
            Some((_, "add-checkpoint")) if request.method() == Method::POST => {
                self.add_checkpoint(request).await
            }
            Some((_, "add-checkpoint")) => only("POST"),
            Some((hash, "checkpoint")) if is_hash(hash) && request.method() == Method::GET => {
                self.checkpoint(hash.to_owned()).await
            }
            Some((hash, "checkpoint")) if is_hash(hash) => only("GET"),
            _ => text(StatusCode::NOT_FOUND, "there is nothing here; see https://c2sp.org/tlog-witness\n"),
        }
    }

    async fn add_checkpoint(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let body = Limited::new(request.into_body(), ADD_CHECKPOINT_BYTES_MAX).collect();
        let body = match tokio::time::timeout(BODY_TIME_MAX, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                return text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n");
            }
            Ok(Err(_)) => return text(StatusCode::BAD_REQUEST, "the body did not arrive whole\n"),
            Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n"),
        };
        let request = match AddCheckpoint::parse(&body) {
            Ok(request) => request,
            Err(error) => return refuse(&Refused::Malformed(error)),
        };
        let store = Arc::clone(&self.store);
        // On a thread of its own, to its end: a caller that goes away does not break the order of writes.
        let answer = tokio::task::spawn_blocking(move || {
            let answer = store.add_checkpoint(&request, now());
            if let Ok(Err(refused @ (Refused::Inconsistent(_) | Refused::Conflict { .. }))) = &answer {
                // tlog-witness: "the witness MAY log the request …, as it might be proof of log misbehavior".
                let head = request.checkpoint.unverified();
                let note = request.checkpoint.note().text().trim_end();
                tracing::warn!(
                    origin = head.origin,
                    size = head.size,
                    status = refused.status(),
                    note,
                    "not cosigned"
                );
            }
            answer
        });
        match answer.await {
            Ok(Ok(Ok(line))) => text(StatusCode::OK, &line),
            Ok(Ok(Err(refused))) => refuse(&refused),
            Ok(Err(error)) => self.fail(error),
            Err(error) => self.fail(WitnessError::Config(format!("the witness has panicked: {error}"))),
        }
    }

    async fn checkpoint(&self, hash: String) -> Response<Full<Bytes>> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || store.checkpoint(&hash)).await {
            Ok(Ok(Some(note))) => text(StatusCode::OK, &note),
            // "If the witness has never cosigned a checkpoint for that log, it MUST respond with a 404."
            Ok(Ok(None)) => text(StatusCode::NOT_FOUND, "no checkpoint of this log was cosigned here\n"),
            Ok(Err(_)) | Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "it cannot be read\n"),
        }
    }

    /// Stops the witness: whatever is on its disk now is for the next process to read.
    fn fail(&self, error: WitnessError) -> Response<Full<Bytes>> {
        tracing::error!(%error, "the witness stops");
        // Full if another one stops it already.
        let _ = self.failed.try_send(error);
        text(StatusCode::INTERNAL_SERVER_ERROR, "the witness cannot write, and stops\n")
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn refuse(refused: &Refused) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
    respond(status, refused.content_type(), refused.body())
}

fn only(method: &'static str) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "not with this method\n");
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(method));
    response
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", body.to_owned())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
