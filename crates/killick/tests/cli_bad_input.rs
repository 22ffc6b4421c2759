//! Whatever is wrong is told in one clear sentence with the right exit code; nothing panics, nothing is lost.
//! `docs/reference/errors.md` is this table for people.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails here says why"
)]

#[expect(dead_code, reason = "other test files use the rest")]
mod cli_support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use cli_support::{Answer, KILLICK, Up, command, killick};
use serde_json::Value;

/// One sentence, a code, an exit code; and not a word of a panic.
fn expect(answer: &Answer, exit: i32, code: &str, words: &[&str]) {
    let error = answer.error();
    assert_eq!((answer.code, error["code"].as_str()), (exit, Some(code)), "{answer:?}");
    let sentence = error["error"].as_str().unwrap();
    assert_eq!(error["exit"].as_i64(), Some(i64::from(exit)), "{answer:?}");
    assert!(!sentence.is_empty() && !sentence.contains('\n') && sentence.len() < 400, "{sentence}");
    for word in words {
        assert!(error.to_string().contains(word), "`{word}` is missing: {error}");
    }
    assert!(!answer.err.contains("panicked") && !answer.err.contains("RUST_BACKTRACE"), "{answer:?}");
    assert!(answer.out.is_empty(), "a failure prints nothing else on stdout: {answer:?}");
}

/// A data folder as `killick up` leaves it.
fn used_folder(dir: &Path) {
    assert_eq!(Up::start(dir).stop(), 0);
}

fn up(dir: &Path) -> Answer {
    killick(dir, &["up", "--any-port", "--json"])
}

#[test]
fn wrong_words_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    for (line, code, words) in [
        (&["frobnicate"][..], "usage", &["frobnicate"][..]),
        (&["agent", "onboard", "bot"], "usage", &["--owner"]),
        (&["agent", "onboard", "bot", "--owner", "ada"], "usage", &["--model"]),
        (&["agent", "onboard", "Bad Name", "--owner", "a", "--model", "m"], "name.invalid", &["Bad Name"]),
        (&["agent", "onboard", "../escape", "--owner", "a", "--model", "m"], "name.invalid", &["escape"]),
        (&["agent", "observe", "bot"], "usage", &["--for"]),
        (&["agent", "observe", "bot", "--for", "1fortnight"], "usage", &["1fortnight"]),
        (&["token", "grant", "bot", "read invoices"], "grant.syntax", &["column"]),
        (&["token", "inspect"], "agent.none", &["killick agent onboard"]),
        (&["token", "inspect", "nobody"], "agent.unknown", &["nobody"]),
        (&["call", "read:invoices"], "agent.none", &[]),
        (&["call", "read:invoices", "--as", "nobody"], "agent.unknown", &["nobody"]),
        (&["run", "--as", "nobody", "--", "true"], "agent.unknown", &["nobody"]),
        (&["run"], "usage", &["COMMAND"]),
        (&["revoke", "agent"], "usage", &["VALUE"]),
        (&["log", "verify"], "file.missing", &["log"]),
        (&["log", "verify", "/no/such/log"], "file.missing", &["/no/such/log"]),
        (&["log", "show", "/no/such/log"], "file.missing", &["/no/such/log"]),
        (&["config", "check"], "file.missing", &["killick up"]),
        (&["config", "check", "/no/such/killick.toml"], "file.missing", &["/no/such/killick.toml"]),
        (&["policy", "check", "/no/such.cedar"], "file.missing", &["/no/such.cedar"]),
        (&["policy", "check"], "file.missing", &["policies"]),
        (
            &["catalogue", "import", "/no/such.json", "--upstream", "x", "--url", "http://x"],
            "file.missing",
            &["/no/such.json"],
        ),
        (&["catalogue", "show"], "folder.empty", &["killick up"]),
        // A device has no end.
        (&["config", "check", "/dev/zero"], "limit.size", &["/dev/zero"]),
        (
            &["token", "verify", "--anchor", "/dev/zero", "--chain", "chain", "--tool", "x"],
            "limit.size",
            &["/dev/zero"],
        ),
        (&["up", "--gateway", "here"], "usage", &["here"]),
    ] {
        let mut line = line.to_vec();
        let at = line.iter().position(|word| *word == "--").unwrap_or(line.len());
        line.insert(at, "--json");
        expect(&killick(&dir, &line), 2, code, words);
    }
    assert!(!dir.exists(), "no mistake leaves a folder behind");
}

