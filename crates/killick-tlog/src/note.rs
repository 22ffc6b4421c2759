//! Signed notes (C2SP signed-note): text, a blank line, and one line per signature; and the keys that sign them.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::LogError;
use crate::limits::{NAME_BYTES_MAX, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};

/// What a key's signatures are made over (C2SP signed-note, signature types).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureType {
    /// `0x01`: Ed25519 over the note's text.
    Ed25519,
    /// `0x04`: a witness's timestamped Ed25519 cosignature (C2SP tlog-cosignature).
    CosignatureV1,
}

impl SignatureType {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }
}

/// A verifier key, written `name+hash+base64` (vkey).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    kind: SignatureType,
    public: [u8; 32],
}

impl VerifierKey {
    /// The key of this name, type and public key. Errs if the name is empty, too long, or holds spaces, control
    /// characters or `+`.
    pub fn new(name: &str, kind: SignatureType, public: [u8; 32]) -> Result<Self, LogError> {
        check_name(name)?;
        // key ID = SHA-256(key name || 0x0A || signature type || public key)[:4]
        let mut hashed = name.as_bytes().to_vec();
        hashed.extend_from_slice(&[b'\n', kind.byte()]);
        hashed.extend_from_slice(&public);
        let id = first_u32(digest(&SHA256, &hashed).as_ref()).unwrap_or_default();
        Ok(Self { name: name.to_owned(), id, kind, public })
    }

    /// Reads a vkey. Errs unless its key ID is the one that name, type and key give.
    pub fn parse(vkey: &str) -> Result<Self, LogError> {
        let wrong = |problem: &str| LogError::format("verifier key", problem);
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("not `name+id+key`"));
        };
        let key = STANDARD.decode(key).map_err(|_| wrong("the key is not base64"))?;
        let (kind, public) = match key.split_first() {
            Some((0x01, public)) => (SignatureType::Ed25519, public),
            Some((0x04, public)) => (SignatureType::CosignatureV1, public),
            _ => return Err(wrong("not an Ed25519 key")),
        };
        let public = public.try_into().map_err(|_| wrong("an Ed25519 key has 32 bytes"))?;
        let key = Self::new(name, kind, public)?;
        if format!("{:08x}", key.id) == id { Ok(key) } else { Err(wrong("its key ID is not its key's")) }
    }

    /// The key's name: a log's origin, a witness's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key ID.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The Ed25519 public key.
    pub const fn public_key(&self) -> &[u8; 32] {
        &self.public
    }

    /// What it signs.
    pub const fn kind(&self) -> SignatureType {
        self.kind
    }

    /// Whether the key pair is the same, whatever its name and type.
    pub(crate) fn same_key(&self, other: &Self) -> bool {
        self.public == other.public
    }

    /// Whether a raw Ed25519 signature over `message` is this key's.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut key = vec![self.kind.byte()];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(key))
    }
}

/// A key that signs notes.
pub struct SignerKey {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl SignerKey {
    /// The key with this name, type and Ed25519 seed.
    pub fn from_seed(name: &str, kind: SignatureType, seed: &[u8; 32]) -> Result<Self, LogError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| LogError::Key("not a seed".to_owned()))?;
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_| LogError::Key("a public key of another length".to_owned()))?;
        let verifier = VerifierKey::new(name, kind, public)?;
        Ok(Self { pair, verifier })
    }

    /// Its verifier key.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The signature line over a note's text, with its newline. For a log's key (type `0x01`); witnesses use
    /// [`crate::cosignature::cosign`].
    pub fn sign(&self, text: &str) -> String {
        self.line(self.pair.sign(text.as_bytes()).as_ref())
    }

    pub(crate) fn sign_raw(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    pub(crate) fn line(&self, signature: &[u8]) -> String {
        format_line(&self.verifier.name, self.verifier.id, signature)
    }
}

impl std::fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignerKey({})", self.verifier)
    }
}

/// One signature of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's ID.
    pub id: u32,
    /// The signature's bytes, after the key ID.
    pub bytes: Vec<u8>,
}

impl NoteSignature {
    /// Its line, with the newline.
    pub fn line(&self) -> String {
        format_line(&self.name, self.id, &self.bytes)
    }
}

