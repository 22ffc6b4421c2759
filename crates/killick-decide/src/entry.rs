//! How decisions, refusals, outcomes and the authority's acts stand in the log: canonical JSON (RFC 8785) by the
//! schema of `docs/spec/entry.md`, without anything that a person or a model supplied other than as a commitment.

use killick_proof::UnixTime;
use killick_proof::json::Json;
use killick_proof::keys::{base64url, sha256};
use killick_tlog::entry::ENTRY_BYTES_MAX;
use killick_tlog::{Entry, Seal};
use serde_json::{Map, Value, json};

use crate::decision::{Decision, Facts, RefusedCall};
use crate::limits::{ENTRY_DEPTH_MAX, ENTRY_LIST_MAX, ENTRY_TEXT_BYTES_MAX};

/// The schema's version: the member `v` of every entry. It changes when a reader of the old schema could misread.
pub const ENTRY_VERSION: u64 = 1;

/// The subject of commitments about callers that nobody authenticated: one for all, so that strangers cannot make the
/// log keep a key for each of them.
pub const STRANGER: &str = "stranger";

impl Entry for Decision {
    fn encode(&self, seal: &dyn Seal, build: &str) -> Vec<u8> {
        let (verdict, code) = match self {
            Decision::Permit(call) => match call.observed() {
                Some(denial) => ("observe", Some(denial.code())),
                None => ("permit", None),
            },
            Decision::Deny(denial) => ("deny", Some(denial.code())),
        };
        let facts = self.facts();
        let mut entry = decision_members(facts, seal);
        entry.insert("verdict".to_owned(), verdict.into());
        if let Some(code) = code {
            entry.insert("code".to_owned(), code.as_str().into());
        }
        finish("decision", Some(&facts.request_id), facts.decided_at, entry, build)
    }
}

fn decision_members(facts: &Facts, seal: &dyn Seal) -> Map<String, Value> {
    let agent = facts.agent.as_str();
    let commit =
        |field: &str, content: &[u8]| Value::from(seal.commit(agent, &facts.request_id, field, content));
    // The JCS form, or, where a number is more exact than a double, the text that keeps it exact.
    let arguments = Json::Object(facts.arguments.clone());
    let arguments = arguments.to_jcs().unwrap_or_else(|_| arguments.to_bytes());
    let mut entry = Map::new();
    let mut put = |name: &str, value: Value| {
        entry.insert(name.to_owned(), value);
    };
    put("agent", agent.into());
    put("model", short(&facts.model).into());
    put("owner", seal.pseudonym(&facts.owner).into());
    put("chain", short(&facts.chain_hash).into());
    put("keyid", short(&facts.keyid).into());
    put("args", commit("args", &arguments));
    put("payload", commit("payload", &facts.payload_digest));
    put("peer", commit("peer", facts.peer.as_bytes()));
    put("bundle", short(&facts.bundle).into());
    put("catalogue", short(&facts.catalogue).into());
    put_list(&mut put, "path", facts.path.iter().map(|id| id.as_str()));
    put_list(&mut put, "policies", facts.policies.iter().map(String::as_str));
    if let Some(principal) = &facts.principal {
        put("principal", seal.pseudonym(principal).into());
    }
    if let Some(intent) = &facts.intent {
        put("intent", short(intent).into());
    }
    if let Some(task) = &facts.task {
        put("task", short(task).into());
    }
    if let Some(action) = &facts.action {
        put("action", short(action).into());
    }
    if let Some(risk) = facts.risk {
        put("risk", risk.as_str().into());
    }
    entry
}

impl Entry for RefusedCall {
    fn encode(&self, seal: &dyn Seal, build: &str) -> Vec<u8> {
        let commit = |field: &str, content: &[u8]| seal.commit(STRANGER, &self.request_id, field, content);
        // Nothing that the stranger wrote stands here in clear, not even in the refusal's sentence.
        let mut entry = Map::new();
        entry.insert("code".to_owned(), self.refusal.code().as_str().into());
        entry.insert("peer".to_owned(), commit("peer", self.peer.as_bytes()).into());
        entry.insert("payload".to_owned(), commit("payload", &self.payload_digest).into());
        finish("refusal", Some(&self.request_id), self.refused_at, entry, build)
    }
}

