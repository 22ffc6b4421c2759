//! The ledger through its public API: durable, provable, recoverable, and honest about damage.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use killick_ledger::{Ledger, LedgerConfig, LedgerError, LogFolder};
use killick_tlog::hash::{Hash, leaf_hash, node_hash};
use killick_tlog::note::VerifierKey;
use killick_tlog::receipt::Receipt;
use killick_tlog::verify::{KeySource, Trust, VerifiedLog, verify_log};
use killick_tlog::{Entry, LogError, Seal};

const ORIGIN: &str = "test.example/killick/gw-1";

struct Text(String);

impl Entry for Text {
    fn encode(&self, _: &dyn Seal, _: &str) -> Vec<u8> {
        self.0.clone().into_bytes()
    }
}

/// An entry about somebody, as decisions are.
struct About(&'static str);

impl Entry for About {
    fn encode(&self, seal: &dyn Seal, build: &str) -> Vec<u8> {
        format!("{build} {} {}", seal.pseudonym(self.0), seal.commit(self.0, "id", "args", b"x")).into_bytes()
    }
}

fn config(folder: &Path) -> LedgerConfig {
    LedgerConfig {
        log_dir: folder.join("log"),
        state_dir: folder.join("log-state"),
        origin: ORIGIN.to_owned(),
        seed: [7; 32],
        build: "killick test".to_owned(),
    }
}

async fn open(folder: &Path) -> Ledger {
    Ledger::open(config(folder)).await.unwrap()
}

async fn open_error(config: LedgerConfig) -> String {
    match Ledger::open(config).await {
        Ok(_) => panic!("the ledger opened"),
        Err(error) => error.to_string(),
    }
}

/// Everything in a log, once it has verified.
fn verify(folder: &Path, trust: Option<&Trust>) -> Result<(VerifiedLog, Vec<Vec<u8>>), LogError> {
    let mut entries = Vec::new();
    let log = verify_log(&LogFolder::new(folder.join("log")), trust, &mut |index, entry| {
        assert_eq!(index, entries.len() as u64);
        entries.push(entry.to_vec());
    })?;
    Ok((log, entries))
}

/// MTH of RFC 6962 section 2.1, as it stands there.
fn naive_root(leaves: &[Hash]) -> Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let mut split = 1;
    while split * 2 < leaves.len() {
        split *= 2;
    }
    node_hash(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let to = to.join(file.file_name());
        match file.file_type() {
            Ok(kind) if kind.is_dir() => copy_folder(&file.path(), &to),
            // A file may be renamed while it is copied: the copy is of a running log.
            _ => drop(std::fs::copy(file.path(), to)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_entries_are_durable_and_their_receipts_verify() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await;
    let mut tasks = Vec::new();
    for task in 0..64 {
        let ledger = ledger.clone();
        tasks.push(tokio::spawn(async move {
            let mut recorded = Vec::new();
            for number in 0..200 {
                let text = format!("{{\"task\":{task},\"number\":{number}}}");
                let record = ledger.submit(Text(text)).unwrap().durable().await.unwrap();
                recorded.push((record.index(), record.entry().0.clone(), record.receipt()));
            }
            recorded
        }));
    }
    let mut by_index = BTreeMap::new();
    for task in tasks {
        for (index, text, receipt) in task.await.unwrap() {
            assert!(by_index.insert(index, (text, receipt)).is_none(), "index {index} was given out twice");
        }
    }
    assert_eq!(ledger.size(), 64 * 200 + 1);
    assert_eq!(by_index.len(), 64 * 200);
    let vkey = ledger.vkey();
    ledger.close().await.unwrap();

    let (log, entries) = verify(folder.path(), None).unwrap();
    assert_eq!((log.size, log.key_source), (12_801, KeySource::Folder));
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    assert_eq!(log.root, naive_root(&leaves));
    for (index, (text, receipt)) in &by_index {
        assert_eq!(&entries[*index as usize], text.as_bytes());
        assert!(receipt.len() <= 4096);
        let receipt = Receipt::parse(receipt).unwrap();
        let head = receipt.verify(text.as_bytes(), &vkey).unwrap().clone();
        assert_eq!((receipt.index(), receipt.leaf()), (*index, Some(leaf_hash(text.as_bytes()))));
        if index % 100 == 0 {
            assert_eq!(head.root, naive_root(&leaves[..head.size as usize]));
        }
        assert_eq!(receipt.verify(b"something else", &vkey).unwrap_err().code(), "log.inclusion");
    }
}

#[tokio::test]
async fn a_log_reopens_where_it_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let mut size = 1;
    for round in 0..5 {
        let ledger = open(folder.path()).await;
        assert_eq!(ledger.size(), size);
        for number in 0..130 {
            let record = ledger.submit(Text(format!("{round}/{number}"))).unwrap().durable().await.unwrap();
            assert_eq!(record.index(), size);
            size += 1;
        }
        if round % 2 == 0 {
            ledger.close().await.unwrap();
            assert!(matches!(ledger.submit(Text(String::new())), Err(LedgerError::Stopped(_))));
        } // else dropped
    }
    let (log, entries) = verify(folder.path(), None).unwrap();
    assert_eq!((log.size, entries.last().unwrap().as_slice()), (size, b"4/129".as_slice()));
    // Partial tiles are gone where the full ones are there.
    assert!(
        folder.path().join("log/tile/0/001").exists() && !folder.path().join("log/tile/0/001.p").exists()
    );
}

#[tokio::test]
async fn the_first_entry_names_the_key_and_trust_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await;
    let first = ledger.read(0, 10).await.unwrap();
    let entry: serde_json::Value = serde_json::from_slice(&first[0]).unwrap();
    assert_eq!((&entry["kind"], &entry["origin"]), (&"log-key".into(), &ORIGIN.into()));
    assert_eq!(entry["vkey"], ledger.vkey());
    let trust = Trust::of_key(VerifierKey::parse(&ledger.vkey()).unwrap());
    assert_eq!(verify(folder.path(), Some(&trust)).unwrap().0.key_source, KeySource::Trust);
    let other = tempfile::tempdir().unwrap();
    let other = Ledger::open(LedgerConfig { seed: [8; 32], ..config(other.path()) }).await.unwrap();
    let trust = Trust::of_key(VerifierKey::parse(&other.vkey()).unwrap());
    assert_eq!(verify(folder.path(), Some(&trust)).unwrap_err().code(), "log.signature");
}

#[tokio::test]
async fn entries_and_receipts_are_read_before_and_after_publication() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await;
    let mut sizes = ledger.subscribe();
    let pending: Vec<_> =
        (1..=600).map(|number| ledger.submit(Text(format!("entry {number}"))).unwrap()).collect();
    for submitted in pending {
        submitted.durable().await.unwrap();
    }
    sizes.wait_for(|size| *size == 601).await.unwrap();
    for _ in 0..2 {
        for (from, to) in [(1, 601), (250, 260), (0, 1), (600, 700), (601, 700), (5, 5), (9, 3), (512, 513)] {
            let entries = ledger.read(from, to).await.unwrap();
            let expected: Vec<_> =
                (from..to.min(601)).map(|number| format!("entry {number}").into_bytes()).collect();
            if from > 0 {
                assert_eq!(entries, expected, "{from}..{to}");
            }
        }
        for index in [1, 255, 256, 511, 512, 599, 600] {
            let receipt = Receipt::parse(&ledger.receipt(index).await.unwrap()).unwrap();
            let head = receipt.verify(format!("entry {index}").as_bytes(), &ledger.vkey()).unwrap();
            assert_eq!(head.size, 601);
        }
        assert!(matches!(ledger.receipt(601).await, Err(LedgerError::NoEntry(601))));
        ledger.publish().await.unwrap();
    }
    // Without being asked, too.
    ledger.submit(Text("late".to_owned())).unwrap().durable().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert_eq!(verify(folder.path(), None).unwrap().0.size, 602);
    assert_eq!(ledger.read(601, 602).await.unwrap(), [b"late".to_vec()]);
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_nothing_else_is_held_up() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await;
    let large = ledger.submit(Text("x".repeat(65_536)));
    assert!(matches!(large, Err(LedgerError::TooLarge(65_536))));
    let largest: Vec<_> = (0..300).map(|_| ledger.submit(Text("x".repeat(65_535))).unwrap()).collect();
    for submitted in largest {
        submitted.durable().await.unwrap();
    }
    ledger.submit(Text(String::new())).unwrap().durable().await.unwrap();
    ledger.close().await.unwrap();
    let (_, entries) = verify(folder.path(), None).unwrap();
    assert_eq!((entries.len(), entries[300].len(), entries[301].len()), (302, 65_535, 0));
}

