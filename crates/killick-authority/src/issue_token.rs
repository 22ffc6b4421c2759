//! Root tokens: a grant in the human syntax, resolved against the catalogue, signed for one agent's key.

use std::collections::BTreeMap;

use killick_decide::entry::Act;
use killick_decide::limits::ENTRY_LIST_MAX;
use killick_proof::UnixTime;
use killick_proof::grammar::{Compiled, Grant, describe};
use killick_proof::keys::{PublicKey, base64url, sha256};
use killick_proof::limits::{DELEGATION_DEPTH_MAX, TOKEN_BYTES_MAX};
use killick_proof::token::{Claims, Origin, PrivateClaims};
use serde_json::Value;

use crate::authority::Authority;
use crate::capabilities;
use crate::config::AuthorityConfig;
use crate::error::AuthorityError;
use crate::limits::{GRANT_BYTES_MAX, TOKENS_LIVE_MAX};
use crate::names;
use crate::publish::Signer;
use crate::state::{Batch, LiveToken, State};
use crate::store::{TokenRow, Write};

/// What is to be granted.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// The agent's name.
    pub agent: String,
    /// e.g. `read:invoices; execute:none`, or by capability bundles: `@invoice-reader; execute:none`
    pub grant: String,
    /// Seconds that it lives.
    #[serde(default)]
    pub lifetime_secs: Option<u64>,
    /// Links that may follow.
    #[serde(default)]
    pub max_depth: Option<u64>,
    /// The task's id.
    #[serde(default)]
    pub task: Option<String>,
    /// Base64url SHA-256 of the signed intent.
    #[serde(default)]
    pub intent: Option<String>,
    /// For whom it is done.
    #[serde(default)]
    pub principal: Option<String>,
}

/// A root token.
#[derive(Clone, Debug, serde::Serialize)]
pub struct IssuedToken {
    /// The compact JWS.
    pub token: String,
    /// Its id.
    pub jti: String,
    /// Its end, seconds since the epoch.
    pub exp: u64,
    /// What it grants, in the human syntax.
    pub granted: String,
    /// Its claims, as signed.
    pub claims: Value,
}

/// A token as it was granted. The token itself is not kept.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TokenView {
    /// Its id.
    pub jti: String,
    /// The agent's name.
    pub agent: String,
    /// What it grants, in the human syntax.
    pub granted: String,
    /// Explicit denies.
    pub deny: Vec<String>,
    /// The capability bundles that it was granted by, as `name/version`.
    pub bundles: Vec<String>,
    /// Seconds since the epoch.
    pub iat: u64,
    /// Seconds since the epoch.
    pub exp: u64,
    /// `live`, `expired` or `revoked`.
    pub state: &'static str,
}

impl Authority {
    /// Grants. Errs with `grant.syntax` and `grant.invalid` (column and suggestion in the sentence), `grant.lifetime`,
    /// `grant.depth`, `chain.explicit_deny` (another live token denies it), `identity.*`.
    pub async fn grant(&self, request: TokenRequest) -> Result<IssuedToken, AuthorityError> {
        let now = self.now();
        if request.grant.len() > GRANT_BYTES_MAX {
            return Err(AuthorityError::invalid(
                "limit.size",
                format!("the grant is longer than {GRANT_BYTES_MAX} bytes"),
                "use patterns such as `read:*`, or several tokens",
            ));
        }
        let grant = Grant::parse(&request.grant)
            .map_err(|error| AuthorityError::invalid("grant.syntax", error.to_string(), ""))?;
        check_origin(&request)?;
        let exp_secs = now.secs().saturating_add(lifetime(&self.shared.config, &request)?);
        let depth = depth(&self.shared.config, &request)?;
        let (config, signer) = (self.shared.config.clone(), self.shared.signer.clone());
        let change = move |state: &mut State, batch: &mut Batch| {
            let token = Minted::new(state, &config, &signer, &request, &grant, (now, exp_secs, depth))?;
            batch.writes.push(Write::InsertToken(token.row(&request.agent)?));
            batch.acts.push(token.act(now, depth));
            let agent = token.live.agent.clone();
            state.tokens.insert(token.issued.jti.clone(), token.live);
            // The bundle carries the denies; a token without any changes nothing in it.
            batch.publish |= state.refresh_denies(&agent);
            Ok(token.issued)
        };
        Ok(self.shared.changes.submit(change).await?.0)
    }

