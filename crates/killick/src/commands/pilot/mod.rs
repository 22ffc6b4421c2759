//! `killick pilot`: the evaluation that an enterprise makes before it adopts killick, end to end on this machine.
//!
//! Six steps: select an agent, give it an identity, define its capability, attack, measure, tighten and measure again.
//! Nothing in its report is assumed: effects come from the shop's receipt book, verdicts from the wire, proofs from the
//! log as a stranger reads it.

mod operator;
mod scene;
mod screen;
mod shop;
mod tell;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use killick_ledger::LogFolder;
use killick_proof::chain::Anchors;
use killick_proof::limits::TOKEN_LIFETIME_SECS_MAX;
use killick_redteam::integrity::{self, Integrity, LogSummary};
use killick_redteam::report::{Findings, Iteration};
use killick_redteam::tighten::{self, Use};
use killick_redteam::world::roster_grants;
use killick_redteam::{
    PilotWorld, ROSTER, RedteamError, Report, attacks, benign, judge, latency, revocation, run_cases,
};
use killick_tlog::verify::Trust;
use serde_json::Value;

use crate::chain_file::token_keys;
use crate::cli::PilotArgs;
use crate::folder::{random, write_whole};
use crate::output::{Exit, Failure, Outcome, Ui};
use scene::{Onboarded, Scene};
use screen::Screen;

/// Where a pilot's state goes if no folder is named.
const FOLDER: &str = "./killick-pilot";
/// Rounds of the calls that the agents are there for.
const BENIGN_ROUNDS: usize = 4;
/// Pairs of requests, straight and through the gateway, of each class.
const LATENCY_PAIRS: usize = 400;
/// The least that PROTOCOL.md asks of a pilot.
const REVOCATIONS: usize = 200;

/// Runs the evaluation. Exit code 0 only when every target holds.
pub async fn run(args: &PilotArgs) -> Outcome {
    let dir = fresh_folder(args.dir.as_deref())?;
    let seed = match args.seed {
        Some(seed) => seed,
        None => u64::from_le_bytes(random::<8>()?) % 1_000_000,
    };
    let mut screen = Screen::new();
    tell::opening(&mut screen, &dir, seed);
    let scene = Scene::start(&dir).await?;
    let evaluated = evaluate(&scene, seed, &mut screen).await;
    let report = match evaluated {
        Ok(report) => report,
        Err(failure) => {
            // The failure is what matters; a shutdown that also fails adds nothing to it.
            let _ = scene.stop().await;
            return Err(failure);
        }
    };
    let written = write_report(args.report_dir.as_deref().unwrap_or(&dir), &report)?;
    tell::closing(&mut screen, &scene, &report, &written, args.keep);
    let text = screen.finish();
    if let Some(path) = &args.record {
        write_whole(path, text.trim_start().as_bytes(), 0o644)?;
    }
    let ui = Ui { json: args.json };
    if args.json {
        ui.result(&report.to_json(), |_| String::new());
    }
    if args.keep {
        ui.remark("everything keeps running until you press Ctrl-C");
        let _ = tokio::signal::ctrl_c().await;
    }
    scene.stop().await?;
    Ok(if report.passes() { ExitCode::SUCCESS } else { Exit::CheckFailed.into() })
}

/// The folder that was named, if it is empty; or the first free one of our own name.
fn fresh_folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let is_free = |path: &Path| match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if let Some(path) = named {
        return if is_free(path) {
            Ok(path.to_owned())
        } else {
            Err(Failure::usage("pilot.folder", format!("{} is not an empty folder", path.display()))
                .mend("name another with --dir: a pilot starts from nothing"))
        };
    }
    (1..)
        .map(|number| {
            PathBuf::from(if number == 1 { FOLDER.to_owned() } else { format!("{FOLDER}-{number}") })
        })
        .find(|path| is_free(path))
        .ok_or_else(|| Failure::usage("pilot.folder", "there is no free folder name"))
}

async fn evaluate(scene: &Scene, seed: u64, screen: &mut Screen) -> Result<Report, Failure> {
    let operations = scene.import_catalogue().await?;
    tell::selected(screen, scene, operations);

    let mut agents = BTreeMap::new();
    for member in ROSTER {
        agents.insert(member.name.to_owned(), scene.onboard(member).await?);
    }
    tell::identities(screen, scene, &agents);
    tell::capabilities(screen, &agents);

    let world = scene.world(&agents, seed)?;
    benign::all_reachable(&world).await.map_err(failed)?;
    tell::frozen(screen, &agents);
    let cases = attacks::all(seed);
    screen.begin("attacks", cases.len() as u64);
    let bar = screen.bar();
    let results = run_cases(&world, &cases, &mut |number, _| bar.set_position(number as u64 + 1))
        .await
        .map_err(failed)?;
    tell::attacks(screen, &results);

    screen.begin("benign calls", 1);
    let benign = benign::run_benign(&world, BENIGN_ROUNDS).await.map_err(failed)?;
    screen.begin("latency", 1);
    let latency = latency::measure(&world, LATENCY_PAIRS).await.map_err(failed)?;
    screen.begin("revocations", REVOCATIONS as u64);
    let bar = screen.bar();
    let revocations = revocation::measure(&world, REVOCATIONS, &mut |number| bar.set_position(number as u64))
        .await
        .map_err(failed)?;

    let grants = roster_grants();
    let uses = tighten::uses(&benign);
    let iteration = iterate(scene, &world, &mut agents, &grants, &uses).await?;

    scene
        .stack
        .log()
        .publish()
        .await
        .map_err(|error| Failure::check("log.unavailable", error.to_string()))?;
    let (integrity, log) = integrity(scene, &world).await?;
    let report = Report::new(Findings {
        about: about(scene, screen),
        seed,
        grants,
        cases: results,
        benign,
        revocations,
        latency,
        integrity,
        log,
        iteration,
        rerun: vec![format!("killick pilot --seed {seed}")],
    });
    tell::measured(screen, &report);
    tell::iterated(screen, &report);
    Ok(report)
}

