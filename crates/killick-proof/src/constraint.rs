//! Argument constraints: what a value must satisfy, and when one constraint is at least as narrow as another
//! (AAT draft sections 3.4 and 4.5), the extension types of `docs/spec/constraints.md` included (section 3.5).
//!
//! Equality of values is one typed equality, the same in `check` and in `subsumes`: numbers by exact value (`1`, `1.0`
//! and `1e0` are one number), strings by their characters without any normalisation, nothing across types.

mod cidr;
mod currency_amount;
mod extension;
mod fields;
mod iban;
mod members;
mod path;
mod pattern;
mod subsume;
mod time_window;
mod url;

pub(crate) use self::cidr::Network;
pub(crate) use self::currency_amount::{Currency, Limits};
pub use self::extension::Extension;
pub(crate) use self::time_window::{Hours, Instant};
pub use self::{
    cidr::Cidr, currency_amount::CurrencyAmount, fields::Fields, iban::Iban, path::Path, pattern::Pattern,
    time_window::TimeWindow, url::Url,
};
use crate::json::{Json, Number, View};
use crate::limits::{CONSTRAINT_CLAUSES_MAX, CONSTRAINT_DEPTH_MAX};
use crate::refusal::{Code, Refusal};
use crate::token::claims::shown;

/// One argument constraint (AAT draft section 3.4, table 2, and section 3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// The argument equals this scalar.
    Exact(Json),
    /// The argument is a number within the bounds.
    Range(Range),
    /// The argument is one of these values.
    OneOf(Vec<Json>),
    /// The argument is none of these values.
    NotOneOf(Vec<Json>),
    /// The argument is an array that has all of these.
    Contains(Vec<Json>),
    /// The argument is an array with no element but these.
    Subset(Vec<Json>),
    /// Any value.
    Wildcard,
    /// All of these hold.
    All(Vec<Constraint>),
    /// At least one of these holds.
    Any(Vec<Constraint>),
    /// What one of the extension types asks for.
    Extension(Extension),
}

/// Bounds of a number; an absent bound does not bind.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Range {
    /// The lower bound.
    pub min: Option<Number>,
    /// The upper bound.
    pub max: Option<Number>,
    /// Whether `min` itself is ruled out.
    pub min_exclusive: bool,
    /// Whether `max` itself is ruled out.
    pub max_exclusive: bool,
}

impl Range {
    /// Whether the number lies within the bounds.
    pub fn contains(&self, number: &Number) -> bool {
        let above =
            self.min.as_ref().is_none_or(|min| number > min || (!self.min_exclusive && number == min));
        let below =
            self.max.as_ref().is_none_or(|max| number < max || (!self.max_exclusive && number == max));
        above && below
    }
}

impl Constraint {
    /// Reads the JSON form. Errs with `constraint.unknown` (a type that is neither one of the nine nor of our
    /// extensions, or none: the draft's section 8.8 asks for a denial; also an extension with a member that it does not
    /// define), `constraint.depth`, `limit.size` (more than 1,024 clauses or values) or `token.claims` (a known type
    /// with a missing or wrong member).
    pub fn from_json(json: &Json) -> Result<Self, Refusal> {
        Self::read(&View::from(json))
    }

    pub(crate) fn read(json: &View<'_>) -> Result<Self, Refusal> {
        read(json, 1)
    }

    /// The JSON form.
    pub fn to_json(&self) -> Json {
        let (kind, members) = match self {
            Constraint::Exact(value) => ("exact", vec![("value", value.clone())]),
            Constraint::Range(range) => ("range", range_members(range)),
            Constraint::OneOf(values) => ("one_of", vec![("values", Json::Array(values.clone()))]),
            Constraint::NotOneOf(values) => ("not_one_of", vec![("excluded", Json::Array(values.clone()))]),
            Constraint::Contains(values) => ("contains", vec![("required", Json::Array(values.clone()))]),
            Constraint::Subset(values) => ("subset", vec![("allowed", Json::Array(values.clone()))]),
            Constraint::Wildcard => ("wildcard", vec![]),
            Constraint::All(clauses) => ("all", vec![("constraints", clauses_to_json(clauses))]),
            Constraint::Any(clauses) => ("any", vec![("constraints", clauses_to_json(clauses))]),
            Constraint::Extension(extension) => (extension.kind(), extension.members()),
        };
        Json::object(members.into_iter().chain([("constraint_type", Json::from(kind))]))
    }

