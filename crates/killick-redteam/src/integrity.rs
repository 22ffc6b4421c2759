//! ICF and ALC: what the log proves, checked offline.
//!
//! - **ICF** = decisions about agents whose stored chain has the hash that the entry names, verifies offline from the
//!   trusted token keys as of the entry's time, ends at the entry's agent and begins at the entry's model of origin /
//!   decisions about agents, plus effects in the shop for which the log holds no decision (requests of which nobody
//!   knows whose they were). Refusals of strangers are not in it: there is no agent whose chain could be asked for.
//! - **ALC** = effects in the shop's receipt books (writes, and reads: data leaving is an effect) whose request id is
//!   that of a permitting decision about the same agent in the verified log / effects in the shop's receipt books. The
//!   whole log is hashed up to the signed root, which proves the inclusion of every entry.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_proof::UnixTime;
use killick_proof::chain::Anchors;
use killick_proof::keys::sha256;
use killick_proof::verified::verify_chain;
use killick_tlog::LogError;
use killick_tlog::verify::{LogReader, Trust, verify_log};
use serde::Serialize;
use serde_json::Value;

use crate::judge::ShopReceipt;
use crate::kpi::{Proportion, wilson};

/// A verified log's entries, as far as they matter here.
#[derive(Clone, Debug)]
pub struct VerifiedEntries {
    /// The summary for the report.
    pub log: LogSummary,
    /// Entries in order; `null` where one is no JSON (none of killick's is).
    entries: Vec<Value>,
}

/// The log, as the report names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogSummary {
    /// Its origin.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// The root, base64.
    pub root: String,
    /// Whether it verified.
    pub verified: bool,
    /// `trust`, or `folder` where the key came with the log.
    pub key_source: String,
    /// Why it did not verify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Verifies a log offline and keeps its entries. Errs as [`verify_log`] does.
pub fn read_log(reader: &impl LogReader, trust: &Trust) -> Result<VerifiedEntries, LogError> {
    let mut entries = Vec::new();
    let verified = verify_log(reader, Some(trust), &mut |_, bytes| {
        entries.push(serde_json::from_slice(bytes).unwrap_or(Value::Null));
    })?;
    let log = LogSummary {
        origin: verified.origin,
        size: verified.size,
        root: verified.root.to_base64(),
        verified: true,
        key_source: verified.key_source.to_string(),
        error: None,
    };
    Ok(VerifiedEntries { log, entries })
}

impl VerifiedEntries {
    /// The entry at this index.
    pub fn entry(&self, index: u64) -> Option<&Value> {
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// Every entry, in order.
    pub fn entries(&self) -> &[Value] {
        &self.entries
    }

    fn decisions(&self) -> impl Iterator<Item = &Value> {
        self.entries.iter().filter(|entry| text(entry, "kind") == Some("decision"))
    }
}

/// What a chain proves of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The leaf holder's SPIFFE ID.
    pub agent: String,
    /// The model of origin, `name@version`.
    pub model: String,
}

/// ICF, ALC, and what their numerators leave out.
#[derive(Clone, Debug, Serialize)]
pub struct Integrity {
    /// See the module.
    pub icf: Proportion,
    /// See the module.
    pub alc: Proportion,
    /// Refusals of strangers in the log (in no denominator).
    pub refusals: usize,
    /// Request ids of decisions whose chain does not verify, at most 20.
    pub unproved: Vec<String>,
    /// Effects without an entry, at most 20: service, number and operation.
    pub unlogged: Vec<String>,
}

/// Measures ICF and ALC. `chains` holds the chains that the gateway stored, by their base64url SHA-256; `anchors` are
/// the token keys from the trust file.
pub fn measure(
    log: &VerifiedEntries,
    receipts: &[ShopReceipt],
    chains: &BTreeMap<String, String>,
    anchors: &Anchors<'_>,
) -> Integrity {
    measure_with(log, receipts, &|hash, at| prove(chains.get(hash)?, hash, anchors, at))
}

/// Verifies a stored chain as of `at`.
fn prove(compact: &str, hash: &str, anchors: &Anchors<'_>, at: UnixTime) -> Option<Provenance> {
    if URL_SAFE_NO_PAD.encode(sha256(compact.as_bytes())) != hash {
        return None;
    }
    let chain = verify_chain(compact, anchors, at).ok()?;
    let model = &chain.origin()?.model;
    Some(Provenance {
        agent: chain.holder()?.to_string(),
        model: format!("{}@{}", model.name, model.version),
    })
}

