//! Argument constraints: what a value must satisfy, and when one constraint is at least as narrow as another
//! (AAT draft sections 3.4 and 4.5).

use crate::json::{Json, Number};
use crate::refusal::Refusal;

/// One argument constraint (AAT draft section 3.4, table 2).
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
}

/// Bounds of a number; an absent bound does not bind.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Range {
    /// The lower bound.
    pub min: Option<Number>,
    /// The upper bound.
    pub max: Option<Number>,
    /// Whether `min` itself is permitted.
    pub min_exclusive: bool,
    /// Whether `max` itself is permitted.
    pub max_exclusive: bool,
}

impl Constraint {
    /// Reads the JSON form. Errs with `constraint.unknown`, `constraint.depth` or `token.claims`.
    pub fn from_json(json: &Json) -> Result<Self, Refusal> {
        todo!("{json:?}")
    }

    /// The JSON form.
    pub fn to_json(&self) -> Json {
        todo!()
    }

    /// Whether the value satisfies this constraint (the draft's `check`).
    pub fn check(&self, value: &Json) -> bool {
        todo!("{value:?}")
    }

    /// Whether every value that satisfies `self` also satisfies `parent`, by the draft's rules (section 4.5).
    pub fn subsumes(&self, parent: &Constraint) -> bool {
        todo!("{parent:?}")
    }

    /// The constraint in the human syntax, e.g. `<= 500`; see [`crate::grammar`].
    pub fn to_human(&self, argument: &str) -> String {
        todo!("{argument}")
    }
}
