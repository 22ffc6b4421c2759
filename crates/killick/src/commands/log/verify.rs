//! `killick log verify`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use killick_proof::UnixTime;
use killick_tlog::LogError;
use killick_tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use killick_tlog::kept::{self, Kept};
use killick_tlog::receipt::Receipt;
use killick_tlog::tile::CHECKPOINT_PATH;
use killick_tlog::verify::{KeySource, LogReader, TileHashes, Trust, VerifiedLog, verify_log};
use serde_json::{Value, json};

use super::FOLDER_KEY;
use crate::folder::{now, read_text};
use crate::log_source::Source;
use crate::output::{Exit, Failure, Outcome, Paint, Ui};

/// What the ending of a receipt's file is (C2SP tlog-proof).
const RECEIPT_EXTENSION: &str = "tlog-proof";

/// How to verify.
pub(super) struct Order {
    pub(super) trust: Option<Trust>,
    pub(super) receipts: Option<PathBuf>,
    /// The maximum merge delay.
    pub(super) delay: Duration,
    /// When the log was as it is.
    pub(super) as_of: Option<UnixTime>,
}

/// Verifies a log; `own` is the data folder's own, as it is now.
pub(super) fn run(source: &Source, own: bool, ui: Ui, order: &Order) -> Outcome {
    let log = match verify_log(source, order.trust.as_ref(), &mut |_, _| ()) {
        Ok(log) => log,
        Err(error) => return not_verified(source, ui, order, &error),
    };
    let mut value = shown(&log);
    let Some(folder) = &order.receipts else {
        ui.result(&value, |paint| told(&log, paint));
        return Ok(Exit::Fine.into());
    };
    let receipts = Receipts::check(source, own, &log, folder, order)?;
    if let Some(failure) = source.unreachable() {
        return Err(failure);
    }
    if let Some(members) = value.as_object_mut() {
        members.insert("receipts".to_owned(), receipts.shown());
        if let Some(worst) = receipts.worst() {
            members.insert("verified".to_owned(), false.into());
            members.insert("error".to_owned(), worst.to_string().into());
            members.insert("code".to_owned(), worst.code().into());
        }
    }
    ui.result(&value, |paint| format!("{}\n{}", told(&log, paint), receipts.told(paint)));
    Ok(receipts.worst().map_or_else(|| Exit::Fine.into(), |worst| ExitCode::from(worst.exit_code())))
}

fn not_verified(source: &Source, ui: Ui, order: &Order, error: &LogError) -> Outcome {
    if let Some(failure) = source.unreachable() {
        return Err(failure);
    }
    let head = claimed(source);
    let key_source = if order.trust.is_some() { KeySource::Trust } else { KeySource::Folder };
    let shown = json!({
        "origin": head.as_ref().map(|head| &head.origin), "size": head.as_ref().map(|head| head.size),
        "root": head.as_ref().map(|head| head.root.to_base64()), "verified": false,
        "key_source": key_source.as_str(), "witnesses": [], "error": error.to_string(), "code": error.code(),
    });
    ui.result(&shown, |paint| {
        let keep = "keep the folder as it is: it is evidence";
        format!("{}: {error} ({})\n{keep}", paint.red("NOT VERIFIED"), error.code())
    });
    Ok(ExitCode::from(error.exit_code()))
}

/// What the checkpoint of a log that does not verify claims.
fn claimed(source: &Source) -> Option<Checkpoint> {
    let note = source.read(CHECKPOINT_PATH).ok()??;
    Some(SignedCheckpoint::parse(&note).ok()?.unverified().clone())
}

fn shown(log: &VerifiedLog) -> Value {
    let witnesses = log.witnesses.iter();
    let witnesses: Vec<Value> =
        witnesses.map(|witness| json!({ "name": witness.witness, "time": witness.time })).collect();
    let mut value = json!({
        "origin": log.origin, "size": log.size, "root": log.root.to_base64(), "verified": true,
        "key_source": log.key_source.as_str(), "witnesses": witnesses,
        "head": if log.operators > 0 { "witnessed" } else { "signed" },
        "operators": log.operators, "witnessed_size": log.witnessed_size, "operators_known": log.operators_known,
    });
    if let (KeySource::Folder, Some(members)) = (log.key_source, value.as_object_mut()) {
        members.insert("note".to_owned(), FOLDER_KEY.into());
    }
    value
}

