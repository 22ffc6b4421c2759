//! `killick trace`: what came of one decision, by whom, with what right, from which model; from the files alone, and each fact
//! with what it rests on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use killick_console::drawing::{Node, svg};
use killick_ledger::LogFolder;
use killick_proof::UnixTime;
use killick_proof::keys::base64url;
use killick_tlog::LogError;
use killick_tlog::prove::{Wanted, prove};
use killick_tlog::receipt::Receipt;
use killick_tlog::verify::{Trust, VerifiedLog, verify_log};
use serde_json::{Value, json};

use crate::chain_file;
use crate::commands::agent::time_text;
use crate::commands::token::grant_of;
use crate::folder::{Folder, read_text, write_whole};
use crate::output::{Exit, Failure, Outcome, Paint, Ui, visible};

/// An entry of a log that verified.
struct Found {
    index: u64,
    entry: Value,
}

impl Found {
    fn text(&self, name: &str) -> Option<&str> {
        self.entry.get(name).and_then(Value::as_str)
    }

    fn act(&self, name: &str) -> Option<&str> {
        self.entry.get("act")?.get(name)?.as_str()
    }
}

/// What is looked for.
enum Target {
    Index(u64),
    Request(String),
}

/// The gateway's log, verified, with the decision and what came of it.
struct Decided {
    log: VerifiedLog,
    decision: Found,
    outcome: Option<Found>,
}

/// The directory log, verified.
struct Directory {
    log: VerifiedLog,
    onboarded: Option<Found>,
    issued: Option<Found>,
    /// Pseudonyms of whom was erased.
    erased: BTreeSet<String>,
}

/// Runs `killick trace`.
pub fn run(folder: &Folder, ui: Ui, what: &str, picture: Option<&Path>) -> Outcome {
    let document = folder.read_trust(None)?;
    let trust = Trust::parse(&document.to_string()).map_err(|error| unverified("trust.json", &error))?;
    let decided = find(folder, &trust, &target(folder, &trust, what)?, what)?;
    let keys = chain_file::token_keys(&document)?;
    let chain = Chain::read(folder, &decided.decision, &keys)?;
    let directory = Directory::read(folder, &trust, &decided.decision, chain.root_jti())?;
    let erased = |name: &str| {
        decided.decision.text(name).is_some_and(|pseudonym| directory.erased.contains(pseudonym))
    };
    let erased: Vec<&str> = ["owner", "principal"].into_iter().filter(|name| erased(name)).collect();
    let proof = |log: &LogFolder, found: &Found| prove(log, Some(&trust), Wanted::Index(found.index));
    let gateway = LogFolder::new(folder.log());
    let directory_log = LogFolder::new(folder.directory_log());
    let mut proofs = BTreeMap::new();
    for (name, log, found) in [
        ("decision", &gateway, Some(&decided.decision)),
        ("outcome", &gateway, decided.outcome.as_ref()),
        ("issued", &directory_log, directory.issued.as_ref()),
        ("onboarded", &directory_log, directory.onboarded.as_ref()),
    ] {
        let Some(found) = found else { continue };
        let proved = proof(log, found).map_err(|error| unverified(name, &error))?;
        proofs.insert(name, json!({ "index": found.index, "entry": found.entry, "proof": proved.text }));
    }
    if let Some(path) = picture {
        write_whole(path, svg(&nodes(&decided, &chain, &erased)).as_bytes(), 0o644)?;
    }
    let shown = json!({
        "log": head(&decided.log), "directory_log": head(&directory.log), "chain": chain.shown(),
        "decision": proofs.get("decision"), "outcome": proofs.get("outcome"), "issued": proofs.get("issued"),
        "onboarded": proofs.get("onboarded"), "erased": erased,
    });
    ui.result(&shown, |paint| told(&decided, &directory, &chain, &erased, picture, paint));
    match &chain.state {
        // Told above; a chain that does not verify is no proof of anything.
        State::Wrong { .. } => Ok(Exit::NotVerified.into()),
        State::Verified | State::Absent => Ok(Exit::Fine.into()),
    }
}

/// An index, a receipt's file, or a request's id.
fn target(folder: &Folder, trust: &Trust, what: &str) -> Result<Target, Failure> {
    if let Ok(index) = what.parse() {
        return Ok(Target::Index(index));
    }
    if Path::new(what).is_file() {
        let receipt =
            Receipt::parse(&read_text(Path::new(what))?).map_err(|error| unverified(what, &error))?;
        let log = LogFolder::new(folder.log());
        let proved = prove(&log, Some(trust), Wanted::Receipt(&receipt));
        return Ok(Target::Index(proved.map_err(|error| unverified(what, &error))?.index));
    }
    match uuid::Uuid::try_parse(what) {
        Ok(id) => Ok(Target::Request(id.hyphenated().to_string())),
        Err(_) => Err(Failure::usage(
            "trace.unknown",
            format!("`{what}` is no index, no receipt and no request's id"),
        )
        .mend("give an entry's index, a *.tlog-proof file, or the Killick-Request-Id of the reply")),
    }
}

