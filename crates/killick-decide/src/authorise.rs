//! The decision: the token's constraints and explicit denies **and** organisation policy. All must permit.
//!
//! The order is fixed and part of the promise: the operation, the directory's denies, the arguments, the token's chain
//! with its denies, the catalogue that the token was made for, the organisation's policy. The first that does not
//! permit gives the code.

use std::collections::BTreeMap;

use killick_proof::bundle::AgentRecord;
use killick_proof::json::Json;
use killick_proof::keys::base64url;
use killick_proof::token::{CatalogueRef, Origin};
use killick_proof::{AuthenticatedCall, Code, ParsedCall, Refusal, SpiffeId, UnixTime};

use crate::argument::quote;
use crate::bundle::Bundle;
use crate::catalogue::{Operation, Risk};
use crate::cedar::{Question, Verdict};
use crate::decision::{AuthorisedCall, Decision, Denial, Facts};
use crate::matching::{Matched, Parts};

/// Decides a call. Pure and total: whatever goes wrong inside is a denial. In observe mode (the agent's record says
/// so and it has not expired) a denial is attached to the permit instead of enforced, unless the directory denies the
/// action, the arguments cannot be read, or the risk is critical.
pub fn authorise(call: AuthenticatedCall, bundle: &Bundle, now: UnixTime) -> Decision {
    let chain = call.chain();
    let root = chain.links().first();
    decide(
        &Asked {
            call: call.call(),
            agent: call.agent(),
            path: chain.path().into_iter().cloned().collect(),
            origin: chain.origin(),
            chain_hash: base64url(chain.hash()),
            keyid: call.key().to_string(),
            catalogue: root
                .and_then(|root| root.killick.as_ref())
                .and_then(|claims| claims.catalogue.as_ref()),
            check: &|action, arguments| chain.check(action, arguments),
        },
        bundle,
        now,
    )
}

/// What is asked, and by whom.
pub(crate) struct Asked<'a> {
    pub(crate) call: &'a ParsedCall,
    pub(crate) agent: &'a SpiffeId,
    pub(crate) path: Vec<SpiffeId>,
    pub(crate) origin: Option<&'a Origin>,
    pub(crate) chain_hash: String,
    pub(crate) keyid: String,
    pub(crate) catalogue: Option<&'a CatalogueRef>,
    pub(crate) check: &'a Check<'a>,
}

/// Whether the token permits an action with these arguments.
type Check<'a> = dyn Fn(&str, &BTreeMap<String, Json>) -> Result<(), Refusal> + 'a;

/// The asking agent as the directory knows it.
struct Standing<'a> {
    /// Its own record, or the nearest registered agent's above it.
    record: Option<&'a AgentRecord>,
    /// The agents above it by name, nearest first.
    ancestors: Vec<SpiffeId>,
}

pub(crate) fn decide(asked: &Asked<'_>, bundle: &Bundle, now: UnixTime) -> Decision {
    let standing = Standing::of(asked, bundle);
    let mut facts = facts_of(asked, &standing, bundle, now);
    let parts = Parts::of(asked.call);

    let found = match bundle.catalogue.find(&parts) {
        Ok(found) => found,
        Err(refusal) => return deny(facts, why_unreadable(&refusal, bundle)),
    };
    facts.action = Some(found.operation.action.clone());
    facts.risk = Some(found.operation.risk);
    if let Err(why) = check_directory(asked, found.operation, &standing, bundle) {
        return deny(facts, why);
    }
    let matched = match found.read(&parts) {
        Ok(matched) => matched,
        Err(refusal) => return deny(facts, why_unreadable(&refusal, bundle)),
    };
    facts.arguments = matched.arguments.clone();

    let checked = check_chain(asked, &matched, &standing)
        .and_then(|()| check_catalogue(asked, matched.operation, &standing, bundle))
        .and_then(|()| check_policy(asked, matched.operation, &standing, bundle, &mut facts, now));
    #[cfg(feature = "fault-injection")]
    let checked = if crate::fault::authorise_is_off() { Ok(()) } else { checked };
    let observed = match checked {
        Ok(()) => None,
        Err(why) if is_observed(asked.agent, matched.operation.risk, bundle, now) => {
            Some(Box::new(denial(facts.clone(), why)))
        }
        Err(why) => return deny(facts, why),
    };
    let Some(upstream) = bundle.catalogue.document().upstreams.get(&matched.operation.upstream) else {
        return deny(
            facts,
            Why::new(Code::InternalError, "the operation's upstream is not in the catalogue"),
        );
    };
    Decision::Permit(AuthorisedCall {
        facts,
        upstream_url: upstream.base_url().to_owned(),
        method: matched.operation.method.clone(),
        path: matched.path,
        query: matched.query,
        body: matched.body,
        content_type: matched.content_type.map(str::to_owned),
        observed,
    })
}

