//! `killick revoke KIND VALUE`: stop it now.

use serde_json::{Value, json};

use crate::cli::{RevokeArgs, RevokeKind};
use crate::client::Admin;
use crate::folder::Folder;
use crate::output::{Exit, Failure, Outcome, Ui};

/// Runs `killick revoke`.
pub async fn run(folder: &Folder, ui: Ui, args: &RevokeArgs) -> Outcome {
    let value = match (args.kind, args.value.as_deref()) {
        (RevokeKind::All, None) if args.lift => return lift(folder, ui).await,
        (RevokeKind::All, None) => None,
        (RevokeKind::All, Some(_)) => {
            return Err(
                Failure::usage("revoke.value", "`revoke all` takes no value").mend("killick revoke all")
            );
        }
        (_, None) => return Err(Failure::usage("revoke.value", "what shall be revoked?")),
        (_, Some(_)) if args.lift => {
            return Err(Failure::usage(
                "revoke.lift",
                "only the kill switch can be lifted; other revocations are for good",
            )
            .mend("killick revoke all --lift"));
        }
        (_, Some(value)) => Some(value),
    };
    let body = json!({ "kind": args.kind.as_str(), "value": value, "reason": args.reason });
    let answer = Admin::of(folder).post("/v1/revocations", &body).await?;
    ui.result(&answer, |paint| {
        let version = answer
            .get("bundle_version")
            .and_then(Value::as_u64)
            .map_or_else(String::new, |v| format!(" (bundle {v})"));
        match args.kind {
            RevokeKind::All => format!(
                "{}: everything is revoked{version}\nlift it: killick revoke all --lift",
                paint.red("KILL SWITCH")
            ),
            kind => {
                format!("{} {} {}{version}", paint.green("revoked"), kind.as_str(), value.unwrap_or_default())
            }
        }
    });
    Ok(Exit::Fine.into())
}

async fn lift(folder: &Folder, ui: Ui) -> Outcome {
    let answer = Admin::of(folder).delete("/v1/revocations/all").await?;
    ui.result(&answer, |paint| {
        format!("{}: the kill switch is off; other revocations stay", paint.green("lifted"))
    });
    Ok(Exit::Fine.into())
}