/// Verifies the gateway's log and picks the decision out, with what came of it.
fn find(folder: &Folder, trust: &Trust, target: &Target, what: &str) -> Result<Decided, Failure> {
    let path = folder.log();
    let (mut decision, mut outcome, mut other): (Option<Found>, Option<Found>, _) = (None, None, None);
    let mut visit = |index: u64, bytes: &[u8]| {
        let is_wanted = matches!(target, Target::Index(wanted) if *wanted == index);
        let may_be = matches!(target, Target::Request(_));
        if !is_wanted && !may_be && decision.is_none() {
            return;
        }
        let Ok(entry) = serde_json::from_slice::<Value>(bytes) else { return };
        let found = Found { index, entry };
        let is_named = matches!(target, Target::Request(id) if found.text("id") == Some(id));
        match found.text("kind") {
            Some("decision") if (is_wanted || is_named) && decision.is_none() => decision = Some(found),
            Some("outcome")
                if outcome.is_none() && of(&found).is_some_and(|index| is_of(&decision, index)) =>
            {
                outcome = Some(found)
            }
            _ if is_wanted => other = Some(found),
            _ => {}
        }
    };
    let log = verify_log(&LogFolder::new(&path), Some(trust), &mut visit);
    let log = log.map_err(|error| unverified(&path.display().to_string(), &error))?;
    match (decision, other) {
        (Some(decision), _) => Ok(Decided { log, decision, outcome }),
        // The entry of an outcome stands for its decision.
        (None, Some(other)) if other.text("kind") == Some("outcome") => match of(&other) {
            Some(index) if index < other.index => find(folder, trust, &Target::Index(index), what),
            _ => Err(Failure::check("trace.unknown", format!("entry {} names no decision", other.index))),
        },
        (None, Some(other)) => {
            let kind = other.text("kind").unwrap_or("entry").to_owned();
            Err(Failure::usage(
                "trace.unknown",
                format!("entry {} is a `{kind}`, not a decision", other.index),
            )
            .mend(format!("see it: killick log show --index {}", other.index)))
        }
        (None, None) => Err(Failure::usage(
            "trace.unknown",
            format!("the log has no decision `{what}` among {} entries", log.size),
        )
        .mend("what was decided a moment ago is in the folder within 200 ms")),
    }
}

fn is_of(decision: &Option<Found>, index: u64) -> bool {
    decision.as_ref().is_some_and(|decision| decision.index == index)
}

fn of(outcome: &Found) -> Option<u64> {
    outcome.entry.get("decision").and_then(Value::as_u64)
}

/// The chain behind a decision, and whether it verifies.
struct Chain {
    hash: String,
    read: Option<chain_file::Read>,
    state: State,
}

enum State {
    Verified,
    /// It is not kept here: forgotten with somebody who was erased, or the folder is a copy of the log alone.
    Absent,
    Wrong {
        code: String,
        why: String,
    },
}

impl Chain {
    fn read(
        folder: &Folder,
        decision: &Found,
        keys: &[killick_proof::keys::PublicKey],
    ) -> Result<Self, Failure> {
        let hash = decision.text("chain").unwrap_or_default().to_owned();
        let kept = killick_gateway::evidence::read(&folder.gateway_state())
            .map_err(|error| Failure::io("read", &folder.gateway_state(), &error))?;
        let Some(compact) = kept.get(&hash).cloned() else {
            return Ok(Self { hash, read: None, state: State::Absent });
        };
        if base64url(&killick_proof::keys::sha256(compact.as_bytes())) != hash {
            let why = "it is another chain than the entry names".to_owned();
            return Ok(Self {
                hash,
                read: None,
                state: State::Wrong { code: "trace.chain".to_owned(), why },
            });
        }
        // As of the decision: since then it may have expired.
        let at = decision.entry.get("at").and_then(Value::as_u64).unwrap_or_default();
        let read = chain_file::read(compact, keys, UnixTime::from_micros(at))?;
        let state = match &read.verdict {
            Ok(_) => State::Verified,
            Err(refusal) => {
                State::Wrong { code: refusal.code().as_str().to_owned(), why: refusal.detail().to_owned() }
            }
        };
        Ok(Self { hash, read: Some(read), state })
    }

    fn links(&self) -> impl Iterator<Item = &killick_proof::token::Claims> {
        self.read.iter().flat_map(|read| read.claims.iter().flatten())
    }

