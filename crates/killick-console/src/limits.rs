//! Every bound of this crate, with its reason.

/// Entries that the index keeps, newest first: about 50 MB; older ones are in the log, which `killick log show` reads.
pub const INDEX_ENTRIES_MAX: u64 = 100_000;
/// Entries that one read takes from the ledger.
pub const READ_ENTRIES_MAX: u64 = 1_024;
/// Rows of one page.
pub const PAGE_ROWS_MAX: usize = 200;
/// Rows of the overview's list.
pub const OVERVIEW_ROWS: usize = 12;
/// Entries up to which the console verifies the whole log itself; beyond it the page names the command that does.
pub const VERIFY_ENTRIES_MAX: u64 = 200_000;
/// Seconds for which a verification's result is shown before it is done again.
pub const VERIFY_AGE_SECS: u64 = 15;
/// Characters of any text from an entry or a person that a page shows; the API and the entry itself have it whole.
pub const TEXT_CHARS_MAX: usize = 160;
/// Holders drawn in a trace: the deepest chain there can be (AAT draft section 4.3), and its root.
pub const TRACE_HOLDERS_MAX: usize = 33;
/// Milliseconds between looks at the ledger for new entries.
pub const FOLLOW_MILLIS: u64 = 200;
/// Seconds that one request may take.
pub const REQUEST_SECS_MAX: u64 = 15;
