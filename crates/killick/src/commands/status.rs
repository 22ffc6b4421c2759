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
    let witnesses = match &run {
        Some(run) => witnesses(&run.admin_url).await,
        None => None,
    };
    let shown = json!({
        "ready": not_ready.is_none(), "problem": not_ready, "run": run, "status": status, "witnesses": witnesses,
    });
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
        let told = witnesses.as_ref().map(|witnesses| {
            [("log", "log"), ("directory", "directory log")]
                .map(|(name, what)| witnessed(what, witnesses.get(name).unwrap_or(&Value::Null)))
        });
        for (grade, line) in told.into_iter().flatten() {
            lines.push(if grade { line } else { paint.yellow(&line) });
        }
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

/// What the killick at this admin address knows of the witnesses of its logs.
pub async fn witnesses(admin_url: &str) -> Option<Value> {
    let answer = get(admin_url, "/witnesses").await.ok()?;
    serde_json::from_slice(answer.body()).ok().filter(|_| answer.status().is_success())
}

/// One line on the witnesses of one log, and whether all is well with them.
pub fn witnessed(what: &str, state: &Value) -> (bool, String) {
    let number = |pointer: &str| state.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    let (quorum, possible, entries) = (number("/quorum"), number("/possible"), number("/entries"));
    let signed = format!("{what:<13} {entries} entries");
    if quorum == 0 {
        return (false, format!("{signed}, signed by its own key alone: no witness is configured"));
    }
    let names = |member: &str| -> Vec<String> {
        let witnesses = state.get("witnesses").and_then(Value::as_array).into_iter().flatten();
        let told = |witness: &Value| {
            let text = |name: &str| witness.get(name).and_then(Value::as_str);
            Some(format!("{} ({})", text("name")?, text(member)?))
        };
        witnesses.filter_map(told).collect()
    };
    let mut line = match state.pointer("/head/size").and_then(Value::as_u64) {
        Some(size) => format!(
            "{signed}, {size} of them witnessed {}/{possible} at {}",
            number("/head/operators"),
            crate::commands::agent::time_text(number("/head/at"))
        ),
        None => format!("{signed}, signed; no head has a quorum of {quorum} witnesses yet"),
    };
    let (uncounted, problems) = (names("uncounted"), names("problem"));
    for (word, list) in [("not counted", &uncounted), ("not cosigning", &problems)] {
        if !list.is_empty() {
            line.push_str(&format!("; {word}: {}", list.join(", ")));
        }
    }
    let well = state.pointer("/head/size").is_some() && uncounted.is_empty() && problems.is_empty();
    (well, line)
}

async fn get(admin_url: &str, path: &str) -> Result<http::Response<Bytes>, String> {
    let authority =
        admin_url.strip_prefix("http://").ok_or_else(|| format!("{admin_url} is no http:// address"))?;
    let request = http::Request::get(path)
        .header("host", authority)
        .header("connection", "close")
        .body(Full::new(Bytes::new()))
        .map_err(|error| error.to_string())?;
    crate::http::over_tcp(authority, request).await.map_err(|error| error.to_string())
}

/// Why the killick at this admin address is not ready; `None` if it is.
pub async fn not_ready(admin_url: &str) -> Option<String> {
    match get(admin_url, "/readyz").await {
        Ok(answer) if answer.status().is_success() => None,
        Ok(answer) => Some(String::from_utf8_lossy(answer.body()).trim().to_owned()),
        Err(error) => Some(format!("{admin_url} does not answer: {error}")),
    }
}
