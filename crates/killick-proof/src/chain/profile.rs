//! The killick profile: what a chain must be beyond the draft (`docs/spec/token-profile.md`).

use super::Chain;
use super::links::name_link;
use crate::bundle::{AgentRecord, AgentState, Revocations, TrustBundle};
use crate::grammar::ActionPattern;
use crate::keys::PublicKey;
use crate::refusal::{Code, Refusal};
use crate::spiffe::SpiffeId;
use crate::svid::Svid;
use crate::time::UnixTime;
use crate::token::claims::shown;
use crate::token::{Claims, Model, Origin, PrivateClaims};

pub(super) fn verify(
    chain: &Chain,
    trust: &TrustBundle,
    shown: &[Svid],
    now: UnixTime,
) -> Result<(), Refusal> {
    if trust.revocations.all {
        return refuse(Code::RevokedAll, "everything is revoked: the kill switch is on");
    }
    if !chain.is_typed {
        return refuse(Code::TokenTyp, "a token of the chain does not state the `typ` aat+jwt");
    }
    let links = private_links(chain)?;
    for (index, (claims, _)) in links.iter().enumerate() {
        name_link(index, check_jti(&claims.jti))?;
    }
    // What is revoked is said before what is wrong: an off-boarded agent has no keys left to be bound to.
    for (index, (claims, private)) in links.iter().enumerate() {
        name_link(index, check_alive(claims, private, trust))?;
    }
    if trust.revoked_keys.contains(&chain.root_key) {
        return refuse(Code::KeyRevoked, "the key that signed the root is revoked");
    }
    check_root(&links, trust, now)?;
    for (index, pair) in links.windows(2).enumerate() {
        if let [(_, parent), (claims, child)] = pair {
            name_link(index + 1, check_derived(parent, claims, child, trust, shown, now))?;
            name_link(index + 1, check_restated(&links, child))?;
        }
    }
    check_denies(&links)
}

/// Every link's claims with ours. A token without ours is no token of this trust domain.
fn private_links(chain: &Chain) -> Result<Vec<(&Claims, &PrivateClaims)>, Refusal> {
    let with_private = |(index, claims)| {
        let claims: &Claims = claims;
        let private = claims.killick.as_ref();
        let missing = || Refusal::new(Code::TokenClaims, "the `killick` claim is missing");
        name_link(index, private.map(|private| (claims, private)).ok_or_else(missing))
    };
    chain.links.iter().enumerate().map(with_private).collect()
}

/// A token of ours has a UUIDv7 for its id, in the one spelling of AAT draft section 3.2: lower case, with hyphens. So an
/// id that was revoked has no other form.
pub(crate) fn check_jti(jti: &str) -> Result<(), Refusal> {
    let is_one = |id: uuid::Uuid| {
        id.get_version_num() == 7
            && id.get_variant() == uuid::Variant::RFC4122
            && id.hyphenated().to_string() == jti
    };
    if uuid::Uuid::try_parse(jti).is_ok_and(is_one) {
        return Ok(());
    }
    refuse(Code::TokenClaims, "its `jti` is no UUIDv7 in lower case")
}

/// Nothing about this link is revoked, suspended or foreign.
fn check_alive(claims: &Claims, private: &PrivateClaims, trust: &TrustBundle) -> Result<(), Refusal> {
    let holder = &private.holder;
    if trust.revoked_tokens.contains(&claims.jti) {
        return refuse(Code::TokenRevoked, "the token is revoked");
    }
    if trust.revoked_keys.contains(claims.holder_key.id()) {
        return refuse(Code::KeyRevoked, "the holder's key is revoked");
    }
    if holder.trust_domain() != trust.trust_domain {
        let why = format!("`{}` is not of the trust domain {}", shown(holder.as_str()), trust.trust_domain);
        return refuse(Code::ChainDomain, why);
    }
    let revocations = &trust.revocations;
    let beneath = |root: &SpiffeId| holder == root || holder.is_beneath(root);
    if revocations.agents.contains(holder) || revocations.subtrees.iter().any(beneath) {
        return refuse(Code::IdentityRevoked, format!("`{holder}` is revoked"));
    }
    if let Some(origin) = &private.origin {
        check_origin_alive(&origin.model, &origin.owner, revocations)?;
    }
    let Some(record) = trust.agents.get(holder) else { return Ok(()) };
    check_origin_alive(&record.model, &record.owner, revocations)?;
    match record.state {
        AgentState::Active => Ok(()),
        AgentState::Suspended => refuse(Code::IdentitySuspended, format!("`{holder}` is suspended")),
        AgentState::Offboarded => refuse(Code::IdentityRevoked, format!("`{holder}` has been off-boarded")),
    }
}

fn check_origin_alive(model: &Model, owner: &str, revocations: &Revocations) -> Result<(), Refusal> {
    let is_it = |revoked: &String| {
        let rest = revoked.strip_prefix(model.name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('@') == Some(model.version.as_str()))
    };
    if revocations.models.iter().any(is_it) {
        let versioned = format!("{}@{}", model.name, model.version);
        return refuse(Code::IdentityRevoked, format!("the model `{}` is revoked", shown(&versioned)));
    }
    if revocations.owners.iter().any(|revoked| revoked == owner) {
        return refuse(Code::IdentityRevoked, "everything of this owner is revoked");
    }
    Ok(())
}

