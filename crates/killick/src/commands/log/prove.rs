//! `killick log prove`.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use killick_tlog::LogError;
use killick_tlog::prove::{Proved, Wanted, prove};
use killick_tlog::receipt::Receipt;
use killick_tlog::verify::{KeySource, Trust};
use serde_json::json;

use super::FOLDER_KEY;
use crate::folder::read_text;
use crate::log_source::Source;
use crate::output::{Exit, Failure, Outcome, Ui};

/// What to prove, and where to put the proof.
pub(super) struct Order {
    pub(super) index: Option<u64>,
    pub(super) receipt: Option<PathBuf>,
    pub(super) trust: Option<Trust>,
    pub(super) out: Option<PathBuf>,
}

pub(super) fn run(source: &Source, ui: Ui, order: &Order) -> Outcome {
    let receipt = match &order.receipt {
        Some(file) => Some(Receipt::parse(&read_text(file)?).map_err(|error| {
            Failure::usage(error.code(), format!("{}: {error}", file.display()))
                .mend("name a receipt, a .tlog-proof file")
        })?),
        None => None,
    };
    let wanted = receipt.as_ref().map_or_else(|| Wanted::Index(order.index.unwrap_or(0)), Wanted::Receipt);
    let proved = match prove(source, order.trust.as_ref(), wanted) {
        Ok(proved) => proved,
        Err(error) => return failed(source, ui, &error),
    };
    let out = order.out.clone().unwrap_or_else(|| format!("{}.tlog-proof", proved.index).into());
    if out.as_os_str() == "-" {
        ui.result(&json!({ "proof": proved.text, "index": proved.index, "size": proved.size }), |_| {
            proved.text.clone()
        });
        return Ok(Exit::Fine.into());
    }
    write_new(&out, &proved.text)?;
    tell(ui, &proved, &out);
    Ok(Exit::Fine.into())
}

fn tell(ui: Ui, proved: &Proved, out: &Path) {
    let mut shown = json!({
        "file": out.display().to_string(), "origin": proved.origin, "index": proved.index, "size": proved.size,
        "key_source": proved.key_source.as_str(), "head": if proved.operators > 0 { "witnessed" } else { "signed" },
        "operators": proved.operators,
    });
    if let (KeySource::Folder, Some(members)) = (proved.key_source, shown.as_object_mut()) {
        members.insert("note".to_owned(), FOLDER_KEY.into());
    }
    ui.result(&shown, |_| {
        let cosigned = match proved.operators {
            0 => "signed by the log alone".to_owned(),
            operators => format!("cosigned by {operators} operators"),
        };
        let key =
            if proved.key_source == KeySource::Folder { format!("\n{FOLDER_KEY}") } else { String::new() };
        let (index, size, origin) = (proved.index, proved.size, &proved.origin);
        format!("{}: entry {index} of {origin}, under its head of {size}, {cosigned}{key}", out.display())
    });
}

fn failed(source: &Source, ui: Ui, error: &LogError) -> Outcome {
    if let Some(failure) = source.unreachable() {
        return Err(failure);
    }
    ui.result(&json!({ "proved": false, "error": error.to_string(), "code": error.code() }), |paint| {
        format!("{}: {error} ({})", paint.red("NOT PROVED"), error.code())
    });
    Ok(ExitCode::from(error.exit_code()))
}

/// A proof replaces nothing: what is there may be the receipt that it was made from.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let written = File::options().write(true).create_new(true).open(path);
    let written = written.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::usage("file.exists", format!("{} is there already", path.display()))
                .mend("name another file with --out")
        }
        _ => Failure::io("write", path, &error),
    })
}
