//! HTTP messages as a signature sees them: RFC 9421's signature context.

use super::target::Target;
use crate::refusal::{Code, Refusal};

/// Field lines in the order of the message: names in lower case, values as bytes, trimmed and unfolded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldLines(Vec<(String, Vec<u8>)>);

impl FieldLines {
    /// None yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a line. An obsolete fold in the value becomes one space (RFC 9421 section 2.1, step 3); white space around
    /// the value goes. Errs (`http.framing`) for a name that is no token (RFC 9110 section 5.1), so also for one with
    /// an `@` (RFC 9421 section 7.5.1), and for a value with a line break or NUL.
    pub fn push(&mut self, name: &str, value: &[u8]) -> Result<(), Refusal> {
        if !is_field_name(name) {
            return refuse("a field name has bytes that no name may have");
        }
        self.0.push((name.to_ascii_lowercase(), unfold(value)?));
        Ok(())
    }

    /// From pairs of name and value; see [`FieldLines::push`].
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Refusal> {
        let mut lines = Self::new();
        for (name, value) in pairs {
            lines.push(name, value.as_bytes())?;
        }
        Ok(lines)
    }

    /// The values of one field, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_slice())
    }

    /// Whether the field is there.
    pub fn contains(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// All lines, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }
}

/// RFC 9110 section 5.6.2: a token.
pub(super) fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Takes obsolete folds (RFC 9112 section 5.2: `OWS CRLF RWS`, the line end also a bare LF as in section 2.2) and the
/// white space around the value away. Errs (`http.framing`) for what is left of line breaks, for NUL, and for a fold
/// that holds nothing, which is one space to some and two to others.
fn unfold(value: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut out: Vec<u8> = Vec::with_capacity(value.len());
    let mut rest = trim(value);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (0, _) => return refuse("a field value has a NUL"),
            (b'\r', [b'\n', after @ ..]) => rest = fold(&mut out, after)?,
            (b'\n', after) => rest = fold(&mut out, after)?,
            (b'\r', _) => return refuse("a field value has a line break"),
            _ => out.push(byte),
        }
    }
    // A value that begins with a fold has its space now.
    Ok(trim(&out).to_vec())
}

/// Writes the one space of a fold and returns what follows its white space.
fn fold<'a>(out: &mut Vec<u8>, after: &'a [u8]) -> Result<&'a [u8], Refusal> {
    let blank = after.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let rest = after.get(blank..).unwrap_or_default();
    if blank == 0 || matches!(rest.first(), None | Some(b'\r' | b'\n')) {
        return refuse("a field value has a line break");
    }
    while matches!(out.last(), Some(b' ' | b'\t')) {
        out.pop();
    }
    out.push(b' ');
    Ok(rest)
}

/// Without optional white space (RFC 9110 section 5.6.3) around it.
fn trim(value: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = value.iter().position(|b| !is_blank(b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !is_blank(b)).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(super) method: String,
    pub(super) target: Target,
    pub(super) headers: FieldLines,
    pub(super) trailers: FieldLines,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// A request as HTTP/1.1 has it. `scheme` is `https` or `http` as the connection was, `target` the request target
    /// as it was sent; the authority is the target's or that of `Host`.
    ///
    /// Errs with `http.framing` for a method that is no token and with `http.target_form` for a target in none of the
    /// forms of RFC 9112 section 3.2, an authority with user information (RFC 9110 section 4.2.4) or otherwise
    /// malformed, and two hosts that differ; with `http.ambiguous` if `Host` is there twice.
    pub fn new(method: &str, scheme: &str, target: &str, headers: FieldLines) -> Result<Self, Refusal> {
        if !is_field_name(method) {
            return refuse("the method is not a token");
        }
        let hosts: Vec<&[u8]> = headers.values("host").collect();
        if hosts.len() > 1 {
            return Err(Refusal::new(Code::HttpAmbiguous, "the field `host` is there twice"));
        }
        let target = Target::read(method, scheme, target, hosts.first().copied())?;
        Ok(Self { method: method.to_owned(), target, headers, trailers: FieldLines::new(), body: Vec::new() })
    }

    /// With its content, against which a signed `content-digest` is checked.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With its trailers.
    #[must_use]
    pub fn with_trailers(mut self, trailers: FieldLines) -> Self {
        self.trailers = trailers;
        self
    }

    /// For a verifier behind a proxy that knows from its own configuration, never from the message, under which origin
    /// the client reached it (RFC 9421 section 7.4.3). Errs with `http.target_form`.
    pub fn with_origin(mut self, scheme: &str, authority: &str) -> Result<Self, Refusal> {
        self.target = self.target.with_origin(scheme, authority)?;
        Ok(self)
    }

    /// The method, in the case in which it came.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The target.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Header fields.
    pub const fn headers(&self) -> &FieldLines {
        &self.headers
    }

    /// Trailer fields.
    pub const fn trailers(&self) -> &FieldLines {
        &self.trailers
    }

    /// The content.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Adds a header field; see [`FieldLines::push`]. `Host` is not to be added: the target was read with it.
    pub fn push_header(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        if name.eq_ignore_ascii_case("host") {
            return Err(Refusal::new(Code::HttpTargetForm, "the request already has its authority"));
        }
        self.headers.push(name, value.as_bytes())
    }
}

/// A response, with the request that it answers if that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub(super) status: u16,
    pub(super) headers: FieldLines,
    pub(super) trailers: FieldLines,
    pub(super) body: Vec<u8>,
    pub(super) request: Option<Request>,
}

