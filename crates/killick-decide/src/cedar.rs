//! Cedar, and nothing else in killick sees it.

/// A validated policy set with the schema made from the catalogue.
#[derive(Debug)]
pub struct Policies {}
