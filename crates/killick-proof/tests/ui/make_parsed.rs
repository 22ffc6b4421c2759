//! A read call is made by reading a request.

use killick_proof::{AuthenticatedCall, ParsedCall};

fn change(call: &mut ParsedCall) {
    call.method = "DELETE".to_owned();
}

fn make(call: ParsedCall) -> AuthenticatedCall {
    AuthenticatedCall { signed: call, admitted_at: killick_proof::UnixTime::from_secs(0) }
}

fn main() {}
