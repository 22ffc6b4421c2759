//! A small trust domain for tests. Everything in it comes about as it does in earnest: tokens and requests are signed,
//! and verified by the code that the gateway runs.
#![expect(dead_code, reason = "every test program uses a part of it")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test world that cannot be made stops its test"
)]

use killick_decide::catalogue::{Catalogue, CatalogueDocument};
use killick_decide::cedar::DEFAULT_POLICY;
use killick_decide::{Bundle, Decision, authorise};
use killick_proof::attenuate::{Attenuation, attenuate};
use killick_proof::bundle::{
    AgentKey, AgentRecord, AgentState, BundleDocument, GatewayRecord, PolicyText, Revocations, RiskTier,
    sign_bundle,
};
use killick_proof::call::{PublicOrigins, parse_call};
use killick_proof::constraint::Constraint;
use killick_proof::grammar::{Compiled, Grant};
use killick_proof::json::Json;
use killick_proof::keys::{SigningKey, base64url, sha256};
use killick_proof::replay::ReplayWindow;
use killick_proof::sign::{OutgoingRequest, sign_request};
use killick_proof::token::{CatalogueRef, Claims, ConstraintMap, Model, Origin, PrivateClaims, Tools};
use killick_proof::verified::{verify_agent_chain, verify_bundle, verify_call};
use killick_proof::{AuthenticatedCall, ParsedCall, RawRequest, SpiffeId, UnixTime};

/// Wednesday, 2026-07-01, 10:00 UTC; noon in Berlin.
pub const NOW_SECS: u64 = 1_782_900_000;
const ORIGIN: &str = "http://127.0.0.1:7443";
const GATEWAY: &str = "spiffe://acme.example/gateway/gw-1";

pub fn now() -> UnixTime {
    UnixTime::from_secs(NOW_SECS)
}

pub fn id(path: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://acme.example/{path}")).unwrap()
}

/// A key that belongs to this name alone.
fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(sha256(name.as_bytes())).unwrap()
}

/// A request to make.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub target: String,
    pub body: Option<Vec<u8>>,
    pub peer: String,
}

impl Call {
    pub fn new(method: &str, target: &str, body: Option<&str>) -> Self {
        let body = body.map(|body| body.as_bytes().to_vec());
        Self { method: method.to_owned(), target: target.to_owned(), body, peer: "192.0.2.7".to_owned() }
    }
}

/// The domain's document, to be changed before it is signed.
pub struct World {
    pub document: BundleDocument,
    /// What root tokens say they were made for.
    pub token_catalogue: CatalogueRef,
}

impl World {
    pub fn new(catalogue: &serde_json::Value) -> Self {
        let agents = [
            ("invoice-bot", RiskTier::Medium),
            ("low-bot", RiskTier::Low),
            ("observed-bot", RiskTier::Medium),
            ("denied-bot", RiskTier::Medium),
            ("denied-bot/worker", RiskTier::Medium),
        ];
        let mut agents: Vec<AgentRecord> =
            agents.into_iter().map(|(name, tier)| record(name, tier)).collect();
        agents[2].observe_until = Some(now().plus_secs(3_600));
        agents[3].deny = vec!["execute:*".to_owned(), "delete:invoices".to_owned()];
        let document = BundleDocument {
            version: 1,
            issued_at: now(),
            trust_domain: "acme.example".to_owned(),
            issuer: "https://authority.acme.example".to_owned(),
            authority: id("authority"),
            token_keys: vec![key("token").public().to_jwk()],
            svid_roots: Vec::new(),
            agents,
            revocations: Revocations::default(),
            gateways: vec![GatewayRecord {
                id: SpiffeId::parse(GATEWAY).unwrap(),
                jwk: key("gateway").public().to_jwk(),
            }],
            catalogue: catalogue.clone(),
            policies: vec![PolicyText { id: "default".to_owned(), text: DEFAULT_POLICY.to_owned() }],
            time_zone: "Europe/Berlin".to_owned(),
        };
        let catalogue: CatalogueDocument = serde_json::from_value(catalogue.clone()).unwrap();
        let token_catalogue = CatalogueRef { id: catalogue.id, version: catalogue.version };
        Self { document, token_catalogue }
    }

    pub fn compile(&self, previous: Option<&Bundle>) -> Result<Bundle, String> {
        let key = key("bundle");
        let document =
            verify_bundle(&sign_bundle(&self.document, &key), key.public()).map_err(|e| e.to_string())?;
        Bundle::compile(&document, previous).map_err(|e| e.to_string())
    }

    pub fn bundle(&self) -> Bundle {
        self.compile(None).unwrap()
    }

