//! The goals, held against medians of interleaved rounds: each round measures every subject and, beside it, the raw
//! verifications that it cannot do without, so that a machine with other things to do slows both alike.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use killick_proof::attenuate::attenuate;
use killick_proof::call::{RawRequest, parse_call};
use killick_proof::fixtures::NOW;
use killick_proof::replay::Nonces;
use killick_proof::time::UnixTime;
use killick_proof::verified::{verify_agent_chain, verify_call, verify_held_call};
use serde_json::{Value, json};

use crate::stage::{Stage, arguments, holder, twenty};

/// Short rounds and many: what else the machine does then falls into few of them.
const ROUNDS: usize = 3_000;
/// A request: everything from its bytes to a verified call, beside one raw verification of the same bytes.
const REQUEST_RATIO_MAX: f64 = 1.35;
/// A chain that was never seen, beside one raw verification a link.
const CHAIN_RATIO_MAX: f64 = 1.3;
const CHECKS_MICROS_MAX: f64 = 2.0;

/// Something that is measured.
pub struct Subject<'a> {
    pub name: String,
    /// Times that it is done in one round.
    times: u32,
    pub run: Box<dyn Fn(Option<RawRequest>) + 'a>,
    /// What it takes; copied for it outside the time that is measured.
    pub input: Option<RawRequest>,
    /// The raw verifications that it contains; nothing for what verifies nothing.
    floor: Option<Box<dyn Fn() + 'a>>,
    goal: Goal,
}

/// What a subject must reach.
#[derive(Clone, Copy)]
pub enum Goal {
    /// At most so many times the floor.
    Ratio(f64),
    /// At most so many microseconds.
    Micros(f64),
    /// Reported only.
    None,
}

/// Prints what was measured: a table, then one JSON line.
pub fn print() {
    let stage = Stage::new();
    let subjects = subjects(&stage);
    let (mut runs, mut goals) = (Vec::new(), Vec::new());
    println!("{:<48} {:>9} {:>9} {:>6}", "", "µs", "raw µs", "ratio");
    for (subject, (micros, floor)) in subjects.iter().zip(measure(&subjects)) {
        let ratio = floor.map(|floor| micros / floor);
        let shown = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
        println!("{:<48} {micros:>9.2} {:>9} {:>6}", subject.name, shown(floor), shown(ratio));
        runs.push(json!({ "name": subject.name, "micros": micros, "raw_micros": floor, "ratio": ratio }));
        goals.extend(judge(subject, micros, ratio));
    }
    println!("{}", json!({ "runs": runs, "goals": goals }));
}

fn judge(subject: &Subject<'_>, micros: f64, ratio: Option<f64>) -> Option<Value> {
    let (goal, reached) = match (subject.goal, ratio) {
        (Goal::Ratio(goal), Some(ratio)) => (goal, ratio),
        (Goal::Micros(goal), _) => (goal, micros),
        _ => return None,
    };
    Some(json!({ "name": subject.name, "goal": goal, "reached": reached, "met": reached <= goal }))
}

