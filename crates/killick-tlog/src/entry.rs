//! What may be recorded: anything that can say itself in canonical JSON without revealing what people supplied.

/// Turns content that people or models supplied into commitments, under keys that can be erased.
pub trait Seal {
    /// HMAC-SHA-256 of `content` under a key that belongs to `subject`, this entry (`entry_id`) and `field` alone, in
    /// base64url. Once the subject's key is erased, nobody can tell what was committed to.
    fn commit(&self, subject: &str, entry_id: &str, field: &str, content: &[u8]) -> String;

    /// A pseudonym of a person (owner, principal): stable for one subject, meaningless without its key.
    fn pseudonym(&self, subject: &str) -> String;
}

/// Something that the ledger can record.
pub trait Entry: Send + 'static {
    /// The entry's bytes: canonical JSON (RFC 8785), at most [`ENTRY_BYTES_MAX`], by the schema of
    /// `docs/spec/entry.md`. `build` names the software, e.g. `killick 0.1.0`; it goes into the member `build`.
    fn encode(&self, seal: &dyn Seal, build: &str) -> Vec<u8>;
}

/// Bytes of one entry (C2SP tlog-tiles, entry bundles: a big-endian uint16 length).
pub const ENTRY_BYTES_MAX: usize = 65_535;
