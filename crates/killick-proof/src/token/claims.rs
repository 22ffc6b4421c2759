//! Claims, read from JSON and written to it.

use std::collections::BTreeMap;

use super::numeric_date::NumericDate;
use super::uri::is_uri;
use super::{CatalogueRef, Claims, ConstraintMap, Model, Origin, PrivateClaims, Tools};
use crate::constraint::Constraint;
use crate::grammar::ActionPattern;
use crate::json::{Json, View};
use crate::keys::PublicKey;
use crate::limits::DENIES_MAX;
use crate::refusal::{Code, Refusal};
use crate::spiffe::SpiffeId;

/// The `type` of a capability entry (AAT draft section 3.3).
const ENTRY_TYPE: &str = "attenuating_agent_token";
/// The one claim that holds all of ours.
const PRIVATE_CLAIM: &str = "killick";

pub(super) fn read(payload: &View<'_>) -> Result<Claims, Refusal> {
    if payload.as_object().is_none() {
        return wrong("the payload is no object");
    }
    let is_derived = payload.get("par_hash").is_some();
    let par_hash = match payload.get("par_hash") {
        None => None,
        Some(View::String(hash)) => Some(hash.clone().into_owned()),
        Some(_) => return wrong("`par_hash` is no string"),
    };
    let jti = text(payload, "jti")?;
    if jti.is_empty() {
        return wrong("`jti` is empty");
    }
    Ok(Claims {
        jti: jti.to_owned(),
        iss: read_issuer(payload)?,
        // Rounded inward: neither is ever earlier, or later, than what was signed.
        iat: date(payload, "iat")?.ceil(),
        exp: date(payload, "exp")?.floor(),
        holder_key: read_holder_key(payload)?,
        del_depth: natural(payload, "del_depth", Code::ChainDepth)?,
        del_max_depth: natural(payload, "del_max_depth", Code::ChainDepth)?,
        par_hash,
        tools: read_tools(payload, is_derived)?,
        killick: payload.get(PRIVATE_CLAIM).map(read_private).transpose()?,
    })
}

pub(super) fn write(claims: &Claims) -> Json {
    let entries = claims.tools.iter().map(|tools| {
        let tools = tools.iter().map(|(tool, constraints)| {
            let constraints =
                constraints.iter().map(|(name, constraint)| (name.as_str(), constraint.to_json()));
            (tool.as_str(), Json::object(constraints))
        });
        Json::object([("type", Json::from(ENTRY_TYPE)), ("tools", Json::object(tools))])
    });
    let mut members = vec![
        ("jti", Json::from(claims.jti.as_str())),
        ("iss", Json::from(claims.iss.as_str())),
        ("iat", Json::from(claims.iat)),
        ("exp", Json::from(claims.exp)),
        ("cnf", Json::object([("jwk", Json::from(&claims.holder_key.to_jwk()))])),
        ("del_depth", Json::from(claims.del_depth)),
        ("del_max_depth", Json::from(claims.del_max_depth)),
        ("authorization_details", Json::Array(entries.collect())),
    ];
    members.extend(claims.par_hash.as_ref().map(|hash| ("par_hash", Json::from(hash.as_str()))));
    members.extend(claims.killick.as_ref().map(|private| (PRIVATE_CLAIM, write_private(private))));
    Json::object(members)
}

/// AAT draft section 3.2: `iss` is a URI.
fn read_issuer(payload: &View<'_>) -> Result<String, Refusal> {
    let issuer = text(payload, "iss")?;
    if is_uri(issuer) { Ok(issuer.to_owned()) } else { wrong("`iss` is no URI") }
}

/// AAT draft section 7 steps 3l and 4b2. A private or symmetric member is refused and never shown.
fn read_holder_key(payload: &View<'_>) -> Result<PublicKey, Refusal> {
    const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    let Some(jwk) = payload.get("cnf").and_then(|cnf| cnf.get("jwk")) else {
        return wrong("`cnf.jwk` is missing");
    };
    let member = |name: &str| jwk.get(name).and_then(View::as_str);
    let has_private = PRIVATE.iter().any(|name| jwk.get(name).is_some());
    PublicKey::from_jwk_members(member("kty"), member("crv"), member("x"), member("y"), has_private)
}

