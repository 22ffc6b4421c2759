//! `cargo xtask bench ledger`: durable appends beside SQLite, PostgreSQL and the bare disk (`bench/ledger`).

use std::path::Path;

use serde_json::{Value, json};

use crate::bench::{items, last_json, write};
use crate::machine::Machine;
use crate::oracles;
use crate::report::{Report, line};
use crate::run::{Step, run};

const MANIFEST: [&str; 4] = ["--release", "--locked", "--manifest-path", "bench/ledger/Cargo.toml"];

const HEAD: &str = "# The ledger, measured\n\nWritten by `cargo xtask bench ledger`. Durable appends of 512-byte entries, \
all on one file system, one after the other in one run.\nCallers and peers share the machine: processor time and memory \
of what runs in the bench's process (killick, SQLite) include\nthe callers, PostgreSQL's are its server's. At a fixed rate, \
latency counts from the intended time. A ratio to the floor below 1\nsays that the machine was busy: the floor's one thread \
then waits for a processor, and that goal shows nothing. Why goals are\nmissed: `docs/performance.md`.";

/// Builds and runs the bench. Its last line on standard output is one JSON object. Errs if a goal is missed.
pub fn ledger(root: &Path, report: &mut Report, entries: u64) -> Result<(), String> {
    oracles::set_up_bench(root, report)?;
    // A target folder of its own: other features of shared dependencies must not rebuild those of the product.
    let target = oracles::target(root).join("bench-ledger");
    let (target_text, data) = (target.to_string_lossy().into_owned(), target.join("data"));
    let mut build = vec!["build", "--target-dir", &target_text];
    build.extend(MANIFEST);
    run(root, report, &Step::cargo("build of the bench", &build))?;
    let (entries, data) = (entries.to_string(), data.to_string_lossy().into_owned());
    let mut arguments = vec!["run", "--quiet", "--target-dir", &target_text];
    arguments.extend(MANIFEST);
    arguments.extend(["--", "--entries", &entries, "--folder", &data]);
    let measured = last_json(root, &arguments)?;

    let (runs, goals) = (items(&measured, "runs"), items(&measured, "goals"));
    let machine = Machine::here(root);
    let disk = measured.get("disk").cloned().unwrap_or_default();
    let result = json!({
        "bench": "ledger", "machine": machine.cpu, "date": machine.date, "commit": machine.commit,
        "runs": runs, "goals": goals, "disk": disk,
    });
    let table = table(&runs, &goals, &disk);
    write(root, "bench-ledger.json", &format!("{result:#}\n"))?;
    write(root, "bench-ledger.md", &format!("{HEAD}\n\n{}\n{table}", machine.line()))?;
    line(&table);
    report.result(result.to_string());
    let missed: Vec<&str> = goals
        .iter()
        .filter(|goal| goal.get("met") != Some(&Value::Bool(true)))
        .filter_map(|goal| goal.get("name")?.as_str())
        .collect();
    if missed.is_empty() { Ok(()) } else { Err(format!("goals missed: {}", missed.join("; "))) }
}

fn table(runs: &[Value], goals: &[Value], disk: &Value) -> String {
    let mut out = String::from(
        "\n| peer | load | entries/s | p50 µs | p99 µs | p99.9 µs | CPU µs an entry | resident MiB |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for run in runs {
        let micros = |name: &str| text(run.get("us").and_then(|us| us.get(name)));
        let mebibytes = run.get("rss_bytes").and_then(Value::as_f64);
        let note = run.get("note").map_or(String::new(), |note| format!(" ({})", text(Some(note))));
        out.push_str(&format!(
            "| {} | {}{note} | {} | {} | {} | {} | {} | {} |\n",
            text(run.get("peer")),
            text(run.get("load")),
            run.get("rps").and_then(Value::as_f64).map_or(String::new(), |rps| format!("{rps:.0}")),
            micros("p50"),
            micros("p99"),
            micros("p999"),
            text(run.get("cpu_us_per_request")),
            mebibytes.map_or(String::new(), |bytes| format!("{:.0}", bytes / 1_048_576.0)),
        ));
    }
    let number = |name: &str| disk.get(name).and_then(Value::as_f64).unwrap_or_default() / 1e6;
    out.push_str(&format!(
        "\nThe disk writes {:.0} MB/s, one file in sequence with one sync at its end. The journal's reserve is {:.0} MB, whatever \
         the log's size; this log has no query index.\n",
        number("sequential_bytes_per_second"),
        number("journal_bytes"),
    ));
    out.push_str("\n| goal | | reached | met |\n| --- | ---: | ---: | --- |\n");
    for goal in goals {
        let bound = if goal.get("bound") == Some(&json!("least")) { "at least" } else { "at most" };
        let met = if goal.get("met") == Some(&Value::Bool(true)) { "yes" } else { "**no**" };
        let (name, bar, reached) =
            (text(goal.get("name")), text(goal.get("goal")), text(goal.get("reached")));
        out.push_str(&format!("| {name} | {bound} {bar} | {reached} | {met} |\n"));
    }
    out
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}
