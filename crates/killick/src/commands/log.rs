//! `killick log …`: verify and read a log from its files alone.

use std::path::Path;
use std::time::Duration;

use killick_ledger::LogFolder;
use killick_tlog::LogError;
use killick_tlog::checkpoint::SignedCheckpoint;
use killick_tlog::tile::{BundleEntries, CHECKPOINT_PATH, Tile, TileKind};
use killick_tlog::verify::{KeySource, LogReader, Trust, VerifiedLog, read_bundle, verify_log};
use serde_json::{Value, json};

use crate::cli::LogCommand;
use crate::folder::{Folder, read_text};
use crate::output::{Exit, Failure, Outcome, Paint, Ui};

/// How often a followed log is looked at: the ledger writes a checkpoint at least every 200 ms.
const FOLLOW_TICK: Duration = Duration::from_millis(250);
/// What is said where the key came from the folder itself.
const FOLDER_KEY: &str = "key taken from the folder: proves consistency, not origin";

/// Runs `killick log …`.
pub async fn run(folder: &Folder, ui: Ui, command: &LogCommand) -> Outcome {
    match command {
        LogCommand::Verify { path, trust } => verify_command(folder, ui, path.as_deref(), trust.as_deref()),
        LogCommand::Erase { subject, yes } => crate::commands::erase::run(folder, ui, subject, *yes).await,
        LogCommand::Show { path, tail, index, follow } => {
            let path = path.clone().unwrap_or_else(|| folder.log());
            if let Some(index) = index {
                return show_one(&path, ui, *index);
            }
            show(&path, ui, *tail, *follow).await
        }
    }
}

fn verify_command(folder: &Folder, ui: Ui, path: Option<&Path>, trust: Option<&Path>) -> Outcome {
    let own = folder.log();
    let path = path.unwrap_or(&own);
    if !path.is_dir() {
        return Err(Failure::usage("file.missing", format!("{} is no folder", path.display()))
            .mend("name the log's folder, the one with `checkpoint` in it"));
    }
    let trust = match trust {
        Some(file) => Some(Trust::parse(&read_text(file)?).map_err(|error| {
            Failure::usage(error.code(), format!("{}: {error}", file.display()))
                .mend("use the trust.json of that killick")
        })?),
        None => None,
    };
    match verify_log(&LogFolder::new(path), trust.as_ref(), &mut |_, _| ()) {
        Ok(log) => {
            ui.result(&shown(&log), |paint| told(&log, paint));
            Ok(Exit::Fine.into())
        }
        Err(error) => {
            let head = claimed(path);
            let shown = json!({
                "origin": head.as_ref().map(|(origin, _, _)| origin), "size": head.as_ref().map(|(_, size, _)| size),
                "root": head.as_ref().map(|(_, _, root)| root), "verified": false,
                "key_source": if trust.is_some() { KeySource::Trust } else { KeySource::Folder }.as_str(),
                "witnesses": [], "error": error.to_string(), "code": error.code(),
            });
            ui.result(&shown, |paint| {
                format!(
                    "{}: {error} ({})\nkeep the folder as it is: it is evidence",
                    paint.red("NOT VERIFIED"),
                    error.code()
                )
            });
            Ok(Exit::NotVerified.into())
        }
    }
}

/// What the checkpoint of a log that does not verify claims.
fn claimed(path: &Path) -> Option<(String, u64, String)> {
    let note = LogFolder::new(path).read(CHECKPOINT_PATH).ok()??;
    let signed = SignedCheckpoint::parse(&note).ok()?;
    let head = signed.unverified();
    Some((head.origin.clone(), head.size, head.root.to_base64()))
}

fn shown(log: &VerifiedLog) -> Value {
    let mut value = json!({
        "origin": log.origin, "size": log.size, "root": log.root.to_base64(), "verified": true,
        "key_source": log.key_source.as_str(),
        "witnesses": log.witnesses.iter().map(|witness| json!({ "name": witness.witness, "time": witness.time })).collect::<Vec<_>>(),
    });
    if let (KeySource::Folder, Some(members)) = (log.key_source, value.as_object_mut()) {
        members.insert("note".to_owned(), FOLDER_KEY.into());
    }
    value
}

fn told(log: &VerifiedLog, paint: Paint) -> String {
    let witnesses: Vec<&str> = log.witnesses.iter().map(|witness| witness.witness.as_str()).collect();
    let key = match log.key_source {
        KeySource::Trust => "key from the trust file".to_owned(),
        KeySource::Folder => paint.yellow(FOLDER_KEY),
    };
    let cosigned = if witnesses.is_empty() {
        "no witnesses".to_owned()
    } else {
        format!("cosigned by {}", witnesses.join(", "))
    };
    format!(
        "{} {}\nentries  {}\nroot     {}\n{key}; {cosigned}",
        paint.green("verified"),
        log.origin,
        log.size,
        log.root.to_base64()
    )
}

/// Verifies a log for the doctor, with the installation's own trust file where there is one.
pub fn verify(path: &Path, trust: Option<&Value>) -> Result<VerifiedLog, Failure> {
    let failed = |error: &LogError| Failure::new(Exit::NotVerified, error.code(), error.to_string());
    let trust =
        trust.map(|trust| Trust::parse(&trust.to_string())).transpose().map_err(|error| failed(&error))?;
    verify_log(&LogFolder::new(path), trust.as_ref(), &mut |_, _| ()).map_err(|error| failed(&error))
}

