//! Taking credentials apart and putting false ones together.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::SpiffeId;
use killick_proof::json::Json;
use killick_proof::keys::{SigningKey, base64url, sha256};
use killick_proof::token::{Claims, PrivateClaims};
use serde_json::{Map, Value};

use crate::error::RedteamError;
use crate::world::{Agent, fresh_key, now};

/// One token, taken apart.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The JOSE header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
    /// The signature's bytes.
    pub signature: Vec<u8>,
}

fn wrong(what: &str) -> RedteamError {
    RedteamError::Forge(what.to_owned())
}

/// The links of a chain, root first.
pub fn links(chain: &str) -> Vec<&str> {
    chain.split('~').collect()
}

/// The last link.
pub fn leaf(chain: &str) -> &str {
    chain.rsplit('~').next().unwrap_or(chain)
}

impl Parts {
    /// Takes a compact JWS apart; checks nothing.
    pub fn of(token: &str) -> Result<Self, RedteamError> {
        let mut parts = token.split('.');
        let mut decode = || {
            let part = parts.next().ok_or_else(|| wrong("a token has too few parts"))?;
            URL_SAFE_NO_PAD.decode(part).map_err(|_| wrong("a token's part is not base64url"))
        };
        let (header, claims, signature) = (decode()?, decode()?, decode()?);
        let json =
            |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|_| wrong("a token's part is not JSON"));
        Ok(Self { header: json(&header)?, claims: json(&claims)?, signature })
    }

    /// What a signature is made over.
    pub fn signing_input(&self) -> String {
        format!(
            "{}.{}",
            base64url(self.header.to_string().as_bytes()),
            base64url(self.claims.to_string().as_bytes())
        )
    }

    /// The token with the signature that it has, whatever was changed.
    pub fn keep_signature(&self) -> String {
        format!("{}.{}", self.signing_input(), base64url(&self.signature))
    }

    /// The token signed anew.
    pub fn sign(&self, key: &SigningKey) -> String {
        let input = self.signing_input();
        format!("{input}.{}", base64url(&key.sign(input.as_bytes())))
    }

    /// The token without a signature.
    pub fn unsigned(&self) -> String {
        format!("{}.", self.signing_input())
    }

    /// The token with an HMAC-SHA-256 under `secret` (RFC 2104), as the confusion of key kinds would have it.
    pub fn sign_hmac(&self, secret: &[u8]) -> String {
        let input = self.signing_input();
        format!("{input}.{}", base64url(&hmac_sha256(secret, input.as_bytes())))
    }

    /// A claim.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// Sets a claim.
    pub fn set(&mut self, name: &str, value: Value) {
        if let Some(claims) = self.claims.as_object_mut() {
            claims.insert(name.to_owned(), value);
        }
    }

    /// Sets a header member.
    pub fn set_header(&mut self, name: &str, value: Value) {
        if let Some(header) = self.header.as_object_mut() {
            header.insert(name.to_owned(), value);
        }
    }

    /// The tools map (AAT draft, section 3.3).
    pub fn tools(&mut self) -> Result<&mut Map<String, Value>, RedteamError> {
        self.claims
            .get_mut("authorization_details")
            .and_then(|details| details.get_mut(0))
            .and_then(|entry| entry.get_mut("tools"))
            .and_then(Value::as_object_mut)
            .ok_or_else(|| wrong("a token has no tools"))
    }

    /// The private claims.
    pub fn private(&mut self) -> Result<&mut Map<String, Value>, RedteamError> {
        self.claims
            .get_mut("killick")
            .and_then(Value::as_object_mut)
            .ok_or_else(|| wrong("a token has no killick claims"))
    }
}