#[test]
fn nobody_answers() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    for line in [
        &["status"][..],
        &["agent", "list"],
        &["agent", "show", "bot"],
        &["revoke", "all"],
        &["token", "grant", "b", "read:x"],
    ] {
        let mut line = line.to_vec();
        line.push("--json");
        expect(&killick(&dir, &line), 3, "admin.unreachable", &["killick up"]);
    }
    let source = [
        "catalogue",
        "import",
        "http://127.0.0.1:1/openapi.json",
        "--upstream",
        "x",
        "--url",
        "http://x",
        "--json",
    ];
    expect(&killick(&dir, &source), 3, "source.unreachable", &["127.0.0.1:1"]);
}

#[test]
fn the_text_for_people_is_a_sentence_and_a_mend() {
    let folder = tempfile::tempdir().unwrap();
    let answer = killick(&folder.path().join("data"), &["status"]);
    assert_eq!((answer.code, answer.out.as_str()), (3, ""));
    let lines: Vec<&str> = answer.err.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("error: ") && lines[1].starts_with("mend: "),
        "{answer:?}"
    );
    assert!(!answer.err.contains('\u{1b}'), "no colour where no terminal is");
}

#[test]
fn a_bad_configuration_stops_the_start_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    for (text, words) in [
        ("trust_domain = \"a.example\"\nlissten = 3\n", &["line 2", "lissten"][..]),
        (
            "trust_domain = \"a.example\"\n[gateway]\nlistn = \"127.0.0.1:0\"\n",
            &["line 3", "did you mean `listen`?"],
        ),
        ("trust_domain = \"A b\"\n", &["line 1", "A b"]),
        ("trust_domain = \"a.example\"\ntime_zone = \"Mars/Base\"\n", &["line 2", "Europe/Berlin"]),
        ("trust_domain = \"a.example\"\n[gateway]\nlisten = \"nowhere\"\n", &["line 3"]),
        ("trust_domain = \n", &["line 1"]),
        ("", &["trust_domain"]),
    ] {
        std::fs::write(dir.join("killick.toml"), text).unwrap();
        expect(&up(&dir), 2, "config.invalid", words);
        let checked = killick(&dir, &["config", "check", "--json"]);
        expect(&checked, 1, "config.invalid", words);
        assert_eq!(checked.error()["ok"], false);
    }
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "nothing was written beside it");
    let elsewhere = killick(
        &dir,
        &[
            "up",
            "--trust-domain",
            "No Domain",
            "--dir",
            folder.path().join("new").to_str().unwrap(),
            "--json",
        ],
    );
    expect(&elsewhere, 2, "trust_domain.invalid", &["No Domain"]);
}

#[test]
fn a_busy_port() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for option in ["--gateway", "--console", "--admin"] {
        let mut line = vec!["up", "--json"];
        for other in ["--gateway", "--console", "--admin"] {
            line.extend([other, if other == option { address.as_str() } else { "127.0.0.1:0" }]);
        }
        expect(&killick(&dir, &line), 1, "port.busy", &[&address, "killick.toml"]);
    }
    expect(
        &killick(&dir, &["up", "--gateway", "192.0.2.1:1", "--json"]),
        1,
        "port.address",
        &["192.0.2.1:1"],
    );
}

#[test]
fn one_process_for_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let first = Up::start(&dir);
    expect(&up(&dir), 1, "folder.busy", &["--dir", &first.pid().to_string()]);
    first.run(&["status"]).fine();
    let other = killick(&dir, &["up", "--trust-domain", "other.example", "--json"]);
    expect(&other, 2, "trust_domain.fixed", &["other.example"]);
    assert_eq!(first.stop(), 0);
}