/// What came of a forwarded call.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The request's id.
    pub request_id: String,
    /// Index of the decision's entry.
    pub decision_index: u64,
    /// When the upstream answered, or failed to.
    pub at: UnixTime,
    /// The agent (subject of the commitment).
    pub agent: String,
    /// The upstream's status; `None` if it could not be reached.
    pub status: Option<u16>,
    /// SHA-256 of the response body (entered as a commitment).
    pub response_digest: Option<[u8; 32]>,
    /// SHA-256 of the body that was forwarded (entered as a commitment).
    pub forwarded_digest: [u8; 32],
}

impl Entry for Outcome {
    fn encode(&self, seal: &dyn Seal, build: &str) -> Vec<u8> {
        let commit = |field: &str, content: &[u8]| seal.commit(&self.agent, &self.request_id, field, content);
        let mut entry = Map::new();
        entry.insert("decision".to_owned(), integer(self.decision_index));
        entry.insert("agent".to_owned(), short_id(&self.agent).into());
        entry.insert("forwarded".to_owned(), commit("forwarded", &self.forwarded_digest).into());
        // An upstream that could not be reached has no status: the member is absent, not null.
        if let Some(status) = self.status {
            entry.insert("status".to_owned(), status.into());
        }
        if let Some(digest) = &self.response_digest {
            entry.insert("response".to_owned(), commit("response", digest).into());
        }
        finish("outcome", Some(&self.request_id), self.at, entry, build)
    }
}

/// An act of the authority, for the directory log.
#[derive(Clone, Debug)]
pub struct Act {
    /// `agent`, `issue`, `revoke`, `key`, `policy`, `catalogue`, `observe` …
    pub kind: &'static str,
    /// When.
    pub at: UnixTime,
    /// Who did it: `admin` or an agent's SPIFFE ID.
    pub by: String,
    /// What: members by name, values short and bounded, no free text of a model's.
    pub members: std::collections::BTreeMap<String, serde_json::Value>,
}

impl Entry for Act {
    fn encode(&self, _seal: &dyn Seal, build: &str) -> Vec<u8> {
        let members = self.members.iter().map(|(name, value)| (name.clone(), value.clone()));
        let act = match bounded(&Value::Object(members.collect()), 0) {
            Value::Object(members) => Value::Object(members),
            digest => json!({ "truncated": digest }),
        };
        let mut entry = Map::new();
        entry.insert("by".to_owned(), short_id(&self.by).into());
        entry.insert("act".to_owned(), act);
        finish(self.kind, None, self.at, entry, build)
    }
}

/// Adds what every entry has, and serialises. An entry that is still too large keeps what every entry has and the
/// hash of the rest: the bounds above make that impossible for all but acts.
fn finish(kind: &str, id: Option<&str>, at: UnixTime, mut entry: Map<String, Value>, build: &str) -> Vec<u8> {
    let mut common = Map::new();
    common.insert("v".to_owned(), ENTRY_VERSION.into());
    common.insert("kind".to_owned(), short(kind).into());
    common.insert("at".to_owned(), integer(at.micros()));
    common.insert("build".to_owned(), short(&build_name(build)).into());
    if let Some(id) = id {
        common.insert("id".to_owned(), short(id).into());
    }
    entry.extend(common.clone());
    let bytes = to_canonical(&Value::Object(entry));
    if bytes.len() <= ENTRY_BYTES_MAX {
        return bytes;
    }
    common.insert("truncated".to_owned(), hash(&bytes).into());
    to_canonical(&Value::Object(common))
}

#[cfg(not(feature = "fault-injection"))]
fn build_name(build: &str) -> String {
    build.to_owned()
}

#[cfg(feature = "fault-injection")]
fn build_name(build: &str) -> String {
    crate::fault::mark(build)
}

/// RFC 8785. A [`Value`] of our own making has string keys and finite numbers, so that neither step can fail; if one
/// did, an entry that says so is better than none.
fn to_canonical(value: &Value) -> Vec<u8> {
    serde_jcs::to_vec(value)
        .or_else(|_| serde_json::to_vec(&json!({ "v": ENTRY_VERSION, "kind": "unencodable" })))
        .unwrap_or_default()
}