    /// Tokens, newest first: of one agent, or of all. Errs with `identity.unknown`.
    pub async fn tokens(&self, agent: Option<&str>) -> Result<Vec<TokenView>, AuthorityError> {
        if let Some(name) = agent {
            self.agent(name).await?;
        }
        let now = self.now().secs();
        let view = |token: crate::store::query::TokenDetails| TokenView {
            state: match token.revoked {
                true => "revoked",
                false if token.exp <= now => "expired",
                false => "live",
            },
            deny: serde_json::from_str(&token.deny).unwrap_or_default(),
            bundles: serde_json::from_str(&token.bundles).unwrap_or_default(),
            jti: token.jti,
            agent: token.agent,
            granted: token.granted,
            iat: token.iat,
            exp: token.exp,
        };
        Ok(self.shared.store.tokens(agent).await?.into_iter().map(view).collect())
    }
}

/// A token just signed, not yet handed out.
struct Minted {
    issued: IssuedToken,
    live: LiveToken,
    /// The capability bundles that it was granted by, as `name/version`.
    bundles: Vec<String>,
    actions: Vec<String>,
    key: String,
    iat: u64,
}

impl Minted {
    fn new(
        state: &State,
        config: &AuthorityConfig,
        signer: &Signer,
        request: &TokenRequest,
        grant: &Grant,
        (now, exp_secs, depth): (UnixTime, u64, u64),
    ) -> Result<Self, AuthorityError> {
        let record = state.agent(&request.agent)?;
        state.check_standing(record)?;
        let (grant, bundles) = capabilities::unfold(state, grant)?;
        let compiled = grant.compile(&*state.catalogue).map_err(|error| {
            let mend = "`killick catalogue show` lists the actions, `killick catalogue import` adds some";
            AuthorityError::invalid("grant.invalid", error.to_string(), mend)
        })?;
        if compiled.tools.is_empty() {
            return Err(AuthorityError::invalid(
                "grant.invalid",
                "the grant permits nothing",
                "name an action of the catalogue: killick catalogue show",
            ));
        }
        check_denies(state, &record.id, &compiled)?;
        if state.tokens.values().filter(|token| token.agent == record.id).count() >= TOKENS_LIVE_MAX {
            return Err(AuthorityError::conflict(
                "limit.size",
                format!("`{}` holds {TOKENS_LIVE_MAX} live tokens", request.agent),
                "revoke some, or wait until they expire",
            ));
        }
        let no_key =
            || AuthorityError::conflict("identity.expired", "the agent has no key", "renew its SVID");
        let key = record.keys.last().ok_or_else(no_key)?;
        if key.not_after <= now {
            return Err(AuthorityError::conflict(
                "identity.expired",
                format!("the SVID of `{}` has expired", request.agent),
                "renew it first: any call of the agent through killick does",
            ));
        }
        let holder_key = PublicKey::from_jwk(&key.jwk)?;
        if state.is_revoked("key", holder_key.id().as_str()) {
            return Err(AuthorityError::forbidden(
                "key.revoked",
                format!("the key of `{}` has been revoked", request.agent),
                "give it a new key: killick agent rotate",
            ));
        }
        let granted = describe(&compiled.tools, &compiled.deny);
        let actions = compiled.tools.keys().cloned().collect();
        let thumbprint = holder_key.id().as_str().to_owned();
        let claims = Claims {
            jti: new_jti(now),
            iss: config.issuer(),
            iat: now.secs(),
            exp: exp_secs,
            holder_key,
            del_depth: 0,
            del_max_depth: depth,
            par_hash: None,
            tools: Some(compiled.tools),
            killick: Some(PrivateClaims {
                issuer: state.document.authority.clone(),
                holder: record.id.clone(),
                origin: Some(Origin {
                    model: record.model.clone(),
                    owner: record.owner.clone(),
                    principal: request.principal.clone(),
                    intent: request.intent.clone(),
                    task: request.task.clone(),
                }),
                deny: compiled.deny.clone(),
                catalogue: Some(state.catalogue.reference()),
            }),
        };
        let token = claims.sign(&signer.token);
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AuthorityError::invalid(
                "limit.size",
                format!("the token would have {} bytes, at most {TOKEN_BYTES_MAX} are possible", token.len()),
                "grant fewer actions, or several tokens",
            ));
        }
        let shown = serde_json::from_slice(&claims.to_json().to_bytes()).unwrap_or_default();
        Ok(Self {
            issued: IssuedToken { token, jti: claims.jti, exp: exp_secs, granted, claims: shown },
            live: LiveToken { agent: record.id.clone(), exp_secs, deny: compiled.deny },
            bundles,
            actions,
            key: thumbprint,
            iat: claims.iat,
        })
    }

    fn deny(&self) -> Vec<&str> {
        self.live.deny.iter().map(|pattern| pattern.as_str()).collect()
    }

    fn row(&self, agent: &str) -> Result<TokenRow, AuthorityError> {
        Ok(TokenRow {
            jti: self.issued.jti.clone(),
            agent: agent.to_owned(),
            granted: self.issued.granted.clone(),
            deny: serde_json::to_string(&self.deny())
                .map_err(|error| AuthorityError::invalid("grant.invalid", error.to_string(), ""))?,
            bundles: serde_json::json!(self.bundles).to_string(),
            iat: self.iat,
            exp: self.issued.exp,
        })
    }

    /// Names of actions, never values of arguments: these may say something about people.
    fn act(&self, now: UnixTime, depth: u64) -> Act {
        let actions: Vec<&String> = self.actions.iter().take(ENTRY_LIST_MAX).collect();
        let deny: Vec<&str> = self.deny().into_iter().take(ENTRY_LIST_MAX).collect();
        let bundles: Vec<&String> = self.bundles.iter().take(ENTRY_LIST_MAX).collect();
        Act {
            kind: "issue",
            at: now,
            by: "admin".to_owned(),
            members: BTreeMap::from([
                ("what".to_owned(), Value::from("token")),
                ("jti".to_owned(), Value::from(self.issued.jti.as_str())),
                ("agent".to_owned(), Value::from(self.live.agent.as_str())),
                ("key".to_owned(), Value::from(self.key.as_str())),
                ("actions".to_owned(), serde_json::json!(actions)),
                ("actions_total".to_owned(), Value::from(self.actions.len())),
                ("deny".to_owned(), serde_json::json!(deny)),
                ("bundles".to_owned(), serde_json::json!(bundles)),
                ("exp".to_owned(), Value::from(self.issued.exp)),
                ("max_depth".to_owned(), Value::from(depth)),
                ("token_sha256".to_owned(), Value::from(base64url(&sha256(self.issued.token.as_bytes())))),
            ]),
        }
    }
}

