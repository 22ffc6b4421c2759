//! What the red team's operator can do, over the admin API that every operator uses.

use std::sync::Arc;

use killick_proof::keys::SigningKey;
use killick_redteam::{Accepted, Agent, Boxed, NewAgent, NewToken, Operator, RedteamError, Revoke};
use serde_json::{Value, json};

use crate::client::{Admin, segment};
use crate::commands::agent::proof_of_possession;
use crate::folder::{member, now, random};
use crate::output::Failure;

/// An operator of the killick under attack.
pub struct Console {
    admin: Admin,
}

impl Console {
    /// Over this admin API.
    pub const fn new(admin: Admin) -> Self {
        Self { admin }
    }

    async fn try_onboard(&self, agent: &NewAgent) -> Result<Agent, Failure> {
        let key = SigningKey::from_seed(random()?)
            .map_err(|refusal| Failure::check("pilot.key", refusal.detail().to_owned()))?;
        let body = json!({
            "name": agent.name,
            "owner": agent.owner,
            "model": { "name": agent.model, "version": agent.model_version },
            "public_key": key.public().to_jwk(),
            "proof": proof_of_possession(&agent.name, &key),
        });
        let answer = self.admin.post("/v1/agents", &body).await?;
        let token = NewToken {
            agent: agent.name.clone(),
            grant: agent.grant.clone(),
            max_depth: agent.max_depth,
            lifetime_secs: None,
        };
        Ok(Agent {
            name: agent.name.clone(),
            id: member(&answer, "/agent/id", "the answer")?.to_owned(),
            key: Arc::new(key),
            chain: self.try_grant(&token).await?,
        })
    }

    async fn try_grant(&self, token: &NewToken) -> Result<String, Failure> {
        let mut body = json!({ "agent": token.agent, "grant": token.grant, "max_depth": token.max_depth });
        if let (Some(secs), Some(members)) = (token.lifetime_secs, body.as_object_mut()) {
            members.insert("lifetime_secs".to_owned(), secs.into());
        }
        let answer = self.admin.post("/v1/tokens", &body).await?;
        Ok(member(&answer, "/token", "the answer")?.to_owned())
    }

    async fn try_revoke(&self, what: &Revoke) -> Result<Accepted, Failure> {
        // Suspending and off-boarding do not say when they were accepted: then the time of asking counts, which can only
        // make the latency longer.
        let asked_at = now();
        let revocation = |kind: &str, value: &str| json!({ "kind": kind, "value": value, "reason": "pilot" });
        let answer = match what {
            Revoke::Token(jti) => self.admin.post("/v1/revocations", &revocation("token", jti)).await?,
            Revoke::Key(id) => self.admin.post("/v1/revocations", &revocation("key", id)).await?,
            Revoke::Agent(id) => self.admin.post("/v1/revocations", &revocation("agent", id)).await?,
            Revoke::Subtree(id) => self.admin.post("/v1/revocations", &revocation("subtree", id)).await?,
            Revoke::Model(name) => self.admin.post("/v1/revocations", &revocation("model", name)).await?,
            Revoke::Owner(name) => self.admin.post("/v1/revocations", &revocation("owner", name)).await?,
            Revoke::Suspend(name) => {
                self.admin.post(&format!("/v1/agents/{}/suspend", segment(name)), &json!({})).await?
            }
            Revoke::Offboard(name) => self.admin.delete(&format!("/v1/agents/{}", segment(name))).await?,
        };
        let at_us = answer.get("accepted_at_us").and_then(Value::as_u64).unwrap_or(asked_at.micros());
        Ok(Accepted { at_us })
    }
}

impl Operator for Console {
    fn onboard(&self, agent: NewAgent) -> Boxed<'_, Result<Agent, RedteamError>> {
        Box::pin(async move { self.try_onboard(&agent).await.map_err(failed) })
    }

    fn grant(&self, token: NewToken) -> Boxed<'_, Result<String, RedteamError>> {
        Box::pin(async move { self.try_grant(&token).await.map_err(failed) })
    }

    fn revoke(&self, what: Revoke) -> Boxed<'_, Result<Accepted, RedteamError>> {
        Box::pin(async move { self.try_revoke(&what).await.map_err(failed) })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over errors")]
fn failed(failure: Failure) -> RedteamError {
    RedteamError::Operator(failure.sentence().to_owned())
}
