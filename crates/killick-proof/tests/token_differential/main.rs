//! Thousands of chains of anybody's tokens, valid and faulty in every way we can think of, judged by two verifiers that share
//! nothing: this library, and `tests/oracle/aat_verify.py`, which was written from the draft's text alone. Half of them are
//! made here; the rest by `tests/oracle/aat_make.py`, which was written from the draft's text alone as well.
//!
//! The verdicts must be the same, and the reasons too: every code of ours stands for certain steps of the draft's section 7.
//! Where this library refuses more than the draft asks, the fault says so, and it may only refuse more, never permit more.
//!
//! `KILLICK_SEED` and `KILLICK_CASES` choose other chains and more of them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops where something is not as it must be, and says what it did"
)]

mod constraint;
mod draw;
mod faults;
mod maker;
mod steps;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use killick_proof::chain::Anchors;
use killick_proof::json::Json;
use killick_proof::keys::PublicKey;
use killick_proof::pop::verify_pop;
use killick_proof::verified::verify_chain;
use killick_proof::{Code, Refusal, UnixTime};
use serde_json::{Value, json};

use crate::draw::Rng;
use crate::faults::FAULTS;
use crate::maker::{Case, Keys};

const SEED: u64 = 20_260_921;
/// Made here.
const OURS: usize = 16_000;
/// Made by the other implementation.
const THEIRS: usize = 6_000;
/// The steps of the draft at which chains must have been refused: all but those that earlier ones leave nothing to (3g, 4f,
/// 4l, 5).
const STEPS_MET: [&str; 48] = [
    "1", "2a", "2b", "2c", "3a", "3b", "3c", "3d", "3e", "3f", "3h", "3i", "3j", "3k", "3l", "3m", "3n",
    "4a", "4b", "4b1", "4b2", "4b3", "4b4", "4b5", "4c", "4d", "4e", "4g", "4h", "4i", "4j", "4k", "4m",
    "4n", "4o", "4p1", "4p2", "4p4", "4q", "6a", "6b", "7a", "7b", "7c", "7d", "7e", "7f", "7g",
];

#[test]
fn two_verifiers_agree_on_every_chain() {
    let Some(python) = python() else { return };
    let seed = number("KILLICK_SEED").unwrap_or(SEED);
    let ours_count = number("KILLICK_CASES").map_or(OURS, |count| count as usize);
    println!("seed {seed}: KILLICK_SEED={seed} draws the same chains");

    // The other side makes its chains while we make ours.
    let maker = start(&python, "aat_make.py", &[seed.to_string(), THEIRS.to_string()]);
    let mut cases = made_here(seed, ours_count);
    let made_there = maker.wait_with_output().unwrap();
    assert!(made_there.status.success());
    for line in String::from_utf8(made_there.stdout).unwrap().lines() {
        cases.push(serde_json::from_str(line).unwrap());
    }
    assert!(cases.len() >= ours_count + THEIRS);

    let answers = ask(&python, &cases);
    let mut tally = Tally::default();
    for (case, theirs) in cases.iter().zip(&answers) {
        tally.add(case, &judge(case), theirs);
    }
    tally.print();
    assert!(tally.wrong.is_empty(), "{} of {}:\n{}", tally.wrong.len(), cases.len(), tally.shown());
    assert!(tally.permitted * 100 >= cases.len() * 30, "{} of {} permitted", tally.permitted, cases.len());
    let unmet: Vec<&str> = STEPS_MET.into_iter().filter(|step| !tally.steps.contains_key(*step)).collect();
    assert!(unmet.is_empty() || cases.len() < OURS, "no chain was refused at {unmet:?}");
    assert!(tally.beyond * 20 < cases.len(), "{} of {} beyond the draft", tally.beyond, cases.len());
}

fn made_here(seed: u64, count: usize) -> Vec<Value> {
    let (mut rng, keys) = (Rng(seed), Keys::new());
    let make = |number: usize| {
        let mut case = Case::draw(&mut rng, &keys);
        let (mut mutation, mut beyond) = ("none", false);
        if rng.percent(55) {
            // Every fault in turn: none is left out by chance.
            let (name, is_beyond, change) = FAULTS[number % FAULTS.len()];
            (mutation, beyond) = (name, is_beyond);
            let at = rng.below(case.links.len());
            change(&mut case, at, &mut rng, &keys);
        }
        let written = case.write(&mut rng, &keys);
        let anchors: Vec<Value> = case.anchors.iter().map(|key| keys.get(*key).public().to_jwk()).collect();
        json!({
            "id": format!("rust-{number}"), "mutation": mutation, "beyond": beyond, "chain": written.chain,
            "anchors": anchors, "now": case.now, "lifetime_max": case.lifetime_max, "tool": case.tool,
            "args": written.args, "pop": written.pop, "audience": case.audience,
        })
    };
    (0..count).map(make).collect()
}

