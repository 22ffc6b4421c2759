//! Each signed request is used once.
//!
//! [`Nonces`] remembers a digest of (key, nonce) until the signature that carried it expires; then the time check
//! refuses that request for ever and the digest can go. Only the holder of the key can make a signature, and only a
//! verified call gets here, so a stranger can neither use up somebody's nonce nor fill the window.
//!
//! One case is beyond a window's knowledge: a sender whose clock is ahead signs a `created` that lies after a restart
//! (by at most [`crate::limits::CLOCK_SKEW_SECS`]). Whoever keeps notes across restarts should keep
//! [`ReplayWindow::reopens_at`] and hand it to [`ReplayWindow::new`].

use std::collections::{BTreeMap, HashMap};

use crate::call::AuthenticatedCall;
use crate::keys::{KeyId, sha256};
use crate::limits::REPLAY_ENTRIES_MAX;
use crate::refusal::{Code, Refusal};
use crate::time::UnixTime;
use crate::verified::{SignedCall, Verified};

/// Digests dropped per admission: more than one, so that the window shrinks after a burst; few, so that no admission
/// pays for a burst of another second.
const DROPPED_PER_ADMISSION: usize = 4;

/// The requests admitted within the acceptance window. Exact: it never forgets a nonce whose signature could still be
/// fresh; bounded by [`crate::limits::REPLAY_ENTRIES_MAX`], over which calls are refused.
pub struct ReplayWindow {
    not_before: UnixTime,
    nonces: Nonces,
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
        Self { not_before: started, nonces: Nonces::new(entries_max), created_max: 0 }
    }

    /// Uses up the call's nonce. Errs with `replay.nonce`, `sig.time` (created before the window began, or no longer
    /// fresh), `limit.rate` (window full). Only a verified call can use one up.
    pub fn admit(&mut self, call: Verified<SignedCall>, now: UnixTime) -> Result<AuthenticatedCall, Refusal> {
        let signature = call.call.signature();
        if UnixTime::from_secs(signature.created) < self.not_before {
            return refuse(
                Code::SigTime,
                "the signature was made before this gateway's window began; sign the request anew",
            );
        }
        let created = signature.created;
        let key = call.chain.holder_key().id();
        self.nonces.use_up(key, &signature.nonce, UnixTime::from_secs(signature.expires), now)?;
        self.created_max = self.created_max.max(created);
        Ok(AuthenticatedCall { signed: call, admitted_at: now })
    }

    /// The earliest `started` of a next window that admits nothing which this one has admitted.
    pub fn reopens_at(&self) -> UnixTime {
        UnixTime::from_secs(self.created_max).plus_secs(1)
    }
}

/// Nonces that were used, by key, each until its signature expires. Bounded and exact, as [`ReplayWindow`] is.
pub struct Nonces {
    entries_max: usize,
    /// When each (key, nonce) digest may be forgotten.
    used: HashMap<[u8; 32], UnixTime>,
    /// The same digests by that time, soonest first.
    by_expiry: BTreeMap<UnixTime, Vec<[u8; 32]>>,
    /// The latest time seen: a clock that goes back does not bring a dropped nonce's signature back to life.
    latest: UnixTime,
}

impl Nonces {
    /// Room for `entries_max` nonces.
    pub fn new(entries_max: usize) -> Self {
        Self {
            entries_max,
            used: HashMap::new(),
            by_expiry: BTreeMap::new(),
            latest: UnixTime::from_micros(0),
        }
    }

    /// Uses up `key`'s nonce, which is to be kept until `expires`. Constant time, apart from the growth of the map.
    /// Errs with `sig.time` (expired), `replay.nonce`, `limit.rate` (no room).
    pub fn use_up(
        &mut self,
        key: &KeyId,
        nonce: &str,
        expires: UnixTime,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        self.latest = self.latest.max(now);
        // What is dropped below is refused here: the same bound, on the same clock.
        if self.latest >= expires {
            return refuse(Code::SigTime, "the signature has expired; sign the request anew");
        }
        self.drop_expired();
        // A thumbprint has a fixed length, so the pair reads one way.
        let digest = sha256(format!("{key}\n{nonce}").as_bytes());
        if self.used.get(&digest).is_some_and(|kept_until| self.latest < *kept_until) {
            return refuse(Code::ReplayNonce, "this signed request was used before; sign each request anew");
        }
        if self.used.len() >= self.entries_max {
            return refuse(Code::LimitRate, "too many requests within the time for which nonces are kept");
        }
        self.used.insert(digest, expires);
        self.by_expiry.entry(expires).or_default().push(digest);
        Ok(())
    }

    /// Drops a few of the digests whose signatures have expired.
    fn drop_expired(&mut self) {
        for _ in 0..DROPPED_PER_ADMISSION {
            let Some(mut bucket) = self.by_expiry.first_entry() else { return };
            let expiry = *bucket.key();
            if self.latest < expiry {
                return;
            }
            match bucket.get_mut().pop() {
                // A nonce used again after its expiry has moved to a later time; leave it there.
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
