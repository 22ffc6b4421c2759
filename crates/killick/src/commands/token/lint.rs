//! `killick token lint`: what a token grants beyond need, and what makes tokens hard to keep in order.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use killick_decide::Catalogue;
use killick_decide::catalogue::Risk;
use killick_proof::constraint::Constraint;
use killick_proof::json::Json;
use killick_proof::token::Claims;
use serde_json::{Value, json};

use crate::chain_file;
use crate::client::{Admin, segment};
use crate::commands::catalogue::catalogue_of;
use crate::commands::log;
use crate::duration;
use crate::folder::{Folder, now};
use crate::output::{Exit, Failure, Outcome, Paint, Ui};

/// A token with more actions than this is read by nobody.
const ACTIONS_MAX: usize = 20;
/// An agent with more live tokens than this is granted too finely.
const TOKENS_MAX: usize = 10;
/// From so many agents on, the same grant wants a name.
const SAME_GRANT_AGENTS: usize = 3;
/// Seconds that a token which can write should not outlive: a working day.
const WRITE_LIFETIME_SECS: u64 = 8 * 3_600;
/// Links below a token that few tasks need.
const FURTHER_MAX: u64 = 3;
/// Entries of the log that are looked through for unused grants, newest first.
const ENTRIES_MAX: u64 = 100_000;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable word.
    pub rule: &'static str,
    /// The action, if it is about one.
    pub action: Option<String>,
    /// In words.
    pub text: String,
    /// What to do.
    pub mend: String,
}

/// Runs `killick token lint`: exit code 0 if there is nothing to say, 1 if there is.
pub async fn run(folder: &Folder, ui: Ui, what: Option<&str>) -> Outcome {
    let compact = chain_file::find(folder, what)?;
    let read = chain_file::read(compact, &[], now())?;
    let Some(claims) = read.claims.last().cloned().flatten() else {
        return Err(Failure::usage("token.claims", "the claims of the leaf cannot be read"));
    };
    let catalogue = catalogue_of(folder).await.ok();
    let mut findings = findings(&claims, catalogue.as_ref());
    let used = used_actions(folder, &claims);
    findings.extend(used.as_ref().map(|used| unused(&claims, used)).unwrap_or_default());
    findings.extend(among_others(folder, &claims).await.unwrap_or_default());
    let shown = json!({
        "findings": findings.iter().map(|finding| json!({
            "rule": finding.rule, "action": finding.action, "text": finding.text, "mend": finding.mend,
        })).collect::<Vec<Value>>(),
        "catalogue": catalogue.is_some(), "log": used.is_some(),
    });
    ui.result(&shown, |paint| told(&findings, catalogue.is_some(), used.is_some(), paint));
    Ok(if findings.is_empty() { Exit::Fine } else { Exit::CheckFailed }.into())
}