/// Medians, in microseconds, of each subject and its floor.
fn measure(subjects: &[Subject<'_>]) -> Vec<(f64, Option<f64>)> {
    let mut taken: Vec<(Vec<f64>, Vec<f64>)> = subjects.iter().map(|_| (Vec::new(), Vec::new())).collect();
    for _ in 0..ROUNDS {
        for (subject, (own, floors)) in subjects.iter().zip(&mut taken) {
            if let Some(floor) = &subject.floor {
                floors.push(micros(subject.times, None, &|_| floor()));
            }
            own.push(micros(subject.times, subject.input.as_ref(), &subject.run));
        }
    }
    taken
        .into_iter()
        .map(|(own, floors)| (median(own), (!floors.is_empty()).then(|| median(floors))))
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn micros(times: u32, input: Option<&RawRequest>, run: &dyn Fn(Option<RawRequest>)) -> f64 {
    let inputs: Vec<Option<RawRequest>> = (0..times).map(|_| input.cloned()).collect();
    let started = Instant::now();
    for input in inputs {
        run(input);
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Everything that is measured.
pub fn subjects(stage: &Stage) -> Vec<Subject<'_>> {
    let mut subjects = Vec::new();
    for (name, by_hash, links) in [
        ("one signed request, chain of 3 by hash, kept", true, 3),
        ("one signed request, chain of 1 inline, kept", false, 1),
    ] {
        let chain = stage.chain(links);
        let held = Arc::new(verify_agent_chain(&chain, &stage.trust, NOW).expect("verifies"));
        let request = stage.request(&chain, links, by_hash);
        let raw = stage.raw_of_request(&request, links);
        subjects.push(Subject {
            name: name.to_owned(),
            times: 2,
            input: Some(request),
            run: Box::new(move |request| {
                let call = parse_call(request.expect("a request"), &stage.public).expect("well formed");
                black_box(
                    verify_held_call(call, &stage.trust, &|_| Some(Arc::clone(&held)), &|_| None, NOW)
                        .expect("verifies"),
                );
            }),
            floor: Some(Box::new(move || raw.verify())),
            goal: Goal::Ratio(REQUEST_RATIO_MAX),
        });
    }
    let chain = stage.chain(1);
    let request = stage.request(&chain, 1, false);
    let raws =
        [stage.raw_of_request(&request, 1)].into_iter().chain(stage.raw_of_chain(&chain)).collect::<Vec<_>>();
    subjects.push(Subject {
        name: "one signed request, chain of 1 inline, cold".to_owned(),
        times: 2,
        input: Some(request),
        run: Box::new(move |request| {
            let call = parse_call(request.expect("a request"), &stage.public).expect("well formed");
            black_box(verify_call(call, &stage.trust, &|_| None, NOW).expect("verifies"));
        }),
        floor: Some(Box::new(move || raws.iter().for_each(|raw| raw.verify()))),
        goal: Goal::None,
    });
    for links in [1, 3, 8] {
        let chain = stage.chain(links);
        let raws = stage.raw_of_chain(&chain);
        subjects.push(Subject {
            name: format!("a cold chain of {links}"),
            times: 1,
            input: None,
            run: Box::new(move |_| {
                black_box(verify_agent_chain(&chain, &stage.trust, NOW).expect("verifies"));
            }),
            floor: Some(Box::new(move || raws.iter().for_each(|raw| raw.verify()))),
            goal: Goal::Ratio(CHAIN_RATIO_MAX),
        });
    }
    let parent = verify_agent_chain(&stage.chain(3), &stage.trust, NOW).expect("verifies");
    let (delegator, attenuation) = (holder(2), stage.attenuation(3));
    subjects.push(reported("attenuate a chain of 3", move || {
        black_box(attenuate(&parent, &delegator, &attenuation, NOW).expect("narrows"));
    }));
    let (constraints, values) = twenty();
    subjects.push(Subject {
        name: "check 20 constraints".to_owned(),
        times: 32,
        input: None,
        run: Box::new(move |_| {
            assert!(constraints.iter().zip(&values).all(|(one, value)| one.check(black_box(value))));
        }),
        floor: None,
        goal: Goal::Micros(CHECKS_MICROS_MAX),
    });
    let chain = verify_agent_chain(&stage.chain(3), &stage.trust, NOW).expect("verifies");
    let arguments = arguments();
    subjects.push(reported("check a call against a chain of 3", move || {
        let _ = black_box(chain.check("create:payment-draft", black_box(&arguments)));
    }));
    let request = stage.request(&stage.chain(3), 3, true);
    subjects.push(Subject {
        input: Some(request),
        run: Box::new(move |request| {
            black_box(parse_call(request.expect("a request"), &stage.public).expect("well formed"));
        }),
        ..reported("parse a request", || ())
    });
    let nonces = std::cell::RefCell::new((Nonces::new(1_000_000), 0_u64));
    let key = holder(0).id().clone();
    subjects.push(reported("use up a nonce", move || {
        let (nonces, count) = &mut *nonces.borrow_mut();
        *count += 1;
        let expires = UnixTime::from_secs(NOW.secs() + 30 + *count / 1_000);
        nonces.use_up(&key, &count.to_string(), expires, NOW).expect("fresh");
    }));
    subjects
}

fn reported<'a>(name: &str, run: impl Fn() + 'a) -> Subject<'a> {
    Subject {
        name: name.to_owned(),
        times: 2,
        input: None,
        run: Box::new(move |_| run()),
        floor: None,
        goal: Goal::None,
    }
}
