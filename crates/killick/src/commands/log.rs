//! `killick log …`: verify, prove and read a log from its files alone.

mod prove;
mod verify;

use std::path::Path;
use std::time::Duration;

use killick_ledger::LogFolder;
use killick_tlog::LogError;
use killick_tlog::checkpoint::SignedCheckpoint;
use killick_tlog::tile::{BundleEntries, CHECKPOINT_PATH, Tile, TileKind};
use killick_tlog::verify::{LogReader, Trust, VerifiedLog, read_bundle, verify_log};
use serde_json::{Value, json};

use crate::cli::LogCommand;
use crate::folder::{Folder, read_text};
use crate::log_source::Source;
use crate::output::{Exit, Failure, Outcome, Paint, Ui, visible};

/// How often a followed log is looked at: the ledger writes a checkpoint at least every 200 ms.
const FOLLOW_TICK: Duration = Duration::from_millis(250);
/// What is said where the key came from the folder itself.
const FOLDER_KEY: &str = "key taken from the folder: proves consistency, not origin";

/// Runs `killick log …`.
pub async fn run(folder: &Folder, ui: Ui, command: &LogCommand) -> Outcome {
    match command {
        LogCommand::Erase { subject, yes } => crate::commands::erase::run(folder, ui, subject, *yes).await,
        LogCommand::Verify { path, trust, require_witnesses, receipts, max_merge_delay, as_of } => {
            let order = verify::Order {
                trust: trusted(trust.as_deref(), *require_witnesses)?,
                receipts: receipts.clone(),
                delay: Duration::from_secs(*max_merge_delay),
                as_of: *as_of,
            };
            let (source, own) = source(folder, path.as_deref())?;
            // Reading from a server waits, so it is done where that holds nobody up.
            waiting(move || verify::run(&source, own, ui, &order)).await
        }
        LogCommand::Prove { path, index, receipt, trust, require_witnesses, out } => {
            let order = prove::Order {
                index: *index,
                receipt: receipt.clone(),
                trust: trusted(trust.as_deref(), *require_witnesses)?,
                out: out.clone(),
            };
            let (source, _) = source(folder, path.as_deref())?;
            waiting(move || prove::run(&source, ui, &order)).await
        }
        LogCommand::Show { path, tail, index, follow } => {
            let path = path.clone().unwrap_or_else(|| folder.log());
            if let Some(index) = index {
                return show_one(&path, ui, *index);
            }
            show(&path, ui, *tail, *follow).await
        }
    }
}

/// The log that is meant, and whether it is the data folder's own.
fn source(folder: &Folder, path: Option<&str>) -> Result<(Source, bool), Failure> {
    match path {
        Some(path) => Ok((Source::parse(path)?, false)),
        None => Ok((Source::parse(&folder.log().to_string_lossy())?, true)),
    }
}

fn trusted(file: Option<&Path>, required: usize) -> Result<Option<Trust>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let trust = Trust::parse(&read_text(file)?).map_err(|error| {
        Failure::usage(error.code(), format!("{}: {error}", file.display()))
            .mend("use the trust.json of that killick")
    })?;
    Ok(Some(trust.requiring(required)))
}

async fn waiting(work: impl FnOnce() -> Outcome + Send + 'static) -> Outcome {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Failure::check("internal", error.to_string())))
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
            let text = serde_json::to_string_pretty(&entry).unwrap_or_default();
            text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
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
    let text = |name: &str| entry.get(name).and_then(Value::as_str).map(visible);
    let at = entry
        .get("at")
        .and_then(Value::as_u64)
        .map(|micros| crate::commands::agent::time_text(micros / 1_000_000));
    let kind = text("kind").unwrap_or_else(|| "entry".to_owned());
    let mut words =
        vec![format!("{index:>6}"), paint.dim(at.as_deref().unwrap_or("-")), format!("{kind:<9}")];
    match text("verdict").as_deref() {
        Some("permit") => words.push(paint.green("permit ")),
        Some("deny") => words.push(paint.red("deny   ")),
        Some(other) => words.push(paint.yellow(&format!("{other:<7}"))),
        None => {}
    }
    let agent =
        text("agent").map(|id| id.split_once("/agent/").map_or(id.clone(), |(_, name)| name.to_owned()));
    words.extend(agent);
    words.extend(["action", "code", "change", "key", "value", "vkey"].iter().filter_map(|name| text(name)));
    if let Some(decision) = entry.get("decision").and_then(Value::as_u64) {
        words.push(format!("of {decision}"));
    }
    if let Some(status) = entry.get("status").and_then(Value::as_u64) {
        words.push(format!("status {status}"));
    }
    words.join("  ")
}
