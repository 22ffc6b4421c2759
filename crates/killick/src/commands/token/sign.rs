//! `killick token sign`: a root, a derived link, or a proof of possession for anybody's chain (AAT draft sections 5 and 6).
//! What would not verify is not signed.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::chain::Anchors;
use killick_proof::grammar::Grant;
use killick_proof::json::Json;
use killick_proof::keys::{PublicKey, SigningKey, base64url};
use killick_proof::limits::TOKEN_LIFETIME_SECS_MAX;
use killick_proof::pop::Pop;
use killick_proof::token::Claims;
use killick_proof::verified::verify_chain;
use killick_proof::{Refusal, UnixTime};
use serde_json::{Value, json};

use crate::cli::TokenSignArgs;
use crate::commands::token::{grammar_failure, jwk};
use crate::folder::{now, read_text};
use crate::output::{Exit, Failure, Outcome, Ui};

/// Seconds that a token lives unless something else is said.
const LIFETIME_SECS: u64 = 3_600;

/// Runs `killick token sign`.
pub fn run(ui: Ui, args: &TokenSignArgs) -> Outcome {
    let key = jwk::signing_key(&args.key)?;
    let now = args.now.unwrap_or_else(now);
    let parents = args.below.as_deref().map(jwk::chain).transpose()?;
    if args.pop {
        return prove(ui, args, &key, parents.as_deref().unwrap_or_default(), now);
    }
    let parent = match &parents {
        Some(chain) => Some((chain.as_str(), leaf_claims(chain)?)),
        None => None,
    };
    let payload = payload(args, &key, parent.as_ref(), now)?;
    let token = sign(&payload, &key);
    let claims: Value = serde_json::from_slice(&payload).unwrap_or_default();
    let chain = match &parents {
        Some(parents) => format!("{parents}~{token}"),
        None => token.clone(),
    };
    check(args, &key, &chain, now)?;
    let lines: Vec<&str> = chain.split('~').collect();
    ui.result(&json!({ "token": token, "chain": lines, "claims": claims }), |_| lines.join("\n"));
    Ok(Exit::Fine.into())
}

/// The claims of a file, and what they leave open: as section 6 says. No number passes through a float.
fn payload(
    args: &TokenSignArgs,
    key: &SigningKey,
    parent: Option<&(&str, Json)>,
    now: UnixTime,
) -> Result<Vec<u8>, Failure> {
    let mut claims = match &args.claims {
        Some(path) => read_claims(path)?,
        None => BTreeMap::new(),
    };
    let parent_number = |name: &str| parent.and_then(|(_, claims)| claims.get(name)?.as_number()?.as_u64());
    let depth = parent_number("del_depth").map_or(0, |depth| depth.saturating_add(1));
    let iat = now.secs().max(parent_number("iat").unwrap_or_default());
    let exp = iat.saturating_add(args.lasting.unwrap_or(LIFETIME_SECS));
    let issuer = match parent {
        Some(_) => Some(key.id().thumbprint_uri()),
        None => args.issuer.clone(),
    };
    let parent_hash = parent.and_then(|(chain, _)| chain.rsplit('~').next()).map(Claims::parent_hash);
    let mut fill = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            claims.entry(name.to_owned()).or_insert(value);
        }
    };
    fill("jti", Some(uuid::Uuid::now_v7().to_string().into()));
    fill("iss", issuer.map(Json::from));
    fill("iat", Some(iat.into()));
    fill("exp", Some(parent_number("exp").map_or(exp, |parent| parent.min(exp)).into()));
    fill("del_depth", Some(depth.into()));
    fill("del_max_depth", Some(args.max_depth.unwrap_or(depth).into()));
    fill("par_hash", parent_hash.map(Json::from));
    if let Some(path) = &args.holder {
        let jwk = Json::from(&jwk::public_key(path)?.to_jwk());
        fill("cnf", Some(Json::object([("jwk", jwk)])));
    }
    if let Some(text) = &args.grant {
        fill("authorization_details", Some(details(text)?));
    }
    for (name, mend) in [
        ("iss", "name the issuer of a root: --issuer https://as.example"),
        ("cnf", "name the holder's public key: --holder KEY.jwk"),
        ("authorization_details", "say what is granted: --grant 'read:invoices', or in the claims file"),
    ] {
        if !claims.contains_key(name) {
            return Err(
                Failure::usage("token.claims", format!("the token would have no `{name}`")).mend(mend)
            );
        }
    }
    Ok(Json::Object(claims).to_bytes())
}

fn read_claims(path: &Path) -> Result<BTreeMap<String, Json>, Failure> {
    match Json::parse(read_text(path)?.as_bytes()) {
        Ok(Json::Object(claims)) => Ok(claims),
        Ok(_) => Err(Failure::usage("token.claims", format!("{} holds no JSON object", path.display()))),
        Err(refusal) => {
            Err(Failure::usage(refusal.code().as_str(), format!("{}: {}", path.display(), refusal.detail())))
        }
    }
}

