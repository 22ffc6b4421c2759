//! The signature algorithms of RFC 9421 section 3.3, and keys for them in the form of JWKs (RFC 7517, 7518, 8037).
//!
//! The key's type decides which algorithm is used. What the signature's `alg` and the key's own `alg` say must agree with
//! it and with each other (RFC 9421 section 3.2, step 6).

use std::fmt;

use aws_lc_rs::rand::SecureRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA512, RsaKeyPair, RsaPublicKeyComponents,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::keys::{self, PublicKey, base64url, sha256};
use crate::limits::HMAC_KEY_BYTES_MIN;
use crate::refusal::{Code, Refusal};

/// An entry of the HTTP Signature Algorithms registry (RFC 9421 section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `rsa-pss-sha512` (section 3.3.1)
    RsaPssSha512,
    /// `rsa-v1_5-sha256` (section 3.3.2)
    RsaV15Sha256,
    /// `hmac-sha256` (section 3.3.3)
    HmacSha256,
    /// `ecdsa-p256-sha256` (section 3.3.4)
    EcdsaP256Sha256,
    /// `ecdsa-p384-sha384` (section 3.3.5)
    EcdsaP384Sha384,
    /// `ed25519` (section 3.3.6)
    Ed25519,
}

impl Algorithm {
    /// Every algorithm known here.
    pub const ALL: [Self; 6] = [
        Self::RsaPssSha512,
        Self::RsaV15Sha256,
        Self::HmacSha256,
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::Ed25519,
    ];

