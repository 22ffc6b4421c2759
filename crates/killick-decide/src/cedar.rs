//! Cedar, and nothing else in killick sees it: the schema made from the catalogue, policies validated strictly against
//! it, and the question asked of them for every call. What policies can speak of is described in `docs/spec/policy.md`.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicyId,
    PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use killick_proof::bundle::{AgentRecord, PolicyText, RiskTier};
use killick_proof::keys::sha256;
use killick_proof::{SpiffeId, UnixTime};
use serde_json::json;

use crate::catalogue::{Catalogue, Operation};
use crate::limits::{NAME_BYTES_MAX, POLICIES_MAX, POLICY_BYTES_MAX};

/// The policy that a new installation starts with: the token decides, except that agents of the low tier do nothing
/// critical. `killick up` writes it to `policies/default.cedar`. With no policy at all nothing is permitted.
pub const DEFAULT_POLICY: &str = r#"// What the token permits is permitted. A token narrows an agent's task; policies narrow what the organisation
// tolerates, whatever a token says: every `forbid` wins over every `permit`. With no `permit` nothing is permitted.
permit (principal, action, resource);

// Agents of the low tier read and write, but do nothing critical: move no money, delete nothing.
forbid (principal, action, resource)
when { context.risk == "critical" && principal.riskTier == "low" };
"#;

/// A validated policy set with the schema made from the catalogue.
#[derive(Debug)]
pub struct Policies {
    set: PolicySet,
    authorizer: Authorizer,
    #[cfg(test)]
    schema: Schema,
    zone: TimeZone,
    /// `Agent`, `Resource`, `Task`, read once.
    types: Types,
    actions: HashMap<String, EntityUid>,
    warnings: Vec<String>,
    pub(crate) digest: [u8; 32],
}

#[derive(Debug)]
struct Types {
    agent: EntityTypeName,
    resource: EntityTypeName,
    task: EntityTypeName,
}

/// Why a policy set is refused, as a whole; says which policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy: {0}")]
pub struct PolicyError(pub String);

/// What policies are asked about one call.
pub(crate) struct Question<'a> {
    pub(crate) agent: &'a SpiffeId,
    /// The agents above it, in whose place `in` finds it.
    pub(crate) ancestors: &'a [SpiffeId],
    pub(crate) record: &'a AgentRecord,
    pub(crate) operation: &'a Operation,
    pub(crate) path: &'a [SpiffeId],
    pub(crate) task: Option<&'a str>,
    pub(crate) origin_model: &'a str,
    pub(crate) environment: &'a str,
    pub(crate) peer: &'a str,
    pub(crate) now: UnixTime,
}

/// What policies answer. The ids are of the policies that determined it, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Permit(Vec<String>),
    /// With no ids: nothing permits it.
    Forbid(Vec<String>),
    /// In doubt, deny: also when another policy permits.
    Error(Vec<String>),
}

/// The digest of all that a compiled policy set depends on.
pub(crate) fn digest_of(texts: &[PolicyText], catalogue: &Catalogue, time_zone: &str) -> [u8; 32] {
    let mut bytes = sha256(&serde_json::to_vec(catalogue.document()).unwrap_or_default()).to_vec();
    bytes.extend_from_slice(&serde_json::to_vec(&(texts, time_zone)).unwrap_or_default());
    sha256(&bytes)
}