    /// Of a chain that verified: no other says which token it was.
    fn root_jti(&self) -> Option<&str> {
        if !matches!(self.state, State::Verified) {
            return None;
        }
        self.links().next().map(|claims| claims.jti.as_str())
    }

    fn word(&self) -> String {
        match &self.state {
            State::Verified => "verified".to_owned(),
            State::Absent => "not kept here".to_owned(),
            State::Wrong { why, .. } => format!("NOT VERIFIED: {why}"),
        }
    }

    fn shown(&self) -> Value {
        let link = |claims: &killick_proof::token::Claims| {
            let ours = claims.killick.as_ref();
            json!({
                "issuer": ours.map(|ours| ours.issuer.as_str()), "holder": ours.map(|ours| ours.holder.as_str()),
                "key": claims.holder_key.id().as_str(), "jti": claims.jti, "grant": grant_of(claims),
                "iat": claims.iat, "exp": claims.exp,
            })
        };
        let code = match &self.state {
            State::Wrong { code, .. } => Some(code),
            State::Verified | State::Absent => None,
        };
        json!({ "hash": self.hash, "state": self.word(), "code": code, "links": self.links().map(link).collect::<Vec<_>>() })
    }
}

impl Directory {
    /// Verifies the directory log and picks out who let the root's agent in, who granted the token, and who was erased.
    fn read(folder: &Folder, trust: &Trust, decision: &Found, root: Option<&str>) -> Result<Self, Failure> {
        let path = folder.directory_log();
        let agent = decision.entry.get("path").and_then(|path| path.get(0)).and_then(Value::as_str);
        let decided = decision.entry.get("at").and_then(Value::as_u64).unwrap_or_default();
        let (mut onboarded, mut issued, mut erased) = (None, None, BTreeSet::new());
        let mut visit = |index: u64, bytes: &[u8]| {
            let Ok(entry) = serde_json::from_slice::<Value>(bytes) else { return };
            let found = Found { index, entry };
            // What came after the decision is not where its right came from.
            let is_before = found.entry.get("at").and_then(Value::as_u64).is_some_and(|at| at <= decided);
            match (found.text("kind"), found.act("change"), found.act("what")) {
                (Some("agent" | "issue"), ..) if !is_before => {}
                (Some("agent"), Some("onboarded"), _) if found.act("agent") == agent => {
                    onboarded = Some(found)
                }
                (Some("issue"), _, Some("token")) if root.is_some() && found.act("jti") == root => {
                    issued = Some(found)
                }
                (Some("erase"), ..) => {
                    let names = found.entry.pointer("/act/pseudonyms").and_then(Value::as_object);
                    let names = names.into_iter().flat_map(serde_json::Map::values).filter_map(Value::as_str);
                    erased.extend(names.map(str::to_owned));
                }
                _ => {}
            }
        };
        let log = verify_log(&LogFolder::new(&path), Some(trust), &mut visit);
        let log = log.map_err(|error| unverified(&path.display().to_string(), &error))?;
        Ok(Self { log, onboarded, issued, erased })
    }
}

fn head(log: &VerifiedLog) -> Value {
    json!({ "origin": log.origin, "size": log.size, "root": log.root.to_base64(), "operators": log.operators, "witnessed_size": log.witnessed_size })
}

fn unverified(what: &str, error: &LogError) -> Failure {
    Failure::new(Exit::NotVerified, error.code(), format!("{what}: {error}"))
        .mend("nothing is traced through a log that does not verify; see killick log verify")
}

/// What is drawn: for whom, from which model, through whom, what, and what came of it.
fn nodes(decided: &Decided, chain: &Chain, erased: &[&str]) -> Vec<Node> {
    let decision = &decided.decision;
    let mut nodes = Vec::new();
    for (role, name, note) in
        [("for", "principal", "principal (pseudonym)"), ("answerable", "owner", "owner (pseudonym)")]
    {
        if let Some(who) = decision.text(name) {
            nodes.push(Node::new(role, if erased.contains(&name) { "erased" } else { who }, note, ""));
        }
    }
    nodes.extend(decision.text("model").map(|model| Node::new("originating model", model, "", "")));
    let path = decision.entry.get("path").and_then(Value::as_array).into_iter().flatten();
    for (place, id) in path.filter_map(Value::as_str).enumerate() {
        let role = if place == 0 { "agent" } else { "sub-agent" };
        nodes.push(Node::new(role, id.rsplit('/').next().unwrap_or(id), id, ""));
    }
    if let State::Wrong { why, .. } = &chain.state {
        nodes.push(Node::new("its right", "NOT VERIFIED", why, "node-deny"));
    }
    let action = decision.text("action").unwrap_or("an unknown operation");
    nodes.push(Node::new("asked for", action, decision.text("risk").unwrap_or(""), ""));
    let (label, class, stops) = match decision.text("verdict") {
        Some("permit") => ("permitted", "node-permit", false),
        Some("observe") => ("permitted (observed)", "node-observe", false),
        _ => ("denied", "node-deny", true),
    };
    let code = decision.text("code").unwrap_or("");
    nodes.push(Node { cut: stops, ..Node::new("decision", label, code, class) });
    nodes.push(match &decided.outcome {
        Some(outcome) => Node::new("outcome", &effect(outcome), &format!("entry {}", outcome.index), ""),
        None if stops => Node::new("outcome", "no effect", "nothing was forwarded", "node-quiet"),
        None => Node::new("outcome", "not recorded", "", "node-quiet"),
    });
    nodes
}

