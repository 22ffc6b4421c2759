//! `killick token diff`: what one token grants less or more than another, in words, argument by argument.

use std::fmt::Write as _;

use killick_proof::constraint::Constraint;
use killick_proof::token::{Claims, ConstraintMap};
use serde_json::{Value, json};

use crate::chain_file::{self, Read};
use crate::commands::agent::time_text;
use crate::folder::{Folder, now};
use crate::output::{Exit, Failure, Outcome, Paint, Ui};

/// How B stands to A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// B grants less.
    Less,
    /// B grants more.
    More,
    /// Neither contains the other.
    Other,
}

impl Side {
    const fn as_str(self) -> &'static str {
        match self {
            Side::Less => "less",
            Side::More => "more",
            Side::Other => "other",
        }
    }
}

/// One difference.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// How B stands to A here.
    pub side: Side,
    /// The tool, or the claim.
    pub what: String,
    /// The argument, if it is about one.
    pub argument: Option<String>,
    /// In words.
    pub text: String,
}

/// Runs `killick token diff A B`.
pub fn run(folder: &Folder, ui: Ui, a: &str, b: &str) -> Outcome {
    let (left, right) = (leaf(folder, a)?, leaf(folder, b)?);
    let changes = changes(&left.0, &right.0);
    let verdict = verdict(&changes);
    let shown = json!({
        "verdict": verdict,
        "changes": changes.iter().map(|change| json!({
            "side": change.side.as_str(), "what": change.what, "argument": change.argument, "text": change.text,
        })).collect::<Vec<Value>>(),
        "verified": [left.1, right.1],
    });
    ui.result(&shown, |paint| told(&changes, verdict, [left.1, right.1], paint));
    Ok(Exit::Fine.into())
}

/// The leaf's claims, and whether its chain verifies under this folder's keys; `None` if there are none here.
fn leaf(folder: &Folder, what: &str) -> Result<(Claims, Option<bool>), Failure> {
    let compact = chain_file::find(folder, Some(what))?;
    let keys = folder.read_trust(None).ok().and_then(|trust| chain_file::token_keys(&trust).ok());
    let Read { claims, verdict, .. } = chain_file::read(compact, keys.as_deref().unwrap_or_default(), now())?;
    match claims.into_iter().last().flatten() {
        Some(claims) => Ok((claims, keys.map(|_| verdict.is_ok()))),
        None => {
            Err(Failure::usage("token.claims", format!("the claims of the leaf of `{what}` cannot be read")))
        }
    }
}

/// Every difference of B's leaf to A's, tools first.
pub fn changes(a: &Claims, b: &Claims) -> Vec<Change> {
    let mut out = Vec::new();
    let change = |side, what: &str, argument: Option<&str>, text: String| Change {
        side,
        what: what.to_owned(),
        argument: argument.map(str::to_owned),
        text,
    };
    let (none, left, right) = (Default::default(), a.tools.as_ref(), b.tools.as_ref());
    let (left, right) = (left.unwrap_or(&none), right.unwrap_or(&none));
    for tool in left.keys().filter(|tool| !right.contains_key(*tool)) {
        out.push(change(Side::Less, tool, None, format!("B does not grant {tool}")));
    }
    for (tool, map) in right {
        match left.get(tool) {
            None => out.push(change(Side::More, tool, None, format!("B also grants {tool}"))),
            Some(wider) => out.extend(arguments(tool, wider, map)),
        }
    }
    let denies = |claims: &Claims| {
        claims.killick.as_ref().map(|ours| ours.deny.iter().map(|deny| deny.to_string()).collect::<Vec<_>>())
    };
    let (left, right) = (denies(a).unwrap_or_default(), denies(b).unwrap_or_default());
    for deny in right.iter().filter(|deny| !left.contains(deny)) {
        out.push(change(Side::Less, "deny", None, format!("B also denies {deny}")));
    }
    for deny in left.iter().filter(|deny| !right.contains(deny)) {
        out.push(change(Side::More, "deny", None, format!("B itself does not deny {deny}")));
    }
    let compared = [
        ("exp", a.exp, b.exp, "ends", time_text as fn(u64) -> String),
        (
            "further links",
            a.del_max_depth - a.del_depth.min(a.del_max_depth),
            b.del_max_depth - b.del_depth.min(b.del_max_depth),
            "may be passed on",
            |links| format!("{links} more times"),
        ),
    ];
    for (what, left, right, verb, text) in compared {
        let side = if right < left { Side::Less } else { Side::More };
        if left != right {
            out.push(change(side, what, None, format!("B {verb} {}, A {}", text(right), text(left))));
        }
    }
    out
}

/// One tool's constraint maps (AAT draft section 4.5). An empty map restricts nothing.
fn arguments(tool: &str, a: &ConstraintMap, b: &ConstraintMap) -> Vec<Change> {
    let change = |side, argument: Option<&str>, text: String| Change {
        side,
        what: tool.to_owned(),
        argument: argument.map(str::to_owned),
        text: format!("{tool}: {text}"),
    };
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return vec![],
        (true, false) => {
            let names: Vec<String> = b.iter().map(|(name, constraint)| constraint.to_human(name)).collect();
            return vec![change(
                Side::Less,
                None,
                format!("A takes any arguments, B only {}", names.join(", ")),
            )];
        }
        (false, true) => return vec![change(Side::More, None, "B takes any arguments".to_owned())],
        (false, false) => {}
    }
    let mut out = Vec::new();
    // In a closed world every argument that is named must be there, so that other names are other calls.
    for (name, constraint) in a.iter().filter(|(name, _)| !b.contains_key(*name)) {
        out.push(change(Side::Other, Some(name), format!("B does not take {}", constraint.to_human(name))));
    }
    for (name, narrower) in b {
        let Some(wider) = a.get(name) else {
            out.push(change(Side::Other, Some(name), format!("B also needs {}", narrower.to_human(name))));
            continue;
        };
        let Some(side) = side(wider, narrower) else { continue };
        let (a, b) = (wider.to_human(name), narrower.to_human(name));
        let word = match side {
            Side::Less => "less",
            Side::More => "more",
            Side::Other => "something else",
        };
        out.push(change(side, Some(name), format!("B permits {word}: {b}, A {a}")));
    }
    out
}

