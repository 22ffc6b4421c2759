//! `trust.json`: what clients, gateways and auditors must know beforehand. Public.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::files;

impl Authority {
    /// The document of `trust.json`: the pinned keys of the trust domain, its logs and its gateway. No secret in it.
    pub fn trust_document(&self) -> Value {
        let config = &self.shared.config;
        json!({
            "trust_domain": config.trust_domain,
            "issuer": config.issuer(),
            "origin": config.log.origin,
            "log_vkey": config.log.vkey,
            "directory_vkey": config.ledger.vkey(),
            "witnesses": config.witnesses,
            "bundle_key": self.shared.signer.bundle.public().to_jwk(),
            "token_keys": [self.shared.signer.token.public().to_jwk()],
            "gateway": {
                "id": config.gateway.id.as_str(),
                "url": config.gateway.url,
                "jwk": config.gateway.jwk,
            },
        })
    }

    /// Writes `trust.json` into the data folder, beside the log and not in it, and returns its path.
    pub fn write_trust(&self) -> Result<PathBuf, AuthorityError> {
        let path = self.shared.config.dir.join("trust.json");
        write(&path, &self.trust_document())?;
        Ok(path)
    }
}

fn write(path: &Path, document: &Value) -> Result<(), AuthorityError> {
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    files::write_whole(path, text.as_bytes(), 0o644)
}