fn measure_with(
    log: &VerifiedEntries,
    receipts: &[ShopReceipt],
    prove: &dyn Fn(&str, UnixTime) -> Option<Provenance>,
) -> Integrity {
    const LISTED_MAX: usize = 20;
    let (mut proved, mut decisions, mut unproved) = (0, 0, Vec::new());
    let mut permitted: BTreeMap<&str, &str> = BTreeMap::new();
    let mut decided: std::collections::BTreeSet<&str> = std::collections::BTreeSet::new();
    for entry in log.decisions() {
        decisions += 1;
        let id = text(entry, "id").unwrap_or_default();
        decided.insert(id);
        if matches!(text(entry, "verdict"), Some("permit" | "observe")) {
            permitted.insert(id, text(entry, "agent").unwrap_or_default());
        }
        let at = UnixTime::from_micros(entry.get("at").and_then(Value::as_u64).unwrap_or(0));
        let stated = Provenance {
            agent: text(entry, "agent").unwrap_or_default().to_owned(),
            model: text(entry, "model").unwrap_or_default().to_owned(),
        };
        if text(entry, "chain").and_then(|hash| prove(hash, at)) == Some(stated) {
            proved += 1;
        } else if unproved.len() < LISTED_MAX {
            unproved.push(id.to_owned());
        }
    }
    let (mut logged, mut unlogged, mut unknown) = (0, Vec::new(), 0);
    for receipt in receipts {
        let matched = receipt
            .request_id()
            .is_some_and(|id| permitted.get(id).is_some_and(|agent| Some(*agent) == receipt.agent()));
        if matched {
            logged += 1;
        } else if unlogged.len() < LISTED_MAX {
            unlogged.push(format!("{} {}: {}", receipt.service, receipt.seq, receipt.operation));
        }
        if !receipt.request_id().is_some_and(|id| decided.contains(id)) {
            unknown += 1;
        }
    }
    let refusals = log.entries.iter().filter(|entry| text(entry, "kind") == Some("refusal")).count();
    Integrity {
        icf: wilson(proved, decisions + unknown),
        alc: wilson(logged, receipts.len()),
        refusals,
        unproved,
        unlogged,
    }
}

fn text<'a>(entry: &'a Value, name: &str) -> Option<&'a str> {
    entry.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decision(id: &str, verdict: &str, chain: &str) -> Value {
        json!({ "kind": "decision", "id": id, "verdict": verdict, "chain": chain, "agent": "a", "model": "m@1", "at": 5 })
    }

    fn receipt(seq: u64, id: &str, agent: &str) -> ShopReceipt {
        ShopReceipt {
            seq,
            at_us: 1,
            service: "orders".to_owned(),
            operation: "create:orders".to_owned(),
            kind: "write".to_owned(),
            arguments: json!({}),
            caller: json!({ "guard": "gateway", "agent": agent, "request_id": id }),
        }
    }

    #[test]
    fn what_the_log_does_not_prove_is_in_no_numerator() {
        let log = VerifiedEntries {
            log: LogSummary {
                origin: "o".to_owned(),
                size: 5,
                root: String::new(),
                verified: true,
                key_source: "trust".to_owned(),
                error: None,
            },
            entries: vec![
                decision("r1", "permit", "good"),
                decision("r2", "deny", "good"),
                decision("r3", "permit", "forged"),
                json!({ "kind": "refusal", "id": "r4", "code": "token.sig" }),
                json!({ "kind": "outcome", "id": "r1", "decision": 0 }),
            ],
        };
        let prove = |hash: &str, at: UnixTime| {
            assert_eq!(at.micros(), 5);
            (hash == "good").then(|| Provenance { agent: "a".to_owned(), model: "m@1".to_owned() })
        };
        let books = [
            receipt(1, "r1", "a"),
            receipt(2, "r2", "a"), // denied, and done all the same
            receipt(3, "r1", "b"), // under another name
            receipt(4, "r9", "a"), // of no request that the log knows
        ];
        let found = measure_with(&log, &books, &prove);
        assert_eq!((found.icf.hits, found.icf.n), (2, 4));
        assert_eq!((found.alc.hits, found.alc.n), (1, 4));
        assert_eq!(found.refusals, 1);
        assert_eq!(found.unproved, ["r3"]);
        assert_eq!(found.unlogged.len(), 3);
    }
}
