//! The syntax that people write on a whiteboard:
//! `read:invoices; create:payment-draft(amount <= 500, currency in {EUR, USD}); execute:none; deny cancel:shipment`.
//! The grammar is in `docs/spec/grant-syntax.md`.

use std::fmt;

use crate::token::{ConstraintMap, Tools};

/// One argument of an action, as the catalogue declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentSchema {
    /// Its name.
    pub name: String,
    /// Whether a call must have it.
    pub required: bool,
}

/// What the compiler needs of a catalogue: the actions that exist and their arguments.
pub trait ActionSchemas {
    /// Every action, e.g. `read:invoices`.
    fn actions(&self) -> Vec<String>;
    /// The arguments of an action; `None` if there is no such action.
    fn arguments(&self, action: &str) -> Option<Vec<ArgumentSchema>>;
}

/// A pattern over actions: `execute:*`, `*:payments`, `cancel:shipment`, `*:*`. `none` is written `execute:none` and
/// means the deny `execute:*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionPattern(String);

impl ActionPattern {
    /// Parses `verb:resource`, either of which may be `*`.
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        todo!("{text}")
    }

    /// Whether the action matches.
    pub fn matches(&self, action: &str) -> bool {
        todo!("{action}")
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A parsed grant: statements in order, not yet resolved against a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Permits: pattern and its argument constraints as written.
    pub permits: Vec<(ActionPattern, ConstraintMap)>,
    /// Explicit denies.
    pub denies: Vec<ActionPattern>,
}

/// What was resolved: the tools map and the explicit denies of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Tools, closed over the catalogue.
    pub tools: Tools,
    /// Denies, kept as patterns.
    pub deny: Vec<ActionPattern>,
}

/// Where the text is wrong and what would mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}{}", .suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
pub struct GrammarError {
    /// 1-based column, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// A near correct spelling.
    pub suggestion: Option<String>,
}

impl Grant {
    /// Parses the human syntax.
    pub fn parse(text: &str) -> Result<Grant, GrammarError> {
        todo!("{text}")
    }

    /// Resolves patterns against the catalogue and closes every constraint map over the action's arguments: unnamed
    /// required ones become `wildcard`, unnamed optional ones `exact null`. A pattern that grants what is denied
    /// leaves the denied action out; a literal action that is also denied is an error.
    pub fn compile(&self, catalogue: &dyn ActionSchemas) -> Result<Compiled, GrammarError> {
        let _ = catalogue;
        todo!()
    }
}

impl fmt::Display for Grant {
    /// The canonical spelling; parses back to an equal grant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        todo!()
    }
}

/// A token's tools and denies in the human syntax, constraints that the compiler filled in left out.
pub fn describe(tools: &Tools, deny: &[ActionPattern]) -> String {
    todo!("{tools:?}{deny:?}")
}