/// A note, its signatures not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// Splits a note into text and signatures. Errs with `log.format` on whatever the specification does not allow.
    pub fn parse(note: &[u8]) -> Result<Self, LogError> {
        let wrong = |problem: &str| LogError::format("note", problem);
        if note.len() > NOTE_BYTES_MAX {
            return Err(wrong("too long"));
        }
        let note = std::str::from_utf8(note).map_err(|_| wrong("not UTF-8"))?;
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(wrong("it has control characters"));
        }
        // The text is separated from the signatures by the last empty line.
        let at = note.rfind("\n\n").ok_or_else(|| wrong("it has no signatures"))?;
        let (text, lines) = note.split_at_checked(at + 1).ok_or_else(|| wrong("it has no signatures"))?;
        let lines = lines.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let lines = lines.ok_or_else(|| wrong("it does not end in a newline"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == NOTE_SIGNATURES_MAX {
                return Err(wrong("too many signatures"));
            }
            signatures.push(parse_signature(line).ok_or_else(|| wrong("a signature line is malformed"))?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, with its final newline. It means nothing until a signature has been verified.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The signatures that claim to be this key's: same name and ID.
    pub fn signatures_by(&self, key: &VerifierKey) -> impl Iterator<Item = &NoteSignature> {
        self.signatures.iter().filter(move |signature| signature.name == key.name && signature.id == key.id)
    }

    /// Checks that the note is signed by this key (type `0x01`). Errs with `log.signature` if it is not, or if any of
    /// its signatures by this key is wrong.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), LogError> {
        let error = |problem| LogError::Signature { signer: key.name.clone(), problem };
        let mut found = false;
        for signature in self.signatures_by(key) {
            let good =
                key.kind == SignatureType::Ed25519 && key.verifies(self.text.as_bytes(), &signature.bytes);
            if !good {
                return Err(error("wrong"));
            }
            found = true;
        }
        if found { Ok(()) } else { Err(error("missing")) }
    }
}

fn format_line(name: &str, id: u32, signature: &[u8]) -> String {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend_from_slice(signature);
    format!("— {name} {}\n", STANDARD.encode(bytes))
}

fn parse_signature(line: &str) -> Option<NoteSignature> {
    let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
    check_name(name).ok()?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (_, rest) = bytes.split_first_chunk::<4>()?;
    let id = first_u32(&bytes)?;
    (!rest.is_empty()).then(|| NoteSignature { name: name.to_owned(), id, bytes: rest.to_vec() })
}

fn check_name(name: &str) -> Result<(), LogError> {
    let allowed = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    if !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(LogError::format("key name", "empty, too long, or with spaces, control characters or `+`"))
    }
}

fn first_u32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|first| u32::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n— example.com/foo \
        Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    #[test]
    fn the_specifications_example_verifies() {
        let key = VerifierKey::parse(VKEY).unwrap();
        assert_eq!(key.to_string(), VKEY);
        let note = Note::parse(NOTE.as_bytes()).unwrap();
        assert_eq!(note.text(), "This is an example message.\n");
        note.verify(&key).unwrap();
        let changed = Note::parse(NOTE.replace("example message", "exomple message").as_bytes()).unwrap();
        assert_eq!(changed.verify(&key).unwrap_err().code(), "log.signature");
        let other = SignerKey::from_seed("example.com/foo", SignatureType::Ed25519, &[1; 32]).unwrap();
        assert_eq!(note.verify(other.verifier()).unwrap_err().code(), "log.signature");
    }

    #[test]
    fn vkeys_are_strict() {
        let strange = |c: char| VKEY.replace("example.com/foo", &format!("exa{c}mple"));
        for bad in [
            "",
            "a",
            "a+b",
            "a+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            &VKEY.replace("530d", "530D"),
            &VKEY[..VKEY.len() - 1],
            &format!("{VKEY}="),
            &format!("{VKEY}\n"),
            &strange(' '),
            &strange('\u{a0}'),
            "x+00000000+AQ==",
            "x+00000000+Av8=",
        ] {
            assert_eq!(VerifierKey::parse(bad).unwrap_err().code(), "log.format", "{bad}");
        }
    }

    #[test]
    fn notes_are_strict() {
        for bad in [
            "",
            "\n",
            "text\n",
            "text\n\n",
            "text\n\n— a AAAAAA==\n",
            "text\n\n— a AAAAAAA=",
            "text\n\n- a AAAAAAA=\n",
            "text\n\n— a AAAAAAA=\n\n",
            "text\n\n—  AAAAAAA=\n",
            "text\n\n— a+b AAAAAAA=\n",
            "text\r\n\n— a AAAAAAA=\n",
            "text\n\n— a AAAAAAA= \n",
            "text\n\n— a AAAAAAB=\n",
        ] {
            assert_eq!(Note::parse(bad.as_bytes()).unwrap_err().code(), "log.format", "{bad:?}");
        }
        assert_eq!(Note::parse("a\n\nb\n\n— a AAAAAAA=\n".as_bytes()).unwrap().text(), "a\n\nb\n");
        let lines = |count| format!("text\n\n{}", "— a AAAAAAA=\n".repeat(count));
        assert!(Note::parse(lines(16).as_bytes()).is_ok());
        assert!(Note::parse(lines(NOTE_SIGNATURES_MAX + 1).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn signed_notes_verify(text in "([^\\x00-\\x1f]*\n){1,5}", seed: [u8; 32]) {
            let key = SignerKey::from_seed("log.example/a", SignatureType::Ed25519, &seed).unwrap();
            let signed = format!("{text}\n{}", key.sign(&text));
            let note = Note::parse(signed.as_bytes()).unwrap();
            prop_assert_eq!(note.text(), &text);
            prop_assert!(note.verify(key.verifier()).is_ok());
            prop_assert_eq!(&VerifierKey::parse(&key.verifier().to_string()).unwrap(), key.verifier());
        }

        #[test]
        fn nothing_panics(bytes: Vec<u8>, text in "\\PC*", at in 0_usize..200, byte: u8) {
            let _ = Note::parse(&bytes);
            let _ = VerifierKey::parse(&text);
            let mut changed = NOTE.as_bytes().to_vec();
            let at = at % changed.len();
            changed[at] = byte;
            let _ = Note::parse(&changed);
        }
    }
}
