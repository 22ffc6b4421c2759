//! How long proofs take, beside the one thing that cannot be had cheaper: a raw Ed25519 verification by the same
//! library. Without arguments Criterion measures; with `--goals` the goals are held against interleaved rounds, which a
//! busy machine slows alike, and the result is one line of JSON (`cargo xtask bench proof`).
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that cannot set up its stage must stop"
)]

mod goals;
mod stage;

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use killick_proof::attenuate::attenuate;
use killick_proof::call::parse_call;
use killick_proof::fixtures::NOW;
use killick_proof::verified::{verify_agent_chain, verify_call};

use crate::stage::{Stage, holder, twenty};

fn main() {
    if std::env::args().any(|argument| argument == "--goals") {
        goals::print();
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion);
    criterion.final_summary();
}

fn measure(criterion: &mut Criterion) {
    let stage = Stage::new();
    let chain = stage.chain(3);
    let request = stage.request(&chain, 3, true);
    let raw = stage.raw_of_request(&request, 3);
    criterion.bench_function("raw Ed25519 verification", |bencher| bencher.iter(|| raw.verify()));
    criterion.bench_function("parse a request", |bencher| {
        let parse = |request| parse_call(request, &stage.public).expect("well formed");
        bencher.iter_batched(|| request.clone(), |request| black_box(parse(request)), BatchSize::SmallInput);
    });
    criterion.bench_function("parse and verify a request, chain by hash, nothing kept", |bencher| {
        let verify = |request| {
            let call = parse_call(request, &stage.public).expect("well formed");
            verify_call(call, &stage.trust, &|_| Some(chain.clone()), NOW).expect("verifies")
        };
        bencher.iter_batched(|| request.clone(), |request| black_box(verify(request)), BatchSize::SmallInput);
    });
    for links in [1, 3, 8] {
        let chain = stage.chain(links);
        criterion.bench_function(&format!("verify a cold chain of {links}"), |bencher| {
            bencher.iter(|| black_box(verify_agent_chain(&chain, &stage.trust, NOW).expect("verifies")));
        });
    }
    let parent = verify_agent_chain(&chain, &stage.trust, NOW).expect("verifies");
    let (delegator, attenuation) = (holder(2), stage.attenuation(3));
    criterion.bench_function("attenuate", |bencher| {
        bencher.iter(|| black_box(attenuate(&parent, &delegator, &attenuation, NOW).expect("narrows")));
    });
    let (constraints, values) = twenty();
    criterion.bench_function("check 20 constraints", |bencher| {
        bencher.iter(|| {
            black_box(constraints.iter().zip(&values).all(|(one, value)| one.check(black_box(value))))
        });
    });
}
