//! The order of time: the entries of a log speak of times that do not go back.

use std::borrow::Cow;

use crate::error::LogError;
use crate::limits::TIME_BACK_MICROS_MAX;

/// Kinds whose `at` is not the time at which they were made: entry 0 is dated by the log's own clock when it is
/// created, and a summary speaks of the end of a minute.
const NOT_THE_TIME: [&str; 2] = ["log-key", "refusal-summary"];

/// Watches the member `at` of entries in their order (`docs/spec/entry.md`). Entries without one are passed over.
#[derive(Debug, Default)]
pub(crate) struct TimeOrder {
    latest: u64,
    /// The first entry that goes back.
    wrong: Option<LogError>,
}

impl TimeOrder {
    pub(crate) fn see(&mut self, index: u64, entry: &[u8]) {
        let Some(at) = time_of(entry) else { return };
        let back = self.latest.saturating_sub(at);
        if back > TIME_BACK_MICROS_MAX && self.wrong.is_none() {
            self.wrong = Some(LogError::Time { index, back_secs: back / 1_000_000 });
        }
        self.latest = self.latest.max(at);
    }

    pub(crate) fn check(self) -> Result<(), LogError> {
        self.wrong.map_or(Ok(()), Err)
    }
}

/// When an entry was made, in microseconds since 1970, if it says so.
fn time_of(entry: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Members<'a> {
        at: u64,
        #[serde(borrow)]
        kind: Cow<'a, str>,
    }
    let members: Members<'_> = serde_json::from_slice(entry).ok()?;
    (!NOT_THE_TIME.contains(&&*members.kind)).then_some(members.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(times: &[(&str, u64)]) -> &'static str {
        let mut order = TimeOrder::default();
        for (index, (kind, at)) in (0..).zip(times) {
            order.see(index, format!(r#"{{"at":{at},"kind":"{kind}"}}"#).as_bytes());
        }
        order.check().map_or_else(|error| error.code(), |()| "ok")
    }

    #[test]
    fn time_may_go_back_by_the_bound_and_no_more() {
        const T: u64 = 1_800_000_000_000_000;
        assert_eq!(
            code(&[("decision", T), ("decision", T - TIME_BACK_MICROS_MAX), ("outcome", T + 5)]),
            "ok"
        );
        assert_eq!(code(&[("decision", T), ("decision", T - TIME_BACK_MICROS_MAX - 1)]), "log.time");
        // Step by step is no way round it: what counts is the latest time of all before.
        let slow = [("decision", T), ("decision", T - 20_000_000), ("decision", T - 40_000_000)];
        assert_eq!(code(&slow), "log.time");
        assert_eq!(code(&[("log-key", T), ("decision", 5)]), "ok");
        assert_eq!(code(&[("decision", T), ("refusal-summary", 5), ("decision", T)]), "ok");
        assert_eq!(code(&[]), "ok");
    }

    #[test]
    fn entries_that_tell_no_time_are_passed_over() {
        for entry in ["", "{}", "[1]", r#"{"at":"5","kind":"x"}"#, r#"{"at":-1,"kind":"x"}"#, r#"{"at":5}"#] {
            assert_eq!(time_of(entry.as_bytes()), None, "{entry}");
        }
        assert_eq!(time_of(br#"{"act":{"at":1},"at":7,"kind":"d\u0065c"}"#), Some(7));
    }
}