fn told(log: &VerifiedLog, paint: Paint) -> String {
    let key = match log.key_source {
        KeySource::Trust => "key from the trust file".to_owned(),
        KeySource::Folder => paint.yellow(FOLDER_KEY),
    };
    let names: Vec<&str> = log.witnesses.iter().map(|witness| witness.witness.as_str()).collect();
    let head = match (log.operators, log.operators_known) {
        (0, 0) => {
            "signed by the log alone: no witnesses are known, so a second history would not show".to_owned()
        }
        (0, known) => {
            paint.yellow(&format!("signed by the log alone: none of {known} witnesses has cosigned it"))
        }
        (found, known) => {
            let upto = match log.size - log.witnessed_size {
                0 => String::new(),
                newer => format!("; the newest {newer} entries are signed by the log alone"),
            };
            format!("witnessed {found}/{known}: cosigned by {}{upto}", names.join(", "))
        }
    };
    format!(
        "{} {}\nentries  {}\nroot     {}\nhead     {head}\n{key}",
        paint.green("verified"),
        log.origin,
        log.size,
        log.root.to_base64()
    )
}

/// What became of the receipts of a folder.
struct Receipts {
    included: usize,
    newer: usize,
    failed: Vec<(PathBuf, LogError)>,
}

impl Receipts {
    fn check(
        source: &Source,
        own: bool,
        log: &VerifiedLog,
        folder: &Path,
        order: &Order,
    ) -> Result<Self, Failure> {
        let as_of = order.as_of.map_or_else(|| as_of(source, own, log), UnixTime::secs);
        let head = Checkpoint::new(log.origin.clone(), log.size, log.root);
        let hashes = TileHashes::new(source, log.size);
        let mut receipts = Self { included: 0, newer: 0, failed: Vec::new() };
        for path in files(folder)? {
            let given = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).map_or(0, secs);
            let age = as_of.checked_sub(given).map(Duration::from_secs);
            let kept = Receipt::parse(&read_text(&path)?)
                .and_then(|receipt| kept::check(&receipt, &head, &log.key, &hashes, age, order.delay));
            match kept {
                Ok(Kept::Included) => receipts.included += 1,
                Ok(Kept::NotYet) => receipts.newer += 1,
                Err(error) => receipts.failed.push((path, error)),
            }
        }
        Ok(receipts)
    }

    /// What the command exits with: a history signed twice says more than a bad file.
    fn worst(&self) -> Option<&LogError> {
        let errors = || self.failed.iter().map(|(_, error)| error);
        errors().find(|error| matches!(error, LogError::Equivocation { .. })).or_else(|| errors().next())
    }

    fn shown(&self) -> Value {
        let failed = self.failed.iter().map(
            |(path, error)| json!({ "file": path.display().to_string(), "code": error.code(), "error": error.to_string() }),
        );
        json!({ "included": self.included, "newer": self.newer, "failed": failed.collect::<Vec<_>>() })
    }

    fn told(&self, paint: Paint) -> String {
        let mut lines =
            vec![format!("receipts {} included, {} newer than the head", self.included, self.newer)];
        for (path, error) in &self.failed {
            let wrong = paint.red("NOT VERIFIED");
            lines.push(format!("{wrong} {}: {error} ({})", path.display(), error.code()));
        }
        if self.worst().is_some() {
            lines.push("keep the receipts and the log as they are: they are evidence".to_owned());
        }
        lines.join("\n")
    }
}

/// When the log was as it is, in seconds since 1970: a server's and our own are as of now; a copy is at least as new as
/// its newest cosignature and, its checkpoint being replaced whenever the log grows, as that file.
fn as_of(source: &Source, own: bool, log: &VerifiedLog) -> u64 {
    match source {
        Source::Folder(_, path) if !own => {
            let written =
                std::fs::metadata(path.join(CHECKPOINT_PATH)).and_then(|metadata| metadata.modified());
            let cosigned = log.witnesses.iter().map(|witness| witness.time).max().unwrap_or(0);
            cosigned.max(written.map_or(0, secs))
        }
        _ => now().secs(),
    }
}

fn secs(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// The receipts in a folder, in order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let listed = std::fs::read_dir(folder).map_err(|error| Failure::io("read", folder, &error))?;
    let mut paths = Vec::new();
    for entry in listed {
        let path = entry.map_err(|error| Failure::io("read", folder, &error))?.path();
        if path.extension().is_some_and(|extension| extension == RECEIPT_EXTENSION) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(Failure::usage("file.missing", format!("there is no receipt in {}", folder.display()))
            .mend("name the folder with the *.tlog-proof files, e.g. agents/NAME/receipts"));
    }
    paths.sort();
    Ok(paths)
}