/// The capability entry, if there is one. A constraint that is not well formed cannot be shown to be narrower than the
/// parent's, so that in a derived token it counts as a widening.
fn read_tools(payload: &View<'_>, is_derived: bool) -> Result<Option<Tools>, Refusal> {
    let Some(details) = payload.get("authorization_details") else {
        return wrong("`authorization_details` is missing");
    };
    let Some(details) = details.as_array() else { return wrong("`authorization_details` is no array") };
    let mut entries =
        details.iter().filter(|entry| entry.get("type").and_then(View::as_str) == Some(ENTRY_TYPE));
    let Some(entry) = entries.next() else { return Ok(None) };
    if entries.next().is_some() {
        return Err(Refusal::new(Code::ChainEntryCount, "a token has two capability entries"));
    }
    let Some(tools) = entry.get("tools").and_then(View::as_object) else {
        return wrong("the capability entry's `tools` is no object");
    };
    let mut read = Tools::new();
    for (tool, map) in tools.iter() {
        let Some(map) = map.as_object() else {
            return wrong(format!("the constraints of `{}` are no object", shown(tool)));
        };
        let mut constraints = ConstraintMap::new();
        for (argument, json) in map.iter() {
            let constraint = Constraint::read(json).map_err(|refusal| {
                let code = match refusal.code() {
                    Code::TokenClaims if is_derived => Code::ChainWidened,
                    code => code,
                };
                let detail = format!("`{}` of `{}`: {}", shown(argument), shown(tool), refusal.detail());
                Refusal::new(code, detail)
            })?;
            constraints.insert(argument.to_owned(), constraint);
        }
        read.insert(tool.to_owned(), constraints);
    }
    Ok(Some(read))
}

fn read_private(json: &View<'_>) -> Result<PrivateClaims, Refusal> {
    known_members(json, PRIVATE_CLAIM, &["issuer", "holder", "origin", "deny", "catalogue"])?;
    let id = |name: &str| {
        SpiffeId::parse(text(json, name)?)
            .map_err(|refusal| Refusal::new(Code::TokenClaims, format!("`{name}`: {}", refusal.detail())))
    };
    Ok(PrivateClaims {
        issuer: id("issuer")?,
        holder: id("holder")?,
        origin: json.get("origin").map(read_origin).transpose()?,
        deny: json.get("deny").map(read_denies).transpose()?.unwrap_or_default(),
        catalogue: json.get("catalogue").map(read_catalogue).transpose()?,
    })
}

fn write_private(private: &PrivateClaims) -> Json {
    let mut members = vec![
        ("issuer", Json::from(private.issuer.as_str())),
        ("holder", Json::from(private.holder.as_str())),
    ];
    members.extend(private.origin.as_ref().map(|origin| ("origin", write_origin(origin))));
    if !private.deny.is_empty() {
        let denies = private.deny.iter().map(|pattern| Json::from(pattern.as_str()));
        members.push(("deny", Json::Array(denies.collect())));
    }
    members.extend(private.catalogue.as_ref().map(|catalogue| {
        let members = [("id", Json::from(catalogue.id.as_str())), ("version", Json::from(catalogue.version))];
        ("catalogue", Json::object(members))
    }));
    Json::object(members)
}

fn read_origin(json: &View<'_>) -> Result<Origin, Refusal> {
    known_members(json, "origin", &["model", "owner", "principal", "intent", "task"])?;
    let Some(model) = json.get("model") else { return wrong("`origin` names no model") };
    known_members(model, "model", &["name", "version", "digest"])?;
    Ok(Origin {
        model: Model {
            name: text(model, "name")?.to_owned(),
            version: text(model, "version")?.to_owned(),
            digest: optional_text(model, "digest")?,
        },
        owner: text(json, "owner")?.to_owned(),
        principal: optional_text(json, "principal")?,
        intent: optional_text(json, "intent")?,
        task: optional_text(json, "task")?,
    })
}