impl Policies {
    /// Parses the policies and validates them strictly against the catalogue's schema. Errs, naming the policy, if any
    /// one of them does not parse, is a template, or does not validate: then none is used. `time_zone` is an IANA name
    /// of the compiled-in database.
    pub fn compile(
        texts: &[PolicyText],
        catalogue: &Catalogue,
        time_zone: &str,
    ) -> Result<Self, PolicyError> {
        let schema = Schema::from_json_value(schema_json(catalogue))
            .map_err(|error| PolicyError(format!("the catalogue makes no schema: {error}")))?;
        let zone = TimeZoneDatabase::bundled()
            .get(time_zone)
            .map_err(|_| PolicyError(format!("there is no time zone `{time_zone}`")))?;
        let set = parse(texts)?;
        let validation = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        if let Some(error) = validation.validation_errors().next() {
            return Err(PolicyError(format!("`{}` does not validate: {error}", error.policy_id())));
        }
        let warnings = validation.validation_warnings().map(ToString::to_string).collect();
        let bad = |error| PolicyError(format!("internal name: {error}"));
        let name = |text: &str| EntityTypeName::from_str(text).map_err(bad);
        let action_type = name("Action")?;
        let action = |operation: &Operation| {
            let uid = EntityUid::from_type_name_and_id(action_type.clone(), EntityId::new(&operation.action));
            (operation.action.clone(), uid)
        };
        Ok(Self {
            set,
            authorizer: Authorizer::new(),
            zone,
            types: Types { agent: name("Agent")?, resource: name("Resource")?, task: name("Task")? },
            actions: catalogue.document().operations.iter().map(action).collect(),
            warnings,
            digest: digest_of(texts, catalogue, time_zone),
            #[cfg(test)]
            schema,
        })
    }

    /// What the validator finds odd but not wrong, for whoever writes policies: a policy that can never apply, text
    /// that looks like other text.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// How many policies there are; with none, nothing is permitted.
    pub fn len(&self) -> usize {
        self.set.num_of_policies()
    }

    /// Whether there is no policy.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Asks the policies. Total: whatever cannot be evaluated is [`Verdict::Error`].
    pub(crate) fn ask(&self, question: &Question<'_>) -> Verdict {
        let Some((request, entities)) = self.translate(question, None) else {
            return Verdict::Error(Vec::new());
        };
        let response = self.authorizer.is_authorized(&request, &self.set, &entities);
        let sorted = |ids: Vec<&PolicyId>| {
            let mut ids: Vec<String> = ids.into_iter().map(ToString::to_string).collect();
            ids.sort_unstable();
            ids
        };
        let failed: Vec<&PolicyId> = response
            .diagnostics()
            .errors()
            .map(|error| match error {
                cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
            })
            .collect();
        if !failed.is_empty() {
            return Verdict::Error(sorted(failed));
        }
        let reasons = sorted(response.diagnostics().reason().collect());
        match response.decision() {
            Decision::Allow => Verdict::Permit(reasons),
            Decision::Deny => Verdict::Forbid(reasons),
        }
    }

    /// The question in Cedar's terms. The schema is handed in only by tests: what is built here conforms to it by
    /// construction, and checking that anew on every call would cost as much as the evaluation.
    fn translate(&self, question: &Question<'_>, schema: Option<&Schema>) -> Option<(Request, Entities)> {
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let long = |number: u64| RestrictedExpression::new_long(i64::try_from(number).unwrap_or(i64::MAX));
        let uid = |kind: &EntityTypeName, id: &str| {
            EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
        };
        let agent_uid = |id: &SpiffeId| uid(&self.types.agent, id.as_str());

        let principal = agent_uid(question.agent);
        let record = question.record;
        let tier = match record.risk_tier {
            RiskTier::Low => "low",
            RiskTier::Medium => "medium",
            RiskTier::High => "high",
        };
        let attributes = HashMap::from([
            ("owner".to_owned(), text(&record.owner)),
            ("model".to_owned(), text(&record.model.name)),
            ("modelVersion".to_owned(), text(&record.model.version)),
            ("riskTier".to_owned(), text(tier)),
            ("onboardedAt".to_owned(), long(record.onboarded_at.secs())),
            ("registered".to_owned(), RestrictedExpression::new_bool(record.id == *question.agent)),
        ]);
        let parents: HashSet<EntityUid> = question.ancestors.iter().map(agent_uid).collect();
        let agent = Entity::new(principal.clone(), attributes, parents).ok()?;

        let operation = question.operation;
        let resource = uid(&self.types.resource, operation.resource());
        let attributes = HashMap::from([("upstream".to_owned(), text(&operation.upstream))]);
        let resource_entity = Entity::new(resource.clone(), attributes, HashSet::new()).ok()?;

        let local = Timestamp::from_microsecond(i64::try_from(question.now.micros()).ok()?).ok()?;
        let local = self.zone.to_datetime(local);
        let path = question.path.iter().map(|id| RestrictedExpression::new_entity_uid(agent_uid(id)));
        let mut context = vec![
            ("originIp".to_owned(), text(question.peer)),
            ("hour".to_owned(), RestrictedExpression::new_long(i64::from(local.hour()))),
            (
                "weekday".to_owned(),
                RestrictedExpression::new_long(i64::from(local.weekday().to_monday_one_offset())),
            ),
            // INVARIANT: zero until the score is computed; policies can be written against it now.
            ("riskScore".to_owned(), RestrictedExpression::new_long(0)),
            ("hops".to_owned(), long(u64::try_from(question.path.len()).unwrap_or(u64::MAX))),
            ("path".to_owned(), RestrictedExpression::new_set(path)),
            ("risk".to_owned(), text(operation.risk.as_str())),
            ("verb".to_owned(), text(operation.verb())),
            ("environment".to_owned(), text(question.environment)),
            ("originModel".to_owned(), text(question.origin_model)),
        ];
        if let Ok(address) = IpAddr::from_str(question.peer) {
            // Canonical, so that a rule about IPv4 also meets an IPv4 peer of a dual-stack socket (RFC 4291 2.5.5.2).
            context.push((
                "origin".to_owned(),
                RestrictedExpression::new_ip(address.to_canonical().to_string()),
            ));
        }
        if let Some(task) = question.task {
            context
                .push(("task".to_owned(), RestrictedExpression::new_entity_uid(uid(&self.types.task, task))));
        }
        let context = Context::from_pairs(context).ok()?;
        let action = self.actions.get(&operation.action)?.clone();
        let request = Request::new(principal, action, resource, context, schema).ok()?;
        let entities = Entities::from_entities([agent, resource_entity], schema).ok()?;
        Some((request, entities))
    }