    /// Its name in the registry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::RsaV15Sha256 => "rsa-v1_5-sha256",
            Self::HmacSha256 => "hmac-sha256",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::EcdsaP384Sha384 => "ecdsa-p384-sha384",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The algorithm with this name in the registry.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }

    /// The algorithm that a JWK's `alg` (RFC 7518 section 3.1, RFC 8037, RFC 9864) stands for.
    fn from_jose(text: &str) -> Option<Self> {
        match text {
            "PS512" => Some(Self::RsaPssSha512),
            "RS256" => Some(Self::RsaV15Sha256),
            "HS256" => Some(Self::HmacSha256),
            "ES256" => Some(Self::EcdsaP256Sha256),
            "ES384" => Some(Self::EcdsaP384Sha384),
            "EdDSA" | "Ed25519" => Some(Self::Ed25519),
            _ => None,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a key is called and what it may be used with.
#[derive(Clone, Debug)]
struct Label {
    kid: Option<String>,
    thumbprint: Option<String>,
    /// The algorithms of its type, or the one that the key itself names.
    algorithms: Vec<Algorithm>,
}

impl Label {
    fn permits(&self, keyid: &str) -> bool {
        self.kid.as_deref().is_none_or(|kid| kid == keyid || self.thumbprint.as_deref() == Some(keyid))
    }

    /// RFC 9421 section 3.2, step 6: whatever says something says the same, and something says it.
    fn algorithm(&self, stated: Option<&str>, wanted: Option<Algorithm>) -> Result<Algorithm, Refusal> {
        let refuse = |why: &str| Err(Refusal::new(Code::SigInvalid, why));
        let stated = match stated {
            None => None,
            Some(text) => match Algorithm::from_text(text) {
                Some(algorithm) => Some(algorithm),
                None => return refuse("the signature's `alg` is not an algorithm known here"),
            },
        };
        let agrees = |algorithm: &Algorithm| {
            stated.is_none_or(|stated| stated == *algorithm)
                && wanted.is_none_or(|wanted| wanted == *algorithm)
        };
        let mut left = self.algorithms.iter().copied().filter(agrees);
        match (left.next(), left.next()) {
            (Some(algorithm), None) => Ok(algorithm),
            (Some(_), Some(_)) => refuse("neither the signature nor the key says which RSA algorithm it is"),
            (None, _) => refuse("the signature's algorithm is not the key's"),
        }
    }
}

/// A key that signatures are verified with.
#[derive(Clone)]
pub struct VerificationKey {
    label: Label,
    material: VerificationMaterial,
}

#[derive(Clone)]
enum VerificationMaterial {
    Ed25519(PublicKey),
    Ecdsa(ParsedPublicKey),
    Hmac(Box<hmac::Key>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl VerificationKey {
    /// Reads a JWK: `OKP` Ed25519, `EC` P-256 or P-384, `RSA` of 2048 to 8192 bits, `oct` of 32 bytes or more (RFC 2104
    /// section 3, RFC 7518 section 3.2). The secret part of a key pair has no place here.
    ///
    /// Errs (`token.key`) for other kinds, bad encodings, points that are not on the curve, weak keys, a private key, and
    /// a key whose `alg`, `use` or `key_ops` is for something else.
    pub fn from_jwk(jwk: &Value) -> Result<Self, Refusal> {
        if ["d", "p", "q", "dp", "dq", "qi"].iter().any(|name| jwk.get(name).is_some()) {
            return refuse("the JWK holds a private key; verify with the public one");
        }
        let (label, material) = public_part(jwk, "verify")?;
        Ok(Self { label, material })
    }

    /// From one of killick's own keys, e.g. of an agent, whose `keyid` is its thumbprint.
    pub fn from_public(key: &PublicKey) -> Result<Self, Refusal> {
        let mut own = Self::from_jwk(&key.to_jwk())?;
        own.label.kid.clone_from(&own.label.thumbprint);
        Ok(own)
    }

    /// The JWK's `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.label.kid.as_deref()
    }

    /// The RFC 7638 SHA-256 thumbprint in base64url. `None` for a shared secret, of which no digest should travel.
    pub fn thumbprint(&self) -> Option<&str> {
        self.label.thumbprint.as_deref()
    }

    /// Whether a signature with this `keyid` may be this key's: it is the key's `kid` or thumbprint, or the key has no
    /// `kid` and is known by other means.
    pub fn permits(&self, keyid: &str) -> bool {
        self.label.permits(keyid)
    }

    /// The one algorithm that this key, the signature's `alg` and whoever asks agree on. Errs with `sig.invalid`.
    pub fn algorithm(&self, stated: Option<&str>, wanted: Option<Algorithm>) -> Result<Algorithm, Refusal> {
        self.label.algorithm(stated, wanted)
    }

    /// Whether `signature` is this key's over `base` by this algorithm. Never, if the algorithm is not the key's.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, base: &[u8], signature: &[u8]) -> bool {
        if !self.label.algorithms.contains(&algorithm) {
            return false;
        }
        match (&self.material, algorithm) {
            (VerificationMaterial::Ed25519(key), Algorithm::Ed25519) => key.verifies(base, signature),
            (VerificationMaterial::Ecdsa(key), Algorithm::EcdsaP256Sha256 | Algorithm::EcdsaP384Sha384) => {
                key.verify_sig(base, signature).is_ok()
            }
            (VerificationMaterial::Hmac(key), Algorithm::HmacSha256) => {
                hmac::verify(key, base, signature).is_ok()
            }
            (VerificationMaterial::Rsa { n, e }, Algorithm::RsaPssSha512) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA512, base, signature).is_ok()
            }
            (VerificationMaterial::Rsa { n, e }, Algorithm::RsaV15Sha256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, base, signature).is_ok()
            }
            _ => false,
        }
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationKey({:?})", self.label)
    }
}

/// A key that signatures are made with. It is never printed.
pub struct SignatureKey {
    label: Label,
    material: SignatureMaterial,
}

enum SignatureMaterial {
    Ed25519(keys::SigningKey),
    Ecdsa(EcdsaKeyPair),
    Hmac(Box<hmac::Key>),
    Rsa(RsaKeyPair),
}

