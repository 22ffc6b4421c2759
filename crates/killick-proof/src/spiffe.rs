//! SPIFFE IDs, parsed to the letter of the SPIFFE-ID specification.

use std::fmt;

use crate::refusal::Refusal;

/// A SPIFFE ID with a path: `spiffe://acme.example/agent/invoice-bot`. Always in its one canonical text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct SpiffeId(String);

impl SpiffeId {
    /// Parses a SPIFFE ID (SPIFFE-ID section 2). Errs with `identity.chain` and what exactly is wrong.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        todo!("{text}")
    }

    /// The trust domain's name, e.g. `acme.example`.
    pub fn trust_domain(&self) -> &str {
        todo!()
    }

    /// The path with its leading slash, e.g. `/agent/invoice-bot`.
    pub fn path(&self) -> &str {
        todo!()
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `self` lies one or more path segments beneath `ancestor`, in the same trust domain.
    pub fn is_beneath(&self, ancestor: &SpiffeId) -> bool {
        todo!("{ancestor}")
    }

    /// The ID one segment beneath this one. Errs if `segment` is not a valid path segment or the ID grows too long.
    pub fn child(&self, segment: &str) -> Result<SpiffeId, Refusal> {
        todo!("{segment}")
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for SpiffeId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