#[tokio::test]
async fn a_full_queue_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await;
    let mut waiting = Vec::new();
    let full = loop {
        match ledger.submit(Text("x".repeat(65_535))) {
            Ok(submitted) => waiting.push(submitted),
            Err(error) => break error,
        }
        assert!(waiting.len() < 100_000, "the queue has no bound");
    };
    assert!(matches!(full, LedgerError::Full) && full.is_retryable());
    for submitted in waiting {
        submitted.durable().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_entry_is_in_a_copy_of_a_running_log() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(open(folder.path()).await);
    for round in 0..5 {
        let mut acknowledged = Vec::new();
        for number in 0..300 {
            let text = format!("{round}/{number} {}", "x".repeat(number));
            let record = ledger.submit(Text(text)).unwrap().durable().await.unwrap();
            acknowledged.push((record.index(), record.into_entry().0));
        }
        let copy = tempfile::tempdir().unwrap();
        // First the log, then the state: a checkpoint newer than the journal is no state a crash leaves behind.
        copy_folder(&folder.path().join("log"), &copy.path().join("log"));
        copy_folder(&folder.path().join("log-state"), &copy.path().join("log-state"));
        let reopened = open(copy.path()).await;
        assert!(reopened.size() > acknowledged.last().unwrap().0);
        for (index, text) in &acknowledged {
            assert_eq!(reopened.read(*index, index + 1).await.unwrap(), [text.as_bytes()]);
        }
        reopened.close().await.unwrap();
        verify(copy.path(), None).unwrap();
    }
}

