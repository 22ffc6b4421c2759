//! When one constraint is at least as narrow as another: the closed list of pairs of AAT draft section 4.5, and of
//! `docs/spec/constraints.md` for the extension types.

use std::collections::{BTreeSet, VecDeque};

use super::{Constraint, Range};
use crate::json::Json;

/// Whether `child` is a valid attenuation of `parent`. Every pair of clauses is compared at most once, so that the
/// work is bounded by the product of the two sizes.
pub(super) fn subsumes(child: &Constraint, parent: &Constraint) -> bool {
    match (child, parent) {
        (_, Constraint::Wildcard) => true,
        (Constraint::Exact(value), Constraint::Exact(_) | Constraint::Range(_) | Constraint::OneOf(_)) => {
            parent.check(value)
        }
        (Constraint::Range(child), Constraint::Range(parent)) => range_within(child, parent),
        (Constraint::OneOf(child), Constraint::OneOf(parent))
        | (Constraint::Subset(child), Constraint::Subset(parent)) => is_subset(child, parent),
        // These two grow as they narrow.
        (Constraint::NotOneOf(child), Constraint::NotOneOf(parent))
        | (Constraint::Contains(child), Constraint::Contains(parent)) => is_subset(parent, child),
        (Constraint::All(child), Constraint::All(parent)) => every_clause_is_kept(child, parent),
        (Constraint::Any(child), Constraint::Any(parent)) => {
            !child.is_empty() && child.iter().all(|clause| parent.iter().any(|wider| subsumes(clause, wider)))
        }
        // What the extensions' registrations permit across types: values that satisfy the extension may stand below it.
        (Constraint::Exact(value), Constraint::Extension(parent)) => parent.check(value),
        (Constraint::OneOf(values), Constraint::Extension(parent)) => {
            values.iter().all(|value| parent.check(value))
        }
        (Constraint::Extension(child), Constraint::Extension(parent)) => child.subsumes(parent),
        // Any pair that section 4.5 does not permit is refused.
        _ => false,
    }
}

/// Whether every item of `left` is an item of `right`; repetitions do not count.
pub(super) fn is_subset(left: &[Json], right: &[Json]) -> bool {
    /// Below this, looking through the list is quicker than sorting it.
    const SORT_FROM: usize = 16;
    if left.len() < SORT_FROM || right.len() < SORT_FROM {
        return left.iter().all(|item| right.contains(item));
    }
    let right: BTreeSet<&Json> = right.iter().collect();
    left.iter().all(|item| right.contains(item))
}

fn range_within(child: &Range, parent: &Range) -> bool {
    let min_holds = match (&child.min, &parent.min) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(child_min), Some(min)) => {
            child_min > min || (child_min == min && (child.min_exclusive || !parent.min_exclusive))
        }
    };
    let max_holds = match (&child.max, &parent.max) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(child_max), Some(max)) => {
            child_max < max || (child_max == max && (child.max_exclusive || !parent.max_exclusive))
        }
    };
    min_holds && max_holds
}

/// Whether each clause of `parent` has a clause of `child` of its own that subsumes it.
fn every_clause_is_kept(child: &[Constraint], parent: &[Constraint]) -> bool {
    if child.len() < parent.len() {
        return false;
    }
    let mut keepers = Vec::with_capacity(parent.len());
    for wider in parent {
        let fitting: Vec<usize> = child
            .iter()
            .enumerate()
            .filter(|(_, clause)| subsumes(clause, wider))
            .map(|(index, _)| index)
            .collect();
        if fitting.is_empty() {
            return false;
        }
        keepers.push(fitting);
    }
    Matching::new(&keepers, child.len()).finds_all()
}

/// A maximum bipartite matching by Hopcroft and Karp: time in the order of edges times the square root of clauses, where
/// the draft's backtracking would be exponential. The verdict is the same: both find a full assignment iff there is one.
struct Matching<'a> {
    /// For each left node the right nodes that fit.
    edges: &'a [Vec<usize>],
    left: Vec<Option<usize>>,
    right: Vec<Option<usize>>,
    /// Distance of each left node from a free left node, along alternating paths.
    layer: Vec<Option<usize>>,
    /// How many edges of each left node this phase has used up.
    used: Vec<usize>,
}