/// An integer that every reader of JSON reads exactly: I-JSON's bound of 2^53 - 1 (RFC 7493 section 2.2), in text
/// beyond it.
fn integer(value: u64) -> Value {
    const SAFE_MAX: u64 = (1 << 53) - 1;
    if value <= SAFE_MAX { value.into() } else { value.to_string().into() }
}

fn hash(bytes: &[u8]) -> String {
    format!("sha256:{}", base64url(&sha256(bytes)))
}

/// The text, or its hash where it is longer than [`ENTRY_TEXT_BYTES_MAX`].
fn short(text: &str) -> String {
    if text.len() <= ENTRY_TEXT_BYTES_MAX { text.to_owned() } else { hash(text.as_bytes()) }
}

/// A SPIFFE ID, which is bounded by its own specification, whole.
fn short_id(text: &str) -> String {
    if text.len() <= killick_proof::limits::SPIFFE_ID_BYTES_MAX {
        text.to_owned()
    } else {
        hash(text.as_bytes())
    }
}

/// The first [`ENTRY_LIST_MAX`] elements, and under `<name>_more` how many there are besides.
fn put_list<'a>(
    put: &mut dyn FnMut(&str, Value),
    name: &str,
    elements: impl ExactSizeIterator<Item = &'a str>,
) {
    let more = elements.len().saturating_sub(ENTRY_LIST_MAX);
    put(name, elements.take(ENTRY_LIST_MAX).map(|element| Value::from(short(element))).collect());
    if more > 0 {
        put(&format!("{name}_more"), more.into());
    }
}

