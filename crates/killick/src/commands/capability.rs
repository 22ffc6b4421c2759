//! `killick capability …`: grants with a name and a version, and who holds them.

use std::fmt::Write as _;

use killick_proof::grammar::Grant;
use serde_json::{Value, json};

use crate::cli::CapabilityCommand;
use crate::client::{Admin, segment};
use crate::commands::agent::time_text;
use crate::commands::token::grammar_failure;
use crate::folder::Folder;
use crate::output::{Exit, Failure, Outcome, Paint, Ui};

/// Runs `killick capability …`.
pub async fn run(folder: &Folder, ui: Ui, command: &CapabilityCommand) -> Outcome {
    let admin = Admin::of(folder);
    match command {
        CapabilityCommand::Define { name, grant } => {
            // Where the text itself is wrong, say so with its column before anybody else is asked.
            Grant::parse(grant).map_err(|error| grammar_failure(grant, &error))?;
            let bundle = admin.post("/v1/capabilities", &json!({ "name": name, "grant": grant })).await?;
            ui.result(&bundle, |paint| {
                format!(
                    "{} {}\ngrant it: killick token grant AGENT '@{name}'",
                    paint.green("defined"),
                    line(&bundle, paint)
                )
            });
        }
        CapabilityCommand::List => {
            let answer = admin.get("/v1/capabilities").await?;
            ui.result(&answer, |paint| {
                let all: Vec<String> = bundles(&answer).iter().map(|bundle| told(bundle, paint)).collect();
                if all.is_empty() {
                    return "there are none; make one: killick capability define NAME GRANT".to_owned();
                }
                all.join("\n")
            });
        }
        CapabilityCommand::Show { name } => {
            let answer = admin.get("/v1/capabilities").await?;
            let found = bundles(&answer).iter().find(|bundle| text(bundle, "name") == name);
            let Some(bundle) = found else {
                let failure =
                    Failure::usage("capability.unknown", format!("there is no capability bundle `{name}`"));
                return Err(failure.mend("`killick capability list` shows those that there are"));
            };
            ui.result(bundle, |paint| {
                let mut out = told(bundle, paint);
                for earlier in bundle.get("earlier").and_then(Value::as_array).into_iter().flatten() {
                    let _ = write!(out, "\n{}", paint.dim(&line(earlier, paint)));
                }
                out
            });
        }
        CapabilityCommand::Retire { name } => {
            let bundle = admin.delete(&format!("/v1/capabilities/{}", segment(name))).await?;
            ui.result(&bundle, |paint| {
                format!(
                    "{} {name}; tokens that were granted by it stay until they expire",
                    paint.yellow("retired")
                )
            });
        }
    }
    Ok(Exit::Fine.into())
}

fn bundles(answer: &Value) -> &[Value] {
    answer.get("capabilities").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn told(bundle: &Value, paint: Paint) -> String {
    let mut out = line(bundle, paint);
    for user in bundle.get("users").and_then(Value::as_array).into_iter().flatten() {
        let count = |name: &str| user.get(name).and_then(Value::as_u64).unwrap_or_default();
        let tokens =
            if count("tokens") == 1 { "1 token".to_owned() } else { format!("{} tokens", count("tokens")) };
        let behind = if user.get("version") == bundle.get("version") { "" } else { ", behind" };
        let _ = write!(out, "\n  {}: {tokens} by version {}{behind}", text(user, "agent"), count("version"));
    }
    out
}

/// `invoice-reader/3  read:invoices; execute:none  (2026-11-25T10:00:00Z)`
fn line(bundle: &Value, paint: Paint) -> String {
    let number = |name: &str| bundle.get(name).and_then(Value::as_u64).unwrap_or_default();
    let retired = if bundle.get("retired") == Some(&Value::Bool(true)) { ", retired" } else { "" };
    let name = format!("{}/{}", text(bundle, "name"), number("version"));
    let since = time_text(number("defined_at") / 1_000_000);
    format!("{}  {}  ({since}{retired})", paint.bold(&name), text(bundle, "grant"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