/// A UUIDv7 (RFC 9562 section 5.7) of the injected clock's time.
fn new_jti(now: UnixTime) -> String {
    let nanos = u32::try_from(now.micros() % 1_000_000).unwrap_or(0).saturating_mul(1_000);
    uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, now.secs(), nanos)).to_string()
}

fn lifetime(config: &AuthorityConfig, request: &TokenRequest) -> Result<u64, AuthorityError> {
    let (secs, max) =
        (request.lifetime_secs.unwrap_or(config.token_lifetime_secs), config.token_lifetime_secs_max);
    if (1..=max).contains(&secs) {
        return Ok(secs);
    }
    Err(AuthorityError::invalid(
        "grant.lifetime",
        format!("a token cannot live {secs} s"),
        format!("choose 1 to {max} s"),
    ))
}

fn depth(config: &AuthorityConfig, request: &TokenRequest) -> Result<u64, AuthorityError> {
    let depth = request.max_depth.unwrap_or(config.token_depth);
    if depth <= DELEGATION_DEPTH_MAX {
        return Ok(depth);
    }
    Err(AuthorityError::invalid(
        "grant.depth",
        format!("a chain cannot have {depth} links below its root"),
        format!("choose 0 to {DELEGATION_DEPTH_MAX}"),
    ))
}

fn check_origin(request: &TokenRequest) -> Result<(), AuthorityError> {
    use base64::Engine as _;
    names::check_optional("request.invalid", "the task", request.task.as_ref())?;
    names::check_optional("request.invalid", "the principal", request.principal.as_ref())?;
    let is_hash = |text: &String| {
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
    };
    if request.intent.as_ref().is_some_and(|intent| !is_hash(intent)) {
        return Err(AuthorityError::invalid(
            "request.invalid",
            "the intent is not a base64url SHA-256",
            "give the hash of the signed intent: 43 characters",
        ));
    }
    Ok(())
}

/// An explicit deny in a live token holds for its agent and everything beneath it, so nothing may be granted against it
/// while it lives.
fn check_denies(
    state: &State,
    agent: &killick_proof::SpiffeId,
    compiled: &Compiled,
) -> Result<(), AuthorityError> {
    for (jti, token) in &state.tokens {
        if token.agent != *agent && !agent.is_beneath(&token.agent) {
            continue;
        }
        for pattern in &token.deny {
            if let Some(action) = compiled.tools.keys().find(|action| pattern.matches(action)) {
                return Err(AuthorityError::conflict(
                    "chain.explicit_deny",
                    format!(
                        "`{action}` is denied to `{}` by `{}` in its token {jti}, which lives until {}",
                        names::registered_name(&token.agent),
                        pattern.as_str(),
                        clock_text(token.exp_secs)
                    ),
                    format!("leave `{action}` out, or lift the deny first: killick revoke token {jti}"),
                ));
            }
        }
    }
    Ok(())
}

/// A time as people read it, UTC.
fn clock_text(secs: u64) -> String {
    jiff::Timestamp::from_second(i64::try_from(secs).unwrap_or(i64::MAX))
        .map_or_else(|_| secs.to_string(), |time| time.to_string())
}
