//! Public and signing keys: Ed25519 (RFC 8032), which signs requests, tokens, delegation links, bundles and log heads,
//! and P-256 (FIPS 186-5) for what speaks no Ed25519: TLS peers, JWT-SVIDs, tokens of other issuers.
//!
//! ```
//! use killick_proof::keys::{KeyKind, PublicKey, SigningKey};
//!
//! let key = SigningKey::from_seed([7; 32])?;
//! let again = PublicKey::from_jwk(&key.public().to_jwk())?;
//! assert_eq!(again.kind(), KeyKind::Ed25519);
//! assert!(again.verifies(b"one call", &key.sign(b"one call")));
//! # Ok::<(), killick_proof::Refusal>(())
//! ```

mod ed25519;
mod p256;

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256, digest};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::refusal::{Code, Refusal};

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0_u8; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Base64url without padding (RFC 7515 appendix C).
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The RFC 7638 SHA-256 thumbprint of a public key, in base64url: 43 characters. It is the `kid` and `keyid`
/// everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

/// What a JWK Thumbprint URI with SHA-256 begins with (RFC 9278 sections 3 and 4).
const THUMBPRINT_URI: &str = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:";

impl KeyId {
    /// The thumbprint's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The JWK Thumbprint URI of RFC 9278.
    pub fn thumbprint_uri(&self) -> String {
        format!("{THUMBPRINT_URI}{}", self.0)
    }

    /// Whether the text is this key's JWK Thumbprint URI.
    pub(crate) fn is_thumbprint_uri(&self, text: &str) -> bool {
        text.strip_prefix(THUMBPRINT_URI) == Some(self.as_str())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA over P-256 with SHA-256 (FIPS 186-5).
    P256,
}

impl KeyKind {
    /// The JWS `alg` that is written: `EdDSA` (RFC 8037 section 3.1) or `ES256` (RFC 7518 section 3.4).
    pub const fn jws_alg(self) -> &'static str {
        match self {
            KeyKind::Ed25519 => "EdDSA",
            KeyKind::P256 => "ES256",
        }
    }

    /// The kind that a JWS `alg` asks for: `EdDSA` and `Ed25519` (RFC 9864 section 2.2) are one. `None` for every other.
    pub fn of_jws_alg(alg: &str) -> Option<Self> {
        match alg {
            "EdDSA" | "Ed25519" => Some(KeyKind::Ed25519),
            "ES256" => Some(KeyKind::P256),
            _ => None,
        }
    }

    /// The algorithm's name in HTTP message signatures (RFC 9421 sections 3.3.4 and 3.3.6).
    pub const fn http_alg(self) -> &'static str {
        match self {
            KeyKind::Ed25519 => "ed25519",
            KeyKind::P256 => "ecdsa-p256-sha256",
        }
    }
}

/// A public key that is safe to verify with, and its thumbprint: an Ed25519 key of full order in its one encoding, or a
/// point on P-256.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    material: Material,
    id: KeyId,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Material {
    Ed25519([u8; 32]),
    P256([u8; p256::POINT_BYTES]),
}

