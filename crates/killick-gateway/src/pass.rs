//! Leave to forward one call, once.

use bytes::Bytes;
use killick_decide::catalogue::Risk;
use killick_decide::{AuthorisedCall, Decision};
use killick_ledger::{Recorded, Submitted};

/// Leave to forward one permitted call. It holds all that the outgoing request is built from; it is made only from a
/// decision that the ledger holds, cannot be copied, and is used up by
/// [`Upstreams::forward`](crate::upstream::Upstreams::forward).
///
/// A pass cannot be used twice:
///
/// ```compile_fail,E0382
/// async fn twice(upstreams: &killick_gateway::Upstreams, pass: killick_gateway::Pass) {
///     upstreams.forward(pass).await;
///     upstreams.forward(pass).await;
/// }
/// ```
///
/// nor copied:
///
/// ```compile_fail,E0277
/// fn copy<T: Clone>(_: T) {}
/// fn misuse(pass: killick_gateway::Pass) { copy(pass) }
/// ```
///
/// and a decision that was not recorded is none:
///
/// ```compile_fail,E0308
/// async fn hasty(upstreams: &killick_gateway::Upstreams, decision: killick_decide::Decision) {
///     upstreams.forward(decision).await;
/// }
/// ```
#[derive(Debug)]
#[must_use = "a call is forwarded only if its pass is used"]
pub struct Pass {
    pub(crate) request_id: String,
    pub(crate) agent: String,
    pub(crate) action: String,
    pub(crate) upstream_url: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Bytes,
}

impl Pass {
    /// The pass of a decision that is durable; `None` if it is a denial. For any risk.
    ///
    /// INVARIANT: the pipeline asks once for each record. The constructors are private to this crate, so that nobody
    /// else can ask.
    pub(crate) fn after(record: &Recorded<Decision>) -> Option<Self> {
        match record.entry() {
            Decision::Permit(call) => Some(Self::of(call)),
            Decision::Deny(_) => None,
        }
    }

    /// The pass of a permitted read whose record is on its way to the disk, so that the commit and the upstream's work
    /// overlap; `None` for anything that changes something. The reply still waits for the record.
    pub(crate) fn read_ahead(submitted: &Submitted<Decision>) -> Option<Self> {
        match submitted.entry() {
            Decision::Permit(call) if call.facts().risk == Some(Risk::Read) => Some(Self::of(call)),
            Decision::Permit(_) | Decision::Deny(_) => None,
        }
    }

    fn of(call: &AuthorisedCall) -> Self {
        let facts = call.facts();
        Self {
            request_id: facts.request_id.clone(),
            agent: facts.agent.to_string(),
            action: facts.action.clone().unwrap_or_default(),
            upstream_url: call.upstream_url().to_owned(),
            method: call.method().to_owned(),
            path: call.path().to_owned(),
            query: call.query().to_owned(),
            content_type: call.content_type().map(str::to_owned),
            body: Bytes::copy_from_slice(call.body()),
        }
    }
}