    /// A root token for `agent`, and, if `sub` says so, a link to that holder with that grant. Returns the chain and
    /// the leaf's key.
    pub fn chain(
        &self,
        bundle: &Bundle,
        agent: &str,
        grant: Grants<'_>,
        sub: Option<(SpiffeId, &str)>,
    ) -> (String, SigningKey) {
        let holder = id(&format!("agent/{agent}"));
        let compiled = match grant {
            Grants::Text(text) => compile_grant(&bundle.catalogue, text),
            Grants::Tools(tools) => Compiled { tools: read_tools(tools), deny: Vec::new() },
        };
        let owner = bundle.trust.agent(&holder).map_or("alice@acme.example", |record| record.owner.as_str());
        let root = Claims {
            jti: "0198c0de-0000-7000-8000-000000000001".to_owned(),
            iss: self.document.issuer.clone(),
            iat: NOW_SECS - 60,
            exp: NOW_SECS + 3_600,
            holder_key: key(holder.as_str()).public().clone(),
            del_depth: 0,
            del_max_depth: 3,
            par_hash: None,
            tools: Some(compiled.tools),
            killick: Some(PrivateClaims {
                issuer: self.document.authority.clone(),
                holder: holder.clone(),
                origin: Some(Origin {
                    model: model(),
                    owner: owner.to_owned(),
                    principal: Some("carol@acme.example".to_owned()),
                    intent: Some(base64url(&sha256(b"pay what is due"))),
                    task: Some("T-17".to_owned()),
                }),
                deny: compiled.deny,
                catalogue: Some(self.token_catalogue.clone()),
            }),
        };
        let chain = root.sign(&key("token"));
        let Some((child, grant)) = sub else { return (chain, key(holder.as_str())) };
        let compiled = compile_grant(&bundle.catalogue, grant);
        let attenuation = Attenuation {
            jti: "0198c0de-0000-7000-8000-000000000002".to_owned(),
            holder_key: key(child.as_str()).public().clone(),
            holder: child.clone(),
            tools: compiled.tools,
            deny: compiled.deny,
            exp_secs: NOW_SECS + 1_800,
            del_max_depth: 3,
        };
        let parent = verify_agent_chain(&chain, &bundle.trust, now()).unwrap();
        (attenuate(&parent, &key(holder.as_str()), &attenuation, now()).unwrap(), key(child.as_str()))
    }

    /// Signs a call and parses it.
    pub fn parse(&self, chain: &str, key: &SigningKey, call: &Call) -> ParsedCall {
        let body = call.body.clone().unwrap_or_default();
        let target_uri = format!("{ORIGIN}{}", call.target);
        let outgoing = OutgoingRequest {
            method: &call.method,
            target_uri: &target_uri,
            content_type: call.body.as_ref().map(|_| "application/json"),
            body: &body,
            chain,
            audience: GATEWAY,
            nonce: "AAECAwQFBgcICQoLDA0ODw",
            lifetime_secs: 60,
        };
        let mut headers = vec![("host".to_owned(), b"127.0.0.1:7443".to_vec())];
        let signed = sign_request(&outgoing, key, now());
        headers.extend(signed.into_iter().map(|(name, value)| (name, value.into_bytes())));
        let raw = RawRequest {
            method: call.method.clone(),
            target: call.target.clone(),
            headers,
            body,
            peer: call.peer.clone(),
            request_id: "0198c0de-0000-7000-8000-0000000000ff".to_owned(),
        };
        let public = PublicOrigins { origins: vec![ORIGIN.to_owned()], audience: GATEWAY.to_owned() };
        parse_call(raw, &public).unwrap()
    }

    /// Signs, parses, verifies and admits a call.
    pub fn authenticate(
        &self,
        bundle: &Bundle,
        chain: &str,
        key: &SigningKey,
        call: &Call,
    ) -> AuthenticatedCall {
        let parsed = self.parse(chain, key, call);
        let verified = verify_call(parsed, &bundle.trust, &|_| None, now()).unwrap();
        ReplayWindow::new(UnixTime::from_secs(NOW_SECS - 120)).admit(verified, now()).unwrap()
    }

    /// The whole way, for an agent with this grant.
    pub fn decide(&self, bundle: &Bundle, agent: &str, grant: &str, call: &Call) -> Decision {
        let (chain, key) = self.chain(bundle, agent, Grants::Text(grant), None);
        authorise(self.authenticate(bundle, &chain, &key, call), bundle, now())
    }
}

/// What a token grants: in the human syntax, or as it stands in the token.
#[derive(Clone, Copy)]
pub enum Grants<'a> {
    Text(&'a str),
    Tools(&'a serde_json::Value),
}

fn read_tools(tools: &serde_json::Value) -> Tools {
    let constraints = |map: &serde_json::Value| -> ConstraintMap {
        let read = |constraint: &serde_json::Value| {
            Constraint::from_json(&Json::parse(constraint.to_string().as_bytes()).unwrap()).unwrap()
        };
        map.as_object().unwrap().iter().map(|(name, constraint)| (name.clone(), read(constraint))).collect()
    };
    tools.as_object().unwrap().iter().map(|(action, map)| (action.clone(), constraints(map))).collect()
}

fn compile_grant(catalogue: &Catalogue, grant: &str) -> Compiled {
    let parsed = Grant::parse(grant).unwrap_or_else(|error| panic!("{grant}: {error}"));
    parsed.compile(catalogue).unwrap_or_else(|error| panic!("{grant}: {error}"))
}

fn model() -> Model {
    Model { name: "claude-opus".to_owned(), version: "2026-05".to_owned(), digest: None }
}

pub fn record(name: &str, risk_tier: RiskTier) -> AgentRecord {
    let agent = id(&format!("agent/{name}"));
    AgentRecord {
        keys: vec![AgentKey {
            jwk: key(agent.as_str()).public().to_jwk(),
            not_after: now().plus_secs(3_600),
        }],
        id: agent,
        state: AgentState::Active,
        owner: "alice@acme.example".to_owned(),
        model: model(),
        risk_tier,
        onboarded_at: UnixTime::from_secs(NOW_SECS - 86_400),
        deny: Vec::new(),
        observe_until: None,
    }
}
