//! Attenuating agent tokens: constraints on arguments, checked and narrowed.

use killick_proof::Refusal;

use crate::forge::{call, narrowed, two_links};
use crate::rows::Row;

fn any(clauses: &str) -> String {
    format!(r#"{{"constraint_type":"any","constraints":[{clauses}]}}"#)
}

fn all(clauses: &str) -> String {
    format!(r#"{{"constraint_type":"all","constraints":[{clauses}]}}"#)
}

fn exact(value: &str) -> String {
    format!(r#"{{"constraint_type":"exact","value":{value}}}"#)
}

fn range(members: &str) -> String {
    format!(r#"{{"constraint_type":"range"{members}}}"#)
}

fn list(kind: &str, member: &str, values: &str) -> String {
    format!(r#"{{"constraint_type":"{kind}","{member}":{values}}}"#)
}

const WILDCARD: &str = r#"{"constraint_type":"wildcard"}"#;

/// `pay` with `x` of this value, below a narrowing of `parent` to `child`.
fn pay(parent: &str, child: &str, value: &str) -> Result<(), Refusal> {
    call(&narrowed(parent, child), "pay", &format!(r#"{{"x":{value}}}"#)).map(drop)
}

#[test]
fn aat_20_equality() {
    let mut row = Row::new("AAT-20");
    for value in ["\"1\"", "true", "[1]", "1.0000000000000000001"] {
        row.denies(value, pay(&exact("1"), &exact(value), value));
    }
    // Written down: one number is one number, however it is spelled, at the link and at the call.
    for spelled in ["1", "1.0", "1e0", "10E-1"] {
        row.permits(spelled, pay(&exact("1"), &exact("1.0"), spelled));
    }
}

#[test]
fn aat_21_missing_bound() {
    let mut row = Row::new("AAT-21");
    let parent = range(r#","min":0,"max":100"#);
    row.denies("min gone", pay(&parent, &range(r#","max":100"#), "-5"));
    row.denies("max null", pay(&parent, &range(r#","min":0,"max":null"#), "1e6"));
    row.denies("both gone", pay(&parent, &range(""), "5"));
    row.permits("kept", pay(&parent, &range(r#","min":0,"max":99"#), "5"));
}

#[test]
fn aat_22_inclusivity() {
    let mut row = Row::new("AAT-22");
    let parent = range(r#","max":100,"max_inclusive":false"#);
    row.denies("closed again", pay(&parent, &range(r#","max":100"#), "100"));
    row.denies("said to be closed", pay(&parent, &range(r#","max":100,"max_inclusive":true"#), "100"));
    // It does not round to 100: a valid narrowing, under which 100 is not permitted.
    let close = range(r#","max":99.99999999999999999"#);
    assert_eq!(pay(&parent, &close, "100").unwrap_err().code(), killick_proof::Code::ArgConstraint);
    row.permits("below it", pay(&parent, &close, "99.99999999999999999"));
}

#[test]
fn aat_23_odd_numbers() {
    let mut row = Row::new("AAT-23");
    let bounded = range(r#","min":0,"max":100"#);
    for value in ["NaN", "Infinity", "-Infinity", "1e400", "\"50\"", "null", "true", "[50]"] {
        row.denies(value, pay(&bounded, &bounded, value));
    }
    // Documented: -0 is 0.
    row.permits("-0", pay(&bounded, &bounded, "-0"));
    // A narrowing that permits nothing.
    for value in ["5", "50", "95"] {
        row.denies("min above max", pay(&bounded, &range(r#","min":90,"max":10"#), value));
    }
}

#[test]
fn aat_24_complement() {
    let mut row = Row::new("AAT-24");
    let parent = list("one_of", "values", r#"["EUR","USD"]"#);
    let others = [
        list("not_one_of", "excluded", r#"["GBP"]"#),
        WILDCARD.to_owned(),
        any(&format!("{},{}", exact("\"EUR\""), exact("\"CHF\""))),
    ];
    for child in others {
        row.denies(&child, pay(&parent, &child, "\"CHF\""));
        row.denies(&child, pay(&parent, &child, "\"EUR\""));
    }
    row.permits("fewer", pay(&parent, &list("one_of", "values", r#"["EUR"]"#), "\"EUR\""));
}

#[test]
fn aat_25_exclusion() {
    let mut row = Row::new("AAT-25");
    let parent = list("not_one_of", "excluded", r#"["17"]"#);
    row.denies("dropped", pay(&parent, &list("not_one_of", "excluded", "[]"), "\"17\""));
    row.denies("typed otherwise", pay(&parent, &list("not_one_of", "excluded", "[17]"), "\"17\""));
    // Exact equality: see the dispute. The excluded value itself is out.
    assert_eq!(pay(&parent, &parent, "\"17\"").unwrap_err().code(), killick_proof::Code::ArgConstraint);
    for other in ["17", "\" 17\"", "\"017\""] {
        row.permits(other, pay(&parent, &parent, other));
    }
}

#[test]
fn aat_26_directions() {
    let mut row = Row::new("AAT-26");
    let audit = list("contains", "required", r#"["audit"]"#);
    let within = list("subset", "allowed", r#"["a","b"]"#);
    row.denies("contains nothing", pay(&audit, &list("contains", "required", "[]"), "[]"));
    row.denies("one more allowed", pay(&within, &list("subset", "allowed", r#"["a","b","c"]"#), r#"["c"]"#));
    row.denies("a scalar", pay(&within, &within, "\"a\""));
    row.denies("a scalar that contains", pay(&audit, &audit, "\"audit\""));
    row.permits("nothing", pay(&within, &within, "[]"));
    // Documented: repetitions do not count.
    row.permits("the same thrice", pay(&within, &within, r#"["a","a","a"]"#));
}

#[test]
fn aat_27_one_clause_for_two() {
    let mut row = Row::new("AAT-27");
    let parent = all(&format!("{},{}", range(r#","max":100"#), range(r#","min":0"#)));
    row.denies("one for two", pay(&parent, &all(&exact("50")), "50"));
    row.denies("one left", pay(&parent, &all(&range(r#","max":100"#)), "50"));
    // Clause i of the parent holds up to i; clause j of the child is exactly j. Whoever takes the first that fits, from the
    // widest on, has none left for the narrowest.
    let wide: Vec<String> = (1..=12).rev().map(|max| range(&format!(r#","min":0,"max":{max}"#))).collect();
    let narrow: Vec<String> = (1..=12).map(|value| exact(&value.to_string())).collect();
    let chain = narrowed(&all(&wide.join(",")), &all(&narrow.join(",")));
    let error = call(&chain, "pay", r#"{"x":1}"#).unwrap_err();
    assert_eq!(
        error.code(),
        killick_proof::Code::ArgConstraint,
        "the link holds; no value is 1 and 2 at once"
    );
    // And one that a value satisfies.
    let narrow: Vec<String> = (1..=12).map(|max| range(&format!(r#","min":0,"max":{max}"#))).collect();
    row.permits("a full matching", pay(&all(&wide.join(",")), &all(&narrow.join(",")), "1"));
}

#[test]
fn aat_28_clause_added() {
    let mut row = Row::new("AAT-28");
    let parent = any(&format!("{},{}", exact("\"pdf\""), exact("\"csv\"")));
    row.denies(
        "docx",
        pay(&parent, &any(&format!("{},{}", exact("\"pdf\""), exact("\"docx\""))), "\"docx\""),
    );
    row.denies("any of nothing", pay(&parent, &any(""), "\"exe\""));
    row.denies("all of nothing", pay(&parent, &all(""), "\"exe\""));
    row.permits("fewer", pay(&parent, &any(&exact("\"pdf\"")), "\"pdf\""));
}

#[test]
fn aat_29_unknown_type() {
    let mut row = Row::new("AAT-29");
    let odd = |constraint: &str, value: &str| {
        let chain = narrowed(WILDCARD, constraint);
        call(&chain, "pay", &format!(r#"{{"x":{value}}}"#)).map(drop)
    };
    let unknown = r#"{"constraint_type":"x-new"}"#;
    row.denies("path", odd(r#"{"constraint_type":"path_containment","root":"/a"}"#, "\"/a/b\""));
    for value in ["\"a\"", "\"b\""] {
        row.denies("in an any", odd(&any(&format!("{},{unknown}", exact("\"a\""))), value));
    }
    row.denies("no type", odd(r#"{"value":1}"#, "1"));
    row.denies("for a tool that is not called", {
        let more = format!(r#"{{"pay":{{}},"other":{{"x":{unknown}}}}}"#);
        call(&two_links(r#"{"pay":{},"other":{}}"#, &more), "pay", "{}")
    });
}

#[test]
fn aat_30_absent() {
    let mut row = Row::new("AAT-30");
    let parent = list("not_one_of", "excluded", r#"["x"]"#);
    row.denies("absent", call(&narrowed(&parent, &parent), "pay", "{}"));
    // `null` is a value, and not "x"; that a service takes it for its default is why the catalogue refuses it.
    row.permits("null", pay(&parent, &parent, "null"));
    row.permits("another", pay(&parent, &parent, "\"y\""));
}

#[test]
fn aat_31_nesting() {
    let mut row = Row::new("AAT-31");
    let nested = |depth: usize| {
        (1..depth)
            .fold(WILDCARD.to_owned(), |inner, level| if level % 2 == 0 { all(&inner) } else { any(&inner) })
    };
    row.permits("32", pay(&nested(32), &nested(32), "1"));
    let elsewhere = format!(r#"{{"pay":{{}},"other":{{"x":{}}}}}"#, nested(33));
    row.denies("in a link, for a tool that is not called", {
        call(&two_links(r#"{"pay":{},"other":{}}"#, &elsewhere), "pay", "{}")
    });
    row.denies("below a wildcard", pay(WILDCARD, &nested(33), "1"));
}
