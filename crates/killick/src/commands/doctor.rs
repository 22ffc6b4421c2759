//! `killick doctor`: names what is wrong, and the mend.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chain_file;
use crate::client::Admin;
use crate::commands::agent::{name_of, observed};
use crate::commands::{catalogue, log, policy, status};
use crate::config::Config;
use crate::folder::{Folder, now};
use crate::output::{Exit, Outcome, Ui};
use crate::wallet::Wallet;

/// Bytes of free disk under which the doctor warns: about a day of a busy gateway.
const FREE_BYTES_WARN: u64 = 1_073_741_824;
/// Bytes of free disk under which the log may stop at any time.
const FREE_BYTES_FAIL: u64 = 67_108_864;
/// A build is at least this old: a clock before it is wrong (2026-01-01).
const CLOCK_SECS_MIN: u64 = 1_767_225_600;
/// Seconds before its end at which a token is called short-lived.
const TOKEN_SECS_WARN: u64 = 300;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Ok,
    Warn,
    Fail,
}

impl Grade {
    const fn as_str(self) -> &'static str {
        match self {
            Grade::Ok => "ok",
            Grade::Warn => "warn",
            Grade::Fail => "fail",
        }
    }
}

struct Check {
    name: &'static str,
    grade: Grade,
    said: String,
    mend: Option<String>,
}

/// The checks made so far.
#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn ok(&mut self, name: &'static str, said: impl Into<String>) {
        self.0.push(Check { name, grade: Grade::Ok, said: said.into(), mend: None });
    }

    fn warn(&mut self, name: &'static str, said: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Check { name, grade: Grade::Warn, said: said.into(), mend: Some(mend.into()) });
    }

    fn fail(&mut self, name: &'static str, said: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Check { name, grade: Grade::Fail, said: said.into(), mend: Some(mend.into()) });
    }
}

/// Runs `killick doctor`. Exit code 1 if any check failed.
pub async fn run(folder: &Folder, ui: Ui) -> Outcome {
    let mut checks = Checks::default();
    clock(&mut checks);
    if data_folder(folder, &mut checks) {
        disk(folder, &mut checks);
        secrets(folder, &mut checks);
        let config = configuration(folder, &mut checks);
        rules(folder, &mut checks);
        running(folder, config.as_ref(), &mut checks).await;
        logs(folder, &mut checks);
        tokens(folder, &mut checks);
    }
    let worst = checks.0.iter().map(|check| check.grade).max().unwrap_or(Grade::Ok);
    let shown: Vec<Value> = checks
        .0
        .iter()
        .map(|check| json!({ "check": check.name, "grade": check.grade.as_str(), "said": check.said, "mend": check.mend }))
        .collect();
    ui.result(&json!({ "grade": worst.as_str(), "checks": shown }), |paint| {
        let mut lines = Vec::new();
        for check in &checks.0 {
            let grade = format!("{:<4}", check.grade.as_str());
            let grade = match check.grade {
                Grade::Ok => paint.green(&grade),
                Grade::Warn => paint.yellow(&grade),
                Grade::Fail => paint.red(&grade),
            };
            lines.push(format!("{grade}  {:<12} {}", check.name, check.said));
            if let Some(mend) = &check.mend {
                lines.push(format!("      {:<12} mend: {mend}", ""));
            }
        }
        lines.join("\n")
    });
    Ok(if worst == Grade::Fail { Exit::CheckFailed } else { Exit::Fine }.into())
}

fn clock(checks: &mut Checks) {
    let secs = now().secs();
    if secs < CLOCK_SECS_MIN {
        checks.fail(
            "clock",
            "the clock is years behind",
            "set it, best by NTP: tokens and certificates depend on it",
        );
    } else {
        checks.ok("clock", crate::commands::agent::time_text(secs));
    }
}

fn data_folder(folder: &Folder, checks: &mut Checks) -> bool {
    let path = folder.path();
    let Ok(metadata) = std::fs::metadata(path) else {
        checks.fail(
            "folder",
            format!("{} is not there", path.display()),
            "start killick once with `killick up`, or name its folder with --dir",
        );
        return false;
    };
    if !metadata.is_dir() {
        checks.fail(
            "folder",
            format!("{} is not a folder", path.display()),
            "name the data folder with --dir",
        );
        return false;
    }
    if !folder.config().exists() && !folder.trust().exists() {
        checks.fail(
            "folder",
            format!("{} is no data folder of killick", path.display()),
            "start killick once with `killick up`, or name its folder with --dir",
        );
        return false;
    }
    if metadata.mode() & 0o077 != 0 {
        let (mode, shown) = (metadata.mode() & 0o777, path.display());
        checks.warn(
            "folder",
            format!("{shown} is open to other users (mode {mode:o})"),
            format!("chmod 700 {shown}"),
        );
    } else {
        checks.ok("folder", path.display().to_string());
    }
    true
}

