//! `killick policy …`: the organisation's rules, checked before they are in force.

use std::path::{Path, PathBuf};

use killick_decide::Catalogue;
use killick_decide::catalogue::CatalogueDocument;
use killick_decide::cedar::Policies;
use killick_proof::bundle::PolicyText;
use serde_json::json;

use crate::cli::PolicyCommand;
use crate::commands::catalogue;
use crate::config::Config;
use crate::folder::{Folder, read_text};
use crate::output::{Exit, Failure, Outcome, Ui};

/// Runs `killick policy …`.
pub fn run(folder: &Folder, ui: Ui, command: &PolicyCommand) -> Outcome {
    match command {
        PolicyCommand::Check { files } => check(folder, ui, files),
    }
}

fn check(folder: &Folder, ui: Ui, files: &[PathBuf]) -> Outcome {
    let texts = if files.is_empty() { texts_in(&folder.policies())? } else { texts_of(files)? };
    let catalogue = match catalogue::local(folder) {
        // Files may be checked where killick never ran: then there are no actions to speak of yet.
        Err(failure) if failure.code() == "folder.empty" && !files.is_empty() => empty_catalogue()?,
        other => other?,
    };
    let time_zone = match Config::read(&folder.config(), Exit::CheckFailed) {
        Err(failure) if failure.code() == "file.missing" => "UTC".to_owned(),
        other => other?.time_zone,
    };
    let policies = Policies::compile(&texts, &catalogue, &time_zone).map_err(|error| {
        Failure::check("policy.invalid", error.to_string())
            .mend("correct it; the actions that policies can speak of are those of `killick catalogue show`")
            .with("ok", false)
    })?;
    let warnings = policies.warnings().to_vec();
    ui.result(
        &json!({ "ok": true, "policies": policies.len(), "files": texts.len(), "warnings": warnings }),
        |paint| {
            let mut lines: Vec<String> =
                warnings.iter().map(|text| format!("{}: {text}", paint.yellow("note"))).collect();
            if policies.is_empty() {
                lines.push(format!("{}: there is no policy, so nothing is permitted", paint.yellow("note")));
            }
            lines.push(format!(
                "{} {} policies in {} files, valid for {} actions",
                paint.green("ok"),
                policies.len(),
                texts.len(),
                catalogue.document().operations.len(),
            ));
            lines.join("\n")
        },
    );
    Ok(Exit::Fine.into())
}

fn empty_catalogue() -> Result<Catalogue, Failure> {
    let document = CatalogueDocument {
        id: "none".to_owned(),
        version: 1,
        upstreams: Default::default(),
        operations: Vec::new(),
        moved: Default::default(),
    };
    Catalogue::new(document).map_err(|error| Failure::check("catalogue.invalid", error.to_string()))
}

/// The policies in a folder, by name.
pub fn texts_in(dir: &Path) -> Result<Vec<PolicyText>, Failure> {
    let entries = std::fs::read_dir(dir).map_err(|error| Failure::io("read", dir, &error))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cedar"))
        .collect();
    files.sort();
    texts_of(&files)
}

fn texts_of(files: &[PathBuf]) -> Result<Vec<PolicyText>, Failure> {
    let mut texts = Vec::new();
    for path in files {
        if path.is_dir() {
            texts.extend(texts_in(path)?);
            continue;
        }
        let id = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        texts.push(PolicyText { id, text: read_text(path)? });
    }
    Ok(texts)
}
