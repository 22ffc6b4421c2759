//! The gateway's one replay window, behind its lock.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use killick_proof::replay::ReplayWindow;
use killick_proof::verified::SignedCall;
use killick_proof::{AuthenticatedCall, Code, Refusal, UnixTime, Verified};

/// Admits each verified call once. The lock is held for the time of one look-up.
pub(crate) struct Admission(Mutex<Admitted>);

struct Admitted {
    window: ReplayWindow,
    /// How many of the signatures admitted expire in which second: the size of the window, for the metrics.
    by_expiry: BTreeMap<u64, u64>,
}

impl Admission {
    /// A window that admits only signatures made at `opens` or later.
    pub(crate) fn new(opens: UnixTime) -> Self {
        Self(Mutex::new(Admitted { window: ReplayWindow::new(opens), by_expiry: BTreeMap::new() }))
    }

    /// Uses up the call's nonce; see [`ReplayWindow::admit`].
    pub(crate) fn admit(
        &self,
        call: Verified<SignedCall>,
        now: UnixTime,
    ) -> Result<AuthenticatedCall, Refusal> {
        let mut admitted = self.lock()?;
        let call = admitted.window.admit(call, now)?;
        *admitted.by_expiry.entry(call.call().signature().expires).or_default() += 1;
        // At most a minute and a half of seconds is ever kept.
        admitted.by_expiry = admitted.by_expiry.split_off(&now.secs());
        Ok(call)
    }

    /// Nonces of signatures that could still be fresh.
    pub(crate) fn size(&self, now: UnixTime) -> u64 {
        self.lock().map_or(0, |admitted| admitted.by_expiry.range(now.secs()..).map(|(_, count)| count).sum())
    }

    /// See [`ReplayWindow::reopens_at`].
    pub(crate) fn reopens_at(&self) -> Result<UnixTime, Refusal> {
        Ok(self.lock()?.window.reopens_at())
    }

    /// A panic while the window was locked may have left it in the middle of a change: in doubt, deny.
    fn lock(&self) -> Result<MutexGuard<'_, Admitted>, Refusal> {
        let poisoned =
            |_| Refusal::new(Code::InternalError, "the replay window failed; nothing is permitted");
        self.0.lock().map_err(poisoned)
    }
}
