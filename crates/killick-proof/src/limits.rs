//! Every bound of this crate, with its reason.

/// Bytes of one token (AAT draft section 4.3.1 recommends 64 KiB).
pub const TOKEN_BYTES_MAX: usize = 65_536;
/// Bytes of a whole chain (AAT draft section 4.3.1 recommends 256 KiB).
pub const CHAIN_BYTES_MAX: usize = 262_144;
/// Bytes of a chain that travels in the `Authorization` field: what common servers take in one head.
pub const CHAIN_HEADER_BYTES_MAX: usize = 12_288;
/// Links below the root (AAT draft section 4.3, `MAX_DELEGATION_DEPTH`).
pub const DELEGATION_DEPTH_MAX: u64 = 32;
/// Nesting of `all` and `any` (AAT draft section 7, step 3n, `MAX_CONSTRAINT_DEPTH`).
pub const CONSTRAINT_DEPTH_MAX: usize = 32;
/// Clauses of one `all` or `any`, values of one set: keeps matching polynomial and small.
pub const CONSTRAINT_CLAUSES_MAX: usize = 1_024;
/// Seconds that an `iat` or `created` may lie ahead of our clock (AAT draft section 4.4 recommends 30).
pub const CLOCK_SKEW_SECS: u64 = 30;
/// Seconds from `iat` to `exp` of a token unless configured lower.
pub const TOKEN_LIFETIME_SECS_MAX: u64 = 86_400;
/// Seconds from `created` to `expires` of a request signature: a signed request is for now, not for later.
pub const SIGNATURE_LIFETIME_SECS_MAX: u64 = 60;
/// Nesting of JSON in requests and tokens.
pub const JSON_DEPTH_MAX: usize = 64;
/// Characters of one JSON number: beyond this no business value lies.
pub const JSON_NUMBER_CHARS_MAX: usize = 64;
/// Bytes of a request body that is read whole (1 MiB).
pub const BODY_BYTES_MAX: usize = 1_048_576;
/// Bytes of a request target.
pub const TARGET_BYTES_MAX: usize = 8_192;
/// Header fields of one request.
pub const HEADERS_MAX: usize = 64;
/// Bytes of all header names and values of one request.
pub const HEADER_BYTES_MAX: usize = 32_768;
/// Bytes of a SPIFFE ID (SPIFFE-ID section 2.3 asks for at most 2048).
pub const SPIFFE_ID_BYTES_MAX: usize = 2_048;
/// Characters of a nonce.
pub const NONCE_CHARS_MAX: usize = 128;
/// Nonces kept by one replay window: 60 s + 30 s of skew at about 20,000 requests/s.
pub const REPLAY_ENTRIES_MAX: usize = 2_000_000;
/// Seconds that a gateway's signature on a forwarded request is good for: the time of one hop and of two clocks that
/// differ.
pub const FORWARDED_LIFETIME_SECS_MAX: u64 = 30;
/// Pairs of one query: no operation has more parameters.
pub const QUERY_PAIRS_MAX: usize = 128;
/// Characters of a certificate's common name (X.520 `ub-common-name`, RFC 5280 appendix A.1).
pub const TRUST_DOMAIN_COMMON_NAME_MAX: usize = 64;
/// Bytes of a signed bundle: tens of thousands of agents and revocations.
pub const BUNDLE_BYTES_MAX: usize = 64 * 1_048_576;
/// Nesting of JSON in tokens: room for constraints one deeper than [`CONSTRAINT_DEPTH_MAX`] (two levels each) and the
/// levels around them, so that what is too deep is called by its right name.
pub const TOKEN_JSON_DEPTH_MAX: usize = 128;
/// Explicit denies of one token: a list that people can still read.
pub const DENIES_MAX: usize = 1_024;
/// Bytes of a web address that a `killick_url` constraint looks at: what servers take in one request line at ease.
pub const URL_BYTES_MAX: usize = 2_048;
/// Bytes of a path that a `killick_path` constraint looks at (`PATH_MAX` of Linux).
pub const PATH_BYTES_MAX: usize = 4_096;
/// Letters of a `killick_pattern`: its places fit into one machine word of 128 bits.
pub const PATTERN_CHARS_MAX: usize = 127;
/// Bytes of a text that a `killick_pattern` is held against: names and references, not documents.
pub const PATTERN_VALUE_BYTES_MAX: usize = 4_096;
/// Bytes of one certificate: a SPIFFE ID of 2048 bytes and a few extensions, with room.
pub const CERTIFICATE_BYTES_MAX: usize = 16_384;
/// Signing certificates that may come with an SVID: what `rustls-webpki` follows too.
pub const SVID_INTERMEDIATES_MAX: usize = 6;
/// Bytes of a SPIFFE bundle, JSON or PEM (1 MiB): hundreds of keys, where a handful is usual.
pub const SPIFFE_BUNDLE_BYTES_MAX: usize = 1_048_576;
/// Keys or certificates of one SPIFFE bundle: each is tried, so that their number bounds the work of a verification.
pub const BUNDLE_ENTRIES_MAX: usize = 256;
/// Bytes of a JWT-SVID: what fits into a header field.
pub const JWT_SVID_BYTES_MAX: usize = 8_192;
/// Audiences of a JWT-SVID (JWT-SVID section 7.2 recommends one).
pub const JWT_SVID_AUDIENCES_MAX: usize = 16;
/// Signatures of one message: its sender's, and those of the proxies on its way.
pub const MESSAGE_SIGNATURES_MAX: usize = 16;
/// Components that one signature covers: all field lines of a message and everything derived.
pub const COVERED_COMPONENTS_MAX: usize = 128;
/// Bytes of a secret for HMAC with SHA-256 (RFC 2104 section 3, RFC 7518 section 3.2: at least those of its output).
pub const HMAC_KEY_BYTES_MIN: usize = 32;
/// SVIDs shown with one chain: one for each registered agent that something was delegated to.
pub const SHOWN_SVIDS_MAX: usize = 8;
