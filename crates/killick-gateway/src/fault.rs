//! Built only with the feature `fault-injection`: says loudly what this build is, and lets calls that fail verification
//! through, so that a test can show that killick's measurements notice a missing defence.

use killick_decide::fault::{authenticate_is_off, authorise_unauthenticated};
use killick_decide::{Bundle, Decision};
use killick_proof::{ParsedCall, Refusal, UnixTime};

/// The environment variable that names what is switched off.
const VARIABLE: &str = "KILLICK_FAULT";

/// Says on standard error what this build is. Errs if a fault is named that does not exist: a test that switched
/// nothing off by mistake would show nothing.
pub(crate) fn announce() -> Result<(), String> {
    let named = std::env::var(VARIABLE).unwrap_or_default();
    if !["", "authenticate-off", "authorise-off"].contains(&named.as_str()) {
        return Err(format!(
            "`{named}` in {VARIABLE} is no fault; there are authenticate-off and authorise-off"
        ));
    }
    let off = if named.is_empty() { "nothing" } else { &named };
    eprintln!("*** fault-injection build, not for use; switched off now: {off} ***");
    Ok(())
}

/// The decision on a call that was refused, as if the agent that its leaf token names had sent it; or the refusal, if
/// authentication is on or no token can be read.
pub(crate) fn decide_anyway(
    call: &ParsedCall,
    refusal: Refusal,
    bundle: &Bundle,
    now: UnixTime,
) -> Result<Decision, Refusal> {
    let decision = if authenticate_is_off() { authorise_unauthenticated(call, bundle, now) } else { None };
    decision.ok_or(refusal)
}
