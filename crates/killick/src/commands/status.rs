//! `killick status`: what is running, and how it is.

use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::client::Admin;
use crate::folder::Folder;
use crate::output::{Exit, Outcome, Ui};

/// Runs `killick status`. Exit code 1 if it runs but is not ready, 3 if it does not run.
pub async fn run(folder: &Folder, ui: Ui) -> Outcome {
    let status = Admin::of(folder).get("/v1/status").await?;
    let run = folder.read_run();
    let not_ready = match &run {
        Some(run) => not_ready(&run.admin_url).await,
        None => Some("run.json is missing".to_owned()),
    };
    let shown = json!({ "ready": not_ready.is_none(), "problem": not_ready, "run": run, "status": status });
    ui.result(&shown, |paint| {
        let text = |name: &str| match status.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => "-".to_owned(),
            Some(value) => value.to_string(),
        };
        let state = match &not_ready {
            None => paint.green("ready"),
            Some(problem) => paint.red(&format!("not ready: {problem}")),
        };
        let mut lines = vec![format!("{} · {state}", paint.bold(&text("trust_domain")))];
        if let Some(run) = &run {
            lines.push(format!("gateway    {}", run.gateway_url));
            lines.push(format!("console    {}", run.console_url));
            lines.push(format!("metrics    {}/metrics", run.admin_url));
        }
        lines.push(format!(
            "agents     {} active, {} suspended, {} off-boarded",
            text("agents_active"),
            text("agents_suspended"),
            text("agents_offboarded")
        ));
        lines.push(format!("tokens     {} live, {} revocations", text("tokens_live"), text("revocations")));
        lines.push(format!("catalogue  {}, {} policies", text("catalogue"), text("policies")));
        lines.push(format!("bundle     {}", text("bundle_version")));
        if status.get("revoked_all").and_then(Value::as_bool) == Some(true) {
            lines.push(paint.red("KILL SWITCH: everything is revoked"));
        }
        for name in
            status.get("observing").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            lines.push(paint.yellow(&format!("OBSERVE MODE: denials of {name} are not enforced")));
        }
        lines.join("\n")
    });
    Ok(if not_ready.is_none() { Exit::Fine } else { Exit::CheckFailed }.into())
}

/// Why the killick at this admin address is not ready; `None` if it is.
pub async fn not_ready(admin_url: &str) -> Option<String> {
    let authority = admin_url.strip_prefix("http://")?;
    let request = http::Request::get("/readyz")
        .header("host", authority)
        .header("connection", "close")
        .body(Full::new(Bytes::new()));
    let answer = match request {
        Ok(request) => crate::http::over_tcp(authority, request).await,
        Err(error) => return Some(error.to_string()),
    };
    match answer {
        Ok(answer) if answer.status().is_success() => None,
        Ok(answer) => Some(String::from_utf8_lossy(answer.body()).trim().to_owned()),
        Err(error) => Some(format!("{admin_url} does not answer: {error}")),
    }
}
