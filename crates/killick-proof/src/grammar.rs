//! The syntax that people write on a whiteboard:
//! `read:invoices; create:payment-draft(amount <= 500, currency in {EUR, USD}); execute:none; deny cancel:shipment`.
//! The grammar is in `docs/spec/grant-syntax.md`.
//!
//! ```
//! use killick_proof::grammar::Grant;
//!
//! let grant = Grant::parse("create:payment-draft(amount<=500,currency in{EUR,USD}); execute:none")?;
//! assert_eq!(grant.to_string(), "create:payment-draft(amount <= 500, currency in {EUR, USD}); execute:none");
//! assert_eq!(Grant::parse("read:invoices(limit = 5)").unwrap_err().suggestion.as_deref(), Some("=="));
//! # Ok::<(), killick_proof::grammar::GrammarError>(())
//! ```

mod compile;
mod parse;
mod print;
mod suggest;

use std::collections::BTreeMap;
use std::fmt;

use crate::token::{ConstraintMap, Tools};

pub use self::print::describe;
pub(crate) use self::print::print_argument;

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
    /// Parses `verb:resource`, either of which may be `*`: otherwise ASCII letters, digits, `-`, `_`, `.`, beginning with
    /// a letter. Errs at the column of the fault; also for the resource `none`, which would deny nothing.
    pub fn parse(text: &str) -> Result<Self, GrammarError> {
        let fail = |column: usize, message: &str, suggestion: Option<String>| {
            Err(GrammarError { column, message: message.to_owned(), suggestion })
        };
        let Some((verb, resource)) = text.split_once(':') else {
            return fail(1, "an action is written `verb:resource`", suggest::near(text, &["deny"]));
        };
        if !is_part(verb) {
            return fail(1, "the verb of an action is a word or `*`", None);
        }
        if !is_part(resource) {
            return fail(verb.chars().count() + 2, "the resource of an action is a word or `*`", None);
        }
        if resource == "none" {
            return fail(verb.chars().count() + 2, "`none` is no resource here", Some(format!("{verb}:*")));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether the action matches. Actions are compared byte by byte (AAT draft section 3.3.1); an action without a
    /// colon matches nothing but `*:*`.
    pub fn matches(&self, action: &str) -> bool {
        let (verb, resource) = self.parts();
        let part_matches = |pattern: &str, part: &str| pattern == "*" || pattern == part;
        match action.split_once(':') {
            Some((its_verb, its_resource)) => {
                part_matches(verb, its_verb) && part_matches(resource, its_resource)
            }
            None => verb == "*" && resource == "*",
        }
    }

    /// Whether it names one action.
    pub fn is_literal(&self) -> bool {
        let (verb, resource) = self.parts();
        verb != "*" && resource != "*"
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once(':').unwrap_or((&self.0, ""))
    }
}

impl fmt::Display for ActionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_part(part: &str) -> bool {
    part == "*"
        || (part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')))
}

/// A capability bundle that a grant names instead of spelling it out: `@invoice-reader`, or one version of it,
/// `@invoice-reader/3`. Whoever keeps the bundles says what it stands for: [`Grant::unfold`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BundleRef {
    /// Its name: ASCII letters, digits, `-`, `_`, `.`, beginning with a letter.
    pub name: String,
    /// The version, from 1 on; the newest if none is named.
    pub version: Option<u64>,
}

impl BundleRef {
    /// Whether a bundle may have this name.
    pub fn is_name(text: &str) -> bool {
        text != "*" && is_part(text)
    }
}

/// What a capability bundle stands for; or why there is none, and a near name.
pub type FindBundle<'a> = dyn Fn(&BundleRef) -> Result<Grant, (String, Option<String>)> + 'a;

impl fmt::Display for BundleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "@{}/{version}", self.name),
            None => write!(f, "@{}", self.name),
        }
    }
}

/// A parsed grant: statements in order, not yet resolved against a catalogue.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Capability bundles, by name.
    pub bundles: Vec<BundleRef>,
    /// Permits: pattern and its argument constraints as written.
    pub permits: Vec<(ActionPattern, ConstraintMap)>,
    /// Explicit denies.
    pub denies: Vec<ActionPattern>,
    columns: Columns,
}

/// Where in the text the statements stood, so that the compiler too can point at them.
#[derive(Clone, Debug, Default)]
struct Columns {
    bundles: Vec<usize>,
    permits: Vec<(usize, BTreeMap<String, usize>)>,
    denies: Vec<usize>,
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
    /// A grant that was not read from text.
    pub fn new(permits: Vec<(ActionPattern, ConstraintMap)>, denies: Vec<ActionPattern>) -> Self {
        Self { bundles: Vec::new(), permits, denies, columns: Columns::default() }
    }

    /// Parses the human syntax.
    pub fn parse(text: &str) -> Result<Grant, GrammarError> {
        parse::grant(text)
    }

