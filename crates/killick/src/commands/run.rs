//! `killick run -- COMMAND`: any program, unmodified, with its HTTP calls signed for it by a sidecar in this process.
//! The program is handed the sidecar's address and secret; neither key nor token is in its environment.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use killick_gateway::sidecar::{Sidecar, SidecarConfig, catalogue_hosts};
use killick_proof::UnixTime;
use killick_proof::keys::base64url;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::acting::client_config;
use crate::cli::RunArgs;
use crate::client::{Admin, segment};
use crate::commands::agent::proof_of_possession;
use crate::commands::catalogue::catalogue_of;
use crate::folder::{Folder, member, now, random};
use crate::output::{Failure, Outcome, Ui};
use crate::wallet::Wallet;

/// How often the agent's folder is looked at for a new token, and the certificate's end is checked.
const RENEWAL_TICK: Duration = Duration::from_secs(2);

/// Runs `killick run`; the exit code is the program's own.
pub async fn run(folder: &Folder, _ui: Ui, args: &RunArgs) -> Outcome {
    let wallet = Wallet::pick(folder, args.agent.as_deref())?;
    let (agent, new_tokens) = client_config(folder, &wallet)?;
    let hosts = catalogue_hosts(catalogue_of(folder).await?.document());
    let secret = Zeroizing::new(base64url(&random::<24>()?));
    let listener = listen().await?;
    let sidecar = Sidecar::start(SidecarConfig { agent, hosts, secret: secret.clone() }, listener)
        .map_err(|error| Failure::check("sidecar.start", error.to_string()))?;
    let renewal = tokio::spawn(renew(folder.clone(), wallet, new_tokens));
    let status = child(&args.command, sidecar.local_addr(), &secret).await;
    renewal.abort();
    drop(sidecar);
    status.map(code_of)
}

/// The sidecar's address is one that nothing else has, where the system permits (all of 127.0.0.0/8 is this machine's on
/// Linux): its own base address must be reached directly, while a service on 127.0.0.1 must be reached through it.
const OWN_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 75));

async fn listen() -> Result<tokio::net::TcpListener, Failure> {
    let mut problem = String::new();
    for address in [OWN_ADDRESS, IpAddr::V4(Ipv4Addr::LOCALHOST)] {
        match tokio::net::TcpListener::bind((address, 0)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => problem = crate::output::plain(&error),
        }
    }
    Err(Failure::check("sidecar.listen", format!("cannot listen on loopback: {problem}")))
}

async fn child(
    command: &[String],
    sidecar: std::net::SocketAddr,
    secret: &str,
) -> Result<ExitStatus, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::usage("run.command", "there is no command to run"));
    };
    let proxy = format!("http://killick:{secret}@{sidecar}");
    // Everything goes through the sidecar but the sidecar itself.
    let direct = if sidecar.ip() == OWN_ADDRESS { OWN_ADDRESS.to_string() } else { String::new() };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env("http_proxy", &proxy)
        .env("HTTP_PROXY", &proxy)
        .env("KILLICK_URL", format!("http://{sidecar}/{secret}"))
        .env("no_proxy", &direct)
        .env("NO_PROXY", &direct)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            Failure::usage("run.command", format!("cannot run `{program}`: {}", crate::output::plain(&error)))
                .mend("check that it is installed and executable")
        })?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let unavailable =
        |error: std::io::Error| Failure::check("signals", format!("cannot wait for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unavailable)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(unavailable)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(unavailable)?;
    loop {
        let passed_on = tokio::select! {
            status = child.wait() => {
                return status.map_err(|error| Failure::check("run.wait", format!("cannot wait for `{program}`: {error}")));
            }
            // A terminal sends its interrupt to the program as well: here it is enough to stay and wait.
            _ = interrupt.recv() => None,
            _ = terminate.recv() => Some(Signal::SIGTERM),
            _ = hangup.recv() => Some(Signal::SIGHUP),
        };
        if let (Some(signal), Some(pid)) = (passed_on, pid) {
            // It may have ended in this moment; the wait above then says so.
            let _ = kill(pid, signal);
        }
    }
}

fn code_of(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Takes up a token that was granted while the program runs, and renews the certificate at half its life. A token
/// itself is not renewed: when it ends is the grantor's decision, and an ended or revoked one must stay so.
async fn renew(folder: Folder, wallet: Wallet, tokens: watch::Sender<Arc<str>>) {
    let mut tick = tokio::time::interval(RENEWAL_TICK);
    let mut next = svid_renewal(&folder, &wallet).await;
    loop {
        tick.tick().await;
        if let Ok(token) = wallet.token() {
            tokens.send_if_modified(|current| {
                let changed = current.as_ref() != token;
                if changed {
                    *current = Arc::from(token);
                }
                changed
            });
        }
        if next.is_some_and(|at| at <= now()) {
            next = renewed_svid(&folder, &wallet).await.or_else(|| Some(now().plus_secs(60)));
        }
    }
}

/// When the agent's certificate is to be renewed: at half of what is left of it; never for a sub-agent, which has none.
async fn svid_renewal(folder: &Folder, wallet: &Wallet) -> Option<UnixTime> {
    if wallet.name().contains('/') {
        return None;
    }
    let value = Admin::of(folder).get(&format!("/v1/agents/{}", segment(wallet.name()))).await.ok()?;
    let ends =
        crate::commands::agent::agent_of(&value).pointer("/keys/0/not_after").and_then(Value::as_u64)?;
    Some(half_way(UnixTime::from_micros(ends)))
}

fn half_way(ends: UnixTime) -> UnixTime {
    let now = now();
    now.plus_secs(ends.secs_since(now) / 2)
}

async fn renewed_svid(folder: &Folder, wallet: &Wallet) -> Option<UnixTime> {
    let key = wallet.key().ok()?;
    let body =
        json!({ "public_key": key.public().to_jwk(), "proof": proof_of_possession(wallet.name(), &key) });
    let path = format!("/v1/agents/{}/svid", segment(wallet.name()));
    let answer = Admin::of(folder).post(&path, &body).await.ok()?;
    wallet.keep_svid(member(&answer, "/svid_pem", "the answer").ok()?).ok()?;
    let ends = answer.get("not_after").and_then(Value::as_u64)?;
    Some(half_way(UnixTime::from_micros(ends)))
}
