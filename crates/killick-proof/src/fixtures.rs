//! Test keys and worlds, made the way everyone makes them: by signing. Nothing here bypasses verification.
//!
//! A [`World`] is one small enterprise at one moment: an authority, a gateway and two agents, `invoice-bot` and
//! `payment-bot`. Its keys follow from numbers, so that every test and every golden vector is the same each time.
//!
//! ```
//! use killick_proof::call::parse_call;
//! use killick_proof::fixtures::{self, Ask, World};
//! use killick_proof::verified::verify_call;
//!
//! let world = World::new();
//! let token = world.root_token("invoice-bot", fixtures::tools(&["read:invoices"]));
//! let raw = world.signed_request("invoice-bot", &token, &Ask::get("/invoices/INV-7"));
//! let call = parse_call(raw, &world.public())?;
//! let call = verify_call(call, &world.trust(), &|_| None, fixtures::NOW)?;
//! assert_eq!(call.agent().as_str(), "spiffe://acme.example/agent/invoice-bot");
//! # Ok::<(), killick_proof::Refusal>(())
//! ```
#![expect(clippy::expect_used, reason = "a fixture that cannot be made must stop its test")]

use std::collections::BTreeMap;

use crate::bundle::{
    AgentKey, AgentRecord, AgentState, BundleDocument, GatewayRecord, Revocations, RiskTier, TrustBundle,
    sign_bundle,
};
use crate::call::{PublicOrigins, RawRequest};
use crate::keys::{SigningKey, base64url, sha256};
use crate::sign::{OutgoingRequest, sign_request};
use crate::spiffe::SpiffeId;
use crate::svid::{SvidAuthority, new_root};
use crate::time::UnixTime;
use crate::token::{CatalogueRef, Claims, Model, Origin, PrivateClaims, Tools};
use crate::verified::{Verified, verify_bundle};

/// The moment at which the world stands: 2026-09-21T14:13:20Z.
pub const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);
/// The world's trust domain.
pub const TRUST_DOMAIN: &str = "acme.example";
/// Its authority's issuer URI.
pub const ISSUER: &str = "https://authority.acme.example";
/// The gateway's public origin.
pub const ORIGIN: &str = "http://127.0.0.1:7443";
/// The gateway's SPIFFE ID.
pub const GATEWAY: &str = "spiffe://acme.example/gateway/gw-1";

/// A key that follows from a number. Not a secret.
pub fn key(number: u64) -> SigningKey {
    let seed = sha256(format!("killick fixture key {number}").as_bytes());
    SigningKey::from_seed(seed).expect("a hash is a seed")
}

/// A SPIFFE ID of the world's trust domain: `id("/agent/invoice-bot")`.
pub fn id(path: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://{TRUST_DOMAIN}{path}")).expect("the path is one of a SPIFFE ID")
}

/// These actions with any arguments.
pub fn tools(actions: &[&str]) -> Tools {
    actions.iter().map(|action| ((*action).to_owned(), BTreeMap::new())).collect()
}

/// A UUIDv7 of the world's moment that follows from a number.
pub fn uuid(number: u64) -> String {
    let digest = sha256(format!("killick fixture uuid {number}").as_bytes());
    let mut random = [0_u8; 10];
    random.copy_from_slice(digest.split_at(10).0);
    uuid::Builder::from_unix_timestamp_millis(NOW.micros() / 1_000, &random).into_uuid().to_string()
}

/// A nonce that follows from a number: 16 bytes, base64url.
pub fn nonce(number: u64) -> String {
    base64url(sha256(format!("killick fixture nonce {number}").as_bytes()).split_at(16).0)
}

/// What to ask of the gateway.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Upper case.
    pub method: &'a str,
    /// The raw request target.
    pub target: &'a str,
    /// A JSON body.
    pub body: Option<&'a str>,
    /// Which nonce to sign; see [`nonce`].
    pub nonce: u64,
    /// When it is signed.
    pub at: UnixTime,
    /// Seconds that the signature is good for.
    pub lifetime_secs: u64,
    /// The gateway meant.
    pub audience: &'a str,
}

impl<'a> Ask<'a> {
    /// `GET target`, at [`NOW`], for 30 seconds.
    pub const fn get(target: &'a str) -> Self {
        Self { method: "GET", target, body: None, nonce: 1, at: NOW, lifetime_secs: 30, audience: GATEWAY }
    }

    /// `POST target` with a JSON body, at [`NOW`], for 30 seconds.
    pub const fn post(target: &'a str, body: &'a str) -> Self {
        Self { method: "POST", body: Some(body), ..Self::get(target) }
    }
}

/// One enterprise at one moment. Change [`World::document`] to make another.
pub struct World {
    /// Signs root tokens.
    pub token_key: SigningKey,
    /// Signs bundles.
    pub bundle_key: SigningKey,
    /// Signs what the gateway forwards.
    pub gateway_key: SigningKey,
    /// Issues SVIDs.
    pub svid_authority: SvidAuthority,
    /// What the authority signs.
    pub document: BundleDocument,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// The world with both agents active and nothing revoked.
    pub fn new() -> Self {
        use base64::Engine as _;
        let (token_key, bundle_key, gateway_key) = (key(1), key(2), key(3));
        let svid_authority =
            new_root(TRUST_DOMAIN, &sha256(b"killick fixture root"), [1; 16], NOW, 365 * 86_400)
                .expect("the root is well formed");
        let root = base64::engine::general_purpose::STANDARD.encode(svid_authority.certificate_der());
        let document = BundleDocument {
            version: 1,
            issued_at: NOW,
            trust_domain: TRUST_DOMAIN.to_owned(),
            issuer: ISSUER.to_owned(),
            authority: id("/authority"),
            token_keys: vec![token_key.public().to_jwk()],
            svid_roots: vec![root],
            agents: vec![
                agent("invoice-bot", "ada@acme.example"),
                agent("payment-bot", "grace@acme.example"),
            ],
            revocations: Revocations::default(),
            gateways: vec![GatewayRecord { id: id("/gateway/gw-1"), jwk: gateway_key.public().to_jwk() }],
            catalogue: serde_json::json!({}),
            policies: Vec::new(),
            time_zone: "Europe/Berlin".to_owned(),
        };
        Self { token_key, bundle_key, gateway_key, svid_authority, document }
    }

