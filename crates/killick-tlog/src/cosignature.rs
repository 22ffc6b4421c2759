//! Cosignatures (C2SP tlog-cosignature, `cosignature/v1`): a witness's statement that it has seen this head, when, and
//! that it extends every head it has seen before.

use crate::error::LogError;
use crate::note::{Note, SignatureType, SignerKey, VerifierKey};

/// A cosignature that verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness's name.
    pub witness: String,
    /// When it cosigned, in seconds since 1970.
    pub time: u64,
}

/// The signature line of a witness over a checkpoint's text, with its newline. `time` in seconds since 1970. Errs if
/// the key is not one for cosignatures, or the time is 0 or beyond 2^63 - 1.
pub fn cosign(key: &SignerKey, text: &str, time: u64) -> Result<String, LogError> {
    if key.verifier().kind() != SignatureType::CosignatureV1 {
        return Err(LogError::Key("a log's key does not cosign".to_owned()));
    }
    // tlog-cosignature, Format: at most 2^63 - 1; tlog-witness, add-checkpoint: never zero.
    if time == 0 || i64::try_from(time).is_err() {
        return Err(LogError::format("cosignature", "its time is out of range"));
    }
    let mut signature = time.to_be_bytes().to_vec();
    signature.extend_from_slice(&key.sign_raw(message(text, time).as_bytes()));
    Ok(key.line(&signature))
}

/// The cosignature of this witness on a checkpoint: `None` if it has none, `log.cosignature` if one is wrong. Of
/// several the newest counts.
pub fn verify(note: &Note, witness: &VerifierKey) -> Result<Option<Cosignature>, LogError> {
    let wrong = || LogError::Cosignature(witness.name().to_owned());
    let mut newest: Option<u64> = None;
    for signature in note.signatures_by(witness) {
        let (time, signature) = signature.bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
        let time = u64::from_be_bytes(*time);
        let signed = message(note.text(), time);
        let good = witness.kind() == SignatureType::CosignatureV1
            && i64::try_from(time).is_ok()
            && witness.verifies(signed.as_bytes(), signature);
        if !good {
            return Err(wrong());
        }
        newest = newest.max(Some(time));
    }
    Ok(newest.map(|time| Cosignature { witness: witness.name().to_owned(), time }))
}

/// C2SP tlog-cosignature, Ed25519 signed message: two header lines, then the note's text.
fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;

    #[test]
    fn a_cosignature_verifies_for_its_head_time_and_witness() {
        let log = SignerKey::from_seed("log.example", SignatureType::Ed25519, &[1; 32]).unwrap();
        let witness = SignerKey::from_seed("w1.example", SignatureType::CosignatureV1, &[2; 32]).unwrap();
        let head = Checkpoint::new("log.example".to_owned(), 3, crate::hash::leaf_hash(b""));
        let signed = head.sign(&log);
        let cosigned = format!("{signed}{}", cosign(&witness, &head.text(), 1_700_000_000).unwrap());
        let note = Note::parse(cosigned.as_bytes()).unwrap();
        let found = verify(&note, witness.verifier()).unwrap().unwrap();
        assert_eq!((found.witness.as_str(), found.time), ("w1.example", 1_700_000_000));
        note.verify(log.verifier()).unwrap();

        assert_eq!(verify(&Note::parse(signed.as_bytes()).unwrap(), witness.verifier()), Ok(None));
        let moved = cosigned.replacen("\n3\n", "\n4\n", 1);
        let error = verify(&Note::parse(moved.as_bytes()).unwrap(), witness.verifier()).unwrap_err();
        assert_eq!(error.code(), "log.cosignature");
        // The same key and name under the type of a log is another key.
        let as_log = SignerKey::from_seed("w1.example", SignatureType::Ed25519, &[2; 32]).unwrap();
        assert_eq!(verify(&note, as_log.verifier()), Ok(None));
        assert!(cosign(&log, &head.text(), 1).is_err());
        assert!(cosign(&witness, &head.text(), u64::MAX).is_err());
        assert!(cosign(&witness, &head.text(), 0).is_err());
    }
}
