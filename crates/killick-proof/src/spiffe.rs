//! SPIFFE IDs, parsed to the letter of the SPIFFE-ID specification.
//!
//! The specification gives a SPIFFE ID exactly one spelling: there is no percent-encoding, no case folding and no
//! path normalisation to apply. So what parses here is compared byte by byte everywhere else. (Section 2.4 calls scheme
//! and trust domain case-insensitive, as every URI's are; section 2.1 has the latter in lower case, and only that is
//! read.)

use std::fmt;

use crate::limits::SPIFFE_ID_BYTES_MAX;
use crate::refusal::{Code, Refusal};

const SCHEME: &str = "spiffe://";
/// Bytes of a trust domain's name (SPIFFE-ID section 2.3).
const TRUST_DOMAIN_BYTES_MAX: usize = 255;

/// A SPIFFE ID with a path: `spiffe://acme.example/agent/invoice-bot`. Always in its one canonical text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct SpiffeId(String);

impl SpiffeId {
    /// Parses a SPIFFE ID (SPIFFE-ID section 2). Errs with `identity.chain` and what exactly is wrong. A trust
    /// domain's own ID, which has no path, is not a [`SpiffeId`]: it names no workload.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > SPIFFE_ID_BYTES_MAX {
            return refuse(format!("a SPIFFE ID is longer than {SPIFFE_ID_BYTES_MAX} bytes"));
        }
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return refuse("a SPIFFE ID begins with `spiffe://`");
        };
        let Some((trust_domain, path)) = rest.split_once('/') else {
            return refuse("the SPIFFE ID has no path");
        };
        check_trust_domain(trust_domain)?;
        path.split('/').try_for_each(check_segment)?;
        Ok(Self(text.to_owned()))
    }

    /// The trust domain's name, e.g. `acme.example`.
    pub fn trust_domain(&self) -> &str {
        self.split().0
    }

    /// The path with its leading slash, e.g. `/agent/invoice-bot`.
    pub fn path(&self) -> &str {
        self.split().1
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `self` lies one or more path segments beneath `ancestor`, in the same trust domain.
    pub fn is_beneath(&self, ancestor: &SpiffeId) -> bool {
        // The slash keeps `/agent/a-evil` from lying beneath `/agent/a`. Both texts are canonical, so that a common
        // prefix means the same trust domain and the same first segments.
        self.0.strip_prefix(&ancestor.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The ID one segment beneath this one. Errs if `segment` is not a valid path segment or the ID grows too long.
    pub fn child(&self, segment: &str) -> Result<SpiffeId, Refusal> {
        check_segment(segment)?;
        Self::parse(&format!("{}/{segment}", self.0))
    }

    fn split(&self) -> (&str, &str) {
        let rest = self.0.strip_prefix(SCHEME).unwrap_or(&self.0);
        rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash))
    }
}

/// Checks a trust domain's name (SPIFFE-ID section 2.1): 1 to 255 lower-case letters, digits, dots, dashes and
/// underscores. Errs with `identity.chain`.
pub fn check_trust_domain(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return refuse("the SPIFFE ID's trust domain is empty");
    }
    if name.len() > TRUST_DOMAIN_BYTES_MAX {
        return refuse(format!("the SPIFFE ID's trust domain is longer than {TRUST_DOMAIN_BYTES_MAX} bytes"));
    }
    if !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_')) {
        return refuse("a trust domain has only lower-case letters, digits, dots, dashes and underscores");
    }
    Ok(())
}

