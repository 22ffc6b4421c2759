//! `killick log erase`: a person or an agent, from the logs of a running killick.

use serde_json::{Value, json};

use crate::client::Admin;
use crate::folder::Folder;
use crate::output::{Exit, Failure, Outcome, Ui};

/// Runs `killick log erase`.
pub async fn run(folder: &Folder, ui: Ui, subject: &str, yes: bool) -> Outcome {
    if !yes {
        let what = "what the logs commit to about this subject could be told by nobody any more, for good";
        return Err(Failure::usage("erase.confirm", what).mend("add --yes to do it; every proof stays valid"));
    }
    let answer = Admin::of(folder).post("/v1/erasures", &json!({ "subject": subject })).await?;
    ui.result(&answer, |paint| {
        let names = answer.get("pseudonyms").and_then(Value::as_object);
        let lines = names.into_iter().flatten().map(|(origin, pseudonym)| {
            format!("  {origin}: stands there as {}", pseudonym.as_str().unwrap_or_default())
        });
        let chains = answer.get("chains").and_then(Value::as_u64).unwrap_or_default();
        let head = paint.green("erased");
        let tail = format!(
            "{chains} token chains beside the log forgotten; that it was done is in the directory log"
        );
        std::iter::once(head).chain(lines).chain([tail]).collect::<Vec<_>>().join("\n")
    });
    Ok(Exit::Fine.into())
}
