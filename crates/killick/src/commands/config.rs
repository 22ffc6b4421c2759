//! `killick config …`: check the configuration before it bites.

use serde_json::json;

use crate::cli::ConfigCommand;
use crate::config::{Config, TRUST_DOMAIN_DEFAULT, default_text};
use crate::folder::{Folder, read_text};
use crate::output::{Exit, Failure, Outcome, Ui};

/// Runs `killick config …`.
pub fn run(folder: &Folder, ui: Ui, command: &ConfigCommand) -> Outcome {
    match command {
        ConfigCommand::Default => {
            let text = default_text(TRUST_DOMAIN_DEFAULT);
            ui.result(&json!({ "toml": text }), |_| text.clone());
            Ok(Exit::Fine.into())
        }
        ConfigCommand::Check { file } => {
            let path = file.clone().unwrap_or_else(|| folder.config());
            let text = read_text(&path).map_err(|failure| match failure.code() {
                "file.missing" if file.is_none() => Failure::usage("file.missing", failure.sentence())
                    .mend("`killick up` writes one at its first start; `killick config default` prints it"),
                _ => failure,
            })?;
            match Config::parse(&text) {
                Ok(config) => {
                    ui.result(
                        &json!({ "ok": true, "file": path.display().to_string(), "trust_domain": config.trust_domain }),
                        |paint| format!("{} {}", paint.green("ok"), path.display()),
                    );
                    Ok(Exit::Fine.into())
                }
                Err(error) => Err(error.into_failure(&path, Exit::CheckFailed).with("ok", false)),
            }
        }
    }
}
