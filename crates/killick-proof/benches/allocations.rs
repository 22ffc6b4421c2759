//! How much each subject of the bench `verify` allocates. Linking the counter makes every allocation slower, hence a
//! program of its own. Prints one line of JSON; `cargo xtask bench proof` shows it beside the times.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    dead_code,
    reason = "a bench that cannot set up its stage must stop; times are measured elsewhere"
)]

#[path = "verify/goals.rs"]
mod goals;
#[path = "verify/stage.rs"]
mod stage;

use serde_json::{Value, json};

fn main() {
    let stage = stage::Stage::new();
    let counted = goals::subjects(&stage).into_iter().map(|subject| {
        let input = subject.input.clone();
        let counted = allocation_counter::measure(|| (subject.run)(input));
        json!({ "name": subject.name, "allocations": counted.count_total, "bytes": counted.bytes_total })
    });
    println!("{}", Value::Array(counted.collect()));
}
