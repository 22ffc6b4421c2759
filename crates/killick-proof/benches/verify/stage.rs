//! What is measured: one enterprise, chains of one, three and eight links as they occur, signed requests.

use std::collections::BTreeMap;

use killick_proof::attenuate::{Attenuation, attenuate};
use killick_proof::bundle::TrustBundle;
use killick_proof::call::{PublicOrigins, RawRequest, parse_call};
use killick_proof::constraint::Constraint;
use killick_proof::fixtures::{self, Ask, NOW, World};
use killick_proof::grammar::Grant;
use killick_proof::json::Json;
use killick_proof::keys::{PublicKey, SigningKey};
use killick_proof::token::Tools;
use killick_proof::verified::verify_agent_chain;

/// What the tokens grant: a read, and a write whose arguments are bounded.
const GRANT: &str = r#"read:invoices(limit? <= 100, status?); create:payment-draft(amount <= 500, currency in {EUR, USD}, iban == "DE89370400440532013000", memo?)"#;
/// The body of the request that is measured.
const BODY: &str =
    r#"{"amount":"120.50","currency":"EUR","iban":"DE89370400440532013000","memo":"invoice INV-7"}"#;
/// Depth that every token permits.
const DEPTH_MAX: u64 = 16;

/// Everything that a gateway holds, and what agents send it.
pub struct Stage {
    pub public: PublicOrigins,
    pub trust: TrustBundle,
    pub tools: Tools,
    world: World,
}

impl Stage {
    pub fn new() -> Self {
        let world = World::new();
        let grant = Grant::parse(GRANT).expect("the grant parses");
        let tools =
            grant.permits.iter().map(|(action, map)| (action.as_str().to_owned(), map.clone())).collect();
        Self { public: world.public(), trust: world.trust(), tools, world }
    }

    /// A chain of `links` links: the authority's token for `invoice-bot`, then one sub-agent below another.
    pub fn chain(&self, links: u64) -> String {
        let mut claims = self.world.root_claims("invoice-bot", self.tools.clone());
        claims.del_max_depth = DEPTH_MAX;
        let mut compact = claims.sign(&self.world.token_key);
        for depth in 1..links {
            compact = self.attenuated(&compact, depth);
        }
        compact
    }

    /// The chain with one link more.
    pub fn attenuated(&self, compact: &str, depth: u64) -> String {
        let parent = verify_agent_chain(compact, &self.trust, NOW).expect("the chain verifies");
        attenuate(&parent, &holder(depth - 1), &self.attenuation(depth), NOW).expect("it narrows")
    }

    /// What the link at `depth` says.
    pub fn attenuation(&self, depth: u64) -> Attenuation {
        let names: Vec<String> = (1..=depth).map(|depth| format!("w{depth}")).collect();
        Attenuation {
            jti: fixtures::uuid(depth),
            holder_key: holder(depth).public().clone(),
            holder: fixtures::id(&format!("/agent/invoice-bot/{}", names.join("/"))),
            tools: self.tools.clone(),
            deny: Vec::new(),
            exp_secs: NOW.secs() + 3_600,
            del_max_depth: DEPTH_MAX,
        }
    }

    /// A write, signed by the holder of the chain of `links` links; `by_hash` names the chain instead of sending it.
    pub fn request(&self, chain: &str, links: u64, by_hash: bool) -> RawRequest {
        let key = holder(links - 1);
        let ask = Ask::post("/payment-drafts?dry=1", BODY);
        let mut raw = self.world.request_signed_with(&key, chain, &ask);
        if by_hash {
            let outgoing = killick_proof::sign::OutgoingRequest {
                method: ask.method,
                target_uri: &format!("{}{}", fixtures::ORIGIN, ask.target),
                content_type: Some("application/json"),
                body: BODY.as_bytes(),
                chain,
                audience: ask.audience,
                nonce: &fixtures::nonce(ask.nonce),
                lifetime_secs: ask.lifetime_secs,
            };
            raw.headers.truncate(2);
            let fields = killick_proof::sign::sign_request_by_hash(&outgoing, &key, NOW);
            raw.headers.extend(fields.into_iter().map(|(name, value)| (name, value.into_bytes())));
        }
        for (name, value) in
            [("User-Agent", "agent/1.0"), ("Accept", "application/json"), ("X-Trace", "7f3a")]
        {
            raw.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        }
        raw
    }

    /// The bytes, key and signature of a request: what one raw verification verifies.
    pub fn raw_of_request(&self, raw: &RawRequest, links: u64) -> Raw {
        let call = parse_call(raw.clone(), &self.public).expect("the request is well formed");
        Raw::new(holder(links - 1).public(), &call.signature().base, &call.signature().signature)
    }

    /// The same for every link of a chain.
    pub fn raw_of_chain(&self, compact: &str) -> Vec<Raw> {
        let chain = verify_agent_chain(compact, &self.trust, NOW).expect("the chain verifies");
        let issuers = std::iter::once(self.world.token_key.public())
            .chain(chain.links().iter().map(|link| &link.holder_key));
        compact
            .split('~')
            .zip(issuers)
            .map(|(token, key)| {
                let (input, signature) = token.rsplit_once('.').expect("three parts");
                Raw::new(key, input.as_bytes(), &decode(signature))
            })
            .collect()
    }
}

/// One Ed25519 verification by aws-lc-rs alone: the floor.
pub struct Raw {
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Raw {
    fn new(key: &PublicKey, message: &[u8], signature: &[u8]) -> Self {
        Self { key: key.as_bytes().to_vec(), message: message.to_vec(), signature: signature.to_vec() }
    }

    pub fn verify(&self) {
        use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        key.verify(&self.message, &self.signature).expect("the signature verifies");
    }
}

/// Twenty constraints and arguments that satisfy them.
pub fn twenty() -> (Vec<Constraint>, Vec<Json>) {
    let texts = [
        (r#"{"constraint_type":"range","min":0,"max":500}"#, "120.50"),
        (r#"{"constraint_type":"exact","value":"DE89370400440532013000"}"#, r#""DE89370400440532013000""#),
        (r#"{"constraint_type":"one_of","values":["CHF","EUR","GBP","USD"]}"#, r#""USD""#),
        (r#"{"constraint_type":"subset","allowed":["a","b","c"]}"#, r#"["a","c"]"#),
        (
            r#"{"constraint_type":"any","constraints":[{"constraint_type":"exact","value":null},{"constraint_type":"range","max":100}]}"#,
            "50",
        ),
    ];
    let parse = |text: &str| Json::parse(text.as_bytes()).expect("JSON");
    let pairs = texts.iter().cycle().take(20);
    pairs
        .map(|(constraint, value)| {
            (Constraint::from_json(&parse(constraint)).expect("a constraint"), parse(value))
        })
        .unzip()
}

/// The holder of the link at `depth`.
pub fn holder(depth: u64) -> SigningKey {
    if depth == 0 { fixtures::agent_key("invoice-bot") } else { fixtures::agent_key(&format!("w{depth}")) }
}

/// The arguments of the measured request.
pub fn arguments() -> BTreeMap<String, Json> {
    Json::parse(BODY.as_bytes()).ok().and_then(|body| body.as_object().cloned()).unwrap_or_default()
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).expect("base64url")
}
