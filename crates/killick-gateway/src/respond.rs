//! The one file that turns a verdict into a reply: a released answer, or problem details (RFC 9457) for a refusal, a
//! denial, and whatever failed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use killick_decide::{Decision, Denial, RefusedCall};
use killick_ledger::{LedgerError, Recorded};
use killick_proof::{Code, Refusal};
use serde::Serialize;

use crate::upstream::{Forwarded, UpstreamError};

/// Base64 of the C2SP tlog-proof text.
pub const RECEIPT: HeaderName = HeaderName::from_static("killick-receipt");
/// The gateway's id of the request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("killick-request-id");
/// In observe mode: the code of the denial that was recorded and not enforced.
pub const OBSERVED: HeaderName = HeaderName::from_static("killick-observed");
/// Where each code is explained.
const REASONS: &str = "https://killick.dev/reasons/";

/// A reply, ready to be written by a door.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// For the metrics.
    pub(crate) verdict: Verdict,
    /// For the metrics; `None` if the call was permitted and answered.
    pub(crate) code: Option<Code>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// Forwarded and answered.
    Permit,
    /// Forwarded in observe mode, though it would have been denied.
    Observe,
    /// The caller is known, and may not.
    Deny,
    /// The caller is not authenticated.
    Refuse,
    /// Something failed.
    Fail,
}

/// The realm of the `AAT` authentication scheme: one for all, since the audience is said elsewhere.
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"AAT realm="killick""#);

/// Releases an upstream's answer, or the failure to get one, to the caller: only with the durable record of the very
/// call that was forwarded.
pub(crate) fn release(forwarded: Forwarded, record: Recorded<Decision>) -> Reply {
    let facts = record.entry().facts();
    if facts.request_id != forwarded.request_id {
        // INVARIANT: an answer goes to the call that it belongs to. Nothing of either is told.
        debug_assert!(false, "a reply was paired with another call's record");
        return failed(&Refusal::new(Code::InternalError, "the reply does not belong to the record"), "");
    }
    let observed = match record.entry() {
        Decision::Permit(call) => call.observed().map(Denial::code),
        Decision::Deny(_) => return denied(&record),
    };
    let mut reply = match forwarded.answer {
        Ok(answer) => {
            let mut headers: HeaderMap = answer.headers.into_iter().collect();
            headers.insert(REQUEST_ID, header(&forwarded.request_id));
            Reply { status: answer.status, headers, body: answer.body, verdict: Verdict::Permit, code: None }
        }
        Err(error) => unanswered(&error, &forwarded.request_id),
    };
    if let Some(code) = observed {
        reply.headers.insert(OBSERVED, HeaderValue::from_static(code.as_str()));
        if reply.verdict == Verdict::Permit {
            (reply.verdict, reply.code) = (Verdict::Observe, Some(code));
        }
    }
    attach_receipt(&mut reply, &record.receipt());
    reply
}

/// The reply to a call that was denied.
pub(crate) fn denied(record: &Recorded<Decision>) -> Reply {
    let Decision::Deny(denial) = record.entry() else {
        return failed(
            &Refusal::new(Code::InternalError, "a permit was not forwarded"),
            &record.entry().facts().request_id,
        );
    };
    let mut reply = problem(
        denial.code(),
        denial.detail(),
        denial.missing(),
        denial.grantor(),
        &denial.facts().request_id,
        Verdict::Deny,
    );
    attach_receipt(&mut reply, &record.receipt());
    reply
}

/// The reply to a caller who proved nothing; with a receipt if the refusal has an entry of its own.
pub(crate) fn refused(refusal: &Refusal, request_id: &str, record: Option<&Recorded<RefusedCall>>) -> Reply {
    let (missing, grantor) = mend(refusal.code());
    let verdict = match refusal.code().http_status() {
        500.. => Verdict::Fail,
        _ => Verdict::Refuse,
    };
    let mut reply = problem(refusal.code(), refusal.detail(), missing, grantor, request_id, verdict);
    if let Some(record) = record {
        attach_receipt(&mut reply, &record.receipt());
    }
    reply
}

/// The reply when nothing can be recorded, so that nothing is forwarded and nothing released.
pub(crate) fn unrecorded(error: &LedgerError, request_id: &str) -> Reply {
    // What went wrong on the disk is for the operator, not for the caller.
    let (detail, retry_secs) = match error {
        LedgerError::Full => ("the log is busy; nothing was released", "1"),
        _ => ("the log cannot record, so nothing is released", "5"),
    };
    let mut reply = problem(
        Code::LogUnavailable,
        detail,
        Some("a log that can record"),
        Some("the operator of this gateway"),
        request_id,
        Verdict::Fail,
    );
    reply.headers.insert(RETRY_AFTER, HeaderValue::from_static(retry_secs));
    reply
}

