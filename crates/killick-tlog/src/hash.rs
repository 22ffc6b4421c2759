//! RFC 6962 hashing: leaves and nodes, told apart by their first byte.

use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::LogError;

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// Bytes of what a node's hash is of.
const NODE_BYTES: usize = 1 + 2 * HASH_BYTES;

/// A SHA-256 hash of a leaf or a subtree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    /// The hash with these bytes.
    pub const fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    /// The hash in the first and only 32 bytes of a slice; `None` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// Reads standard base64 with padding (RFC 4648 section 4), and only its canonical form.
    pub fn from_base64(text: &str) -> Result<Self, LogError> {
        STANDARD
            .decode(text)
            .ok()
            .and_then(|bytes| Self::from_slice(&bytes))
            .ok_or_else(|| LogError::format("hash", "not the base64 of 32 bytes"))
    }

    /// Standard base64 with padding.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// The root of the empty tree: SHA-256 of nothing (RFC 6962 section 2.1).
pub fn empty_root() -> Hash {
    of(digest(&SHA256, b"").as_ref())
}

/// The hash of a leaf: SHA-256(0x00 ‖ entry) (RFC 6962 section 2.1).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[0x00]);
    context.update(entry);
    of(context.finish().as_ref())
}

/// The hash of a node: SHA-256(0x01 ‖ left ‖ right) (RFC 6962 section 2.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    // In one piece: a context costs as much again as the hash itself, and trees are made of little else.
    let mut node = [0x01; NODE_BYTES];
    let parts = left.0.iter().chain(&right.0);
    node.iter_mut().skip(1).zip(parts).for_each(|(to, from)| *to = *from);
    of(digest(&SHA256, &node).as_ref())
}

fn of(digest: &[u8]) -> Hash {
    let mut bytes = [0; HASH_BYTES];
    for (to, from) in bytes.iter_mut().zip(digest) {
        *to = *from;
    }
    Hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(hash: Hash) -> String {
        hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn known_hashes() {
        // The values that the Certificate Transparency test suites have used since 2012.
        assert_eq!(hex(empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex(leaf_hash(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        let node = node_hash(&leaf_hash(b""), &leaf_hash(b"\0"));
        assert_eq!(hex(node), "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
    }

    #[test]
    fn base64_is_strict() {
        let hash = leaf_hash(b"x");
        assert_eq!(Hash::from_base64(&hash.to_base64()), Ok(hash));
        let text = hash.to_base64();
        for bad in [text.trim_end_matches('='), &format!("{text}="), &format!(" {text}"), "", "AAAA"] {
            assert_eq!(Hash::from_base64(bad).unwrap_err().code(), "log.format", "{bad}");
        }
    }
}
