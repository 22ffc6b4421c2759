//! ECDSA over P-256 with SHA-256 (FIPS 186-5; `ES256` of RFC 7518 section 3.4).
//!
//! A public key is an uncompressed point (SEC 1 section 2.3.3) on the curve. P-256 has no points of small order (its
//! cofactor is 1). A signature is `r || s`, 32 bytes each.
//!
//! **High s.** For each valid `(r, s)`, `(r, n - s)` is valid too, and RFC 7518 picks neither. Both are accepted, as
//! half of what other issuers sign has the high one. So nothing here or above may take a signature's bytes for the
//! identity of what it signs: `par_hash` is over the signing input, replay is by nonce, revocation by `jti` and key.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey,
    UnparsedPublicKey,
};

use crate::refusal::{Code, Refusal};

/// Bytes of an uncompressed point: `0x04 || x || y`.
pub(super) const POINT_BYTES: usize = 65;

/// Whether these bytes are an uncompressed point on the curve, with coordinates below the field's prime.
pub(super) fn is_point(bytes: &[u8; POINT_BYTES]) -> bool {
    bytes.first() == Some(&0x04) && ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).is_ok()
}

/// Whether `signature` is exactly 64 bytes, `r` and `s` both lie in `1..n`, and the equation holds.
pub(super) fn verifies(key: &[u8; POINT_BYTES], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, signature).is_ok()
}

/// The key pair of a private scalar (big-endian) and its public point. Errs (`token.key`) unless it lies in `1..n`.
pub(super) fn key_pair(scalar: &[u8; 32]) -> Result<(EcdsaKeyPair, [u8; POINT_BYTES]), Refusal> {
    let refuse = || Refusal::new(Code::TokenKey, "the private scalar makes no P-256 key");
    let private = PrivateKey::from_private_key(&ECDH_P256, scalar).map_err(|_| refuse())?;
    let public = private.compute_public_key().map_err(|_| refuse())?;
    let point = <[u8; POINT_BYTES]>::try_from(public.as_ref()).map_err(|_| refuse())?;
    let pair =
        EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, scalar, &point)
            .map_err(|_| refuse())?;
    Ok((pair, point))
}

/// `r || s` over `message`. AWS-LC draws the per-signature number itself, so that no caller can repeat one; it ignores
/// the generator that its interface asks for. Should it fail, the signature is all zeros, which no verifier accepts.
pub(super) fn sign(pair: &EcdsaKeyPair, message: &[u8]) -> [u8; 64] {
    #[expect(clippy::disallowed_methods, reason = "an argument that is not used; no verdict depends on it")]
    let random = SystemRandom::new();
    let mut out = [0_u8; 64];
    if let Ok(signature) = pair.sign(&random, message)
        && signature.as_ref().len() == out.len()
    {
        out.copy_from_slice(signature.as_ref());
    }
    out
}
