//! `killick token …`: grant, read, narrow; and what is not for killick's own tokens alone: verify, sign, compare.

mod diff;
pub mod jwk;
mod lint;
mod sign;
mod verify;

use std::fmt::Write as _;

use killick_proof::attenuate::{Attenuation, attenuate};
use killick_proof::grammar::{ActionSchemas, GrammarError, Grant, describe};
use killick_proof::token::Claims;
use killick_proof::{Code, SpiffeId};
use serde_json::{Value, json};

use crate::chain_file::{self, Read};
use crate::cli::{AttenuateArgs, GrantArgs, TokenCommand};
use crate::client::Admin;
use crate::commands::agent::time_text;
use crate::commands::catalogue;
use crate::folder::{Folder, create_private_dir, member, now};
use crate::output::{Exit, Failure, Outcome, Paint, Ui};
use crate::wallet::{Wallet, check_name, new_key, read_key};

/// Runs `killick token …`.
pub async fn run(folder: &Folder, ui: Ui, command: &TokenCommand) -> Outcome {
    match command {
        TokenCommand::Grant(args) => grant(folder, ui, args).await,
        TokenCommand::Inspect { what, trust } => inspect(folder, ui, what.as_deref(), trust.as_deref()),
        TokenCommand::Explain(args) => crate::commands::explain::run(folder, ui, args).await,
        TokenCommand::Attenuate(args) => narrow(folder, ui, args),
        TokenCommand::Diff { a, b } => diff::run(folder, ui, a, b),
        TokenCommand::Lint { what } => lint::run(folder, ui, what.as_deref()).await,
        TokenCommand::Verify(args) => verify::run(ui, args),
        TokenCommand::Sign(args) => sign::run(ui, args),
        TokenCommand::Key { file } => jwk::make(ui, file),
    }
}

async fn grant(folder: &Folder, ui: Ui, args: &GrantArgs) -> Outcome {
    check_name(&args.name)?;
    // Where the text itself is wrong, say so with its column before anybody else is asked.
    Grant::parse(&args.grant).map_err(|error| grammar_failure(&args.grant, &error))?;
    let mut body = json!({ "agent": args.name, "grant": args.grant });
    if let Some(members) = body.as_object_mut() {
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        set("lifetime_secs", args.lasting.map(Value::from));
        set("max_depth", args.max_depth.map(Value::from));
        set("task", args.task.as_deref().map(Value::from));
        set("principal", args.principal.as_deref().map(Value::from));
    }
    let answer = Admin::of(folder).post("/v1/tokens", &body).await?;
    let compact = member(&answer, "/token", "the answer")?;
    let wallet = Wallet::place(folder, &args.name)?;
    let kept = wallet.exists();
    if kept {
        wallet.keep_token(compact)?;
    }
    let mut shown = answer.clone();
    if let (true, Some(members)) = (kept, shown.as_object_mut()) {
        members.insert("file".to_owned(), wallet.token_path().display().to_string().into());
    }
    ui.result(&shown, |paint| {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let exp = answer.get("exp").and_then(Value::as_u64).unwrap_or_default();
        let mut out = format!("{} {}\n", paint.green("granted"), paint.bold(text("granted")));
        let _ = writeln!(out, "to {} until {} (jti {})", args.name, time_text(exp), text("jti"));
        if let Some(claims) = answer.get("claims") {
            let _ = writeln!(
                out,
                "\nthe signed claims:\n{}",
                serde_json::to_string_pretty(claims).unwrap_or_default()
            );
        }
        if kept {
            let _ = write!(out, "\nkept in {}", wallet.token_path().display());
        } else {
            let _ = write!(
                out,
                "\n{} has its key elsewhere; hand it this token, useless without that key:\n{compact}",
                args.name
            );
        }
        out
    });
    Ok(Exit::Fine.into())
}

/// A grant that cannot be read, with a mark under the place.
pub fn grammar_failure(text: &str, error: &GrammarError) -> Failure {
    let failure = Failure::usage(
        "grant.syntax",
        format!("the grant `{text}` is wrong at column {}: {}", error.column, error.message),
    )
    .with("column", error.column);
    match &error.suggestion {
        Some(near) => failure.mend(format!("did you mean `{near}`?")),
        None => failure.mend("write e.g. 'read:invoices; create:payment-draft(amount <= 500); execute:none'"),
    }
}

fn inspect(folder: &Folder, ui: Ui, what: Option<&str>, trust: Option<&std::path::Path>) -> Outcome {
    let compact = chain_file::find(folder, what)?;
    let keys = chain_file::token_keys(&folder.read_trust(trust)?)?;
    let read = chain_file::read(compact, &keys, now())?;
    let verdict = match &read.verdict {
        Ok(chain) => json!({
            "verified": true, "depth": chain.links().len() - 1,
            "chain_hash": killick_proof::keys::base64url(chain.hash()),
        }),
        Err(refusal) => {
            json!({ "verified": false, "code": refusal.code().as_str(), "error": refusal.detail() })
        }
    };
    let links: Vec<Value> = read
        .payloads
        .iter()
        .zip(&read.claims)
        .map(|(payload, claims)| json!({ "grant": claims.as_ref().and_then(grant_of), "claims": payload }))
        .collect();
    let mut shown = verdict;
    if let Some(members) = shown.as_object_mut() {
        members.insert("links".to_owned(), links.into());
    }
    ui.result(&shown, |paint| inspected(&read, paint));
    match read.verdict {
        Ok(_) => Ok(Exit::Fine.into()),
        // Told above, in full; an expired or forged token is a proof that does not verify.
        Err(_) => Ok(Exit::NotVerified.into()),
    }
}