/// An act's value within the bounds: short texts, short lists, few levels, safe numbers.
fn bounded(value: &Value, depth: usize) -> Value {
    let too_large = || Value::from(hash(&to_canonical(value)));
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => integer(number),
            (None, Some(number)) if number >= -((1 << 53) - 1) => number.into(),
            (None, Some(number)) => number.to_string().into(),
            (None, None) => value.clone(),
        },
        Value::String(text) => short(text).into(),
        Value::Array(_) | Value::Object(_) if depth >= ENTRY_DEPTH_MAX => too_large(),
        Value::Array(elements) if elements.len() > ENTRY_LIST_MAX => too_large(),
        Value::Object(members) if members.len() > ENTRY_LIST_MAX => too_large(),
        Value::Array(elements) => {
            elements.iter().map(|element| bounded(element, depth.saturating_add(1))).collect()
        }
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, member)| (short(name), bounded(member, depth.saturating_add(1))))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use killick_proof::{Code, Refusal, SpiffeId};

    use super::*;
    use crate::catalogue::Risk;
    use crate::decision::{AuthorisedCall, Denial};

    /// Commits to nothing secret: shows what was committed to, in 43 characters.
    struct Glass;

    impl Seal for Glass {
        fn commit(&self, subject: &str, entry_id: &str, field: &str, content: &[u8]) -> String {
            let mut bytes = format!("{subject}|{entry_id}|{field}|").into_bytes();
            bytes.extend_from_slice(content);
            base64url(&sha256(&bytes))
        }
        fn pseudonym(&self, subject: &str) -> String {
            format!("p-{}", base64url(&sha256(subject.as_bytes())))
        }
    }

    const BUILD: &str = "killick 0.1.0";

    fn facts() -> Facts {
        let agent = SpiffeId::parse("spiffe://acme.example/agent/invoice-bot").unwrap();
        Facts {
            request_id: "0190f3a0-0000-7000-8000-000000000001".to_owned(),
            decided_at: UnixTime::from_secs(1_760_000_000),
            path: vec![agent.clone()],
            agent,
            model: "claude-opus@2026-05".to_owned(),
            owner: "alice@acme.example".to_owned(),
            principal: Some("carol@acme.example".to_owned()),
            intent: Some(base64url(&[1; 32])),
            task: Some("T-17".to_owned()),
            chain_hash: base64url(&[2; 32]),
            keyid: base64url(&[3; 32]),
            action: Some("create:payments".to_owned()),
            risk: Some(Risk::Write),
            arguments: BTreeMap::from([("iban".to_owned(), Json::from("DE00 SECRET"))]),
            payload_digest: [4; 32],
            bundle: base64url(&[5; 32]),
            catalogue: "acme.example/catalogue@7".to_owned(),
            policies: vec!["default.1".to_owned()],
            peer: "192.0.2.7".to_owned(),
        }
    }

    fn denial(facts: Facts) -> Denial {
        Denial {
            facts,
            code: Code::ToolNotGranted,
            detail: "text of the caller's: SECRET".to_owned(),
            missing: None,
            grantor: None,
        }
    }

    fn permit(facts: Facts, observed: Option<Denial>) -> Decision {
        Decision::Permit(AuthorisedCall {
            facts,
            upstream_url: "http://127.0.0.1:1".to_owned(),
            method: "POST".to_owned(),
            path: "/payments".to_owned(),
            query: String::new(),
            body: b"{}".to_vec(),
            content_type: None,
            observed: observed.map(Box::new),
        })
    }

    /// The part of JSON Schema that `entry.schema.json` uses, by hand.
    fn conforms(schema: &Value, value: &Value) -> Result<(), String> {
        let members = schema.as_object().unwrap();
        for (keyword, rule) in members {
            let ok = match keyword.as_str() {
                "$schema" | "$id" | "title" => true,
                "oneOf" => {
                    let fits = rule
                        .as_array()
                        .unwrap()
                        .iter()
                        .filter(|option| conforms(option, value).is_ok())
                        .count();
                    if fits != 1 {
                        let why: Vec<_> =
                            rule.as_array().unwrap().iter().map(|option| conforms(option, value)).collect();
                        return Err(format!("fits {fits} of the kinds: {why:?}"));
                    }
                    true
                }
                "not" => conforms(rule, value).is_err(),
                "const" => value == rule,
                "enum" => rule.as_array().unwrap().contains(value),
                "type" => {
                    let names: Vec<&str> = match rule {
                        Value::String(name) => vec![name],
                        names => {
                            names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
                        }
                    };
                    names.iter().any(|name| match *name {
                        "object" => value.is_object(),
                        "array" => value.is_array(),
                        "string" => value.is_string(),
                        "integer" => value.is_i64() || value.is_u64(),
                        other => panic!("type {other}"),
                    })
                }
                "minimum" => value.as_i64().unwrap() >= rule.as_i64().unwrap(),
                "maximum" => value.as_i64().unwrap() <= rule.as_i64().unwrap(),
                "minLength" => {
                    value.as_str().is_none_or(|text| text.chars().count() as u64 >= rule.as_u64().unwrap())
                }
                "maxLength" => {
                    value.as_str().is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().unwrap())
                }
                "maxItems" => value.as_array().is_none_or(|list| list.len() as u64 <= rule.as_u64().unwrap()),
                "maxProperties" => {
                    value.as_object().is_none_or(|map| map.len() as u64 <= rule.as_u64().unwrap())
                }
                "pattern" => value.as_str().is_none_or(|text| fits_pattern(rule.as_str().unwrap(), text)),
                "items" => {
                    value.as_array().is_none_or(|list| list.iter().all(|item| conforms(rule, item).is_ok()))
                }
                "required" => {
                    let missing = rule
                        .as_array()
                        .unwrap()
                        .iter()
                        .find(|name| value.get(name.as_str().unwrap()).is_none());
                    if let Some(missing) = missing {
                        return Err(format!("lacks {missing}"));
                    }
                    true
                }
                "properties" => {
                    for (name, rule) in rule.as_object().unwrap() {
                        if let Some(member) = value.get(name) {
                            conforms(rule, member).map_err(|why| format!("{name}: {why}"))?;
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let known = members.get("properties").unwrap();
                    value.as_object().is_none_or(|map| map.keys().all(|name| known.get(name).is_some()))
                }
                other => panic!("keyword {other}"),
            };
            if !ok {
                return Err(format!("{keyword} {rule} is not met by {value}"));
            }
        }
        Ok(())
    }

    fn fits_pattern(pattern: &str, text: &str) -> bool {
        let base64 = |text: &str| {
            text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let hash = || text.strip_prefix("sha256:").is_some_and(base64);
        match pattern {
            "^[A-Za-z0-9_-]{43}$" => base64(text),
            "^sha256:[A-Za-z0-9_-]{43}$" => hash(),
            "^(spiffe://.{1,2039}|sha256:[A-Za-z0-9_-]{43})$" => text.starts_with("spiffe://") || hash(),
            "^[a-z]+\\.[a-z_]+$" => Code::from_text(text).is_some(),
            other => panic!("pattern {other}"),
        }
    }

    fn check(bytes: &[u8]) -> Value {
        assert!(bytes.len() <= ENTRY_BYTES_MAX, "{}", bytes.len());
        let value: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(serde_jcs::to_vec(&value).unwrap(), bytes, "not canonical");
        let schema = include_str!("../../../docs/spec/entry.schema.json");
        let schema: Value = serde_json::from_str(schema).unwrap();
        conforms(&schema, &value).unwrap_or_else(|why| panic!("{why}\n{value:#}"));
        value
    }

    #[test]
    fn a_permit_an_observed_denial_and_a_denial_by_the_schema() {
        let permitted = check(&permit(facts(), None).encode(&Glass, BUILD));
        assert_eq!(permitted["verdict"], "permit");
        assert!(permitted.get("code").is_none());
        let observed = check(&permit(facts(), Some(denial(facts()))).encode(&Glass, BUILD));
        assert_eq!(
            (&observed["verdict"], &observed["code"]),
            (&"observe".into(), &"tool.not_granted".into())
        );
        let denied = check(&Decision::Deny(denial(facts())).encode(&Glass, BUILD));
        assert_eq!((&denied["verdict"], &denied["code"]), (&"deny".into(), &"tool.not_granted".into()));
        assert_eq!(denied["kind"], "decision");
        assert_eq!(denied["at"], 1_760_000_000_000_000_u64);
    }

    #[test]
    fn what_people_and_models_supplied_stands_in_no_entry() {
        for decision in [permit(facts(), Some(denial(facts()))), Decision::Deny(denial(facts()))] {
            let text = String::from_utf8(decision.encode(&Glass, BUILD)).unwrap();
            for secret in ["SECRET", "alice", "carol", "192.0.2.7", "iban"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
        let refused = RefusedCall {
            request_id: "r-1".to_owned(),
            refused_at: UnixTime::from_secs(1),
            peer: "192.0.2.7".to_owned(),
            refusal: Refusal::new(Code::TokenSig, "a stranger's SECRET"),
            payload_digest: [0; 32],
        };
        let bytes = refused.encode(&Glass, BUILD);
        assert_eq!(check(&bytes)["code"], "token.sig");
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("SECRET") && !text.contains("192.0.2.7"), "{text}");
    }

    #[test]
    fn commitments_belong_to_the_agent_and_the_entry() {
        let entry = check(&permit(facts(), None).encode(&Glass, BUILD));
        let agent = "spiffe://acme.example/agent/invoice-bot";
        let id = "0190f3a0-0000-7000-8000-000000000001";
        assert_eq!(entry["args"], Glass.commit(agent, id, "args", br#"{"iban":"DE00 SECRET"}"#));
        assert_eq!(entry["payload"], Glass.commit(agent, id, "payload", &[4; 32]));
        assert_eq!(entry["peer"], Glass.commit(agent, id, "peer", b"192.0.2.7"));
        assert_eq!(entry["owner"], Glass.pseudonym("alice@acme.example"));
        assert_eq!(entry["principal"], Glass.pseudonym("carol@acme.example"));
    }

    #[test]
    fn a_number_that_no_double_holds_is_committed_to_exactly() {
        let mut exact = facts();
        let number = Json::parse(b"9007199254740993").unwrap();
        exact.arguments = BTreeMap::from([("n".to_owned(), number)]);
        let entry = check(&permit(exact.clone(), None).encode(&Glass, BUILD));
        let agent = exact.agent.as_str();
        assert_eq!(
            entry["args"],
            Glass.commit(agent, &exact.request_id, "args", br#"{"n":9007199254740993}"#)
        );
    }

    #[test]
    fn the_largest_decision_is_within_the_bound() {
        let mut large = facts();
        let id = format!("spiffe://acme.example/{}", "a".repeat(2_000));
        large.agent = SpiffeId::parse(&id).unwrap();
        large.path = vec![large.agent.clone(); 70];
        large.policies = (0..1_000).map(|n| format!("{n}{}", "p".repeat(200))).collect();
        for text in [&mut large.model, &mut large.catalogue] {
            *text = "ü".repeat(40_000);
        }
        large.task = Some("\u{1}".repeat(512));
        large.action = Some("x".repeat(100_000));
        let entry = check(&permit(large, None).encode(&Glass, BUILD));
        assert_eq!(entry["agent"], id);
        assert_eq!(entry["path"].as_array().unwrap().len(), 64);
        assert_eq!((&entry["path_more"], &entry["policies_more"]), (&6.into(), &936.into()));
        assert!(entry["model"].as_str().unwrap().starts_with("sha256:"));
        assert_eq!(entry["path"][0], hash(id.as_bytes()));
    }

    #[test]
    fn an_outcome_with_and_without_an_answer() {
        let outcome = |status, response_digest| Outcome {
            request_id: "r-1".to_owned(),
            decision_index: 17,
            at: UnixTime::from_micros(5),
            agent: "spiffe://acme.example/agent/a".to_owned(),
            status,
            response_digest,
            forwarded_digest: [9; 32],
        };
        let answered = check(&outcome(Some(201), Some([8; 32])).encode(&Glass, BUILD));
        assert_eq!((&answered["decision"], &answered["status"]), (&17.into(), &201.into()));
        let lost = check(&outcome(None, None).encode(&Glass, BUILD));
        assert!(lost.get("status").is_none() && lost.get("response").is_none());
    }

    #[test]
    fn an_act_is_bounded_however_large_its_members() {
        let act = |members: &[(&str, Value)]| {
            let members = members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            Act { kind: "issue", at: UnixTime::from_secs(1), by: "admin".to_owned(), members }
        };
        let plain = check(&act(&[("agent", "a".into()), ("exp", (u64::MAX).into())]).encode(&Glass, BUILD));
        assert_eq!((&plain["kind"], &plain["by"]), (&"issue".into(), &"admin".into()));
        assert_eq!(plain["act"]["exp"], u64::MAX.to_string());
        assert!(plain.get("id").is_none());

        let deep = (0..100).fold(Value::from(1), |inner, _| json!([inner]));
        let long = act(&[("deep", deep), ("list", (0..65).collect()), ("text", "x".repeat(513).into())]);
        let long = check(&long.encode(&Glass, BUILD));
        assert!(long["act"]["deep"][0][0][0].as_str().unwrap().starts_with("sha256:"), "{long}");
        assert!(long["act"]["list"].as_str().unwrap().starts_with("sha256:"));
        assert!(long["act"]["text"].as_str().unwrap().starts_with("sha256:"));

        let wide: Value = (0..64).map(|_| Value::from("y".repeat(512))).collect();
        let wide = act(&[("a", wide.clone()), ("b", wide.clone()), ("c", wide)]);
        assert!(check(&wide.encode(&Glass, BUILD))["truncated"].as_str().unwrap().starts_with("sha256:"));

        let many: Vec<(String, Value)> = (0..100).map(|n| (format!("m{n}"), n.into())).collect();
        let many: Vec<(&str, Value)> =
            many.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert!(check(&act(&many).encode(&Glass, BUILD))["act"]["truncated"].is_string());
    }

    #[cfg(feature = "fault-injection")]
    #[test]
    fn a_build_with_faults_marks_every_entry_once() {
        for build in [BUILD, "killick 0.1.0 fault-injection"] {
            let entry = check(&permit(facts(), None).encode(&Glass, build));
            assert_eq!(entry["build"], "killick 0.1.0 fault-injection");
        }
    }

    #[cfg(not(feature = "fault-injection"))]
    #[test]
    fn an_ordinary_build_names_itself() {
        assert_eq!(check(&permit(facts(), None).encode(&Glass, BUILD))["build"], BUILD);
    }
}
