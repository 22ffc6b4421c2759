//! A verified call is admitted by value: once.

use killick_proof::replay::ReplayWindow;
use killick_proof::verified::SignedCall;
use killick_proof::{UnixTime, Verified};

fn use_twice(window: &mut ReplayWindow, call: Verified<SignedCall>, now: UnixTime) {
    let _ = window.admit(call, now);
    let _ = window.admit(call, now);
}

fn main() {}
