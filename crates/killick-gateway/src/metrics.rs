//! What the gateway counts (`docs/reference/metrics.md`).

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use killick_proof::Code;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::respond::{Reply, Verdict};

/// The gateway's metrics and the registry that holds them.
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    stages: Family<Staged, Histogram>,
    panics: Counter,
    outcomes_lost: Counter,
    pub(crate) in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) replay_entries: Gauge<u64, AtomicU64>,
    pub(crate) chains: Gauge,
    pub(crate) bundle_version: Gauge<u64, AtomicU64>,
    pub(crate) bundle_age_secs: Gauge<u64, AtomicU64>,
    pub(crate) ledger_entries: Gauge<u64, AtomicU64>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    verdict: Verdict,
    code: CodeLabel,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct CodeLabel(Option<Code>);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Staged {
    stage: Stage,
}

/// A stage of the line, as a label.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Stage {
    Parse,
    Verify,
    Decide,
    Record,
    Forward,
    Total,
}

impl EncodeLabelValue for Stage {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Stage::Parse => "parse",
            Stage::Verify => "verify",
            Stage::Decide => "decide",
            Stage::Record => "record",
            Stage::Forward => "forward",
            Stage::Total => "total",
        })
    }
}

impl EncodeLabelValue for Verdict {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Verdict::Permit => "permit",
            Verdict::Observe => "observe",
            Verdict::Deny => "deny",
            Verdict::Refuse => "refuse",
            Verdict::Fail => "fail",
        })
    }
}

impl EncodeLabelValue for CodeLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self.0.map_or("none", Code::as_str))
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("killick_gateway");
        let requests = Family::<Answered, Counter>::default();
        // 10 µs to about 40 s: from one stage of a read to an upstream's deadline.
        let stages = Family::<Staged, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.000_01, 2.0, 22))
        });
        let metrics = Self {
            requests: requests.clone(),
            stages: stages.clone(),
            panics: Counter::default(),
            outcomes_lost: Counter::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            replay_entries: Gauge::default(),
            chains: Gauge::default(),
            bundle_version: Gauge::default(),
            bundle_age_secs: Gauge::default(),
            ledger_entries: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Requests answered, by verdict and reason code", requests);
        registry.register_with_unit("stage", "Time spent in each stage of a request", Unit::Seconds, stages);
        registry.register(
            "panics",
            "Request tasks that failed inside and were answered as denied",
            metrics.panics.clone(),
        );
        registry.register(
            "outcomes_lost",
            "Forwarded calls whose outcome could not be recorded after the decision was",
            metrics.outcomes_lost.clone(),
        );
        registry.register("in_flight", "Requests being handled", metrics.in_flight.clone());
        registry.register("connections", "Open connections from callers", metrics.connections.clone());
        registry.register("replay_entries", "Nonces in the replay window", metrics.replay_entries.clone());
        registry.register("chains", "Chains kept for AAT-Hash", metrics.chains.clone());
        registry.register(
            "bundle_version",
            "Version of the bundle in force; 0 before the first",
            metrics.bundle_version.clone(),
        );
        registry.register_with_unit(
            "bundle_age",
            "Time since the authority last vouched for the bundle in force",
            Unit::Seconds,
            metrics.bundle_age_secs.clone(),
        );
        registry.register(
            "ledger_entries",
            "Entries acknowledged by the log",
            metrics.ledger_entries.clone(),
        );
        Self { registry, ..metrics }
    }

    /// The registry. Its gauges are as of the last [`crate::Gateway::metrics`].
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The OpenMetrics text of all metrics, with its `# EOF`.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail; a half-written page would be refused by the scraper for want of `# EOF`.
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# incomplete");
        }
        text
    }

    pub(crate) fn answered(&self, reply: &Reply) {
        self.requests.get_or_create(&Answered { verdict: reply.verdict, code: CodeLabel(reply.code) }).inc();
    }

    pub(crate) fn spent(&self, stage: Stage, since: Instant) {
        self.stages.get_or_create(&Staged { stage }).observe(since.elapsed().as_secs_f64());
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    pub(crate) fn outcome_lost(&self) {
        self.outcomes_lost.inc();
    }
}