/// Names the next thing to tighten, applies it, and measures again: the narrower token is granted, the wider one
/// revoked, and the call that an obeyed injection would have made is made before and after.
async fn iterate(
    scene: &Scene,
    world: &PilotWorld,
    agents: &mut BTreeMap<String, Onboarded>,
    grants: &BTreeMap<String, String>,
    uses: &[Use],
) -> Result<Option<Iteration>, Failure> {
    let Some(tightened) = tighten::suggest(grants, uses).into_iter().next() else { return Ok(None) };
    let Some(onboarded) = agents.get_mut(&tightened.agent) else { return Ok(None) };
    let max_depth =
        ROSTER.iter().find(|member| member.name == tightened.agent).map_or(0, |member| member.max_depth);
    let probe_before = tighten::probe(world, &onboarded.agent, &tightened.action).await.map_err(failed)?;
    let wide = onboarded.claims.get("jti").and_then(Value::as_str).unwrap_or_default().to_owned();
    scene.grant(onboarded, &tightened.grant_after, max_depth).await?;
    scene.revoke_token(&wide).await?;
    let probe_after = tighten::probe(world, &onboarded.agent, &tightened.action).await.map_err(failed)?;
    let mut after = grants.clone();
    after.insert(tightened.agent.clone(), tightened.grant_after.clone());
    Ok(Some(Iteration {
        unused_before: tighten::unused(grants, uses),
        unused_after: tighten::unused(&after, uses),
        tightened,
        probe_before,
        probe_after,
    }))
}

/// Reads the log as a stranger does, from its folder and the trust file alone, and holds it against the receipt books.
async fn integrity(scene: &Scene, world: &PilotWorld) -> Result<(Integrity, LogSummary), Failure> {
    let receipts = judge::all_books(&world.protected).await.map_err(failed)?;
    let trust = Trust::parse(&scene.trust.to_string())
        .map_err(|error| Failure::check("pilot.trust", error.to_string()))?;
    let keys = token_keys(&scene.trust)?;
    let anchors = Anchors { keys: &keys, lifetime_secs_max: TOKEN_LIFETIME_SECS_MAX };
    let log = integrity::read_log(&LogFolder::new(scene.folder.log()), &trust)
        .map_err(|error| Failure::new(Exit::NotVerified, error.code(), error.to_string()))?;
    let chains = killick_gateway::evidence::read(&scene.folder.gateway_state())
        .map_err(|error| Failure::io("read", &scene.folder.gateway_state(), &error))?;
    Ok((integrity::measure(&log, &receipts, &chains, &anchors), log.log))
}

fn about(scene: &Scene, screen: &Screen) -> BTreeMap<String, String> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let mut about = BTreeMap::from([
        ("build".to_owned(), killick_gateway::BUILD.to_owned()),
        ("date".to_owned(), jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()),
        ("machine".to_owned(), format!("{cores} cores, {} {}", std::env::consts::OS, std::env::consts::ARCH)),
        ("seconds".to_owned(), format!("{:.1}", screen.elapsed().as_secs_f64())),
    ]);
    if let Some(origin) = scene.trust.get("origin").and_then(Value::as_str) {
        about.insert("log".to_owned(), origin.to_owned());
    }
    about
}

/// The report's two files: for people and for programs.
struct Written {
    html: PathBuf,
    json: PathBuf,
}

fn write_report(dir: &Path, report: &Report) -> Result<Written, Failure> {
    std::fs::create_dir_all(dir).map_err(|error| Failure::io("create", dir, &error))?;
    let written = Written { html: dir.join("report.html"), json: dir.join("report.json") };
    write_whole(&written.html, killick_redteam::html::page(report).as_bytes(), 0o644)?;
    write_whole(&written.json, format!("{:#}\n", report.to_json()).as_bytes(), 0o644)?;
    Ok(written)
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over errors")]
fn failed(error: RedteamError) -> Failure {
    Failure::check("pilot.run", error.to_string())
}
