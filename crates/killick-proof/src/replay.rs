//! Each signed request is used once.

use crate::call::{AuthenticatedCall, ParsedCall};
use crate::refusal::Refusal;
use crate::time::UnixTime;
use crate::verified::Verified;

/// The nonces of the requests admitted within the acceptance window. Exact: it never forgets a nonce whose signature
/// could still be fresh; bounded by [`crate::limits::REPLAY_ENTRIES_MAX`], over which calls are refused.
pub struct ReplayWindow {
    // (key, nonce) digests by expiry; chosen by the owner of this file.
    not_before: UnixTime,
}

impl ReplayWindow {
    /// A window that admits only signatures created at or after `started`: after a restart no nonce of the time
    /// before it can be used again.
    pub fn new(started: UnixTime) -> Self {
        Self { not_before: started }
    }

    /// Uses up the call's nonce. Errs with `replay.nonce`, `sig.time` (created before the window began),
    /// `limit.rate` (window full). Only a verified call can use one up.
    pub fn admit(&mut self, call: Verified<ParsedCall>, now: UnixTime) -> Result<AuthenticatedCall, Refusal> {
        let _ = (call, now, self.not_before);
        todo!()
    }
}
