//! `killick up`: everything in one process, until it is told to stop.

use std::net::SocketAddr;

use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::Instrument as _;

use crate::cli::UpArgs;
use crate::config::{Config, TRUST_DOMAIN_DEFAULT};
use crate::folder::Folder;
use crate::output::{Exit, Failure, Outcome, Ui};
use crate::stack::{Stack, StackConfig};
use crate::telemetry::{self, Telemetry};

/// Runs `killick up`. Exit code 0 after a clean shutdown.
pub async fn run(folder: &Folder, ui: Ui, args: &UpArgs) -> Outcome {
    let first_start = !folder.config().exists();
    let config = configuration(folder, args)?;
    // Signals that come while we start are obeyed once we have.
    let mut signals = Signals::listen()?;
    let telemetry = telemetry::start(&config)?;
    let start =
        tracing::info_span!("start", build = killick_gateway::BUILD, trust_domain = config.trust_domain);
    let stack = Stack::start(StackConfig::new(folder.path(), config)).instrument(start).await?;
    ready(&stack, ui, first_start);
    // What the file says, without what the command line said otherwise: a reload compares with this.
    let mut in_file = Config::read(&folder.config(), Exit::Usage)?;
    let ended = attend(stack, &mut signals, &mut in_file, folder, &telemetry).await;
    telemetry.stop().await;
    ended?;
    ui.remark("stopped");
    Ok(Exit::Fine.into())
}

/// The folder's configuration, or that of a new folder, with what the command line says otherwise.
fn configuration(folder: &Folder, args: &UpArgs) -> Result<Config, Failure> {
    let path = folder.config();
    let mut config = if path.exists() {
        Config::read(&path, Exit::Usage)?
    } else {
        let domain = args.trust_domain.as_deref().unwrap_or(TRUST_DOMAIN_DEFAULT);
        Config::for_trust_domain(domain)
            .map_err(|error| Failure::usage("trust_domain.invalid", error.problem).mend(error.mend))?
    };
    if let Some(domain) = args.trust_domain.as_deref().filter(|domain| *domain != config.trust_domain) {
        return Err(Failure::usage(
            "trust_domain.fixed",
            format!(
                "{} is of the trust domain {}, not {domain}",
                folder.path().display(),
                config.trust_domain
            ),
        )
        .mend("name another folder with --dir to found another trust domain"));
    }
    let any = args.any_port.then(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    let choose = |configured: &mut SocketAddr, said: Option<SocketAddr>| {
        if let Some(address) = said.or(any) {
            *configured = address;
        }
    };
    choose(&mut config.gateway.listen, args.gateway);
    choose(&mut config.console.listen, args.console);
    choose(&mut config.admin.listen, args.admin);
    Ok(config)
}

fn ready(stack: &Stack, ui: Ui, first_start: bool) {
    let run = stack.run();
    let dir = stack.folder().path().display().to_string();
    let shown = json!({
        "ready": true, "gateway_url": run.gateway_url, "console_url": run.console_url, "admin_url": run.admin_url,
        "pid": run.pid, "dir": dir,
    });
    ui.result(&shown, |paint| {
        let mut lines = vec![
            format!("{} {}", paint.green("killick is up"), killick_gateway::BUILD),
            format!("gateway   {}", run.gateway_url),
            format!("console   {}", run.console_url),
            format!("metrics   {}/metrics", run.admin_url),
            format!("data      {dir}"),
        ];
        if first_start {
            let option = if dir == "./killick-data" { String::new() } else { format!(" --dir {dir}") };
            lines.push(format!("configuration written to {}", stack.folder().config().display()));
            lines.push("next, in another terminal:".to_owned());
            lines.push(format!("  killick catalogue import openapi.json --upstream NAME --url URL{option}"));
            lines.push(format!("  killick agent onboard NAME --owner WHO --model NAME{option}"));
            lines.push(format!("  killick token grant NAME 'read:...; execute:none'{option}"));
            lines.push(format!("  killick run --as NAME{option} -- COMMAND"));
        }
        lines.join("\n")
    });
}

/// The signals that a service minds.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let failed =
            |error: std::io::Error| Failure::check("signals", format!("cannot wait for signals: {error}"));
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            hangup: signal(SignalKind::hangup()).map_err(failed)?,
        })
    }
}

/// Waits for the end: a signal, or a part that failed.
async fn attend(
    mut stack: Stack,
    signals: &mut Signals,
    config: &mut Config,
    folder: &Folder,
    telemetry: &Telemetry,
) -> Result<(), Failure> {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hangup.recv() => reload(&stack, config, folder, telemetry).await,
            failure = stack.failed() => {
                tracing::error!(code = failure.code(), "{}", failure.sentence());
                // Best effort: the reason to stop is told in any case.
                let _ = stack.shutdown().await;
                return Err(failure);
            }
        }
    }
    tracing::info!("stopping: requests under way are finished");
    tokio::select! {
        closed = stack.shutdown().instrument(tracing::info_span!("stop")) => closed,
        // Asked twice: now.
        _ = signals.interrupt.recv() => Err(Failure::check("stopped.twice", "stopped before everything was finished")),
    }
}

/// SIGHUP: policies, catalogue and log level take effect; what needs a restart is said.
async fn reload(stack: &Stack, config: &mut Config, folder: &Folder, telemetry: &Telemetry) {
    match stack.authority().reload().await {
        Ok(report) => tracing::info!(
            catalogue = report.catalogue,
            policies = report.policies.len(),
            changed = report.changed,
            bundle = report.bundle_version,
            "policies and catalogue reloaded"
        ),
        Err(error) => tracing::error!(code = error.code(), "the rules in force stay: {error}"),
    }
    let new = match Config::read(&folder.config(), Exit::Usage) {
        Ok(new) => new,
        Err(failure) => {
            return tracing::error!(
                code = failure.code(),
                "the configuration in force stays: {}",
                failure.sentence()
            );
        }
    };
    match telemetry.set_level(&new.log.level) {
        Ok(()) => config.log.level.clone_from(&new.log.level),
        Err(failure) => tracing::error!("{}", failure.sentence()),
    }
    for setting in config.needs_restart(&new) {
        tracing::warn!(setting, "changed in killick.toml; needs restart");
    }
}
