//! The laws that make delegation safe: what subsumes accepts no more, every constraint subsumes itself, and what is
//! accepted in two steps is accepted in one. For every type, alone and mixed.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]

mod constraint_space;

use constraint_space::{Draws, TOPICS, Topic};
use killick_proof::constraint::{Constraint, Extension};
use killick_proof::json::Json;
use proptest::prelude::*;

fn topics() -> impl Strategy<Value = Topic> {
    prop::sample::select(TOPICS.to_vec())
}

/// Numbers to draw from, as proptest makes and shrinks them.
fn rows() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), 0..120)
}

/// The draft's matching in its own words: backtracking over one-to-one assignments.
fn backtracking(parents: &[Constraint], children: &[Constraint], used: &mut Vec<usize>) -> bool {
    let Some((parent, rest)) = parents.split_first() else { return true };
    for (index, child) in children.iter().enumerate() {
        if !used.contains(&index) && child.subsumes(parent) {
            used.push(index);
            if backtracking(rest, children, used) {
                return true;
            }
            used.pop();
        }
    }
    false
}

/// 20,000 of each law, unless `PROPTEST_CASES` says otherwise.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(20_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn subsumption_is_sound(topic in topics(), row in rows()) {
        let mut draws = Draws::new(row);
        let (child, parent) = (draws.constraint(topic, 2), draws.constraint(topic, 2));
        if child.subsumes(&parent) {
            for _ in 0..12 {
                let value = draws.value(topic);
                prop_assert!(
                    !child.check(&value) || parent.check(&value),
                    "{} is within {}, and accepts {} alone",
                    child.to_json().to_text(), parent.to_json().to_text(), value.to_text()
                );
            }
        }
    }

    #[test]
    fn subsumption_is_reflexive(topic in topics(), row in rows()) {
        let one = Draws::new(row).constraint(topic, 3);
        prop_assert!(one.subsumes(&one), "{}", one.to_json().to_text());
        prop_assert!(one.subsumes(&Constraint::Wildcard));
    }

    #[test]
    fn subsumption_is_transitive(topic in topics(), row in rows()) {
        let mut draws = Draws::new(row);
        let [a, b, c] = [(); 3].map(|()| draws.constraint(topic, 1));
        if a.subsumes(&b) && b.subsumes(&c) {
            let [a_text, b_text, c_text] = [&a, &b, &c].map(|one| one.to_json().to_text());
            prop_assert!(a.subsumes(&c), "{a_text} within {b_text} within {c_text}");
        }
    }

    #[test]
    fn subsumption_is_by_meaning_not_by_spelling(topic in topics(), row in rows()) {
        let mut draws = Draws::new(row);
        let (child, parent) = (draws.constraint(topic, 2), draws.constraint(topic, 2));
        let again = |one: &Constraint| {
            let text = one.to_json().to_text();
            Constraint::from_json(&Json::parse(text.as_bytes()).unwrap()).unwrap()
        };
        prop_assert_eq!(&again(&child), &child);
        prop_assert_eq!(again(&child).subsumes(&again(&parent)), child.subsumes(&parent));
    }

    #[test]
    fn across_topics_only_values_and_wildcards_stand_below(left in topics(), right in topics(), row in rows()) {
        let mut draws = Draws::new(row);
        let (child, parent) = (draws.constraint(left, 0), draws.constraint(right, 0));
        if let (Constraint::Extension(child), Constraint::Extension(parent)) = (&child, &parent)
            && child.kind() != parent.kind()
        {
            prop_assert!(!child.subsumes(parent));
        }
        // No extension stands below a core type but the wildcard, and no bounds of numbers below an extension.
        if matches!(child, Constraint::Extension(_)) && !matches!(parent, Constraint::Extension(_)) {
            prop_assert_eq!(child.subsumes(&parent), parent == Constraint::Wildcard);
        }
        if matches!(parent, Constraint::Extension(_)) {
            let may = matches!(child, Constraint::Extension(_) | Constraint::Exact(_) | Constraint::OneOf(_));
            prop_assert!(may || !child.subsumes(&parent));
        }
    }

    #[test]
    fn a_member_that_is_not_known_denies(topic in topics(), row in rows()) {
        let one = Draws::new(row).constraint(topic, 0);
        if let (Constraint::Extension(_), Json::Object(mut members)) = (&one, one.to_json()) {
            members.insert("max_depth".to_owned(), Json::from(1_i64));
            let refused = Constraint::from_json(&Json::Object(members)).unwrap_err();
            prop_assert_eq!(refused.code(), killick_proof::Code::ConstraintUnknown);
            prop_assert!(refused.detail().contains("max_depth"));
        }
    }

    #[test]
    fn the_matching_of_all_is_the_drafts(topic in topics(), row in rows(), count in (0_usize..5, 0_usize..7)) {
        let mut draws = Draws::new(row);
        let parents: Vec<_> = (0..count.0).map(|_| draws.constraint(topic, 1)).collect();
        let children: Vec<_> = (0..count.1).map(|_| draws.constraint(topic, 1)).collect();
        let expected = backtracking(&parents, &children, &mut Vec::new());
        prop_assert_eq!(Constraint::All(children).subsumes(&Constraint::All(parents)), expected);
    }

    #[test]
    fn what_is_sharpened_subsumes(topic in topics(), row in rows(), keep in any::<prop::sample::Index>()) {
        let parent = Draws::new(row).constraint(topic, 2);
        let sharper = match &parent {
            Constraint::OneOf(values) if !values.is_empty() => Constraint::OneOf(vec![keep.get(values).clone()]),
            Constraint::Any(clauses) => Constraint::Any(vec![keep.get(clauses).clone()]),
            Constraint::All(clauses) => Constraint::All([clauses.as_slice(), &[Constraint::Wildcard]].concat()),
            Constraint::Wildcard => Constraint::Contains(vec![Json::Null]),
            other => other.clone(),
        };
        prop_assert!(sharper.subsumes(&parent));
    }
}

