//! SVIDs: what binds an agent's name to its key, for an hour at a time.

use std::collections::BTreeMap;

use killick_decide::entry::Act;
use killick_proof::bundle::AgentKey;
use killick_proof::keys::PublicKey;
use killick_proof::svid::{self, SvidAuthority};
use killick_proof::{SpiffeId, UnixTime};
use serde_json::Value;

use crate::authority::{Authority, random_serial};
use crate::error::AuthorityError;
use crate::onboard::{check_key_holder, check_proof};
use crate::state::{Batch, State, trim_keys};
use crate::store::Write;

/// A key that its agent wants certified: the same one again, or a new one.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SvidRequest {
    /// Public JWK, Ed25519.
    pub public_key: Value,
    /// Base64url Ed25519 signature over [`crate::proof_message`].
    #[serde(default)]
    pub proof: Option<String>,
}

/// A new SVID.
#[derive(Clone, Debug, serde::Serialize)]
pub struct IssuedSvid {
    /// The certificate, PEM.
    pub svid_pem: String,
    /// Its end, microseconds since the epoch.
    pub not_after: u64,
}

impl Authority {
    /// Certifies an agent's key for another SVID lifetime. A new key takes its place beside the one before it, which
    /// stays until its own SVID ends. Errs with `identity.unknown`, `identity.suspended`, `identity.revoked`,
    /// `identity.reuse`, `key.revoked`, `token.key`, `pop.missing`, `pop.mismatch`.
    pub async fn renew_svid(&self, name: &str, request: SvidRequest) -> Result<IssuedSvid, AuthorityError> {
        let now = self.now();
        let key = PublicKey::from_jwk(&request.public_key)?;
        check_proof(name, &key, request.proof.as_deref())?;
        let (name, signer) = (name.to_owned(), self.shared.signer.clone());
        let lifetime = self.shared.config.svid_lifetime_secs;
        let change = move |state: &mut State, batch: &mut Batch| {
            let record = state.agent(&name)?;
            state.check_standing(record)?;
            check_key_holder(state, &key, Some(&record.id))?;
            let id = record.id.clone();
            let issued = issue(&signer.svid, &id, &key, now, lifetime)?;

            let jwk = key.to_jwk();
            let record = state.agent_mut(&name)?;
            match record.keys.iter_mut().find(|known| known.jwk == jwk) {
                Some(known) => known.not_after = issued.not_after,
                None => record.keys.push(AgentKey { jwk, not_after: issued.not_after }),
            }
            trim_keys(record, now);
            state.key_holders.insert(key.id().as_str().to_owned(), id.clone());
            batch.writes.push(key_write(&name, &key, issued.not_after, now));
            batch.acts.push(Act {
                kind: "issue",
                at: now,
                by: "admin".to_owned(),
                members: BTreeMap::from([
                    ("what".to_owned(), Value::from("svid")),
                    ("agent".to_owned(), Value::from(id.as_str())),
                    ("key".to_owned(), Value::from(key.id().as_str())),
                    ("svid_not_after".to_owned(), Value::from(issued.not_after.micros())),
                ]),
            });
            batch.publish = true;
            Ok(IssuedSvid { svid_pem: issued.pem, not_after: issued.not_after.micros() })
        };
        Ok(self.shared.changes.submit(change).await?.0)
    }
}

/// A certificate and its end.
pub(crate) struct Issued {
    pub(crate) pem: String,
    pub(crate) not_after: UnixTime,
}

pub(crate) fn issue(
    authority: &SvidAuthority,
    id: &SpiffeId,
    key: &PublicKey,
    now: UnixTime,
    lifetime_secs: u64,
) -> Result<Issued, AuthorityError> {
    let der = authority.issue(id, key, random_serial()?, now, lifetime_secs)?;
    // X.509 times are whole seconds.
    let not_after = UnixTime::from_secs(now.secs().saturating_add(lifetime_secs));
    Ok(Issued { pem: svid::to_pem(&der), not_after })
}

pub(crate) fn key_write(agent: &str, key: &PublicKey, not_after: UnixTime, now: UnixTime) -> Write {
    Write::UpsertKey {
        thumbprint: key.id().as_str().to_owned(),
        agent: agent.to_owned(),
        jwk: key.to_jwk().to_string(),
        not_after: not_after.micros(),
        created_at: now.micros(),
    }
}
