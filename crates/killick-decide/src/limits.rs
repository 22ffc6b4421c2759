//! Every bound of this crate, with its reason.

/// Operations of one catalogue: ten thousand endpoints is a large enterprise.
pub const OPERATIONS_MAX: usize = 10_000;
/// Arguments of one operation.
pub const ARGUMENTS_MAX: usize = 256;
/// Upstreams of one catalogue.
pub const UPSTREAMS_MAX: usize = 1_000;
/// Segments of one path template: the recursion over templates is bounded by it.
pub const SEGMENTS_MAX: usize = 64;
/// Bytes of a name in the catalogue: id, action, upstream, argument, host, literal segment.
pub const NAME_BYTES_MAX: usize = 256;
/// Characters of a path or query text that is read as a number, as for numbers in JSON.
pub const NUMBER_CHARS_MAX: usize = killick_proof::limits::JSON_NUMBER_CHARS_MAX;
/// `$ref` steps that the OpenAPI import follows before it takes the description for a circle.
pub const REF_STEPS_MAX: usize = 16;
/// Policies of one bundle: every one of them is evaluated on every call.
pub const POLICIES_MAX: usize = 1_000;
/// Bytes of one policy's text.
pub const POLICY_BYTES_MAX: usize = 65_536;
/// Characters of a caller's text that a detail quotes.
pub const QUOTE_CHARS_MAX: usize = 64;
/// Bytes of a short text in a log entry; a longer one is entered as its hash.
pub const ENTRY_TEXT_BYTES_MAX: usize = 512;
/// Elements of a list in a log entry; the rest is entered as a count. A path has at most 33 (AAT draft section 4.3).
pub const ENTRY_LIST_MAX: usize = 64;
/// Nesting of an act's members in a log entry; what is deeper is entered as its hash.
pub const ENTRY_DEPTH_MAX: usize = 4;
