//! SPIFFE trust bundles (SPIFFE Trust Domain and Bundle, section 4): the keys that vouch for a trust domain's SVIDs, as a
//! JWK Set or, for X.509 roots alone, as PEM. Not to be taken for killick's own signed [`crate::bundle`].
//!
//! A bundle does not say whose it is, so that its trust domain always comes with it.
//!
//! ```
//! use killick_proof::fixtures::NOW;
//! use killick_proof::svid::new_root;
//! use killick_proof::trust_bundle::SpiffeBundle;
//!
//! let root = new_root("acme.example", &[1; 32], [1; 16], NOW, 86_400)?;
//! let bundle = SpiffeBundle::new("acme.example", vec![root.certificate_der().to_vec()], vec![])?.with_sequence(7);
//! let again = SpiffeBundle::from_json("acme.example", &bundle.to_json())?;
//! assert_eq!(again, bundle);
//! assert_eq!(SpiffeBundle::from_pem("acme.example", &bundle.to_pem())?.roots(), bundle.roots());
//! # Ok::<(), killick_proof::Refusal>(())
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::Json;
use crate::keys::{KeyKind, PublicKey};
use crate::limits::{BUNDLE_ENTRIES_MAX, SPIFFE_BUNDLE_BYTES_MAX};
use crate::refusal::{Code, Refusal};
use crate::spiffe::check_trust_domain;
use crate::svid::{self, Svid};
use crate::time::UnixTime;

/// `use` of an X.509 root (X509-SVID section 6.1).
const X509_USE: &str = "x509-svid";
/// `use` of a JWT-SVID key (JWT-SVID section 6.1).
const JWT_USE: &str = "jwt-svid";

/// A key that signs JWT-SVIDs: P-256, as JWT-SVID section 2.1 permits no Ed25519.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtKey {
    /// Its name; unique within the bundle, not empty.
    pub kid: String,
    /// The key.
    pub key: PublicKey,
}

/// The bundle of one trust domain. Empty, it vouches for nothing (section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpiffeBundle {
    trust_domain: String,
    sequence: Option<u64>,
    refresh_hint_secs: Option<u64>,
    roots: Vec<Vec<u8>>,
    // INVARIANT: the keys that `roots` certify, in the same order.
    root_keys: Vec<PublicKey>,
    jwt_keys: Vec<JwtKey>,
    ignored: usize,
}

impl SpiffeBundle {
    /// A bundle of X.509 roots (DER) and JWT-SVID keys. Errs with `identity.chain`, `identity.domain` (a root that is no
    /// signing certificate, or another trust domain's), `token.kid` (an empty name, or one twice), `token.key` (a
    /// JWT-SVID key that is not P-256), `limit.size`.
    pub fn new(trust_domain: &str, roots: Vec<Vec<u8>>, jwt_keys: Vec<JwtKey>) -> Result<Self, Refusal> {
        check_trust_domain(trust_domain)?;
        if roots.len().saturating_add(jwt_keys.len()) > BUNDLE_ENTRIES_MAX {
            return refuse(Code::LimitSize, format!("the bundle holds more than {BUNDLE_ENTRIES_MAX} keys"));
        }
        let root_keys =
            roots.iter().map(|der| svid::check_root(der, trust_domain)).collect::<Result<_, _>>()?;
        for (index, jwt) in jwt_keys.iter().enumerate() {
            if jwt.kid.is_empty() || jwt_keys.iter().take(index).any(|before| before.kid == jwt.kid) {
                return refuse(Code::TokenKid, "a JWT-SVID key's `kid` is empty or occurs twice");
            }
            if jwt.key.kind() != KeyKind::P256 {
                return refuse(Code::TokenKey, "a JWT-SVID key is not a P-256 key");
            }
        }
        let trust_domain = trust_domain.to_owned();
        let (sequence, refresh_hint_secs) = (None, None);
        Ok(Self { trust_domain, sequence, refresh_hint_secs, roots, root_keys, jwt_keys, ignored: 0 })
    }

