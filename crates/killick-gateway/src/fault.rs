//! Built only with the feature `fault-injection`: switches authentication off, so that a test can show that killick's
//! measurements notice when a defence is missing.
//!
//! The types of the line have no back door, not even here. A request that fails verification is made anew: its leaf
//! token's claims are signed again by a key of this file, which a bundle of this file's making trusts, and the result
//! goes through the same functions as any other request.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::bundle::{
    AgentKey, AgentRecord, AgentState, BundleDocument, Revocations, RiskTier, TrustBundle, sign_bundle,
};
use killick_proof::call::{PublicOrigins, RawRequest, parse_call};
use killick_proof::json::Json;
use killick_proof::keys::SigningKey;
use killick_proof::replay::ReplayWindow;
use killick_proof::sign::{OutgoingRequest, sign_request};
use killick_proof::token::{Claims, Model, Origin, PrivateClaims};
use killick_proof::verified::{verify_bundle, verify_call};
use killick_proof::{AuthenticatedCall, Refusal, SpiffeId, UnixTime};

use crate::bundles::Held;
use crate::clock::{nonce, random};

/// The environment variable: a comma-separated list of `authenticate-off` and `authorise-off`.
const VARIABLE: &str = "KILLICK_FAULT";
/// Seconds that the tokens made here are good for.
const LIFETIME_SECS: u64 = 60;

/// What is switched off.
pub(crate) struct Fault {
    authenticate_off: bool,
    key: SigningKey,
    replay: Mutex<ReplayWindow>,
}

impl Fault {
    /// Reads the environment and says loudly what this build is. Errs if a fault is named that does not exist.
    pub(crate) fn from_environment() -> Result<Self, String> {
        let named = std::env::var(VARIABLE).unwrap_or_default();
        let faults: Vec<&str> = named.split(',').map(str::trim).filter(|fault| !fault.is_empty()).collect();
        if let Some(unknown) =
            faults.iter().find(|fault| !["authenticate-off", "authorise-off"].contains(fault))
        {
            return Err(format!(
                "`{unknown}` in {VARIABLE} is not a fault; there are authenticate-off and authorise-off"
            ));
        }
        eprintln!(
            "*** FAULT INJECTION BUILD: not for use. Switched off now: {} ***",
            if named.is_empty() { "nothing" } else { &named }
        );
        let key = random().and_then(SigningKey::from_seed).map_err(|refusal| refusal.to_string())?;
        Ok(Self {
            authenticate_off: faults.contains(&"authenticate-off"),
            key,
            replay: Mutex::new(ReplayWindow::new(UnixTime::from_micros(0))),
        })
    }

    /// Admits a refused request as the agent that its leaf token names, if authentication is switched off and the
    /// token can be read; otherwise the refusal stands.
    pub(crate) fn admit_anyway(
        &self,
        raw: RawRequest,
        public: &PublicOrigins,
        held: &Held,
        refusal: Refusal,
        now: UnixTime,
    ) -> Result<AuthenticatedCall, Refusal> {
        if !self.authenticate_off {
            return Err(refusal);
        }
        let Some(leaf) = leaf_claims(&raw) else { return Err(refusal) };
        let Some(PrivateClaims { holder, origin, .. }) = &leaf.killick else { return Err(refusal) };
        let authority = SpiffeId::parse(&format!("spiffe://{}/authority", holder.trust_domain()))?;
        let record = self.record(held, holder, now);
        let origin = origin.clone().unwrap_or_else(|| Origin {
            model: record.model.clone(),
            owner: record.owner.clone(),
            principal: None,
            intent: None,
            task: None,
        });
        let issuer = format!("https://authority.{}", holder.trust_domain());
        let claims = Claims {
            iss: issuer.clone(),
            iat: now.secs(),
            exp: now.secs() + LIFETIME_SECS,
            holder_key: self.key.public().clone(),
            del_depth: 0,
            par_hash: None,
            killick: Some(PrivateClaims {
                issuer: authority.clone(),
                holder: holder.clone(),
                origin: Some(origin),
                deny: Vec::new(),
                catalogue: Some(held.bundle.catalogue.reference()),
            }),
            ..leaf
        };
        let trust = self.trust(holder.trust_domain(), issuer, authority, record, now)?;
        let call = verify_call(
            parse_call(self.sign_again(raw, &claims, public, now)?, public)?,
            &trust,
            &|_| None,
            now,
        )?;
        self.replay.lock().unwrap_or_else(PoisonError::into_inner).admit(call, now)
    }

