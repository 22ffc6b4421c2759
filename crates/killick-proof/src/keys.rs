//! Ed25519 keys: the one kind that signs requests, tokens, delegation links, bundles and log heads.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
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

impl KeyId {
    /// The thumbprint's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The JWK Thumbprint URI of RFC 9278.
    pub fn thumbprint_uri(&self) -> String {
        format!("urn:ietf:params:oauth:jwk-thumbprint:sha-256:{}", self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An Ed25519 public key (RFC 8032) of full order, with its thumbprint.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    bytes: [u8; 32],
    id: KeyId,
}

impl PublicKey {
    /// From the 32 bytes of RFC 8032 section 5.1.5. Errs (`token.key`) for the encodings of small-order points and
    /// for non-canonical encodings, under which a signature could hold for more than one message.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, Refusal> {
        if is_weak(&bytes) {
            return Err(Refusal::new(Code::TokenKey, "the public key is of small order or not canonical"));
        }
        let id = KeyId(base64url(&sha256(
            format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url(&bytes)).as_bytes(),
        )));
        Ok(Self { bytes, id })
    }

    /// The 32 bytes of RFC 8032.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The RFC 7638 thumbprint.
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The public JWK of RFC 8037 as JSON text, members in thumbprint order.
    pub fn to_jwk(&self) -> serde_json::Value {
        serde_json::json!({ "crv": "Ed25519", "kty": "OKP", "x": base64url(&self.bytes) })
    }

    /// Reads a public JWK (RFC 8037). Errs (`token.key`) for other key kinds, private members, bad encodings and weak
    /// keys.
    pub fn from_jwk(jwk: &serde_json::Value) -> Result<Self, Refusal> {
        let text = |name: &str| jwk.get(name).and_then(serde_json::Value::as_str);
        Self::from_jwk_members(text("kty"), text("crv"), text("x"), jwk.get("d").is_some())
    }

    /// Reads the members of a JWK; see [`PublicKey::from_jwk`].
    pub fn from_jwk_members(
        kty: Option<&str>,
        crv: Option<&str>,
        x: Option<&str>,
        has_private: bool,
    ) -> Result<Self, Refusal> {
        let refuse = |why: &str| Err(Refusal::new(Code::TokenKey, why));
        if has_private {
            return refuse("the JWK holds a private key");
        }
        if kty != Some("OKP") || crv != Some("Ed25519") {
            return refuse("the JWK is not an Ed25519 key (kty OKP, crv Ed25519)");
        }
        let Some(x) = x else { return refuse("the JWK has no `x`") };
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(x) else { return refuse("the JWK's `x` is not base64url") };
        match <[u8; 32]>::try_from(bytes) {
            Ok(bytes) => Self::from_bytes(bytes),
            Err(_) => refuse("the JWK's `x` is not 32 bytes"),
        }
    }

    /// Whether `signature` is this key's over `message` (RFC 8032 section 5.1.7, strict `S < L`).
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

/// Whether the y coordinate is one of the eight small-order points, or at least `p` (RFC 8032 section 5.1.3). Beyond
/// the points themselves nothing is lost: an honest key has these encodings with probability 2^-250.
fn is_weak(bytes: &[u8; 32]) -> bool {
    /// y of the two points of order 8 (and its negation), little-endian.
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let mut y = *bytes;
    y[31] &= 0x7f;
    let mut p = [0xff_u8; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    // y >= p: not canonical.
    if y.iter().rev().cmp(p.iter().rev()).is_ge() {
        return true;
    }
    let mut minus_one = p;
    minus_one[0] = 0xec;
    let mut one = [0_u8; 32];
    one[0] = 1;
    y == [0; 32] || y == one || y == minus_one || ORDER_8.contains(&y)
}

/// An Ed25519 key pair. The seed is wiped from memory when it goes; it is never printed.
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// From the 32-byte seed of RFC 8032 section 5.1.5, which the caller draws from a cryptographic source.
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, Refusal> {
        let seed = Zeroizing::new(seed);
        let refuse = |_| Refusal::new(Code::TokenKey, "the seed makes no key");
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(refuse)?;
        let mut public = [0_u8; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Ok(Self { seed, pair, public: PublicKey::from_bytes(public)? })
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The thumbprint of the public half.
    pub const fn id(&self) -> &KeyId {
        self.public.id()
    }

    /// The 64-byte signature of RFC 8032 over `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut out = [0_u8; 64];
        out.copy_from_slice(self.pair.sign(message).as_ref());
        out
    }

    /// The seed, to be written to a key store.
    pub fn seed(&self) -> &Zeroizing<[u8; 32]> {
        &self.seed
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
        let mut weak: Vec<[u8; 32]> = vec![[0; 32]];
        // y = 1, y = -1 and y = 0, with either sign of x.
        let mut one = [0_u8; 32];
        one[0] = 1;
        let mut minus_one = [0xff_u8; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        weak.extend([one, minus_one]);
        // y = p and y = p + 1: other spellings of 0 and 1.
        let mut p = minus_one;
        p[0] = 0xed;
        let mut p_and_one = minus_one;
        p_and_one[0] = 0xee;
        weak.extend([p, p_and_one]);
        // The points of order 8, as RFC 8032's formulae give them.
        let order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
        let order_8: Vec<u8> =
            (0..64).step_by(2).map(|at| u8::from_str_radix(&order_8[at..at + 2], 16).unwrap()).collect();
        weak.push(order_8.try_into().unwrap());
        for bytes in weak {
            for sign in [0, 0x80] {
                let mut bytes = bytes;
                bytes[31] |= sign;
                assert_eq!(PublicKey::from_bytes(bytes).unwrap_err().code(), Code::TokenKey, "{bytes:02x?}");
            }
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
