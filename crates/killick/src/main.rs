//! The one command line of killick: parses, calls, and maps the result to an exit code.

mod acting;
mod chain_file;
mod cli;
mod client;
mod commands;
mod config;
mod duration;
mod folder;
mod http;
mod log_source;
mod metrics;
mod moment;
mod output;
mod stack;
mod telemetry;
mod wallet;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::folder::Folder;
use crate::output::{Exit, Failure, Outcome, Ui};

fn main() -> ExitCode {
    // The shop's services are programs of their own that live in this executable: their arguments are theirs.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "shop") {
        return killick_shop::main_from_args(arguments);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // `--json` may be anywhere before `--`, and the line could not be parsed.
            let json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
            return output::tell_usage(&error, json);
        }
    };
    let json = cli.global.json;
    run(cli).unwrap_or_else(|failure| failure.tell(json))
}

fn run(cli: Cli) -> Outcome {
    let folder = Folder::new(&cli.global.dir);
    let ui = Ui { json: cli.global.json };
    match cli.command {
        Command::Pilot(mut args) => {
            args.json = cli.global.json;
            args.dir = named_dir(&cli.global.dir);
            block_on(commands::pilot::run(&args))
        }
        Command::Up(args) => block_on(commands::up::run(&folder, ui, &args)),
        Command::Config(command) => commands::config::run(&folder, ui, &command),
        Command::Catalogue(command) => block_on(commands::catalogue::run(&folder, ui, &command)),
        Command::Trace { what, svg } => commands::trace::run(&folder, ui, &what, svg.as_deref()),
        Command::Keys(command) => commands::keys::run(&folder, ui, &command),
        Command::Capability(command) => block_on(commands::capability::run(&folder, ui, &command)),
        Command::Policy(command) => commands::policy::run(&folder, ui, &command),
        Command::Agent(command) => block_on(commands::agent::run(&folder, ui, &command)),
        Command::Token(command) => block_on(commands::token::run(&folder, ui, &command)),
        Command::Signature(command) => commands::signature::run(ui, &command),
        Command::Call(args) => block_on(commands::call::run(&folder, ui, &args)),
        Command::Run(args) => block_on(commands::run::run(&folder, ui, &args)),
        Command::Revoke(args) => block_on(commands::revoke::run(&folder, ui, &args)),
        Command::Log(command) => block_on(commands::log::run(&folder, ui, &command)),
        Command::Witness(command) => commands::witness::run(&folder, ui, &command),
        Command::Status => block_on(commands::status::run(&folder, ui)),
        Command::Doctor => block_on(commands::doctor::run(&folder, ui)),
        Command::Completions(args) => commands::pages::completions(ui, args),
        Command::Man(args) => commands::pages::man(ui, &args),
        Command::Docs => commands::pages::docs(ui),
        Command::Shop(args) => Ok(killick_shop::main_from_args(args.arguments)),
    }
}

/// The data folder, if one was named: by `--dir` or `KILLICK_DIR`.
fn named_dir(dir: &std::path::Path) -> Option<std::path::PathBuf> {
    let default = <Cli as clap::CommandFactory>::command()
        .get_arguments()
        .find(|argument| argument.get_id() == "dir")
        .and_then(|argument| argument.get_default_values().first().cloned());
    (Some(dir.as_os_str()) != default.as_deref()).then(|| dir.to_owned())
}

pub(crate) fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::CheckFailed, "runtime", format!("cannot start: {error}")))?
        .block_on(work)
}
