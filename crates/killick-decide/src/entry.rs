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
        let members = self.members.iter().map(|(name, value)| (short(name), bounded(value, 1)));
        let mut entry = Map::new();
        entry.insert("by".to_owned(), short_id(&self.by).into());
        entry.insert("act".to_owned(), Value::Object(members.collect()));
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
