//! Constraints: read and written the same, and `subsumes` is sound: what the narrower accepts, the wider accepts.

use killick_proof::constraint::Constraint;
use killick_proof::json::{Json, Number};

/// Lines of JSON: three constraints (missing ones are the first again), then values to try.
pub fn run(data: &[u8]) -> bool {
    let mut lines = data.split(|b| *b == b'\n').map(|line| Json::parse(line).ok());
    let constraints: Vec<Json> = lines.by_ref().take(3).flatten().collect();
    let read: Vec<Constraint> = constraints.iter().filter_map(read).collect();
    let Some(first) = read.first() else { return false };
    let (second, third) = (read.get(1).unwrap_or(first), read.get(2).unwrap_or(first));

    let mut values: Vec<Json> = lines.flatten().take(16).collect();
    constraints.iter().for_each(|json| mine(json, &mut values, 0));
    for (child, parent) in [(first, second), (second, first), (second, third), (first, third)] {
        if child.subsumes(parent) {
            for value in &values {
                assert!(!child.check(value) || parent.check(value), "{child:?} {parent:?} {value:?}");
            }
        }
    }
    if first.subsumes(second) && second.subsumes(third) {
        assert!(first.subsumes(third), "transitive: {first:?} {second:?} {third:?}");
    }
    true
}

fn read(json: &Json) -> Option<Constraint> {
    let constraint = Constraint::from_json(json).ok()?;
    assert_eq!(Constraint::from_json(&constraint.to_json()).as_ref(), Ok(&constraint), "read and written");
    assert!(constraint.subsumes(&constraint) && constraint.subsumes(&Constraint::Wildcard), "reflexive");
    assert!(!constraint.to_human("argument").is_empty());
    Some(constraint)
}

/// The values that the constraint speaks of and their neighbours are those that tell two constraints apart.
fn mine(json: &Json, values: &mut Vec<Json>, depth: usize) {
    const VALUES_MAX: usize = 96;
    if values.len() >= VALUES_MAX || depth > 8 {
        return;
    }
    values.push(json.clone());
    values.push(Json::Array(vec![json.clone()]));
    match json {
        Json::Number(number) => {
            values.push(Json::String(number.to_text()));
            if let Some(whole) = number.as_i64() {
                values.extend([whole.saturating_sub(1), whole.saturating_add(1)].map(Json::from));
                let between = format!("{whole}.0000000000000000001");
                values.extend(Number::parse(&between).map(Json::Number));
            }
        }
        Json::Array(items) => items.iter().for_each(|item| mine(item, values, depth + 1)),
        Json::Object(members) => members.values().for_each(|item| mine(item, values, depth + 1)),
        Json::String(text) => {
            values.push(Json::String(format!("{text}x")));
            values.push(Json::String(text.to_uppercase()));
        }
        Json::Null | Json::Bool(_) => {}
    }
}
