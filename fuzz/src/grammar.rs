//! The grant syntax: what is read is printed and read back the same; an error points into the text; what is compiled is
//! closed over the catalogue and never grants what it denies.

use killick_proof::constraint::Constraint;
use killick_proof::grammar::{ActionPattern, ActionSchemas, ArgumentSchema, Compiled, Grant, describe};

/// A small catalogue: `name` required, `name?` optional.
struct Catalogue;

const ACTIONS: [(&str, &[&str]); 5] = [
    ("read:invoices", &["limit?", "status?"]),
    ("read:health", &[]),
    ("create:payment-draft", &["amount", "currency", "iban", "memo?"]),
    ("execute:payments", &["draft"]),
    ("cancel:shipment", &["id"]),
];

impl ActionSchemas for Catalogue {
    fn actions(&self) -> Vec<String> {
        ACTIONS.iter().map(|(action, _)| (*action).to_owned()).collect()
    }

    fn arguments(&self, action: &str) -> Option<Vec<ArgumentSchema>> {
        let (_, names) = ACTIONS.iter().find(|(name, _)| *name == action)?;
        let schema = |name: &&str| ArgumentSchema {
            name: name.trim_end_matches('?').to_owned(),
            required: !name.ends_with('?'),
        };
        Some(names.iter().map(schema).collect())
    }
}

/// Any text.
pub fn run(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let columns = text.chars().count() + 1;
    if let Err(error) = ActionPattern::parse(text) {
        assert!((1..=columns).contains(&error.column), "{error}");
    }
    let grant = match Grant::parse(text) {
        Ok(grant) => grant,
        Err(error) => {
            assert!((1..=columns).contains(&error.column), "{error}");
            return false;
        }
    };
    let printed = grant.to_string();
    let again = Grant::parse(&printed).unwrap_or_else(|error| panic!("{printed:?}: {error}"));
    assert_eq!(again, grant, "printed and read back: {printed:?}");
    assert_eq!(again.to_string(), printed, "one spelling");

    let compiled = match grant.compile(&Catalogue) {
        Ok(compiled) => compiled,
        Err(error) => {
            assert!((1..=columns).contains(&error.column), "{error}");
            assert!(again.compile(&Catalogue).is_err(), "one meaning, one verdict");
            return true;
        }
    };
    assert_eq!(again.compile(&Catalogue).as_ref(), Ok(&compiled), "one meaning");
    for (tool, map) in &compiled.tools {
        let mut names: Vec<String> = Catalogue
            .arguments(tool)
            .expect("in the catalogue")
            .into_iter()
            .map(|schema| schema.name)
            .collect();
        names.sort();
        assert_eq!(map.keys().cloned().collect::<Vec<_>>(), names, "closed over the catalogue");
        assert!(!compiled.deny.iter().any(|deny| deny.matches(tool)), "nothing denied is granted");
    }
    describes_no_more(&compiled);
    true
}

/// A description leaves out what the compiler fills in, and never says more than is granted.
fn describes_no_more(compiled: &Compiled) {
    if compiled.tools.is_empty() && compiled.deny.is_empty() {
        return;
    }
    let described = describe(&compiled.tools, &compiled.deny);
    let said = Grant::parse(&described).unwrap_or_else(|error| panic!("{described:?}: {error}"));
    let said = said.compile(&Catalogue).unwrap_or_else(|error| panic!("{described:?}: {error}"));
    assert_eq!(said.deny, compiled.deny, "{described}");
    assert_eq!(said.tools.len(), compiled.tools.len(), "{described}");
    for (tool, map) in &said.tools {
        for (name, constraint) in map {
            let granted = &compiled.tools[tool][name];
            assert!(constraint == granted || granted == &Constraint::Wildcard, "{tool} {name}: {described}");
        }
    }
}