impl SignatureKey {
    /// Reads a JWK with its private part; the same kinds as [`VerificationKey::from_jwk`]. RSA keys come with all five of
    /// RFC 7518 section 6.3.2's `p`, `q`, `dp`, `dq`, `qi`.
    ///
    /// Errs (`token.key`) as there, for a public key, and for a private part that does not belong to the public one.
    pub fn from_jwk(jwk: &Value) -> Result<Self, Refusal> {
        let (label, public) = public_part(jwk, "sign")?;
        let mismatch =
            || Refusal::new(Code::TokenKey, "the JWK's private part is not that of its public part");
        let material = match public {
            VerificationMaterial::Hmac(key) => SignatureMaterial::Hmac(key),
            VerificationMaterial::Ed25519(public) => {
                let seed = secret(jwk, "d")?;
                let seed: [u8; 32] = seed.as_slice().try_into().map_err(|_| mismatch())?;
                let key = keys::SigningKey::from_seed(seed)?;
                if key.public() != &public {
                    return Err(mismatch());
                }
                SignatureMaterial::Ed25519(key)
            }
            VerificationMaterial::Ecdsa(public) => {
                let algorithm = match label.algorithms.first() {
                    Some(Algorithm::EcdsaP384Sha384) => &ECDSA_P384_SHA384_FIXED_SIGNING,
                    _ => &ECDSA_P256_SHA256_FIXED_SIGNING,
                };
                let private = secret(jwk, "d")?;
                EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, public.as_ref())
                    .map(SignatureMaterial::Ecdsa)
                    .map_err(|_| mismatch())?
            }
            VerificationMaterial::Rsa { n, e } => {
                let components = rsa::KeyPairComponents {
                    public_key: RsaPublicKeyComponents { n: Zeroizing::new(n), e: Zeroizing::new(e) },
                    d: secret(jwk, "d")?,
                    p: secret(jwk, "p")?,
                    q: secret(jwk, "q")?,
                    dP: secret(jwk, "dp")?,
                    dQ: secret(jwk, "dq")?,
                    qInv: secret(jwk, "qi")?,
                };
                RsaKeyPair::from_components(&components)
                    .map(SignatureMaterial::Rsa)
                    .map_err(|_| mismatch())?
            }
        };
        Ok(Self { label, material })
    }

    /// The JWK's `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.label.kid.as_deref()
    }

    /// The RFC 7638 SHA-256 thumbprint in base64url; `None` for a shared secret.
    pub fn thumbprint(&self) -> Option<&str> {
        self.label.thumbprint.as_deref()
    }

    /// The one algorithm that this key, the `alg` that shall be stated and whoever asks agree on. Errs with
    /// `sig.invalid`.
    pub fn algorithm(&self, stated: Option<&str>, wanted: Option<Algorithm>) -> Result<Algorithm, Refusal> {
        self.label.algorithm(stated, wanted)
    }

    /// The signature over `base`. `random` is what ECDSA and RSA-PSS blind and salt with; Ed25519, HMAC and RSA
    /// PKCS#1 v1.5 are deterministic. Errs (`internal.error`) if the algorithm is not the key's or the library fails.
    pub fn sign(
        &self,
        algorithm: Algorithm,
        base: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<Vec<u8>, Refusal> {
        let failed = || Refusal::new(Code::InternalError, "the signature could not be made");
        if !self.label.algorithms.contains(&algorithm) {
            return Err(failed());
        }
        match &self.material {
            SignatureMaterial::Ed25519(key) => Ok(key.sign(base).to_vec()),
            SignatureMaterial::Hmac(key) => Ok(hmac::sign(key, base).as_ref().to_vec()),
            SignatureMaterial::Ecdsa(pair) => {
                pair.sign(random, base).map(|signature| signature.as_ref().to_vec()).map_err(|_| failed())
            }
            SignatureMaterial::Rsa(pair) => {
                let padding = match algorithm {
                    Algorithm::RsaPssSha512 => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, random, base, &mut signature).map_err(|_| failed())?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for SignatureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignatureKey({:?})", self.label)
    }
}

/// The public part of a JWK and what it may be used for; `operation` is what it is wanted for (RFC 7517 section 4.3).
fn public_part(jwk: &Value, operation: &str) -> Result<(Label, VerificationMaterial), Refusal> {
    let (algorithms, thumbprint, material) = match (text(jwk, "kty")?, text(jwk, "crv").ok()) {
        ("OKP", Some("Ed25519")) => {
            let public = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": text(jwk, "x")? });
            let key = PublicKey::from_jwk(&public)?;
            let id = key.id().as_str().to_owned();
            (vec![Algorithm::Ed25519], Some(id), VerificationMaterial::Ed25519(key))
        }
        ("EC", Some("P-256")) => elliptic(jwk, "P-256", Algorithm::EcdsaP256Sha256)?,
        ("EC", Some("P-384")) => elliptic(jwk, "P-384", Algorithm::EcdsaP384Sha384)?,
        ("RSA", _) => {
            let (n, e) = (member(jwk, "n")?, member(jwk, "e")?);
            let parsed =
                RsaPublicKeyComponents { n: &n, e: &e }.to_parsed_public_key(&RSA_PSS_2048_8192_SHA512);
            // Its size is looked at when a signature is verified; here it says what is wrong.
            if parsed.is_err() || !(256..=1024).contains(&n.len()) {
                return refuse("the JWK is not an RSA key of 2048 to 8192 bits");
            }
            let print = format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, base64url(&e), base64url(&n));
            let print = base64url(&sha256(print.as_bytes()));
            let material = VerificationMaterial::Rsa { n, e };
            (vec![Algorithm::RsaPssSha512, Algorithm::RsaV15Sha256], Some(print), material)
        }
        ("oct", _) => {
            let key = secret(jwk, "k")?;
            if key.len() < HMAC_KEY_BYTES_MIN {
                return refuse(&format!("the JWK's secret is shorter than {HMAC_KEY_BYTES_MIN} bytes"));
            }
            let material = VerificationMaterial::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &key)));
            (vec![Algorithm::HmacSha256], None, material)
        }
        _ => return refuse("the JWK is none of OKP Ed25519, EC P-256, EC P-384, RSA, oct"),
    };
    let algorithms = match jwk.get("alg") {
        None => algorithms,
        Some(alg) => match alg.as_str().and_then(Algorithm::from_jose) {
            Some(alg) if algorithms.contains(&alg) => vec![alg],
            _ => return refuse("the JWK's `alg` is not one of its type that RFC 9421 has"),
        },
    };
    check_use(jwk, operation)?;
    let kid = match jwk.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.clone()),
        Some(_) => return refuse("the JWK's `kid` is not a string"),
    };
    Ok((Label { kid, thumbprint, algorithms }, material))
}