impl PublicKey {
    /// From the 32 bytes of RFC 8032 section 5.1.5. Errs (`token.key`) for the encodings of small-order points and
    /// for non-canonical encodings, under which a signature could hold for more than one message.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, Refusal> {
        if ed25519::is_weak(&bytes) {
            return Err(Refusal::new(Code::TokenKey, "the public key is of small order or not canonical"));
        }
        let mut x = [0; 43];
        let id = thumbprint(&[br#"{"crv":"Ed25519","kty":"OKP","x":""#, text_of(&bytes, &mut x), br#""}"#]);
        Ok(Self { material: Material::Ed25519(bytes), id })
    }

    /// From the 65 bytes of an uncompressed P-256 point (SEC 1 section 2.3.3: `0x04 || x || y`). Errs (`token.key`) for
    /// compressed and hybrid forms, the point at infinity, coordinates that are not below the prime, and points that
    /// are not on the curve.
    pub fn from_p256_point(bytes: [u8; 65]) -> Result<Self, Refusal> {
        if !p256::is_point(&bytes) {
            return Err(Refusal::new(Code::TokenKey, "the key is no uncompressed point on P-256"));
        }
        let (x, y) = coordinates(&bytes);
        let id = thumbprint(&[
            br#"{"crv":"P-256","kty":"EC","x":""#,
            x.as_bytes(),
            br#"","y":""#,
            y.as_bytes(),
            br#""}"#,
        ]);
        Ok(Self { material: Material::P256(bytes), id })
    }

    /// What the key verifies.
    pub const fn kind(&self) -> KeyKind {
        match self.material {
            Material::Ed25519(_) => KeyKind::Ed25519,
            Material::P256(_) => KeyKind::P256,
        }
    }

    /// The 32 bytes of RFC 8032 or the 65 of SEC 1: what stands in a certificate's `subjectPublicKey`.
    pub const fn as_bytes(&self) -> &[u8] {
        match &self.material {
            Material::Ed25519(bytes) => bytes,
            Material::P256(bytes) => bytes,
        }
    }

    /// The RFC 7638 thumbprint.
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The public JWK of RFC 8037 section 2 or RFC 7518 section 6.2.1, with the members of the thumbprint alone.
    pub fn to_jwk(&self) -> serde_json::Value {
        match &self.material {
            Material::Ed25519(bytes) => {
                serde_json::json!({ "crv": "Ed25519", "kty": "OKP", "x": base64url(bytes) })
            }
            Material::P256(bytes) => {
                let (x, y) = coordinates(bytes);
                serde_json::json!({ "crv": "P-256", "kty": "EC", "x": x, "y": y })
            }
        }
    }

    /// Reads a public JWK (RFC 8037 section 2, RFC 7518 section 6.2.1). Errs (`token.key`) for other key kinds, private
    /// members, bad encodings, weak keys and points that are not on the curve. Other members are not looked at.
    pub fn from_jwk(jwk: &serde_json::Value) -> Result<Self, Refusal> {
        let text = |name: &str| jwk.get(name).and_then(serde_json::Value::as_str);
        Self::from_jwk_members(text("kty"), text("crv"), text("x"), text("y"), jwk.get("d").is_some())
    }

    /// Reads the members of a JWK; see [`PublicKey::from_jwk`].
    pub fn from_jwk_members(
        kty: Option<&str>,
        crv: Option<&str>,
        x: Option<&str>,
        y: Option<&str>,
        has_private: bool,
    ) -> Result<Self, Refusal> {
        if has_private {
            return Err(Refusal::new(Code::TokenKey, "the JWK holds a private key"));
        }
        match (kty, crv) {
            (Some("OKP"), Some("Ed25519")) => Self::from_bytes(member("x", x)?),
            (Some("EC"), Some("P-256")) => {
                let mut point = [0_u8; p256::POINT_BYTES];
                let bytes = [&[0x04][..], &member("x", x)?, &member("y", y)?].concat();
                point.copy_from_slice(&bytes);
                Self::from_p256_point(point)
            }
            _ => Err(Refusal::new(
                Code::TokenKey,
                "the JWK is neither an Ed25519 key (kty OKP, crv Ed25519) nor a P-256 one (kty EC, crv P-256)",
            )),
        }
    }

    /// Whether `signature` is this key's over `message`: RFC 8032 section 5.1.7 with strict `S < L`, or ECDSA in the
    /// fixed form of RFC 7518 section 3.4 (`r || s`, 64 bytes, both in `1..n`; `s` may be high).
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Ed25519(bytes) => ed25519::verifies(bytes, message, signature),
            Material::P256(bytes) => p256::verifies(bytes, message, signature),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

/// RFC 7638 section 3: the digest of the required members in lexical order, without white space.
fn thumbprint(canonical_jwk: &[&[u8]]) -> KeyId {
    let mut hash = Context::new(&SHA256);
    canonical_jwk.iter().for_each(|part| hash.update(part));
    KeyId(base64url(hash.finish().as_ref()))
}

/// 32 bytes in base64url, written to `text`.
fn text_of<'a>(bytes: &[u8; 32], text: &'a mut [u8; 43]) -> &'a [u8] {
    // Errs only where the text is too short for the bytes; 43 characters are what 32 bytes take.
    let length = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text[..]).unwrap_or_default();
    text.get(..length).unwrap_or_default()
}

/// RFC 7518 section 6.2.1.2: each coordinate in its full 32 bytes.
fn coordinates(point: &[u8; p256::POINT_BYTES]) -> (String, String) {
    let (_, rest) = point.split_at(1);
    let (x, y) = rest.split_at(32);
    (base64url(x), base64url(y))
}

/// A JWK's member of exactly 32 bytes, in canonical base64url.
fn member(name: &str, value: Option<&str>) -> Result<[u8; 32], Refusal> {
    let refuse = |why: &str| Err(Refusal::new(Code::TokenKey, format!("the JWK's `{name}` {why}")));
    let Some(value) = value else { return refuse("is missing or no string") };
    // 32 bytes are 43 characters.
    if value.len() != 43 {
        return refuse("is not 32 bytes in base64url");
    }
    let mut bytes = [0; 33];
    match (URL_SAFE_NO_PAD.decode_slice(value, &mut bytes), bytes.split_first_chunk()) {
        (Ok(32), Some((bytes, _))) => Ok(*bytes),
        _ => refuse("is not base64url"),
    }
}

