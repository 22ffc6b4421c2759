//! The witness protocol (C2SP tlog-witness) without its sockets: what a log asks, what a witness answers, and why.
//!
//! A witness holds one head per log, the last one it cosigned. [`decide`] is all of its judgement:
//!
//! ```
//! use killick_tlog::checkpoint::Checkpoint;
//! use killick_tlog::note::{SignatureType, SignerKey};
//! use killick_tlog::witness::{self, AddCheckpoint, Held};
//! let log = SignerKey::from_seed("log.example", SignatureType::Ed25519, &[1; 32])?;
//! let head = Checkpoint::new("log.example".into(), 1, killick_tlog::hash::leaf_hash(b"one"));
//! let body = witness::format_add_checkpoint(0, &[], &head.sign(&log));
//! let request = AddCheckpoint::parse(body.as_bytes())?;
//! let held = witness::decide(&[log.verifier().clone()], &Held::nothing(), &request).unwrap();
//! assert_eq!(held.size, 1);
//! // The same request again names an old size that is not the held one any more.
//! let refused = witness::decide(&[log.verifier().clone()], &held, &request).unwrap_err();
//! assert_eq!((refused.status(), refused.body().as_str()), (409, "1\n"));
//! # Ok::<(), killick_tlog::LogError>(())
//! ```

use crate::checkpoint::{Checkpoint, SignedCheckpoint, parse_decimal};
use crate::cosignature::{self, Cosignature};
use crate::error::LogError;
use crate::hash::{Hash, empty_root};
use crate::limits::{ADD_CHECKPOINT_BYTES_MAX, NOTE_BYTES_MAX, WITNESS_PROOF_LINES_MAX};
use crate::note::{Note, SignerKey, VerifierKey};
use crate::proof::verify_consistency;

/// The content type of a 409 answer's body (C2SP tlog-witness, add-checkpoint).
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// The body of an `add-checkpoint` request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the head that the proof starts from.
    pub old: u64,
    /// The consistency proof from there.
    pub proof: Vec<Hash>,
    /// The head to be cosigned.
    pub checkpoint: SignedCheckpoint,
}

impl AddCheckpoint {
    /// Reads a request's body. Errs with `log.format`.
    pub fn parse(body: &[u8]) -> Result<Self, LogError> {
        let wrong = |problem: &str| LogError::format("add-checkpoint request", problem);
        if body.len() > ADD_CHECKPOINT_BYTES_MAX {
            return Err(wrong("too long"));
        }
        // Lines before the first empty one are ours, the rest is a note.
        let at = body.windows(2).position(|pair| pair == b"\n\n").ok_or_else(|| wrong("no empty line"))?;
        let (lines, checkpoint) = body.split_at_checked(at + 2).ok_or_else(|| wrong("no checkpoint"))?;
        let lines = std::str::from_utf8(lines).map_err(|_| wrong("not UTF-8"))?;
        let mut lines = lines.trim_end_matches('\n').split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(parse_decimal);
        let old = old.ok_or_else(|| wrong("its first line is not `old` and a size"))?;
        let mut proof = Vec::new();
        for line in lines {
            // "The client MUST NOT send more than 63 consistency proof lines."
            if proof.len() == WITNESS_PROOF_LINES_MAX {
                return Err(wrong("more than 63 lines of proof"));
            }
            proof.push(Hash::from_base64(line).map_err(|_| wrong("a line of its proof is no hash"))?);
        }
        Ok(Self { old, proof, checkpoint: SignedCheckpoint::parse(checkpoint)? })
    }
}

/// The body of an `add-checkpoint` request: `proof` shows that `checkpoint`, a signed note, extends the tree of `old`
/// entries.
pub fn format_add_checkpoint(old: u64, proof: &[Hash], checkpoint: &str) -> String {
    let mut body = format!("old {old}\n");
    for hash in proof {
        body.push_str(&hash.to_base64());
        body.push('\n');
    }
    body.push('\n');
    body.push_str(checkpoint);
    body
}

/// The last head of one log that a witness has cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl Held {
    /// What a witness holds of a log that it has cosigned nothing of: the empty tree, which any tree extends.
    pub fn nothing() -> Self {
        Self { size: 0, root: empty_root() }
    }
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// 400: the body is not what the specification calls for.
    Malformed(LogError),
    /// 404: no log of this origin is known.
    UnknownOrigin(String),
    /// 403: no good signature by the log, or a wrong one.
    Unsigned(LogError),
    /// 400: the old size is beyond the checkpoint's.
    OldBeyondNew {
        /// The old size.
        old: u64,
        /// The checkpoint's.
        new: u64,
    },
    /// 409: the old size is not that of the head last cosigned.
    Conflict {
        /// The size of the head last cosigned.
        held: u64,
    },
    /// 422: the checkpoint does not extend the head last cosigned, or is not shown to.
    Inconsistent(LogError),
}

impl Refused {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::OldBeyondNew { .. } => 400,
            Self::Unsigned(_) => 403,
            Self::UnknownOrigin(_) => 404,
            Self::Conflict { .. } => 409,
            Self::Inconsistent(_) => 422,
        }
    }

    /// The content type of the body.
    pub const fn content_type(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => SIZE_CONTENT_TYPE,
            _ => "text/plain; charset=utf-8",
        }
    }

    /// The body: the held size for a conflict, a sentence otherwise.
    pub fn body(&self) -> String {
        match self {
            Self::Malformed(error) | Self::Unsigned(error) | Self::Inconsistent(error) => {
                format!("{error}\n")
            }
            Self::UnknownOrigin(origin) => format!("no log `{origin}` is known here\n"),
            Self::OldBeyondNew { old, new } => {
                format!("the old size {old} is beyond the checkpoint's, {new}\n")
            }
            Self::Conflict { held } => format!("{held}\n"),
        }
    }
}