    /// Whether the value satisfies this constraint (the draft's `check`, section 3.4).
    pub fn check(&self, value: &Json) -> bool {
        match self {
            Constraint::Exact(exact) => value == exact,
            Constraint::Range(range) => value.as_number().is_some_and(|number| range.contains(number)),
            Constraint::OneOf(values) => values.contains(value),
            Constraint::NotOneOf(excluded) => !excluded.contains(value),
            Constraint::Contains(required) => {
                value.as_array().is_some_and(|items| subsume::is_subset(required, items))
            }
            Constraint::Subset(allowed) => {
                value.as_array().is_some_and(|items| subsume::is_subset(items, allowed))
            }
            Constraint::Wildcard => true,
            Constraint::All(clauses) => clauses.iter().all(|clause| clause.check(value)),
            Constraint::Any(clauses) => clauses.iter().any(|clause| clause.check(value)),
            Constraint::Extension(extension) => extension.check(value),
        }
    }

    /// Whether every value that satisfies `self` also satisfies `parent`, by the closed list of pairs of the draft's
    /// section 4.5 and of the extensions' registrations: sound, and `false` for every pair that the lists do not name.
    /// Time is polynomial: `all` is matched by maximum matching.
    pub fn subsumes(&self, parent: &Constraint) -> bool {
        subsume::subsumes(self, parent)
    }

    /// The constraint on `argument` in the human syntax, e.g. `amount <= 500`; see [`crate::grammar`].
    pub fn to_human(&self, argument: &str) -> String {
        crate::grammar::print_argument(argument, self)
    }
}

fn range_members(range: &Range) -> Vec<(&'static str, Json)> {
    let mut members = Vec::new();
    if let Some(min) = &range.min {
        members.push(("min", Json::Number(min.clone())));
        members.extend(range.min_exclusive.then_some(("min_inclusive", Json::Bool(false))));
    }
    if let Some(max) = &range.max {
        members.push(("max", Json::Number(max.clone())));
        members.extend(range.max_exclusive.then_some(("max_inclusive", Json::Bool(false))));
    }
    members
}

fn clauses_to_json(clauses: &[Constraint]) -> Json {
    Json::Array(clauses.iter().map(Constraint::to_json).collect())
}

fn read(json: &View<'_>, depth: usize) -> Result<Constraint, Refusal> {
    // AAT draft section 7 steps 3n and 4o: the bound holds before anything else of the constraint counts.
    if depth > CONSTRAINT_DEPTH_MAX {
        let why = format!("a constraint is nested deeper than {CONSTRAINT_DEPTH_MAX}");
        return Err(Refusal::new(Code::ConstraintDepth, why));
    }
    let Some(kind) = json.get("constraint_type").and_then(View::as_str) else {
        return Err(Refusal::new(Code::ConstraintUnknown, "a constraint names no `constraint_type`"));
    };
    Ok(match kind {
        "exact" => Constraint::Exact(scalar(json)?),
        "range" => Constraint::Range(read_range(json)?),
        "one_of" => Constraint::OneOf(values(json, "values")?),
        "not_one_of" => Constraint::NotOneOf(values(json, "excluded")?),
        "contains" => Constraint::Contains(values(json, "required")?),
        "subset" => Constraint::Subset(values(json, "allowed")?),
        "wildcard" => Constraint::Wildcard,
        "all" => Constraint::All(clauses(json, depth)?),
        "any" => {
            let clauses = clauses(json, depth)?;
            // AAT draft section 4.5: an `any` has at least one clause.
            if clauses.is_empty() {
                return malformed("an `any` constraint has no clause");
            }
            Constraint::Any(clauses)
        }
        _ => match Extension::read(kind, json) {
            Some(extension) => Constraint::Extension(extension?),
            None => {
                let why = format!("constraint type `{}` is not known", shown(kind));
                return Err(Refusal::new(Code::ConstraintUnknown, why));
            }
        },
    })
}

