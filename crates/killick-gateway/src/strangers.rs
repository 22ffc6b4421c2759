//! Refusals of callers who proved nothing: the first few are entries of their own, the rest one summary a minute, so
//! that nobody can fill the log from outside.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use killick_decide::RefusedCall;
use killick_decide::entry::ENTRY_VERSION;
use killick_ledger::{Ledger, LedgerError, Recorded};
use killick_proof::call::RawRequest;
use killick_proof::keys::sha256;
use killick_proof::{Code, Refusal, UnixTime};
use killick_tlog::{Entry, Seal};

use crate::limits::{REFUSAL_SOURCES_MAX, REFUSALS_RECORDED_TOTAL_MAX};

/// What is known of a request before anything is proved.
#[derive(Clone, Debug)]
pub(crate) struct Stranger {
    pub(crate) request_id: String,
    pub(crate) peer: String,
    /// SHA-256 of the head as received.
    head_digest: [u8; 32],
}

impl Stranger {
    pub(crate) fn of(raw: &RawRequest) -> Self {
        let mut head = format!("{} {}\n", raw.method, raw.target).into_bytes();
        for (name, value) in &raw.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.push(b'\n');
        }
        Self { request_id: raw.request_id.clone(), peer: raw.peer.clone(), head_digest: sha256(&head) }
    }
}

/// The refusals of one minute that have no entry of their own, by code. An entry of kind `refusal-summary`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalSummary {
    /// The minute's begin.
    pub from: UnixTime,
    /// The minute's end.
    pub to: UnixTime,
    /// Refusals without an entry of their own, by code.
    pub counts: BTreeMap<Code, u64>,
    /// Distinct pairs of code and source seen in the minute, up to a bound.
    pub sources: usize,
}

impl Entry for RefusalSummary {
    /// Canonical JSON (RFC 8785): members in order of their names, the dotted codes in ASCII, integers that any reader
    /// reads exactly. `at` is the minute's end, as in other entries the time that they speak of.
    fn encode(&self, _seal: &dyn Seal, build: &str) -> Vec<u8> {
        #[cfg(feature = "fault-injection")]
        let build = &killick_decide::fault::mark(build);
        let counts: BTreeMap<&str, u64> =
            self.counts.iter().map(|(code, count)| (code.as_str(), *count)).collect();
        let entry = serde_json::json!({
            "at": self.to.micros(),
            "build": build,
            "counts": counts,
            "from": self.from.micros(),
            "kind": "refusal-summary",
            "sources": self.sources,
            "v": ENTRY_VERSION,
        });
        entry.to_string().into_bytes()
    }
}

/// Counts the refusals of the current minute.
pub(crate) struct Strangers {
    each_max: u32,
    minute: Mutex<Minute>,
}

#[derive(Default)]
struct Minute {
    /// Whole minutes since the epoch.
    number: u64,
    by_source: HashMap<(Code, Source), u32>,
    recorded: u32,
    unrecorded: BTreeMap<Code, u64>,
}

/// A caller's address; of IPv6 the first 64 bits, since one caller has all the rest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    V4([u8; 4]),
    V6([u16; 4]),
    Unknown,
}

impl Source {
    fn of(peer: &str) -> Self {
        match peer.parse() {
            Ok(IpAddr::V4(address)) => Source::V4(address.octets()),
            Ok(IpAddr::V6(address)) => match address.segments() {
                [a, b, c, d, ..] => Source::V6([a, b, c, d]),
            },
            Err(_) => Source::Unknown,
        }
    }
}

impl Strangers {
    pub(crate) fn new(each_max: u32) -> Self {
        Self { each_max, minute: Mutex::new(Minute::default()) }
    }

    /// Records a refusal, durably, if it is one of the first of its kind; otherwise counts it and returns `None`.
    pub(crate) async fn record(
        &self,
        ledger: &Ledger,
        stranger: &Stranger,
        refusal: &Refusal,
        now: UnixTime,
    ) -> Result<Option<Recorded<RefusedCall>>, LedgerError> {
        if !self.admit(ledger, refusal.code(), &stranger.peer, now) {
            return Ok(None);
        }
        let entry = RefusedCall {
            request_id: stranger.request_id.clone(),
            refused_at: now,
            peer: stranger.peer.clone(),
            refusal: refusal.clone(),
            payload_digest: stranger.head_digest,
        };
        ledger.submit(entry)?.durable().await.map(Some)
    }