/// The laws say nothing where nothing is drawn: each topic must show pairs that hold, hold strictly, and do not hold,
/// and values on both sides.
#[test]
fn what_is_drawn_meets() {
    let mut seed = 0x9e37_79b9_u32;
    for topic in TOPICS {
        let numbers = std::iter::from_fn(move || {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            Some(seed >> 3)
        });
        let mut draws = Draws::new(numbers);
        let (mut within, mut strictly, mut not, mut accepted, mut refused) = (0, 0, 0, 0, 0);
        for _ in 0..20_000 {
            let (child, parent) = (draws.constraint(topic, 0), draws.constraint(topic, 0));
            let of_one_type = match (&child, &parent) {
                (Constraint::Extension(child), Constraint::Extension(parent)) => {
                    child.kind() == parent.kind()
                }
                _ => topic == Topic::Core,
            };
            if !of_one_type {
                continue;
            }
            let holds = child.subsumes(&parent);
            within += usize::from(holds);
            strictly += usize::from(holds && !parent.subsumes(&child));
            not += usize::from(!holds);
            let value = draws.value(topic);
            accepted += usize::from(parent.check(&value));
            refused += usize::from(!parent.check(&value));
        }
        let least = [within, strictly, not, accepted, refused].into_iter().min().unwrap();
        assert!(least > 100, "{topic:?}: {within} {strictly} {not} {accepted} {refused}");
    }
}

/// For patterns the whole of a small world can be looked at: `subsumes` is true only where no text tells the two apart,
/// and everywhere there but for one kind of pair: the parent asks for a letter before its `*` (`?*`) and the child has
/// that letter as its own, beside a `*` that may stand for nothing.
#[test]
fn patterns_of_a_small_world_are_compared_completely() {
    let words = |letters: &[char], most: usize| {
        let mut all = vec![String::new()];
        let mut last = all.clone();
        for _ in 0..most {
            last = last.iter().flat_map(|word| letters.iter().map(move |c| format!("{word}{c}"))).collect();
            all.extend(last.clone());
        }
        all
    };
    let pattern = |text: &String| {
        let json = Json::object([
            ("constraint_type", Json::from("killick_pattern")),
            ("pattern", Json::from(text.as_str())),
        ]);
        match Constraint::from_json(&json) {
            Ok(Constraint::Extension(Extension::Pattern(pattern))) => Some(pattern),
            _ => None,
        }
    };
    let patterns: Vec<_> = words(&['a', '*', '?', '/'], 4).iter().filter_map(pattern).collect();
    let texts: Vec<Json> = words(&['a', 'b', '/'], 7).into_iter().map(Json::from).collect();
    // For each pattern the set of texts it matches, one bit each.
    let matched: Vec<Vec<bool>> = patterns
        .iter()
        .map(|pattern| {
            let one = Extension::Pattern(pattern.clone());
            texts.iter().map(|text| one.check(text)).collect()
        })
        .collect();
    let (mut within, mut apart, mut conservative) = (0, 0, 0);
    for (child, its_texts) in patterns.iter().zip(&matched) {
        for (parent, wider) in patterns.iter().zip(&matched) {
            let is_subset = its_texts.iter().zip(wider).all(|(own, wider)| !own || *wider);
            let ours = Extension::Pattern(child.clone()).subsumes(&Extension::Pattern(parent.clone()));
            assert!(is_subset || !ours, "{child:?} {parent:?}");
            if is_subset && !ours {
                let (child, parent) = (format!("{child:?}"), format!("{parent:?}"));
                assert!(parent.contains("?*") && child.contains('*'), "{child} {parent}");
                conservative += 1;
            }
            within += usize::from(ours);
            apart += usize::from(!ours);
        }
    }
    assert!(patterns.len() > 150 && within > 500 && apart > 10_000, "{} {within} {apart}", patterns.len());
    assert!(conservative * 10 < within, "{conservative} of {within}");
}