impl<'a> Matching<'a> {
    fn new(edges: &'a [Vec<usize>], right: usize) -> Self {
        let left = edges.len();
        Self {
            edges,
            left: vec![None; left],
            right: vec![None; right],
            layer: vec![None; left],
            used: vec![0; left],
        }
    }

    /// Whether every left node finds a partner.
    fn finds_all(mut self) -> bool {
        loop {
            let free: Vec<usize> =
                (0..self.left.len()).filter(|node| self.partner(*node).is_none()).collect();
            if free.is_empty() {
                return true;
            }
            if !self.lay(&free) {
                return false;
            }
            self.used.fill(0);
            for node in free {
                self.augment(node);
            }
        }
    }

    fn partner(&self, node: usize) -> Option<usize> {
        self.left.get(node).copied().flatten()
    }

    fn owner(&self, right: usize) -> Option<usize> {
        self.right.get(right).copied().flatten()
    }

    /// Layers the left nodes by breadth; whether a free right node was reached.
    fn lay(&mut self, free: &[usize]) -> bool {
        self.layer.fill(None);
        let mut queue: VecDeque<usize> = free.iter().copied().collect();
        for node in free {
            if let Some(layer) = self.layer.get_mut(*node) {
                *layer = Some(0);
            }
        }
        let mut reached = false;
        while let Some(node) = queue.pop_front() {
            let depth = self.layer.get(node).copied().flatten().unwrap_or_default();
            for right in self.edges.get(node).into_iter().flatten() {
                match self.owner(*right) {
                    None => reached = true,
                    Some(next) => {
                        if let Some(layer @ None) = self.layer.get_mut(next) {
                            *layer = Some(depth + 1);
                            queue.push_back(next);
                        }
                    }
                }
            }
        }
        reached
    }