    /// The schema in Cedar's own syntax, for those who write policies.
    pub fn schema_text(catalogue: &Catalogue) -> Result<String, PolicyError> {
        let bad =
            |error: &dyn std::fmt::Display| PolicyError(format!("the catalogue makes no schema: {error}"));
        cedar_policy::SchemaFragment::from_json_value(schema_json(catalogue))
            .map_err(|error| bad(&error))?
            .to_cedarschema()
            .map_err(|error| bad(&error))
    }

    /// Whether the question conforms to the schema; the tests show that it always does.
    #[cfg(test)]
    pub(crate) fn conforms(&self, question: &Question<'_>) -> bool {
        self.translate(question, Some(&self.schema)).is_some()
    }
}

/// Parses every text; a text with one policy gives it its id, one with several numbers them: `id.1`, `id.2`.
fn parse(texts: &[PolicyText]) -> Result<PolicySet, PolicyError> {
    let mut set = PolicySet::new();
    for PolicyText { id, text } in texts {
        let refuse = |why: String| PolicyError(format!("`{id}` {why}"));
        let id_ok = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if id.is_empty() || id.len() > NAME_BYTES_MAX || !id.bytes().all(id_ok) {
            return Err(refuse("is not an id of letters, digits, `-`, `_` and `.`".to_owned()));
        }
        if text.len() > POLICY_BYTES_MAX {
            return Err(refuse(format!("is longer than {POLICY_BYTES_MAX} bytes")));
        }
        let parsed =
            PolicySet::from_str(text).map_err(|errors| refuse(format!("does not parse: {errors}")))?;
        if parsed.num_of_templates() > 0 {
            return Err(refuse("is a template; there is nothing to link it to".to_owned()));
        }
        // Cedar numbers the policies of one text `policy0`, `policy1` … in the order in which they stand.
        let mut policies: Vec<&Policy> = parsed.policies().collect();
        policies
            .sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().ok());
        if policies.is_empty() {
            return Err(refuse("holds no policy".to_owned()));
        }
        let single = policies.len() == 1;
        for (index, policy) in policies.into_iter().enumerate() {
            let id = if single { id.clone() } else { format!("{id}.{}", index.saturating_add(1)) };
            let policy = policy.new_id(PolicyId::new(&id));
            set.add(policy).map_err(|_| PolicyError(format!("`{id}` is the id of two policies")))?;
        }
        if set.num_of_policies() > POLICIES_MAX {
            return Err(PolicyError(format!("there are more than {POLICIES_MAX} policies")));
        }
    }
    Ok(set)
}

