//! SPIFFE IDs: accepted are exactly the texts of the specification, said a second time here; each is its own canonical
//! form.

use killick_proof::SpiffeId;

/// Any bytes.
pub fn run(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let read = SpiffeId::parse(text);
    assert_eq!(read.is_ok(), is_spiffe_id(text), "{text:?}");
    let Ok(id) = read else { return false };
    assert_eq!(id.as_str(), text);
    assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
    assert!(!id.is_beneath(&id), "nothing lies beneath itself");
    if let Ok(child) = id.child("x") {
        assert!(child.is_beneath(&id) && !id.is_beneath(&child));
        assert_eq!(child.trust_domain(), id.trust_domain());
    }
    // Only what is separated by a slash lies beneath.
    if let Ok(sibling) = SpiffeId::parse(&format!("{text}x")) {
        assert!(!sibling.is_beneath(&id));
    }
    true
}

/// SPIFFE-ID sections 2.1 to 2.4: the specification's own words, without a parser.
fn is_spiffe_id(text: &str) -> bool {
    let mut parts = text.split('/');
    let head = [parts.next(), parts.next()];
    let domain = parts.next().unwrap_or_default();
    let of_domain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
    let of_path = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let segments: Vec<&str> = parts.collect();
    text.len() <= 2_048
        && head == [Some("spiffe:"), Some("")]
        && (1..=255).contains(&domain.len())
        && domain.chars().all(of_domain)
        && !segments.is_empty()
        && segments.iter().all(|segment| !matches!(*segment, "" | "." | "..") && segment.chars().all(of_path))
}
