//! Constraints by chance, narrower ones by the table of AAT draft section 4.5, and values that satisfy them.

use crate::draw::{Raw, Rng};

#[derive(Clone, Debug)]
pub(crate) enum Made {
    Exact(Raw),
    /// Bounds in hundredths, and whether each is included, if that is said.
    Range([Option<i64>; 2], [Option<bool>; 2]),
    /// `one_of`, `not_one_of`, `contains`, `subset`.
    List(&'static str, Vec<Raw>),
    Wildcard,
    /// `all`, `any`.
    Clauses(&'static str, Vec<Made>),
    Other(Raw),
}

pub(crate) fn value(rng: &mut Rng, deep: bool) -> Raw {
    match rng.below(if deep { 10 } else { 8 }) {
        0..=2 => {
            Raw::str(*rng.pick(&["EUR", "USD", "CHF", "", "a", "é", "e\u{301}", "1", "😀", "\u{1}\"\\"]))
        }
        3 | 4 => Raw::Hundredths(*rng.pick(&[0, 100, 150, 5_000, 10_000, -300, 9_999, 1])),
        5 => Raw::text(*rng.pick(&["9007199254740993", "1e21", "1.5e-9", "1e400", "0.1000000000000000055"])),
        6 => Raw::text(*rng.pick(&["true", "false", "null"])),
        7 => Raw::int(rng.between(-3, 100)),
        8 => Raw::Arr((0..rng.below(3)).map(|_| value(rng, false)).collect()),
        _ => Raw::Obj(
            ["k", "é", "\u{ffff}"][..rng.below(4)]
                .iter()
                .map(|name| ((*name).to_owned(), value(rng, false)))
                .collect(),
        ),
    }
}

fn values(rng: &mut Rng, least: usize) -> Vec<Raw> {
    (0..least + rng.below(4)).map(|_| value(rng, true)).collect()
}

pub(crate) fn constraint(rng: &mut Rng, depth: usize) -> Made {
    match rng.below(if depth < 3 { 11 } else { 8 }) {
        0 => Made::Exact(value(rng, false)),
        1 | 2 => {
            let low = rng.between(-500, 5_000);
            let high = low + rng.between(0, 10_000);
            let bound = |rng: &mut Rng, value: i64| rng.percent(75).then_some(value);
            let inclusive = |rng: &mut Rng| rng.percent(25).then(|| rng.percent(50));
            Made::Range([bound(rng, low), bound(rng, high)], [inclusive(rng), inclusive(rng)])
        }
        3 => Made::List("one_of", values(rng, 1)),
        4 => Made::List("not_one_of", values(rng, 0)),
        5 => Made::List("contains", values(rng, 0)),
        6 => Made::List("subset", values(rng, 0)),
        7 => Made::Wildcard,
        8 | 9 => Made::Clauses("any", (0..1 + rng.below(4)).map(|_| constraint(rng, depth + 1)).collect()),
        _ => Made::Clauses("all", (0..rng.below(4)).map(|_| constraint(rng, depth + 1)).collect()),
    }
}

/// Something that the table lets stand below `wider`; often the same.
pub(crate) fn narrower(rng: &mut Rng, wider: &Made) -> Made {
    if rng.percent(30) {
        return wider.clone();
    }
    match wider {
        Made::Wildcard => constraint(rng, 1),
        Made::Range([low, high], inclusive) => {
            if rng.percent(25) {
                return Made::Exact(satisfying(rng, wider));
            }
            let step = rng.between(0, 40);
            let tighter = |rng: &mut Rng, said: Option<bool>| {
                if said != Some(false) && rng.percent(40) { Some(false) } else { said }
            };
            let low = low.map_or_else(|| rng.percent(30).then_some(100), |low| Some(low + step));
            Made::Range([low, *high], [tighter(rng, inclusive[0]), tighter(rng, inclusive[1])])
        }
        Made::List("one_of", values) => {
            let kept = rng.some(values, 1);
            match &kept[0] {
                Raw::Arr(_) | Raw::Obj(_) => Made::List("one_of", kept),
                scalar if rng.percent(30) => Made::Exact(scalar.clone()),
                _ => Made::List("one_of", kept),
            }
        }
        Made::List("subset", values) => Made::List("subset", rng.some(values, 0)),
        // These two grow as they narrow.
        Made::List(kind, values) => {
            let mut more = values.clone();
            more.push(value(rng, true));
            rng.shuffle(&mut more);
            Made::List(kind, more)
        }
        Made::Clauses("all", clauses) => {
            let mut kept: Vec<Made> = clauses.iter().map(|clause| narrower(rng, clause)).collect();
            if rng.percent(40) {
                kept.push(constraint(rng, 2));
            }
            rng.shuffle(&mut kept);
            Made::Clauses("all", kept)
        }
        Made::Clauses(kind, clauses) => {
            let kept = rng.some(clauses, 1).iter().map(|clause| narrower(rng, clause)).collect();
            Made::Clauses(kind, kept)
        }
        Made::Exact(_) | Made::Other(_) => wider.clone(),
    }
}

/// A value that most likely satisfies it.
pub(crate) fn satisfying(rng: &mut Rng, made: &Made) -> Raw {
    match made {
        Made::Exact(value) => value.clone(),
        Made::Range([low, high], inclusive) => Raw::Hundredths(match (low, high) {
            (Some(low), Some(high)) if rng.percent(50) => (low + high) / 2,
            (Some(low), _) => low + i64::from(inclusive[0] == Some(false)),
            (None, Some(high)) => high - i64::from(inclusive[1] == Some(false)),
            (None, None) => 700,
        }),
        Made::List("one_of", values) if !values.is_empty() => rng.pick(values).clone(),
        Made::List("contains", values) => {
            let mut items = values.clone();
            items.push(value(rng, true));
            Raw::Arr(items)
        }
        Made::List("subset", values) => Raw::Arr(values.clone()),
        Made::Clauses(_, clauses) if !clauses.is_empty() => {
            let clause = rng.pick(clauses).clone();
            satisfying(rng, &clause)
        }
        _ => value(rng, true),
    }
}

pub(crate) fn to_raw(made: &Made) -> Raw {
    let typed = |kind: &str, members: Vec<(String, Raw)>| {
        Raw::Obj(std::iter::once(("constraint_type".to_owned(), Raw::str(kind))).chain(members).collect())
    };
    match made {
        Made::Exact(value) => typed("exact", vec![("value".to_owned(), value.clone())]),
        Made::Range(bounds, inclusive) => {
            let mut members = Vec::new();
            for (index, name) in ["min", "max"].into_iter().enumerate() {
                members.extend(bounds[index].map(|bound| (name.to_owned(), Raw::Hundredths(bound))));
                members.extend(inclusive[index].map(|said| {
                    (format!("{name}_inclusive"), Raw::text(if said { "true" } else { "false" }))
                }));
            }
            typed("range", members)
        }
        Made::List(kind, values) => {
            let name = match *kind {
                "one_of" => "values",
                "not_one_of" => "excluded",
                "contains" => "required",
                _ => "allowed",
            };
            typed(kind, vec![(name.to_owned(), Raw::Arr(values.clone()))])
        }
        Made::Wildcard => typed("wildcard", vec![]),
        Made::Clauses(kind, clauses) => {
            typed(kind, vec![("constraints".to_owned(), Raw::Arr(clauses.iter().map(to_raw).collect()))])
        }
        Made::Other(raw) => raw.clone(),
    }
}