/// Observe mode holds for the agent itself, not for what it spawns, and never for what cannot be undone.
fn is_observed(agent: &SpiffeId, risk: Risk, bundle: &Bundle, now: UnixTime) -> bool {
    let until = bundle.trust.agent(agent).and_then(|record| record.observe_until);
    risk != Risk::Critical && until.is_some_and(|until| until > now)
}

/// The directory's explicit denies of everyone on the delegation path and of everyone above them.
fn check_directory(
    asked: &Asked<'_>,
    operation: &Operation,
    standing: &Standing<'_>,
    bundle: &Bundle,
) -> Result<(), Why> {
    #[cfg(feature = "fault-injection")]
    if crate::fault::authorise_is_off() {
        return Ok(());
    }
    if bundle.denies.is_empty() {
        return Ok(());
    }
    let delegators = asked.path.iter().flat_map(|id| std::iter::once(id.clone()).chain(above(id)));
    let all =
        std::iter::once(asked.agent.clone()).chain(standing.ancestors.iter().cloned()).chain(delegators);
    for id in all {
        let patterns = bundle.denies.get(&id).into_iter().flatten();
        if let Some(pattern) = patterns.into_iter().find(|pattern| pattern.matches(&operation.action)) {
            let (action, pattern) = (&operation.action, pattern.as_str());
            return Err(Why {
                code: Code::ChainExplicitDeny,
                detail: format!("the directory denies `{action}` to {id} (`{pattern}`)"),
                missing: Some(format!("the removal of the deny `{pattern}` from the record of {id}")),
                grantor: Some("whoever administers the directory of agents".to_owned()),
            });
        }
    }
    Ok(())
}

/// The token: step 6 of the AAT draft's section 7, and the explicit denies of every link.
fn check_chain(asked: &Asked<'_>, matched: &Matched<'_>, standing: &Standing<'_>) -> Result<(), Why> {
    let action = &matched.operation.action;
    (asked.check)(action, &matched.arguments).map_err(|refusal| {
        let agent = asked.agent;
        let missing = match refusal.code() {
            Code::ToolNotGranted => format!("a grant of `{action}` for {agent}"),
            Code::ChainExplicitDeny => format!("a token for {agent} in which no link denies `{action}`"),
            _ => format!("a grant of `{action}` for {agent} that permits these arguments"),
        };
        Why {
            code: refusal.code(),
            detail: refusal.detail().to_owned(),
            missing: Some(missing),
            grantor: Some(standing.token_grantor(agent)),
        }
    })
}

/// The token's actions were resolved against a catalogue: it must be this one, at this version or before, and the
/// action must not have gone to another upstream since. Additions do not touch a token, which lists its actions.
fn check_catalogue(
    asked: &Asked<'_>,
    operation: &Operation,
    standing: &Standing<'_>,
    bundle: &Bundle,
) -> Result<(), Why> {
    let ours = bundle.catalogue.reference();
    let changed = |detail: String, missing: String| {
        let grantor = Some(standing.token_grantor(asked.agent));
        Err(Why { code: Code::CatalogueChanged, detail, missing: Some(missing), grantor })
    };
    if let Some(theirs) = asked.catalogue.filter(|it| it.id != ours.id || it.version > ours.version) {
        return changed(
            format!(
                "the token was made for the catalogue {} at version {}, this is {} at version {}",
                quote(&theirs.id),
                theirs.version,
                quote(&ours.id),
                ours.version
            ),
            format!("a token made for {} at version {} or before", quote(&ours.id), ours.version),
        );
    }
    let action = &operation.action;
    match bundle.catalogue.moved_at(action) {
        Some(moved) if asked.catalogue.is_none_or(|theirs| theirs.version < moved) => changed(
            format!(
                "since version {moved} of the catalogue `{action}` goes to another upstream than when it was granted"
            ),
            format!("a new grant of `{action}` for {}", asked.agent),
        ),
        _ => Ok(()),
    }
}

/// The organisation's policy.
fn check_policy(
    asked: &Asked<'_>,
    operation: &Operation,
    standing: &Standing<'_>,
    bundle: &Bundle,
    facts: &mut Facts,
    now: UnixTime,
) -> Result<(), Why> {
    let grantor = Some("whoever keeps the organisation's policies".to_owned());
    let Some(record) = standing.record else {
        return Err(Why::new(
            Code::IdentityUnknown,
            "neither the agent nor one above it is in the directory",
        ));
    };
    let verdict = bundle.policies.ask(&Question {
        agent: asked.agent,
        ancestors: &standing.ancestors,
        record,
        operation,
        path: &asked.path,
        task: facts.task.as_deref(),
        origin_model: &facts.model,
        environment: bundle.trust.trust_domain(),
        peer: asked.call.peer(),
        now,
    });
    let (action, agent) = (&operation.action, asked.agent);
    let listed = |ids: &[String]| ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    match verdict {
        Verdict::Permit(ids) => {
            facts.policies = ids;
            Ok(())
        }
        Verdict::Forbid(ids) if ids.is_empty() => Err(Why {
            code: Code::PolicyForbid,
            detail: format!("no policy permits `{action}` here"),
            missing: Some(format!("a policy that permits `{action}` for {agent}")),
            grantor,
        }),
        Verdict::Forbid(ids) => {
            let why = Why {
                code: Code::PolicyForbid,
                detail: format!("forbidden by policy {}", listed(&ids)),
                missing: Some(format!("an exception for {agent} in {}", listed(&ids))),
                grantor,
            };
            facts.policies = ids;
            Err(why)
        }
        Verdict::Error(ids) => {
            let why = Why {
                code: Code::PolicyError,
                detail: match ids.as_slice() {
                    [] => "the policies could not be asked about this call".to_owned(),
                    ids => format!("policy {} could not be evaluated", listed(ids)),
                },
                missing: Some("policies that can be evaluated for this call".to_owned()),
                grantor,
            };
            facts.policies = ids;
            Err(why)
        }
    }
}

