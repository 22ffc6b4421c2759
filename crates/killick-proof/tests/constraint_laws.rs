//! The laws that make delegation safe: what subsumes accepts no more, and every constraint subsumes itself.
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]

use killick_proof::constraint::{Constraint, Range};
use killick_proof::json::{Json, Number};
use proptest::prelude::*;

/// Few values, so that generated constraints and arguments meet.
fn value() -> impl Strategy<Value = Json> {
    let texts = [
        "null",
        "true",
        "-1",
        "0",
        "1",
        "1.5",
        "2",
        "3",
        "\"a\"",
        "\"b\"",
        "\"1\"",
        "[]",
        "[\"a\"]",
        "[\"a\",1]",
        "{\"k\":1}",
    ];
    prop::sample::select(texts.to_vec()).prop_map(|text| Json::parse(text.as_bytes()).unwrap())
}

fn scalar() -> impl Strategy<Value = Json> {
    value().prop_filter("a scalar", |value| !matches!(value, Json::Array(_) | Json::Object(_)))
}

fn argument() -> impl Strategy<Value = Json> {
    prop_oneof![value(), prop::collection::vec(value(), 0..4).prop_map(Json::Array)]
}

fn bound() -> impl Strategy<Value = Option<Number>> {
    prop::option::of((-1_i64..4).prop_map(Number::from_i64))
}

fn constraint() -> impl Strategy<Value = Constraint> {
    let values = || prop::collection::vec(value(), 0..4);
    let leaf = prop_oneof![
        scalar().prop_map(Constraint::Exact),
        (bound(), bound(), any::<bool>(), any::<bool>()).prop_map(|(min, max, low, high)| {
            Constraint::Range(Range {
                min_exclusive: low && min.is_some(),
                max_exclusive: high && max.is_some(),
                min,
                max,
            })
        }),
        values().prop_map(Constraint::OneOf),
        values().prop_map(Constraint::NotOneOf),
        values().prop_map(Constraint::Contains),
        values().prop_map(Constraint::Subset),
        Just(Constraint::Wildcard),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Constraint::All),
            prop::collection::vec(inner, 1..4).prop_map(Constraint::Any),
        ]
    })
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn subsumption_is_sound(child in constraint(), parent in constraint(), values in prop::collection::vec(argument(), 12)) {
        if child.subsumes(&parent) {
            for value in values {
                prop_assert!(!child.check(&value) || parent.check(&value), "{child:?} {parent:?} {value:?}");
            }
        }
    }

    #[test]
    fn subsumption_is_reflexive(one in constraint()) {
        prop_assert!(one.subsumes(&one));
        prop_assert!(one.subsumes(&Constraint::Wildcard));
    }

    #[test]
    fn subsumption_is_transitive(a in constraint(), b in constraint(), c in constraint()) {
        if a.subsumes(&b) && b.subsumes(&c) {
            prop_assert!(a.subsumes(&c), "{a:?} {b:?} {c:?}");
        }
    }

    #[test]
    fn json_form_round_trips(one in constraint()) {
        prop_assert_eq!(Constraint::from_json(&one.to_json()).unwrap(), one);
    }

    #[test]
    fn the_matching_of_all_is_the_drafts(
        parents in prop::collection::vec(constraint(), 0..5),
        children in prop::collection::vec(constraint(), 0..7),
    ) {
        let expected = backtracking(&parents, &children, &mut Vec::new());
        prop_assert_eq!(Constraint::All(children).subsumes(&Constraint::All(parents)), expected);
    }

    #[test]
    fn what_is_sharpened_subsumes(parent in constraint(), keep in any::<prop::sample::Index>()) {
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