fn disk(folder: &Folder, checks: &mut Checks) {
    let Ok(disk) = nix::sys::statvfs::statvfs(folder.path()) else { return };
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    let said = format!("{} MiB free", free / 1_048_576);
    if free < FREE_BYTES_FAIL {
        checks.fail("disk", said, "free some space: when the log cannot be written, writes stop");
    } else if free < FREE_BYTES_WARN {
        checks.warn("disk", said, "free some space soon");
    } else {
        checks.ok("disk", said);
    }
}

/// Every file that holds a secret must be its owner's alone.
fn secrets(folder: &Folder, checks: &mut Checks) {
    let mut open = Vec::new();
    let mut seen = 0_usize;
    let mut look = |path: &Path| {
        let Ok(metadata) = std::fs::symlink_metadata(path) else { return };
        seen += 1;
        if metadata.permissions().mode() & 0o077 != 0 {
            open.push(path.display().to_string());
        }
    };
    for entry in std::fs::read_dir(folder.keys()).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "key") {
            look(&entry.path());
        }
    }
    for name in Wallet::names(folder) {
        look(&folder.agents().join(&name).join("key"));
        look(&folder.agents().join(&name).join("token"));
    }
    if folder.admin_socket().exists() {
        look(&folder.admin_socket());
    }
    if open.is_empty() {
        checks.ok("secrets", format!("{seen} files, each its owner's alone"));
    } else {
        let files = open.join(" ");
        checks.fail(
            "secrets",
            format!("other users can read {files}"),
            format!("chmod 600 {files}; consider the keys known, and rotate"),
        );
    }
}

fn configuration(folder: &Folder, checks: &mut Checks) -> Option<Config> {
    match Config::read(&folder.config(), Exit::CheckFailed) {
        Ok(config) => {
            checks.ok("config", folder.config().display().to_string());
            Some(config)
        }
        Err(failure) => {
            checks.fail("config", failure.sentence(), failure.mend_text().unwrap_or("correct it"));
            None
        }
    }
}

fn rules(folder: &Folder, checks: &mut Checks) {
    let catalogue = match catalogue::local(folder) {
        Ok(catalogue) => catalogue,
        Err(failure) => {
            return checks.fail("catalogue", failure.sentence(), failure.mend_text().unwrap_or("correct it"));
        }
    };
    match catalogue.document().operations.len() {
        0 => checks.warn(
            "catalogue",
            "it is empty, so every call is denied",
            "killick catalogue import openapi.json --upstream NAME --url URL",
        ),
        count => checks.ok("catalogue", format!("{count} operations")),
    }
    let compiled = policy::texts_in(&folder.policies())
        .map_err(|failure| failure.sentence().to_owned())
        .and_then(|texts| {
            killick_decide::cedar::Policies::compile(&texts, &catalogue, "UTC")
                .map_err(|error| error.to_string())
        });
    match compiled {
        Ok(policies) if policies.is_empty() => {
            checks.warn(
                "policies",
                "there is none, so nothing is permitted",
                "write one into policies/, e.g. the baseline",
            );
        }
        Ok(policies) => checks.ok("policies", format!("{} valid", policies.len())),
        Err(problem) => checks.fail("policies", problem, "correct it; see `killick policy check`"),
    }
}

