//! `killick agent …`: from onboarding to off-boarding.

use killick_proof::keys::{SigningKey, base64url};
use serde_json::{Value, json};

use crate::cli::{AgentCommand, OnboardArgs};
use crate::client::{Admin, segment};
use crate::folder::{Folder, member, now};
use crate::output::{Exit, Failure, Outcome, Ui, table};
use crate::wallet::{Wallet, check_name};

/// Runs `killick agent …`.
pub async fn run(folder: &Folder, ui: Ui, command: &AgentCommand) -> Outcome {
    let admin = Admin::of(folder);
    match command {
        AgentCommand::Onboard(args) => onboard(folder, &admin, ui, args).await,
        AgentCommand::List => list(&admin, ui).await,
        AgentCommand::Show { name } => {
            let value = admin.get(&path(name, "")?).await?;
            show(ui, agent_of(&value));
            Ok(Exit::Fine.into())
        }
        AgentCommand::Offboard { name } => {
            let value = admin.delete(&path(name, "")?).await?;
            ui.result(&value, |_| {
                format!("{name} is off-boarded, with everything beneath it; the name is never used again")
            });
            Ok(Exit::Fine.into())
        }
        AgentCommand::Suspend { name } => {
            let value = admin.post(&path(name, "/suspend")?, &json!({})).await?;
            ui.result(&value, |_| format!("{name} is suspended until `killick agent resume {name}`"));
            Ok(Exit::Fine.into())
        }
        AgentCommand::Resume { name } => {
            let value = admin.post(&path(name, "/resume")?, &json!({})).await?;
            ui.result(&value, |_| format!("{name} may act again"));
            Ok(Exit::Fine.into())
        }
        AgentCommand::Observe { name, lasting, off: _ } => observe(&admin, ui, name, *lasting).await,
    }
}

async fn observe(admin: &Admin, ui: Ui, name: &str, lasting: Option<u64>) -> Outcome {
    let until = lasting.map(|secs| now().plus_secs(secs));
    let body = json!({ "until": until.map(killick_proof::UnixTime::micros) });
    let value = admin.post(&path(name, "/observe")?, &body).await?;
    ui.result(&value, |paint| match until {
        Some(until) => format!(
            "{}: denials of {name} are recorded, NOT enforced, until {}\nend it with `killick agent observe {name} --off`",
            paint.yellow("OBSERVE MODE"),
            time_text(until.secs()),
        ),
        None => format!("{name} is under enforcement again"),
    });
    Ok(Exit::Fine.into())
}

async fn onboard(folder: &Folder, admin: &Admin, ui: Ui, args: &OnboardArgs) -> Outcome {
    let name = args.name.as_str();
    check_name(name)?;
    if name.contains('/') {
        return Err(Failure::usage(
            "name.invalid",
            "a sub-agent is not onboarded: it gets its token from the agent above it",
        )
        .mend("see `killick token attenuate --help`"));
    }
    let wallet = Wallet::place(folder, name)?;
    if wallet.exists() && wallet.svid_path().exists() {
        return Err(Failure::usage("agent.exists", format!("`{name}` was onboarded here before"))
            .mend(format!("see `killick agent show {name}`")));
    }
    // A key that an interrupted onboarding left is used, so that a name is not lost to an accident.
    let (key, made) = wallet.key_or_new()?;
    let answer = match admin.post("/v1/agents", &onboarding(args, &key)).await {
        Ok(answer) => answer,
        Err(failure) => {
            if made {
                // Nothing was said to hold this key: leave no half agent behind.
                let _ = std::fs::remove_file(wallet.key_path());
                let _ = std::fs::remove_dir(wallet.dir());
            }
            return Err(failure);
        }
    };
    wallet.keep_svid(member(&answer, "/svid_pem", "the answer")?)?;
    wallet.keep_record(&json!({ "agent": agent_of(&answer), "trust": answer.get("trust") }))?;
    ui.result(
        &json!({
            "agent": agent_of(&answer), "svid_pem": answer.get("svid_pem"), "keyid": key.id().as_str(),
            "folder": wallet.dir().display().to_string(),
        }),
        |paint| {
            format!(
                "{} {}\nowner {} · model {} · key {}\nkey and certificate are in {}\nnext: killick token grant {name} \
                 'read:...; execute:none'",
                paint.green("onboarded"),
                agent_of(&answer).get("id").and_then(Value::as_str).unwrap_or(name),
                args.owner,
                args.model,
                key.id(),
                wallet.dir().display(),
            )
        },
    );
    Ok(Exit::Fine.into())
}

