//! The other way round: from an action and its arguments to a request, for clients that know no HTTP.

use std::collections::BTreeMap;

use killick_proof::json::Json;

use crate::argument::{has_type, percent_encode, read_text, write_text};
use crate::catalogue::{Argument, ArgumentType, Catalogue, CatalogueError, Place};
use crate::route::Segment;

/// A request that matches an operation, ready to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainRequest {
    /// Upper case.
    pub method: String,
    /// Path and query, percent-encoded.
    pub target: String,
    /// JSON, or empty.
    pub body: Vec<u8>,
    /// `application/json` where there is a body.
    pub content_type: Option<&'static str>,
}

impl Catalogue {
    /// Builds the request for an action: the one that the gateway reads back as exactly this action and these
    /// arguments. `null` stands for an optional argument left out. Errs, naming the argument, if one is missing,
    /// unknown or of the wrong type.
    pub fn request_for(
        &self,
        action: &str,
        args: &BTreeMap<String, Json>,
    ) -> Result<PlainRequest, CatalogueError> {
        let operation = self.operation(action).ok_or_else(|| self.unknown_action(action))?;
        let template = self.template_of(action).unwrap_or_default();
        if let Some(name) = args.keys().find(|name| !operation.arguments.iter().any(|a| a.name == **name)) {
            return Err(unknown_argument(action, name, &operation.arguments));
        }
        let mut texts = BTreeMap::new();
        let mut query = String::new();
        let mut body = BTreeMap::new();
        for argument in &operation.arguments {
            let name = &argument.name;
            let value = match args.get(name) {
                None | Some(Json::Null) if argument.required => {
                    let kind = argument.kind.as_str();
                    return Err(CatalogueError(format!("`{action}` needs the argument `{name}` ({kind})")));
                }
                None | Some(Json::Null) => continue,
                Some(value) => value,
            };
            let wrong = || wrong_type(argument);
            match argument.place {
                Place::Path => {
                    let text =
                        write_text(argument.kind, value).filter(|text| is_segment(text)).ok_or_else(wrong)?;
                    texts.insert(name.as_str(), text);
                }
                Place::Query => {
                    query.push(if query.is_empty() { '?' } else { '&' });
                    percent_encode(name, &mut query);
                    query.push('=');
                    percent_encode(&write_text(argument.kind, value).ok_or_else(wrong)?, &mut query);
                }
                Place::Body if has_type(argument.kind, value) => {
                    body.insert(name.clone(), value.clone());
                }
                Place::Body => return Err(wrong()),
            }
        }
        let mut target = String::new();
        for segment in template {
            target.push('/');
            match segment {
                Segment::Literal(literal) => target.push_str(literal),
                Segment::Parameter(name) => {
                    percent_encode(texts.get(name.as_str()).map_or("", |t| t), &mut target)
                }
            }
        }
        if target.is_empty() {
            target.push('/');
        }
        target.push_str(&query);
        let has_body = operation.arguments.iter().any(|argument| argument.place == Place::Body);
        let (body, content_type) = if has_body {
            (Json::Object(body).to_bytes(), Some("application/json"))
        } else {
            (Vec::new(), None)
        };
        Ok(PlainRequest { method: operation.method.clone(), target, body, content_type })
    }

    /// Reads the text that a person typed for an argument, as its type says: objects and arrays as JSON. Errs, naming
    /// the argument and its type.
    pub fn read_argument(&self, action: &str, name: &str, text: &str) -> Result<Json, CatalogueError> {
        let operation = self.operation(action).ok_or_else(|| self.unknown_action(action))?;
        let argument = operation.arguments.iter().find(|argument| argument.name == name);
        let argument = argument.ok_or_else(|| unknown_argument(action, name, &operation.arguments))?;
        let value = match argument.kind {
            ArgumentType::Object | ArgumentType::Array => {
                Json::parse(text.as_bytes()).ok().filter(|value| has_type(argument.kind, value))
            }
            kind => read_text(kind, text),
        };
        value.ok_or_else(|| wrong_type(argument))
    }

    fn unknown_action(&self, action: &str) -> CatalogueError {
        use killick_proof::grammar::ActionSchemas as _;
        let near = self.actions().into_iter().min_by_key(|known| distance(known, action));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        CatalogueError(format!("there is no action `{action}`{hint}"))
    }
}

fn is_segment(text: &str) -> bool {
    !text.is_empty()
        && text != "."
        && text != ".."
        && !text.contains(['/', '\\'])
        && !text.chars().any(char::is_control)
}

fn wrong_type(argument: &Argument) -> CatalogueError {
    let place = match argument.place {
        Place::Path => " that can stand in a path",
        Place::Query | Place::Body => "",
    };
    CatalogueError(format!(
        "the argument `{}` must be of type {}{place}",
        argument.name,
        argument.kind.as_str()
    ))
}

fn unknown_argument(action: &str, name: &str, arguments: &[Argument]) -> CatalogueError {
    let names: Vec<String> = arguments.iter().map(|argument| format!("`{}`", argument.name)).collect();
    let listed = if names.is_empty() { "no arguments".to_owned() } else { names.join(", ") };
    CatalogueError(format!("`{action}` has no argument `{name}`; it has {listed}"))
}

/// The edit distance (Levenshtein) of two short texts.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (count, from) in left.chars().take(64).enumerate() {
        let mut next = vec![count + 1];
        for ((to, above), diagonal) in right.iter().zip(row.iter().skip(1)).zip(&row) {
            let before = next.last().copied().unwrap_or(0);
            next.push((diagonal + usize::from(from != *to)).min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