/// HMAC-SHA-256 (RFC 2104), for a key of any length.
fn hmac_sha256(secret: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut key = if secret.len() > BLOCK { sha256(secret).to_vec() } else { secret.to_vec() };
    key.resize(BLOCK, 0);
    let mut inner: Vec<u8> = key.iter().map(|byte| byte ^ 0x36).collect();
    inner.extend_from_slice(message);
    let mut outer: Vec<u8> = key.iter().map(|byte| byte ^ 0x5c).collect();
    outer.extend_from_slice(&sha256(&inner));
    sha256(&outer)
}

/// The `jti` of a chain's leaf.
pub fn leaf_jti(chain: &str) -> Result<String, RedteamError> {
    let parts = Parts::of(leaf(chain))?;
    parts.claim("jti").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| wrong("a token has no jti"))
}

/// The claims of a chain's leaf, as killick's own types.
pub fn leaf_claims(chain: &str) -> Result<Claims, RedteamError> {
    let payload = leaf(chain).split('.').nth(1).ok_or_else(|| wrong("a token has too few parts"))?;
    let bytes = URL_SAFE_NO_PAD.decode(payload).map_err(|_| wrong("a token's part is not base64url"))?;
    Ok(Claims::from_json(&Json::parse(&bytes)?)?)
}

/// The commitment that a child makes to the token above it: base64url SHA-256 of its JWS signing input (AAT draft,
/// section 4.4).
pub fn commitment(token: &str) -> Result<String, RedteamError> {
    let (input, _) = token.rsplit_once('.').ok_or_else(|| wrong("a token has too few parts"))?;
    Ok(base64url(&sha256(input.as_bytes())))
}

/// The claims of a link that `parent` may well give to a child of its own: the same rights, nothing more. Attacks start
/// from here and change one thing.
pub fn honest_child(parent: &Agent, child: &SigningKey, name: &str) -> Result<Claims, RedteamError> {
    let above = leaf_claims(&parent.chain)?;
    let id = SpiffeId::parse(&parent.id)?;
    Ok(Claims {
        jti: uuid::Uuid::now_v7().to_string(),
        iss: parent.key.id().thumbprint_uri(),
        iat: now().secs(),
        exp: above.exp,
        holder_key: child.public().clone(),
        del_depth: above.del_depth + 1,
        del_max_depth: above.del_max_depth,
        par_hash: Some(commitment(leaf(&parent.chain))?),
        tools: above.tools,
        killick: Some(PrivateClaims {
            holder: id.child(name)?,
            issuer: id,
            origin: None,
            deny: Vec::new(),
            catalogue: None,
        }),
    })
}

/// A spawned child with a key of its own and a link that its parent signed as it stands, whatever it says.
pub fn spawn(
    parent: &Agent,
    name: &str,
    edit: impl FnOnce(&mut Claims) -> Result<(), RedteamError>,
) -> Result<Agent, RedteamError> {
    let key = fresh_key()?;
    let mut claims = honest_child(parent, &key, name)?;
    edit(&mut claims)?;
    let chain = format!("{}~{}", parent.chain, claims.sign(&parent.key));
    let id = claims.killick.as_ref().map_or_else(String::new, |killick| killick.holder.to_string());
    Ok(Agent { name: name.to_owned(), id, key: Arc::new(key), chain })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hmac_is_hmac() {
        // RFC 4231, test case 2.
        let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(mac[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_eq!(mac[28..], [0x64, 0xec, 0x38, 0x43]);
    }

    #[test]
    fn a_token_comes_apart_and_together() {
        let key = fresh_key().unwrap();
        let parts =
            Parts { header: json!({ "alg": "EdDSA" }), claims: json!({ "jti": "1" }), signature: vec![] };
        let token = parts.sign(&key);
        let mut again = Parts::of(&token).unwrap();
        assert_eq!(again.keep_signature(), token);
        let (input, _) = token.rsplit_once('.').unwrap();
        assert!(key.public().verifies(input.as_bytes(), &again.signature));
        again.set("jti", json!("2"));
        assert_ne!(again.keep_signature(), token);
        assert!(again.unsigned().ends_with('.'));
    }
}