#[tokio::test]
async fn a_second_opener_is_told_who_has_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await;
    let error = open_error(config(folder.path())).await;
    let process = format!("another process (process {}) has this log open", std::process::id());
    assert!(error.contains(&process), "{error}");
    ledger.close().await.unwrap();
    open(folder.path()).await;
}

#[tokio::test]
async fn another_key_or_origin_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await.unwrap();
    let error = open_error(LedgerConfig { seed: [8; 32], ..config(folder.path()) }).await;
    assert!(error.contains("another origin or key"), "{error}");
    let error =
        open_error(LedgerConfig { origin: "other.example/log".to_owned(), ..config(folder.path()) }).await;
    assert!(error.contains("another origin or key"), "{error}");
    // The journal of one log beside the folder of another.
    let other = tempfile::tempdir().unwrap();
    Ledger::open(LedgerConfig { seed: [8; 32], ..config(other.path()) })
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    let mixed = LedgerConfig { log_dir: other.path().join("log"), ..config(folder.path()) };
    let error = open_error(mixed).await;
    assert!(error.contains("give the key"), "{error}");
    let error = open_error(LedgerConfig { origin: "with space".to_owned(), ..config(other.path()) }).await;
    assert!(error.contains("key name"), "{error}");
    open(folder.path()).await;
}

#[tokio::test]
async fn folders_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await;
    ledger.submit(Text("a".to_owned())).unwrap().durable().await.unwrap();
    ledger.close().await.unwrap();
    let older = tempfile::tempdir().unwrap();
    copy_folder(folder.path(), older.path());
    let ledger = open(folder.path()).await;
    for number in 0..300 {
        ledger.submit(Text(number.to_string())).unwrap().durable().await.unwrap();
    }
    ledger.close().await.unwrap();

    let fresh = |log: &Path, state: &Path| LedgerConfig {
        log_dir: log.join("log"),
        state_dir: state.join("log-state"),
        ..config(log)
    };
    // The log of today, the journal of yesterday: opening it would fork the log.
    let error = open_error(fresh(folder.path(), older.path())).await;
    assert!(error.contains("the journal ends after 2"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let error = open_error(fresh(folder.path(), empty.path())).await;
    assert!(error.contains("there is no journal"), "{error}");
    let checkpoint = folder.path().join("log/checkpoint");
    let kept = std::fs::read(&checkpoint).unwrap();
    // A clean restart releases the journal before it, so that the journal alone cannot stand for the log.
    open(folder.path()).await.close().await.unwrap();
    std::fs::remove_file(&checkpoint).unwrap();
    let error = open_error(config(folder.path())).await;
    assert!(error.contains("checkpoint is missing"), "{error}");
    std::fs::write(&checkpoint, &kept).unwrap();
    open(folder.path()).await;
}

#[tokio::test]
async fn files_in_the_way_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let at = |path: &str| folder.path().join(path);
    for (log_dir, state_dir, named) in [
        (at("file"), at("s1"), "file"),
        (at("l2"), at("file"), "file"),
        (at("file/l3"), at("s3"), "file/l3"),
        (PathBuf::from("/proc/killick/log"), at("s4"), "/proc/killick/log"),
        (PathBuf::from("/sys/killick"), at("s5"), "/sys/killick"),
    ] {
        let error = open_error(LedgerConfig { log_dir, state_dir, ..config(folder.path()) }).await;
        assert!(error.starts_with("cannot create the folder") && error.contains(named), "{error}");
    }
    // Things that are no files, in a log that was in order.
    open(folder.path()).await.close().await.unwrap();
    let checkpoint = at("log/checkpoint");
    std::fs::remove_file(&checkpoint).unwrap();
    std::fs::create_dir(&checkpoint).unwrap();
    assert!(open_error(config(folder.path())).await.contains("not a regular file"));
    std::fs::remove_dir(&checkpoint).unwrap();
    std::os::unix::fs::symlink(&checkpoint, &checkpoint).unwrap();
    assert!(open_error(config(folder.path())).await.contains("cannot read"));
    std::fs::remove_file(&checkpoint).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&checkpoint).status().unwrap().success());
    assert!(open_error(config(folder.path())).await.contains("not a regular file"));
}