    /// Counts a refusal without an entry, whatever its place in the minute.
    pub(crate) fn count(&self, ledger: &Ledger, code: Code, now: UnixTime) {
        self.roll(ledger, now);
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        *minute.unrecorded.entry(code).or_default() += 1;
    }

    /// Submits the summary of a minute that has ended, if it holds anything.
    pub(crate) fn roll(&self, ledger: &Ledger, now: UnixTime) {
        let number = now.secs() / 60;
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if number <= minute.number {
            return;
        }
        let ended = std::mem::replace(&mut *minute, Minute { number, ..Minute::default() });
        drop(minute);
        ended.submit(ledger);
    }

    /// Submits what has been counted so far: at shutdown.
    pub(crate) fn flush(&self, ledger: &Ledger) {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let number = minute.number;
        let ended = std::mem::replace(&mut *minute, Minute { number, ..Minute::default() });
        drop(minute);
        ended.submit(ledger);
    }

    /// Whether this refusal gets an entry of its own.
    fn admit(&self, ledger: &Ledger, code: Code, peer: &str, now: UnixTime) -> bool {
        self.roll(ledger, now);
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        minute.admit(code, Source::of(peer), self.each_max)
    }
}

impl Minute {
    fn admit(&mut self, code: Code, source: Source, each_max: u32) -> bool {
        let key = (code, source);
        let room = self.by_source.len() < REFUSAL_SOURCES_MAX || self.by_source.contains_key(&key);
        if room && self.recorded < REFUSALS_RECORDED_TOTAL_MAX {
            let seen = self.by_source.entry(key).or_default();
            if *seen < each_max {
                *seen += 1;
                self.recorded += 1;
                return true;
            }
        }
        *self.unrecorded.entry(code).or_default() += 1;
        false
    }

    fn submit(self, ledger: &Ledger) {
        if self.unrecorded.is_empty() {
            return;
        }
        let summary = RefusalSummary {
            from: UnixTime::from_secs(self.number * 60),
            to: UnixTime::from_secs(self.number * 60 + 60),
            counts: self.unrecorded,
            sources: self.by_source.len(),
        };
        // Nobody waits for the summary; if the log has stopped, every call is refused anyway.
        match ledger.submit(summary) {
            Ok(submitted) => drop(submitted),
            Err(error) => tracing::warn!(%error, "the summary of refusals could not be recorded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_code_and_source_are_admitted_and_the_rest_counted() {
        let mut minute = Minute::default();
        let admitted = (0..20).filter(|_| minute.admit(Code::TokenSig, Source::of("192.0.2.1"), 16)).count();
        assert_eq!(admitted, 16);
        assert!(
            minute.admit(Code::TokenSig, Source::of("192.0.2.2"), 16),
            "another source has its own count"
        );
        assert!(
            minute.admit(Code::TokenExpired, Source::of("192.0.2.1"), 16),
            "another code has its own count"
        );
        assert_eq!(minute.unrecorded, BTreeMap::from([(Code::TokenSig, 4)]));
    }

    #[test]
    fn many_sources_together_are_bounded() {
        let mut minute = Minute::default();
        let admitted =
            (0..20_000_u32).filter(|n| minute.admit(Code::TokenSig, Source::V4(n.to_be_bytes()), 16)).count();
        assert_eq!(admitted, REFUSALS_RECORDED_TOTAL_MAX as usize);
        assert!(minute.by_source.len() <= REFUSAL_SOURCES_MAX);
        assert_eq!(minute.unrecorded[&Code::TokenSig], 20_000 - u64::from(REFUSALS_RECORDED_TOTAL_MAX));
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        assert_eq!(Source::of("2001:db8:1:2::1"), Source::of("2001:db8:1:2:ffff::9"));
        assert_ne!(Source::of("2001:db8:1:2::1"), Source::of("2001:db8:1:3::1"));
        assert_eq!(Source::of("not an address"), Source::Unknown);
    }
}
