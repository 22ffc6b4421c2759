//! An agent's side of a call: sign it, send it to the gateway, read the reply. Used by the sidecar, by
//! `killick call` and by the pilot.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use killick_proof::Code;
use killick_proof::keys::SigningKey;
use killick_proof::limits::CHAIN_HEADER_BYTES_MAX;
use killick_proof::sign::{OutgoingRequest, sign_request, sign_request_by_hash};
use tokio::sync::{Mutex, watch};

use crate::clock::{Clock, nonce};
use crate::doors::well_known::CHAINS;
use crate::limits::{
    IDLE_TIMEOUT, SIDECAR_SIGNATURE_SECS, SIDECAR_TIMEOUT, UPSTREAM_BODY_BYTES_MAX, UPSTREAM_CONNECT_TIMEOUT,
};
use crate::respond::{OBSERVED, RECEIPT, REQUEST_ID};

/// What an agent needs to make calls.
pub struct AgentClientConfig {
    /// The gateway's public origin, e.g. `http://127.0.0.1:7443`: where calls are sent and what they are signed for.
    pub gateway_url: String,
    /// The gateway's SPIFFE ID.
    pub audience: String,
    /// The agent's key.
    pub key: Arc<SigningKey>,
    /// The agent's chain: compact JWSs joined by `~`. A new one takes effect with the next call.
    pub chain: watch::Receiver<Arc<str>>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
}

/// Makes signed calls for one agent. Clones share the connections.
#[derive(Clone)]
pub struct AgentClient {
    config: Arc<AgentClientConfig>,
    client: Client<HttpConnector, Full<Bytes>>,
    /// The long chain that the gateway was last given.
    put: Arc<Mutex<Option<Arc<str>>>>,
}

/// How the chain travels.
#[derive(Clone, Copy)]
enum Carried {
    Inline,
    Hashed,
}

/// A call to make.
#[derive(Clone, Debug)]
pub struct AgentRequest {
    /// Upper case.
    pub method: String,
    /// Path and query, percent-encoded: `/invoices/INV-7?full=1`.
    pub target: String,
    /// Where there is content.
    pub content_type: Option<String>,
    /// The body; may be empty.
    pub body: Bytes,
}

/// A reply to a signed call. A denial is a reply too.
#[derive(Clone, Debug)]
pub struct AgentReply {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub content_type: Option<String>,
    /// `Killick-Receipt`, as it came: base64 of the tlog-proof text.
    pub receipt: Option<String>,
    /// `Killick-Request-Id`
    pub request_id: Option<String>,
    /// In observe mode: the code of the denial that was not enforced.
    pub observed: Option<String>,
    /// `Retry-After`, seconds.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The request cannot be sent as it is.
    #[error("the request cannot be sent: {0}")]
    Request(String),
    /// The gateway could not be reached.
    #[error("the gateway at {url} cannot be reached: {problem}")]
    Unreachable {
        /// Its address.
        url: String,
        /// What went wrong.
        problem: String,
    },
    /// The reply took too long, or was too large, or broke off.
    #[error("the gateway's reply could not be read: {0}")]
    Reply(String),
}

impl AgentReply {
    /// The reason code of a denial or refusal: the `code` member of its problem details.
    pub fn code(&self) -> Option<String> {
        if self.content_type.as_deref() != Some("application/problem+json") {
            return None;
        }
        let problem: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        problem.get("code")?.as_str().map(str::to_owned)
    }

    /// The receipt's tlog-proof text (C2SP tlog-proof). Says nothing until it is verified.
    pub fn receipt_text(&self) -> Option<String> {
        String::from_utf8(STANDARD.decode(self.receipt.as_deref()?).ok()?).ok()
    }

    /// The log index that the receipt states. Says nothing until the receipt is verified.
    pub fn log_index(&self) -> Option<u64> {
        self.receipt_text()?.lines().find_map(|line| line.strip_prefix("index ")?.parse().ok())
    }
}

