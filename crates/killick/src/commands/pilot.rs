//! `killick pilot`: the six-step evaluation.

use std::process::ExitCode;

use crate::cli::PilotArgs;
use crate::output::{Exit, Failure};

/// Runs the evaluation; exit code 0 only when the targets hold.
pub fn run(args: PilotArgs) -> ExitCode {
    Failure::new(Exit::CheckFailed, "pilot.absent", "this build has no pilot").tell(args.json)
}
