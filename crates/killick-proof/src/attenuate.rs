//! Narrowing a chain by one link. There is no function that widens.

use crate::chain::{Chain, check_jti, check_link, refuse_denied_tools};
use crate::constraint::Constraint;
use crate::grammar::ActionPattern;
use crate::keys::{PublicKey, SigningKey};
use crate::limits::{CHAIN_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::refusal::{Code, Refusal};
use crate::spiffe::SpiffeId;
use crate::time::UnixTime;
use crate::token::{Claims, ConstraintMap, PrivateClaims, Tools};
use crate::verified::Verified;

/// What the new link shall say.
pub struct Attenuation {
    /// A fresh UUIDv7.
    pub jti: String,
    /// The new holder's key.
    pub holder_key: PublicKey,
    /// The new holder's SPIFFE ID: beneath the delegator's, or a registered agent's.
    pub holder: SpiffeId,
    /// What it may do; each tool and constraint within the parent's.
    pub tools: Tools,
    /// Denies to add.
    pub deny: Vec<ActionPattern>,
    /// When it ends; not after the parent.
    pub exp_secs: u64,
    /// The deepest link permitted below; not above the parent's.
    pub del_max_depth: u64,
}

/// Appends a link that `delegator` (the leaf's holder) signs, and returns the longer chain in its compact form. Errs,
/// naming the invariant and the argument, instead of signing what would not verify.
///
/// The parent's key set is kept (AAT draft section 4.5): an argument that the attenuation does not name keeps the
/// parent's constraint. Where the parent has an `any`, a plain constraint is put into an `any` of its own; where it has
/// an `all`, it is added to the parent's clauses: these are the only shapes that the draft lets stand below them.
pub fn attenuate(
    parent: &Verified<Chain>,
    delegator: &SigningKey,
    attenuation: &Attenuation,
    now: UnixTime,
) -> Result<String, Refusal> {
    let leaf = parent.leaf();
    if delegator.id() != leaf.holder_key.id() {
        return refuse(Code::ChainIssuer, "I1: only the holder of the leaf can delegate from it");
    }
    if parent.links().iter().any(|link| link.jti == attenuation.jti) {
        return refuse(Code::ChainCycle, "the `jti` is already in the chain");
    }
    let claims = Claims {
        jti: attenuation.jti.clone(),
        iss: delegator.id().thumbprint_uri(),
        // AAT draft section 6 step 2.
        iat: now.secs().max(leaf.iat),
        exp: attenuation.exp_secs,
        holder_key: attenuation.holder_key.clone(),
        del_depth: leaf.del_depth.saturating_add(1),
        del_max_depth: attenuation.del_max_depth,
        par_hash: parent.compact().rsplit('~').next().map(Claims::parent_hash),
        tools: Some(fit_tools(&attenuation.tools, leaf.tools.as_ref())),
        killick: private_claims(leaf, attenuation)?,
    };
    // What the next verifier will read, not what we meant: the same reader, the same checks.
    let claims = Claims::from_json(&claims.to_json())?;
    check_link(leaf, &claims, now)?;
    let own = claims.killick.iter().flat_map(|private| &private.deny);
    refuse_denied_tools(&claims, &parent.denies().chain(own).collect::<Vec<_>>())?;

    let token = claims.sign(delegator);
    let longer = format!("{}~{token}", parent.compact());
    if token.len() > TOKEN_BYTES_MAX || longer.len() > CHAIN_BYTES_MAX {
        return refuse(Code::LimitSize, "the chain would be longer than any gateway accepts");
    }
    Ok(longer)
}

/// Ours, if the chain has them. The name must be one that the delegator can give; whether an agent of another name is
/// registered only the gateway's directory knows.
fn private_claims(leaf: &Claims, attenuation: &Attenuation) -> Result<Option<PrivateClaims>, Refusal> {
    let Some(parent) = &leaf.killick else { return Ok(None) };
    check_jti(&attenuation.jti)?;
    if attenuation.holder.trust_domain() != parent.holder.trust_domain() {
        return refuse(Code::ChainDomain, "the new holder is of another trust domain");
    }
    Ok(Some(PrivateClaims {
        issuer: parent.holder.clone(),
        holder: attenuation.holder.clone(),
        origin: None,
        deny: attenuation.deny.clone(),
        catalogue: None,
    }))
}

fn fit_tools(tools: &Tools, parent: Option<&Tools>) -> Tools {
    let fit = |(tool, map): (&String, &ConstraintMap)| {
        let Some(wider) = parent.and_then(|parent| parent.get(tool)) else {
            return (tool.clone(), map.clone());
        };
        let mut fitted: ConstraintMap = map
            .iter()
            .map(|(argument, constraint)| (argument.clone(), fit(constraint, wider.get(argument))))
            .collect();
        for (argument, constraint) in wider {
            fitted.entry(argument.clone()).or_insert_with(|| constraint.clone());
        }
        (tool.clone(), fitted)
    };
    tools.iter().map(fit).collect()
}

/// The constraint in the shape that the parent's asks for, where it has one that fits. It accepts no value that
/// `constraint` does not; whether it stands below the parent's is checked afterwards.
fn fit(constraint: &Constraint, parent: Option<&Constraint>) -> Constraint {
    let Some(parent) = parent.filter(|parent| !constraint.subsumes(parent)) else {
        return constraint.clone();
    };
    match parent {
        Constraint::Any(wider) => {
            let own = match constraint {
                Constraint::Any(clauses) => clauses.as_slice(),
                other => std::slice::from_ref(other),
            };
            Constraint::Any(own.iter().map(|clause| fit_one_of(clause, wider)).collect())
        }
        // Every clause of the parent stays; what is new only restricts further.
        Constraint::All(kept) => {
            let own = match constraint {
                Constraint::All(clauses) => clauses.as_slice(),
                other => std::slice::from_ref(other),
            };
            Constraint::All(kept.iter().chain(own).cloned().collect())
        }
        _ => constraint.clone(),
    }
}

/// The clause in the shape of the first of the parent's clauses that it fits below.
fn fit_one_of(clause: &Constraint, wider: &[Constraint]) -> Constraint {
    let fitted = wider.iter().map(|wider| (fit(clause, Some(wider)), wider));
    let fitting = fitted.into_iter().find(|(fitted, wider)| fitted.subsumes(wider));
    fitting.map_or_else(|| clause.clone(), |(fitted, _)| fitted)
}

fn refuse<T>(code: Code, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}
