//! The signed bundle: whatever document the authority's key signs, reading it ends in a verdict, and what is accepted
//! is written back and read the same.

use std::sync::LazyLock;

use killick_proof::bundle::{BundleDocument, TrustBundle, sign_bundle};
use killick_proof::fixtures;
use killick_proof::keys::{SigningKey, base64url};
use killick_proof::verified::verify_bundle;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| fixtures::key(2));

/// A document, which the target signs; or a whole JWS, if it begins with `ey`.
pub fn run(data: &[u8]) -> bool {
    let jws = match std::str::from_utf8(data) {
        Ok(text) if text.starts_with("ey") => text.trim_end().to_owned(),
        _ => sign(data),
    };
    let verdict = verify_bundle(&jws, KEY.public());
    let again = verify_bundle(&jws, KEY.public());
    assert_eq!(
        verdict.as_ref().err().map(killick_proof::Refusal::code),
        again.as_ref().err().map(killick_proof::Refusal::code),
        "one bundle, one verdict"
    );
    let Ok(document) = verdict else { return false };
    let rewritten =
        verify_bundle(&sign_bundle(&document, &KEY), KEY.public()).expect("what was read is a bundle");
    assert_eq!(json(&document), json(&rewritten), "read and written");
    let (index, again) = (TrustBundle::index(&document), TrustBundle::index(&rewritten));
    assert_eq!(index.is_ok(), again.is_ok(), "one document, one verdict");
    let Ok(trust) = index else { return false };
    assert_eq!(trust.version(), document.version);
    for agent in &document.agents {
        assert_eq!(agent.id.trust_domain(), trust.trust_domain());
        assert!(trust.agent(&agent.id).is_some(), "each agent is found");
    }
    assert!(!trust.token_keys().is_empty());
    true
}

fn json(document: &BundleDocument) -> serde_json::Value {
    serde_json::to_value(document).expect("a bundle is JSON")
}

fn sign(payload: &[u8]) -> String {
    let header =
        format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"{}"}}"#, KEY.id(), killick_proof::bundle::BUNDLE_TYP);
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(payload));
    format!("{input}.{}", base64url(&KEY.sign(input.as_bytes())))
}