fn scalar(json: &View<'_>) -> Result<Json, Refusal> {
    match json.get("value") {
        None => malformed("an `exact` constraint has no `value`"),
        Some(View::Array(_) | View::Object(_)) => {
            malformed("the `value` of an `exact` constraint is no scalar")
        }
        Some(value) => Ok(value.to_json()),
    }
}

fn read_range(json: &View<'_>) -> Result<Range, Refusal> {
    let bound = |name: &str| match json.get(name) {
        None => Ok(None),
        Some(bound) => match bound.as_number() {
            Some(number) => Ok(Some(number)),
            // A `null` must not read as "unbounded".
            None => malformed(format!("the `{name}` of a `range` constraint is no number")),
        },
    };
    let exclusive = |name: &str| match json.get(name) {
        None => Ok(false),
        Some(View::Bool(inclusive)) => Ok(!inclusive),
        Some(_) => malformed(format!("the `{name}` of a `range` constraint is no boolean")),
    };
    let (min, max) = (bound("min")?, bound("max")?);
    // The inclusivity of a bound that is not there says nothing; dropping it keeps one form for one meaning.
    Ok(Range {
        min_exclusive: exclusive("min_inclusive")? && min.is_some(),
        max_exclusive: exclusive("max_inclusive")? && max.is_some(),
        min,
        max,
    })
}

fn values(json: &View<'_>, member: &str) -> Result<Vec<Json>, Refusal> {
    let Some(items) = json.get(member).and_then(View::as_array) else {
        return malformed(format!("a constraint lacks its array `{member}`"));
    };
    bounded(items.len())?;
    Ok(items.iter().map(View::to_json).collect())
}

fn clauses(json: &View<'_>, depth: usize) -> Result<Vec<Constraint>, Refusal> {
    let Some(items) = json.get("constraints").and_then(View::as_array) else {
        return malformed("a constraint lacks its array `constraints`");
    };
    bounded(items.len())?;
    items.iter().map(|item| read(item, depth + 1)).collect()
}

fn bounded(count: usize) -> Result<(), Refusal> {
    if count <= CONSTRAINT_CLAUSES_MAX {
        return Ok(());
    }
    let why = format!("a constraint has more than {CONSTRAINT_CLAUSES_MAX} values or clauses");
    Err(Refusal::new(Code::LimitSize, why))
}