fn inspected(read: &Read, paint: Paint) -> String {
    let mut out = String::new();
    for (index, (payload, claims)) in read.payloads.iter().zip(&read.claims).enumerate() {
        let name = if index == 0 { "root".to_owned() } else { format!("link {index}") };
        let _ = writeln!(out, "{}", paint.bold(&name));
        let Some(claims) = claims else {
            let _ = writeln!(out, "  {}", paint.red("its claims cannot be read"));
            let _ = writeln!(out, "  {payload}");
            continue;
        };
        if let Some(ours) = &claims.killick {
            let _ = writeln!(out, "  from     {}", ours.issuer);
            let _ = writeln!(out, "  to       {}", ours.holder);
            if let Some(origin) = &ours.origin {
                let _ = writeln!(out, "  model    {}@{}", origin.model.name, origin.model.version);
                let _ = writeln!(out, "  owner    {}", origin.owner);
                for (name, value) in
                    [("for", &origin.principal), ("task", &origin.task), ("intent", &origin.intent)]
                {
                    if let Some(value) = value {
                        let _ = writeln!(out, "  {name:<8} {value}");
                    }
                }
            }
        }
        let _ = writeln!(out, "  key      {}", claims.holder_key.id());
        let _ = writeln!(out, "  grants   {}", grant_of(claims).unwrap_or_else(|| "nothing".to_owned()));
        let _ = writeln!(out, "  from     {} to {}", time_text(claims.iat), time_text(claims.exp));
        let _ = writeln!(out, "  depth    {} of at most {}", claims.del_depth, claims.del_max_depth);
        let _ = writeln!(out, "  jti      {}", claims.jti);
    }
    out.push_str(&match &read.verdict {
        Ok(_) => format!("{}: every signature and every narrowing holds", paint.green("verified")),
        Err(refusal) => format!("{}: {} ({})", paint.red("NOT VERIFIED"), refusal.detail(), refusal.code()),
    });
    out
}

/// What a link grants and denies, as people write it.
pub fn grant_of(claims: &Claims) -> Option<String> {
    let deny = claims.killick.as_ref().map(|ours| ours.deny.as_slice()).unwrap_or_default();
    claims.tools.as_ref().map(|tools| describe(tools, deny))
}

fn narrow(folder: &Folder, ui: Ui, args: &AttenuateArgs) -> Outcome {
    let parent = Wallet::open(folder, &args.name)?;
    let trust = folder.read_trust(None)?;
    let compact = parent.token()?;
    let now = now();
    let chain = chain_file::verify(&compact, &chain_file::token_keys(&trust)?, now).map_err(|refusal| {
        Failure::new(
            Exit::NotVerified,
            refusal.code().as_str(),
            format!("the token of `{}` does not verify: {}", args.name, refusal.detail()),
        )
        .mend(format!("grant it a fresh one: killick token grant {} '…'", args.name))
    })?;
    let holder = match chain.holder() {
        Some(holder) => holder.child(&args.sub_agent).map_err(refused)?,
        None => SpiffeId::parse(&format!(
            "spiffe://{}/agent/{}/{}",
            member(&trust, "/trust_domain", "trust.json")?,
            args.name,
            args.sub_agent
        ))
        .map_err(refused)?,
    };
    let parsed = Grant::parse(&args.grant).map_err(|error| grammar_failure(&args.grant, &error))?;
    let document = catalogue::local(folder)?;
    let compiled = parsed
        .compile(&document as &dyn ActionSchemas)
        .map_err(|error| grammar_failure(&args.grant, &error))?;
    let sub = Wallet::place(folder, &format!("{}/{}", args.name, args.sub_agent))?;
    let (key, own_folder) = match &args.key {
        Some(path) if path.exists() => (read_key(path)?, false),
        Some(path) => (new_key(path)?, false),
        None => {
            create_private_dir(sub.dir())?;
            (sub.key_or_new()?.0, true)
        }
    };
    let leaf = chain.leaf();
    let exp_secs = args.lasting.map_or(leaf.exp, |secs| now.plus_secs(secs).secs());
    let attenuation = Attenuation {
        jti: uuid::Uuid::now_v7().to_string(),
        holder_key: key.public().clone(),
        holder: holder.clone(),
        tools: compiled.tools,
        deny: compiled.deny,
        exp_secs,
        del_max_depth: leaf.del_depth + 1 + args.further,
    };
    let longer = attenuate(&chain, &parent.key()?, &attenuation, now).map_err(refused)?;
    if own_folder {
        sub.keep_token(&longer)?;
        sub.keep_record(&json!({ "agent": { "id": holder.as_str(), "name": sub.name() }, "trust": trust }))?;
    }
    let granted = describe(&attenuation.tools, &attenuation.deny);
    ui.result(
        &json!({ "token": longer, "jti": attenuation.jti, "holder": holder.as_str(), "granted": granted, "exp": exp_secs }),
        |paint| {
            let mut out = format!("{} {}\nto {holder} until {}\n", paint.green("granted"), paint.bold(&granted), time_text(exp_secs));
            if own_folder {
                let _ = write!(out, "act as it: killick call --as {} ACTION NAME=VALUE", sub.name());
            } else {
                out.push_str(&longer);
            }
            out
        },
    );
    Ok(Exit::Fine.into())
}

fn refused(refusal: killick_proof::Refusal) -> Failure {
    let exit = match refusal.code() {
        Code::ChainWidened | Code::ChainDepth | Code::ChainLifetime | Code::ChainExplicitDeny => Exit::Denied,
        _ => Exit::Usage,
    };
    Failure::new(exit, refusal.code().as_str(), refusal.detail())
        .mend("grant no more, no longer and no deeper than the agent itself has")
}
