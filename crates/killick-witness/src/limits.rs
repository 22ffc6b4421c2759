//! Every bound of the witness and its client, by name.

use std::time::Duration;

/// Logs that one witness knows. Each costs one small file and a line of `seen`, which is written whole.
pub const LOGS_MAX: usize = 1_024;
/// Keys of one log: an old and a new one, and some to spare.
pub const LOG_KEYS_MAX: usize = 8;
/// Bytes of the file `seen`, and of a list of logs.
pub const LIST_BYTES_MAX: usize = 1024 * 1024;
/// Connections that a witness answers at once; more of them wait in the system's queue.
pub const CONNECTIONS_MAX: usize = 256;
/// How long a request's head may take to arrive, and how long a connection may be idle.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a request's body may take to arrive: 132 KiB at most.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// How long connections may delay a shutdown.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(2);
/// How long a log waits for a witness to accept a connection.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
/// How long a log waits for a witness's answer: it verifies one signature, and its disk syncs a few times.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Bytes of a witness's answer: a checkpoint at most.
pub const ANSWER_BYTES_MAX: usize = killick_tlog::limits::NOTE_BYTES_MAX;
/// Conflicts after which a witness is left alone until the next head. One is usual after a start; a second means that
/// somebody else has the log's key and asks too.
pub const CONFLICTS_MAX: usize = 2;
/// How long a witness that failed is left alone; doubled with each failure that follows.
pub const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// How long at most: a witness that is back is found within a minute.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Witnesses of one log. A note has room for 64 signatures, one of them the log's.
pub const WITNESSES_MAX: usize = 32;
/// How long nothing is accepted after it failed: a full file table needs a moment to empty.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
