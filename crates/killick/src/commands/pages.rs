//! What is made from the definition of the command line: completions, manual pages, the reference.

use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory as _;
use serde_json::json;

use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::folder::write_whole;
use crate::output::{Exit, Failure, Outcome, Ui};

/// `killick completions SHELL`
pub fn completions(ui: Ui, args: CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut shown(), "killick", &mut script);
    if ui.json {
        ui.result(
            &json!({ "shell": args.shell.to_string(), "script": String::from_utf8_lossy(&script) }),
            |_| String::new(),
        );
    } else {
        ui.raw(&script);
    }
    Ok(Exit::Fine.into())
}

/// The command line as people see it: without the commands that are hidden from help.
fn shown() -> clap::Command {
    let whole = Cli::command();
    let mut shown = clap::Command::new("killick")
        .version(env!("CARGO_PKG_VERSION"))
        .about(whole.get_about().cloned().unwrap_or_default())
        .long_about(whole.get_long_about().cloned().unwrap_or_default())
        .after_help(whole.get_after_help().cloned().unwrap_or_default())
        .propagate_version(true)
        .disable_help_subcommand(true)
        .subcommand_required(true);
    for argument in whole.get_arguments() {
        shown = shown.arg(argument.clone());
    }
    for command in whole.get_subcommands().filter(|command| !command.is_hide_set()) {
        shown = shown.subcommand(command.clone());
    }
    shown
}

/// `killick man DIR`
pub fn man(ui: Ui, args: &ManArgs) -> Outcome {
    std::fs::create_dir_all(&args.folder).map_err(|error| Failure::io("create", &args.folder, &error))?;
    let mut written = Vec::new();
    let mut command = shown();
    command.build();
    write_page(&command, "killick", &args.folder, &mut written)?;
    ui.result(&json!({ "pages": written }), |_| {
        format!(
            "{} pages in {}\nread one: man {}/killick.1",
            written.len(),
            args.folder.display(),
            args.folder.display()
        )
    });
    Ok(Exit::Fine.into())
}

fn write_page(
    command: &clap::Command,
    name: &str,
    folder: &Path,
    written: &mut Vec<String>,
) -> Result<(), Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Failure::io("make the page", folder, &error))?;
    let file = format!("{name}.1");
    write_whole(&folder.join(&file), &page, 0o644)?;
    written.push(file);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_page(sub, &format!("{name}-{}", sub.get_name()), folder, written)?;
    }
    Ok(())
}

/// `killick docs`: `docs/reference/cli.md`.
pub fn docs(ui: Ui) -> Outcome {
    let text = reference();
    ui.result(&json!({ "markdown": text }), |_| text.clone());
    Ok(Exit::Fine.into())
}

/// The reference of the command line as Markdown.
pub fn reference() -> String {
    let mut out = String::from(
        "# The command line\n\nMade by `killick docs` from the definition that the program itself uses; do not edit.\n\n\
         Exit codes: 0 fine, 1 a check failed, 2 usage, 3 not reachable, 4 denied, 5 a proof does not verify \
         ([more](exit-codes.md)).\nErrors are one sentence and a mend on stderr; with `--json` one line of JSON \
         ([the list](errors.md)).\n\nEvery command takes `--dir DIR` (data folder; `KILLICK_DIR`, default \
         `./killick-data`) and `--json` (results and errors as one line of JSON).\n",
    );
    let mut command = shown();
    command.build();
    describe(&command, "killick", &mut out);
    out
}

fn describe(command: &clap::Command, name: &str, out: &mut String) {
    let subcommands: Vec<_> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
    if subcommands.is_empty() {
        let _ = write!(
            out,
            "\n## `{name}`\n\n{}\n",
            command.get_about().map(ToString::to_string).unwrap_or_default()
        );
        let usage = command.clone().bin_name(name.to_owned()).render_usage().to_string();
        let _ = write!(out, "\n```text\n{}\n```\n", usage.trim_start_matches("Usage: "));
        let arguments: Vec<_> = command
            .get_arguments()
            .filter(|arg| {
                !arg.is_hide_set() && !["help", "version", "json", "dir"].contains(&arg.get_id().as_str())
            })
            .collect();
        if !arguments.is_empty() {
            out.push_str("\n| argument | what |\n| --- | --- |\n");
        }
        for arg in arguments {
            let _ = writeln!(out, "| {} | {} |", spelled(arg), explained(arg));
        }
    }
    for sub in subcommands {
        describe(sub, &format!("{name} {}", sub.get_name()), out);
    }
}

fn spelled(arg: &clap::Arg) -> String {
    let value = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values())
        .and_then(|names| names.first())
        .map(|name| format!(" {name}").replace('|', "\\|"))
        .unwrap_or_default();
    match arg.get_long() {
        Some(long) => format!("`--{long}{value}`"),
        None => format!("`{}`", value.trim()),
    }
}

fn explained(arg: &clap::Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
    let shell = arg.get_id() == "shell";
    let values: Vec<_> = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set()).collect();
    if arg.get_action().takes_values() && !values.is_empty() {
        let listed: Vec<String> = values
            .iter()
            .map(|value| match value.get_help().filter(|_| !shell) {
                Some(help) => format!("`{}` ({help})", value.get_name()),
                None => format!("`{}`", value.get_name()),
            })
            .collect();
        let _ = write!(text, ": {}", listed.join(", "));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if arg.get_action().takes_values() && !defaults.is_empty() {
        let _ = write!(text, " (default: {})", defaults.join(", "));
    }
    text
}