/// `None` if each subsumes the other.
fn side(a: &Constraint, b: &Constraint) -> Option<Side> {
    match (b.subsumes(a), a.subsumes(b)) {
        _ if a == b => None,
        (true, true) => None,
        (true, false) => Some(Side::Less),
        (false, true) => Some(Side::More),
        (false, false) => Some(Side::Other),
    }
}

/// All the differences in one word.
pub fn verdict(changes: &[Change]) -> &'static str {
    let has = |side| changes.iter().any(|change| change.side == side);
    match (has(Side::Less), has(Side::More), has(Side::Other)) {
        (false, false, false) => "same",
        (true, false, false) => "narrower",
        (false, true, false) => "wider",
        _ => "different",
    }
}

fn told(changes: &[Change], verdict: &str, verified: [Option<bool>; 2], paint: Paint) -> String {
    let mut out = String::new();
    for change in changes {
        let mark = match change.side {
            Side::Less => paint.green("-"),
            Side::More => paint.red("+"),
            Side::Other => paint.yellow("~"),
        };
        let _ = writeln!(out, "{mark} {}", change.text);
    }
    for (name, verified) in ["A", "B"].into_iter().zip(verified) {
        if verified == Some(false) {
            let _ = writeln!(out, "{} {name} does not verify: killick token inspect", paint.yellow("!"));
        }
    }
    let _ = write!(
        out,
        "{}",
        match verdict {
            "same" => "B grants what A grants".to_owned(),
            "narrower" => format!("B grants {} than A", paint.green("less")),
            "wider" => format!("B grants {} than A", paint.red("more")),
            _ => "neither contains the other".to_owned(),
        }
    );
    out
}

#[cfg(test)]
mod tests {
    use killick_proof::fixtures::World;
    use killick_proof::grammar::Grant;

    use super::*;

    fn claims(grant: &str) -> Claims {
        let grant = Grant::parse(grant).unwrap();
        let tools = grant.permits.into_iter().map(|(pattern, map)| (pattern.to_string(), map)).collect();
        let mut claims = World::new().root_claims("invoice-bot", tools);
        claims.killick.as_mut().unwrap().deny = grant.denies;
        claims
    }

    fn said(a: &str, b: &str) -> (&'static str, Vec<String>) {
        let changes = changes(&claims(a), &claims(b));
        (verdict(&changes), changes.into_iter().map(|change| change.text).collect())
    }

    #[test]
    fn differences_are_said_in_words() {
        for (a, b, verdict, words) in [
            ("read:a", "read:a", "same", vec![]),
            ("read:a; read:b", "read:a", "narrower", vec!["B does not grant read:b"]),
            ("read:a", "read:a; read:b", "wider", vec!["B also grants read:b"]),
            (
                "pay:x(n <= 500)",
                "pay:x(n <= 100)",
                "narrower",
                vec!["pay:x: B permits less: n <= 100, A n <= 500"],
            ),
            (
                "pay:x(n <= 100)",
                "pay:x(n == 7 )",
                "narrower",
                vec!["pay:x: B permits less: n == 7, A n <= 100"],
            ),
            (
                "pay:x(n <= 100)",
                "pay:x(n >= 7)",
                "different",
                vec!["pay:x: B permits something else: n >= 7, A n <= 100"],
            ),
            ("pay:x", "pay:x(n <= 1)", "narrower", vec!["pay:x: A takes any arguments, B only n <= 1"]),
            ("pay:x(n <= 1)", "pay:x", "wider", vec!["pay:x: B takes any arguments"]),
            ("pay:x(n <= 1)", "pay:x(n <= 1, to)", "different", vec!["pay:x: B also needs to"]),
            ("read:a", "read:a; execute:none", "narrower", vec!["B also denies execute:*"]),
            ("read:a; deny pay:x", "read:a", "wider", vec!["B itself does not deny pay:x"]),
            (
                "read:a; read:b",
                "read:a; read:c",
                "different",
                vec!["B does not grant read:b", "B also grants read:c"],
            ),
        ] {
            let (found, texts) = said(a, b);
            assert_eq!(
                (found, texts),
                (verdict, words.into_iter().map(str::to_owned).collect()),
                "{a} | {b}"
            );
        }
    }

    #[test]
    fn time_and_depth_count_too() {
        let (a, mut b) = (claims("read:a"), claims("read:a"));
        b.exp -= 60;
        b.del_max_depth -= 1;
        let changes = changes(&a, &b);
        assert_eq!(verdict(&changes), "narrower");
        assert_eq!(changes.len(), 2);
        assert_eq!(changes[1].text, "B may be passed on 2 more times, A 3 more times");
    }
}
