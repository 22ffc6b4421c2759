//! Reading the members of an extension constraint: strictly, for a member that is passed over is a limit that is not
//! kept.

use std::collections::BTreeSet;

use crate::json::{self, View};
use crate::limits::CONSTRAINT_CLAUSES_MAX;
use crate::refusal::{Code, Refusal};
use crate::token::claims::shown;

/// The members of one constraint, or of one object within it, all of whose names are known.
pub(super) struct Members<'a> {
    kind: &'static str,
    members: &'a json::Members<'a>,
}

impl<'a> Members<'a> {
    /// Errs with `constraint.unknown` for a member of another name: it may be a limit that the issuer meant to set.
    pub(super) fn of(json: &'a View<'a>, kind: &'static str, known: &[&str]) -> Result<Self, Refusal> {
        let Some(members) = json.as_object() else {
            return malformed(kind, "has something else where an object belongs");
        };
        match members.names().find(|name| !known.contains(name)) {
            None => Ok(Self { kind, members }),
            Some(name) => {
                let why = format!("a `{kind}` constraint has the unknown member `{}`", shown(name));
                Err(Refusal::new(Code::ConstraintUnknown, why))
            }
        }
    }

    /// The member, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&'a View<'a>> {
        self.members.get(name)
    }

    /// The text, if the member is there.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(View::String(text)) => Ok(Some(text)),
            Some(_) => malformed(self.kind, &format!("has a `{name}` that is no text")),
        }
    }

    /// The text, which must be there.
    pub(super) fn required_text(&self, name: &str) -> Result<&'a str, Refusal> {
        match self.text(name)? {
            Some(text) => Ok(text),
            None => malformed(self.kind, &format!("lacks its `{name}`")),
        }
    }

    /// The set that an array of texts gives, if the member is there; each text is made an item by `read`. Errs with
    /// `limit.size` for more than [`CONSTRAINT_CLAUSES_MAX`] of them.
    pub(super) fn set<T: Ord>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<BTreeSet<T>>, Refusal> {
        let Some(json) = self.get(name) else { return Ok(None) };
        let Some(items) = json.as_array() else {
            return malformed(self.kind, &format!("has a `{name}` that is no array"));
        };
        self.bound(items.len())?;
        let read_item = |item: &View<'_>| match item {
            View::String(text) => self.named(name, read(text)),
            _ => malformed(self.kind, &format!("has an item of `{name}` that is no text")),
        };
        items.iter().map(read_item).collect::<Result<_, _>>().map(Some)
    }

    /// As [`Members::set`], where a set of nothing would permit nothing and is taken for a slip.
    pub(super) fn filled_set<T: Ord>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<BTreeSet<T>>, Refusal> {
        match self.set(name, read)? {
            Some(set) if set.is_empty() => {
                malformed(self.kind, &format!("has a `{name}` with nothing in it"))
            }
            set => Ok(set),
        }
    }

    /// Errs with `limit.size` for more than [`CONSTRAINT_CLAUSES_MAX`].
    pub(super) fn bound(&self, count: usize) -> Result<(), Refusal> {
        if count <= CONSTRAINT_CLAUSES_MAX {
            return Ok(());
        }
        let why = format!("a `{}` constraint has more than {CONSTRAINT_CLAUSES_MAX} items", self.kind);
        Err(Refusal::new(Code::LimitSize, why))
    }

    /// What was read, or a refusal that names the member.
    pub(super) fn named<T>(&self, name: &str, result: Result<T, String>) -> Result<T, Refusal> {
        result.or_else(|why| malformed(self.kind, &format!("has a wrong `{name}`: {why}")))
    }

    /// A refusal of the constraint as a whole.
    pub(super) fn malformed<T>(&self, what: &str) -> Result<T, Refusal> {
        malformed(self.kind, what)
    }
}

fn malformed<T>(kind: &str, what: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Code::TokenClaims, format!("a `{kind}` constraint {what}")))
}