#[tokio::test]
async fn what_lies_under_a_temporary_name_is_removed_and_never_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (temporary, other) = (folder.path().join("log/.checkpoint.tmp"), folder.path().join("other"));
    std::fs::write(&other, "somebody's").unwrap();
    open(folder.path()).await.close().await.unwrap();
    for link in [true, false] {
        if link {
            std::os::unix::fs::symlink(&other, &temporary).unwrap();
        } else {
            assert!(std::process::Command::new("mkfifo").arg(&temporary).status().unwrap().success());
        }
        let ledger = open(folder.path()).await;
        ledger.submit(Text("a".to_owned())).unwrap().durable().await.unwrap();
        ledger.close().await.unwrap(); // and does not wait for a reader of the FIFO
        assert!(!temporary.exists());
    }
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "somebody's");
    assert_eq!(verify(folder.path(), None).unwrap().0.size, 3);
}

/// The last record of the newest segment that has any: path, offset, length.
fn last_record(folder: &Path) -> (PathBuf, usize, Vec<u8>) {
    let mut segments: Vec<_> = std::fs::read_dir(folder.join("log-state/journal"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with("spare-"))
        .collect();
    segments.sort();
    let path = segments.pop().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let magic = b"\xffKLKREC\x01";
    let offset = (0..bytes.len()).step_by(4096).rfind(|offset| bytes[*offset..].starts_with(magic)).unwrap();
    (path, offset, bytes)
}

#[tokio::test]
async fn a_torn_tail_is_tolerated_and_a_changed_middle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await;
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&folder.path().join("log"), &copy.path().join("log"));
    for number in 0..20 {
        ledger.submit(Text(format!("{number} {}", "x".repeat(5000)))).unwrap().durable().await.unwrap();
    }
    copy_folder(&folder.path().join("log-state"), &copy.path().join("log-state"));
    drop(ledger);

    let (path, offset, whole) = last_record(copy.path());
    // The last commit was cut off by a crash: it was never acknowledged then.
    for torn in [offset, offset + 10, offset + 60, offset + 4096] {
        let mut bytes = whole.clone();
        let garbage = bytes.len().min(torn + 4096);
        bytes[torn..garbage].fill(0xa5);
        std::fs::write(&path, &bytes).unwrap();
        let torn = tempfile::tempdir().unwrap();
        copy_folder(copy.path(), torn.path());
        let reopened = open(torn.path()).await;
        assert_eq!(reopened.size(), 20);
        let record = reopened.submit(Text("again".to_owned())).unwrap().durable().await.unwrap();
        assert_eq!(record.index(), 20);
        reopened.close().await.unwrap();
        assert_eq!(verify(torn.path(), None).unwrap().0.size, 21);
        assert_eq!(open(torn.path()).await.size(), 21);
    }
    // A record before others was changed: it had been acknowledged.
    for flipped in [4096, 4096 + 70, offset - 8192 + 100, 20] {
        let mut bytes = whole.clone();
        bytes[flipped] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = open_error(config(copy.path())).await;
        assert!(error.contains("was changed") && error.contains("restore"), "{flipped}: {error}");
    }
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(open_error(config(copy.path())).await.contains("cut off"));
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(open(copy.path()).await.size(), 21);
}

#[tokio::test]
async fn changed_tiles_are_noticed_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await;
    for number in 0..299 {
        ledger.submit(Text(number.to_string())).unwrap().durable().await.unwrap();
    }
    ledger.close().await.unwrap();
    for file in ["tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1", "checkpoint"] {
        let path = folder.path().join("log").join(file);
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        bytes[25] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let error = open_error(config(folder.path())).await;
        assert!(error.contains("cannot be used") && error.contains("restore"), "{file}: {error}");
        std::fs::write(&path, whole).unwrap();
    }
    open(folder.path()).await;
}