impl<'a> Standing<'a> {
    fn of(asked: &Asked<'_>, bundle: &'a Bundle) -> Self {
        let ancestors = above(asked.agent);
        let registered = |id: &SpiffeId| bundle.trust.agent(id);
        // A sub-agent that its parent named needs no record of its own: it stands under its parent's.
        let record = registered(asked.agent)
            .or_else(|| ancestors.iter().find_map(registered))
            .or_else(|| asked.path.iter().rev().find_map(registered));
        Self { record, ancestors }
    }

    /// Who can grant a token to the agent.
    fn token_grantor(&self, agent: &SpiffeId) -> String {
        match self.record {
            Some(record) => {
                format!("the owner of {}, {}, or a token administrator", short_name(&record.id), record.owner)
            }
            None => format!("the owner of {} or a token administrator", short_name(agent)),
        }
    }
}

/// `invoice-bot` of `spiffe://acme.example/agent/invoice-bot`.
fn short_name(id: &SpiffeId) -> &str {
    id.path().strip_prefix("/agent/").unwrap_or(id.as_str())
}

/// The IDs above this one by name, nearest first.
fn above(id: &SpiffeId) -> Vec<SpiffeId> {
    let root = id.as_str().len().saturating_sub(id.path().len());
    let cuts = id.path().rmatch_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
    cuts.filter_map(|at| SpiffeId::parse(id.as_str().get(..root.saturating_add(at))?).ok()).collect()
}

fn facts_of(asked: &Asked<'_>, standing: &Standing<'_>, bundle: &Bundle, now: UnixTime) -> Facts {
    let (model, owner) = match (asked.origin, standing.record) {
        (Some(origin), _) => (Some(&origin.model), origin.owner.as_str()),
        (None, Some(record)) => (Some(&record.model), record.owner.as_str()),
        (None, None) => (None, ""),
    };
    let catalogue = bundle.catalogue.reference();
    Facts {
        request_id: asked.call.request_id().to_owned(),
        decided_at: now,
        agent: asked.agent.clone(),
        path: asked.path.clone(),
        model: model.map(|model| format!("{}@{}", model.name, model.version)).unwrap_or_default(),
        owner: owner.to_owned(),
        principal: asked.origin.and_then(|origin| origin.principal.clone()),
        intent: asked.origin.and_then(|origin| origin.intent.clone()),
        task: asked.origin.and_then(|origin| origin.task.clone()),
        chain_hash: asked.chain_hash.clone(),
        keyid: asked.keyid.clone(),
        action: None,
        risk: None,
        arguments: BTreeMap::new(),
        payload_digest: *asked.call.payload_digest(),
        bundle: bundle.digest.clone(),
        catalogue: format!("{}@{}", catalogue.id, catalogue.version),
        policies: Vec::new(),
        peer: asked.call.peer().to_owned(),
    }
}

/// The reason of a denial, without the facts.
struct Why {
    code: Code,
    detail: String,
    missing: Option<String>,
    grantor: Option<String>,
}

impl Why {
    fn new(code: Code, detail: &str) -> Self {
        Self { code, detail: detail.to_owned(), missing: None, grantor: None }
    }
}

/// The catalogue could not make an action and arguments of the call.
fn why_unreadable(refusal: &Refusal, bundle: &Bundle) -> Why {
    let (missing, grantor) = match refusal.code() {
        Code::ToolUnknown => (
            Some("an operation with this method and path in the catalogue".to_owned()),
            Some(format!("whoever keeps the catalogue {}", quote(&bundle.catalogue.document().id))),
        ),
        _ => (Some("arguments as the catalogue lists them".to_owned()), None),
    };
    Why { code: refusal.code(), detail: refusal.detail().to_owned(), missing, grantor }
}

fn denial(facts: Facts, why: Why) -> Denial {
    Denial { facts, code: why.code, detail: why.detail, missing: why.missing, grantor: why.grantor }
}

fn deny(facts: Facts, why: Why) -> Decision {
    Decision::Deny(denial(facts, why))
}