/// What a grant says, word for word: there is no catalogue that would close it or resolve a pattern.
fn details(text: &str) -> Result<Json, Failure> {
    let grant = Grant::parse(text).map_err(|error| grammar_failure(text, &error))?;
    let needs_catalogue = |what: &str| {
        Failure::usage("grant.invalid", format!("{what} means nothing without a catalogue"))
            .mend("name each action; `killick token grant` knows the catalogue, and denies")
    };
    if let Some(deny) = grant.denies.first() {
        return Err(needs_catalogue(&format!("the deny `{}`", deny.as_str())));
    }
    let mut tools = BTreeMap::new();
    for (pattern, constraints) in &grant.permits {
        if !pattern.is_literal() {
            return Err(needs_catalogue(&format!("the pattern `{}`", pattern.as_str())));
        }
        let constraints = constraints.iter().map(|(name, constraint)| (name.as_str(), constraint.to_json()));
        tools.insert(pattern.as_str().to_owned(), Json::object(constraints));
    }
    let entry = [("type", Json::from("attenuating_agent_token")), ("tools", Json::Object(tools))];
    Ok(Json::Array(vec![Json::object(entry)]))
}

fn sign(payload: &[u8], key: &SigningKey) -> String {
    let header = json!({ "alg": "EdDSA", "kid": key.id().as_str(), "typ": killick_proof::token::TOKEN_TYP });
    let input = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(payload));
    format!("{input}.{}", base64url(&key.sign(input.as_bytes())))
}

/// A chain that would not verify is not handed out. A root's anchor is its signer; of a link, the root's is to be named.
fn check(args: &TokenSignArgs, key: &SigningKey, chain: &str, now: UnixTime) -> Result<(), Failure> {
    let mut keys = jwk::anchors(&args.anchor)?;
    if args.below.is_none() {
        keys.push(key.public().clone());
    } else if keys.is_empty() {
        return Err(Failure::usage("usage", "the chain above cannot be checked without its trust anchor")
            .mend("name the key that signed its root: --anchor KEY.jwk"));
    }
    verified(&keys, chain, args.lasting, now).map(drop)
}

fn verified(
    keys: &[PublicKey],
    chain: &str,
    lasting: Option<u64>,
    now: UnixTime,
) -> Result<killick_proof::Verified<killick_proof::chain::Chain>, Failure> {
    let anchors =
        Anchors { keys, lifetime_secs_max: TOKEN_LIFETIME_SECS_MAX.max(lasting.unwrap_or_default()) };
    verify_chain(chain, &anchors, now).map_err(|refusal| not_signed(&refusal))
}

fn not_signed(refusal: &Refusal) -> Failure {
    Failure::new(Exit::Denied, refusal.code().as_str(), format!("not signed: {}", refusal.detail()))
        .mend("grant no more, no longer and no deeper than the token above")
}

fn prove(ui: Ui, args: &TokenSignArgs, key: &SigningKey, chain: &str, now: UnixTime) -> Outcome {
    let claims = leaf_claims(chain)?;
    let jti = claims.get("jti").and_then(Json::as_str).unwrap_or_default();
    let jwk = claims.get("cnf").and_then(|cnf| cnf.get("jwk")).map(Json::to_bytes).unwrap_or_default();
    let holder = serde_json::from_slice(&jwk).ok().and_then(|jwk| PublicKey::from_jwk(&jwk).ok());
    if holder.as_ref() != Some(key.public()) {
        return Err(Failure::new(
            Exit::Denied,
            "pop.mismatch",
            "not signed: the leaf's holder has another key",
        )
        .mend("sign with the key that the leaf names in `cnf`"));
    }
    let text = args.args.as_deref().unwrap_or("{}");
    let arguments = Json::parse(text.as_bytes()).map_err(|refusal| usage(&refusal))?;
    let Some(arguments) = arguments.as_object() else {
        return Err(Failure::usage("json.invalid", "the arguments are no JSON object"));
    };
    let pop = Pop {
        jti: uuid::Uuid::new_v4().to_string(),
        iat: now.secs(),
        token: jti.to_owned(),
        tool: args.tool.clone().unwrap_or_default(),
        audience: args.audience.clone(),
        args: arguments.clone(),
    };
    let signed = pop.sign(key).map_err(|refusal| usage(&refusal))?;
    ui.result(&json!({ "pop": signed, "jti": pop.jti }), |_| signed.clone());
    Ok(Exit::Fine.into())
}

fn usage(refusal: &Refusal) -> Failure {
    Failure::usage(refusal.code().as_str(), refusal.detail())
}

/// The claims of a chain's leaf, unverified.
fn leaf_claims(chain: &str) -> Result<Json, Failure> {
    let payload = chain.rsplit('~').next().and_then(|leaf| leaf.split('.').nth(1)).unwrap_or_default();
    URL_SAFE_NO_PAD
        .decode(payload)
        .ok()
        .and_then(|bytes| Json::parse(&bytes).ok())
        .ok_or_else(|| Failure::usage("token.encoding", "the chain's last line is no token"))
}
