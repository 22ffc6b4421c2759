//! The nearest correct spelling, by edit distance.

/// The candidate nearest to `text`, if it is near enough to be a slip: at most a third of its letters differ.
pub(super) fn near<C: AsRef<str>>(text: &str, candidates: &[C]) -> Option<String> {
    /// Longer words are not compared: the work is their product.
    const CHARS_MAX: usize = 128;
    let lower = text.to_lowercase();
    if lower.is_empty() || lower.chars().count() > CHARS_MAX {
        return None;
    }
    let limit = (lower.chars().count() / 3).max(1);
    candidates
        .iter()
        .map(AsRef::as_ref)
        .filter(|candidate| candidate.chars().count() <= CHARS_MAX)
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Levenshtein's distance in characters, a swap of neighbours counted as one edit.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (row, letter) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let cost = usize::from(letter != *other);
            let mut best =
                (at(&above, column) + cost).min(at(&above, column + 1) + 1).min(at(&current, column) + 1);
            let other_before = column.checked_sub(1).and_then(|index| right.get(index)).copied();
            if other_before == Some(letter) && previous == Some(*other) {
                best = best.min(at(&before, column - 1) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
        previous = Some(letter);
    }
    at(&above, right.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word() {
        let words = ["read:invoices", "create:payment-draft", "execute:payments"];
        assert_eq!(near("read:invocies", &words).as_deref(), Some("read:invoices"));
        assert_eq!(near("Read:Invoices", &words).as_deref(), Some("read:invoices"));
        assert_eq!(near("delete:everything", &words), None);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
