//! The decision: the token's constraints and explicit denies **and** organisation policy. All must permit.

use killick_proof::{AuthenticatedCall, UnixTime};

use crate::bundle::Bundle;
use crate::decision::Decision;

/// Decides a call. Pure and total: whatever goes wrong inside is a denial. In observe mode (the agent's record says
/// so and it has not expired) a denial is attached to the permit instead of enforced.
pub fn authorise(call: AuthenticatedCall, bundle: &Bundle, now: UnixTime) -> Decision {
    let _ = (call, bundle, now);
    todo!()
}