/// The schema: three entity types, one action per catalogue action.
fn schema_json(catalogue: &Catalogue) -> serde_json::Value {
    let required = |kind: &str| json!({ "type": kind, "required": true });
    let applies = json!({
        "appliesTo": { "principalTypes": ["Agent"], "resourceTypes": ["Resource"], "context": { "type": "Call" } }
    });
    let actions: serde_json::Map<String, serde_json::Value> = catalogue
        .document()
        .operations
        .iter()
        .map(|operation| (operation.action.clone(), applies.clone()))
        .collect();
    json!({ "": {
        "commonTypes": { "Call": { "type": "Record", "attributes": {
            "originIp": required("String"),
            "origin": { "type": "Extension", "name": "ipaddr", "required": false },
            "hour": required("Long"),
            "weekday": required("Long"),
            "riskScore": required("Long"),
            "hops": required("Long"),
            "path": { "type": "Set", "element": { "type": "Entity", "name": "Agent" }, "required": true },
            "risk": required("String"),
            "verb": required("String"),
            "environment": required("String"),
            "originModel": required("String"),
            "task": { "type": "Entity", "name": "Task", "required": false },
        } } },
        "entityTypes": {
            "Agent": { "memberOfTypes": ["Agent"], "shape": { "type": "Record", "attributes": {
                "owner": required("String"),
                "model": required("String"),
                "modelVersion": required("String"),
                "riskTier": required("String"),
                "onboardedAt": required("Long"),
                "registered": required("Boolean"),
            } } },
            "Resource": { "shape": { "type": "Record", "attributes": { "upstream": required("String") } } },
            "Task": {},
        },
        "actions": actions,
    } })
}

#[cfg(test)]
mod tests {
    use killick_proof::bundle::AgentState;
    use killick_proof::token::Model;

    use super::*;
    use crate::catalogue::CatalogueDocument;

    fn catalogue() -> Catalogue {
        let operation = |action: &str, path: &str, risk: &str| json!({ "action": action, "upstream": "shop", "method": "GET", "path": path, "risk": risk });
        let document = json!({
            "id": "c", "version": 1, "upstreams": { "shop": { "url": "http://127.0.0.1:1" } },
            "operations": [operation("read:invoices", "/invoices", "read"), operation("execute:payments", "/pay", "critical")],
        });
        Catalogue::new(serde_json::from_value::<CatalogueDocument>(document).unwrap()).unwrap()
    }

    fn compile(texts: &[&str]) -> Result<Policies, PolicyError> {
        compile_in("Europe/Berlin", texts)
    }

    fn compile_in(zone: &str, texts: &[&str]) -> Result<Policies, PolicyError> {
        let texts: Vec<PolicyText> = texts
            .iter()
            .enumerate()
            .map(|(n, text)| PolicyText { id: format!("p{n}"), text: (*text).to_owned() })
            .collect();
        Policies::compile(&texts, &catalogue(), zone)
    }

    fn record() -> AgentRecord {
        AgentRecord {
            id: SpiffeId::parse("spiffe://acme.example/agent/bot").unwrap(),
            state: AgentState::Active,
            keys: Vec::new(),
            owner: "alice@acme.example".to_owned(),
            model: Model { name: "opus".to_owned(), version: "1".to_owned(), digest: None },
            risk_tier: RiskTier::Low,
            onboarded_at: UnixTime::from_secs(1_700_000_000),
            deny: Vec::new(),
            observe_until: None,
        }
    }

    /// 2026-07-01 was a Wednesday; 22:30 UTC is half past midnight on Thursday in Berlin.
    const WEDNESDAY_2230_UTC: u64 = 1_782_945_000;

    fn ask(policies: &Policies, action: &str) -> Verdict {
        ask_as(policies, action, "spiffe://acme.example/agent/bot", "192.0.2.7")
    }