/// RFC 7517 sections 4.2 and 4.3. A private key may list what its public half does, and a secret does both.
fn check_use(jwk: &Value, operation: &str) -> Result<(), Refusal> {
    if jwk.get("use").is_some_and(|wanted| wanted != "sig") {
        return refuse("the JWK's `use` is not `sig`");
    }
    let listed = |operations: &Value| {
        operations.as_array().is_some_and(|list| list.iter().any(|listed| listed == operation))
    };
    if jwk.get("key_ops").is_some_and(|operations| !listed(operations)) {
        return refuse(&format!("the JWK's `key_ops` does not have `{operation}`"));
    }
    Ok(())
}

/// RFC 7518 section 6.2: both coordinates at full length.
fn elliptic(
    jwk: &Value,
    curve: &str,
    algorithm: Algorithm,
) -> Result<(Vec<Algorithm>, Option<String>, VerificationMaterial), Refusal> {
    let (x, y) = (member(jwk, "x")?, member(jwk, "y")?);
    let (length, verification) = match algorithm {
        Algorithm::EcdsaP384Sha384 => (48, &ECDSA_P384_SHA384_FIXED),
        _ => (32, &ECDSA_P256_SHA256_FIXED),
    };
    if x.len() != length || y.len() != length {
        return refuse("a coordinate of the JWK has the wrong length");
    }
    let mut point = vec![4];
    point.extend_from_slice(&x);
    point.extend_from_slice(&y);
    let Ok(key) = ParsedPublicKey::new(verification, &point) else {
        return refuse("the JWK's point is not on its curve");
    };
    let print = format!(r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#, base64url(&x), base64url(&y));
    let print = base64url(&sha256(print.as_bytes()));
    Ok((vec![algorithm], Some(print), VerificationMaterial::Ecdsa(key)))
}

fn text<'a>(jwk: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    match jwk.get(name).and_then(Value::as_str) {
        Some(text) => Ok(text),
        None => refuse(&format!("the JWK has no `{name}`")),
    }
}

fn member(jwk: &Value, name: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD
        .decode(text(jwk, name)?)
        .or_else(|_| refuse(&format!("the JWK's `{name}` is not base64url")))
}

fn secret(jwk: &Value, name: &str) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    member(jwk, name).map(Zeroizing::new)
}

fn refuse<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Code::TokenKey, why))
}
