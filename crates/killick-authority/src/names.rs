//! What people may write: names, and short lines of text.

use killick_proof::SpiffeId;

use crate::error::AuthorityError;
use crate::limits::{NAME_CHARS_MAX, TEXT_CHARS_MAX};

/// An agent's name: one SPIFFE path segment (SPIFFE-ID section 2.2) of at most 63 characters that begins with a
/// letter or digit, so that it is also a folder's name and never an option or a hidden file.
pub(crate) fn check_name(name: &str) -> Result<(), AuthorityError> {
    let refuse = |detail: String| {
        Err(AuthorityError::invalid(
            "identity.chain",
            detail,
            "use letters, digits, `-`, `_` and `.`, for example `invoice-bot`",
        ))
    };
    if name.is_empty() {
        return refuse("the agent has no name".to_owned());
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return refuse(format!("the name is longer than {NAME_CHARS_MAX} characters"));
    }
    if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
        return refuse(format!("the name contains `{}`", bad.escape_default()));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return refuse("the name does not begin with a letter or digit".to_owned());
    }
    Ok(())
}

/// A line of text that must be there: not blank, no control characters, bounded.
pub(crate) fn check_line(code: &'static str, what: &str, text: &str) -> Result<(), AuthorityError> {
    if text.trim().is_empty() {
        return Err(AuthorityError::invalid(code, format!("{what} is missing"), format!("say {what}")));
    }
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(AuthorityError::invalid(
            "limit.size",
            format!("{what} is longer than {TEXT_CHARS_MAX} characters"),
            "shorten it",
        ));
    }
    // Control and bidirectional-override characters would let a line look like another one in a terminal or page.
    let hostile = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.chars().any(hostile) {
        return Err(AuthorityError::invalid(
            code,
            format!("{what} contains a control character"),
            "write it as one plain line",
        ));
    }
    Ok(())
}

/// A line of text that may be there.
pub(crate) fn check_optional(
    code: &'static str,
    what: &str,
    text: Option<&String>,
) -> Result<(), AuthorityError> {
    text.map_or(Ok(()), |text| check_line(code, what, text))
}

/// An agent as people name it: `invoice-bot`, `invoice-bot/helper`, or its whole SPIFFE ID.
pub(crate) fn agent_id(trust_domain: &str, text: &str) -> Result<SpiffeId, AuthorityError> {
    let whole =
        if text.contains("://") { text.to_owned() } else { format!("spiffe://{trust_domain}/agent/{text}") };
    let wrong = |detail: String| {
        AuthorityError::invalid("identity.chain", detail, "name an agent, for example `invoice-bot`")
    };
    let id = SpiffeId::parse(&whole).map_err(|refusal| wrong(refusal.detail().to_owned()))?;
    if id.trust_domain() != trust_domain {
        return Err(AuthorityError::invalid(
            "identity.domain",
            format!("`{id}` belongs to another trust domain than `{trust_domain}`"),
            "",
        ));
    }
    match id.path().strip_prefix("/agent/") {
        Some(rest) if !rest.is_empty() => Ok(id),
        _ => Err(wrong(format!("`{id}` is not an agent"))),
    }
}

/// The registered agent that an agent's ID belongs to: itself, or the first one above a sub-agent. Its name.
pub(crate) fn registered_name(id: &SpiffeId) -> &str {
    let rest = id.path().strip_prefix("/agent/").unwrap_or_default();
    rest.split('/').next().unwrap_or_default()
}

/// The candidate nearest to `text`, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text: String = text.chars().take(2 * NAME_CHARS_MAX).collect::<String>().to_ascii_lowercase();
    candidates
        .map(|candidate| (distance(&text, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edit distance over bytes; both texts are short (names).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.bytes().zip(row.iter().skip(1)) {
            let cost = diagonal + usize::from(x != y);
            diagonal = *above;
            left = cost.min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["invoice-bot", "a", "A.b_c-9", &"x".repeat(63)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "-x",
            "a/b",
            "a b",
            "ä",
            "a\n",
            "a%2f",
            &"x".repeat(64),
            "_x",
            ".hidden",
            "a\u{202e}b",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nearest_name() {
        let names = ["invoice-bot", "order-bot"];
        assert_eq!(nearest("invoce-bot", names.into_iter()), Some("invoice-bot"));
        assert_eq!(nearest("zzz", names.into_iter()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
