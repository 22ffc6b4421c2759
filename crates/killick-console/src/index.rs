//! The newest entries of the log, in memory. A cache: rebuilt from the ledger at every start.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::time::Duration;

use killick_ledger::Ledger;
use serde::{Deserialize, Serialize};

use crate::limits::{FOLLOW_MILLIS, INDEX_ENTRIES_MAX, READ_ENTRIES_MAX};

/// What a list shows of an entry. `docs/spec/entry.md` says what the members mean.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) index: u64,
    pub(crate) kind: String,
    pub(crate) at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// `permit`, `deny`, `observe`; `refuse` for a refusal.
    pub(crate) verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) risk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// Set once the outcome's entry is in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<Effect>,
}

/// What came of a forwarded call.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Effect {
    pub(crate) index: u64,
    pub(crate) at: u64,
    /// The upstream's HTTP status; absent if it could not be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
}

/// The members of an entry that the index reads.
#[derive(Deserialize)]
struct Members {
    kind: String,
    #[serde(default)]
    at: u64,
    id: Option<String>,
    verdict: Option<String>,
    code: Option<String>,
    agent: Option<String>,
    action: Option<String>,
    risk: Option<String>,
    model: Option<String>,
    decision: Option<u64>,
    status: Option<u16>,
    #[serde(default)]
    build: String,
}

/// What to list.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Filter {
    /// An agent's name or SPIFFE ID; everything beneath it too.
    pub(crate) agent: Option<String>,
    pub(crate) verdict: Option<String>,
    /// A code, or the beginning of one: `token` finds `token.expired`.
    pub(crate) code: Option<String>,
    pub(crate) action: Option<String>,
    /// Only entries below this index: the next page.
    pub(crate) before: Option<u64>,
}

/// The newest entries.
#[derive(Default)]
pub(crate) struct Entries {
    rows: VecDeque<Row>,
    /// Position in the log of the next entry to be read.
    pub(crate) next: u64,
    /// Verdicts of the rows kept.
    pub(crate) verdicts: BTreeMap<&'static str, u64>,
    /// Codes of the rows kept.
    codes: HashMap<String, u64>,
    /// Whether an entry was made by a build that can switch defences off.
    pub(crate) defences_off: bool,
    /// Why the log cannot be followed, if it cannot.
    pub(crate) problem: Option<String>,
}

/// The index. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Index {
    // Written by the follower alone, for microseconds at a time; pages read it.
    entries: Arc<RwLock<Entries>>,
}