impl Response {
    /// A response. Errs (`http.framing`) for a status that has not three digits.
    pub fn new(status: u16, headers: FieldLines) -> Result<Self, Refusal> {
        if !(100..=999).contains(&status) {
            return refuse("the status has not three digits");
        }
        let (trailers, body) = (FieldLines::new(), Vec::new());
        Ok(Self { status, headers, trailers, body, request: None })
    }

    /// With its content, against which a signed `content-digest` is checked.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With its trailers.
    #[must_use]
    pub fn with_trailers(mut self, trailers: FieldLines) -> Self {
        self.trailers = trailers;
        self
    }

    /// With the request that it answers, as it was sent: what components with `req` are taken from.
    #[must_use]
    pub fn with_request(mut self, request: Request) -> Self {
        self.request = Some(request);
        self
    }

    /// The status code.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Header fields.
    pub const fn headers(&self) -> &FieldLines {
        &self.headers
    }

    /// Trailer fields.
    pub const fn trailers(&self) -> &FieldLines {
        &self.trailers
    }

    /// The content.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The request that it answers.
    pub const fn request(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    /// Adds a header field; see [`FieldLines::push`].
    pub fn push_header(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        self.headers.push(name, value.as_bytes())
    }
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Header fields.
    pub const fn headers(&self) -> &FieldLines {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// Trailer fields.
    pub const fn trailers(&self) -> &FieldLines {
        match self {
            Self::Request(request) => &request.trailers,
            Self::Response(response) => &response.trailers,
        }
    }

    /// The content.
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }

    /// Adds a header field; see [`FieldLines::push`].
    pub fn push_header(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        match self {
            Self::Request(request) => request.push_header(name, value),
            Self::Response(response) => response.push_header(name, value),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

fn refuse<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Code::HttpFraming, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(raw: &str) -> Result<String, Code> {
        let mut lines = FieldLines::new();
        lines.push("x", raw.as_bytes()).map_err(|refusal| refusal.code())?;
        Ok(String::from_utf8(lines.values("x").next().unwrap().to_vec()).unwrap())
    }

    #[test]
    fn folds_become_one_space() {
        assert_eq!(value(" Obsolete\r\n    line folding. "), Ok("Obsolete line folding.".to_owned()));
        assert_eq!(value("a \t\n\t b"), Ok("a b".to_owned()));
        assert_eq!(value("a\r\n b\r\n c"), Ok("a b c".to_owned()));
        assert_eq!(value(""), Ok(String::new()));
        assert_eq!(value("\t "), Ok(String::new()));
        for bad in ["a\nb", "a\r\nb", "a\r b", "a\0", "a\r\n \r\n b", "a\n \n", "\r\n", "a\n", "a\r"] {
            assert_eq!(value(bad), Err(Code::HttpFraming), "{bad:?}");
        }
    }

    #[test]
    fn names_are_tokens() {
        for bad in ["", "@method", "a b", "a:", "a\r\n", "ä", "\"a\""] {
            assert_eq!(FieldLines::new().push(bad, b"1").unwrap_err().code(), Code::HttpFraming, "{bad:?}");
        }
        assert!(Request::new("GET /", "https", "/", FieldLines::new()).is_err());
        assert!(Response::new(99, FieldLines::new()).is_err());
    }
}