    /// The agent as the directory knows it, or as it might, with this file's key.
    fn record(&self, held: &Held, holder: &SpiffeId, now: UnixTime) -> AgentRecord {
        let known = held.bundle.trust.agent(holder).cloned();
        let record = known.unwrap_or_else(|| AgentRecord {
            id: holder.clone(),
            state: AgentState::Active,
            keys: Vec::new(),
            owner: "nobody@fault.injection".to_owned(),
            model: Model { name: "unknown".to_owned(), version: "0".to_owned(), digest: None },
            risk_tier: RiskTier::High,
            onboarded_at: UnixTime::from_secs(0),
            deny: Vec::new(),
            observe_until: None,
        });
        AgentRecord {
            state: AgentState::Active,
            keys: vec![AgentKey {
                jwk: self.key.public().to_jwk(),
                not_after: now.plus_secs(LIFETIME_SECS * 2),
            }],
            ..record
        }
    }

    fn trust(
        &self,
        trust_domain: &str,
        issuer: String,
        authority: SpiffeId,
        record: AgentRecord,
        now: UnixTime,
    ) -> Result<TrustBundle, Refusal> {
        let document = BundleDocument {
            version: 1,
            issued_at: now,
            trust_domain: trust_domain.to_owned(),
            issuer,
            authority,
            token_keys: vec![self.key.public().to_jwk()],
            svid_roots: Vec::new(),
            agents: vec![record],
            revocations: Revocations::default(),
            gateways: Vec::new(),
            catalogue: serde_json::Value::Null,
            policies: Vec::new(),
            time_zone: "UTC".to_owned(),
        };
        TrustBundle::index(&verify_bundle(&sign_bundle(&document, &self.key), self.key.public())?)
    }

    /// The same method, target and body under a signature that holds.
    fn sign_again(
        &self,
        raw: RawRequest,
        claims: &Claims,
        public: &PublicOrigins,
        now: UnixTime,
    ) -> Result<RawRequest, Refusal> {
        let origin = public.origins.first().map(String::as_str).unwrap_or_default();
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        let content_type = raw
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type") && !raw.body.is_empty())
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        let fields = sign_request(
            &OutgoingRequest {
                method: &raw.method,
                target_uri: &format!("{origin}{}", raw.target),
                content_type: content_type.as_deref(),
                body: &raw.body,
                chain: &claims.sign(&self.key),
                audience: &public.audience,
                nonce: &nonce()?,
                lifetime_secs: LIFETIME_SECS,
            },
            &self.key,
            now,
        );
        let host = ("host".to_owned(), host.as_bytes().to_vec());
        let headers = std::iter::once(host)
            .chain(fields.into_iter().map(|(name, value)| (name, value.into_bytes())))
            .collect();
        Ok(RawRequest { headers, ..raw })
    }
}

/// The claims that the last token of the request's chain states, unverified.
fn leaf_claims(raw: &RawRequest) -> Option<Claims> {
    let (_, value) = raw.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
    let leaf = std::str::from_utf8(value).ok()?.strip_prefix("AAT ")?.rsplit('~').next()?;
    let payload = URL_SAFE_NO_PAD.decode(leaf.split('.').nth(1)?).ok()?;
    Claims::from_json(&Json::parse(&payload).ok()?).ok()
}