impl Index {
    /// Follows the ledger for ever, beginning with its newest entries.
    pub(crate) async fn follow(self, ledger: Ledger) {
        self.with(|entries| entries.next = ledger.size().saturating_sub(INDEX_ENTRIES_MAX));
        loop {
            let from = self.read().next;
            let size = ledger.size();
            if from >= size {
                tokio::time::sleep(Duration::from_millis(FOLLOW_MILLIS)).await;
                continue;
            }
            let read = ledger.read(from, size.min(from.saturating_add(READ_ENTRIES_MAX))).await;
            let pause = match read {
                Ok(read) => {
                    self.with(|entries| {
                        entries.problem = None;
                        for entry in &read {
                            entries.push(entry);
                        }
                    });
                    read.is_empty()
                }
                Err(error) => {
                    tracing::warn!(%error, "the console cannot read the log");
                    self.with(|entries| entries.problem = Some(error.to_string()));
                    true
                }
            };
            if pause {
                tokio::time::sleep(Duration::from_millis(FOLLOW_MILLIS)).await;
            }
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn with(&self, change: impl FnOnce(&mut Entries)) {
        change(&mut self.entries.write().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Entries {
    /// Takes the entry at `next`. What cannot be read keeps its place as a row of kind `unreadable`.
    pub(crate) fn push(&mut self, entry: &[u8]) {
        let index = self.next;
        self.next = self.next.saturating_add(1);
        let Ok(members) = serde_json::from_slice::<Members>(entry) else {
            self.keep(Row {
                index,
                kind: "unreadable".to_owned(),
                at: 0,
                id: None,
                verdict: "none",
                code: None,
                agent: None,
                action: None,
                risk: None,
                model: None,
                outcome: None,
            });
            return;
        };
        // A plain build says `killick VERSION`; one that can switch a defence off adds a word.
        self.defences_off |= members.build.split(' ').count() > 2;
        if members.kind == "outcome" {
            let effect = Effect { index, at: members.at, status: members.status };
            if let Some(row) = members.decision.and_then(|decision| self.row_mut(decision)) {
                row.outcome = Some(effect);
            }
            return;
        }
        let verdict = match (members.kind.as_str(), members.verdict.as_deref()) {
            ("refusal", _) => "refuse",
            (_, Some("permit")) => "permit",
            (_, Some("deny")) => "deny",
            (_, Some("observe")) => "observe",
            _ => "none",
        };
        self.keep(Row {
            index,
            kind: members.kind,
            at: members.at,
            id: members.id,
            verdict,
            code: members.code,
            agent: members.agent,
            action: members.action,
            risk: members.risk,
            model: members.model,
            outcome: None,
        });
    }

    fn keep(&mut self, row: Row) {
        *self.verdicts.entry(row.verdict).or_default() += 1;
        if let Some(code) = &row.code {
            *self.codes.entry(code.clone()).or_default() += 1;
        }
        self.rows.push_back(row);
        while u64::try_from(self.rows.len()).unwrap_or(u64::MAX) > INDEX_ENTRIES_MAX {
            let Some(gone) = self.rows.pop_front() else { break };
            if let Some(count) = self.verdicts.get_mut(gone.verdict) {
                *count = count.saturating_sub(1);
            }
            if let Some(code) = gone.code
                && let Some(count) = self.codes.get_mut(&code)
            {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.codes.remove(&code);
                }
            }
        }
    }

    fn row_mut(&mut self, index: u64) -> Option<&mut Row> {
        let place = self.rows.binary_search_by_key(&index, |row| row.index).ok()?;
        self.rows.get_mut(place)
    }

    /// The row of an entry, if it is kept.
    pub(crate) fn row(&self, index: u64) -> Option<&Row> {
        let place = self.rows.binary_search_by_key(&index, |row| row.index).ok()?;
        self.rows.get(place)
    }

    /// The newest rows that match, newest first; decisions and refusals only.
    pub(crate) fn list(&self, filter: &Filter, count: usize) -> Vec<Row> {
        self.rows
            .iter()
            .rev()
            .filter(|row| matches!(row.kind.as_str(), "decision" | "refusal") && filter.matches(row))
            .take(count)
            .cloned()
            .collect()
    }

    /// The newest rows of whatever kind.
    pub(crate) fn newest(&self, count: usize) -> Vec<Row> {
        self.rows.iter().rev().take(count).cloned().collect()
    }

    /// The codes of the rows kept, most frequent first.
    pub(crate) fn codes(&self, count: usize) -> Vec<(String, u64)> {
        let mut codes: Vec<_> = self.codes.iter().map(|(code, count)| (code.clone(), *count)).collect();
        codes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        codes.truncate(count);
        codes
    }

    /// How often a verdict was given.
    pub(crate) fn count(&self, verdict: &str) -> u64 {
        self.verdicts.get(verdict).copied().unwrap_or(0)
    }
}

impl Filter {
    fn matches(&self, row: &Row) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>, test: fn(&str, &str) -> bool| match wanted
            .as_deref()
        {
            None | Some("") => true,
            Some(wanted) => found.is_some_and(|found| test(wanted, found)),
        };
        self.before.is_none_or(|before| row.index < before)
            && is(&self.verdict, Some(row.verdict), |wanted, found| wanted == found)
            && is(&self.code, row.code.as_deref(), |wanted, found| found.starts_with(wanted))
            && is(&self.action, row.action.as_deref(), |wanted, found| found.contains(wanted))
            && is(&self.agent, row.agent.as_deref(), is_agent)
    }
}

/// Whether `found` is the agent `wanted` (a name or an ID) or lies beneath it.
fn is_agent(wanted: &str, found: &str) -> bool {
    let name = crate::fleet::short_name(found);
    let wanted = crate::fleet::short_name(wanted);
    name == wanted || name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(agent: &str, verdict: &str, code: Option<&str>) -> Vec<u8> {
        let mut entry = serde_json::json!({
            "v": 1, "kind": "decision", "at": 1_700_000_000_000_000_u64, "build": "killick 0.1.0", "id": "r",
            "verdict": verdict, "agent": format!("spiffe://acme.example/agent/{agent}"), "action": "read:invoices",
        });
        if let Some(code) = code {
            entry["code"] = code.into();
        }
        entry.to_string().into_bytes()
    }

    #[test]
    fn rows_outcomes_and_filters() {
        let mut entries = Entries::default();
        entries.push(br#"{"kind":"log-key","origin":"x"}"#);
        entries.push(&decision("invoice-bot", "permit", None));
        entries.push(br#"{"kind":"outcome","decision":1,"status":200,"at":5}"#);
        entries.push(&decision("invoice-bot/helper", "deny", Some("tool.not_granted")));
        entries.push(br#"{"kind":"refusal","code":"token.expired","at":9}"#);
        entries.push(b"not json");
        assert_eq!(entries.next, 6);
        let list =
            |filter: Filter| entries.list(&filter, 10).into_iter().map(|row| row.index).collect::<Vec<_>>();
        assert_eq!(list(Filter::default()), [4, 3, 1]);
        let by = |agent: &str| Filter { agent: Some(agent.into()), ..Filter::default() };
        assert_eq!(list(by("invoice-bot")), [3, 1]);
        assert_eq!(list(by("spiffe://acme.example/agent/invoice-bot/helper")), [3]);
        assert_eq!(list(by("invoice")), [] as [u64; 0]);
        assert_eq!(list(Filter { verdict: Some("refuse".into()), ..Filter::default() }), [4]);
        assert_eq!(list(Filter { code: Some("tool".into()), ..Filter::default() }), [3]);
        assert_eq!(list(Filter { before: Some(3), ..Filter::default() }), [1]);
        assert_eq!(entries.row(1).unwrap().outcome.as_ref().unwrap().status, Some(200));
        assert_eq!(entries.count("permit"), 1);
        assert_eq!(entries.codes(5).len(), 2);
    }

    #[test]
    fn bounded() {
        let mut entries = Entries::default();
        for _ in 0..=INDEX_ENTRIES_MAX {
            entries.push(&decision("a", "deny", Some("tool.unknown")));
        }
        assert_eq!(entries.count("deny"), INDEX_ENTRIES_MAX);
        assert!(entries.row(0).is_none() && entries.row(1).is_some());
    }
}
