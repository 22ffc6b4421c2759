//! Every bound of this crate, with its reason.

/// Characters of an agent's name: one DNS label, so that it fits into host names and labels of other systems.
pub const NAME_CHARS_MAX: usize = 63;
/// Characters of an owner, a model's name, a purpose and other text of people's: a line, not a document.
pub const TEXT_CHARS_MAX: usize = 256;
/// Bytes of a grant in the human syntax.
pub const GRANT_BYTES_MAX: usize = 16_384;
/// Agents of one trust domain, gone ones included: the bundle that holds them is sent whole.
pub const AGENTS_MAX: usize = 20_000;
/// Revocations of one trust domain, for the same reason.
pub const REVOCATIONS_MAX: usize = 200_000;
/// Versions of all capability bundles together: they are held in memory, and listed in one answer.
pub const CAPABILITY_VERSIONS_MAX: usize = 10_000;
/// Live tokens of one agent.
pub const TOKENS_LIVE_MAX: usize = 4_096;
/// Keys of one agent in the bundle: the current one and, during a rotation, the one before it.
pub const AGENT_KEYS_MAX: usize = 2;
/// Seconds that a token lives when nobody says otherwise.
pub const TOKEN_LIFETIME_SECS: u64 = 3_600;
/// Links below a root token when nobody says otherwise.
pub const TOKEN_DEPTH: u64 = 3;
/// Seconds that an SVID lives.
pub const SVID_LIFETIME_SECS: u64 = 3_600;
/// Seconds that the trust domain's SVID root lives: ten years.
pub const ROOT_LIFETIME_SECS: u64 = 315_360_000;
/// Seconds that observe mode may last: a week, after which denials are enforced again whoever forgot it.
pub const OBSERVE_SECS_MAX: u64 = 604_800;
/// Seconds between bundles when nothing changes, so that a gateway can tell a quiet authority from a dead one.
pub const HEARTBEAT_SECS: u64 = 30;
/// Changes that wait for the writer; beyond it callers wait.
pub const QUEUE_CHANGES_MAX: usize = 1_024;
/// Changes that one transaction takes.
pub const BATCH_CHANGES_MAX: usize = 256;
/// Bytes of a request to the admin API: an OpenAPI description of a large service fits.
pub const ADMIN_BODY_BYTES_MAX: usize = 8_388_608;
/// Connections to the admin socket at once.
pub const ADMIN_CONNECTIONS_MAX: usize = 128;
/// Seconds that one admin request may take.
pub const ADMIN_REQUEST_SECS_MAX: u64 = 30;
/// Bytes of `catalogue.json` and of one policy file.
pub const RULES_FILE_BYTES_MAX: u64 = 16_777_216;
/// Policy files of one trust domain.
pub const POLICIES_MAX: usize = 1_024;
/// Rows of one answer of the admin API.
pub const ROWS_MAX: i64 = 10_000;
/// Entries at the end of the directory log that are read at start to find the last act that reached it. At least
/// [`BATCH_CHANGES_MAX`], because no more can be in flight.
pub const ACTS_TAIL: u64 = 1_024;
/// Actions that a catalogue may have had in its life: ten times what it may have at once.
pub const ACTIONS_REMEMBERED_MAX: usize = 100_000;