async fn running(folder: &Folder, config: Option<&Config>, checks: &mut Checks) {
    let admin = Admin::of(folder);
    let answer = match admin.get("/v1/status").await {
        Ok(answer) => answer,
        Err(failure) => {
            checks.warn("running", failure.sentence(), failure.mend_text().unwrap_or("killick up"));
            if let Some(config) = config {
                ports(config, checks);
            }
            return;
        }
    };
    let Some(run) = folder.read_run() else {
        return checks.fail("running", "run.json is missing", "restart `killick up`");
    };
    match status::not_ready(&run.admin_url).await {
        None => checks.ok("running", format!("gateway {}, console {}", run.gateway_url, run.console_url)),
        Some(problem) => checks.fail("running", problem, "see the log of `killick up`"),
    }
    if let Some(witnesses) = status::witnesses(&run.admin_url).await {
        for (name, what) in [("log", "log"), ("directory", "directory log")] {
            match status::witnessed(what, witnesses.get(name).unwrap_or(&Value::Null)) {
                (true, line) => checks.ok("witnesses", line),
                (false, line) => checks.warn(
                    "witnesses",
                    line,
                    "see [ledger] in killick.toml, and docs/how-to/run-a-witness.md",
                ),
            }
        }
    }
    let version = answer.get("bundle_version").and_then(Value::as_u64).unwrap_or_default();
    match bundle_age_secs(&admin).await {
        Some(age) if age > 300 => checks.fail(
            "bundle",
            format!("version {version} is {age} s old: critical calls are refused"),
            "restart `killick up`; see its log",
        ),
        Some(age) => checks.ok("bundle", format!("version {version}, {age} s old")),
        None => checks.warn("bundle", "its age cannot be read", "update killick on both sides"),
    }
    if answer.get("revoked_all").and_then(Value::as_bool) == Some(true) {
        checks.fail(
            "kill switch",
            "everything is revoked",
            "this is on purpose or an incident: ask who did it (directory log)",
        );
    }
    let agents = admin.get("/v1/agents").await.unwrap_or_default();
    for agent in agents.get("agents").unwrap_or(&agents).as_array().into_iter().flatten() {
        if let Some(until) = observed(agent) {
            let name = name_of(agent);
            checks.warn(
                "observe mode",
                format!("denials of {name} are not enforced until {until}"),
                format!("killick agent observe {name} --off"),
            );
        }
    }
}

/// Seconds since the newest bundle was signed.
async fn bundle_age_secs(admin: &Admin) -> Option<u64> {
    use base64::Engine as _;
    let answer = admin.get("/v1/bundle").await.ok()?;
    let payload = answer.get("jws").and_then(Value::as_str)?.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    let document: Value = serde_json::from_slice(&bytes).ok()?;
    let issued = document.get("issued_at").and_then(Value::as_u64)?;
    Some(now().secs_since(killick_proof::UnixTime::from_micros(issued)))
}

/// Whether the configured ports are free, where nothing of ours runs.
fn ports(config: &Config, checks: &mut Checks) {
    for (name, address) in [
        ("gateway", config.gateway.listen),
        ("console", config.console.listen),
        ("admin", config.admin.listen),
    ] {
        if address.port() == 0 {
            continue;
        }
        if std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok() {
            checks.fail(
                "ports",
                format!("another program answers on {address}, the {name}'s port"),
                format!("stop it, or set another port at [{name}] listen in killick.toml"),
            );
        }
    }
}

fn logs(folder: &Folder, checks: &mut Checks) {
    let trust = folder.read_trust(None).ok();
    for (name, path) in [("log", folder.log()), ("directory", folder.directory_log())] {
        if !path.join("checkpoint").exists() {
            checks.warn(
                name,
                format!("{} has no checkpoint yet", path.display()),
                "start killick once with `killick up`",
            );
            continue;
        }
        match log::verify(&path, trust.as_ref()) {
            Ok(verified) => checks.ok(name, format!("{} entries verify", verified.size)),
            Err(failure) => {
                checks.fail(name, failure.sentence(), "keep the folder as evidence; restore it from a backup")
            }
        }
    }
}

fn tokens(folder: &Folder, checks: &mut Checks) {
    let now = now();
    for name in Wallet::names(folder) {
        let Ok(wallet) = Wallet::open(folder, &name) else { continue };
        let grant = format!("killick token grant {name} '…'");
        let Ok(compact) = wallet.token() else {
            checks.warn("token", format!("{name} has none"), grant);
            continue;
        };
        let ends = chain_file::read(compact, &[], now)
            .ok()
            .and_then(|read| read.payloads.iter().filter_map(|payload| payload.get("exp")?.as_u64()).min());
        match ends {
            None => checks.fail("token", format!("the token of {name} cannot be read"), grant),
            Some(ends) if ends <= now.secs() => {
                checks.warn("token", format!("the token of {name} has expired"), grant)
            }
            Some(ends) if ends - now.secs() < TOKEN_SECS_WARN => {
                checks.warn("token", format!("the token of {name} ends in {} s", ends - now.secs()), grant);
            }
            Some(ends) => checks
                .ok("token", format!("{name}'s lasts until {}", crate::commands::agent::time_text(ends))),
        }
    }
}
