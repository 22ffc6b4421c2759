//! Every bound of the ledger, by name.

use std::time::Duration;

/// Entries that wait for the committer. At 5,000 entries a second this is 1.6 s of work: longer than any wait that a
/// caller would bear, so a queue this full is better refused.
pub const QUEUE_ENTRIES_MAX: usize = 8_192;
/// Bytes that wait for the committer.
pub const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Entries of one commit. A receipt holds its batch's hashes: 64 bytes for each of them.
pub const BATCH_ENTRIES_MAX: usize = 4_096;
/// Bytes of one commit: what 4,096 decisions take, so that three fill a segment; a disk takes hardly longer to sync it
/// than to sync a page.
pub const BATCH_BYTES_MAX: usize = 2_560 * 1024;
/// Bytes of one journal segment, all written when it is made, so that a commit changes no file's size.
pub const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// Records of the journal start at multiples of this many bytes: no write touches the page of an acknowledged record.
pub const RECORD_ALIGN: usize = 4_096;
/// Bytes of one journal record: a full commit and its header.
pub const RECORD_BYTES_MAX: usize = BATCH_BYTES_MAX + RECORD_ALIGN;
/// Free segments that are kept for reuse: all that the journal can need while publication is as far behind as it may be
/// ([`UNPUBLISHED_BYTES_MAX`], and [`PUBLISH_BYTES`] under way). To make one anew takes a commit as long as eight megabytes.
pub const SPARE_SEGMENTS_MAX: usize = 12;
/// Longest time from the acknowledgement of an entry to its tiles and a checkpoint.
pub const PUBLISH_WITHIN: Duration = Duration::from_millis(200);
/// Acknowledged bytes that may wait for their tiles; beyond it the committer waits for the publisher.
pub const UNPUBLISHED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Unpublished bytes at which tiles are written before their time.
pub const PUBLISH_BYTES: usize = 16 * 1024 * 1024;
/// Entries that one call to `read` returns.
pub const READ_ENTRIES_MAX: u64 = 1_024;
/// Subjects (agents, owners, principals) with a key of their own.
pub const SUBJECTS_MAX: usize = 1_000_000;
/// Shortest time between two heads that witnesses are asked about: each costs each witness a few syncs of its disk.
pub const WITNESS_PERIOD: Duration = Duration::from_secs(1);
/// How long a head's witnesses are waited for, at the start too; longer than a witness may take to answer.
pub const WITNESS_ROUND_MAX: Duration = Duration::from_secs(6);
/// How long the other witnesses are waited for once the quorum is complete.
pub const WITNESS_GRACE: Duration = Duration::from_millis(200);
/// Time after which witnesses are asked anew though nothing was appended: a cosignature states the time too.
pub const WITNESS_REFRESH: Duration = Duration::from_secs(600);
/// Threads that write tiles of one publication: so many syncs become durable in one go. More of them only wait for each
/// other at the folder. They live as long as the publication.
pub const TILE_WRITERS_MAX: usize = 8;