fn malformed<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(Code::TokenClaims, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraint(text: &str) -> Constraint {
        Constraint::from_json(&Json::parse(text.as_bytes()).unwrap()).unwrap()
    }

    fn code(text: &str) -> Code {
        Constraint::from_json(&Json::parse_bounded(text.as_bytes(), 128).unwrap()).unwrap_err().code()
    }

    fn value(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn every_type_is_read_written_and_checked() {
        for (text, holds, fails) in [
            (
                r#"{"constraint_type":"exact","value":1}"#,
                vec!["1", "1.0", "1e0"],
                vec!["\"1\"", "true", "[1]", "2"],
            ),
            (r#"{"constraint_type":"exact","value":null}"#, vec!["null"], vec!["false", "0", "\"\""]),
            (
                r#"{"constraint_type":"range","max":100,"min":0}"#,
                vec!["0", "-0", "100", "99.99999999999999999"],
                vec!["-0.001", "100.0000000000000000001", "1e400", "\"50\"", "null", "true"],
            ),
            (
                r#"{"constraint_type":"range","max":100,"max_inclusive":false}"#,
                vec!["99.99999999999999999", "-1e400"],
                vec!["100", "1e2"],
            ),
            (r#"{"constraint_type":"range"}"#, vec!["1e999"], vec!["\"1\"", "null"]),
            (
                r#"{"constraint_type":"one_of","values":["a",1,[2]]}"#,
                vec!["\"a\"", "1.0", "[2.0]"],
                vec!["\"A\"", "2"],
            ),
            (r#"{"constraint_type":"one_of","values":[]}"#, vec![], vec!["null", "[]"]),
            (
                r#"{"constraint_type":"not_one_of","excluded":["x"]}"#,
                vec!["\"y\"", "null", "[\"x\"]"],
                vec!["\"x\""],
            ),
            (
                r#"{"constraint_type":"contains","required":["a"]}"#,
                vec!["[\"b\",\"a\"]"],
                vec!["[]", "\"a\"", "[[\"a\"]]"],
            ),
            (
                r#"{"constraint_type":"subset","allowed":["a","b"]}"#,
                vec!["[]", "[\"a\",\"a\",\"a\"]"],
                vec!["[\"c\"]", "\"a\""],
            ),
            (r#"{"constraint_type":"wildcard"}"#, vec!["null", "{}", "1"], vec![]),
            (
                r#"{"constraint_type":"all","constraints":[{"constraint_type":"range","min":1},{"constraint_type":"not_one_of","excluded":[5]}]}"#,
                vec!["1", "6"],
                vec!["5", "5.0", "0"],
            ),
            (r#"{"constraint_type":"all","constraints":[]}"#, vec!["1", "null"], vec![]),
            (
                r#"{"constraint_type":"any","constraints":[{"constraint_type":"exact","value":null},{"constraint_type":"range","max":2}]}"#,
                vec!["null", "2"],
                vec!["3", "\"\""],
            ),
        ] {
            let read = constraint(text);
            assert_eq!(constraint(&read.to_json().to_text()), read, "{text}");
            for json in holds {
                assert!(read.check(&value(json)), "{text} of {json}");
            }
            for json in fails {
                assert!(!read.check(&value(json)), "{text} of {json}");
            }
        }
    }

    #[test]
    fn malformed_constraints_are_refused() {
        for text in [
            r#"{"constraint_type":"exact"}"#,
            r#"{"constraint_type":"exact","value":[1]}"#,
            r#"{"constraint_type":"range","max":null}"#,
            r#"{"constraint_type":"range","max":"1"}"#,
            r#"{"constraint_type":"range","max_inclusive":0}"#,
            r#"{"constraint_type":"one_of"}"#,
            r#"{"constraint_type":"one_of","values":"a"}"#,
            r#"{"constraint_type":"any","constraints":[]}"#,
            r#"{"constraint_type":"all"}"#,
        ] {
            assert_eq!(code(text), Code::TokenClaims, "{text}");
        }
    }

    #[test]
    fn unknown_types_deny_wherever_they_stand() {
        for text in [
            r#"{"constraint_type":"path_containment","root":"/"}"#,
            r#"{"constraint_type":"Exact","value":1}"#,
            r#"{"constraint_type":1}"#,
            "{}",
            "null",
            r#"{"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"a"},{"constraint_type":"x-new"}]}"#,
        ] {
            assert_eq!(code(text), Code::ConstraintUnknown, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded_exactly() {
        let nested = |depth: usize| {
            let mut text = r#"{"constraint_type":"wildcard"}"#.to_owned();
            for level in 1..depth {
                let kind = if level % 2 == 0 { "all" } else { "any" };
                text = format!(r#"{{"constraint_type":"{kind}","constraints":[{text}]}}"#);
            }
            text
        };
        let deepest = Json::parse_bounded(nested(CONSTRAINT_DEPTH_MAX).as_bytes(), 128).unwrap();
        assert!(Constraint::from_json(&deepest).is_ok());
        assert_eq!(code(&nested(CONSTRAINT_DEPTH_MAX + 1)), Code::ConstraintDepth);
    }
}