#[test]
fn what_the_authority_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let up = Up::start(&dir);
    let run = |line: &[&str]| {
        let mut line = line.to_vec();
        line.push("--json");
        up.run(&line)
    };
    expect(&run(&["agent", "show", "nobody"]), 2, "identity.unknown", &["nobody"]);
    expect(&run(&["agent", "suspend", "nobody"]), 2, "identity.unknown", &["nobody"]);
    expect(&run(&["token", "grant", "nobody", "read:invoices"]), 2, "identity.unknown", &["nobody"]);
    run(&["agent", "onboard", "bot", "--owner", "ada", "--model", "m@1"]).fine();
    expect(
        &run(&["agent", "onboard", "bot", "--owner", "ada", "--model", "m@1"]),
        2,
        "agent.exists",
        &["bot"],
    );
    let unknown = run(&["token", "grant", "bot", "read:unicorns"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.error()["error"].as_str().unwrap().contains("unicorns"), "{unknown:?}");
    expect(&run(&["call", "read:unicorns"]), 2, "token.none", &["killick token grant bot"]);
    let bad = dir.join("openapi.json");
    std::fs::write(&bad, "{ not json").unwrap();
    let import = |source: &str| {
        run(&["catalogue", "import", source, "--upstream", "x", "--url", "http://127.0.0.1:1"])
    };
    expect(&import(bad.to_str().unwrap()), 2, "openapi.invalid", &["openapi.json"]);
    std::fs::write(&bad, r#"{"openapi":"3.1.0","paths":{"/a/{x":{"get":{}}}}"#).unwrap();
    assert_eq!(import(bad.to_str().unwrap()).code, 2);
    let openapi = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop/openapi/invoices.json");
    import(openapi).fine();
    std::fs::write(
        dir.join("policies/bad.cedar"),
        "permit (principal, action, resource) when { context.nonsense };",
    )
    .unwrap();
    expect(&run(&["policy", "check"]), 1, "policy.invalid", &["bad"]);
    assert_eq!(up.stop(), 0);
}

#[test]
fn a_damaged_folder_is_not_run_on_and_not_changed() {
    for (file, code) in [
        ("log/checkpoint", None),
        ("log/tile/entries/000.p/1", Some("log.damaged")),
        ("authority.db", None),
        ("catalogue.json", Some("catalogue.invalid")),
        ("keys/log.key", None),
        ("keys/svid-ca.der", None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("data");
        used_folder(&dir);
        let path = dir.join(file);
        if !path.exists() {
            continue; // Partial tiles are named after the size, which may differ.
        }
        std::fs::write(&path, "damaged, and not by us").unwrap();
        let answer = up(&dir);
        assert_eq!(answer.code, 1, "{file}: {answer:?}");
        let error = answer.error();
        if let Some(code) = code {
            assert_eq!(error["code"].as_str(), Some(code), "{file}: {error}");
        }
        assert!(!answer.err.contains("panicked"), "{file}: {answer:?}");
        assert_eq!(std::fs::read(&path).unwrap(), b"damaged, and not by us", "{file} is kept as evidence");
        assert!(!dir.join("run.json").exists());
    }
}

#[test]
fn a_log_that_was_tampered_with_does_not_verify() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    used_folder(&dir);
    let trust = dir.join("trust.json");
    let verify = |args: &[&str]| {
        let mut line = vec!["log", "verify", "--json"];
        line.extend(args);
        killick(&dir, &line)
    };
    verify(&["--trust", trust.to_str().unwrap()]).fine();
    // One entry of the newest bundle, one letter of it.
    let bundles = dir.join("log/tile/entries/000.p");
    for bundle in std::fs::read_dir(&bundles).unwrap() {
        let path = bundle.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(4).position(|window| window == b"kind").unwrap();
        bytes[at] ^= 1;
        let _ = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644));
        std::fs::write(&path, bytes).unwrap();
    }
    let answer = verify(&["--trust", trust.to_str().unwrap()]);
    assert_eq!((answer.code, answer.json()["verified"].as_bool()), (56, Some(false)), "{answer:?}");
    for member in ["origin", "size", "root", "key_source", "witnesses", "error"] {
        assert!(answer.json().get(member).is_some(), "{member}: {answer:?}");
    }
    let doctor = killick(&dir, &["doctor", "--json"]);
    assert_eq!((doctor.code, doctor.json()["grade"].as_str()), (1, Some("fail")));
    // Another installation's trust file is not this log's.
    let other = folder.path().join("other");
    used_folder(&other);
    let answer = verify(&["--trust", other.join("trust.json").to_str().unwrap()]);
    assert_eq!(answer.code, 51, "{answer:?}");
    std::fs::write(&trust, "{").unwrap();
    assert_eq!(verify(&["--trust", trust.to_str().unwrap()]).code, 2);
}

#[test]
fn an_authority_restored_from_an_old_backup_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, backup) = (folder.path().join("data"), folder.path().join("backup"));
    used_folder(&dir);
    let copy = |from: &Path, to: &Path, names: &[&str]| {
        for name in names {
            let _ = std::fs::remove_dir_all(to.join(name));
            let copied = Command::new("cp").arg("-a").arg(from.join(name)).arg(to).status().unwrap();
            assert!(copied.success(), "{name}");
        }
    };
    let authority = ["authority.db", "directory-log", "directory-log-state"];
    std::fs::create_dir(&backup).unwrap();
    copy(&dir, &backup, &authority);
    let again = Up::start(&dir);
    again.run(&["agent", "onboard", "bot", "--owner", "ada@acme.example", "--model", "m@1"]).fine();
    again.run(&["revoke", "agent", "bot"]).fine();
    assert_eq!(again.stop(), 0);
    let newest = folder.path().join("newest");
    std::fs::create_dir(&newest).unwrap();
    copy(&dir, &newest, &authority);

    copy(&backup, &dir, &authority[..1]);
    expect(&up(&dir), 1, "state.rollback", &["authority.db", "directory log"]);
    copy(&backup, &dir, &authority[1..]);
    expect(&up(&dir), 1, "state.rollback", &["bundle.jws", "revocations"]);
    copy(&newest, &dir, &authority);
    used_folder(&dir);
}

