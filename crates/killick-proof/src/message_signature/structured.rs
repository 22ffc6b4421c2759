//! Structured fields (RFC 9651) as signatures need them: which field has which type, and no name twice.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;

use sfv::visitor::{DictionaryVisitor, EntryVisitor, InnerListVisitor, ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser};

use crate::refusal::{Code, Refusal};

/// The top-level type of a structured field (RFC 9651 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructuredType {
    /// One item.
    Item,
    /// A list.
    List,
    /// A dictionary.
    Dictionary,
}

impl StructuredType {
    /// `item`, `list` or `dictionary`.
    pub fn from_text(text: &str) -> Option<Self> {
        match text {
            "item" => Some(Self::Item),
            "list" => Some(Self::List),
            "dictionary" => Some(Self::Dictionary),
            _ => None,
        }
    }
}

/// Which fields are known to be structured, and of which type. `sf` and `key` say nothing about a field that is not
/// among them (RFC 9421 sections 2.1.1 and 2.1.2): a guess could differ from the signer's.
#[derive(Clone, Debug)]
pub struct StructuredFields(BTreeMap<String, StructuredType>);

/// What IANA's registry of HTTP field names states as structured, for permanent fields.
const REGISTERED: [(&str, StructuredType); 32] = [
    ("accept-ch", StructuredType::List),
    ("accept-query", StructuredType::List),
    ("accept-signature", StructuredType::Dictionary),
    ("available-dictionary", StructuredType::Item),
    ("cache-group-invalidation", StructuredType::List),
    ("cache-groups", StructuredType::List),
    ("cache-status", StructuredType::List),
    ("cdn-cache-control", StructuredType::Dictionary),
    ("client-cert", StructuredType::Item),
    ("client-cert-chain", StructuredType::List),
    ("content-digest", StructuredType::Dictionary),
    ("cross-origin-embedder-policy", StructuredType::Item),
    ("cross-origin-embedder-policy-report-only", StructuredType::Item),
    ("cross-origin-opener-policy", StructuredType::Item),
    ("cross-origin-opener-policy-report-only", StructuredType::Item),
    ("dictionary-id", StructuredType::Item),
    ("incremental", StructuredType::Item),
    ("link-template", StructuredType::List),
    ("origin-agent-cluster", StructuredType::Item),
    ("priority", StructuredType::Dictionary),
    ("proxy-status", StructuredType::List),
    ("repr-digest", StructuredType::Dictionary),
    ("reporting-endpoints", StructuredType::Dictionary),
    ("signature", StructuredType::Dictionary),
    ("signature-input", StructuredType::Dictionary),
    ("sec-fetch-dest", StructuredType::Item),
    ("sec-fetch-mode", StructuredType::Item),
    ("sec-fetch-site", StructuredType::Item),
    ("sec-fetch-user", StructuredType::Item),
    ("use-as-dictionary", StructuredType::Dictionary),
    ("want-content-digest", StructuredType::Dictionary),
    ("want-repr-digest", StructuredType::Dictionary),
];

impl Default for StructuredFields {
    fn default() -> Self {
        Self(REGISTERED.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect())
    }
}

impl StructuredFields {
    /// Adds a field that signer and verifier have agreed on, or changes its type. The name in any case.
    #[must_use]
    pub fn with(mut self, name: &str, kind: StructuredType) -> Self {
        self.0.insert(name.to_ascii_lowercase(), kind);
        self
    }

    /// The type of a field, by its lower-case name.
    pub fn kind(&self, name: &str) -> Option<StructuredType> {
        self.0.get(name).copied()
    }
}

/// An `sf-string` (RFC 9651 section 4.1.6). What is not printable ASCII has no place in one; a reader refuses it.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Refuses a dictionary in which a member, or a parameter of anything in it, is named twice (`http.ambiguous`) and
/// what is no dictionary (`sig.coverage`). RFC 9651 lets the last one win, RFC 9421 sections 4.1 and 4.2 forbid two
/// signatures of one label; and a reader that takes the first would verify something else.
pub(super) fn refuse_repeats(text: &str) -> Result<(), Refusal> {
    match Parser::new(text).parse_dictionary_with_visitor(Once::default()) {
        Ok(false) => Ok(()),
        Ok(true) => {
            Err(Refusal::new(Code::HttpAmbiguous, "a label or parameter of a signature is there twice"))
        }
        Err(_) => Err(Refusal::new(Code::SigCoverage, "a signature field is not a dictionary (RFC 9651)")),
    }
}

/// Visits a dictionary and remembers whether a name was there twice. It is shared by all levels by reference: an error
/// would stop the reading of what might be malformed further on.
#[derive(Default)]
struct Once {
    labels: BTreeSet<String>,
    repeated: bool,
}

/// Visits one member, item or inner list.
struct Part<'a>(&'a mut bool);

/// Visits the parameters of one thing.
struct Names<'a> {
    names: BTreeSet<String>,
    repeated: &'a mut bool,
}

impl<'a> Names<'a> {
    const fn of(repeated: &'a mut bool) -> Self {
        Self { names: BTreeSet::new(), repeated }
    }
}

impl<'de> DictionaryVisitor<'de> for Once {
    type Out = bool;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Self::Error> {
        self.repeated |= !self.labels.insert(key.as_str().to_owned());
        Ok(Part(&mut self.repeated))
    }

    fn finish(self) -> Result<Self::Out, Self::Error> {
        Ok(self.repeated)
    }
}

impl<'de> EntryVisitor<'de> for Part<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Self::Error> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Self::Error> {
        Ok(self)
    }
}

impl<'de> ItemVisitor<'de> for Part<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        _: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de, Out = Self::Out>, Self::Error> {
        Ok(Names::of(self.0))
    }
}

impl<'de> InnerListVisitor<'de> for Part<'_> {
    type Error = Infallible;

    fn item(&mut self) -> Result<impl ItemVisitor<'de>, Self::Error> {
        Ok(Part(self.0))
    }

    fn finish(self) -> Result<impl ParameterVisitor<'de>, Self::Error> {
        Ok(Names::of(self.0))
    }
}

impl<'de> ParameterVisitor<'de> for Names<'_> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, key: &'de KeyRef, _: BareItemFromInput<'de>) -> Result<(), Self::Error> {
        *self.repeated |= !self.names.insert(key.as_str().to_owned());
        Ok(())
    }

    fn finish(self) -> Result<Self::Out, Self::Error> {
        Ok(())
    }
}

impl fmt::Display for StructuredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Item => "item",
            Self::List => "list",
            Self::Dictionary => "dictionary",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_there_once_at_every_level() {
        for text in ["a=1, b=2", "a=(1;x 2;x);x;y", r#"a=("p";x="1" "q";x="2");x=3, b;x"#, ""] {
            assert_eq!(refuse_repeats(text), Ok(()), "{text}");
        }
        for text in ["a=1, a=1", "a;x;x", "a=(1;x;x)", "a=(1);x=1;y;x=2", "a=(1), b=(2 3;z;z)"] {
            let code = refuse_repeats(text).unwrap_err().code();
            assert_eq!(code, Code::HttpAmbiguous, "{text}");
        }
        for text in ["a=", "a,", "a=(", "=1", "a=1 b", "a, a, ("] {
            assert_eq!(refuse_repeats(text).unwrap_err().code(), Code::SigCoverage, "{text}");
        }
    }
}
