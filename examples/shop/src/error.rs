//! What the shop answers when it cannot do what was asked.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    /// No such record.
    #[error("there is no {0}")]
    NotFound(String),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The record is not in a state that permits it.
    #[error("{0}")]
    Conflict(String),
    /// The database failed.
    #[error("the store failed: {0}")]
    Store(#[from] sqlx::Error),
    /// The receipt book could not be written.
    #[error("the receipt book failed: {0}")]
    Receipts(#[from] std::io::Error),
    /// The seed data does not read: the program is built wrong.
    #[error("the seed data does not read: {0}")]
    Seed(#[from] serde_json::Error),
    /// The guard could not be set up.
    #[error("the guard: {0}")]
    Guard(String),
}

impl ShopError {
    /// A request that makes no sense, and why.
    pub fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid(why.into())
    }
}

impl IntoResponse for ShopError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        // What failed inside is for the operator, not for the caller.
        let text = if status.is_server_error() {
            eprintln!("shop: {self}");
            "something failed inside the shop".to_owned()
        } else {
            self.to_string()
        };
        (status, Json(serde_json::json!({ "error": text }))).into_response()
    }
}