    /// With this sequence number (section 4.1.1); it must grow whenever the contents change.
    #[must_use]
    pub const fn with_sequence(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    /// With a hint of how often to look for a new one, seconds (section 4.1.2).
    #[must_use]
    pub const fn with_refresh_hint_secs(mut self, secs: u64) -> Self {
        self.refresh_hint_secs = Some(secs);
        self
    }

    /// Reads the JWK Set of `trust_domain` (section 4; X509-SVID section 6.2; JWT-SVID section 6.2). Entries of an unknown
    /// key type or use, and `x509-svid` entries without `x5c`, are ignored as the specification asks, and counted; of
    /// several `x5c` values the first counts. What is known and wrong refuses the whole bundle: a half-read one would
    /// look like a revocation.
    ///
    /// Errs with `json.invalid`, `json.duplicate_key`, `limit.*`, `identity.chain`, `identity.domain`, `token.key` (a
    /// private member, a malformed key), `token.kid`.
    pub fn from_json(trust_domain: &str, json: &[u8]) -> Result<Self, Refusal> {
        if json.len() > SPIFFE_BUNDLE_BYTES_MAX {
            return refuse(
                Code::LimitSize,
                format!("the bundle is longer than {SPIFFE_BUNDLE_BYTES_MAX} bytes"),
            );
        }
        let document = Json::parse(json)?;
        let Some(entries) = document.get("keys").and_then(Json::as_array) else {
            return refuse(Code::IdentityChain, "the bundle has no array `keys`");
        };
        if entries.len() > BUNDLE_ENTRIES_MAX {
            return refuse(Code::LimitSize, format!("the bundle holds more than {BUNDLE_ENTRIES_MAX} keys"));
        }
        let (mut roots, mut jwt_keys, mut ignored) = (Vec::new(), Vec::new(), 0);
        for entry in entries {
            match read_entry(entry)? {
                Entry::Root(der) if roots.contains(&der) => {}
                Entry::Root(der) => roots.push(der),
                Entry::Jwt(key) => jwt_keys.push(key),
                Entry::Unknown => ignored += 1,
            }
        }
        let sequence = natural(&document, "spiffe_sequence")?;
        let refresh_hint_secs = natural(&document, "spiffe_refresh_hint")?;
        Ok(Self { sequence, refresh_hint_secs, ignored, ..Self::new(trust_domain, roots, jwt_keys)? })
    }

    /// The JWK Set, compact JSON: `x509-svid` entries have no `kid`, `jwt-svid` entries have one.
    pub fn to_json(&self) -> Vec<u8> {
        let roots = self.roots.iter().zip(&self.root_keys).map(|(der, key)| {
            entry(key, X509_USE, ("x5c", Json::Array(vec![Json::from(STANDARD.encode(der))])))
        });
        let jwt_keys =
            self.jwt_keys.iter().map(|jwt| entry(&jwt.key, JWT_USE, ("kid", Json::from(jwt.kid.as_str()))));
        let mut members = vec![("keys", Json::Array(roots.chain(jwt_keys).collect()))];
        members.extend(self.sequence.map(|sequence| ("spiffe_sequence", Json::from(sequence))));
        members.extend(self.refresh_hint_secs.map(|secs| ("spiffe_refresh_hint", Json::from(secs))));
        Json::object(members).to_bytes()
    }

    /// Reads X.509 roots in PEM; see [`svid::from_pem`]. Such a bundle has no sequence number and no JWT-SVID keys. A root
    /// that cannot be used is refused, as nothing in PEM says that it may be of another kind.
    pub fn from_pem(trust_domain: &str, pem: &str) -> Result<Self, Refusal> {
        Self::new(trust_domain, svid::from_pem(pem)?, vec![])
    }

    /// The X.509 roots in PEM.
    pub fn to_pem(&self) -> String {
        self.roots.iter().map(|der| svid::to_pem(der)).collect()
    }

    /// Whether `next` may take this bundle's place. Errs with `identity.domain` for another trust domain's, and with
    /// `state.rollback` for a lower sequence number, none where there was one, or the same with other contents.
    pub fn check_successor(&self, next: &Self) -> Result<(), Refusal> {
        if next.trust_domain != self.trust_domain {
            return refuse(Code::IdentityDomain, "the bundle offered is another trust domain's");
        }
        let is_later = match (self.sequence, next.sequence) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(held), Some(offered)) if held == offered => {
                self.roots == next.roots && self.jwt_keys == next.jwt_keys
            }
            (Some(held), Some(offered)) => held < offered,
        };
        if is_later {
            return Ok(());
        }
        let shown = |sequence: Option<u64>| sequence.map_or_else(|| "none".to_owned(), |n| n.to_string());
        let (held, offered) = (shown(self.sequence), shown(next.sequence));
        refuse(
            Code::StateRollback,
            format!("the bundle offered (sequence {offered}) is not later than the one held ({held})"),
        )
    }

    /// Validates an X.509-SVID against this bundle; see [`svid::verify_svid_chain`].
    pub fn verify_svid(&self, chain_der: &[impl AsRef<[u8]>], now: UnixTime) -> Result<Svid, Refusal> {
        svid::verify_svid_chain(chain_der, &self.roots, &self.trust_domain, now)
    }

    /// Whose it is.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The sequence number, if it has one.
    pub const fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// How often to look for a new one, seconds, if it says.
    pub const fn refresh_hint_secs(&self) -> Option<u64> {
        self.refresh_hint_secs
    }

    /// The X.509 roots, DER.
    pub fn roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    /// The JWT-SVID keys.
    pub fn jwt_keys(&self) -> &[JwtKey] {
        &self.jwt_keys
    }

    /// How many entries were of a key type or use that is not known here.
    pub const fn ignored(&self) -> usize {
        self.ignored
    }
}

