//! Real system calls that fail: a child runs the ledger under `strace -e inject`, and each call that it makes to the disk
//! fails once. Whatever it has acknowledged is there when the log is opened again, and it says why it stopped.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use killick_ledger::{Ledger, LedgerConfig, LogFolder};
use killick_tlog::note::VerifierKey;
use killick_tlog::verify::{Trust, verify_log};
use killick_tlog::{Entry, Seal};

const CHILD: &str = "KILLICK_TEST_FAILING_CHILD";
/// Entries that the child submits one after the other, and then at once: a tile is full, and partial ones go.
const ENTRIES: usize = 5;
const BURST: usize = 260;
/// Longest that a child may take before it counts as hanging.
const CHILD_MAX: Duration = Duration::from_secs(60);
/// What the ledger calls, and with what it is made to fail: all that change the disk, and those that read it.
const CALLS: [(&str, &[&str]); 14] = [
    ("fdatasync", &["EIO", "ENOSPC"]),
    ("fsync", &["EIO"]),
    ("pwrite64", &["EIO", "ENOSPC"]),
    ("rename", &["EIO", "ENOSPC"]),
    ("unlink", &["EIO"]),
    ("mkdir", &["EIO", "ENOSPC"]),
    ("rmdir", &["EIO"]),
    ("chmod", &["EPERM"]),
    ("fchmod", &["EPERM"]),
    ("ftruncate", &["EIO"]),
    ("openat", &["EIO", "EMFILE"]),
    ("statx", &["EIO"]),
    ("pread64", &["EIO"]),
    ("getdents64", &["EIO"]),
];

struct Text(String);

impl Entry for Text {
    fn encode(&self, seal: &dyn Seal, _: &str) -> Vec<u8> {
        // One in ten has a subject of its own.
        let about = if self.0.ends_with('3') { &*self.0 } else { "somebody" };
        format!("{} {}", self.0, seal.pseudonym(about)).into_bytes()
    }
}

fn config(folder: &Path) -> LedgerConfig {
    LedgerConfig {
        log_dir: folder.join("log"),
        state_dir: folder.join("log-state"),
        origin: "test.example/failing".to_owned(),
        seed: [4; 32],
        build: "killick test".to_owned(),
    }
}

/// The child: submits, publishes, erases and opens anew; says what was acknowledged, and how it ended.
async fn write(folder: &Path) {
    let say = |line: &str| writeln!(std::io::stdout().lock(), "{line}").unwrap();
    let run = async {
        let ledger = Ledger::open(config(folder)).await?;
        let text = |number: usize| format!("{}-{number}", std::process::id());
        for number in 0..ENTRIES {
            let text = text(number);
            let record = ledger.submit(Text(text.clone()))?.durable().await?;
            say(&format!("acknowledged {} {text}", record.index()));
            if number % 3 == 1 {
                ledger.publish().await?;
            }
            if number == 3 {
                ledger.erase(&text).await?;
            }
        }
        ledger.close().await?;
        let ledger = Ledger::open(config(folder)).await?;
        let burst = (ENTRIES..ENTRIES + BURST).map(|number| ledger.submit(Text(text(number))));
        for submitted in burst.collect::<Vec<_>>() {
            let record = submitted?.durable().await?;
            say(&format!("acknowledged {} {}", record.index(), record.entry().0));
        }
        ledger.close().await
    };
    match run.await {
        Ok(()) => say("closed"),
        Err(error) => say(&format!("stopped: {error}")),
    }
}

/// What a child has said.
struct Said {
    acknowledged: Vec<(u64, String)>,
    end: String,
    errors: String,
}