/// This library's verdict: the draft's algorithm, nothing else.
fn judge(case: &Value) -> Result<(), Refusal> {
    let text = |name: &str| case[name].as_str();
    let chain: Vec<&str> =
        case["chain"].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
    let keys: Vec<PublicKey> =
        case["anchors"].as_array().unwrap().iter().map(|jwk| PublicKey::from_jwk(jwk).unwrap()).collect();
    let anchors = Anchors { keys: &keys, lifetime_secs_max: case["lifetime_max"].as_u64().unwrap() };
    let now = UnixTime::from_secs(case["now"].as_u64().unwrap());
    let tool = text("tool").unwrap();
    let chain = verify_chain(&chain.join("~"), &anchors, now)?;
    let args = Json::parse(text("args").unwrap().as_bytes())?;
    let Some(args) = args.as_object() else {
        return Err(Refusal::new(Code::JsonInvalid, "the arguments are no object"));
    };
    chain.check(tool, args)?;
    if let Some(pop) = text("pop") {
        verify_pop(pop, &chain, tool, args, text("audience"), now)?;
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    permitted: usize,
    beyond: usize,
    wrong: Vec<String>,
    codes: BTreeMap<String, usize>,
    steps: BTreeMap<String, usize>,
    mutations: BTreeMap<String, [usize; 2]>,
}

impl Tally {
    fn add(&mut self, case: &Value, ours: &Result<(), Refusal>, theirs: &Value) {
        assert_eq!(case["id"], theirs["id"]);
        let step = theirs["step"].as_str();
        let code = ours.as_ref().err().map(Refusal::code);
        *self.codes.entry(code.map_or("permit", Code::as_str).to_owned()).or_default() += 1;
        *self.steps.entry(step.unwrap_or("permit").to_owned()).or_default() += 1;
        let (id, mutation) = (case["id"].as_str().unwrap(), case["mutation"].as_str().unwrap());
        let source = if id.starts_with("rust") { "" } else { "python: " };
        let count = self.mutations.entry(format!("{source}{mutation}")).or_default();
        count[usize::from(code.is_some())] += 1;
        let is_right = match (code, step) {
            (None, None) => {
                self.permitted += 1;
                true
            }
            // A chain longer than any may be is refused before its tokens are read.
            (Some(Code::ChainDepth), Some(_)) if case["chain"].as_array().unwrap().len() > 33 => true,
            (Some(code), Some(_)) if case["beyond"] == true && steps::is_beyond_the_draft(code) => true,
            (Some(code), Some(step)) => steps::belong_together(code, step),
            (Some(code), None) => {
                self.beyond += 1;
                steps::is_beyond_the_draft(code) && case["beyond"] == true
            }
            (None, Some(_)) => false,
        };
        if !is_right {
            self.wrong.push(format!("{id} ({mutation}): we say {ours:?}, the draft says {step:?}\n  {case}"));
        }
    }

    fn shown(&self) -> String {
        self.wrong
            .iter()
            .take(5)
            .map(|line| format!("{}\n", line.chars().take(6_000).collect::<String>()))
            .collect()
    }

    fn print(&self) {
        let total: usize = self.codes.values().sum();
        println!(
            "{total} chains, {} permitted by both, {} refused beyond the draft",
            self.permitted, self.beyond
        );
        for (title, histogram) in [("this library's code", &self.codes), ("step of the draft", &self.steps)] {
            println!("\n{title:<24}{:>8}", "chains");
            histogram.iter().for_each(|(reason, count)| println!("{reason:<24}{count:>8}"));
        }
        println!("\n{:<40}{:>9}{:>8}", "what was done", "permitted", "denied");
        for (mutation, [permitted, denied]) in &self.mutations {
            println!("{mutation:<40}{permitted:>9}{denied:>8}");
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// The Python that has the oracles' packages; `None`, said so, where there is none and that is permitted.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("KILLICK_ORACLE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let has = Command::new(&python)
        .args(["-c", "import cryptography"])
        .output()
        .is_ok_and(|out| out.status.success());
    let may_skip = std::env::var_os("KILLICK_NO_SKIP").is_none();
    assert!(has || may_skip, "python3 has no `cryptography`: cargo xtask setup");
    if !has {
        println!("skipped: python3 with the package `cryptography` is not there");
    }
    has.then_some(python)
}

fn start(python: &Path, script: &str, args: &[String]) -> std::process::Child {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracle").join(script);
    Command::new(python).arg(path).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// The oracle's answers, in order; two processes share the work.
fn ask(python: &Path, cases: &[Value]) -> Vec<Value> {
    let (first, second) = cases.split_at(cases.len() / 2);
    std::thread::scope(|scope| {
        let halves = [first, second].map(|half| {
            scope.spawn(move || {
                let mut oracle = start(python, "aat_verify.py", &[]);
                let mut stdin = oracle.stdin.take().unwrap();
                let writer = std::thread::spawn({
                    let lines: String = half.iter().map(|case| format!("{case}\n")).collect();
                    move || stdin.write_all(lines.as_bytes())
                });
                let output = oracle.wait_with_output().unwrap();
                writer.join().unwrap().unwrap();
                assert!(output.status.success());
                let answers: Vec<Value> = String::from_utf8(output.stdout)
                    .unwrap()
                    .lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect();
                assert_eq!(answers.len(), half.len());
                answers
            })
        });
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    })
}
