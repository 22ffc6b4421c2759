//! Loads: callers that each wait for their entry before they send the next, callers that send several at once, and
//! arrivals at a fixed rate whatever the peer does.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::runtime::Handle;

use crate::usage::{Usage, rss_bytes};

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 512;
/// Arrivals of one run with a fixed rate that may be under way at once: beyond it the peer does not keep up.
const OPEN_MAX: u64 = 100_000;

/// What entries are appended to.
pub trait Peer: Clone + Send + Sync + 'static {
    /// Returns when the entry is durable.
    fn append(&self, caller: usize, entry: Vec<u8>) -> impl Future<Output = ()> + Send;

    /// The processes that do the work, this one excepted.
    fn processes(&self) -> Vec<u32> {
        Vec::new()
    }
}

/// A load and its bounds.
#[derive(Clone, Copy)]
pub enum Load {
    /// So many callers, each with one entry under way.
    Callers(usize),
    /// So many callers, each with so many entries under way: sent at once, then waited for.
    Bulk(usize, usize),
    /// Arrivals a second. Latency counts from the intended time (no coordinated omission).
    Open(u64),
}

impl Load {
    pub fn name(self) -> String {
        match self {
            Self::Callers(callers) => format!("{callers} callers"),
            Self::Bulk(callers, each) => format!("{callers} callers with {each} entries under way each"),
            Self::Open(rate) => format!("{rate} arrivals/s"),
        }
    }
}

/// What a load measured.
pub struct Measured {
    pub entries: u64,
    pub secs: f64,
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub cpu_us_per_request: f64,
    /// Resident bytes of the peer's processes, or of this one, once a quarter: the highest of each.
    pub rss_bytes: [u64; 4],
    /// The peer fell so far behind that the load was broken off.
    pub gave_up: bool,
}

impl Measured {
    pub fn rps(&self) -> f64 {
        self.entries as f64 / self.secs
    }
}

/// An entry of [`ENTRY_BYTES`] bytes like a decision's, no two alike.
pub fn entry(number: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRY_BYTES);
    bytes.extend_from_slice(br#"{"action":"read:invoices","at":"#);
    bytes.extend_from_slice((1_790_000_000_000_000 + number).to_string().as_bytes());
    bytes.extend_from_slice(br#","code":""#);
    let tail = format!(r#"","kind":"decision","number":{number},"v":1}}"#);
    // Hexadecimal digits, as digests and ids are; made once, taken from another place for each entry.
    static DIGITS: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut state = 1_u64;
        let digit = || {
            state = state.wrapping_mul(0xd129_42ee_63ac_1b25).wrapping_add(1);
            b"0123456789abcdef"[(state >> 60) as usize]
        };
        std::iter::repeat_with(digit).take(64 * 1024).collect()
    });
    let start = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 49) as usize;
    bytes.extend_from_slice(&DIGITS[start..start + ENTRY_BYTES - bytes.len() - tail.len()]);
    bytes.extend_from_slice(tail.as_bytes());
    bytes
}

/// Histograms of one run. Few, since each takes 150 KiB; more than one, since callers must not wait for each other.
const HISTOGRAMS: usize = 16;

struct Meter {
    histograms: Vec<Mutex<Histogram<u64>>>,
    done: AtomicU64,
    taken: AtomicU64,
    stop: AtomicBool,
}

impl Meter {
    /// Records the time since then, in microseconds.
    fn record(&self, caller: usize, since: Instant) {
        self.histograms[caller % HISTOGRAMS].lock().unwrap().record(micros(since)).unwrap();
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).unwrap()
}

fn micros(since: Instant) -> u64 {
    since.elapsed().as_micros().clamp(1, 600_000_000) as u64
}

