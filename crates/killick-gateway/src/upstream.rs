//! The only place that forwards: one pass in, one answer out.
//!
//! The outgoing request is built from the pass alone. Of what the agent sent, nothing reaches the upstream that was
//! not parsed, decided on and serialised again: no header of the agent's, no byte of its body as it came.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RETRY_AFTER,
};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use killick_proof::UnixTime;
use killick_proof::keys::{SigningKey, sha256};
use killick_proof::sign::{ForwardedRequest, sign_forwarded};

use crate::clock::{Forward, nonce};
use crate::limits::{IDLE_TIMEOUT, Limits, UPSTREAM_IDLE_MAX};
use crate::pass::Pass;

/// Response fields that are passed on. A short list of what describes the content: neither a connection's own fields
/// (RFC 9110 section 7.6.1) nor cookies, nor anything that looks like ours, comes through.
const PASSED_ON: [HeaderName; 6] =
    [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, ETAG, LAST_MODIFIED, RETRY_AFTER];

/// The services behind the gateway, with the connections to them.
pub struct Upstreams {
    client: Client<HttpConnector, Full<Bytes>>,
    key: Arc<SigningKey>,
    clock: Arc<Forward>,
    limits: Limits,
}

/// What came of forwarding one call.
#[derive(Debug)]
#[must_use = "a reply is released only with the call's record"]
pub struct Forwarded {
    pub(crate) request_id: String,
    pub(crate) agent: String,
    /// SHA-256 of the body that was forwarded.
    pub(crate) forwarded_digest: [u8; 32],
    /// When the answer was complete, or the failure certain.
    pub(crate) at: UnixTime,
    pub(crate) answer: Result<Answer, UpstreamError>,
}

/// An upstream's answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The catalogue's address is not one that can be called.
    #[error("the catalogue's address of the upstream cannot be used")]
    Address,
    /// No connection could be made, so nothing was sent.
    #[error("the upstream could not be reached; nothing was sent")]
    Unreachable,
    /// The connection broke after the call may have been sent.
    #[error("the connection to the upstream broke; whether it acted is not known")]
    Broken,
    /// The answer took too long.
    #[error("the upstream did not answer in time; whether it acted is not known")]
    TimedOut,
    /// The answer is larger than the bound.
    #[error("the upstream answered with more bytes than are passed on")]
    TooLarge,
    /// The call could not be signed.
    #[error("the call could not be signed; nothing was sent")]
    Unsigned,
}

impl Upstreams {
    pub(crate) fn new(key: Arc<SigningKey>, clock: Arc<Forward>, limits: Limits) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(limits.upstream_connect_timeout));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(UPSTREAM_IDLE_MAX)
            .build(connector);
        Self { client, key, clock, limits }
    }

    /// Sends the call that the pass is for, signed by this gateway, and reads the answer whole. Never follows a
    /// redirect and never sends a call twice.
    pub async fn forward(&self, pass: Pass) -> Forwarded {
        let forwarded_digest = sha256(&pass.body);
        let answer = match self.request(&pass) {
            Ok(request) => {
                let exchange = tokio::time::timeout(self.limits.upstream_timeout, self.exchange(request));
                exchange.await.unwrap_or(Err(UpstreamError::TimedOut))
            }
            Err(error) => Err(error),
        };
        Forwarded {
            request_id: pass.request_id,
            agent: pass.agent,
            forwarded_digest,
            at: self.clock.now(),
            answer,
        }
    }

    /// The outgoing request: the target, `host`, `accept`, `content-type`, `content-length` and the gateway's own
    /// fields. Nothing else.
    fn request(&self, pass: &Pass) -> Result<Request<Full<Bytes>>, UpstreamError> {
        let uri: Uri = format!("{}{}{}", pass.upstream_url.trim_end_matches('/'), pass.path, pass.query)
            .parse()
            .map_err(|_| UpstreamError::Address)?;
        // The catalogue may name a base path; the upstream sees, and verifies, the whole path.
        let (path, query) = (uri.path().to_owned(), uri.query().map(|query| format!("?{query}")));
        let fields = sign_forwarded(
            &ForwardedRequest {
                method: &pass.method,
                path: &path,
                query: query.as_deref().unwrap_or("?"),
                content_type: pass.content_type.as_deref(),
                body: &pass.body,
                request_id: &pass.request_id,
                agent: &pass.agent,
                action: &pass.action,
                nonce: &nonce().map_err(|_| UpstreamError::Unsigned)?,
            },
            &self.key,
            self.clock.now(),
        );
        let method = Method::from_bytes(pass.method.as_bytes()).map_err(|_| UpstreamError::Address)?;
        let mut request = Request::builder().method(method).uri(uri).header(ACCEPT, "application/json");
        if let Some(content_type) = &pass.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        for (name, value) in &fields {
            if !name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()) {
                request = request.header(name, value);
            }
        }
        request.body(Full::new(pass.body.clone())).map_err(|_| UpstreamError::Unsigned)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, UpstreamError> {
        let response = self.client.request(request).await.map_err(|error| {
            tracing::warn!(%error, "an upstream did not answer");
            if error.is_connect() { UpstreamError::Unreachable } else { UpstreamError::Broken }
        })?;
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, self.limits.upstream_body_bytes_max).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                return Err(UpstreamError::TooLarge);
            }
            Err(_) => return Err(UpstreamError::Broken),
        };
        let headers = PASSED_ON
            .into_iter()
            .filter_map(|name| head.headers.get(&name).cloned().map(|value| (name, value)))
            .collect();
        Ok(Answer { status: head.status, headers, body })
    }
}
