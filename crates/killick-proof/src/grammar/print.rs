//! Grants and tokens in the human syntax.

mod extension;

use super::{ActionPattern, Grant};
use crate::constraint::{Constraint, Range};
use crate::json::Json;
use crate::token::{ConstraintMap, Tools};

/// Words that are values of their own, so that a string of the same letters needs its quotes.
const VALUE_WORDS: [&str; 3] = ["true", "false", "null"];

/// A token's tools and denies in the human syntax, constraints that the compiler filled in left out. `nothing` if there
/// are neither.
pub fn describe(tools: &Tools, deny: &[ActionPattern]) -> String {
    let permits = tools.iter().map(|(tool, map)| {
        let written: ConstraintMap = map
            .iter()
            .filter(|(_, constraint)| !is_filled_in(constraint))
            .map(|(argument, constraint)| (argument.clone(), constraint.clone()))
            .collect();
        let name = if ActionPattern::parse(tool).is_ok() { tool.clone() } else { quoted(tool) };
        permit(&name, &written)
    });
    let statements: Vec<String> = permits.chain(deny.iter().map(print_deny)).collect();
    if statements.is_empty() { "nothing".to_owned() } else { statements.join("; ") }
}

pub(super) fn grant(grant: &Grant) -> String {
    let bundles = grant.bundles.iter().map(ToString::to_string);
    let permits = grant.permits.iter().map(|(pattern, map)| permit(pattern.as_str(), map));
    bundles.chain(permits).chain(grant.denies.iter().map(print_deny)).collect::<Vec<_>>().join("; ")
}

/// `amount <= 500`, `cc?`, `memo`.
pub(crate) fn print_argument(argument: &str, constraint: &Constraint) -> String {
    let name = name(argument);
    match constraint {
        Constraint::Wildcard => name,
        Constraint::Any(clauses) => match clauses.as_slice() {
            [Constraint::Exact(Json::Null), Constraint::Wildcard] => format!("{name}?"),
            [Constraint::Exact(Json::Null), rest] => format!("{name}? {}", test(rest)),
            _ => format!("{name} {}", test(constraint)),
        },
        _ => format!("{name} {}", test(constraint)),
    }
}

/// Whether a bare word means this argument or this string.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !text.contains("..")
}

/// What the compiler writes for an argument that the text does not name, and the form of it that stands below an `any`.
fn is_filled_in(constraint: &Constraint) -> bool {
    match constraint {
        Constraint::Wildcard | Constraint::Exact(Json::Null) => true,
        Constraint::Any(clauses) => matches!(clauses.as_slice(), [Constraint::Exact(Json::Null)]),
        _ => false,
    }
}

fn permit(name: &str, map: &ConstraintMap) -> String {
    if map.is_empty() {
        return name.to_owned();
    }
    let arguments: Vec<String> =
        map.iter().map(|(name, constraint)| print_argument(name, constraint)).collect();
    format!("{name}({})", arguments.join(", "))
}

fn print_deny(pattern: &ActionPattern) -> String {
    match pattern.as_str().strip_suffix(":*") {
        Some(verb) => format!("{verb}:none"),
        None => format!("deny {pattern}"),
    }
}

fn test(constraint: &Constraint) -> String {
    match constraint {
        Constraint::Exact(exact) => format!("== {}", value(exact)),
        Constraint::Range(range) => print_range(range),
        Constraint::OneOf(values) => format!("in {}", set(values)),
        Constraint::NotOneOf(values) => format!("not in {}", set(values)),
        Constraint::Contains(values) => format!("has {}", set(values)),
        Constraint::Subset(values) => format!("within {}", set(values)),
        Constraint::Wildcard => "== *".to_owned(),
        Constraint::All(clauses) => match clauses.as_slice() {
            [] => "== *".to_owned(),
            [only] => test(only),
            _ => joined(clauses, " and ", |clause| {
                matches!(clause, Constraint::All(_) | Constraint::Any(_)) || is_comparison(clause)
            }),
        },
        Constraint::Any(clauses) => match clauses.as_slice() {
            [] => "in {}".to_owned(),
            [only] => test(only),
            _ => joined(clauses, " or ", |clause| matches!(clause, Constraint::Any(_))),
        },
        Constraint::Extension(extension) => extension::test(extension),
    }
}

fn joined(clauses: &[Constraint], word: &str, in_brackets: impl Fn(&Constraint) -> bool) -> String {
    let print = |clause: &Constraint| {
        if in_brackets(clause) { format!("({})", test(clause)) } else { test(clause) }
    };
    clauses.iter().map(print).collect::<Vec<_>>().join(word)
}

/// Two of these without brackets would be read as the two ends of one range.
fn is_comparison(clause: &Constraint) -> bool {
    let Constraint::Range(range) = clause else { return false };
    !print_range(range).starts_with("in ")
}

fn print_range(range: &Range) -> String {
    let low = |strict: bool| if strict { ">" } else { ">=" };
    let high = |strict: bool| if strict { "<" } else { "<=" };
    match (&range.min, &range.max) {
        (None, None) => "number".to_owned(),
        (Some(min), None) => format!("{} {min}", low(range.min_exclusive)),
        (None, Some(max)) => format!("{} {max}", high(range.max_exclusive)),
        (Some(min), Some(max)) if !range.min_exclusive && !range.max_exclusive => format!("in {min}..{max}"),
        (Some(min), Some(max)) => {
            format!("{} {min} and {} {max}", low(range.min_exclusive), high(range.max_exclusive))
        }
    }
}

fn set(values: &[Json]) -> String {
    format!("{{{}}}", values.iter().map(value).collect::<Vec<_>>().join(", "))
}

fn value(json: &Json) -> String {
    match json {
        Json::String(text) if is_name(text) && !VALUE_WORDS.contains(&text.as_str()) => text.clone(),
        other => other.to_text(),
    }
}

fn name(text: &str) -> String {
    if is_name(text) { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    Json::from(text).to_text()
}
