//! A catalogue from an OpenAPI 3.x description.

use crate::catalogue::{CatalogueError, Operation, Upstream};

/// Reads the operations of an OpenAPI 3.x document (JSON). The action is the operation's `x-killick-action`, or is
/// made of the method (`GET` read, `POST` create, `PUT`/`PATCH` update, `DELETE` delete) and the path's first literal
/// segment; the risk is `x-killick-risk`, or `read` for `GET`, `critical` for `DELETE`, else `write`. Sensitive
/// arguments carry `x-killick-sensitive: true`. Errs if an operation cannot be mapped exactly.
pub fn import(openapi: &serde_json::Value, upstream: &str, url: &str) -> Result<(Upstream, Vec<Operation>), CatalogueError> {
    let _ = (openapi, upstream, url);
    todo!()
}