/// The onboarding request, with the proof that the key is held.
fn onboarding(args: &OnboardArgs, key: &SigningKey) -> Value {
    let (model, version) = args.model.split_once('@').unwrap_or((&args.model, "unknown"));
    let mut body = json!({
        "name": args.name,
        "owner": args.owner,
        "model": { "name": model, "version": version },
        "public_key": key.public().to_jwk(),
        "proof": proof_of_possession(&args.name, key),
    });
    if let Some(members) = body.as_object_mut() {
        let mut set = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value.into());
            }
        };
        set("purpose", args.purpose.as_deref());
        set("runtime", args.runtime.as_deref());
        set("risk_tier", args.risk.map(crate::cli::RiskTierArg::as_str));
    }
    body
}

/// The signature that shows the authority who holds the key.
pub fn proof_of_possession(name: &str, key: &SigningKey) -> String {
    base64url(&key.sign(format!("killick-onboard\n{name}\n{}", key.id()).as_bytes()))
}

async fn list(admin: &Admin, ui: Ui) -> Outcome {
    let value = admin.get("/v1/agents").await?;
    let agents = value.get("agents").unwrap_or(&value);
    ui.result(&value, |paint| {
        let mut rows =
            vec![["NAME", "STATE", "OWNER", "MODEL", "RISK", "OBSERVED UNTIL"].map(str::to_owned).to_vec()];
        for agent in agents.as_array().into_iter().flatten() {
            let text =
                |pointer: &str| agent.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
            rows.push(vec![
                name_of(agent),
                text("/state"),
                text("/owner"),
                model_of(agent),
                text("/risk_tier"),
                observed(agent).unwrap_or_else(|| "-".to_owned()),
            ]);
        }
        if rows.len() == 1 {
            return "no agents yet\nnext: killick agent onboard NAME --owner WHO --model NAME".to_owned();
        }
        table(paint, &rows)
    });
    Ok(Exit::Fine.into())
}

fn show(ui: Ui, agent: &Value) {
    ui.result(agent, |paint| {
        let mut rows = Vec::new();
        let mut say =
            |name: &str, value: String| rows.push(format!("{}  {value}", paint.bold(&format!("{name:<9}"))));
        let text = |pointer: &str| agent.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        for (name, value) in [
            ("name", Some(name_of(agent))),
            ("id", text("/id")),
            ("state", text("/state")),
            ("owner", text("/owner")),
            ("model", Some(model_of(agent))),
            ("risk", text("/risk_tier")),
            ("purpose", text("/purpose")),
            ("runtime", text("/runtime")),
        ] {
            if let Some(value) = value {
                say(name, value);
            }
        }
        for key in agent.get("keys").and_then(Value::as_array).into_iter().flatten() {
            let thumbprint = key.get("thumbprint").and_then(Value::as_str).unwrap_or("?");
            let ends = key.get("not_after").and_then(Value::as_u64).unwrap_or_default();
            say("key", format!("{thumbprint}, certified until {}", time_text(ends / 1_000_000)));
        }
        if let Some(until) = observed(agent) {
            say("observe", paint.yellow(&format!("denials are NOT enforced until {until}")));
        }
        rows.join("\n")
    });
}

/// The agent in an answer that may hold it as a member.
pub fn agent_of(value: &Value) -> &Value {
    value.get("agent").unwrap_or(value)
}

/// The name in an agent's record: its own, or what its SPIFFE ID says.
pub fn name_of(agent: &Value) -> String {
    let id = || {
        agent.get("id").and_then(Value::as_str).and_then(|id| id.split_once("/agent/")).map(|(_, name)| name)
    };
    agent.get("name").and_then(Value::as_str).or_else(id).unwrap_or("?").to_owned()
}

fn model_of(agent: &Value) -> String {
    let text = |pointer: &str| agent.pointer(pointer).and_then(Value::as_str);
    match (text("/model/name"), text("/model/version")) {
        (Some(name), Some(version)) => format!("{name}@{version}"),
        _ => text("/model").unwrap_or("-").to_owned(),
    }
}

/// Until when an agent is in observe mode, if it is now.
pub fn observed(agent: &Value) -> Option<String> {
    let until = agent.get("observe_until").and_then(Value::as_u64)?;
    (until > now().micros()).then(|| time_text(until / 1_000_000))
}

/// A time in UTC as people read it.
pub fn time_text(secs: u64) -> String {
    i64::try_from(secs)
        .ok()
        .and_then(|secs| jiff::Timestamp::from_second(secs).ok())
        .map_or_else(|| "never".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn path(name: &str, rest: &str) -> Result<String, Failure> {
    check_name(name)?;
    Ok(format!("/v1/agents/{}{rest}", segment(name)))
}
