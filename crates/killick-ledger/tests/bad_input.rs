//! Every file of a log replaced by everything that it must not be: a sentence that names the file and the mend, no
//! panic, no waiting, and nothing overwritten.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use killick_ledger::{Ledger, LedgerConfig, LogFolder};
use killick_tlog::note::VerifierKey;
use killick_tlog::verify::{Trust, verify_log};
use killick_tlog::{Entry, Seal};

const CHILD: &str = "KILLICK_TEST_OPENING_CHILD";
/// Longest that opening may take before it counts as hanging.
const OPENING_MAX: Duration = Duration::from_secs(20);
/// Entries of the log: a full tile, and some of the next.
const ENTRIES: usize = 300;
/// The user that root becomes, for whom permissions count.
const NOBODY: u32 = 65_534;
/// One of these is in every refusal.
const MENDS: [&str; 5] = ["restore", "put back", "remove it", "give it to the user", "give the"];

struct Text(String);

impl Entry for Text {
    fn encode(&self, seal: &dyn Seal, _: &str) -> Vec<u8> {
        format!("{} {}", self.0, seal.pseudonym("somebody")).into_bytes()
    }
}

fn config(folder: &Path) -> LedgerConfig {
    LedgerConfig {
        log_dir: folder.join("log"),
        state_dir: folder.join("log-state"),
        origin: "test.example/replaced".to_owned(),
        seed: [6; 32],
        build: "killick test".to_owned(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replacement {
    Random,
    Empty,
    Nuls,
    Folder,
    Fifo,
    LinkLoop,
    Forbidden,
}

use Replacement::{Empty, Fifo, Folder, Forbidden, LinkLoop, Nuls, Random};

const REPLACEMENTS: [Replacement; 7] = [Random, Empty, Nuls, Folder, Fifo, LinkLoop, Forbidden];
const NONE: &[Replacement] = &[];
/// Whatever is in these is of no matter.
const CONTENT: &[Replacement] = &[Random, Empty, Nuls];
/// A start does not read all of a log: verification notices.
const ALL: &[Replacement] = &REPLACEMENTS;

/// What is replaced, and by what so that the log opens all the same.
const FILES: [(&str, &[Replacement]); 14] = [
    ("log", NONE),
    ("log/checkpoint", NONE),
    ("log/tile", NONE),
    ("log/tile/0/001.p/46", NONE),
    ("log/tile/1/000.p/1", NONE),
    ("log/tile/entries/001.p/46", NONE),
    ("log/tile/0/000", ALL),
    ("log/tile/entries/000", ALL),
    ("log-state/journal", &[Forbidden]), // its owner takes the permission back
    ("log-state/journal/ACTIVE", NONE),
    ("log-state/journal/SPARE", &[Random, Nuls]),
    ("log-state/journal/last.rec", CONTENT),
    ("log-state/subjects.keys", NONE),
    ("log-state/lock", CONTENT),
];

/// A log as a crash leaves it: its last entry is in the journal alone, and it has one of every file. Its key.
fn make_log(folder: &Path) -> Trust {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let submit = async |ledger: &Ledger, number: usize| {
        ledger.submit(Text(number.to_string())).unwrap().durable().await.unwrap();
    };
    let crash = async |from: &Path, ledger: Ledger, to: &Path| {
        ledger.publish().await.unwrap();
        copy(&from.join("log"), &to.join("log"));
        submit(&ledger, 0).await;
        copy(&from.join("log-state"), &to.join("log-state"));
    };
    runtime.block_on(async {
        let (first, second) = (temporary_folder().unwrap(), temporary_folder().unwrap());
        let ledger = Ledger::open(config(first.path())).await.unwrap();
        submit(&ledger, 0).await;
        ledger.close().await.unwrap();
        let ledger = Ledger::open(config(first.path())).await.unwrap();
        for number in 3..ENTRIES {
            submit(&ledger, number).await;
        }
        crash(first.path(), ledger, second.path()).await;
        let ledger = Ledger::open(config(second.path())).await.unwrap();
        submit(&ledger, 0).await;
        submit(&ledger, 0).await;
        let key = VerifierKey::parse(&ledger.vkey()).unwrap();
        crash(second.path(), ledger, folder).await;
        Trust::of_key(key)
    })
}

/// In memory where there is room: a copy of a log is made for each case, and none is to last.
fn temporary_folder() -> std::io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let copied = Command::new("cp").args(["-a", "--reflink=auto", "-T"]).args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// The file that a row of the table stands for.
fn find(folder: &Path, name: &str) -> PathBuf {
    let (parent, last) = name.rsplit_once('/').unwrap_or(("", name));
    let mut segments: Vec<_> = fs::read_dir(folder.join("log-state/journal"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    segments.sort();
    let is_spare = |path: &PathBuf| path.to_string_lossy().contains("/spare-");
    match last {
        "ACTIVE" => segments.into_iter().rfind(|path| !is_spare(path)).unwrap(),
        "SPARE" => segments.into_iter().find(is_spare).unwrap(),
        _ => folder.join(parent).join(last),
    }
}

fn replace(path: &Path, replacement: Replacement) {
    let length = fs::metadata(path).unwrap().len() as usize;
    if replacement == Forbidden {
        return fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    match replacement {
        Random => {
            let mut bytes = vec![0; length];
            aws_lc_rs::rand::fill(&mut bytes).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Empty => fs::write(path, []).unwrap(),
        Nuls => fs::write(path, vec![0; length]).unwrap(),
        Folder => fs::create_dir(path).unwrap(),
        Fifo => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        LinkLoop => symlink(path, path).unwrap(),
        Forbidden => {}
    }
}

/// Everything in a folder but the lock: what it is and what it holds.
fn everything(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, kind) = (file.path(), file.file_type().unwrap());
        if kind.is_dir() {
            found.extend(everything(&path));
            found.insert(path, "folder".to_owned());
        } else if kind.is_file() && !path.ends_with("log-state/lock") {
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &fs::read(&path).unwrap());
            found.insert(path, format!("{digest:?}"));
        } else {
            found.insert(path, format!("link {}, FIFO {}", kind.is_symlink(), kind.is_fifo()));
        }
    }
    found
}

/// Opens the log in a process of its own, which is no root: `Ok` with its last line, `opened` or a refusal.
fn open(folder: &Path, context: &str) -> Result<(), String> {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "whatever_replaces_a_file_is_named_and_kept", "--nocapture"]).env(CHILD, folder);
    let started = Instant::now();
    let mut running = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while running.try_wait().unwrap().is_none() {
        if started.elapsed() > OPENING_MAX {
            running.kill().unwrap();
            panic!("{context}: opening hangs");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = running.wait_with_output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && !errors.contains("panicked"), "{context}: {errors}");
    let refusal = said.lines().find_map(|line| line.strip_prefix("refused: "));
    let opened = said.lines().any(|line| line == "opened");
    assert!(opened != refusal.is_some(), "{context}: {said}");
    refusal.map_or(Ok(()), |refusal| Err(refusal.to_owned()))
}

/// The child: takes the place of an ordinary user, opens, writes, closes; how it went.
fn open_as_nobody(folder: &Path) -> String {
    if nix::unistd::Uid::effective().is_root() {
        nix::unistd::seteuid(nix::unistd::Uid::from_raw(NOBODY)).unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let opened = runtime.block_on(async {
        let ledger = Ledger::open(config(folder)).await?;
        ledger.submit(Text("after".to_owned()))?.durable().await?;
        ledger.close().await
    });
    opened.map_or_else(|error| format!("refused: {error}"), |()| "opened".to_owned())
}

fn give_to_nobody(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|file| give_to_nobody(&file.unwrap().path()));
    }
}

#[test]
fn whatever_replaces_a_file_is_named_and_kept() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return println!("{}", open_as_nobody(Path::new(&folder)));
    }
    let whole = temporary_folder().unwrap();
    let trust = make_log(whole.path());
    let (mut refused, mut opened) = (0, 0);
    for (name, opens) in FILES {
        for replacement in REPLACEMENTS {
            let context = format!("{name} replaced: {replacement:?}");
            let folder = temporary_folder().unwrap();
            copy(whole.path(), folder.path());
            if nix::unistd::Uid::effective().is_root() {
                give_to_nobody(folder.path());
            }
            let path = find(folder.path(), name);
            replace(&path, replacement);
            if nix::unistd::Uid::effective().is_root() && replacement != LinkLoop {
                chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            let before = everything(folder.path());
            let outcome = open(folder.path(), &context);
            let after = everything(folder.path());
            match outcome {
                Err(why) => {
                    refused += 1;
                    assert!(!opens.contains(&replacement), "{context}: {why}");
                    let shown = path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned();
                    // The log's own files by their paths in it.
                    let shown = shown.strip_prefix("log/").unwrap_or(&shown);
                    assert!(why.contains(shown), "{context}: the file is not named: {why}");
                    assert!(MENDS.iter().any(|mend| why.contains(mend)), "{context}: no mend: {why}");
                    // By then the journal's entries may have been published.
                    if !name.ends_with("SPARE") && !name.ends_with("subjects.keys") {
                        assert_eq!(before, after, "{context}: something was changed: {why}");
                    }
                    assert_eq!(before.get(&path), after.get(&path), "{context}: it was changed: {why}");
                }
                Ok(()) => {
                    opened += 1;
                    assert!(opens.contains(&replacement), "{context}: the log opens");
                    let log = LogFolder::new(folder.path().join("log"));
                    if name.starts_with("log/") {
                        assert_eq!(before.get(&path), after.get(&path), "{context}: it was changed");
                        // Root may read it.
                        if replacement != Forbidden || !nix::unistd::Uid::effective().is_root() {
                            let error =
                                verify_log(&log, Some(&trust), &mut |_, _| {}).unwrap_err().to_string();
                            assert!(
                                error.contains("tile/") || error.contains("entry "),
                                "{context}: {error}"
                            );
                        }
                    } else {
                        verify_log(&log, Some(&trust), &mut |_, _| {}).unwrap();
                    }
                }
            }
        }
    }
    println!("{refused} refused, {opened} of no matter to a start");
}