/// Whether a witness that trusts `keys` for the checkpoint's origin (none: it does not know the origin) and holds
/// `held` of it may cosign; then what it holds from now on. The caller makes that durable before anything is signed,
/// under a lock that covers the reading of `held` too.
pub fn decide(keys: &[VerifierKey], held: &Held, request: &AddCheckpoint) -> Result<Held, Refused> {
    let new = request.checkpoint.unverified();
    if keys.is_empty() {
        return Err(Refused::UnknownOrigin(new.origin.clone()));
    }
    check_signed(keys, &request.checkpoint).map_err(Refused::Unsigned)?;
    if request.old > new.size {
        return Err(Refused::OldBeyondNew { old: request.old, new: new.size });
    }
    if request.old != held.size {
        return Err(Refused::Conflict { held: held.size });
    }
    // Covers all of it: an empty tree has the empty root; no proof from nothing; equal sizes, equal roots.
    verify_consistency(held.size, new.size, &held.root, &new.root, &request.proof)
        .map_err(Refused::Inconsistent)?;
    Ok(Held { size: new.size, root: new.root })
}

/// A good signature by one of the log's keys at least, and no wrong one by any; others are ignored.
fn check_signed(keys: &[VerifierKey], checkpoint: &SignedCheckpoint) -> Result<(), LogError> {
    let mut missing = None;
    let mut signed = false;
    for key in keys {
        match checkpoint.note().verify(key) {
            Ok(()) => signed = true,
            Err(error @ LogError::Signature { problem: "missing", .. }) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if !signed => Err(error),
        _ => Ok(()),
    }
}

/// The checkpoint as a witness keeps and serves it: the log's own signatures, then the witness's cosignature. Errs if
/// the key does not cosign, or `time` (seconds since 1970) is 0 or out of range.
pub fn cosigned(
    keys: &[VerifierKey],
    witness: &SignerKey,
    checkpoint: &SignedCheckpoint,
    time: u64,
) -> Result<Cosigned, LogError> {
    let text = checkpoint.note().text();
    let line = cosignature::cosign(witness, text, time)?;
    let mut note = format!("{text}\n");
    for signature in checkpoint.note().signatures() {
        if keys.iter().any(|key| key.name() == signature.name && key.id() == signature.id) {
            note.push_str(&signature.line());
        }
    }
    note.push_str(&line);
    Ok(Cosigned { line, note })
}

/// A cosignature made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// Its line, the body of the answer.
    pub line: String,
    /// The checkpoint with it.
    pub note: String,
}

/// The cosignature of `witness` out of a 200 answer to the request for `checkpoint`, and its line. Cosignatures by other
/// keys are ignored. Errs with `log.cosignature` if there is no good one, with `log.format` if the body is no signature
/// lines.
pub fn read_cosignature(
    checkpoint: &SignedCheckpoint,
    body: &[u8],
    witness: &VerifierKey,
) -> Result<(Cosignature, String), LogError> {
    if body.len() > NOTE_BYTES_MAX {
        return Err(LogError::format("the answer of a witness", "too long"));
    }
    let mut note = format!("{}\n", checkpoint.note().text()).into_bytes();
    note.extend_from_slice(body);
    let note = Note::parse(&note)?;
    let missing = || LogError::Cosignature(witness.name().to_owned());
    // "The client MAY concatenate it to the checkpoint": a body with an empty line in it would move the text's end.
    if note.text() != checkpoint.note().text() {
        return Err(LogError::format("the answer of a witness", "not signature lines"));
    }
    let cosignature = cosignature::verify(&note, witness)?.ok_or_else(missing)?;
    let newest =
        |bytes: &[u8]| bytes.first_chunk().is_some_and(|time| u64::from_be_bytes(*time) == cosignature.time);
    let line =
        note.signatures_by(witness).find(|signature| newest(&signature.bytes)).ok_or_else(missing)?.line();
    // "The timestamp MUST NOT be zero."
    if cosignature.time == 0 { Err(missing()) } else { Ok((cosignature, line)) }
}

/// The size that a witness holds, out of the body of a 409 answer.
pub fn read_conflict(body: &[u8]) -> Option<u64> {
    std::str::from_utf8(body).ok()?.strip_suffix('\n').and_then(parse_decimal)
}

/// The place of a log's last cosigned checkpoint under a witness's monitoring prefix: the SHA-256 of the origin, in
/// lower-case hexadecimal.
pub fn origin_hash(origin: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, origin.as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The head of a note that `keys` and `witness` have both signed: a witness's own record of what it cosigned. Errs with
/// the reason that it is not.
pub fn read_cosigned(
    note: &[u8],
    keys: &[VerifierKey],
    witness: &VerifierKey,
) -> Result<(Checkpoint, Cosignature), LogError> {
    let signed = SignedCheckpoint::parse(note)?;
    check_signed(keys, &signed)?;
    let cosignature = cosignature::verify(signed.note(), witness)?;
    let cosignature = cosignature.ok_or_else(|| LogError::Cosignature(witness.name().to_owned()))?;
    Ok((signed.unverified().clone(), cosignature))
}