/// The size that the log's checkpoint states.
fn size(path: &Path) -> Result<u64, Failure> {
    let note = LogFolder::new(path)
        .read(CHECKPOINT_PATH)
        .map_err(|error| unreadable(path, &error))?
        .ok_or_else(|| {
            Failure::usage("file.missing", format!("{} is no log: it has no checkpoint", path.display()))
                .mend("name the log's folder, the one with `checkpoint` in it")
        })?;
    Ok(SignedCheckpoint::parse(&note).map_err(|error| unreadable(path, &error))?.unverified().size)
}

fn unreadable(path: &Path, error: &LogError) -> Failure {
    Failure::new(Exit::NotVerified, error.code(), format!("{}: {error}", path.display()))
        .mend(format!("see `killick log verify {}`", path.display()))
}

/// The last entries of a log, at most `count`, oldest first.
pub fn last_entries(path: &Path, count: u64) -> Result<Vec<Value>, Failure> {
    let size = size(path)?;
    Ok(entries(path, size, size.saturating_sub(count), size)?.into_iter().map(|(_, entry)| entry).collect())
}

/// Entries `from..to`, each with its index.
fn entries(path: &Path, size: u64, from: u64, to: u64) -> Result<Vec<(u64, Value)>, Failure> {
    let reader = LogFolder::new(path);
    let mut out = Vec::new();
    let mut next = from;
    while next < to {
        let tile = Tile::containing(TileKind::Entries, next, size)
            .ok_or_else(|| Failure::usage("log.index", format!("there is no entry {next} among {size}")))?;
        let (bundle, _) = read_bundle(&reader, tile).map_err(|error| unreadable(path, &error))?;
        let first = next - next % 256;
        for (index, entry) in (first..).zip(BundleEntries::new(&bundle)) {
            if index >= to {
                break;
            }
            let Ok(entry) = entry else {
                return Err(Failure::new(
                    Exit::NotVerified,
                    "log.truncated",
                    format!("entry {index} is cut off"),
                ));
            };
            if index >= next {
                let value = serde_json::from_slice(entry)
                    .unwrap_or_else(|_| json!({ "bytes": killick_proof::keys::base64url(entry) }));
                out.push((index, value));
            }
        }
        next = (first + 256).min(to);
    }
    Ok(out)
}

fn show_one(path: &Path, ui: Ui, index: u64) -> Outcome {
    let size = size(path)?;
    if index >= size {
        return Err(Failure::usage("log.index", format!("there is no entry {index}: the log has {size}")));
    }
    for (index, entry) in entries(path, size, index, index + 1)? {
        ui.result(&json!({ "index": index, "entry": entry }), |_| {
            serde_json::to_string_pretty(&entry).unwrap_or_default()
        });
    }
    Ok(Exit::Fine.into())
}

async fn show(path: &Path, ui: Ui, tail: u64, follow: bool) -> Outcome {
    let mut shown = size(path)?;
    let first = entries(path, shown, shown.saturating_sub(tail), shown)?;
    if ui.json && !follow {
        let list: Vec<Value> =
            first.iter().map(|(index, entry)| json!({ "index": index, "entry": entry })).collect();
        ui.result(&json!({ "size": shown, "entries": list }), |_| String::new());
        return Ok(Exit::Fine.into());
    }
    tell(ui, &first);
    if !follow {
        return Ok(Exit::Fine.into());
    }
    loop {
        tokio::time::sleep(FOLLOW_TICK).await;
        let now = size(path)?;
        if now > shown {
            tell(ui, &entries(path, now, shown, now)?);
            shown = now;
        }
    }
}

/// One line for each entry.
fn tell(ui: Ui, entries: &[(u64, Value)]) {
    for (index, entry) in entries {
        ui.result(&json!({ "index": index, "entry": entry }), |paint| line(*index, entry, paint));
    }
}

fn line(index: u64, entry: &Value, paint: Paint) -> String {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let at = entry
        .get("at")
        .and_then(Value::as_u64)
        .map(|micros| crate::commands::agent::time_text(micros / 1_000_000));
    let kind = text("kind").unwrap_or("entry");
    let mut words =
        vec![format!("{index:>6}"), paint.dim(at.as_deref().unwrap_or("-")), format!("{kind:<9}")];
    match text("verdict") {
        Some("permit") => words.push(paint.green("permit ")),
        Some("deny") => words.push(paint.red("deny   ")),
        Some(other) => words.push(paint.yellow(&format!("{other:<7}"))),
        None => {}
    }
    let agent = text("agent").map(|id| id.split_once("/agent/").map_or(id, |(_, name)| name).to_owned());
    words.extend(agent);
    words.extend(
        ["action", "code", "change", "key", "value", "vkey"]
            .iter()
            .filter_map(|name| text(name))
            .map(str::to_owned),
    );
    if let Some(decision) = entry.get("decision").and_then(Value::as_u64) {
        words.push(format!("of {decision}"));
    }
    if let Some(status) = entry.get("status").and_then(Value::as_u64) {
        words.push(format!("status {status}"));
    }
    words.join("  ")
}