    /// Follows the layers from a free left node to a free right node, and flips the path. Without recursion: a path may
    /// be as long as there are clauses.
    fn augment(&mut self, start: usize) {
        let mut path: Vec<(usize, usize)> = Vec::new();
        let mut node = start;
        loop {
            let cursor = self.used.get(node).copied().unwrap_or_default();
            let Some(right) = self.edges.get(node).and_then(|edges| edges.get(cursor)).copied() else {
                // A dead end: go back one step and try that node's next edge.
                let Some((previous, _)) = path.pop() else { return };
                node = previous;
                continue;
            };
            if let Some(used) = self.used.get_mut(node) {
                *used = cursor + 1;
            }
            match self.owner(right) {
                None => {
                    path.push((node, right));
                    for (left, right) in path {
                        if let (Some(partner), Some(owner)) =
                            (self.left.get_mut(left), self.right.get_mut(right))
                        {
                            *partner = Some(right);
                            *owner = Some(left);
                        }
                    }
                    return;
                }
                Some(next) => {
                    let depth = |node: usize| self.layer.get(node).copied().flatten();
                    if depth(next).is_some() && depth(next) == depth(node).map(|depth| depth + 1) {
                        path.push((node, right));
                        node = next;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Number;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    fn range(min: Option<&str>, max: Option<&str>) -> Constraint {
        Constraint::Range(Range { min: min.map(number), max: max.map(number), ..Range::default() })
    }

    fn below(max: &str) -> Constraint {
        Constraint::Range(Range { max: Some(number(max)), max_exclusive: true, ..Range::default() })
    }

    fn exact(text: &str) -> Constraint {
        Constraint::Exact(Json::parse(text.as_bytes()).unwrap())
    }

    fn list(text: &str) -> Vec<Json> {
        Json::parse(text.as_bytes()).unwrap().as_array().unwrap().to_vec()
    }

    #[test]
    fn exact_goes_under_exact_range_one_of_and_wildcard() {
        assert!(exact("1.0").subsumes(&exact("1")));
        assert!(exact("100").subsumes(&range(Some("0"), Some("100"))));
        assert!(!exact("100").subsumes(&below("100")));
        assert!(exact("\"a\"").subsumes(&Constraint::OneOf(list(r#"["a"]"#))));
        assert!(exact("null").subsumes(&Constraint::Wildcard));
        for other in ["\"1\"", "true", "2"] {
            assert!(!exact(other).subsumes(&exact("1")), "{other}");
        }
        assert!(
            !exact("\"b\"").subsumes(&Constraint::NotOneOf(list(r#"["a"]"#))),
            "not on the list of pairs"
        );
        assert!(!exact("1").subsumes(&Constraint::Any(vec![exact("1")])));
    }

    #[test]
    fn range_only_tightens() {
        assert!(range(Some("1"), Some("99.99999999999999999")).subsumes(&range(Some("0"), Some("100"))));
        assert!(below("100").subsumes(&range(None, Some("100"))));
        assert!(!range(None, Some("100")).subsumes(&below("100")));
        assert!(range(None, Some("99.99999999999999999")).subsumes(&below("100")));
        assert!(!range(None, Some("100")).subsumes(&range(Some("0"), Some("100"))));
        assert!(!range(Some("0"), None).subsumes(&range(Some("0"), Some("100"))));
        assert!(!range(None, None).subsumes(&exact("1")));
    }

    #[test]
    fn sets_move_in_their_own_direction() {
        let (a, ab) = (list(r#"["a"]"#), list(r#"["a","b"]"#));
        assert!(Constraint::OneOf(a.clone()).subsumes(&Constraint::OneOf(ab.clone())));
        assert!(!Constraint::OneOf(ab.clone()).subsumes(&Constraint::OneOf(a.clone())));
        assert!(Constraint::Subset(a.clone()).subsumes(&Constraint::Subset(ab.clone())));
        assert!(!Constraint::Subset(ab.clone()).subsumes(&Constraint::Subset(a.clone())));
        assert!(Constraint::NotOneOf(ab.clone()).subsumes(&Constraint::NotOneOf(a.clone())));
        assert!(!Constraint::NotOneOf(a.clone()).subsumes(&Constraint::NotOneOf(ab.clone())));
        assert!(Constraint::Contains(ab.clone()).subsumes(&Constraint::Contains(a.clone())));
        assert!(!Constraint::Contains(a.clone()).subsumes(&Constraint::Contains(ab.clone())));
        assert!(!Constraint::NotOneOf(a.clone()).subsumes(&Constraint::OneOf(ab.clone())));
        assert!(!Constraint::Wildcard.subsumes(&Constraint::OneOf(ab)));
        assert!(!Constraint::Wildcard.subsumes(&Constraint::Any(vec![Constraint::Wildcard])));
    }

    #[test]
    fn all_keeps_every_clause_one_to_one() {
        let parent = Constraint::All(vec![range(None, Some("100")), range(Some("0"), None)]);
        let all = Constraint::All;
        assert!(all(vec![range(Some("5"), None), below("7"), exact("6")]).subsumes(&parent));
        assert!(!all(vec![exact("50")]).subsumes(&parent), "one clause for two");
        assert!(all(vec![exact("50"), exact("50")]).subsumes(&parent));
        assert!(!all(vec![range(None, Some("100"))]).subsumes(&parent), "a clause dropped");
        assert!(!all(vec![]).subsumes(&Constraint::Any(vec![exact("1")])));
        assert!(all(vec![exact("1")]).subsumes(&all(vec![])));
    }

    #[test]
    fn a_full_matching_is_found_where_a_greedy_one_fails_and_quickly() {
        // Clause i of the parent accepts the values up to i; clause j of the child is exactly j. Greedy from the widest
        // parent takes the small values first and leaves none for the narrow ones.
        let count = 600;
        let parent: Vec<_> = (0..count).rev().map(|i| range(Some("0"), Some(&i.to_string()))).collect();
        let child: Vec<_> = (0..count).map(|i| exact(&i.to_string())).collect();
        assert!(Constraint::All(child.clone()).subsumes(&Constraint::All(parent.clone())));
        let mut short = child;
        short[0] = exact("1");
        assert!(!Constraint::All(short).subsumes(&Constraint::All(parent)), "two clauses fit only one");
    }

    #[test]
    fn any_only_loses_clauses() {
        let any = |texts: &[&str]| Constraint::Any(texts.iter().map(|text| exact(text)).collect());
        let parent = any(&["\"pdf\"", "\"csv\"", "\"xlsx\""]);
        assert!(any(&["\"csv\"", "\"pdf\""]).subsumes(&parent));
        assert!(!any(&["\"pdf\"", "\"docx\""]).subsumes(&parent));
        assert!(!any(&[]).subsumes(&parent));
        assert!(
            any(&["\"pdf\""]).subsumes(&Constraint::Any(vec![Constraint::OneOf(list(r#"["pdf","csv"]"#))]))
        );
    }
}
