//! From a call to its operation and arguments, and to the request that is forwarded: whatever the catalogue does not
//! list is refused, and what is forwarded is built from what was read.

use std::collections::BTreeMap;

use killick_proof::call::{ParsedBody, ParsedCall};
use killick_proof::json::Json;
use killick_proof::{Code, Refusal};

use crate::argument::{has_type, percent_encode, quote, read_text};
use crate::catalogue::{Argument, Catalogue, Operation, Place};
use crate::route::Segment;

/// An operation that a call matched, its arguments, and the request to forward, rebuilt from them.
#[derive(Clone, Debug)]
pub struct Matched<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// The arguments as the token's constraints see them: optional ones that the call omits are `null`.
    pub arguments: BTreeMap<String, Json>,
    /// The path: the template's literals as the catalogue writes them, arguments percent-encoded.
    pub path: String,
    /// The query with its `?`, in the catalogue's order, or empty.
    pub query: String,
    /// The body: JSON with exact numbers, or empty.
    pub body: Vec<u8>,
    /// `application/json` where there is a body.
    pub content_type: Option<&'static str>,
}

/// The operation that a call's method and path name; its arguments are not read yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) operation: &'a Operation,
    template: &'a [Segment],
}

/// The parts of a call that the catalogue speaks of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) method: &'a str,
    pub(crate) segments: &'a [String],
    pub(crate) query: &'a [(String, String)],
    pub(crate) body: &'a ParsedBody,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(call: &'a ParsedCall) -> Self {
        Self { method: call.method(), segments: call.segments(), query: call.query(), body: call.body() }
    }
}

impl Catalogue {
    /// Finds the call's operation and reads its arguments. Errs with `tool.unknown`, `arg.missing`, `arg.type`,
    /// `arg.unlisted`, `path.noncanonical`.
    pub fn match_call(&self, call: &ParsedCall) -> Result<Matched<'_>, Refusal> {
        let parts = Parts::of(call);
        self.find(&parts)?.read(&parts)
    }

    /// Finds the operation alone. Errs with `tool.unknown`.
    pub(crate) fn find(&self, parts: &Parts<'_>) -> Result<Found<'_>, Refusal> {
        let (operation, template) = self.route(parts.method, parts.segments).ok_or_else(|| {
            Refusal::new(Code::ToolUnknown, "no operation of the catalogue has this method and path")
        })?;
        Ok(Found { operation, template })
    }
}

impl<'a> Found<'a> {
    /// Reads the arguments and rebuilds the request.
    pub(crate) fn read(self, parts: &Parts<'_>) -> Result<Matched<'a>, Refusal> {
        let operation = self.operation;
        let mut arguments = BTreeMap::new();
        let path = self.read_path(parts.segments, &mut arguments)?;
        self.refuse_unlisted(parts)?;
        let mut query = String::new();
        let mut body = BTreeMap::new();
        for argument in &operation.arguments {
            let value = match argument.place {
                Place::Path => continue,
                Place::Query => read_query(argument, parts.query, &mut query)?,
                Place::Body => read_member(argument, parts.body, &mut body)?,
            };
            if value == Json::Null && argument.required {
                return Err(Refusal::new(
                    Code::ArgMissing,
                    format!("the argument {} is required", quote(&argument.name)),
                ));
            }
            arguments.insert(argument.name.clone(), value);
        }
        let (body, content_type) = match parts.body {
            ParsedBody::Empty => (Vec::new(), None),
            ParsedBody::Json(_) => (Json::Object(body).to_bytes(), Some("application/json")),
        };
        Ok(Matched { operation, arguments, path, query, body, content_type })
    }

    fn read_path(
        self,
        segments: &[String],
        arguments: &mut BTreeMap<String, Json>,
    ) -> Result<String, Refusal> {
        let mut path = String::new();
        for (segment, text) in self.template.iter().zip(segments) {
            path.push('/');
            match segment {
                Segment::Literal(literal) => path.push_str(literal),
                Segment::Parameter(name) => {
                    // Dot segments would be resolved by the upstream (RFC 3986 section 5.2.4); separators and control
                    // characters are decoded once more by too many.
                    if text == "."
                        || text == ".."
                        || text.contains(['/', '\\'])
                        || text.chars().any(char::is_control)
                    {
                        let detail = format!("the path's {} is no plain segment", quote(name));
                        return Err(Refusal::new(Code::PathNoncanonical, detail));
                    }
                    let argument =
                        self.operation.arguments.iter().find(|a| a.place == Place::Path && a.name == *name);
                    let value = argument.and_then(|argument| read_text(argument.kind, text));
                    arguments.insert(name.clone(), value.ok_or_else(|| wrong_type(name, argument))?);
                    percent_encode(text, &mut path);
                }
            }
        }
        if path.is_empty() {
            path.push('/');
        }
        Ok(path)
    }

    /// Whatever the catalogue does not list is refused, also where it would be harmless: it would not be forwarded,
    /// and the caller should know.
    fn refuse_unlisted(self, parts: &Parts<'_>) -> Result<(), Refusal> {
        let listed = |name: &str, place: Place| {
            self.operation.arguments.iter().any(|a| a.place == place && a.name == name)
        };
        let refuse = |what: String| {
            Err(Refusal::new(
                Code::ArgUnlisted,
                format!("{what} is not an argument of {}", quote(&self.operation.action)),
            ))
        };
        if let Some((name, _)) = parts.query.iter().find(|(name, _)| !listed(name, Place::Query)) {
            return refuse(format!("{} in the query", quote(name)));
        }
        match parts.body {
            ParsedBody::Empty => Ok(()),
            ParsedBody::Json(_) if !self.operation.arguments.iter().any(|a| a.place == Place::Body) => {
                refuse("a body".to_owned())
            }
            ParsedBody::Json(Json::Object(members)) => {
                match members.keys().find(|name| !listed(name, Place::Body)) {
                    Some(name) => refuse(format!("{} in the body", quote(name))),
                    None => Ok(()),
                }
            }
            ParsedBody::Json(_) => Err(Refusal::new(Code::ArgType, "the body is not a JSON object")),
        }
    }
}

fn read_query(argument: &Argument, query: &[(String, String)], out: &mut String) -> Result<Json, Refusal> {
    // INVARIANT: names are unique in a parsed call, so the first is the only one.
    let Some((name, text)) = query.iter().find(|(name, _)| *name == argument.name) else {
        return Ok(Json::Null);
    };
    let value = read_text(argument.kind, text).ok_or_else(|| wrong_type(name, Some(argument)))?;
    out.push(if out.is_empty() { '?' } else { '&' });
    percent_encode(name, out);
    out.push('=');
    percent_encode(text, out);
    Ok(value)
}

fn read_member(
    argument: &Argument,
    body: &ParsedBody,
    out: &mut BTreeMap<String, Json>,
) -> Result<Json, Refusal> {
    let value = match body {
        ParsedBody::Json(body) => body.get(&argument.name),
        ParsedBody::Empty => None,
    };
    let Some(value) = value else { return Ok(Json::Null) };
    // An explicit `null` is of no type: `null` means absent to the constraints, and must not mean two things.
    if !has_type(argument.kind, value) {
        return Err(wrong_type(&argument.name, Some(argument)));
    }
    out.insert(argument.name.clone(), value.clone());
    Ok(value.clone())
}

fn wrong_type(name: &str, argument: Option<&Argument>) -> Refusal {
    let kind = argument.map_or("listed", |argument| argument.kind.as_str());
    Refusal::new(
        Code::ArgType,
        format!("the argument {} is not of type {kind}, or not in its one form", quote(name)),
    )
}
