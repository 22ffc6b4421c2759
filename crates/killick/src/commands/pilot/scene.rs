//! Sets the scene: a running killick, the shop behind it, the same shop guarded the usual way, and the agents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use killick_redteam::world::RosterAgent;
use killick_redteam::{Agent, PilotWorld, Services};
use killick_shop::Service;
use serde_json::{Value, json};

use super::operator::Console;
use super::shop::{Guard, Shop};
use crate::client::Admin;
use crate::commands::agent::proof_of_possession;
use crate::folder::{Folder, member, random};
use crate::output::Failure;
use crate::stack::{Stack, StackConfig};
use crate::wallet::Wallet;

/// The trust domain of the pilot's enterprise.
const TRUST_DOMAIN: &str = "shop.example";

/// Everything that runs during a pilot.
pub struct Scene {
    pub folder: Folder,
    pub stack: Stack,
    pub shop: Shop,
    pub baseline: Shop,
    pub trust: Value,
    admin: Admin,
    api_key: String,
    oracle_secret: String,
}

/// An agent with what its authority said of it.
pub struct Onboarded {
    pub agent: Agent,
    pub granted: String,
    pub claims: Value,
    pub certificate: PathBuf,
}

impl Scene {
    /// Starts killick on `dir` and both shops beneath it.
    pub async fn start(dir: &Path) -> Result<Self, Failure> {
        let folder = Folder::new(dir);
        let mut config = StackConfig::on_free_ports(dir, TRUST_DOMAIN)?;
        // The pilot is one source that is refused all the time: each refusal shall be an entry of its own.
        config.limits.refusals_recorded_max = killick_gateway::limits::REFUSALS_RECORDED_TOTAL_MAX;
        let stack = Stack::start(config).await?;
        let trust = folder.read_trust(None)?;
        let jwk = trust.pointer("/gateway/jwk").cloned().unwrap_or_default();
        let (oracle_secret, api_key) = (secret()?, secret()?);
        let shop = Shop::start(&dir.join("shop"), &Guard::Gateway(&jwk), &oracle_secret).await?;
        let baseline =
            Shop::start(&dir.join("shop-baseline"), &Guard::ApiKey(&api_key), &oracle_secret).await?;
        let admin = Admin::of(&folder);
        Ok(Self { folder, stack, shop, baseline, trust, admin, api_key, oracle_secret })
    }

    /// Reads every service's OpenAPI description into the action catalogue; returns the number of operations.
    pub async fn import_catalogue(&self) -> Result<usize, Failure> {
        for service in Service::ALL {
            let openapi = killick_shop::openapi::document(service)
                .map_err(|error| Failure::check("pilot.shop", error.to_string()))?;
            let name = service.name();
            let body = json!({ "openapi": openapi, "upstream": name, "url": self.shop.urls().get(name) });
            self.admin.post("/v1/catalogue/import", &body).await?;
        }
        let catalogue = self.admin.get("/v1/catalogue").await?;
        let operations = catalogue.get("operations").or_else(|| catalogue.pointer("/catalogue/operations"));
        Ok(operations.and_then(Value::as_array).map_or(0, Vec::len))
    }

    /// Gives an agent its identity: a key made here, a SPIFFE ID, an X.509-SVID. Its token is still empty.
    pub async fn onboard(&self, member_of: &RosterAgent) -> Result<Onboarded, Failure> {
        let wallet = Wallet::place(&self.folder, member_of.name)?;
        let (key, _) = wallet.key_or_new()?;
        let body = json!({
            "name": member_of.name,
            "owner": member_of.owner,
            "model": { "name": member_of.model, "version": member_of.model_version },
            "purpose": member_of.purpose,
            "public_key": key.public().to_jwk(),
            "proof": proof_of_possession(member_of.name, &key),
        });
        let answer = self.admin.post("/v1/agents", &body).await?;
        wallet.keep_svid(member(&answer, "/svid_pem", "the answer")?)?;
        wallet.keep_record(&json!({ "agent": answer.get("agent"), "trust": answer.get("trust") }))?;
        let id = member(&answer, "/agent/id", "the answer")?.to_owned();
        let agent = Agent { name: member_of.name.to_owned(), id, key: Arc::new(key), chain: String::new() };
        let mut onboarded =
            Onboarded { agent, granted: String::new(), claims: Value::Null, certificate: wallet.svid_path() };
        self.grant(&mut onboarded, member_of.grant, member_of.max_depth).await?;
        Ok(onboarded)
    }

    /// Grants an agent a token, which takes the place of the one that it had.
    pub async fn grant(&self, onboarded: &mut Onboarded, grant: &str, max_depth: u64) -> Result<(), Failure> {
        let body = json!({ "agent": onboarded.agent.name, "grant": grant, "max_depth": max_depth });
        let answer = self.admin.post("/v1/tokens", &body).await?;
        onboarded.agent.chain = member(&answer, "/token", "the answer")?.to_owned();
        onboarded.granted = member(&answer, "/granted", "the answer")?.to_owned();
        onboarded.claims = answer.get("claims").cloned().unwrap_or_default();
        Wallet::open(&self.folder, &onboarded.agent.name)?.keep_token(&onboarded.agent.chain)
    }

    /// Revokes a token by its id.
    pub async fn revoke_token(&self, jti: &str) -> Result<(), Failure> {
        let body = json!({ "kind": "token", "value": jti, "reason": "tightened" });
        self.admin.post("/v1/revocations", &body).await.map(drop)
    }

    /// What the red team is handed.
    pub fn world(&self, agents: &BTreeMap<String, Onboarded>, seed: u64) -> Result<PilotWorld, Failure> {
        let services =
            |shop: &Shop| Services { urls: shop.urls().clone(), oracle_secret: self.oracle_secret.clone() };
        Ok(PilotWorld {
            gateway: member(&self.trust, "/gateway/url", "trust.json")?.to_owned(),
            audience: member(&self.trust, "/gateway/id", "trust.json")?.to_owned(),
            trust_domain: TRUST_DOMAIN.to_owned(),
            agents: agents.iter().map(|(name, onboarded)| (name.clone(), onboarded.agent.clone())).collect(),
            protected: services(&self.shop),
            baseline: services(&self.baseline),
            api_key: self.api_key.clone(),
            operator: Arc::new(Console::new(self.admin.clone())),
            seed,
        })
    }

    /// Ends everything in order.
    pub async fn stop(self) -> Result<(), Failure> {
        let ended = self.stack.shutdown().await;
        self.shop.stop().await;
        self.baseline.stop().await;
        ended
    }
}

fn secret() -> Result<String, Failure> {
    Ok(killick_proof::keys::base64url(&random::<32>()?))
}
