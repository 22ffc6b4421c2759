//! Digest fields (RFC 9530): `Content-Digest` made and checked.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::{BareItem, ListEntry};

use super::parameters::parse_dictionary;
use crate::refusal::{Code, Refusal};

/// A hash algorithm whose status in the registry is "Active" (RFC 9530 section 7.2). The deprecated ones must not be
/// signed (section 5), so they prove nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// `sha-256`
    Sha256,
    /// `sha-512`
    Sha512,
}

impl DigestAlgorithm {
    /// Its key in the field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }

    /// The algorithm with this key.
    pub fn from_text(text: &str) -> Option<Self> {
        match text {
            "sha-256" => Some(Self::Sha256),
            "sha-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Whether `stated` is the digest of `content`.
    pub(crate) fn matches(self, stated: &[u8], content: &[u8]) -> bool {
        self.of(content).as_ref() == stated
    }

    fn of(self, content: &[u8]) -> aws_lc_rs::digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &SHA256,
            Self::Sha512 => &SHA512,
        };
        digest(algorithm, content)
    }
}

/// The value of a `Content-Digest` field with one digest, e.g. `sha-512=:…:` (RFC 9530 section 2).
pub fn content_digest(algorithm: DigestAlgorithm, content: &[u8]) -> String {
    format!("{}=:{}:", algorithm.as_str(), STANDARD.encode(algorithm.of(content)))
}

/// Checks a `Content-Digest` against the content: every digest of an algorithm known here must match, and there must be
/// one. So the strongest that is there has matched, and nobody else finds one that does not. Those of other algorithms
/// are passed over (RFC 9530 section 2). `value` is all lines of the field, joined by `", "`.
///
/// Errs with `sig.digest` if a digest differs or none is known, or the field is malformed; with `http.ambiguous` if an
/// algorithm is named twice.
pub fn check_content_digest(value: &[u8], content: &[u8]) -> Result<(), Refusal> {
    let digests = parse_dictionary(value, "content-digest").map_err(|refusal| match refusal.code() {
        Code::SigCoverage => Refusal::new(Code::SigDigest, refusal.detail()),
        _ => refusal,
    })?;
    let mut known = 0_usize;
    for (name, entry) in &digests {
        let Some(algorithm) = DigestAlgorithm::from_text(name.as_str()) else { continue };
        let ListEntry::Item(item) = entry else { return refuse("a content digest is not a byte sequence") };
        let BareItem::ByteSequence(stated) = &item.bare_item else {
            return refuse("a content digest is not a byte sequence");
        };
        if !algorithm.matches(stated, content) {
            return refuse(&format!("the content is not what its signed {name} says"));
        }
        known += 1;
    }
    if known == 0 {
        return refuse("the content digest has neither sha-256 nor sha-512");
    }
    Ok(())
}

fn refuse<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::new(Code::SigDigest, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, content: &[u8]) -> Option<Code> {
        check_content_digest(value.as_bytes(), content).err().map(|refusal| refusal.code())
    }

    #[test]
    fn the_examples_of_rfc_9421_match() {
        // Appendix B.2 and section 2.4.
        let hello = b"{\"hello\": \"world\"}";
        let sha512 = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
        assert_eq!(content_digest(DigestAlgorithm::Sha512, hello), sha512);
        assert_eq!(
            content_digest(DigestAlgorithm::Sha256, hello),
            "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
        );
        assert_eq!(check(sha512, hello), None);
        assert_eq!(check(sha512, b"{\"hello\": \"world\"} "), Some(Code::SigDigest));
    }

    #[test]
    fn every_known_digest_matches_and_there_is_one() {
        let of = |algorithm, content: &[u8]| content_digest(algorithm, content);
        let (s256, s512) = (of(DigestAlgorithm::Sha256, b"a"), of(DigestAlgorithm::Sha512, b"a"));
        let (x256, x512) = (of(DigestAlgorithm::Sha256, b"x"), of(DigestAlgorithm::Sha512, b"x"));
        let md5 = "md5=:DMF1ucDxtqgxw5niaXcmYQ==:";
        for good in [s256.clone(), s512.clone(), format!("{s256},  {s512}"), format!("{md5}, {s256}, new=1")]
        {
            assert_eq!(check(&good, b"a"), None, "{good}");
        }
        for bad in [
            String::new(),
            md5.to_owned(),
            x256.clone(),
            format!("{s256}, {x512}"),
            format!("{x256}, {s512}"),
            "sha-256=1".to_owned(),
            "sha-256=(:AAAA:)".to_owned(),
            "sha-256=::".to_owned(),
            format!("{s256},"),
        ] {
            assert_eq!(check(&bad, b"a"), Some(Code::SigDigest), "{bad}");
        }
        assert_eq!(check(&format!("{x256}, {s256}"), b"a"), Some(Code::HttpAmbiguous), "twice");
    }
}