/// The root is the authority's, for a registered agent with its registered key, owner and model.
fn check_root(
    links: &[(&Claims, &PrivateClaims)],
    trust: &TrustBundle,
    now: UnixTime,
) -> Result<(), Refusal> {
    let Some((claims, private)) = links.first() else { return refuse(Code::TokenMissing, "no token") };
    if claims.iss != trust.issuer {
        return refuse(Code::TokenIssuer, "link 0: the root's `iss` is not this trust domain's authority");
    }
    if private.issuer != trust.authority {
        return refuse(Code::ChainIdentity, "link 0: the root's issuer is not this trust domain's authority");
    }
    let Some(origin) = &private.origin else {
        return refuse(Code::TokenClaims, "link 0: the root states no origin");
    };
    let Some(record) = trust.agents.get(&private.holder) else {
        let why = format!("link 0: `{}` is no registered agent", private.holder);
        return refuse(Code::ChainIdentity, why);
    };
    name_link(0, check_registered_key(record, &claims.holder_key, trust, now))?;
    if record.owner.is_empty() {
        return refuse(Code::IdentityOwner, format!("link 0: `{}` has no owner", private.holder));
    }
    check_registered_model(origin, record)
}

/// An approval is for the model that was approved: another one needs a new grant.
fn check_registered_model(origin: &Origin, record: &AgentRecord) -> Result<(), Refusal> {
    let (claimed, registered) = (&origin.model, &record.model);
    let digests_differ = match (&claimed.digest, &registered.digest) {
        (Some(claimed), Some(registered)) => claimed != registered,
        _ => false,
    };
    if claimed.name != registered.name || claimed.version != registered.version || digests_differ {
        return refuse(Code::IdentityModel, "link 0: the root names another model than the one registered");
    }
    Ok(())
}

/// Names: the issuer is the holder above; the holder is a registered agent with its key, by the directory or by an SVID
/// shown with the chain, or a new name beneath the
/// delegator's.
fn check_derived(
    parent: &PrivateClaims,
    claims: &Claims,
    child: &PrivateClaims,
    trust: &TrustBundle,
    shown: &[Svid],
    now: UnixTime,
) -> Result<(), Refusal> {
    if child.issuer != parent.holder {
        return refuse(
            Code::ChainIdentity,
            format!("its issuer is not `{}`, the holder above it", parent.holder),
        );
    }
    match trust.agents.get(&child.holder) {
        // The directory may lag behind a rotation; a certificate of the trust domain says the same. Of the root's holder
        // only the directory speaks: it alone says for which key the authority granted.
        Some(record) if shown.iter().any(|svid| svid.id == record.id && svid.key == claims.holder_key) => {
            Ok(())
        }
        Some(record) => check_registered_key(record, &claims.holder_key, trust, now),
        None if child.holder.is_beneath(&parent.holder) => Ok(()),
        None => {
            let why = format!("`{}` is neither registered nor beneath `{}`", child.holder, parent.holder);
            refuse(Code::ChainIdentity, why)
        }
    }
}

/// Keys are compared by thumbprint, as the bundle's index holds them: to read each JWK again would cost more than all
/// else of the profile.
fn check_registered_key(
    record: &AgentRecord,
    key: &PublicKey,
    trust: &TrustBundle,
    now: UnixTime,
) -> Result<(), Refusal> {
    match trust.certified_until(&record.id, key.id()) {
        Some(until) if until > now => Ok(()),
        Some(_) => refuse(Code::IdentityExpired, format!("the certificate of `{}` has expired", record.id)),
        None => refuse(Code::ChainIdentity, format!("the directory binds another key to `{}`", record.id)),
    }
}

/// Origin and catalogue count from the root alone; a link that states others is refused.
fn check_restated(links: &[(&Claims, &PrivateClaims)], child: &PrivateClaims) -> Result<(), Refusal> {
    let Some((_, root)) = links.first() else { return Ok(()) };
    if child.origin.is_some() && child.origin != root.origin {
        return refuse(Code::ChainOrigin, "it states another origin than the root");
    }
    if child.catalogue.is_some() && child.catalogue != root.catalogue {
        return refuse(Code::ChainOrigin, "it states another catalogue than the root");
    }
    Ok(())
}

/// A token that grants what it or a link above it denies is invalid, whether or not that action is asked for.
fn check_denies(links: &[(&Claims, &PrivateClaims)]) -> Result<(), Refusal> {
    let mut denies: Vec<&ActionPattern> = Vec::new();
    for (index, (claims, private)) in links.iter().enumerate() {
        denies.extend(&private.deny);
        name_link(index, refuse_denied_tools(claims, &denies))?;
    }
    Ok(())
}

/// Errs with `chain.explicit_deny` if the token grants an action that one of `denies` matches.
pub(crate) fn refuse_denied_tools(claims: &Claims, denies: &[&ActionPattern]) -> Result<(), Refusal> {
    for tool in claims.tools.iter().flat_map(|tools| tools.keys()) {
        if let Some(deny) = denies.iter().find(|deny| deny.matches(tool)) {
            let why = format!("it grants `{}`, which the chain denies by `{}`", shown(tool), deny.as_str());
            return refuse(Code::ChainExplicitDeny, why);
        }
    }
    Ok(())
}

fn refuse<T>(code: Code, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}
