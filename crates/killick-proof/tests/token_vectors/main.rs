//! The golden vectors of `vectors/token/`: chains of anybody's tokens, and what the draft says of them.
//!
//! The files are what counts; other implementations run them too. They were written by the ignored test at the end,
//! from keys that follow from numbers, so that writing them again changes nothing:
//! `cargo test -p killick-proof --test token_vectors -- --ignored`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it must be"
)]
mod bounds;
mod cases;
mod constraints;

use std::path::{Path, PathBuf};

use killick_proof::chain::Anchors;
use killick_proof::json::Json;
use killick_proof::keys::PublicKey;
use killick_proof::pop::verify_pop;
use killick_proof::verified::verify_chain;
use killick_proof::{Refusal, UnixTime};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/token")
}

#[test]
fn every_vector_gets_its_verdict_and_code() {
    let (mut count, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let file = Json::parse_file(&path);
        for case in file.get("cases").unwrap().as_array().unwrap() {
            let id = text(case, "id").unwrap();
            let expected = text(case.get("expected").unwrap(), "code");
            let got = run(case).err();
            let code = got.as_ref().map(|refusal| refusal.code().as_str());
            let verdict = if code.is_none() { "permit" } else { "deny" };
            let same = code == expected && text(case.get("expected").unwrap(), "verdict") == Some(verdict);
            if !same {
                wrong.push(format!("{}: {id}: {expected:?} expected, got {got:?}", path.display()));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 270, "{count} vectors");
}

fn run(case: &Json) -> Result<(), Refusal> {
    let list = |name: &str| case.get(name).unwrap().as_array().unwrap();
    let number = |name: &str| case.get(name).unwrap().as_number().unwrap().as_u64().unwrap();
    let chain: Vec<&str> = list("chain").iter().map(|token| token.as_str().unwrap()).collect();
    let keys: Vec<PublicKey> = list("anchors")
        .iter()
        .map(|jwk| PublicKey::from_jwk(&serde_json::from_slice(&jwk.to_bytes()).unwrap()).unwrap())
        .collect();
    let anchors = Anchors { keys: &keys, lifetime_secs_max: number("lifetime_max") };
    let now = UnixTime::from_secs(number("now"));
    let tool = text(case, "tool").unwrap();
    let chain = verify_chain(&chain.join("~"), &anchors, now)?;
    let args = Json::parse(text(case, "args").unwrap().as_bytes())?;
    let args = args.as_object().unwrap();
    chain.check(tool, args)?;
    if let Some(pop) = text(case, "pop") {
        verify_pop(pop, &chain, tool, args, text(case, "audience"), now)?;
    }
    Ok(())
}

fn text<'a>(json: &'a Json, name: &str) -> Option<&'a str> {
    json.get(name).and_then(Json::as_str)
}

trait ParseFile {
    fn parse_file(path: &Path) -> Json;
}

impl ParseFile for Json {
    fn parse_file(path: &Path) -> Json {
        Json::parse(&std::fs::read(path).unwrap()).unwrap()
    }
}

use bounds::{bounds, numbers, spellings};
use cases::{encodings, invariants};
use constraints::{arguments, proofs, subsumption};

#[test]
#[ignore = "writes the vectors"]
fn write_the_vectors() {
    for (name, cases) in [
        ("invariants", invariants()),
        ("encodings", encodings()),
        ("subsumption", subsumption()),
        ("arguments", arguments()),
        ("proofs", proofs()),
        ("bounds", bounds()),
        ("numbers", numbers()),
        ("spellings", spellings()),
    ] {
        let cases: Vec<String> =
            cases.iter().map(|case| format!("    {}", case.to_json().to_text())).collect();
        let text = format!("{{\n  \"cases\": [\n{}\n  ]\n}}\n", cases.join(",\n"));
        std::fs::write(folder().join(format!("{name}.json")), text).unwrap();
    }
}