/// SPIFFE-ID section 2.2.
fn check_segment(segment: &str) -> Result<(), Refusal> {
    match segment {
        "" => refuse("the SPIFFE ID's path has an empty segment or ends with a slash"),
        "." | ".." => refuse("the SPIFFE ID's path has a dot segment"),
        _ if segment
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_')) =>
        {
            Ok(())
        }
        _ => refuse("a path segment of a SPIFFE ID has only letters, digits, dots, dashes and underscores"),
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(Code::IdentityChain, why))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SpiffeId {
        SpiffeId::parse(text).unwrap()
    }

    #[test]
    fn parses_what_the_specification_permits() {
        let parsed = id("spiffe://acme_1.ex-ample/agent/Invoice-Bot_2.1");
        assert_eq!(parsed.trust_domain(), "acme_1.ex-ample");
        assert_eq!(parsed.path(), "/agent/Invoice-Bot_2.1");
        assert_eq!(parsed.as_str(), "spiffe://acme_1.ex-ample/agent/Invoice-Bot_2.1");
        assert_eq!(id("spiffe://a/...").path(), "/...");
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "spiffe:/acme.example/a",
            "SPIFFE://acme.example/a",
            "https://acme.example/a",
            " spiffe://acme.example/a",
            "spiffe://acme.example/a ",
            "spiffe://acme.example",
            "spiffe://acme.example/",
            "spiffe:///a",
            "spiffe://Acme.example/a",
            "spiffe://acme.example:443/a",
            "spiffe://user@acme.example/a",
            "spiffe://acme.example/a/",
            "spiffe://acme.example//a",
            "spiffe://acme.example/a//b",
            "spiffe://acme.example/./a",
            "spiffe://acme.example/a/../b",
            "spiffe://acme.example/a?b=c",
            "spiffe://acme.example/a#b",
            "spiffe://acme.example/%61",
            "spiffe://acme.example/a b",
            "spiffe://acme.example/a\n",
            "spiffe://acme.example/\u{0430}gent",
            "spiffe://acm\u{00e9}.example/a",
        ] {
            assert_eq!(SpiffeId::parse(text).unwrap_err().code(), Code::IdentityChain, "{text:?}");
        }
    }

    #[test]
    fn bounds_are_exact() {
        let domain = "a".repeat(TRUST_DOMAIN_BYTES_MAX);
        assert!(SpiffeId::parse(&format!("spiffe://{domain}/a")).is_ok());
        assert!(SpiffeId::parse(&format!("spiffe://{domain}a/a")).is_err());
        let head = "spiffe://acme.example/";
        let longest = format!("{head}{}", "a".repeat(SPIFFE_ID_BYTES_MAX - head.len()));
        assert!(SpiffeId::parse(&longest).is_ok());
        assert!(SpiffeId::parse(&format!("{longest}a")).is_err());
    }

    #[test]
    fn beneath_is_by_whole_segments_and_strict() {
        let agent = id("spiffe://acme.example/agent/a");
        assert!(id("spiffe://acme.example/agent/a/b").is_beneath(&agent));
        assert!(id("spiffe://acme.example/agent/a/b/c").is_beneath(&agent));
        assert!(!agent.is_beneath(&agent));
        assert!(!id("spiffe://acme.example/agent/a-evil").is_beneath(&agent));
        assert!(!id("spiffe://acme.example/agent/a-evil/b").is_beneath(&agent));
        assert!(!id("spiffe://evil.example/agent/a/b").is_beneath(&agent));
        assert!(!id("spiffe://acme.example/agent").is_beneath(&agent));
    }

    #[test]
    fn a_child_is_one_segment() {
        let agent = id("spiffe://acme.example/agent/a");
        assert_eq!(agent.child("worker-1").unwrap(), id("spiffe://acme.example/agent/a/worker-1"));
        for segment in ["", ".", "..", "b/c", "b/", "b%2f", "b c"] {
            assert!(agent.child(segment).is_err(), "{segment:?}");
        }
    }

    #[test]
    fn deserialising_parses() {
        assert!(serde_json::from_str::<SpiffeId>(r#""spiffe://acme.example/a""#).is_ok());
        assert!(serde_json::from_str::<SpiffeId>(r#""spiffe://acme.example/a/""#).is_err());
    }
}
