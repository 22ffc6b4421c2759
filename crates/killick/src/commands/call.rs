//! `killick call ACTION k=v …`: one signed call, its answer, its receipt.

use std::time::Duration;

use bytes::Bytes;
use killick_gateway::client::{AgentClient, AgentReply, AgentRequest};
use killick_proof::Code;
use serde_json::{Value, json};

use crate::acting::{client_config, no_answer};
use crate::cli::CallArgs;
use crate::commands::catalogue::catalogue_of;
use crate::commands::explain::arguments;
use crate::folder::Folder;
use crate::output::{Exit, Failure, Outcome, Ui};
use crate::wallet::Wallet;

/// How long until a signature is of another second.
const SIGN_ANEW: Duration = Duration::from_millis(1_100);

/// Runs `killick call`. Exit code 4 if the answer is no.
pub async fn run(folder: &Folder, ui: Ui, args: &CallArgs) -> Outcome {
    let wallet = Wallet::pick(folder, args.agent.as_deref())?;
    let (config, _new_tokens) = client_config(folder, &wallet)?;
    let catalogue = catalogue_of(folder).await?;
    let wrong = |code: &str, why: String| Failure::usage(code, why).mend("see `killick catalogue show`");
    let typed = arguments(&catalogue, &args.action, &args.arguments)
        .map_err(|(code, why)| wrong(code.as_str(), why))?;
    let plain = catalogue
        .request_for(&args.action, &typed)
        .map_err(|error| wrong("call.arguments", error.to_string()))?;
    let request = AgentRequest {
        method: plain.method,
        target: plain.target,
        content_type: plain.content_type.map(str::to_owned),
        body: Bytes::from(plain.body),
    };
    let client = AgentClient::new(config).map_err(|error| no_answer(&error))?;
    let mut reply = client.call(request.clone()).await.map_err(|error| no_answer(&error))?;
    if reply.code().as_deref() == Some(Code::SigTime.as_str()) {
        // After a crash a gateway takes nothing that was signed in the second before; nothing was done, so sign anew.
        tokio::time::sleep(SIGN_ANEW).await;
        reply = client.call(request).await.map_err(|error| no_answer(&error))?;
    }
    tell(&wallet, ui, &reply)
}

/// Prints an answer, keeps its receipt, and maps it to an exit code.
fn tell(wallet: &Wallet, ui: Ui, reply: &AgentReply) -> Outcome {
    let request_id = reply.request_id.as_deref().unwrap_or_default();
    let receipt =
        reply.receipt_text().map(|receipt| wallet.keep_receipt(request_id, &receipt)).transpose()?;
    let receipt = receipt.map(|path| path.display().to_string());
    let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
    if let (Some(code), Some(problem)) = (reply.code(), &body) {
        return Err(denied(reply, &code, problem)
            .with("request_id", request_id)
            .with("log_index", reply.log_index())
            .with("receipt", receipt));
    }
    if ui.json {
        let body = body.unwrap_or_else(|| String::from_utf8_lossy(&reply.body).into_owned().into());
        let shown = json!({
            "status": reply.status, "request_id": request_id, "log_index": reply.log_index(), "receipt": receipt,
            "observed": reply.observed, "body": body,
        });
        ui.result(&shown, |_| String::new());
    } else {
        ui.raw(&reply.body);
        if !reply.body.is_empty() && !reply.body.ends_with(b"\n") {
            ui.raw(b"\n");
        }
        if let Some(code) = &reply.observed {
            ui.remark(&format!("OBSERVE MODE: this would have been denied ({code})"));
        }
        let receipt = receipt.map_or_else(|| "no receipt".to_owned(), |path| format!("receipt {path}"));
        ui.remark(&format!("status {} · request {request_id} · {receipt}", reply.status));
    }
    Ok(if (200..400).contains(&reply.status) { Exit::Fine } else { Exit::CheckFailed }.into())
}

/// A denial or refusal (RFC 9457) as it is told: what was missing, who can grant it.
fn denied(reply: &AgentReply, code: &str, problem: &Value) -> Failure {
    let text = |name: &str| problem.get(name).and_then(Value::as_str);
    let exit = match reply.status {
        502..=504 => Exit::NotReachable,
        500.. | 429 => Exit::CheckFailed,
        _ => Exit::Denied,
    };
    let word = if exit == Exit::Denied { "denied" } else { "not done" };
    let detail = text("detail").or(text("title")).unwrap_or("no reason given");
    let mut failure =
        Failure::new(exit, code, format!("{word}: {detail} ({code})")).with("status", reply.status);
    for name in ["missing", "grantor"] {
        if let Some(value) = text(name) {
            failure = failure.with(name, value);
        }
    }
    match (text("missing"), text("grantor")) {
        (Some(missing), _) if exit != Exit::Denied => failure.mend(format!("needed is {missing}")),
        (Some(missing), Some(grantor)) => {
            failure.mend(format!("needed is {missing}; {grantor} can grant it"))
        }
        (Some(missing), None) => failure.mend(format!("needed is {missing}")),
        _ => failure,
    }
}
