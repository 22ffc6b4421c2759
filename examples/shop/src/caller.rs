//! Who called, as the service itself saw it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};

/// The caller. It is made by the guard after its check and goes into the receipt book as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "guard", rename_all = "kebab-case")]
pub enum Caller {
    /// The usual way: whoever holds the shared key, in the role that it says it has.
    ApiKey {
        /// The key's last four characters: it is one key for all, and a secret.
        key: String,
        /// What `X-Role` asserted.
        role: String,
    },
    /// Through killick: what the gateway's signature vouches for.
    Gateway {
        /// `killick-agent`: the SPIFFE ID of the agent.
        agent: String,
        /// `killick-request-id`
        request_id: String,
    },
    /// Nobody was checked; only where a route has no guard.
    Unguarded,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Caller>().cloned().unwrap_or(Caller::Unguarded))
    }
}