/// What can be said from the token, and from the catalogue where there is one.
pub fn findings(claims: &Claims, catalogue: Option<&Catalogue>) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut find = |rule, action: Option<&str>, text: String, mend: &str| {
        out.push(Finding { rule, action: action.map(str::to_owned), text, mend: mend.to_owned() });
    };
    let mut writes = false;
    for (action, constraints) in claims.tools.iter().flatten() {
        let operation = catalogue.and_then(|catalogue| catalogue.operation(action));
        let is_write = operation.map_or_else(|| !reads(action), |operation| operation.risk != Risk::Read);
        writes |= is_write;
        if catalogue.is_some() && operation.is_none() {
            find(
                "unknown-action",
                Some(action),
                format!("{action} is not in the catalogue: it can never be called"),
                "leave it out of the next grant",
            );
        }
        let takes_none = operation.is_some_and(|operation| operation.arguments.is_empty());
        if constraints.is_empty() && !takes_none {
            find(
                "any-arguments",
                Some(action),
                format!("{action} may be called with any arguments"),
                "name its arguments: a map that is not empty permits no others",
            );
        }
        for (name, constraint) in constraints.iter().filter(|_| is_write) {
            if is_amount(name) && !is_bounded(constraint) {
                find(
                    "no-bound",
                    Some(action),
                    format!("`{name}` of {action} has no upper bound"),
                    &format!("write e.g. {action}({name} <= 500)"),
                );
            } else if accepts_anything(constraint) {
                find(
                    "wildcard-write",
                    Some(action),
                    format!("`{name}` of {action} may be anything"),
                    &format!("name what it may be, e.g. {action}({name} in {{…}})"),
                );
            }
        }
    }
    let actions = claims.tools.as_ref().map_or(0, std::collections::BTreeMap::len);
    if actions > ACTIONS_MAX {
        find(
            "too-many-actions",
            None,
            format!("it grants {actions} actions: nobody reads so many"),
            "split it by task, so that each task has a token of its own",
        );
    }
    let lifetime = claims.exp.saturating_sub(claims.iat);
    if writes && lifetime > WRITE_LIFETIME_SECS {
        find(
            "long-lived",
            None,
            format!("it can write, and lives {}", duration::text(lifetime)),
            "grant it for the task: --for 1h",
        );
    }
    let further = claims.del_max_depth.saturating_sub(claims.del_depth);
    if further > FURTHER_MAX {
        find(
            "deep",
            None,
            format!("it may be passed on {further} times"),
            "grant it with the depth that the task has: --max-depth 1",
        );
    }
    out
}

/// Granted, and never asked for.
fn unused(claims: &Claims, used: &BTreeSet<String>) -> Vec<Finding> {
    let granted = claims.tools.iter().flat_map(|tools| tools.keys());
    let finding = |action: &String| Finding {
        rule: "unused",
        action: Some(action.clone()),
        text: format!("{action} was never asked for by its holder, as far as the log says"),
        mend: "leave it out of the next grant".to_owned(),
    };
    granted.filter(|action| !used.contains(*action)).map(finding).collect()
}

/// The actions that the holder was permitted since the token was granted; nothing where there is no log or no name.
fn used_actions(folder: &Folder, claims: &Claims) -> Option<BTreeSet<String>> {
    let holder = claims.killick.as_ref()?.holder.as_str().to_owned();
    let entries = log::last_entries(&folder.log(), ENTRIES_MAX).ok()?;
    let text = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    // Whoever acts beneath it acts with what it was granted.
    let is_holders = |entry: &Value| {
        text(entry, "agent").is_some_and(|agent| {
            agent == holder || agent.strip_prefix(&holder).is_some_and(|rest| rest.starts_with('/'))
        })
    };
    let since = claims.iat.saturating_mul(1_000_000);
    let used = entries
        .iter()
        .filter(|entry| text(entry, "kind").as_deref() == Some("decision"))
        .filter(|entry| entry.get("at").and_then(Value::as_u64).is_some_and(|at| at >= since))
        .filter(|entry| text(entry, "verdict").as_deref() != Some("deny") && is_holders(entry))
        .filter_map(|entry| text(entry, "action"))
        .collect();
    Some(used)
}

/// What is found only beside other tokens and the capability bundles: nothing where no killick runs here.
async fn among_others(folder: &Folder, claims: &Claims) -> Option<Vec<Finding>> {
    let holder = &claims.killick.as_ref()?.holder;
    let name = holder.path().strip_prefix("/agent/")?;
    let admin = Admin::of(folder);
    let own = admin.get(&format!("/v1/tokens?agent={}", segment(name))).await.ok()?;
    let all = admin.get("/v1/tokens").await.ok()?;
    let bundles = admin.get("/v1/capabilities").await.ok()?;
    let mut findings: Vec<Finding> = too_many_tokens(name, &live(&own)).into_iter().collect();
    let this = live(&own).into_iter().find(|token| text(token, "jti") == claims.jti);
    if let Some(this) = this {
        findings.extend(behind(this, &bundles));
        findings.extend(granted_one_by_one(name, this, &live(&all)));
    }
    Some(findings)
}