/// The reply to a request that failed inside.
pub(crate) fn failed(refusal: &Refusal, request_id: &str) -> Reply {
    problem(refusal.code(), refusal.detail(), None, None, request_id, Verdict::Fail)
}

/// The reply when the upstream gave no answer that can be passed on.
fn unanswered(error: &UpstreamError, request_id: &str) -> Reply {
    problem(
        Code::UpstreamUnreachable,
        &error.to_string(),
        Some("an upstream that answers"),
        Some("the operator of the upstream"),
        request_id,
        Verdict::Fail,
    )
}

/// The members of RFC 9457 section 3, and ours.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    missing: Option<&'a str>,
    grantor: Option<&'a str>,
    request_id: &'a str,
}

fn problem(
    code: Code,
    detail: &str,
    missing: Option<&str>,
    grantor: Option<&str>,
    request_id: &str,
    verdict: Verdict,
) -> Reply {
    let problem = Problem {
        kind: format!("{REASONS}{code}"),
        title: code.meaning().trim(),
        status: code.http_status(),
        detail,
        code: code.as_str(),
        missing,
        grantor,
        request_id,
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REQUEST_ID, header(request_id));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, CHALLENGE);
    }
    if matches!(code, Code::LimitRate | Code::StateMissing) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Reply { status, headers, body: Bytes::from(body), verdict, code: Some(code) }
}

/// What would help a caller who proved nothing, and who can give it. Says nothing about agents or their rights.
fn mend(code: Code) -> (Option<&'static str>, Option<&'static str>) {
    const AUTHORITY: Option<&str> = Some("the trust domain's authority");
    const CALLER: Option<&str> = Some("the caller");
    match code {
        Code::TokenMissing => (Some("a capability token: `Authorization: AAT …`"), AUTHORITY),
        Code::TokenExpired => (Some("a token that has not expired"), AUTHORITY),
        Code::TokenRevoked
        | Code::KeyRevoked
        | Code::IdentityRevoked
        | Code::IdentitySuspended
        | Code::RevokedAll => (Some("an identity and a token that are in force"), AUTHORITY),
        Code::IdentityUnknown | Code::IdentityExpired => {
            (Some("a current identity of this trust domain"), AUTHORITY)
        }
        Code::PopMissing => (Some("a request signature with tag `killick`"), CALLER),
        Code::PopMismatch => (Some("a signature by the key that the token names"), CALLER),
        Code::PopAudience => (Some("a signature for this gateway"), CALLER),
        Code::ReplayNonce => (Some("a request signed anew, with a fresh nonce"), CALLER),
        Code::SigTime => (Some("a signature made now"), CALLER),
        Code::ChainUnknown => (Some("the chain itself: put it, or send it inline"), CALLER),
        Code::StateMissing | Code::StateStale => (Some("a fresh bundle"), AUTHORITY),
        _ => (None, None),
    }
}

fn attach_receipt(reply: &mut Reply, receipt: &str) {
    reply.headers.insert(RECEIPT, header(&STANDARD.encode(receipt)));
}

/// A header value of text that we made: ids and base64, which are visible ASCII.
fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_makes_a_complete_problem_with_its_status() {
        for &code in Code::ALL {
            let reply = refused(&Refusal::new(code, "because"), "id-1", None);
            assert_eq!(reply.status.as_u16(), code.http_status());
            let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(body["type"], format!("https://killick.dev/reasons/{code}"));
            assert_eq!(body["code"], code.as_str());
            assert_eq!(body["status"], code.http_status());
            assert_eq!(body["request_id"], "id-1");
            assert_eq!(body["detail"], "because");
            for member in ["title", "missing", "grantor"] {
                assert!(body.get(member).is_some(), "{member}");
            }
            assert_eq!(reply.headers.contains_key(WWW_AUTHENTICATE), code.http_status() == 401);
            assert!(!reply.headers.contains_key(RECEIPT));
        }
    }

    #[test]
    fn a_full_log_asks_to_come_back_soon_and_tells_nothing_of_the_disk() {
        let error = LedgerError::Stopped("cannot write /var/lib/killick/journal".to_owned());
        let reply = unrecorded(&error, "id-2");
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(reply.headers[RETRY_AFTER], "5");
        assert!(!String::from_utf8_lossy(&reply.body).contains("journal"));
        assert_eq!(unrecorded(&LedgerError::Full, "id-3").headers[RETRY_AFTER], "1");
    }
}