/// Runs the child in a folder, under strace with these arguments.
fn child(folder: &Path, strace: &[String]) -> Said {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "--seccomp-bpf"]).args(strace).arg("--");
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "no_failing_call_loses_or_falsely_acknowledges", "--nocapture"]);
    command.env(CHILD, folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut running = command.spawn().unwrap();
    while running.try_wait().unwrap().is_none() {
        if started.elapsed() > CHILD_MAX {
            running.kill().unwrap();
            panic!("the child hangs: strace {strace:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = running.wait_with_output().unwrap();
    let (mut acknowledged, mut end) = (Vec::new(), String::new());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some((index, text)) = line.strip_prefix("acknowledged ").and_then(|line| line.split_once(' '))
        {
            acknowledged.push((index.parse().unwrap(), text.to_owned()));
        } else if line == "closed" || line.starts_with("stopped: ") {
            end = line.to_owned();
        }
    }
    Said { acknowledged, end, errors: String::from_utf8_lossy(&output.stderr).into_owned() }
}

/// Opens the log anew and holds it against what was acknowledged.
async fn check(folder: &Path, acknowledged: &[(u64, String)], context: &str) {
    let ledger = match Ledger::open(config(folder)).await {
        Ok(ledger) => ledger,
        Err(error) => panic!("{context}: the log does not open again: {error}"),
    };
    ledger.submit(Text("after".to_owned())).unwrap().durable().await.unwrap();
    let vkey = VerifierKey::parse(&ledger.vkey()).unwrap();
    ledger.close().await.unwrap();
    let mut entries = Vec::new();
    let reader = LogFolder::new(folder.join("log"));
    let visit = &mut |_, entry: &[u8]| entries.push(String::from_utf8_lossy(entry).into_owned());
    verify_log(&reader, Some(&Trust::of_key(vkey)), visit).unwrap();
    for (index, text) in acknowledged {
        let entry = entries.get(usize::try_from(*index).unwrap()).map(String::as_str).unwrap_or_default();
        assert_eq!(entry.split(' ').next(), Some(text.as_str()), "{context}: entry {index}");
    }
    // Nothing is there that was not submitted: the log's key and the one above, and the child's, in their order.
    assert!(entries.len() <= 2 + ENTRIES + BURST, "{context}: {} entries", entries.len());
    let number = |entry: &String| entry.split(' ').next()?.split_once('-')?.1.parse::<usize>().ok();
    assert!(
        entries.iter().filter_map(number).eq(0..entries.len() - 2),
        "{context}: the entries are not those that were submitted"
    );
}

/// How often each call is made on a path within the folder, by the thread that makes it most; and all those paths.
/// (strace counts for each thread; the loader and the runtime make the same calls on paths of their own.)
fn count_calls(trace: &str, folder: &Path) -> (BTreeMap<String, usize>, BTreeSet<PathBuf>) {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut paths = BTreeSet::new();
    let within = folder.to_string_lossy();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((name, arguments)) = call.trim_start().split_once('(') else { continue };
        // As `"path"`, or as `3</path>` behind a file descriptor.
        let mut of_the_log = false;
        for path in arguments.split(['"', '<', '>']).filter(|part| part.starts_with(&*within)) {
            paths.insert(PathBuf::from(path));
            of_the_log = true;
        }
        if of_the_log {
            *counts.entry((name.to_owned(), thread.to_owned())).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((name, _), count) in counts {
        let before = most.entry(name).or_default();
        *before = count.max(*before);
    }
    (most, paths)
}

#[test]
fn no_failing_call_loses_or_falsely_acknowledges() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Some(folder) = std::env::var_os(CHILD) {
        return runtime().block_on(write(Path::new(&folder)));
    }
    let traces = Command::new("strace").args(["-f", "-qq", "-e", "trace=none", "true"]).output();
    if !traces.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("KILLICK_NO_SKIP").is_none(), "strace is not there, or may not trace");
        println!("skipped: strace is not there, or may not trace");
        return;
    }
    let names = CALLS.map(|(name, _)| name).join(",");
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let trace_arguments =
        ["-y", "-o", &*trace.to_string_lossy(), "-e", &format!("trace={names}")].map(str::to_owned);
    let whole = child(&folder.path().join("run"), &trace_arguments);
    assert_eq!(
        (whole.end.as_str(), whole.acknowledged.len()),
        ("closed", ENTRIES + BURST),
        "{}",
        whole.errors
    );
    let (counts, paths) = count_calls(&std::fs::read_to_string(&trace).unwrap(), &folder.path().join("run"));

    let mut faults = Vec::new();
    for (call, errors) in CALLS {
        let count = counts.get(call).copied().unwrap_or_default();
        assert!(count > 0, "no {call} is made: what replaces it?");
        for error in errors {
            faults.extend((1..=count).map(|when| (call, *error, when)));
        }
    }
    let (next, stopped) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let runtime = runtime();
        while let Some((call, error, when)) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
            let own = tempfile::tempdir().unwrap();
            let run = own.path().join("run");
            let mut arguments =
                vec!["-o".to_owned(), "/dev/null".to_owned(), "-e".to_owned(), format!("trace={call}")];
            arguments.extend(["-e".to_owned(), format!("inject={call}:error={error}:when={when}")]);
            for path in &paths {
                let path = own.path().join(path.strip_prefix(folder.path()).unwrap());
                arguments.extend(["-P".to_owned(), path.display().to_string()]);
            }
            let said = child(&run, &arguments);
            let context = format!("{error} at {call} number {when}");
            assert!(!said.errors.contains("panicked"), "{context}: {}", said.errors);
            assert!(!said.end.is_empty(), "{context}: no word at the end: {}", said.errors);
            if let Some(why) = said.end.strip_prefix("stopped: ") {
                stopped.fetch_add(1, Ordering::Relaxed);
                // A sentence that names the file and says what the system said.
                assert!(why.contains("run") && why.contains("(os error "), "{context}: {why}");
            } else {
                assert_eq!(said.acknowledged.len(), ENTRIES + BURST, "{context}");
            }
            runtime.block_on(check(&run, &said.acknowledged, &context));
        }
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        running.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let stopped = stopped.into_inner();
    println!("{} faults, {stopped} of them stopped the ledger, nothing was lost", faults.len());
    assert!(stopped * 2 > faults.len(), "most faults did nothing: are they injected?");
}