/// A key pair. Its secret is wiped from memory when it goes; it is never printed.
pub struct SigningKey {
    secret: Zeroizing<[u8; 32]>,
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl SigningKey {
    /// From the 32-byte seed of RFC 8032 section 5.1.5, which the caller draws from a cryptographic source.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, Refusal> {
        let secret = Zeroizing::new(seed);
        let refuse = |_| Refusal::new(Code::TokenKey, "the seed makes no key");
        let pair = Ed25519KeyPair::from_seed_unchecked(secret.as_slice()).map_err(refuse)?;
        let mut public = [0_u8; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Ok(Self { secret, pair: Pair::Ed25519(pair), public: PublicKey::from_bytes(public)? })
    }

    /// A P-256 key from its private scalar, big-endian, which the caller draws from a cryptographic source. Errs
    /// (`token.key`) unless it lies in `1..n`; a random one does but once in 2^32 times, so draw again.
    pub fn from_p256_scalar(scalar: [u8; 32]) -> Result<Self, Refusal> {
        let secret = Zeroizing::new(scalar);
        let (pair, point) = p256::key_pair(&secret)?;
        Ok(Self { secret, pair: Pair::P256(pair), public: PublicKey::from_p256_point(point)? })
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The thumbprint of the public half.
    pub const fn id(&self) -> &KeyId {
        self.public.id()
    }

    /// The 64-byte signature over `message`: that of RFC 8032, or `r || s` of RFC 7518 section 3.4.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        match &self.pair {
            Pair::Ed25519(pair) => {
                let mut out = [0_u8; 64];
                out.copy_from_slice(pair.sign(message).as_ref());
                out
            }
            Pair::P256(pair) => p256::sign(pair, message),
        }
    }

    /// The 32 secret bytes, to be written to a key store: the seed, or the private scalar of a P-256 key.
    pub fn seed(&self) -> &Zeroizing<[u8; 32]> {
        &self.secret
    }
}

/// Something that signs without showing its secret: a key in memory, a PKCS#11 token, a vault.
pub trait Signer: Send + Sync {
    /// The public half.
    fn public(&self) -> &PublicKey;

    /// The 64-byte signature over `message`, as [`SigningKey::sign`] makes it. Errs if the place where the key lies does
    /// not sign: it is away, or it refuses.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// A signer did not sign. Says why, in lower case, without a full stop; it holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key did not sign: {0}")]
pub struct SignError(pub String);

impl Signer for SigningKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(SigningKey::sign(self, message))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed([7; 32]).unwrap()
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        // RFC 8037 appendix A.3.
        let jwk = serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        });
        let key = PublicKey::from_jwk(&jwk).unwrap();
        assert_eq!(key.id().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(PublicKey::from_jwk(&key.to_jwk()).unwrap(), key);
    }

    #[test]
    fn weak_keys_are_refused() {
        for bytes in [[0; 32], [0xff; 32]] {
            assert_eq!(PublicKey::from_bytes(bytes).unwrap_err().code(), Code::TokenKey, "{bytes:02x?}");
        }
    }

    #[test]
    fn jwks_of_another_kind_are_refused() {
        let good = key().public().to_jwk();
        assert!(PublicKey::from_jwk(&good).is_ok());
        let changed = |member: &str, value: &str| {
            let mut jwk = good.clone();
            jwk[member] = value.into();
            PublicKey::from_jwk(&jwk).map_err(|refusal| refusal.code())
        };
        let x = good["x"].as_str().unwrap();
        for (member, value) in [
            ("kty", "EC"),
            ("crv", "X25519"),
            ("d", "AAAA"),
            ("x", ""),
            ("x", "AAAA"),
            ("x", &format!("{x}=")),
            ("x", &format!("{x}AA")),
            ("x", &x.replace(['-', '_'], "+")),
        ] {
            let verdict = changed(member, value);
            if value != x {
                assert_eq!(verdict, Err(Code::TokenKey), "{member} {value}");
            }
        }
        assert!(PublicKey::from_jwk(&serde_json::json!({"kty": "OKP", "crv": "Ed25519"})).is_err());
    }

    #[test]
    fn a_signature_has_one_form() {
        let (key, message) = (key(), b"one call");
        let signature = key.sign(message);
        assert!(key.public().verifies(message, &signature));
        assert!(!key.public().verifies(b"another", &signature));
        assert!(!key.public().verifies(message, &signature[..63]));
        assert!(!key.public().verifies(message, &[]));
        // S + L verifies wherever S < L is not checked (RFC 8032 section 5.1.7): a second signature for nothing.
        const L: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut twin = signature;
        let mut carry = 0_u16;
        for (byte, add) in twin[32..].iter_mut().zip(L) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert_ne!(twin, signature);
        assert!(!key.public().verifies(message, &twin));
    }

    #[test]
    fn a_seed_is_never_printed() {
        let text = format!("{:?}", key());
        assert!(!text.contains("7, 7") && text.contains(key().id().as_str()), "{text}");
    }
}
