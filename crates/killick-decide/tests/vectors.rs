//! The golden vectors of `vectors/decision/`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod world;

use std::path::{Path, PathBuf};

use killick_decide::{Decision, authorise};
use killick_proof::bundle::PolicyText;
use killick_proof::token::CatalogueRef;
use serde::Deserialize;
use serde_json::Value;
use world::{Call, World, id, now};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    agent: String,
    #[serde(default)]
    grant: String,
    tools: Option<Value>,
    sub: Option<Sub>,
    token_catalogue: Option<CatalogueRef>,
    moved: Option<Value>,
    policies: Option<Vec<PolicyText>>,
    directory_deny: Option<Vec<String>>,
    observe_for_secs: Option<u64>,
    peer: Option<String>,
    call: Request,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sub {
    name: Option<String>,
    agent: Option<String>,
    grant: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    target: String,
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    verdict: String,
    code: Option<String>,
    action: Option<String>,
    missing: Option<String>,
    grantor: Option<String>,
    policies: Option<Vec<String>>,
    path_len: Option<usize>,
    upstream: Option<String>,
    path: Option<String>,
    query: Option<String>,
    body: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/decision")
}

#[expect(clippy::disallowed_methods, reason = "the vectors are files")]
fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn run(case: &Case, catalogue: &Value) -> Result<(), String> {
    let mut world = World::new(catalogue);
    let record =
        world.document.agents.iter_mut().find(|record| record.id == id(&format!("agent/{}", case.agent)));
    let record = record.ok_or("no such agent")?;
    if let Some(deny) = &case.directory_deny {
        record.deny.clone_from(deny);
    }
    if let Some(secs) = case.observe_for_secs {
        record.observe_until = Some(now().plus_secs(secs));
    }
    if let Some(policies) = &case.policies {
        world.document.policies.clone_from(policies);
    }
    if let Some(reference) = &case.token_catalogue {
        world.token_catalogue = reference.clone();
    }
    if let Some(moved) = &case.moved {
        let catalogue = world.document.catalogue.as_object_mut().ok_or("the catalogue is no object")?;
        catalogue.insert("moved".to_owned(), moved.clone());
    }
    let bundle = world.compile(None)?;
    let sub = case.sub.as_ref().map(|sub| {
        let holder = match (&sub.name, &sub.agent) {
            (Some(name), None) => format!("agent/{}/{name}", case.agent),
            (None, Some(agent)) => format!("agent/{agent}"),
            _ => panic!("{}: `sub` has a name or an agent", case.name),
        };
        (id(&holder), sub.grant.as_str())
    });
    let grant = match &case.tools {
        Some(tools) => world::Grants::Tools(tools),
        None => world::Grants::Text(&case.grant),
    };
    let (chain, key) = world.chain(&bundle, &case.agent, grant, sub);
    let mut call = Call::new(&case.call.method, &case.call.target, case.call.body.as_deref());
    if let Some(peer) = &case.peer {
        call.peer.clone_from(peer);
    }
    let decision = authorise(world.authenticate(&bundle, &chain, &key, &call), &bundle, now());
    compare(&decision, &case.expect)
}

fn compare(decision: &Decision, expect: &Expect) -> Result<(), String> {
    let (verdict, denial, forwarded) = match decision {
        Decision::Permit(call) => match call.observed() {
            Some(denial) => ("observe", Some(denial), Some(call)),
            None => ("permit", None, Some(call)),
        },
        Decision::Deny(denial) => ("deny", Some(denial), None),
    };
    let facts = decision.facts();
    let body = forwarded.map(|call| String::from_utf8(call.body().to_vec()).unwrap());
    let pairs: [(&str, Option<&str>, Option<&str>); 8] = [
        ("code", expect.code.as_deref(), denial.map(|denial| denial.code().as_str())),
        ("action", expect.action.as_deref(), facts.action.as_deref()),
        ("missing", expect.missing.as_deref(), denial.and_then(|denial| denial.missing())),
        ("grantor", expect.grantor.as_deref(), denial.and_then(|denial| denial.grantor())),
        ("upstream", expect.upstream.as_deref(), forwarded.map(|call| call.upstream_url())),
        ("path", expect.path.as_deref(), forwarded.map(|call| call.path())),
        ("query", expect.query.as_deref(), forwarded.map(|call| call.query())),
        ("body", expect.body.as_deref(), body.as_deref()),
    ];
    if verdict != expect.verdict {
        let why = denial.map(|denial| format!("{}: {}", denial.code(), denial.detail())).unwrap_or_default();
        return Err(format!("{verdict} instead of {} ({why})", expect.verdict));
    }
    for (what, expected, actual) in pairs {
        if expected.is_some() && expected != actual {
            return Err(format!("{what} {actual:?} instead of {expected:?}"));
        }
    }
    if expect.policies.as_ref().is_some_and(|policies| *policies != facts.policies) {
        return Err(format!("policies {:?}", facts.policies));
    }
    if expect.path_len.is_some_and(|length| length != facts.path.len()) {
        return Err(format!("a path of {}", facts.path.len()));
    }
    // Whatever the verdict, the entry says who asked, for whom and with what.
    let complete =
        [&facts.model, &facts.owner, &facts.chain_hash, &facts.keyid, &facts.bundle, &facts.catalogue];
    if complete.iter().any(|text| text.is_empty()) || facts.task.is_none() || facts.intent.is_none() {
        return Err(format!("facts are missing: {facts:?}"));
    }
    Ok(())
}

#[test]
fn every_vector_is_decided_as_it_says() {
    let catalogue = read(&folder().join("catalogue.json"));
    let mut count = 0;
    let mut failures = Vec::new();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "json")) {
        if file.ends_with("catalogue.json") {
            continue;
        }
        for case in serde_json::from_value::<Vec<Case>>(read(file)).unwrap() {
            count += 1;
            if let Err(why) = run(&case, &catalogue) {
                failures.push(format!("{}: {}: {why}", file.file_name().unwrap().display(), case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
    assert!(count >= 80, "only {count} vectors");
}
