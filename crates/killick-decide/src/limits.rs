//! Every bound of this crate, with its reason.

/// Operations of one catalogue: ten thousand endpoints is a large enterprise.
pub const OPERATIONS_MAX: usize = 10_000;
/// Arguments of one operation.
pub const ARGUMENTS_MAX: usize = 256;