fn live(answer: &Value) -> Vec<&Value> {
    let tokens = answer.get("tokens").and_then(Value::as_array).into_iter().flatten();
    tokens.filter(|token| text(token, "state") == "live").collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Tokens so fine that they cannot be kept in order.
fn too_many_tokens(name: &str, live: &[&Value]) -> Option<Finding> {
    let count = live.len();
    (count > TOKENS_MAX).then(|| Finding {
        rule: "too-many-tokens",
        action: None,
        text: format!("{name} holds {count} live tokens: nobody keeps so many in order"),
        mend: "grant what belongs together in one token, and let the rest expire".to_owned(),
    })
}

/// Granted by a version of a capability bundle that is no longer the newest, or by a retired one.
fn behind(token: &Value, bundles: &Value) -> Vec<Finding> {
    let used = token.get("bundles").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let known = || bundles.get("capabilities").and_then(Value::as_array).into_iter().flatten();
    let finding = |used: &str| {
        let (name, version) = used.rsplit_once('/')?;
        let newest = known().find(|bundle| text(bundle, "name").eq_ignore_ascii_case(name))?;
        let number = newest.get("version").and_then(Value::as_u64)?;
        let retired = newest.get("retired").and_then(Value::as_bool)?;
        let (rule, why, mend) = if retired {
            (
                "bundle-retired",
                "which is retired".to_owned(),
                "grant what it still needs, without that bundle",
            )
        } else if version != number.to_string() {
            ("bundle-behind", format!("whose version is {number} now"), "grant it anew by the newest version")
        } else {
            return None;
        };
        let text = format!("it was granted by version {version} of the capability bundle {name}, {why}");
        Some(Finding { rule, action: None, text, mend: mend.to_owned() })
    };
    used.filter_map(finding).collect()
}

/// Several agents were granted the very same, each by itself: a change would have to be made for each.
fn granted_one_by_one(name: &str, token: &Value, live: &[&Value]) -> Option<Finding> {
    let is_spelled_out = |token: &Value| {
        token.get("bundles").and_then(Value::as_array).is_none_or(|bundles| bundles.is_empty())
    };
    if !is_spelled_out(token) {
        return None;
    }
    let same = |other: &&&Value| text(other, "granted") == text(token, "granted") && is_spelled_out(other);
    let agents: BTreeSet<&str> =
        live.iter().filter(same).map(|other| text(other, "agent")).filter(|agent| *agent != name).collect();
    (agents.len() + 1 >= SAME_GRANT_AGENTS).then(|| Finding {
        rule: "one-by-one",
        action: None,
        text: format!("{} other agents were granted the very same, each by itself", agents.len()),
        mend: "make a capability bundle of it: killick capability define NAME GRANT".to_owned(),
    })
}

/// Whether the verb is one that changes nothing; asked where the catalogue does not say.
fn reads(action: &str) -> bool {
    let verb = action.split(':').next().unwrap_or(action);
    matches!(verb, "read" | "list" | "get" | "search" | "show" | "find" | "count" | "view")
}

/// Whether the name is that of an amount.
fn is_amount(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["amount", "total", "sum", "price", "quantity", "count", "cents", "value"]
        .iter()
        .any(|word| name.split(['_', '-', '.']).any(|part| part == *word))
}

/// Whether every number that satisfies it is below some bound.
fn is_bounded(constraint: &Constraint) -> bool {
    match constraint {
        Constraint::Exact(_) | Constraint::OneOf(_) => true,
        Constraint::Range(range) => range.max.is_some(),
        Constraint::All(clauses) => clauses.iter().any(is_bounded),
        Constraint::Any(clauses) => clauses.iter().all(is_bounded),
        _ => false,
    }
}

/// Whether it rules nothing out.
fn accepts_anything(constraint: &Constraint) -> bool {
    match constraint {
        Constraint::Wildcard => true,
        Constraint::NotOneOf(excluded) => excluded.is_empty(),
        Constraint::All(clauses) => clauses.iter().all(accepts_anything),
        // `x?` is `null` or anything.
        Constraint::Any(clauses) => {
            clauses.iter().any(|clause| *clause != Constraint::Exact(Json::Null) && accepts_anything(clause))
        }
        _ => false,
    }
}

fn told(findings: &[Finding], has_catalogue: bool, has_log: bool, paint: Paint) -> String {
    let mut out = String::new();
    for finding in findings {
        let _ =
            writeln!(out, "{} {} ({})\n  {}", paint.yellow("!"), finding.text, finding.rule, finding.mend);
    }
    if !has_catalogue {
        let _ = writeln!(
            out,
            "{}",
            paint.dim("there is no catalogue here: what writes was guessed from its verb")
        );
    }
    if !has_log {
        let _ =
            writeln!(out, "{}", paint.dim("there is no log here: whether a grant is used was not looked at"));
    }
    match findings.len() {
        0 => out.push_str(&paint.green("nothing to find fault with")),
        1 => out.push_str("1 finding"),
        count => {
            let _ = write!(out, "{count} findings");
        }
    }
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
        World::new().root_claims("invoice-bot", tools)
    }

    fn rules(grant: &str) -> Vec<&'static str> {
        findings(&claims(grant), None).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn what_is_too_broad_is_found_and_what_is_not_is_not() {
        for (grant, expected) in [
            ("read:invoices(id)", vec![]),
            ("read:invoices", vec!["any-arguments"]),
            ("create:payment(amount <= 500, to == x)", vec![]),
            ("create:payment(amount, to == x)", vec!["no-bound"]),
            ("create:payment(amount >= 5, to)", vec!["no-bound", "wildcard-write"]),
            ("create:payment(total_amount? <= 5, to?)", vec!["wildcard-write"]),
            ("create:payment(amount not in {17}, to in {a, b})", vec!["no-bound"]),
            ("create:payment(amount <= 1 or == 7, to == x)", vec![]),
        ] {
            assert_eq!(rules(grant), expected, "{grant}");
        }
    }

    #[test]
    fn time_depth_and_number_count_too() {
        let mut long = claims("create:payment(amount <= 5)");
        long.exp = long.iat + 9 * 3_600;
        long.del_max_depth = 4;
        let found: Vec<_> = findings(&long, None).into_iter().map(|finding| finding.rule).collect();
        assert_eq!(found, ["long-lived", "deep"]);
        let many: Vec<String> = (0..21).map(|n| format!("read:a{n}(id)")).collect();
        assert_eq!(rules(&many.join("; ")), ["too-many-actions"]);
    }

    #[test]
    fn what_other_tokens_say_of_this_one() {
        let token = |agent: &str, bundles: &[&str]| json!({ "agent": agent, "jti": agent, "granted": "read:a", "bundles": bundles, "state": "live" });
        let bundle = |version: u64, retired: bool| json!({ "capabilities": [{ "name": "reader", "version": version, "retired": retired }] });
        let rules = |findings: Vec<Finding>| findings.into_iter().map(|found| found.rule).collect::<Vec<_>>();
        let by_bundle = token("a", &["reader/2"]);
        assert_eq!(rules(behind(&by_bundle, &bundle(2, false))), [] as [&str; 0]);
        assert_eq!(rules(behind(&by_bundle, &bundle(3, false))), ["bundle-behind"]);
        assert_eq!(rules(behind(&by_bundle, &bundle(2, true))), ["bundle-retired"]);

        let (a, b, c) = (token("a", &[]), token("b", &[]), token("c", &[]));
        assert_eq!(granted_one_by_one("a", &a, &[&a, &b, &b]), None, "two agents");
        assert_eq!(granted_one_by_one("a", &a, &[&a, &b, &c]).unwrap().rule, "one-by-one");
        assert_eq!(granted_one_by_one("a", &by_bundle, &[&a, &b, &c]), None);
        assert_eq!(granted_one_by_one("a", &a, &[&a, &b, &token("c", &["reader/1"])]), None);
    }

    #[test]
    fn what_was_used_is_not_unused() {
        let claims = claims("read:a(id); read:b(id)");
        let used = BTreeSet::from(["read:a".to_owned()]);
        let found: Vec<_> = unused(&claims, &used).into_iter().filter_map(|finding| finding.action).collect();
        assert_eq!(found, ["read:b"]);
    }
}
