//! `killick witness …`: a witness of somebody's log (C2SP tlog-witness).

use std::net::SocketAddr;
use std::path::Path;

use killick_witness::{KnownLog, Server, Store, WitnessError};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::WitnessCommand;
use crate::config::{Config, TRUST_DOMAIN_DEFAULT};
use crate::folder::{Folder, create_private_dir, read_text};
use crate::output::{Exit, Failure, Outcome, Ui, plain};
use crate::telemetry;

/// Runs `killick witness …`.
pub fn run(folder: &Folder, ui: Ui, command: &WitnessCommand) -> Outcome {
    match command {
        WitnessCommand::Init { name } => init(folder, ui, name),
        WitnessCommand::Key => {
            let key = Store::verifier(&folder.witness()).map_err(failure)?.to_string();
            ui.result(&json!({ "vkey": key }), |_| key.clone());
            Ok(Exit::Fine.into())
        }
        WitnessCommand::Serve { listen, log } => crate::block_on(serve(folder, ui, *listen, log)),
    }
}

fn init(folder: &Folder, ui: Ui, name: &str) -> Outcome {
    create_private_dir(folder.path())?;
    let key = killick_witness::init(&folder.witness(), name).map_err(failure)?.to_string();
    let shown = json!({ "vkey": key, "dir": folder.witness().display().to_string() });
    ui.result(&shown, |paint| {
        format!(
            "{} {}\nvkey   {key}\nnext:  killick witness serve --log VKEY_OF_THE_LOG --dir {}\n\
             never restore this folder from an old copy: a witness that forgets must not cosign",
            paint.green("witness made in"),
            folder.witness().display(),
            folder.path().display()
        )
    });
    Ok(Exit::Fine.into())
}

/// The logs in the file `logs` of the witness's folder, and those of the command line.
fn known(folder: &Path, said: &[String]) -> Result<Vec<KnownLog>, Failure> {
    let path = folder.join("logs");
    let mut list = if path.exists() { read_text(&path)? } else { String::new() };
    list.push('\n');
    list.push_str(&said.join("\n"));
    let logs = KnownLog::parse_list(&list).map_err(failure)?;
    if logs.is_empty() {
        let problem = format!("it knows no log: none is in {}, and none was named", path.display());
        return Err(Failure::usage("witness.config", problem)
            .mend("name one with --log VKEY; a log's key is `log_vkey` in its trust.json"));
    }
    Ok(logs)
}

async fn serve(folder: &Folder, ui: Ui, listen: SocketAddr, said: &[String]) -> Outcome {
    let path = folder.witness();
    let logs = known(&path, said)?;
    let failed =
        |error: std::io::Error| Failure::check("signals", format!("cannot wait for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let defaults = Config::for_trust_domain(TRUST_DOMAIN_DEFAULT)
        .map_err(|error| Failure::usage("config.invalid", error.problem))?;
    let telemetry = telemetry::start(&defaults)?;
    let store = Store::open(&path, &logs).map_err(failure)?;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Failure::check("port.address", format!("the witness cannot listen on {listen}: {}", plain(&error)))
            .mend("choose another address with --listen")
    })?;
    let address = listener.local_addr().map_err(|error| Failure::check("port.address", plain(&error)))?;
    let vkey = store.key().to_string();
    let origins: Vec<_> = logs.iter().map(|log| log.origin.clone()).collect();
    let shown = json!({ "ready": true, "url": format!("http://{address}"), "vkey": vkey, "logs": origins });
    ui.result(&shown, |paint| {
        format!(
            "{} http://{address}\nvkey   {vkey}\nlogs   {}",
            paint.green("the witness answers on"),
            origins.join("\n       ")
        )
    });
    let done = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let ended = Server::serve(store, listener, done).await;
    telemetry.stop().await;
    ended.map_err(failure)?;
    ui.remark("stopped");
    Ok(Exit::Fine.into())
}

fn failure(error: WitnessError) -> Failure {
    let told = match &error {
        WitnessError::Config(_) => Failure::usage(error.code(), error.to_string()),
        _ => Failure::check(error.code(), error.to_string()),
    };
    if error.mend().is_empty() { told } else { told.mend(error.mend()) }
}
