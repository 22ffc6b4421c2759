//! The ways into the line.

pub(crate) mod http;
pub(crate) mod well_known;
