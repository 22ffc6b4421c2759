//! From what people wrote to what a token grants: resolved and closed over the catalogue.

use std::collections::BTreeMap;

use super::{ActionPattern, ActionSchemas, ArgumentSchema, Compiled, GrammarError, Grant, suggest};
use crate::constraint::Constraint;
use crate::json::Json;
use crate::token::{ConstraintMap, Tools};

pub(super) fn compile(grant: &Grant, catalogue: &dyn ActionSchemas) -> Result<Compiled, GrammarError> {
    if let Some(bundle) = grant.bundles.first() {
        let column = grant.columns.bundles.first().copied().unwrap_or(1);
        let message = format!("`{bundle}` is a capability bundle, which only the authority knows");
        return error(column, message, None);
    }
    let actions = catalogue.actions();
    check_denies(grant, &actions)?;
    let mut tools = Tools::new();
    // Literal permits first: what is said of one action counts before what is said of many.
    for (index, (pattern, map)) in literal_first(grant) {
        let column = grant.columns.permit(index);
        let mut matching = actions.iter().filter(|action| pattern.matches(action)).peekable();
        if matching.peek().is_none() {
            return error(
                column,
                format!("no action `{pattern}` in the catalogue"),
                suggest::near(pattern.as_str(), &actions),
            );
        }
        for action in matching {
            if let Some(deny) = grant.denies.iter().find(|deny| deny.matches(action)) {
                if pattern.is_literal() {
                    return error(column, format!("`{action}` is granted, and denied by `{deny}`"), None);
                }
                continue;
            }
            let closed = close(grant, index, action, map, catalogue)?;
            match tools.get(action) {
                None => drop(tools.insert(action.clone(), closed)),
                Some(other) if *other == closed || is_literal_permit(grant, action) => {}
                Some(_) => {
                    let message = format!("`{action}` is granted in two ways, of which this is the second");
                    return error(column, message, None);
                }
            }
        }
    }
    Ok(Compiled { tools, deny: grant.denies.clone() })
}

fn literal_first(grant: &Grant) -> impl Iterator<Item = (usize, &(ActionPattern, ConstraintMap))> {
    let all = || grant.permits.iter().enumerate();
    let literal = all().filter(|(_, (pattern, _))| pattern.is_literal());
    literal.chain(all().filter(|(_, (pattern, _))| !pattern.is_literal()))
}

fn is_literal_permit(grant: &Grant, action: &str) -> bool {
    grant.permits.iter().any(|(pattern, _)| pattern.is_literal() && pattern.as_str() == action)
}

/// A deny may speak of actions that do not exist yet. One that is nearly an action's name is a slip that would deny
/// nothing.
fn check_denies(grant: &Grant, actions: &[String]) -> Result<(), GrammarError> {
    for (index, deny) in grant.denies.iter().enumerate() {
        if !deny.is_literal() || actions.iter().any(|action| deny.matches(action)) {
            continue;
        }
        if let Some(near) = suggest::near(deny.as_str(), actions) {
            let column = grant.columns.denies.get(index).copied().unwrap_or(1);
            return error(column, format!("no action `{deny}` in the catalogue"), Some(near));
        }
    }
    Ok(())
}

/// An entry for every argument of the action, so that the map is empty only where there is nothing to say.
fn close(
    grant: &Grant,
    index: usize,
    action: &str,
    written: &ConstraintMap,
    catalogue: &dyn ActionSchemas,
) -> Result<ConstraintMap, GrammarError> {
    let schema = catalogue.arguments(action).unwrap_or_default();
    for (name, constraint) in written {
        let column = grant.columns.argument(index, name);
        let Some(argument) = schema.iter().find(|argument| argument.name == *name) else {
            let names: Vec<&str> = schema.iter().map(|argument| argument.name.as_str()).collect();
            return error(
                column,
                format!("`{action}` has no argument `{name}`"),
                suggest::near(name, &names),
            );
        };
        if argument.required && leaves_optional(constraint) {
            let message = format!("`{name}` is required by `{action}`, so that `{name}?` has no meaning");
            return error(column, message, Some(name.clone()));
        }
    }
    let entry = |argument: ArgumentSchema| {
        let filled_in = if argument.required { Constraint::Wildcard } else { Constraint::Exact(Json::Null) };
        let constraint = written.get(&argument.name).cloned().unwrap_or(filled_in);
        (argument.name, constraint)
    };
    Ok(schema.into_iter().map(entry).collect())
}

/// Whether it was written `name?`.
fn leaves_optional(constraint: &Constraint) -> bool {
    matches!(constraint, Constraint::Any(clauses) if clauses.first() == Some(&Constraint::Exact(Json::Null)))
}

impl super::Columns {
    fn permit(&self, index: usize) -> usize {
        self.permits.get(index).map_or(1, |(column, _)| *column)
    }

    fn argument(&self, index: usize, name: &str) -> usize {
        let named = |columns: &BTreeMap<String, usize>| columns.get(name).copied();
        self.permits.get(index).and_then(|(_, columns)| named(columns)).unwrap_or_else(|| self.permit(index))
    }
}

fn error<T>(column: usize, message: String, suggestion: Option<String>) -> Result<T, GrammarError> {
    Err(GrammarError { column, message, suggestion })
}