fn write_origin(origin: &Origin) -> Json {
    let mut model = BTreeMap::from([
        ("name", Json::from(origin.model.name.as_str())),
        ("version", Json::from(origin.model.version.as_str())),
    ]);
    model.extend(origin.model.digest.as_ref().map(|digest| ("digest", Json::from(digest.as_str()))));
    let mut members = vec![("model", Json::object(model)), ("owner", Json::from(origin.owner.as_str()))];
    let optional = [("principal", &origin.principal), ("intent", &origin.intent), ("task", &origin.task)];
    members
        .extend(optional.into_iter().filter_map(|(name, value)| Some((name, Json::from(value.as_deref()?)))));
    Json::object(members)
}

fn read_denies(json: &View<'_>) -> Result<Vec<ActionPattern>, Refusal> {
    let Some(items) = json.as_array() else { return wrong("`deny` is no array") };
    if items.len() > DENIES_MAX {
        return Err(Refusal::new(Code::LimitSize, format!("a token has more than {DENIES_MAX} denies")));
    }
    let pattern = |item: &View<'_>| item.as_str().and_then(|text| ActionPattern::parse(text).ok());
    match items.iter().map(pattern).collect() {
        Some(patterns) => Ok(patterns),
        None => wrong("`deny` holds something that is no action pattern"),
    }
}

fn read_catalogue(json: &View<'_>) -> Result<CatalogueRef, Refusal> {
    known_members(json, "catalogue", &["id", "version"])?;
    Ok(CatalogueRef {
        id: text(json, "id")?.to_owned(),
        version: natural(json, "version", Code::TokenClaims)?,
    })
}

/// Our own claim is closed: a member that this version does not know may be a restriction.
fn known_members(json: &View<'_>, what: &str, known: &[&str]) -> Result<(), Refusal> {
    let Some(members) = json.as_object() else { return wrong(format!("`{what}` is no object")) };
    match members.names().find(|name| !known.contains(name)) {
        Some(name) => wrong(format!("`{what}` has the unknown member `{}`", shown(name))),
        None => Ok(()),
    }
}

fn text<'a>(json: &'a View<'_>, name: &str) -> Result<&'a str, Refusal> {
    match json.get(name).and_then(View::as_str) {
        Some(text) => Ok(text),
        None => wrong(format!("`{name}` is missing or no string")),
    }
}

fn optional_text(json: &View<'_>, name: &str) -> Result<Option<String>, Refusal> {
    match json.get(name) {
        None => Ok(None),
        Some(_) => text(json, name).map(|text| Some(text.to_owned())),
    }
}

/// A NumericDate of RFC 7519 section 2, from the epoch on.
pub(crate) fn date(payload: &View<'_>, name: &str) -> Result<NumericDate, Refusal> {
    match payload.get(name) {
        None => wrong(format!("`{name}` is missing")),
        Some(claim) => match claim.as_number().and_then(NumericDate::read) {
            Some(date) => Ok(date),
            None => wrong(format!("`{name}` is no time in seconds")),
        },
    }
}

/// A non-negative integer, however it is written. What is there but is none gets `code`.
fn natural(json: &View<'_>, name: &str, code: Code) -> Result<u64, Refusal> {
    let Some(value) = json.get(name) else { return wrong(format!("`{name}` is missing")) };
    match value.as_number().and_then(|number| number.as_u64()) {
        Some(value) => Ok(value),
        None => Err(Refusal::new(code, format!("`{name}` is no non-negative whole number"))),
    }
}

fn wrong<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(Code::TokenClaims, why))
}

/// Text of the caller's, cut to a length that a message can bear.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}