    fn ask_as(policies: &Policies, action: &str, agent: &str, peer: &str) -> Verdict {
        let (catalogue, record) = (catalogue(), record());
        let agent = SpiffeId::parse(agent).unwrap();
        let parents = if agent == record.id { Vec::new() } else { vec![record.id.clone()] };
        let question = Question {
            agent: &agent,
            ancestors: &parents,
            record: &record,
            operation: catalogue.operation(action).unwrap(),
            path: std::slice::from_ref(&agent),
            task: Some("T-17"),
            origin_model: "opus@1",
            environment: "acme.example",
            peer,
            now: UnixTime::from_secs(WEDNESDAY_2230_UTC),
        };
        assert!(policies.conforms(&question), "the question does not conform to the schema");
        policies.ask(&question)
    }

    fn permits(condition: &str) -> bool {
        let policies =
            compile(&[&format!("permit (principal, action, resource) when {{ {condition} }};")]).unwrap();
        ask(&policies, "read:invoices") == Verdict::Permit(vec!["p0".to_owned()])
    }

    #[test]
    fn with_no_policy_nothing_is_permitted() {
        assert_eq!(ask(&compile(&[]).unwrap(), "read:invoices"), Verdict::Forbid(Vec::new()));
    }

    #[test]
    fn the_default_validates_and_keeps_low_tiers_from_critical_actions() {
        let policies = compile(&[DEFAULT_POLICY]).unwrap();
        assert_eq!(policies.warnings(), Vec::<String>::new());
        assert_eq!(ask(&policies, "read:invoices"), Verdict::Permit(vec!["p0.1".to_owned()]));
        assert_eq!(ask(&policies, "execute:payments"), Verdict::Forbid(vec!["p0.2".to_owned()]));
        let empty = json!({ "id": "c", "version": 1, "upstreams": {}, "operations": [] });
        let empty = Catalogue::new(serde_json::from_value(empty).unwrap()).unwrap();
        let text = PolicyText { id: "default".to_owned(), text: DEFAULT_POLICY.to_owned() };
        Policies::compile(&[text], &empty, "UTC").unwrap();
    }

    #[test]
    fn a_forbid_wins_over_every_permit() {
        let policies = compile(&[
            "permit (principal, action, resource);",
            "forbid (principal, action == Action::\"read:invoices\", resource);",
        ])
        .unwrap();
        assert_eq!(ask(&policies, "read:invoices"), Verdict::Forbid(vec!["p1".to_owned()]));
        assert_eq!(ask(&policies, "execute:payments"), Verdict::Permit(vec!["p0".to_owned()]));
    }

    #[test]
    fn an_error_denies_also_beside_a_permit_and_beside_a_forbid() {
        let overflow = "when { context.hops + 9223372036854775807 > 0 }";
        for effect in ["permit", "forbid"] {
            let failing = format!("{effect} (principal, action, resource) {overflow};");
            for other in ["permit", "forbid"] {
                let other = format!("{other} (principal, action, resource);");
                let policies = compile(&[&other, &failing]).unwrap();
                assert_eq!(ask(&policies, "read:invoices"), Verdict::Error(vec!["p1".to_owned()]));
            }
        }
    }

    #[test]
    fn what_cannot_be_said_in_cedar_denies() {
        let policies = compile(&["permit (principal, action, resource);"]).unwrap();
        let (catalogue, record) = (catalogue(), record());
        let beyond = Question {
            agent: &record.id,
            ancestors: &[],
            record: &record,
            operation: catalogue.operation("read:invoices").unwrap(),
            path: &[],
            task: None,
            origin_model: "",
            environment: "",
            peer: "",
            now: UnixTime::from_micros(u64::MAX),
        };
        assert_eq!(policies.ask(&beyond), Verdict::Error(Vec::new()));
    }