#[tokio::test]
async fn a_disk_that_fails_stops_the_log_and_nothing_is_acknowledged_falsely() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await;
    let mut failed = ledger.failed();
    assert!(failed.borrow().is_none());
    // The publisher cannot write: a folder lies where a file has to go.
    std::fs::create_dir_all(folder.path().join("log/tile/0/000.p/.2.tmp")).unwrap();
    let record =
        ledger.submit(Text("durable, but cannot be published".to_owned())).unwrap().durable().await.unwrap();
    let reason = failed.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert!(reason.contains("cannot write"), "{reason}");
    match ledger.submit(Text("after".to_owned())) {
        Err(LedgerError::Stopped(said)) => assert_eq!(said, reason),
        _ => panic!("a stopped log took an entry"),
    }
    assert!(ledger.publish().await.is_err() && ledger.close().await.is_err());
    drop(ledger);
    std::fs::remove_dir(folder.path().join("log/tile/0/000.p/.2.tmp")).unwrap();
    let ledger = open(folder.path()).await;
    assert_eq!(ledger.size(), 2);
    let text = record.entry().0.clone().into_bytes();
    assert_eq!(ledger.read(record.index(), 2).await.unwrap(), [text]);
}

#[tokio::test]
async fn a_full_disk_stops_the_log_and_room_brings_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let mount = |program: &str, arguments: &[&str]| {
        let done = std::process::Command::new(program).args(arguments).arg(folder.path()).output();
        done.is_ok_and(|output| output.status.success())
    };
    if !mount("mount", &["-t", "tmpfs", "-o", "size=48m", "none"]) {
        assert!(std::env::var_os("KILLICK_NO_SKIP").is_none(), "a small disk cannot be mounted here");
        println!("skipped: a small disk cannot be mounted here");
        return;
    }
    let ledger = open(folder.path()).await;
    let filler = folder.path().join("filler");
    // Fills what is left of the disk; errs when it is full, which is what is wanted.
    let _ = std::fs::write(&filler, vec![1; 39 * 1024 * 1024]);
    let mut acknowledged = Vec::new();
    let reason = loop {
        let text = format!("{} {}", acknowledged.len(), "x".repeat(60_000));
        let recorded = match ledger.submit(Text(text)) {
            Ok(submitted) => submitted.durable().await,
            Err(error) => break error.to_string(),
        };
        match recorded {
            Ok(recorded) => acknowledged.push((recorded.index(), recorded.into_entry().0)),
            Err(error) => break error.to_string(),
        }
        assert!(acknowledged.len() < 10_000, "the disk does not fill up");
    };
    assert!(reason.contains("the log has stopped") && reason.contains("No space left"), "{reason}");
    assert!(ledger.failed().borrow().is_some() && ledger.close().await.is_err());
    drop(ledger);

    let still_full = open_error(config(folder.path())).await;
    assert!(still_full.contains("No space left"), "{still_full}");
    std::fs::remove_file(&filler).unwrap();
    let ledger = open(folder.path()).await;
    for (index, text) in &acknowledged {
        assert_eq!(ledger.read(*index, index + 1).await.unwrap(), [text.as_bytes()]);
    }
    ledger.submit(Text("room again".to_owned())).unwrap().durable().await.unwrap();
    ledger.close().await.unwrap();
    verify(folder.path(), None).unwrap();
    drop(ledger);
    assert!(mount("umount", &[]));
}

#[tokio::test]
async fn subjects_keys_are_durable_with_the_entry_and_can_be_erased() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await;
    for subject in ["alice", "bob", "alice"] {
        ledger.submit(About(subject)).unwrap().durable().await.unwrap();
    }
    let copy = tempfile::tempdir().unwrap();
    copy_folder(folder.path(), copy.path());
    let entries = ledger.read(1, 4).await.unwrap();
    assert_eq!(entries[0], entries[2]);
    assert!(entries[0].starts_with(b"killick test ") && entries[0] != entries[1]);

    let reopened = open(copy.path()).await;
    reopened.submit(About("alice")).unwrap().durable().await.unwrap();
    assert_eq!(reopened.read(4, 5).await.unwrap()[0], entries[0]);
    assert_eq!(reopened.seal().pseudonym("bob"), ledger.seal().pseudonym("bob"));
    assert!(reopened.erase("alice").await.unwrap() && !reopened.erase("carol").await.unwrap());
    reopened.submit(About("alice")).unwrap().durable().await.unwrap();
    assert_ne!(reopened.read(5, 6).await.unwrap()[0], entries[0]);
    reopened.close().await.unwrap();
    verify(copy.path(), None).unwrap();
    let mode = |path: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(copy.path().join(path)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("log-state"), mode("log-state/subjects.keys")), (0o700, 0o600));
}
