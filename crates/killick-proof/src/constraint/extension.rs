//! The constraint types beside the draft's nine, registered in the form that AAT draft section 10.3.2 asks for in
//! `docs/spec/constraints.md`.
//!
//! Their names begin with `killick_`: lower case letters, digits and `_`, as section 10.3.1 asks, and nobody else's.

use super::cidr::Cidr;
use super::currency_amount::CurrencyAmount;
use super::fields::Fields;
use super::iban::Iban;
use super::members::Members;
use super::path::Path;
use super::pattern::Pattern;
use super::time_window::TimeWindow;
use super::url::Url;
use crate::json::{Json, View};
use crate::refusal::Refusal;

/// One constraint of an extension type (AAT draft section 3.5). Each is read from its JSON form alone, so that no
/// constraint is at work that a token could not carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    /// `killick_url`: a web address within scheme, host, port and path.
    Url(Url),
    /// `killick_path`: a path beneath a root, by its letters.
    Path(Path),
    /// `killick_pattern`: a text that an anchored pattern with `*` and `?` matches whole.
    Pattern(Pattern),
    /// `killick_iban`: a valid bank account number.
    Iban(Iban),
    /// `killick_currency_amount`: an amount of money with its currency.
    CurrencyAmount(CurrencyAmount),
    /// `killick_time_window`: an instant within a window.
    TimeWindow(TimeWindow),
    /// `killick_fields`: an object with no member but these.
    Fields(Fields),
    /// `killick_cidr`: an IP address or network within networks.
    Cidr(Cidr),
}

impl Extension {
    /// Every type's name, sorted.
    pub const KINDS: [&'static str; 8] = [
        Cidr::KIND,
        CurrencyAmount::KIND,
        Fields::KIND,
        Iban::KIND,
        Path::KIND,
        Pattern::KIND,
        TimeWindow::KIND,
        Url::KIND,
    ];

    /// Reads the JSON form, if `kind` is one of ours.
    pub(super) fn read(kind: &str, json: &View<'_>) -> Option<Result<Self, Refusal>> {
        let members = |kind: &'static str, known: &[&str]| {
            Members::of(json, kind, &[known, &["constraint_type"]].concat())
        };
        Some(match kind {
            Url::KIND => members(Url::KIND, &Url::MEMBERS).and_then(|m| Url::read(&m)).map(Self::Url),
            Path::KIND => members(Path::KIND, &Path::MEMBERS).and_then(|m| Path::read(&m)).map(Self::Path),
            Pattern::KIND => {
                members(Pattern::KIND, &Pattern::MEMBERS).and_then(|m| Pattern::read(&m)).map(Self::Pattern)
            }
            Iban::KIND => members(Iban::KIND, &Iban::MEMBERS).and_then(|m| Iban::read(&m)).map(Self::Iban),
            CurrencyAmount::KIND => members(CurrencyAmount::KIND, &CurrencyAmount::MEMBERS)
                .and_then(|m| CurrencyAmount::read(&m))
                .map(Self::CurrencyAmount),
            TimeWindow::KIND => members(TimeWindow::KIND, &TimeWindow::MEMBERS)
                .and_then(|m| TimeWindow::read(&m))
                .map(Self::TimeWindow),
            Fields::KIND => {
                members(Fields::KIND, &Fields::MEMBERS).and_then(|m| Fields::read(&m)).map(Self::Fields)
            }
            Cidr::KIND => members(Cidr::KIND, &Cidr::MEMBERS).and_then(|m| Cidr::read(&m)).map(Self::Cidr),
            _ => return None,
        })
    }

    /// The type's name: what `constraint_type` says.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Url(_) => Url::KIND,
            Self::Path(_) => Path::KIND,
            Self::Pattern(_) => Pattern::KIND,
            Self::Iban(_) => Iban::KIND,
            Self::CurrencyAmount(_) => CurrencyAmount::KIND,
            Self::TimeWindow(_) => TimeWindow::KIND,
            Self::Fields(_) => Fields::KIND,
            Self::Cidr(_) => Cidr::KIND,
        }
    }

    /// The members of the JSON form, `constraint_type` left out.
    pub(super) fn members(&self) -> Vec<(&'static str, Json)> {
        match self {
            Self::Url(url) => url.members(),
            Self::Path(path) => path.members(),
            Self::Pattern(pattern) => pattern.members(),
            Self::Iban(iban) => iban.members(),
            Self::CurrencyAmount(amount) => amount.members(),
            Self::TimeWindow(window) => window.members(),
            Self::Fields(fields) => fields.members(),
            Self::Cidr(cidr) => cidr.members(),
        }
    }

    /// Whether the value satisfies this constraint.
    pub fn check(&self, value: &Json) -> bool {
        match self {
            Self::Url(url) => value.as_str().is_some_and(|text| url.check(text)),
            Self::Path(path) => value.as_str().is_some_and(|text| path.check(text)),
            Self::Pattern(pattern) => value.as_str().is_some_and(|text| pattern.check(text)),
            Self::Iban(iban) => value.as_str().is_some_and(|text| iban.check(text)),
            Self::CurrencyAmount(amount) => amount.check(value),
            Self::TimeWindow(window) => value.as_str().is_some_and(|text| window.check(text)),
            Self::Fields(fields) => fields.check(value),
            Self::Cidr(cidr) => value.as_str().is_some_and(|text| cidr.check(text)),
        }
    }

    /// Whether every value that satisfies `self` satisfies `parent`: sound, and `false` across types.
    pub fn subsumes(&self, parent: &Self) -> bool {
        match (self, parent) {
            (Self::Url(child), Self::Url(parent)) => child.subsumes(parent),
            (Self::Path(child), Self::Path(parent)) => child.subsumes(parent),
            (Self::Pattern(child), Self::Pattern(parent)) => child.subsumes(parent),
            (Self::Iban(child), Self::Iban(parent)) => child.subsumes(parent),
            (Self::CurrencyAmount(child), Self::CurrencyAmount(parent)) => child.subsumes(parent),
            (Self::TimeWindow(child), Self::TimeWindow(parent)) => child.subsumes(parent),
            (Self::Fields(child), Self::Fields(parent)) => child.subsumes(parent),
            (Self::Cidr(child), Self::Cidr(parent)) => child.subsumes(parent),
            _ => false,
        }
    }
}

/// The JSON array of a set's items.
pub(super) fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Json {
    Json::Array(items.into_iter().map(|item| Json::String(item.to_string())).collect())
}
