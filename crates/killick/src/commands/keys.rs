//! `killick keys …`: the installation's own keys, at rest.

use std::path::Path;

use killick_authority::keystore::{FileKeyStore, PASSPHRASE_FILE_VARIABLE, Passphrase};
use serde_json::json;

use crate::cli::KeysCommand;
use crate::folder::Folder;
use crate::output::{Exit, Failure, Outcome, Ui};
use crate::stack::authority_failure;

/// Runs `killick keys …`.
pub fn run(folder: &Folder, ui: Ui, command: &KeysCommand) -> Outcome {
    match command {
        KeysCommand::Passphrase { new, .. } => passphrase(folder, ui, new.as_deref()),
    }
}

fn passphrase(folder: &Folder, ui: Ui, new: Option<&Path>) -> Outcome {
    if !folder.keys().is_dir() {
        return Err(Failure::usage(
            "folder.empty",
            format!("there are no keys in {}", folder.path().display()),
        )
        .mend("killick up makes some at its first start"));
    }
    let fresh = new.map(Passphrase::from_file).transpose().map_err(|error| authority_failure(&error))?;
    let mut store = FileKeyStore::open(folder.path()).map_err(|error| authority_failure(&error))?;
    let count = store.change_passphrase(fresh).map_err(|error| authority_failure(&error))?;
    let next = match new {
        Some(file) => format!("start killick with {PASSPHRASE_FILE_VARIABLE}={}", file.display()),
        None => format!("start killick without {PASSPHRASE_FILE_VARIABLE}"),
    };
    ui.result(&json!({ "keys": count, "encrypted": new.is_some(), "next": next }), |paint| {
        let how = if new.is_some() { "encrypted anew" } else { "plain now" };
        format!("{} {count} keys are {how}\nfrom now on, {next}", paint.green("done"))
    });
    Ok(Exit::Fine.into())
}
