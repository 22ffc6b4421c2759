//! Each signed request is used once.
//!
//! The window remembers a digest of (key, nonce) until the signature that carried it expires; then the time check
//! refuses that request for ever and the digest can go. Only the holder of the key can make a signature, and only a
//! verified call gets here, so a stranger can neither use up somebody's nonce nor fill the window.
//!
//! One case is beyond a window's knowledge: a sender whose clock is ahead signs a `created` that lies after a restart
//! (by at most [`crate::limits::CLOCK_SKEW_SECS`]). Whoever keeps notes across restarts should keep
//! [`ReplayWindow::reopens_at`] and hand it to [`ReplayWindow::new`].

use std::collections::{BTreeMap, HashMap};

use crate::call::AuthenticatedCall;
use crate::http_signature::check_window;
use crate::keys::sha256;
use crate::limits::{REPLAY_ENTRIES_MAX, SIGNATURE_LIFETIME_SECS_MAX};
use crate::refusal::{Code, Refusal};
use crate::time::UnixTime;
use crate::verified::{SignedCall, Verified};

/// Digests dropped per admission: more than one, so that the window shrinks after a burst; few, so that no admission
/// pays for a burst of another second.
const DROPPED_PER_ADMISSION: usize = 4;

/// The nonces of the requests admitted within the acceptance window. Exact: it never forgets a nonce whose signature
/// could still be fresh; bounded by [`crate::limits::REPLAY_ENTRIES_MAX`], over which calls are refused.
pub struct ReplayWindow {
    not_before: UnixTime,
    entries_max: usize,
    /// When each (key, nonce) digest may be forgotten, seconds.
    used: HashMap<[u8; 32], u64>,
    /// The same digests by that second, soonest first.
    by_expiry: BTreeMap<u64, Vec<[u8; 32]>>,
    /// The latest time seen: a clock that goes back does not bring a dropped nonce's signature back to life.
    latest: UnixTime,
    /// The latest `created` admitted, seconds.
    created_max: u64,
}

impl ReplayWindow {
    /// A window that admits only signatures created at or after `started`: after a restart no nonce of the time
    /// before it can be used again.
    pub fn new(started: UnixTime) -> Self {
        Self::with_capacity(started, REPLAY_ENTRIES_MAX)
    }

    /// As [`ReplayWindow::new`] with room for `entries_max` nonces.
    pub fn with_capacity(started: UnixTime, entries_max: usize) -> Self {
        Self {
            not_before: started,
            entries_max,
            used: HashMap::new(),
            by_expiry: BTreeMap::new(),
            latest: started,
            created_max: 0,
        }
    }

    /// Uses up the call's nonce. Errs with `replay.nonce`, `sig.time` (created before the window began, or no longer
    /// fresh), `limit.rate` (window full). Only a verified call can use one up.
    pub fn admit(&mut self, call: Verified<SignedCall>, now: UnixTime) -> Result<AuthenticatedCall, Refusal> {
        let signature = call.call.signature();
        let (created, expires) = (signature.created, signature.expires);
        // `keyid` is the leaf key's thumbprint, so it has a fixed length and the pair reads one way.
        let digest = sha256(format!("{}\n{}", signature.keyid, signature.nonce).as_bytes());
        self.use_up(digest, created, expires, now)?;
        Ok(AuthenticatedCall { signed: call, admitted_at: now })
    }

    /// The earliest `started` of a next window that admits nothing which this one has admitted.
    pub fn reopens_at(&self) -> UnixTime {
        UnixTime::from_secs(self.created_max).plus_secs(1).max(self.latest)
    }

    /// Constant time, apart from the growth of the map.
    fn use_up(&mut self, digest: [u8; 32], created: u64, expires: u64, now: UnixTime) -> Result<(), Refusal> {
        self.latest = self.latest.max(now);
        if UnixTime::from_secs(created) < self.not_before {
            return refuse(
                Code::SigTime,
                "the signature was made before this gateway's window began; sign the request anew",
            );
        }
        // Whatever is dropped below is refused here: the same bound, on the same clock.
        check_window(created, expires, SIGNATURE_LIFETIME_SECS_MAX, self.latest)?;
        self.drop_expired();
        if self.used.get(&digest).is_some_and(|expiry| self.latest < UnixTime::from_secs(*expiry)) {
            return refuse(Code::ReplayNonce, "this signed request was used before; sign each request anew");
        }
        if self.used.len() >= self.entries_max {
            return refuse(Code::LimitRate, "too many requests within the time for which nonces are kept");
        }
        self.used.insert(digest, expires);
        self.by_expiry.entry(expires).or_default().push(digest);
        self.created_max = self.created_max.max(created);
        Ok(())
    }

    /// Drops a few of the digests whose signatures have expired.
    fn drop_expired(&mut self) {
        for _ in 0..DROPPED_PER_ADMISSION {
            let Some(mut bucket) = self.by_expiry.first_entry() else { return };
            let expiry = *bucket.key();
            if self.latest < UnixTime::from_secs(expiry) {
                return;
            }
            match bucket.get_mut().pop() {
                // A nonce used again after its expiry has moved to a later second; leave it there.
                Some(digest) if self.used.get(&digest) == Some(&expiry) => {
                    self.used.remove(&digest);
                }
                Some(_) => {}
                None => {
                    bucket.remove();
                }
            }
        }
    }
}

fn refuse<T>(code: Code, why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}
