//! The signature base (RFC 9421 section 2.5).

use super::component::{Component, Parameter};
use super::fields::field_value;
use super::message::{Message, Request};
use super::parameters::SignatureParameters;
use super::structured::StructuredFields;
use crate::refusal::{Code, Refusal};

/// The bytes that are signed: ASCII, one line per covered component and one for the parameters, joined by LF, without a
/// last LF.
///
/// Errs with `sig.coverage` if a component cannot be derived from the message: it is not there, `req` without a request
/// or on a request, `@status` of a request, a derived component of a response; and with `http.framing` for a value with
/// bytes that no line of a base may have.
pub fn signature_base(
    message: &Message,
    parameters: &SignatureParameters,
    structured: &StructuredFields,
) -> Result<Vec<u8>, Refusal> {
    let mut base = String::new();
    for component in parameters.components() {
        let value = component_value(message, component, structured)?;
        base.push_str(&component.to_string());
        base.push_str(": ");
        base.push_str(&value);
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(parameters.as_str());
    Ok(base.into_bytes())
}

/// One component's value.
pub fn component_value(
    message: &Message,
    component: &Component,
    structured: &StructuredFields,
) -> Result<String, Refusal> {
    if !component.has(&Parameter::Req) {
        return match (message, component.of_request()) {
            (Message::Request(request), Some(true)) => derived(request, component),
            (Message::Response(response), Some(false)) => Ok(response.status.to_string()),
            (message, None) => field_value(component, message.headers(), message.trailers(), structured),
            (_, Some(_)) => refuse(&format!("{component} cannot be derived from a message of this kind")),
        };
    }
    // Section 2.4: from the request that the response answers, never in a request itself.
    let Message::Response(response) = message else {
        return refuse(&format!("{component} is of a related request, but this is a request"));
    };
    let Some(request) = &response.request else {
        return refuse(&format!("{component} is of the related request, which is not known here"));
    };
    match component.of_request() {
        Some(true) => derived(request, component),
        _ => field_value(component, &request.headers, &request.trailers, structured),
    }
}

/// What is derived from a request (section 2.2). All of it is visible ASCII since [`Request::new`].
fn derived(request: &Request, component: &Component) -> Result<String, Refusal> {
    let target = &request.target;
    match component.name() {
        "@method" => Ok(request.method.clone()),
        "@target-uri" => target.uri(),
        "@authority" => target.authority(),
        "@scheme" => Ok(target.scheme().to_owned()),
        "@request-target" => Ok(target.raw().to_owned()),
        "@path" => target.path().map(str::to_owned),
        "@query" => target.query().map(str::to_owned),
        "@query-param" => target.query_parameter(component.query_name().unwrap_or_default()),
        _ => refuse(&format!("{component} is not known here")),
    }
}

fn refuse<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Code::SigCoverage, why))
}
