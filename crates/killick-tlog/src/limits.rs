//! Every bound of the formats, by name.

/// Bytes of one signed note or checkpoint. C2SP signed-note asks for at least 16 signatures, of up to 5 kB each.
pub const NOTE_BYTES_MAX: usize = 128 * 1024;
/// Signature lines of one note; the specification asks for at least 16.
pub const NOTE_SIGNATURES_MAX: usize = 64;
/// Bytes of one key name or origin.
pub const NAME_BYTES_MAX: usize = 255;
/// Hashes of one proof: a tree of 2^64 leaves has no longer path; a consistency proof has one hash more.
pub const PROOF_HASHES_MAX: usize = 65;
/// Bytes of one receipt's text without its checkpoint: 65 hashes and two header lines.
pub const RECEIPT_BYTES_MAX: usize = NOTE_BYTES_MAX + 8 * 1024;
/// Bytes of a full entry bundle: 256 entries of 65,535 bytes, each with its length.
pub const BUNDLE_BYTES_MAX: usize = 256 * (crate::entry::ENTRY_BYTES_MAX + 2);
/// Microseconds by which an entry's time may lie before that of an entry above it: 30 s. Entries in flight overtake one
/// another by what a busy machine keeps them waiting; and a gateway whose clock is set back by more than 30 s stops
/// (`CLOCK_ROLLBACK_SECS` of `killick-gateway`), so that an honest log goes back by less.
pub const TIME_BACK_MICROS_MAX: u64 = 30_000_000;
/// Witnesses of a trust file: each costs a signature verification, and nobody runs a quorum of more.
pub const TRUST_WITNESSES_MAX: usize = 64;
/// Bytes of a trust file.
pub const TRUST_BYTES_MAX: usize = 1024 * 1024;
/// Lines of the consistency proof of one request to a witness (C2SP tlog-witness, add-checkpoint).
pub const WITNESS_PROOF_LINES_MAX: usize = 63;
/// Bytes of one request to a witness: the old size, 63 hashes in base64, and a checkpoint.
pub const ADD_CHECKPOINT_BYTES_MAX: usize = NOTE_BYTES_MAX + 4 * 1024;
/// Tiles that a reader of hashes keeps in each of two generations. In both together there is room for all above the leaves
/// of a tree of 10^8 entries: 1,533 tiles of 16 KiB, with what they hash up to; 32 MiB at most.
pub const TILES_KEPT_MAX: usize = 1_024;