#[test]
fn keys_that_others_can_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    used_folder(&dir);
    let key = dir.join("keys/gateway.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let doctor = killick(&dir, &["doctor", "--json"]);
    assert_eq!(doctor.code, 1);
    assert!(doctor.json()["checks"].to_string().contains("chmod 600"), "{doctor:?}");
    let answer = up(&dir);
    if answer.code != 0 {
        assert!(answer.error()["error"].as_str().unwrap().contains("gateway.key"), "{answer:?}");
    }
}

#[test]
fn a_folder_that_may_not_be_written() {
    if nix::unistd::geteuid().is_root() {
        // Root may write everywhere, so the folder is made impossible instead: a file stands in its place.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let answer = up(&file.join("data"));
        assert_eq!(answer.code, 1, "{answer:?}");
        assert!(answer.error()["error"].as_str().unwrap().contains("file/data"), "{answer:?}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o500)).unwrap();
    expect(&up(&dir), 1, "file.permission", &[dir.to_str().unwrap()]);
}

#[test]
fn a_full_disk_stops_the_start_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    used_folder(&dir);
    let before = killick(&dir, &["log", "verify", "--json"]).fine().json();
    // No file may grow beyond 4 KiB: what a full disk answers, without filling one. SIGXFSZ is ignored, so that
    // writing fails as it does on a full disk.
    let answer = Answer::of(
        Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" up --any-port --json", KILLICK])
            .env("KILLICK_DIR", &dir)
            .output()
            .unwrap(),
    );
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.out.is_empty() && !answer.err.contains("panicked"), "{answer:?}");
    let error = answer.error();
    assert!(error["error"].is_string() && error["code"].is_string(), "{error}");
    let after = killick(&dir, &["log", "verify", "--json"]).fine().json();
    assert!(after["size"].as_u64() >= before["size"].as_u64(), "{before} {after}");
    let again = Up::start(&dir);
    again.run(&["status"]).fine();
    assert_eq!(again.stop(), 0);
}

/// A small disk of its own; `None` where this user may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_that_fills_up_ends_the_process_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: only root can mount a small disk; the test above covers the start on a full one");
        return;
    };
    let dir = disk.0.path().join("data");
    let (up, shop) = cli_support::invoices(&dir);
    up.run(&["token", "grant", "invoice-bot", "read:invoices"]).fine();
    let id = format!("id={}", cli_support::an_invoice());
    let acknowledged =
        up.run(&["call", "read:invoices", &id, "--json"]).fine().json()["log_index"].as_u64().unwrap();
    let filler = disk.0.path().join("filler");
    // Until nothing more fits: its failure is the purpose.
    let _ =
        Command::new("dd").arg("if=/dev/zero").arg(format!("of={}", filler.display())).arg("bs=4k").output();
    let mut last = acknowledged;
    for _ in 0..2_000 {
        // The receipt does not fit any more either; the call's exit code says so, and the log index is in the answer.
        let answer = up.run(&["call", "read:invoices", &id, "--json"]);
        assert!(!answer.err.contains("panicked"), "{answer:?}");
        if answer.code == 0 {
            last = answer.json()["log_index"].as_u64().unwrap();
        }
        if answer.code == 3 {
            break;
        }
    }
    let (code, said) = up.wait();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("log.stopped"), "{said}");
    std::fs::remove_file(&filler).unwrap();
    let again = Up::start(&dir);
    again.run(&["call", "read:invoices", &id]).fine();
    assert_eq!(again.stop(), 0);
    let log = killick(&dir, &["log", "verify", "--json"]).fine().json();
    assert!(log["size"].as_u64().unwrap() > last, "{log}");
    drop(shop);
}

#[test]
fn results_on_a_full_pipe_are_no_panic() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), &["config", "default"]).stdout(full).output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

#[test]
fn every_result_is_json_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let up = Up::start(&dir);
    let man = folder.path().join("man");
    for line in [
        &["status"][..],
        &["doctor"],
        &["agent", "list"],
        &["catalogue", "show"],
        &["policy", "check"],
        &["config", "check"],
        &["config", "default"],
        &["log", "verify"],
        &["log", "show"],
        &["log", "show", "--index", "0"],
        &["completions", "bash"],
        &["man", man.to_str().unwrap()],
        &["docs"],
        &["revoke", "model", "no-such-model"],
        &["revoke", "all"],
        &["revoke", "all", "--lift"],
    ] {
        let mut line = line.to_vec();
        line.push("--json");
        let value: Value = up.run(&line).fine().json();
        assert!(value.is_object(), "{line:?}: {value}");
    }
    assert_eq!(up.stop(), 0);
}
