//! `killick_pattern`: a text that a pattern with `*` and `?` matches from its first letter to its last.
//!
//! Matching walks the text once with the set of all places in the pattern that it may have reached, one bit each, so
//! that no text makes it slow. One pattern is within another if the other matches it letter by letter, its `?` and `*`
//! taken as letters of their own that only wildcards match.

use std::collections::BTreeMap;

use super::members::Members;
use crate::json::Json;
use crate::limits::{PATTERN_CHARS_MAX, PATTERN_VALUE_BYTES_MAX};
use crate::refusal::Refusal;

/// An anchored pattern: `*` stands for any letters, `?` for one, neither for `/` or a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    // INVARIANT: bit i stands for the i-th letter of the text, of which there are at most 127; `end` for the place
    // behind the last. All agree with the text.
    literals: BTreeMap<char, u128>,
    stars: u128,
    marks: u128,
    end: u128,
}

/// One step of what is matched.
#[derive(Clone, Copy)]
enum Step {
    /// A letter of a text, or one that stands for itself in a pattern.
    Letter(char),
    /// Any one letter that `?` stands for.
    One,
    /// Any letters that `*` stands for, or none.
    Any,
}

impl Pattern {
    pub(super) const KIND: &'static str = "killick_pattern";
    pub(super) const MEMBERS: [&'static str; 1] = ["pattern"];

    pub(super) fn read(members: &Members<'_>) -> Result<Self, Refusal> {
        members.named("pattern", Self::parse(members.required_text("pattern")?))
    }

    /// From its text. Errs if it is empty, longer than [`PATTERN_CHARS_MAX`], has a control character or a `\`, or a
    /// `*` before another wildcard: one meaning has one spelling.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let count = text.chars().count();
        if count == 0 || count > PATTERN_CHARS_MAX {
            return Err(format!("a pattern has 1 to {PATTERN_CHARS_MAX} letters"));
        }
        if text.chars().any(|c| is_control(c) || c == '\\') {
            return Err("a pattern has no control characters and no `\\`: nothing is escaped".to_owned());
        }
        if text.contains("**") || text.contains("*?") {
            return Err("`*` stands last among wildcards: write `*` for `**` and `?*` for `*?`".to_owned());
        }
        let mut pattern =
            Self { text: text.to_owned(), literals: BTreeMap::new(), stars: 0, marks: 0, end: 1 << count };
        for (index, c) in text.chars().enumerate() {
            let bit = 1_u128 << index;
            match c {
                '*' => pattern.stars |= bit,
                '?' => pattern.marks |= bit,
                _ => *pattern.literals.entry(c).or_default() |= bit,
            }
        }
        Ok(pattern)
    }

    /// The pattern as written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn members(&self) -> Vec<(&'static str, Json)> {
        vec![("pattern", Json::from(self.text.as_str()))]
    }

    pub(super) fn check(&self, text: &str) -> bool {
        text.len() <= PATTERN_VALUE_BYTES_MAX && self.matches(text.chars().map(Step::Letter))
    }

    /// Whether `parent` matches this pattern's own letters. Whoever matches `?` by `?` or `*`, `*` by `*` alone, and
    /// letters by themselves or a wildcard, matches every text that this pattern does.
    pub(super) fn subsumes(&self, parent: &Self) -> bool {
        parent.matches(self.text.chars().map(|c| match c {
            '*' => Step::Any,
            '?' => Step::One,
            c => Step::Letter(c),
        }))
    }

    fn matches(&self, steps: impl Iterator<Item = Step>) -> bool {
        // Bit i: what was seen can be matched by the first i letters of the pattern.
        let mut places = self.past_stars(1);
        for step in steps {
            let (advance, stay) = match step {
                Step::Letter(c) if c == '/' || is_control(c) => (self.literal(c), 0),
                Step::Letter(c) => (self.literal(c) | self.marks, self.stars),
                Step::One => (self.marks, self.stars),
                Step::Any => (0, self.stars),
            };
            places = self.past_stars(((places & advance) << 1) | (places & stay));
            if places == 0 {
                return false;
            }
        }
        places & self.end != 0
    }

    /// These places, and those behind a `*` that stands for nothing. One look is enough: no two `*` are neighbours.
    const fn past_stars(&self, places: u128) -> u128 {
        places | ((places & self.stars) << 1)
    }

    fn literal(&self, c: char) -> u128 {
        self.literals.get(&c).copied().unwrap_or_default()
    }
}

/// What no wildcard stands for: C0, DEL, C1 and the two line separators, so that no second line hides behind a match.
const fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}
