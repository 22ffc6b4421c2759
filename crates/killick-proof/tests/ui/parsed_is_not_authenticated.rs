//! A call that was only read is not a call whose sender is known.

use killick_proof::{AuthenticatedCall, ParsedCall};

fn authorise(_: AuthenticatedCall) {}

fn skip_verification(call: ParsedCall) {
    authorise(call);
}

fn main() {}
