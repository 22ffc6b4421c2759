//! `killick_fields`: an object with no member but these, so that a record carries only the data that are authorised.

use std::collections::BTreeSet;

use super::extension::texts;
use super::members::Members;
use crate::json::Json;
use crate::refusal::Refusal;

/// An object of some members, all of which are allowed. What they hold is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    allowed: BTreeSet<String>,
    // INVARIANT: a subset of `allowed`.
    required: BTreeSet<String>,
}

impl Fields {
    pub(super) const KIND: &'static str = "killick_fields";
    pub(super) const MEMBERS: [&'static str; 2] = ["allowed", "required"];

    pub(super) fn read(members: &Members<'_>) -> Result<Self, Refusal> {
        let name = |text: &str| Ok(text.to_owned());
        let Some(allowed) = members.set("allowed", name)? else {
            return members.malformed("lacks its `allowed`");
        };
        let required = members.set("required", name)?.unwrap_or_default();
        if !required.is_subset(&allowed) {
            return members.malformed("requires a member that it does not allow");
        }
        Ok(Self { allowed, required })
    }

    /// From the names, and whether each must be there.
    pub(crate) fn new(names: impl IntoIterator<Item = (String, bool)>) -> Self {
        let (mut allowed, mut required) = (BTreeSet::new(), BTreeSet::new());
        for (name, must) in names {
            if must {
                required.insert(name.clone());
            }
            allowed.insert(name);
        }
        Self { allowed, required }
    }

    /// The names, and whether each must be there.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        self.allowed.iter().map(|name| (name.as_str(), self.required.contains(name)))
    }

    pub(super) fn members(&self) -> Vec<(&'static str, Json)> {
        let mut members = vec![("allowed", texts(&self.allowed))];
        members.extend((!self.required.is_empty()).then(|| ("required", texts(&self.required))));
        members
    }

    pub(super) fn check(&self, value: &Json) -> bool {
        value.as_object().is_some_and(|members| {
            members.keys().all(|name| self.allowed.contains(name))
                && self.required.iter().all(|name| members.contains_key(name))
        })
    }

    pub(super) fn subsumes(&self, parent: &Self) -> bool {
        self.allowed.is_subset(&parent.allowed) && parent.required.is_subset(&self.required)
    }
}
