//! Receipts: C2SP tlog-proof texts. A receipt carries the index, the inclusion proof and the signed head; its `extra`
//! line holds the entry's leaf hash, so that it can be checked without the entry (`docs/spec/receipt.md`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, SignedCheckpoint, parse_decimal};
use crate::error::LogError;
use crate::hash::{Hash, leaf_hash};
use crate::limits::{PROOF_HASHES_MAX, RECEIPT_BYTES_MAX};
use crate::note::VerifierKey;
use crate::proof::verify_inclusion;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A receipt, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    extra: Option<Vec<u8>>,
    index: u64,
    proof: Vec<Hash>,
    checkpoint: SignedCheckpoint,
}

/// The text of a receipt: the entry of this leaf hash is at `index` under the head of `checkpoint` (a signed note).
pub fn format_receipt(leaf: &Hash, index: u64, proof: &[Hash], checkpoint: &str) -> String {
    let mut text = format!("{HEADER}\nextra {leaf}\nindex {index}\n");
    for hash in proof {
        text.push_str(&hash.to_base64());
        text.push('\n');
    }
    text.push('\n');
    text.push_str(checkpoint);
    text
}

impl Receipt {
    /// Reads a tlog-proof. Errs with `log.format`.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let wrong = |problem: &str| LogError::format("receipt", problem);
        if text.len() > RECEIPT_BYTES_MAX {
            return Err(wrong("too long"));
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| wrong("it has no checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(wrong("it does not start with `c2sp.org/tlog-proof@v1`"));
        }
        let extra =
            lines.next_if(|line| line.starts_with("extra ")).and_then(|line| line.strip_prefix("extra "));
        let extra =
            extra.map(|data| STANDARD.decode(data).map_err(|_| wrong("its extra line is not base64")));
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(parse_decimal);
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == PROOF_HASHES_MAX {
                return Err(wrong("its proof is too long"));
            }
            proof.push(Hash::from_base64(line).map_err(|_| wrong("a line of its proof is not a hash"))?);
        }
        Ok(Self {
            extra: extra.transpose()?,
            index: index.ok_or_else(|| wrong("it has no index"))?,
            proof,
            checkpoint: SignedCheckpoint::parse(checkpoint.as_bytes())?,
        })
    }

    /// Checks that the log of this vkey includes this entry: origin, signature, inclusion. Returns the head. Errs with
    /// `log.format` (the vkey), `log.origin`, `log.signature` or `log.inclusion`.
    pub fn verify(&self, entry: &[u8], vkey: &str) -> Result<&Checkpoint, LogError> {
        self.verify_leaf(&leaf_hash(entry), &VerifierKey::parse(vkey)?)
    }

    /// As [`Receipt::verify`], for whoever has only the leaf hash.
    pub fn verify_leaf(&self, leaf: &Hash, key: &VerifierKey) -> Result<&Checkpoint, LogError> {
        let head = self.checkpoint.verify(key)?;
        verify_inclusion(leaf, self.index, head.size, &self.proof, &head.root)?;
        Ok(head)
    }

    /// As [`Receipt::verify`], for the leaf hash that the receipt itself names: proves that the log holds *something*
    /// with this hash at this index.
    pub fn verify_own_leaf(&self, vkey: &str) -> Result<&Checkpoint, LogError> {
        let leaf =
            self.leaf().ok_or_else(|| LogError::format("receipt", "it does not name its entry's hash"))?;
        self.verify_leaf(&leaf, &VerifierKey::parse(vkey)?)
    }

    /// The leaf hash in the `extra` line. Nothing vouches for it until [`Receipt::verify_own_leaf`] has passed.
    pub fn leaf(&self) -> Option<Hash> {
        self.extra.as_deref().and_then(Hash::from_slice)
    }

    /// The entry's index in the log.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The inclusion proof, the leaf's sibling first.
    pub fn proof(&self) -> &[Hash] {
        &self.proof
    }

    /// The signed head.
    pub const fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }
}
