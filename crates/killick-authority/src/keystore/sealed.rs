//! A seed encrypted under a passphrase: one line of JSON.
//!
//! PBKDF2-HMAC-SHA-512 (RFC 8018 section 5.2) makes 64 bytes of the passphrase: 32 are the key of AES-256-GCM, and of the
//! other 32 the digest is kept, so that a wrong passphrase and a changed file are told apart. Everything beside the
//! ciphertext is authenticated with it, the key's name too: a file that is moved to another name does not open.
//!
//! PBKDF2 rather than a memory-hard function because it comes with AWS-LC, the one stack of this project, and in its
//! validated part; against guessing it relies on its count and on a passphrase that is no word. Whoever can keep a secret
//! elsewhere is better served by a key that never leaves a device.

use std::num::NonZeroU32;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA512, derive};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::keys::sha256;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyName, Passphrase, fill};
use crate::error::AuthorityError;

/// OWASP's count for PBKDF2-HMAC-SHA-512: about a tenth of a second.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(210_000).unwrap();
/// The largest count that is read: a file must not be able to keep the process busy for long.
const ITERATIONS_MAX: u32 = 10_000_000;
const KDF: &str = "pbkdf2-hmac-sha512";
const CIPHER: &str = "aes-256-gcm";
const SALT_BYTES: usize = 16;

/// Why a sealed seed did not open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotOpened {
    /// The passphrase is another one.
    WrongPassphrase,
    /// The file is not what was written.
    Changed,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    killick_key: u8,
    name: String,
    kind: String,
    kdf: String,
    iterations: NonZeroU32,
    salt: String,
    check: String,
    cipher: String,
    nonce: String,
    sealed: String,
}

/// Whether a key file's text is a sealed seed, not a plain one.
pub(super) fn is_sealed(text: &str) -> bool {
    text.starts_with('{')
}

/// The seed as it is written. Errs if the system gives no random bytes.
pub(super) fn seal(
    name: KeyName,
    seed: &[u8; 32],
    passphrase: &Passphrase,
) -> Result<String, AuthorityError> {
    let (mut salt, mut nonce) = ([0_u8; SALT_BYTES], [0_u8; NONCE_LEN]);
    fill(&mut salt)?;
    fill(&mut nonce)?;
    let derived = Derived::new(passphrase, &salt, ITERATIONS);
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut file = Sealed {
        killick_key: 1,
        name: name.as_str().to_owned(),
        kind: "ed25519".to_owned(),
        kdf: KDF.to_owned(),
        iterations: ITERATIONS,
        salt: encode(&salt),
        check: encode(&derived.check()),
        cipher: CIPHER.to_owned(),
        nonce: encode(&nonce),
        sealed: String::new(),
    };
    let mut bytes = seed.to_vec();
    let failed = |_| AuthorityError::setup("a key could not be encrypted", "start again");
    let key = derived.key().map_err(failed)?;
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(file.associated()),
        &mut bytes,
    )
    .map_err(failed)?;
    file.sealed = encode(&bytes);
    let text = serde_json::to_string(&file)
        .map_err(|_| AuthorityError::setup("a key could not be written", "start again"))?;
    Ok(format!("{text}\n"))
}

/// The seed of a file's text, if it is this key's and the passphrase is right.
pub(super) fn open(
    name: KeyName,
    text: &str,
    passphrase: &Passphrase,
) -> Result<Zeroizing<[u8; 32]>, NotOpened> {
    let changed = |()| NotOpened::Changed;
    let file: Sealed = serde_json::from_str(text).map_err(|_| NotOpened::Changed)?;
    let is_ours = file.killick_key == 1
        && file.name == name.as_str()
        && file.kind == "ed25519"
        && file.kdf == KDF
        && file.cipher == CIPHER;
    // Fewer than are written would be a weaker file than any of ours.
    if !is_ours || file.iterations < ITERATIONS || file.iterations.get() > ITERATIONS_MAX {
        return Err(NotOpened::Changed);
    }
    let salt = decode::<SALT_BYTES>(&file.salt).map_err(changed)?;
    let nonce = decode::<NONCE_LEN>(&file.nonce).map_err(changed)?;
    let check = decode::<32>(&file.check).map_err(changed)?;
    let mut bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(&file.sealed).map_err(|_| NotOpened::Changed)?);

    let derived = Derived::new(passphrase, &salt, file.iterations);
    verify_slices_are_equal(&derived.check(), &check).map_err(|_| NotOpened::WrongPassphrase)?;
    let key = derived.key().map_err(|_| NotOpened::Changed)?;
    let nonce = Nonce::assume_unique_for_key(nonce);
    let seed =
        key.open_in_place(nonce, Aad::from(file.associated()), &mut bytes).map_err(|_| NotOpened::Changed)?;
    <[u8; 32]>::try_from(&*seed).map(Zeroizing::new).map_err(|_| NotOpened::Changed)
}