fn effect(outcome: &Found) -> String {
    match outcome.entry.get("status").and_then(Value::as_u64) {
        Some(status) => format!("status {status}"),
        None => "the service could not be reached".to_owned(),
    }
}

fn told(
    decided: &Decided,
    directory: &Directory,
    chain: &Chain,
    erased: &[&str],
    picture: Option<&Path>,
    paint: Paint,
) -> String {
    let decision = &decided.decision;
    let mut out = String::new();
    let mut line = |name: &str, value: &str, rests: &str| {
        let _ = writeln!(out, "{name:<10} {value}  {}", paint.dim(&visible(rests)));
    };
    let here = format!("entry {} of {}", decision.index, decided.log.origin);
    let at = |found: &Found| {
        time_text(found.entry.get("at").and_then(Value::as_u64).unwrap_or_default() / 1_000_000)
    };
    let verdict = match (decision.text("verdict"), decision.text("code")) {
        (Some("permit"), _) => paint.green("permitted"),
        (Some("observe"), code) => {
            paint.yellow(&format!("permitted in observe mode, would have been {}", code.unwrap_or("denied")))
        }
        (_, code) => paint.red(&format!("denied: {}", visible(code.unwrap_or("-")))),
    };
    line("decision", &verdict, &format!("{here}, {}", at(decision)));
    match &decided.outcome {
        Some(outcome) => {
            line("effect", &effect(outcome), &format!("entry {}, {}", outcome.index, at(outcome)))
        }
        None if decision.text("verdict") == Some("deny") => {
            line("effect", "none: nothing was forwarded", &here)
        }
        None => line("effect", "none is recorded", &here),
    }
    for (label, name) in [
        ("request", "id"),
        ("action", "action"),
        ("risk", "risk"),
        ("agent", "agent"),
        ("model", "model"),
        ("owner", "owner"),
        ("for", "principal"),
        ("intent", "intent"),
        ("task", "task"),
        ("catalogue", "catalogue"),
        ("bundle", "bundle"),
    ] {
        let Some(value) = decision.text(name) else { continue };
        let value = if erased.contains(&name) { "erased" } else { value };
        line(label, &visible(value), &here);
    }
    let policies = decision.entry.get("policies").and_then(Value::as_array).into_iter().flatten();
    let policies: Vec<&str> = policies.filter_map(Value::as_str).collect();
    line("policies", &visible(&policies.join(", ")), &here);
    let names_chain = format!("SHA-256 {} in {here}", chain.hash);
    line("chain", &visible(&chain.word()), &names_chain);
    let signed = if matches!(chain.state, State::Verified) { "signed" } else { "NOT VERIFIED" };
    for (place, claims) in chain.links().enumerate() {
        let ours = claims.killick.as_ref();
        let (issuer, holder) = (ours.map(|ours| ours.issuer.as_str()), ours.map(|ours| ours.holder.as_str()));
        let says = format!(
            "{} to {}: {}",
            issuer.unwrap_or("-"),
            holder.unwrap_or("-"),
            grant_of(claims).unwrap_or_default()
        );
        line(&format!("  link {place}"), &visible(&says), &format!("{signed}, jti {}", claims.jti));
    }
    let origin = &directory.log.origin;
    for (label, found) in [("granted", &directory.issued), ("onboarded", &directory.onboarded)] {
        match found {
            Some(found) => line(label, &at(found), &format!("entry {} of {origin}", found.index)),
            None => line(label, "not found", origin),
        }
    }
    for log in [&decided.log, &directory.log] {
        let head = match log.operators {
            0 => "signed by the log alone".to_owned(),
            operators => format!("witnessed by {operators} up to entry {}", log.witnessed_size),
        };
        line("proof", &head, &format!("{}, {} entries, verified whole", log.origin, log.size));
    }
    if let Some(path) = picture {
        let _ = writeln!(out, "drawn      {}", path.display());
    }
    out.trim_end().to_owned()
}