impl AgentClient {
    /// A client for one agent and one gateway. Errs if the gateway's address is not one that can be called.
    pub fn new(config: AgentClientConfig) -> Result<Self, ClientError> {
        let uri: Uri = config.gateway_url.parse().map_err(|_| unusable(&config.gateway_url))?;
        if uri.scheme_str() != Some("http")
            || uri.authority().is_none()
            || uri.path() != "/"
            || uri.query().is_some()
        {
            return Err(unusable(&config.gateway_url));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(UPSTREAM_CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self { config: Arc::new(config), client, put: Arc::default() })
    }

    /// Signs and sends one call. Redirects are not followed: a signature is for one target. A chain too long for a
    /// header is put to the gateway first, and again if the gateway no longer has it.
    pub async fn call(&self, request: AgentRequest) -> Result<AgentReply, ClientError> {
        let chain = Arc::clone(&self.config.chain.borrow());
        if chain.len() <= CHAIN_HEADER_BYTES_MAX {
            return self.send(self.sign(&request, &chain, Carried::Inline)?).await;
        }
        if self.put.lock().await.as_ref() != Some(&chain)
            && let Some(refused) = self.put_chain(&chain).await?
        {
            return Ok(refused);
        }
        let reply = self.send(self.sign(&request, &chain, Carried::Hashed)?).await?;
        if reply.code().as_deref() != Some(Code::ChainUnknown.as_str()) {
            return Ok(reply);
        }
        // The gateway was restarted, or had no more room. The call was not admitted, so it is signed anew.
        match self.put_chain(&chain).await? {
            Some(refused) => Ok(refused),
            None => self.send(self.sign(&request, &chain, Carried::Hashed)?).await,
        }
    }

    /// Puts the chain to the gateway; returns its reply if it was not kept.
    async fn put_chain(&self, chain: &Arc<str>) -> Result<Option<AgentReply>, ClientError> {
        let uri = format!("{}{CHAINS}", self.config.gateway_url.trim_end_matches('/'));
        let request = Request::post(uri)
            .header(CONTENT_TYPE, "text/plain")
            .body(Full::new(Bytes::copy_from_slice(chain.as_bytes())))
            .map_err(|error| ClientError::Request(error.to_string()))?;
        let reply = self.send(request).await?;
        if reply.status != 201 {
            return Ok(Some(reply));
        }
        *self.put.lock().await = Some(Arc::clone(chain));
        Ok(None)
    }

    /// The call as it goes out. Only the method, target, content type and body are the caller's.
    fn sign(
        &self,
        request: &AgentRequest,
        chain: &str,
        carried: Carried,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let wrong = |what: &str| ClientError::Request(what.to_owned());
        if !request.target.starts_with('/') {
            return Err(wrong("its target does not begin with `/`"));
        }
        let target_uri = format!("{}{}", self.config.gateway_url.trim_end_matches('/'), request.target);
        let uri: Uri = target_uri.parse().map_err(|_| wrong("its target is not a URL"))?;
        let sign = match carried {
            Carried::Inline => sign_request,
            Carried::Hashed => sign_request_by_hash,
        };
        let fields = sign(
            &OutgoingRequest {
                method: &request.method,
                target_uri: &target_uri,
                content_type: request.content_type.as_deref(),
                body: &request.body,
                chain,
                audience: &self.config.audience,
                nonce: &nonce().map_err(|refusal| wrong(refusal.detail()))?,
                lifetime_secs: SIDECAR_SIGNATURE_SECS,
            },
            &self.config.key,
            self.config.clock.now(),
        );
        let method =
            Method::from_bytes(request.method.as_bytes()).map_err(|_| wrong("its method is not one"))?;
        let mut builder = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            builder = builder.header(name, value);
        }
        builder.body(Full::new(request.body.clone())).map_err(|_| wrong("a header of it is not valid"))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<AgentReply, ClientError> {
        tokio::time::timeout(SIDECAR_TIMEOUT, self.exchange(request)).await.unwrap_or_else(|_| {
            Err(ClientError::Reply(format!("nothing came within {} s", SIDECAR_TIMEOUT.as_secs())))
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<AgentReply, ClientError> {
        let response = self.client.request(request).await.map_err(|error| ClientError::Unreachable {
            url: self.config.gateway_url.clone(),
            problem: root_cause(&error),
        })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, UPSTREAM_BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| ClientError::Reply(error.to_string()))?.to_bytes();
        let text = |name: HeaderName| header(&head.headers, &name);
        Ok(AgentReply {
            status: head.status.as_u16(),
            content_type: text(CONTENT_TYPE),
            receipt: text(RECEIPT),
            request_id: text(REQUEST_ID),
            observed: text(OBSERVED),
            retry_after: text(http::header::RETRY_AFTER),
            body,
        })
    }

    /// How long [`AgentClient::call`] waits at most.
    pub const fn timeout(&self) -> Duration {
        SIDECAR_TIMEOUT
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn unusable(url: &str) -> ClientError {
    ClientError::Request(format!("`{url}` is not a gateway's address; write it as `http://host:port`"))
}

/// The innermost cause: `Connection refused` says more than `client error`.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
