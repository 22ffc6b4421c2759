//! policy
use crate::{cli::PolicyCommand, folder::Folder, output::*};
pub fn run(_f: &Folder, _ui: Ui, _c: &PolicyCommand) -> Outcome {
    Err(Failure::check("x", "x"))
}
