//! `killick revoke KIND VALUE`: stop it now.

use serde_json::{Value, json};

use crate::cli::{RevokeArgs, RevokeKind};
use crate::client::Admin;
use crate::folder::{Folder, member};
use crate::output::{Exit, Failure, Outcome, Ui};
use crate::wallet::check_name;

/// Runs `killick revoke`.
pub async fn run(folder: &Folder, ui: Ui, args: &RevokeArgs) -> Outcome {
    let value = match (args.kind, args.value.as_deref()) {
        (RevokeKind::All, None) => "*".to_owned(),
        (RevokeKind::All, Some(_)) => {
            return Err(
                Failure::usage("revoke.value", "`revoke all` takes no value").mend("killick revoke all")
            );
        }
        (_, None) => return Err(Failure::usage("revoke.value", "what shall be revoked?")),
        (RevokeKind::Agent | RevokeKind::Subtree, Some(name)) => spiffe_id(folder, name)?,
        (_, Some(value)) => value.to_owned(),
    };
    let mut body = json!({ "kind": args.kind.as_str(), "value": value });
    if let (Some(reason), Some(members)) = (&args.reason, body.as_object_mut()) {
        members.insert("reason".to_owned(), reason.as_str().into());
    }
    let answer = Admin::of(folder).post("/v1/revocations", &body).await?;
    ui.result(&answer, |paint| {
        let version = answer
            .get("bundle_version")
            .and_then(Value::as_u64)
            .map_or_else(String::new, |v| format!(" (bundle {v})"));
        match args.kind {
            RevokeKind::All => format!("{}: everything is revoked{version}", paint.red("KILL SWITCH")),
            kind => format!("{} {} {value}{version}", paint.green("revoked"), kind.as_str()),
        }
    });
    Ok(Exit::Fine.into())
}

/// The SPIFFE ID that a name or an ID means.
fn spiffe_id(folder: &Folder, name: &str) -> Result<String, Failure> {
    if name.starts_with("spiffe://") {
        return Ok(name.to_owned());
    }
    check_name(name)?;
    let trust = folder.read_trust(None)?;
    Ok(format!("spiffe://{}/agent/{name}", member(&trust, "/trust_domain", "trust.json")?))
}