    /// The signed bundle, a compact JWS.
    pub fn bundle_jws(&self) -> String {
        sign_bundle(&self.document, &self.bundle_key)
    }

    /// The verified bundle.
    pub fn bundle(&self) -> Verified<BundleDocument> {
        verify_bundle(&self.bundle_jws(), self.bundle_key.public()).expect("the bundle was signed just now")
    }

    /// The indexed bundle.
    pub fn trust(&self) -> TrustBundle {
        TrustBundle::index(&self.bundle()).expect("the bundle is well formed")
    }

    /// How the gateway is reached.
    pub fn public(&self) -> PublicOrigins {
        PublicOrigins { origins: vec![ORIGIN.to_owned()], audience: GATEWAY.to_owned() }
    }

    /// The claims of a root token for an agent of the world: good for an hour, to be attenuated at most three times.
    /// Change and sign them to make other tokens.
    pub fn root_claims(&self, agent: &str, tools: Tools) -> Claims {
        let holder = id(&format!("/agent/{agent}"));
        let record = self.document.agents.iter().find(|record| record.id == holder);
        let model = record.map_or_else(model, |record| record.model.clone());
        let owner = record.map_or_else(|| "nobody@acme.example".to_owned(), |record| record.owner.clone());
        Claims {
            jti: uuid(u64::from_be_bytes(first_eight(&sha256(agent.as_bytes())))),
            iss: self.document.issuer.clone(),
            iat: NOW.secs(),
            exp: NOW.plus_secs(3_600).secs(),
            holder_key: agent_key(agent).public().clone(),
            del_depth: 0,
            del_max_depth: 3,
            par_hash: None,
            tools: Some(tools),
            killick: Some(PrivateClaims {
                issuer: self.document.authority.clone(),
                holder,
                origin: Some(Origin {
                    model,
                    owner,
                    principal: Some("user:ada@acme.example".to_owned()),
                    intent: None,
                    task: Some("task-1".to_owned()),
                }),
                deny: Vec::new(),
                catalogue: Some(CatalogueRef { id: "shop".to_owned(), version: 1 }),
            }),
        }
    }

    /// A root token for an agent of the world: a chain of one link.
    pub fn root_token(&self, agent: &str, tools: Tools) -> String {
        self.root_claims(agent, tools).sign(&self.token_key)
    }

    /// A request as the gateway receives it, signed with the agent's key.
    pub fn signed_request(&self, agent: &str, chain: &str, ask: &Ask<'_>) -> RawRequest {
        self.request_signed_with(&agent_key(agent), chain, ask)
    }

    /// A request as the gateway receives it, signed with any key.
    pub fn request_signed_with(&self, key: &SigningKey, chain: &str, ask: &Ask<'_>) -> RawRequest {
        let body = ask.body.unwrap_or_default().as_bytes();
        let outgoing = OutgoingRequest {
            method: ask.method,
            target_uri: &format!("{ORIGIN}{}", ask.target),
            content_type: ask.body.map(|_| "application/json"),
            body,
            chain,
            audience: ask.audience,
            nonce: &nonce(ask.nonce),
            lifetime_secs: ask.lifetime_secs,
        };
        let mut headers = vec![("Host".to_owned(), b"127.0.0.1:7443".to_vec())];
        if ask.body.is_some() {
            headers.push(("Content-Length".to_owned(), body.len().to_string().into_bytes()));
        }
        let signed = sign_request(&outgoing, key, ask.at);
        headers.extend(signed.into_iter().map(|(name, value)| (name, value.into_bytes())));
        RawRequest {
            method: ask.method.to_owned(),
            target: ask.target.to_owned(),
            headers,
            body: body.to_vec(),
            peer: "127.0.0.1".to_owned(),
            request_id: uuid(ask.nonce),
        }
    }
}

/// The key of an agent of the world, by its name. A sub-agent's too, though it is not registered.
pub fn agent_key(name: &str) -> SigningKey {
    key(u64::from_be_bytes(first_eight(&sha256(name.as_bytes()))))
}

/// The model that the world's agents run.
pub fn model() -> Model {
    Model { name: "claude-opus".to_owned(), version: "2026-05".to_owned(), digest: None }
}

fn agent(name: &str, owner: &str) -> AgentRecord {
    AgentRecord {
        id: id(&format!("/agent/{name}")),
        state: AgentState::Active,
        keys: vec![AgentKey { jwk: agent_key(name).public().to_jwk(), not_after: NOW.plus_secs(3_600) }],
        owner: owner.to_owned(),
        model: model(),
        risk_tier: RiskTier::Medium,
        onboarded_at: UnixTime::from_secs(NOW.secs() - 86_400),
        deny: Vec::new(),
        observe_until: None,
    }
}

fn first_eight(digest: &[u8; 32]) -> [u8; 8] {
    let mut out = [0_u8; 8];
    out.copy_from_slice(digest.split_at(8).0);
    out
}
