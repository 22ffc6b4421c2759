//! `killick token explain`: why a call would be permitted or denied, link by link, and what would permit it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use killick_decide::Catalogue;
use killick_proof::json::Json;
use killick_proof::{Code, Refusal};
use serde_json::{Value, json};

use crate::chain_file::{self, Read};
use crate::cli::ExplainArgs;
use crate::client::{Admin, segment};
use crate::commands::agent::{agent_of, observed};
use crate::commands::catalogue::{catalogue_of, risk_text};
use crate::commands::token::grant_of;
use crate::folder::{Folder, now};
use crate::output::{Exit, Failure, Outcome, Paint, Ui};
use crate::wallet::Wallet;

/// One thing that was looked at.
struct Step {
    what: String,
    /// Which link it is about, if one: 0 is the root.
    link: Option<usize>,
    verdict: Result<String, (String, String)>,
}

impl Step {
    fn fine(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self { what: what.into(), link: None, verdict: Ok(said.into()) }
    }

    fn wrong(what: impl Into<String>, code: &str, why: impl Into<String>) -> Self {
        Self { what: what.into(), link: None, verdict: Err((code.to_owned(), why.into())) }
    }

    fn of(what: impl Into<String>, said: &str, verdict: Result<(), Refusal>) -> Self {
        match verdict {
            Ok(()) => Self::fine(what, said),
            Err(refusal) => Self::wrong(what, refusal.code().as_str(), refusal.detail()),
        }
    }
}

/// Runs `killick token explain`. Exit code 0 if it would be permitted, 4 if not.
pub async fn run(folder: &Folder, ui: Ui, args: &ExplainArgs) -> Outcome {
    let (name, compact, call) = match (&args.chain, args.words.as_slice()) {
        (Some(path), call) => (None, chain_file::from_file(path)?, call),
        (None, [name, call @ ..]) => {
            let wallet = Wallet::open(folder, name)?;
            (Some(wallet.name().to_owned()), wallet.token()?, call)
        }
        (None, []) => (None, String::new(), [].as_slice()),
    };
    let [action, pairs @ ..] = call else {
        return Err(Failure::usage("usage", "which action shall be explained?")
            .mend("killick token explain AGENT ACTION NAME=VALUE, e.g. killick token explain invoice-bot read:invoices id=INV-7"));
    };
    let catalogue = catalogue_of(folder).await?;
    let keys = chain_file::token_keys(&folder.read_trust(None)?)?;
    let read = chain_file::read(compact, &keys, now())?;
    let mut steps =
        vec![Step::of("the token", "every signature and every narrowing holds", verdict_of(&read))];
    if let Some(step) = directory(folder, name.as_deref()).await {
        steps.push(step);
    }
    match arguments(&catalogue, action, pairs) {
        Ok(arguments) => {
            if let Some(operation) = catalogue.operation(action) {
                steps.push(Step::fine(
                    "the catalogue",
                    format!(
                        "{action} is {} {} at {}, {}",
                        operation.method,
                        operation.path,
                        operation.upstream,
                        risk_text(operation.risk)
                    ),
                ));
            }
            links(&read, &keys, action, &arguments, &mut steps);
        }
        Err((code, why)) => steps.push(Step::wrong("the catalogue", code.as_str(), why)),
    }
    let first = steps.iter().find_map(|step| step.verdict.as_ref().err());
    let mend = first.and_then(|(code, _)| what_would(code, action, &read, name.as_deref()));
    let restricts = restricting(&steps, &read);
    let shown = json!({
        "permitted": first.is_none(),
        "restricted_by": restricts.as_ref().map(|restricts| &restricts.json),
        "code": first.map(|(code, _)| code),
        "error": first.map(|(_, why)| why),
        "mend": mend,
        "steps": steps.iter().map(|step| match &step.verdict {
            Ok(said) => json!({ "what": step.what, "ok": true, "why": said }),
            Err((code, why)) => json!({ "what": step.what, "ok": false, "code": code, "why": why }),
        }).collect::<Vec<Value>>(),
    });
    let restricts = restricts.map(|restricts| restricts.text);
    ui.result(&shown, |paint| told(&steps, restricts.as_deref(), mend.as_deref(), paint));
    Ok(if first.is_none() { Exit::Fine } else { Exit::Denied }.into())
}

fn verdict_of(read: &Read) -> Result<(), Refusal> {
    read.verdict.as_ref().map(|_| ()).map_err(Clone::clone)
}

/// What the directory says of the agent; nothing if it cannot be asked.
async fn directory(folder: &Folder, name: Option<&str>) -> Option<Step> {
    // A sub-agent is not in the directory: the agent that it lies beneath is.
    let name = name?.split('/').next()?;
    let value = Admin::of(folder).get(&format!("/v1/agents/{}", segment(name))).await.ok()?;
    let agent = agent_of(&value);
    let state = agent.get("state").and_then(Value::as_str).unwrap_or("unknown");
    Some(match state {
        "active" => match observed(agent) {
            Some(until) => Step::fine(
                "the agent",
                format!("{name} is active, and OBSERVED: denials are not enforced until {until}"),
            ),
            None => Step::fine("the agent", format!("{name} is active")),
        },
        "suspended" => {
            Step::wrong("the agent", Code::IdentitySuspended.as_str(), format!("{name} is suspended"))
        }
        other => Step::wrong("the agent", Code::IdentityRevoked.as_str(), format!("{name} is {other}")),
    })
}

