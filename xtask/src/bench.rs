//! Benches with goals: runs them, prints a table, keeps the last result in `docs/measured/`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::report::{Report, line};
use crate::run::{Step, run};

/// `cargo xtask bench proof`: the proof core beside raw Ed25519 verifications. Its last line on standard output is one
/// JSON object. Errs if a goal is missed.
pub fn proof(root: &Path, report: &mut Report) -> Result<(), String> {
    const BENCH: [&str; 8] =
        ["bench", "--profile", "dist", "--locked", "--package", "killick-proof", "--bench", "verify"];
    run(root, report, &Step::cargo("build of the bench", &[&BENCH[..], &["--no-run"]].concat()))?;
    let measured = last_json(root, &[&BENCH[..], &["--", "--goals"]].concat())?;
    let mut counting = BENCH;
    if let Some(name) = counting.last_mut() {
        *name = "allocations";
    }
    let counted = last_json(root, &counting)?;
    let runs: Vec<Value> =
        items(&measured, "runs").iter().map(|run| with_allocations(run, &counted)).collect();
    let goals = items(&measured, "goals");

    let machine = Machine::here(root);
    let result = json!({
        "bench": "proof", "machine": machine.cpu, "date": machine.date, "commit": machine.commit,
        "runs": runs, "goals": goals,
    });
    let table = table(&runs, &goals);
    write(root, "bench-proof.json", &format!("{result:#}\n"))?;
    write(root, "bench-proof.md", &format!("{}\n\n{}\n{table}", HEAD, machine.line()))?;
    line(&table);
    report.result(result.to_string());
    judge(&goals)
}

/// `cargo xtask bench tlog`: offline verification of a large log and proofs in a larger one. Its last line on standard
/// output is one JSON object. Errs if a goal is missed.
pub fn tlog(root: &Path, report: &mut Report) -> Result<(), String> {
    const BENCH: [&str; 8] =
        ["bench", "--profile", "dist", "--locked", "--package", "killick-tlog", "--bench", "verify"];
    run(root, report, &Step::cargo("build of the bench", &[&BENCH[..], &["--no-run"]].concat()))?;
    let measured = last_json(root, &BENCH)?;
    let (runs, goals) = (items(&measured, "runs"), items(&measured, "goals"));
    let machine = Machine::here(root);
    let result = json!({
        "bench": "tlog", "machine": machine.cpu, "date": machine.date, "commit": machine.commit,
        "runs": runs, "goals": goals,
    });
    let text = |value: &Value, name: &str| match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(met)) => if *met { "yes" } else { "**no**" }.to_owned(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let mut table = String::from("\n| what | reached | unit |\n| --- | ---: | --- |\n");
    for run in &runs {
        table.push_str(&format!(
            "| {} | {} | {} |\n",
            text(run, "name"),
            text(run, "reached"),
            text(run, "unit")
        ));
    }
    table.push_str("\n| goal | | reached | met |\n| --- | ---: | ---: | --- |\n");
    for goal in &goals {
        let bound = if text(goal, "bound") == "least" { "at least" } else { "at most" };
        table.push_str(&format!(
            "| {} | {bound} {} | {} | {} |\n",
            text(goal, "name"),
            text(goal, "goal"),
            text(goal, "reached"),
            text(goal, "met")
        ));
    }
    write(root, "bench-tlog.json", &format!("{result:#}\n"))?;
    write(root, "bench-tlog.md", &format!("{TLOG_HEAD}\n\n{}\n{table}", machine.line()))?;
    line(&table);
    report.result(result.to_string());
    judge(&goals)
}

const TLOG_HEAD: &str = "# The log's mathematics, measured\n\nWritten by `cargo xtask bench tlog`. One core. Offline \
verification is of a log in memory: every entry, every tile, the times, the root.\nProofs are of \
random entries, by a reader that stays and keeps tiles above the\nleaves (32 MiB at most), and beside it by a new reader \
for each proof. The tiles of the large tree are synthetic, made when they are read.";

fn judge(goals: &[Value]) -> Result<(), String> {
    let missed: Vec<&str> = goals
        .iter()
        .filter(|goal| goal.get("met") != Some(&Value::Bool(true)))
        .filter_map(|goal| goal.get("name")?.as_str())
        .collect();
    if missed.is_empty() { Ok(()) } else { Err(format!("goals missed: {}", missed.join("; "))) }
}

const HEAD: &str = "# The proof core, measured\n\nWritten by `cargo xtask bench proof`. Medians of interleaved rounds; *raw* is what \
the Ed25519 verifications that it contains\ntake alone, by the same library on the same bytes in the same rounds. \
Allocations are counted by a program of its own.";

pub(crate) fn items(value: &Value, name: &str) -> Vec<Value> {
    value.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn with_allocations(run: &Value, counted: &Value) -> Value {
    let mut run = run.clone();
    let same = |one: &&Value| one.get("name") == run.get("name");
    let of_run = counted.as_array().and_then(|all| all.iter().find(same)).cloned().unwrap_or_default();
    if let Some(members) = run.as_object_mut() {
        for name in ["allocations", "bytes"] {
            members.insert(name.to_owned(), of_run.get(name).cloned().unwrap_or_default());
        }
    }
    run
}

fn table(runs: &[Value], goals: &[Value]) -> String {
    let number = |value: Option<&Value>, digits: usize| {
        value.and_then(Value::as_f64).map_or(String::new(), |number| format!("{number:.digits$}"))
    };
    let text = |value: &Value| value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut out = String::from(
        "\n| what | µs | raw µs | ratio | allocations | bytes |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for run in runs {
        out.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            text(run),
            number(run.get("micros"), 2),
            number(run.get("raw_micros"), 2),
            number(run.get("ratio"), 2),
            number(run.get("allocations"), 0),
            number(run.get("bytes"), 0),
        ));
    }
    out.push_str("\n| goal | at most | reached | met |\n| --- | ---: | ---: | --- |\n");
    for goal in goals {
        let met = if goal.get("met") == Some(&Value::Bool(true)) { "yes" } else { "**no**" };
        let (at_most, reached) = (number(goal.get("goal"), 2), number(goal.get("reached"), 2));
        out.push_str(&format!("| {} | {at_most} | {reached} | {met} |\n", text(goal)));
    }
    out
}

/// Runs cargo and reads the last line that it prints.
pub(crate) fn last_json(root: &Path, arguments: &[&str]) -> Result<Value, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("the bench failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|error| format!("the bench printed no JSON: {error}"))
}

/// Writes a file of `docs/measured/`.
pub fn write(root: &Path, name: &str, text: &str) -> Result<(), String> {
    let path = root.join("docs/measured").join(name);
    std::fs::create_dir_all(root.join("docs/measured"))
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
