//! The mathematics of killick's log: RFC 6962 trees in C2SP tiles, checkpoints, cosignatures, proofs, and their offline
//! verification. No I/O: readers are handed in.
//!
//! Writers keep a [`tree::RightEdge`], grow it by batches ([`tree::Growth`]) and sign a [`checkpoint::Checkpoint`] per
//! batch. Readers hold a [`receipt::Receipt`] against a verifier key, or a whole log against [`verify::Trust`]:
//!
//! ```
//! use killick_tlog::{hash, note, receipt, tree, checkpoint};
//! let key = note::SignerKey::from_seed("log.example/1", note::SignatureType::Ed25519, &[7; 32])?;
//! let leaves: Vec<_> = ["one", "two"].iter().map(|entry| hash::leaf_hash(entry.as_bytes())).collect();
//! let growth = tree::Growth::new(&tree::RightEdge::empty(), &leaves);
//! let head = checkpoint::Checkpoint::new("log.example/1".into(), 2, growth.edge().root()).sign(&key);
//! let text = receipt::format_receipt(&leaves[1], 1, &growth.inclusion(1)?, &head);
//! let receipt = receipt::Receipt::parse(&text)?;
//! assert_eq!(receipt.verify(b"two", &key.verifier().to_string())?.size, 2);
//! assert_eq!(receipt.verify(b"2", &key.verifier().to_string()).unwrap_err().code(), "log.inclusion");
//! # Ok::<(), killick_tlog::LogError>(())
//! ```

pub mod checkpoint;
pub mod cosignature;
pub mod entry;
mod error;
pub mod hash;
pub mod kept;
pub mod limits;
pub mod note;
mod order;
pub mod proof;
pub mod prove;
pub mod receipt;
pub mod tile;
pub mod tree;
mod trust;
pub mod verify;
pub mod witness;

pub use entry::{Entry, Seal};
pub use error::LogError;
