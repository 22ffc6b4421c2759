//! `killick_path`: a path beneath a root, by its letters alone. What links and mounts make of it only the host knows.

use super::members::Members;
use crate::json::Json;
use crate::limits::PATH_BYTES_MAX;
use crate::refusal::Refusal;

/// A path that is the root or lies beneath it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    root: String,
}

impl Path {
    pub(super) const KIND: &'static str = "killick_path";
    pub(super) const MEMBERS: [&'static str; 1] = ["root"];

    pub(super) fn read(members: &Members<'_>) -> Result<Self, Refusal> {
        members.named("root", Self::parse(members.required_text("root")?))
    }

    /// From its root. Errs unless that is a path in its one normal form.
    pub(crate) fn parse(root: &str) -> Result<Self, String> {
        if is_path(root) {
            return Ok(Self { root: root.to_owned() });
        }
        Err("a root is an absolute path in its normal form, such as `/srv/reports`".to_owned())
    }

    /// The root.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    pub(super) fn members(&self) -> Vec<(&'static str, Json)> {
        vec![("root", Json::from(self.root.as_str()))]
    }

    pub(super) fn check(&self, path: &str) -> bool {
        is_path(path) && self.contains(path)
    }

    pub(super) fn subsumes(&self, parent: &Self) -> bool {
        parent.contains(&self.root)
    }

    fn contains(&self, path: &str) -> bool {
        // Segment by segment: `/data-private` is not in `/data`.
        self.root == "/"
            || path
                .strip_prefix(self.root.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// An absolute path that no reader resolves to another: `/` alone, or segments each after its `/`.
fn is_path(path: &str) -> bool {
    if path == "/" {
        return true;
    }
    path.len() <= PATH_BYTES_MAX && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment))
}

/// Not empty; more than dots and blanks (some systems cut those off at the end); no letter that separates, escapes, or
/// is not seen.
fn is_segment(segment: &str) -> bool {
    !segment.trim_end_matches(['.', ' ']).is_empty() && !segment.chars().any(is_treacherous)
}

/// What some reader takes for `.`, `/`, `\` or `%`, or does not see at all.
const fn is_treacherous(c: char) -> bool {
    matches!(
        c,
        // Control characters, and the two that escape or separate elsewhere.
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\\' | '%'
        // Not seen: left out by some file systems when they compare names.
        | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        // Contain `.`, `/`, `\` or `%` in compatibility form (Unicode NFKC).
        | '\u{2024}'..='\u{2026}' | '\u{2100}' | '\u{2101}' | '\u{2105}' | '\u{2106}' | '\u{2488}'..='\u{249b}'
        | '\u{33c2}' | '\u{33c7}' | '\u{33d8}' | '\u{fe19}' | '\u{fe30}' | '\u{fe52}' | '\u{fe68}' | '\u{fe6a}'
        | '\u{ff05}' | '\u{ff0e}' | '\u{ff0f}' | '\u{ff3c}' | '\u{1f100}'
        // Become `/` or `\` in some code page.
        | '\u{a5}' | '\u{20a9}' | '\u{2044}' | '\u{2215}' | '\u{2216}'
    )
}
