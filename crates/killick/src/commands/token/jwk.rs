//! Keys and chains of anybody's, in files: JWKs (RFC 7517, RFC 8037), and chains of one JWS a line.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::keys::{PublicKey, SigningKey, base64url};
use killick_proof::limits::CHAIN_BYTES_MAX;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::folder::{random, read_text, write_whole};
use crate::output::{Failure, Outcome, Ui};
use crate::wallet::read_key;

/// Bytes of a file with keys: a set of a thousand is smaller.
const KEYS_BYTES_MAX: u64 = 1_048_576;

/// `killick token key`: a private JWK, made if it is not there, and its public half.
pub fn make(ui: Ui, path: &Path) -> Outcome {
    let key = if path.exists() {
        signing_key(path)?
    } else {
        let seed = Zeroizing::new(random::<32>()?);
        let key = SigningKey::from_seed(*seed)
            .map_err(|refusal| Failure::check("key.failed", refusal.detail().to_owned()))?;
        let mut jwk = key.public().to_jwk();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("d".to_owned(), base64url(seed.as_slice()).into());
        }
        let text = Zeroizing::new(format!("{jwk}\n"));
        write_whole(path, text.as_bytes(), 0o600)?;
        key
    };
    let public = key.public().to_jwk();
    ui.result(&public, |_| public.to_string());
    Ok(crate::output::Exit::Fine.into())
}

/// The trust anchors in these files: each a JWK or a set of them. A private JWK counts by its public half.
pub fn anchors(paths: &[std::path::PathBuf]) -> Result<Vec<PublicKey>, Failure> {
    let mut keys = Vec::new();
    for path in paths {
        let value = read_json(path)?;
        let list = match value.get("keys").and_then(Value::as_array) {
            Some(list) => list.clone(),
            None => vec![value],
        };
        for jwk in list {
            keys.push(public_half(&jwk, path)?);
        }
    }
    Ok(keys)
}

/// The public key in a file: a JWK, of which a private one counts by its public half.
pub fn public_key(path: &Path) -> Result<PublicKey, Failure> {
    public_half(&read_json(path)?, path)
}

fn public_half(jwk: &Value, path: &Path) -> Result<PublicKey, Failure> {
    let mut public = jwk.clone();
    if let Some(members) = public.as_object_mut() {
        members.remove("d");
    }
    PublicKey::from_jwk(&public).map_err(|refusal| wrong_key(path, refusal.detail()))
}

/// The private key in a file: a JWK with `d`, or a key file of an agent here.
pub fn signing_key(path: &Path) -> Result<SigningKey, Failure> {
    let text = Zeroizing::new(read_bounded(path, KEYS_BYTES_MAX)?);
    if !text.trim_start().starts_with('{') {
        return read_key(path);
    }
    let jwk: Value = serde_json::from_str(&text).map_err(|_| wrong_key(path, "it is not valid JSON"))?;
    let Some(d) = jwk.get("d").and_then(Value::as_str) else {
        return Err(wrong_key(path, "it is a public key: there is no `d`"));
    };
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(d).unwrap_or_default());
    let seed = <[u8; 32]>::try_from(bytes.as_slice())
        .map_err(|_| wrong_key(path, "its `d` is not 32 bytes in base64url"))?;
    let key = SigningKey::from_seed(seed).map_err(|refusal| wrong_key(path, refusal.detail()))?;
    if *key.public() != public_half(&jwk, path)? {
        return Err(wrong_key(path, "its `x` is not the public half of its `d`"));
    }
    Ok(key)
}

/// A chain as others keep it: one JWS a line, root first; `-` is standard input. Compact: joined by `~`.
pub fn chain(path: &Path) -> Result<String, Failure> {
    let bytes_max = u64::try_from(CHAIN_BYTES_MAX).unwrap_or(u64::MAX).saturating_mul(2);
    let text = read_bounded(path, bytes_max)?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(lines.join("~"))
}

fn read_json(path: &Path) -> Result<Value, Failure> {
    let text = read_bounded(path, KEYS_BYTES_MAX)?;
    serde_json::from_str(&text).map_err(|_| wrong_key(path, "it is not valid JSON"))
}

fn read_bounded(path: &Path, bytes_max: u64) -> Result<String, Failure> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::io::Read::take(std::io::stdin(), bytes_max), &mut text)
            .map_err(|error| Failure::io("read", Path::new("standard input"), &error))?;
        return Ok(text);
    }
    let size = std::fs::metadata(path).map_err(|error| Failure::io("read", path, &error))?.len();
    if size > bytes_max {
        return Err(Failure::usage(
            "limit.size",
            format!("{} is larger than {bytes_max} bytes", path.display()),
        ));
    }
    read_text(path)
}

fn wrong_key(path: &Path, why: &str) -> Failure {
    Failure::usage("key.invalid", format!("{} holds no key that can be used: {why}", path.display()))
        .mend("give a JWK of RFC 8037, e.g. one that `killick token key FILE` makes")
        .with("shape", json!({ "kty": "OKP", "crv": "Ed25519", "x": "…" }))
}
