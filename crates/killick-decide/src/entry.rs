//! How decisions, refusals, outcomes and the authority's acts stand in the log (`docs/spec/entry.md`).

use killick_proof::UnixTime;
use killick_tlog::{Entry, Seal};

use crate::decision::{Decision, RefusedCall};

impl Entry for Decision {
    fn encode(&self, seal: &dyn Seal, build: &str) -> Vec<u8> {
        let _ = (seal, build);
        todo!()
    }
}

impl Entry for RefusedCall {
    fn encode(&self, seal: &dyn Seal, build: &str) -> Vec<u8> {
        let _ = (seal, build);
        todo!()
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
        let _ = (seal, build);
        todo!()
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
    fn encode(&self, seal: &dyn Seal, build: &str) -> Vec<u8> {
        let _ = (seal, build);
        todo!()
    }
}
