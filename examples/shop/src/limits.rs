//! Every bound of the shop, with its reason.

/// Bytes of a request body: an order or an invoice is far smaller.
pub const BODY_BYTES_MAX: usize = 262_144;
/// Rows of a list when the caller names no limit.
pub const LIST_ROWS_DEFAULT: i64 = 50;
/// Rows of a list at most: the shop has a few dozen records.
pub const LIST_ROWS_MAX: i64 = 500;
/// Euro cents of one amount at most (ten million euros): keeps sums far inside `i64` and exact in a double.
pub const AMOUNT_CENTS_MAX: i64 = 1_000_000_000;
/// Characters of any one text that a caller supplies.
pub const TEXT_CHARS_MAX: usize = 4_000;
/// Receipts returned by one reading of the receipt book.
pub const RECEIPTS_PER_READ_MAX: usize = 100_000;
/// Milliseconds that open requests get to finish after the order to stop.
pub const DRAIN_MS: u64 = 1_500;
