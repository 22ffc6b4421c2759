//! Processor time and memory of this process, or of others by their numbers.

use std::fs::read_to_string;
use std::time::Duration;

/// Clock ticks a second in /proc (USER_HZ), the same on every Linux machine.
const TICKS: u64 = 100;
const PAGE_BYTES: u64 = 4_096;

/// Processor time so far, per process.
pub struct Usage(Vec<(String, Duration)>);

impl Usage {
    pub fn of(processes: &[u32]) -> Self {
        let mut names: Vec<String> = processes.iter().flat_map(|parent| family(*parent)).collect();
        if processes.is_empty() {
            names.push("self".to_owned());
        }
        Self(names.into_iter().map(|name| (name.clone(), ticks(&name))).collect())
    }

    pub fn since(&self, before: &Self) -> Duration {
        let started = |name: &str| {
            before.0.iter().find(|(other, _)| other == name).map_or(Duration::ZERO, |(_, time)| *time)
        };
        self.0.iter().map(|(name, time)| time.saturating_sub(started(name))).sum()
    }
}

/// A process and its children.
fn family(parent: u32) -> Vec<String> {
    let children = read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let mut all: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
    all.push(parent.to_string());
    all
}

fn ticks(name: &str) -> Duration {
    let stat = read_to_string(format!("/proc/{name}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // proc(5): utime and stime are the 14th and 15th field, the 12th and 13th after the name.
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS)
}

/// Resident bytes: of this process, or proportionally (shared pages counted once) of others and their children.
pub fn rss_bytes(processes: &[u32]) -> u64 {
    if processes.is_empty() {
        let statm = read_to_string("/proc/self/statm").unwrap_or_default();
        return statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0)
            * PAGE_BYTES;
    }
    let pss = |name: &String| {
        let rollup = read_to_string(format!("/proc/{name}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).map(str::to_owned);
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1_024
    };
    processes.iter().flat_map(|parent| family(*parent)).map(|name| pss(&name)).sum()
}