    /// Puts what each capability bundle stands for in the place of its name. `find` gives it, or says why there is none.
    /// Errs at the column of the name; also if a bundle names another one, or grants what is granted already, but otherwise.
    pub fn unfold(mut self, find: &FindBundle<'_>) -> Result<Grant, GrammarError> {
        for (index, bundle) in std::mem::take(&mut self.bundles).iter().enumerate() {
            let column = self.columns.bundles.get(index).copied().unwrap_or(1);
            let fail = |(message, suggestion)| GrammarError { column, message, suggestion };
            let found = find(bundle).map_err(fail)?;
            if let Some(inner) = found.bundles.first() {
                return Err(fail((format!("`{bundle}` names `{inner}`: a bundle holds no other"), None)));
            }
            for (pattern, map) in found.permits {
                match self.permits.iter().find(|(known, _)| *known == pattern) {
                    None => {
                        self.permits.push((pattern, map));
                        self.columns.permits.push((column, BTreeMap::new()));
                    }
                    Some((_, known)) if *known == map => {}
                    Some(_) => {
                        let message =
                            format!("`{bundle}` grants `{pattern}`, which is granted otherwise too");
                        return Err(fail((message, None)));
                    }
                }
            }
            for deny in found.denies {
                if !self.denies.contains(&deny) {
                    self.denies.push(deny);
                    self.columns.denies.push(column);
                }
            }
        }
        Ok(self)
    }

    /// Resolves patterns against the catalogue and closes every constraint map over the action's arguments: unnamed
    /// required ones become `wildcard`, unnamed optional ones `exact null`. A pattern that grants what is denied
    /// leaves the denied action out; a literal action that is also denied is an error. A literal permit counts before a
    /// pattern that matches the same action.
    pub fn compile(&self, catalogue: &dyn ActionSchemas) -> Result<Compiled, GrammarError> {
        compile::compile(self, catalogue)
    }
}

impl PartialEq for Grant {
    /// What is granted and denied; not where it stood in the text.
    fn eq(&self, other: &Self) -> bool {
        self.bundles == other.bundles && self.permits == other.permits && self.denies == other.denies
    }
}

impl Eq for Grant {}

impl fmt::Display for Grant {
    /// The canonical spelling; parses back to an equal grant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print::grant(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_by_part() {
        for (pattern, matching, others) in [
            ("execute:*", vec!["execute:payments"], vec!["Execute:payments", "executes:x", "execute"]),
            (
                "*:payments",
                vec!["execute:payments", "read:payments"],
                vec!["read:payments2", "read:invoices"],
            ),
            ("cancel:shipment", vec!["cancel:shipment"], vec!["cancel:shipments", "cancel:shipment "]),
            ("*:*", vec!["a:b", "anything"], vec![]),
        ] {
            let pattern = ActionPattern::parse(pattern).unwrap();
            assert!(matching.iter().all(|action| pattern.matches(action)), "{pattern}");
            assert!(!others.iter().any(|action| pattern.matches(action)), "{pattern}");
        }
    }

    #[test]
    fn bundles_are_unfolded_in_the_place_of_their_names() {
        let find = |bundle: &BundleRef| match (bundle.name.as_str(), bundle.version) {
            ("reader", None | Some(2)) => {
                Ok(Grant::parse("read:invoices(limit? <= 5); execute:none").unwrap())
            }
            ("nested", _) => Ok(Grant::parse("@reader").unwrap()),
            _ => Err((format!("there is no `{bundle}`"), Some("@reader".to_owned()))),
        };
        let unfold = |text: &str| Grant::parse(text).unwrap().unfold(&find);
        for (text, unfolded) in [
            ("@reader", "read:invoices(limit? <= 5); execute:none"),
            ("@reader/2; read:orders", "read:orders; read:invoices(limit? <= 5); execute:none"),
            ("execute:none; @reader; read:invoices(limit? <= 5)", "read:invoices(limit? <= 5); execute:none"),
        ] {
            assert_eq!(unfold(text).unwrap().to_string(), unfolded, "{text}");
        }
        for (text, column, word) in [
            ("read:orders; @raeder", 14, "no `@raeder`"),
            ("@reader/1", 1, "no `@reader/1`"),
            ("@nested", 1, "holds no other"),
            ("read:invoices; @reader", 16, "otherwise too"),
        ] {
            let error = unfold(text).unwrap_err();
            assert_eq!(error.column, column, "{text}: {error}");
            assert!(error.message.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_bundle_is_named_in_one_way() {
        for text in ["@a", "@a/1", "@a.b-c_D/18446744073709551615", "@a; @b; read:x"] {
            assert_eq!(Grant::parse(text).unwrap().to_string(), text);
        }
        for (text, column) in [
            ("@", 2),
            ("@1a", 2),
            ("@a:b", 2),
            ("@*", 2),
            ("@a/", 4),
            ("@a/0", 4),
            ("@a/01", 4),
            ("@a/x", 4),
            ("@a/18446744073709551616", 4),
            ("@a(limit)", 3),
            ("@a; @a/2", 5),
            ("deny @a", 6),
        ] {
            assert_eq!(Grant::parse(text).unwrap_err().column, column, "{text}");
        }
    }

    #[test]
    fn patterns_are_words_or_a_star() {
        for text in [
            "",
            "read",
            "read:",
            ":x",
            "read:a b",
            "re*:x",
            "read:inv*",
            "1read:x",
            "read:a:b",
            "read:none",
            "réad:x",
        ] {
            assert!(ActionPattern::parse(text).is_err(), "{text:?}");
        }
    }
}