impl Sealed {
    /// What is authenticated beside the ciphertext.
    fn associated(&self) -> String {
        let Self { killick_key, name, kind, kdf, iterations, salt, check, cipher, nonce, .. } = self;
        [&killick_key.to_string(), name, kind, kdf, &iterations.to_string(), salt, check, cipher, nonce]
            .map(String::as_str)
            .join("\n")
    }
}

/// What PBKDF2 makes of a passphrase.
struct Derived(Zeroizing<[u8; 64]>);

impl Derived {
    fn new(passphrase: &Passphrase, salt: &[u8], iterations: NonZeroU32) -> Self {
        let mut bytes = Zeroizing::new([0_u8; 64]);
        derive(PBKDF2_HMAC_SHA512, iterations, salt, passphrase.as_bytes(), bytes.as_mut_slice());
        Self(bytes)
    }

    fn key(&self) -> Result<LessSafeKey, aws_lc_rs::error::Unspecified> {
        let (key, _) = self.0.split_at(32);
        UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new)
    }

    fn check(&self) -> [u8; 32] {
        let (_, check) = self.0.split_at(32);
        sha256(check)
    }
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], ()> {
    URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u8; 32] = [7; 32];

    #[test]
    fn what_is_sealed_opens_with_its_passphrase_alone() {
        let passphrase = Passphrase::of("one two three");
        let text = seal(KeyName::Log, &SEED, &passphrase).unwrap();
        assert!(is_sealed(&text) && text.ends_with("}\n"));
        assert_eq!(*open(KeyName::Log, &text, &passphrase).unwrap(), SEED);
        let wrong = open(KeyName::Log, &text, &Passphrase::of("one two threE"));
        assert_eq!(wrong.unwrap_err(), NotOpened::WrongPassphrase);
        let other_name = open(KeyName::Gateway, &text, &passphrase);
        assert_eq!(other_name.unwrap_err(), NotOpened::Changed);
        let again = seal(KeyName::Log, &SEED, &passphrase).unwrap();
        assert_ne!(text, again, "another salt, another nonce");
    }

    #[test]
    fn every_changed_member_is_noticed() {
        let passphrase = Passphrase::of("one two three");
        let text = seal(KeyName::Log, &SEED, &passphrase).unwrap();
        let changed = |member: &str, value: serde_json::Value| {
            let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
            file[member] = value;
            open(KeyName::Log, &file.to_string(), &passphrase).unwrap_err()
        };
        let flipped = |member: &str| {
            let file: serde_json::Value = serde_json::from_str(&text).unwrap();
            let mut bytes = URL_SAFE_NO_PAD.decode(file[member].as_str().unwrap()).unwrap();
            bytes[0] ^= 1;
            changed(member, URL_SAFE_NO_PAD.encode(bytes).into())
        };
        // A changed salt or check is a changed passphrase: nothing can tell the two apart.
        assert_eq!(flipped("salt"), NotOpened::WrongPassphrase);
        assert_eq!(flipped("check"), NotOpened::WrongPassphrase);
        assert_eq!(flipped("nonce"), NotOpened::Changed);
        assert_eq!(flipped("sealed"), NotOpened::Changed);
        for (member, value) in [
            ("killick_key", 2.into()),
            ("name", "gateway".into()),
            ("kind", "p256".into()),
            ("kdf", "pbkdf2-hmac-sha1".into()),
            ("cipher", "none".into()),
            ("iterations", 0.into()),
            ("iterations", 1.into()),
            ("iterations", 209_999.into()),
            ("iterations", 4_000_000_000_u64.into()),
            ("salt", "AAAA".into()),
            ("sealed", "".into()),
            ("more", 1.into()),
        ] {
            assert_eq!(changed(member, value), NotOpened::Changed, "{member}");
        }
        assert_eq!(changed("iterations", 210_001.into()), NotOpened::WrongPassphrase);
        assert_eq!(open(KeyName::Log, "{}", &passphrase).unwrap_err(), NotOpened::Changed);
    }
}