    #[test]
    fn every_word_of_the_reference_can_be_used() {
        for condition in [
            r#"principal == Agent::"spiffe://acme.example/agent/bot""#,
            r#"principal.owner == "alice@acme.example" && principal.model == "opus" && principal.modelVersion == "1""#,
            r#"principal.riskTier == "low" && principal.registered && principal.onboardedAt == 1700000000"#,
            r#"action == Action::"read:invoices" && resource == Resource::"invoices" && resource.upstream == "shop""#,
            r#"context.risk == "read" && context.verb == "read" && context.environment == "acme.example""#,
            r#"context.hour == 0 && context.weekday == 4"#,
            r#"context.originIp == "192.0.2.7" && context has origin && context.origin.isInRange(ip("192.0.2.0/24"))"#,
            r#"context.hops == 1 && context.path.contains(Agent::"spiffe://acme.example/agent/bot")"#,
            r#"context.originModel == "opus@1" && context.riskScore == 0"#,
            r#"context has task && context.task == Task::"T-17""#,
        ] {
            assert!(permits(condition), "{condition}");
        }
        assert!(!permits("context.hour == 22"));
        assert!(!permits("context.riskScore > 0"));
    }

    #[test]
    fn time_of_day_is_the_organisations() {
        let in_zone = |zone: &str, hour: u8, weekday: u8| {
            let text = format!(
                "permit (principal, action, resource) when {{ context.hour == {hour} && context.weekday == {weekday} }};"
            );
            ask(&compile_in(zone, &[&text]).unwrap(), "read:invoices")
                == Verdict::Permit(vec!["p0".to_owned()])
        };
        assert!(in_zone("UTC", 22, 3));
        assert!(in_zone("Europe/Berlin", 0, 4));
        assert!(in_zone("America/New_York", 18, 3));
        assert!(compile_in("Mars/Olympus", &[]).is_err());
        assert!(compile_in("", &[]).is_err());
    }

    #[test]
    fn sub_agents_stand_beneath_their_parents() {
        let text = r#"permit (principal in Agent::"spiffe://acme.example/agent/bot", action, resource)
            when { !principal.registered };"#;
        let policies = compile(&[text]).unwrap();
        let sub = ask_as(&policies, "read:invoices", "spiffe://acme.example/agent/bot/reader", "192.0.2.7");
        assert_eq!(sub, Verdict::Permit(vec!["p0".to_owned()]));
    }

    #[test]
    fn addresses_are_addresses_where_they_can_be() {
        let text = r#"permit (principal, action, resource)
            when { context has origin && context.origin.isInRange(ip("192.0.2.0/24")) };"#;
        let policies = compile(&[text]).unwrap();
        let from = |peer: &str| ask_as(&policies, "read:invoices", "spiffe://acme.example/agent/bot", peer);
        let permit = Verdict::Permit(vec!["p0".to_owned()]);
        assert_eq!(from("192.0.2.7"), permit);
        assert_eq!(from("::ffff:192.0.2.7"), permit);
        for peer in ["198.51.100.1", "2001:db8::1", "", "unix", "192.0.2.7:99"] {
            assert_eq!(from(peer), Verdict::Forbid(Vec::new()), "{peer}");
        }
    }

    #[test]
    fn a_policy_that_does_not_validate_refuses_all_of_them_and_is_named() {
        let good = "permit (principal, action, resource);";
        for bad in [
            "permit (principal, action, resource)",
            "permit (principal, action == Action::\"read:nothing\", resource);",
            "permit (principal, action, resource) when { context.hours > 5 };",
            "permit (principal, action, resource) when { context.hour > \"5\" };",
            "permit (principal, action, resource) when { principal.salary > 5 };",
            "permit (principal, action, resource) when { context.origin.isIpv4() };",
            "permit (principal == ?principal, action, resource);",
            "permit (principal, action, resource); forbid (principal == ?principal, action, resource);",
            "permit (principal is User, action, resource);",
            "// nothing",
            "",
        ] {
            let error = compile(&[good, bad]).unwrap_err().to_string();
            assert!(error.contains("`p1`"), "{bad}: {error}");
        }
        let text = |id: &str| PolicyText { id: id.to_owned(), text: good.to_owned() };
        assert!(Policies::compile(&[text("a"), text("a")], &catalogue(), "UTC").is_err());
        assert!(Policies::compile(&[text("a b")], &catalogue(), "UTC").is_err());
        assert!(Policies::compile(&[text("")], &catalogue(), "UTC").is_err());
    }

    #[test]
    fn the_schema_can_be_printed() {
        let text = Policies::schema_text(&catalogue()).unwrap();
        assert!(text.contains("read:invoices") && text.contains("riskTier"), "{text}");
    }
}
