//! Checkpoints (C2SP tlog-checkpoint): the signed note that states a tree's size and root.

use crate::error::LogError;
use crate::hash::Hash;
use crate::note::{Note, SignerKey, VerifierKey};

/// What a checkpoint states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's identity.
    pub origin: String,
    /// Entries in the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Hash,
    /// Extension lines; killick's logs have none.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// A head without extensions.
    pub const fn new(origin: String, size: u64, root: Hash) -> Self {
        Self { origin, size, root, extensions: Vec::new() }
    }

    /// The note's text: origin, size, root, one line each.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, self.root);
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Reads a note's text. Errs with `log.format`.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let wrong = |problem: &str| LogError::format("checkpoint", problem);
        let lines = text.strip_suffix('\n').ok_or_else(|| wrong("it does not end in a newline"))?;
        let mut lines = lines.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or_else(|| wrong("it has no origin"))?;
        let size = lines.next().and_then(parse_decimal).ok_or_else(|| wrong("its size is not a number"))?;
        let root = lines.next().ok_or_else(|| wrong("it has no root"))?;
        let root = Hash::from_base64(root).map_err(|_| wrong("its root is not the base64 of 32 bytes"))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(wrong("it has an empty extension line"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// The signed note.
    pub fn sign(&self, key: &SignerKey) -> String {
        let text = self.text();
        let signature = key.sign(&text);
        format!("{text}\n{signature}")
    }
}

/// A checkpoint as it came: parsed, its signatures not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Reads a signed checkpoint. Errs with `log.format`.
    pub fn parse(note: &[u8]) -> Result<Self, LogError> {
        let note = Note::parse(note)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { checkpoint, note })
    }

    /// What it states, if it is signed by this log: origin and signature are checked (`log.origin`, `log.signature`).
    pub fn verify(&self, key: &VerifierKey) -> Result<&Checkpoint, LogError> {
        if self.checkpoint.origin != key.name() {
            let (expected, found) = (key.name().to_owned(), self.checkpoint.origin.clone());
            return Err(LogError::Origin { expected, found });
        }
        self.note.verify(key)?;
        Ok(&self.checkpoint)
    }

    /// What it states, whoever signed it.
    pub const fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note.
    pub const fn note(&self) -> &Note {
        &self.note
    }
}

/// An ASCII decimal without leading zeroes.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let value: u64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::SignatureType;
    use proptest::prelude::*;

    #[test]
    fn a_checkpoint_verifies_under_its_own_key_only() {
        let key = SignerKey::from_seed("example.com/log", SignatureType::Ed25519, &[7; 32]).unwrap();
        let checkpoint = Checkpoint::new("example.com/log".to_owned(), 5, crate::hash::leaf_hash(b"x"));
        let signed = SignedCheckpoint::parse(checkpoint.sign(&key).as_bytes()).unwrap();
        assert_eq!(signed.verify(key.verifier()).unwrap(), &checkpoint);
        let other = SignerKey::from_seed("example.com/other", SignatureType::Ed25519, &[7; 32]).unwrap();
        assert_eq!(signed.verify(other.verifier()).unwrap_err().code(), "log.origin");
        let forged = SignerKey::from_seed("example.com/log", SignatureType::Ed25519, &[8; 32]).unwrap();
        assert_eq!(signed.verify(forged.verifier()).unwrap_err().code(), "log.signature");
    }

    #[test]
    fn checkpoints_are_strict() {
        let root = crate::hash::empty_root();
        assert!(Checkpoint::parse(&format!("o\n0\n{root}\n")).is_ok());
        assert_eq!(Checkpoint::parse(&format!("o\n0\n{root}\next\n")).unwrap().extensions, ["ext"]);
        for bad in [
            String::new(),
            format!("\n0\n{root}\n"),
            format!("o\n00\n{root}\n"),
            format!("o\n+1\n{root}\n"),
            format!("o\n-1\n{root}\n"),
            format!("o\n18446744073709551616\n{root}\n"),
            format!("o\n0\n{root}"),
            format!("o\n0\n{root}\n\n"),
            format!("o\n0\n{}\n", &root.to_base64()[1..]),
            "o\n0\n".to_owned(),
        ] {
            assert_eq!(Checkpoint::parse(&bad).unwrap_err().code(), "log.format", "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*(\n\\PC*){0,5}", bytes: Vec<u8>) {
            let _ = Checkpoint::parse(&text);
            let _ = SignedCheckpoint::parse(&bytes);
        }
    }
}