enum Entry {
    Root(Vec<u8>),
    Jwt(JwtKey),
    Unknown,
}

/// One JWK (section 4.2).
fn read_entry(entry: &Json) -> Result<Entry, Refusal> {
    if entry.as_object().is_none() {
        return refuse(Code::IdentityChain, "an entry of the bundle is no object");
    }
    let text = |name: &str| entry.get(name).and_then(Json::as_str);
    let usage = text("use").filter(|usage| [X509_USE, JWT_USE].contains(usage));
    let is_known =
        matches!((text("kty"), text("crv")), (Some("EC"), Some("P-256")) | (Some("OKP"), Some("Ed25519")));
    let (Some(usage), true) = (usage, is_known) else { return Ok(Entry::Unknown) };
    let certificate = match entry.get("x5c").and_then(Json::as_array) {
        Some([first, ..]) => Some(first),
        _ => None,
    };
    // X509-SVID section 6.2: an entry without a certificate is ignored.
    if usage == X509_USE && certificate.is_none() {
        return Ok(Entry::Unknown);
    }
    let has_private = entry.get("d").is_some();
    let key = PublicKey::from_jwk_members(text("kty"), text("crv"), text("x"), text("y"), has_private)?;
    match certificate {
        Some(certificate) if usage == X509_USE => {
            let Some(der) = certificate.as_str().and_then(|text| STANDARD.decode(text).ok()) else {
                return refuse(Code::IdentityChain, "an `x5c` of the bundle is not base64");
            };
            // RFC 7517 section 4.7: the certificate is over the entry's key.
            if svid::certified_key(&der)? != key {
                return refuse(
                    Code::IdentityChain,
                    "an `x5c` of the bundle is over another key than its entry",
                );
            }
            Ok(Entry::Root(der))
        }
        // JWT-SVID section 2.1 names no algorithm for it, so that it can sign no JWT-SVID.
        _ if key.kind() != KeyKind::P256 => Ok(Entry::Unknown),
        _ => match text("kid") {
            Some(kid) => Ok(Entry::Jwt(JwtKey { kid: kid.to_owned(), key })),
            None => refuse(Code::TokenKid, "a JWT-SVID key of the bundle has no `kid`"),
        },
    }
}

fn entry(key: &PublicKey, usage: &str, own: (&str, Json)) -> Json {
    match Json::from(&key.to_jwk()) {
        Json::Object(mut members) => {
            members.insert("use".to_owned(), Json::from(usage));
            members.insert(own.0.to_owned(), own.1);
            Json::Object(members)
        }
        other => other,
    }
}

/// A whole number of 64 bits that is not negative, if it is there.
fn natural(document: &Json, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(value) = document.get(name) else { return Ok(None) };
    match value.as_number().and_then(crate::json::Number::as_u64) {
        Some(value) => Ok(Some(value)),
        None => refuse(Code::IdentityChain, format!("the bundle's `{name}` is no whole number of 64 bits")),
    }
}

fn refuse<T>(code: Code, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}