/// The arguments as the catalogue types them; optional ones that are left out are `null`.
pub fn arguments(
    catalogue: &Catalogue,
    action: &str,
    pairs: &[String],
) -> Result<BTreeMap<String, Json>, (Code, String)> {
    let mut arguments = BTreeMap::new();
    for pair in pairs {
        let (name, text) = pair
            .split_once('=')
            .ok_or_else(|| (Code::ArgUnlisted, format!("`{pair}` is no argument; write NAME=VALUE")))?;
        let value = catalogue
            .read_argument(action, name, text)
            .map_err(|error| (code_of(catalogue, action, name), error.0))?;
        if arguments.insert(name.to_owned(), value).is_some() {
            return Err((Code::ArgUnlisted, format!("the argument `{name}` is given twice")));
        }
    }
    let given = arguments.clone();
    // Also says what is missing, and finds an action that is not there.
    catalogue.request_for(action, &given).map_err(|error| {
        (if catalogue.operation(action).is_some() { Code::ArgMissing } else { Code::ToolUnknown }, error.0)
    })?;
    for argument in
        catalogue.operation(action).map(|operation| operation.arguments.as_slice()).unwrap_or_default()
    {
        arguments.entry(argument.name.clone()).or_insert(Json::Null);
    }
    Ok(arguments)
}

fn code_of(catalogue: &Catalogue, action: &str, name: &str) -> Code {
    match catalogue.operation(action) {
        None => Code::ToolUnknown,
        Some(operation) if operation.arguments.iter().any(|argument| argument.name == name) => Code::ArgType,
        Some(_) => Code::ArgUnlisted,
    }
}

/// Asks every link in turn: the chain cut off below it is a chain of its own.
fn links(
    read: &Read,
    keys: &[killick_proof::keys::PublicKey],
    action: &str,
    arguments: &BTreeMap<String, Json>,
    steps: &mut Vec<Step>,
) {
    for (index, claims) in read.claims.iter().enumerate() {
        let name = if index == 0 { "the root".to_owned() } else { format!("link {index}") };
        let holder = claims
            .as_ref()
            .and_then(|claims| claims.killick.as_ref())
            .map(|ours| format!(" (to {})", ours.holder));
        let what = format!("{name}{}", holder.unwrap_or_default());
        let said = claims
            .as_ref()
            .and_then(grant_of)
            .map_or_else(|| "permits it".to_owned(), |grant| format!("permits it: {grant}"));
        // A link that does not verify was told of already; one that does is asked.
        if let Ok(chain) = chain_file::verify(&read.down_to(index), keys, now()) {
            let step = Step::of(what, &said, chain.check(action, arguments));
            steps.push(Step { link: Some(index), ..step });
        }
    }
}

/// What would permit it, and who can do that.
fn what_would(code: &str, action: &str, read: &Read, name: Option<&str>) -> Option<String> {
    let name = name.unwrap_or("NAME");
    let root = read.claims.first().and_then(Option::as_ref).and_then(grant_of).unwrap_or_default();
    let regrant = |grant: &str| format!("killick token grant {name} '{grant}'");
    Some(match Code::from_text(code)? {
        Code::ToolNotGranted => {
            let grant = if root.is_empty() { action.to_owned() } else { format!("{action}; {root}") };
            format!("a grant of {action} in every link; whoever administers the authority can give it: {}", regrant(&grant))
        }
        Code::ChainExplicitDeny => {
            "a new root token without that deny: no link can shed it; only whoever administers the authority can leave it out".to_owned()
        }
        Code::ArgConstraint => format!("a value within the constraint, or a wider grant: {}", regrant(&format!("{action}(…)"))),
        Code::ArgMissing | Code::ArgType | Code::ArgUnlisted => format!("see its arguments: killick catalogue show; asked was {action}"),
        Code::ToolUnknown => "an entry in the catalogue: killick catalogue import FILE --upstream NAME --url URL".to_owned(),
        Code::TokenExpired => format!("a fresh token: {}", regrant(&root)),
        Code::IdentitySuspended => format!("killick agent resume {name}"),
        _ => return None,
    })
}

/// The link that stands in the way: the first one, from the root down, under which the call is not permitted.
struct Restricting {
    text: String,
    json: Value,
}

/// Who passed on less than what is asked for. Nothing if no link does: it is permitted, or stopped by something else.
fn restricting(steps: &[Step], read: &Read) -> Option<Restricting> {
    let (link, code) = steps.iter().find_map(|step| Some((step.link?, &step.verdict.as_ref().err()?.0)))?;
    let ours = read.claims.get(link)?.as_ref().and_then(|claims| claims.killick.as_ref());
    let who = ours.map(|ours| ours.issuer.as_str().to_owned());
    let by = who.as_deref().map(|who| format!(", which {who} signed")).unwrap_or_default();
    let text = match link {
        0 => format!("the root{by}, never permitted it"),
        _ => format!("link {link}{by}, took it away: what stands above permits it"),
    };
    Some(Restricting { text, json: json!({ "link": link, "issuer": who, "code": code }) })
}

fn told(steps: &[Step], restricts: Option<&str>, mend: Option<&str>, paint: Paint) -> String {
    let mut out = String::new();
    for step in steps {
        match &step.verdict {
            Ok(said) => {
                let _ = writeln!(out, "{}  {}: {said}", paint.green("yes"), step.what);
            }
            Err((code, why)) => {
                let _ = writeln!(out, "{}   {}: {why} ({code})", paint.red("no"), step.what);
            }
        }
    }
    let permitted = steps.iter().all(|step| step.verdict.is_ok());
    if permitted {
        let _ = write!(
            out,
            "{}, unless the organisation's policy forbids it at that moment",
            paint.green("would be permitted")
        );
    } else {
        let _ = write!(out, "{}", paint.red("would be denied"));
        if let Some(restricts) = restricts {
            let _ = write!(out, "\nwhat restricts it: {restricts}");
        }
        if let Some(mend) = mend {
            let _ = write!(out, "\nwhat would permit it: {mend}");
        }
    }
    out
}