/// Runs a load until so many entries are durable, or for so long.
pub fn run(runtime: &Handle, peer: &impl Peer, load: Load, entries: u64, within: Duration) -> Measured {
    let meter = Arc::new(Meter {
        histograms: (0..HISTOGRAMS).map(|_| Mutex::new(histogram())).collect(),
        done: AtomicU64::new(0),
        taken: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    });
    let processes = peer.processes();
    let before = Usage::of(&processes);
    let started = Instant::now();
    let watcher = {
        let (meter, processes) = (Arc::clone(&meter), processes.clone());
        thread::spawn(move || {
            let mut rss = [0; 4];
            while !meter.stop.load(Ordering::Relaxed) {
                let share = meter.done.load(Ordering::Relaxed) * 4 / entries.max(1);
                let time = (started.elapsed().as_secs_f64() / within.as_secs_f64() * 4.0) as u64;
                let quarter = share.max(time).min(3) as usize;
                rss[quarter] = rss_bytes(&processes).max(rss[quarter]);
                thread::sleep(Duration::from_millis(100));
            }
            rss
        })
    };
    let gave_up = match load {
        Load::Callers(callers) => closed(runtime, peer, &meter, (callers, 1), entries, within),
        Load::Bulk(callers, each) => closed(runtime, peer, &meter, (callers, each), entries, within),
        Load::Open(rate) => open(runtime, peer, &meter, rate, entries, within),
    };
    let secs = started.elapsed().as_secs_f64();
    meter.stop.store(true, Ordering::Relaxed);
    let rss_bytes = watcher.join().unwrap();
    let used = Usage::of(&processes).since(&before);
    let done = meter.done.load(Ordering::Relaxed);
    let mut all = histogram();
    for one in &meter.histograms {
        all.add(&*one.lock().unwrap()).unwrap();
    }
    Measured {
        entries: done,
        secs,
        p50: all.value_at_quantile(0.5),
        p99: all.value_at_quantile(0.99),
        p999: all.value_at_quantile(0.999),
        cpu_us_per_request: used.as_secs_f64() * 1e6 / done.max(1) as f64,
        rss_bytes,
        gave_up,
    }
}

fn closed(
    runtime: &Handle,
    peer: &impl Peer,
    meter: &Arc<Meter>,
    (callers, each): (usize, usize),
    entries: u64,
    within: Duration,
) -> bool {
    let until = Instant::now() + within;
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (peer, meter) = (peer.clone(), Arc::clone(meter));
            runtime.spawn(async move {
                let mut waiting = Vec::with_capacity(each);
                while Instant::now() < until {
                    let first = meter.taken.fetch_add(each as u64, Ordering::Relaxed);
                    if first >= entries {
                        break;
                    }
                    if each == 1 {
                        let entry = entry(first);
                        let sent = Instant::now();
                        peer.append(caller, entry).await;
                        meter.record(caller, sent);
                    } else {
                        for number in first..first + each as u64 {
                            let mut append = Box::pin(peer.append(caller, entry(number)));
                            let sent = Instant::now();
                            // Polled once: it has its place, and the next can be sent.
                            let ready = std::future::poll_fn(|context| {
                                std::task::Poll::Ready(append.as_mut().poll(context).is_ready())
                            });
                            if ready.await {
                                meter.record(caller, sent);
                            } else {
                                waiting.push((sent, append));
                            }
                        }
                        for (sent, append) in waiting.drain(..) {
                            append.await;
                            meter.record(caller, sent);
                        }
                    }
                    meter.done.fetch_add(each as u64, Ordering::Relaxed);
                }
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    false
}

fn open(
    runtime: &Handle,
    peer: &impl Peer,
    meter: &Arc<Meter>,
    rate: u64,
    entries: u64,
    within: Duration,
) -> bool {
    let total = entries.min((within.as_secs_f64() * rate as f64) as u64);
    let started = Instant::now();
    let mut gave_up = false;
    let mut sent = 0;
    // A thread of its own sleeps to within some 60 µs; a runtime's timer has a grain of 1 ms.
    while sent < total && !gave_up {
        let intended = Duration::from_nanos(sent * 1_000_000_000 / rate);
        thread::sleep(intended.saturating_sub(started.elapsed()));
        let due = ((started.elapsed().as_nanos() as u64 / 1_000) * rate / 1_000_000 + 1).min(total);
        while sent < due {
            let intended = started + Duration::from_nanos(sent * 1_000_000_000 / rate);
            let (peer, meter) = (peer.clone(), Arc::clone(meter));
            let (number, caller) = (sent, sent as usize);
            runtime.spawn(async move {
                peer.append(caller, entry(number)).await;
                meter.record(caller, intended);
                meter.done.fetch_add(1, Ordering::Relaxed);
            });
            sent += 1;
        }
        gave_up = sent - meter.done.load(Ordering::Relaxed) > OPEN_MAX.min(rate * 5);
    }
    while !gave_up && meter.done.load(Ordering::Relaxed) < sent {
        thread::sleep(Duration::from_millis(1));
    }
    gave_up
}
