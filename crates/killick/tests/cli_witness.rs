//! Witnesses through the command line: real processes, real sockets; the guide's commands; and a second witness, written
//! from the specification alone (`tests/oracle/witness.py`).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that fails here says why"
)]

#[expect(dead_code, reason = "other test files use the rest")]
mod cli_support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cli_support::{Answer, KILLICK, Up, command, killick};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A bound on what takes a second or two; nothing waits for it unless it fails.
const SOON: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A process that says on its first line where it is.
struct Said {
    child: Child,
    first: Value,
}

impl Said {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let first = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Self { child, first }
    }

    fn text(&self, name: &str) -> &str {
        self.first[name].as_str().unwrap()
    }

    /// SIGTERM, and its exit code.
    fn stop(mut self) -> i32 {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Our own witness, for these logs.
fn witness(dir: &Path, name: &str, logs: &[String]) -> Said {
    if !dir.join("witness").exists() {
        killick(dir, &["witness", "init", name]).fine();
    }
    let mut args = vec!["witness", "serve", "--listen", "127.0.0.1:0", "--json"];
    for log in logs {
        args.extend(["--log", log.as_str()]);
    }
    let mut command = command(dir, &args);
    command.stderr(Stdio::null());
    Said::start(command)
}

/// An installation that was started once, and the keys of its two logs.
fn installation(dir: &Path) -> Vec<String> {
    assert_eq!(Up::start(dir).stop(), 0);
    let trust: Value = serde_json::from_slice(&std::fs::read(dir.join("trust.json")).unwrap()).unwrap();
    ["log_vkey", "directory_vkey"].map(|name| trust[name].as_str().unwrap().to_owned()).to_vec()
}

/// Puts witnesses into the configuration: key, address, operator, and whether the address is a tunnel's.
fn configure(dir: &Path, quorum: usize, witnesses: &[(&str, &str, &str, bool)]) {
    let path = dir.join("killick.toml");
    let kept = std::fs::read_to_string(&path).unwrap();
    let before = kept.split("\n# quorum = 1").next().unwrap().split("\nquorum").next().unwrap().to_owned();
    let mut text = format!("{before}\nquorum = {quorum}\n");
    for (vkey, url, operator, tunnel) in witnesses {
        text.push_str(&format!(
            "[[ledger.witnesses]]\nvkey = \"{vkey}\"\nurl = \"{url}\"\noperator = \"{operator}\"\ntunnel = {tunnel}\n"
        ));
    }
    std::fs::write(&path, text).unwrap();
}

/// `killick status --json`, once what it says of the witnesses is as asked for.
fn until(up: &Up, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let status = up.run(&["status", "--json"]).fine().json();
        if is(&status["witnesses"]) {
            return status;
        }
        assert!(started.elapsed() < SOON, "never {what}: {status:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_witnessed(state: &Value) -> bool {
    state["head"]["size"].as_u64().is_some() && state["head"]["size"] == state["entries"]
}

/// The Python that has the oracles' packages; `None`, said so, where there is none and that is permitted.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("KILLICK_ORACLE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let imports = Command::new(&python).args(["-c", "import cryptography"]).output();
    let has = imports.is_ok_and(|output| output.status.success());
    let may_skip = std::env::var_os("KILLICK_NO_SKIP").is_none();
    assert!(has || may_skip, "python3 has no `cryptography`: cargo xtask setup");
    if !has {
        println!("skipped: no python3 with `cryptography`");
    }
    has.then_some(python)
}

fn oracle(python: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(python);
    command.arg(root().join("tests/oracle/witness.py")).args(args);
    command
}

#[test]
fn without_a_witness_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(dir.path());
    let said = up.run(&["status"]).fine().out;
    assert!(said.contains("signed by its own key alone: no witness is configured"), "{said}");
    let said = up.run(&["doctor"]).out;
    assert!(said.contains("warn  witnesses    log") && said.contains("[ledger] in killick.toml"), "{said}");
    assert_eq!(up.stop(), 0);
}

/// Our log obtains cosignatures from our witness and from one that knows nothing of our code.
#[test]
fn two_implementations_witness_both_logs() {
    let Some(python) = python() else { return };
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let logs = installation(dir.path());
    let ours = witness(other.path(), "witness.example/ours", &logs);
    let mut args = vec!["serve", "oracle.example/witness"];
    args.extend(logs.iter().map(String::as_str));
    let theirs = Said::start(oracle(&python, &args));
    configure(
        dir.path(),
        2,
        &[
            (ours.text("vkey"), ours.text("url"), "one", true),
            (theirs.text("vkey"), theirs.text("url"), "two", true),
        ],
    );
    let up = Up::start(dir.path());
    let status =
        until(&up, "witnessed", |state| is_witnessed(&state["log"]) && is_witnessed(&state["directory"]));
    assert_eq!(status["witnesses"]["log"]["head"]["operators"], 2);
    let by = &status["witnesses"]["log"]["head"]["by"];
    assert!(
        by.to_string().contains("witness.example/ours") && by.to_string().contains("oracle.example/witness"),
        "{by}"
    );
    // More entries, further heads.
    up.run(&["agent", "onboard", "ada", "--owner", "eve", "--model", "m@1"]).fine();
    let before = status["witnesses"]["directory"]["entries"].as_u64().unwrap();
    until(&up, "witnessed again", |state| {
        is_witnessed(&state["directory"]) && state["directory"]["entries"].as_u64().unwrap() > before
    });
    let said = up.run(&["status"]).fine().out;
    assert!(said.contains("witnessed 2/2 at 2"), "{said}");
    assert!(up.run(&["doctor"]).out.contains("ok    witnesses"));
    // The note in the folder, checked by the independent verifier's own reading: a checkpoint with three signatures.
    let note = std::fs::read_to_string(dir.path().join("log/witnessed")).unwrap();
    assert_eq!(note.matches("\n— ").count(), 3, "{note}");
    // trust.json names the witnesses, for whoever verifies the log elsewhere.
    let trust = std::fs::read_to_string(dir.path().join("trust.json")).unwrap();
    assert!(trust.contains(ours.text("vkey")) && trust.contains(theirs.text("vkey")), "{trust}");
    assert_eq!(up.stop(), 0);
    assert_eq!(ours.stop(), 0);

    // Whoever gets a copy sees how far others vouch for it: by our verifier and by the Python one.
    let (log, trust) = (dir.path().join("log"), dir.path().join("trust.json"));
    let (log, trust) = (log.to_str().unwrap(), trust.to_str().unwrap());
    let verify = |require: &str| {
        killick(
            dir.path(),
            &["log", "verify", log, "--trust", trust, "--require-witnesses", require, "--json"],
        )
    };
    let by_python = |require: &str| {
        let mut command = Command::new(&python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify_log.py"));
        command.args([log, "--trust", trust, "--require-witnesses", require, "--json"]);
        Answer::of(command.output().unwrap())
    };
    for said in [verify("2").fine().json(), by_python("2").fine().json()] {
        assert_eq!(
            (&said["operators"], said["witnessed_size"].as_u64() >= Some(1)),
            (&2.into(), true),
            "{said}"
        );
    }
    let proof = other.path().join("entry-0.tlog-proof");
    let mut prove = vec!["log", "prove", log, "--index", "0", "--trust", trust, "--require-witnesses", "2"];
    prove.extend(["--out", proof.to_str().unwrap(), "--json"]);
    killick(dir.path(), &prove).fine();
    assert_eq!(verify("3").json()["code"], "log.cosignature_missing");
    assert_eq!(by_python("3").json()["error"]["code"], "log.cosignature_missing");
    // What the witnesses cosigned is held against the log, and their signatures are looked at.
    let witnessed = dir.path().join("log/witnessed");
    let other = std::fs::read(dir.path().join("directory-log/witnessed")).unwrap();
    let mut changed = note.clone().into_bytes();
    let last = changed.len() - 8;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    for (bytes, code) in [(other, "log.origin"), (changed, "log.cosignature"), (b"x".to_vec(), "log.format")]
    {
        std::fs::write(&witnessed, bytes).unwrap();
        assert_eq!(verify("2").json()["code"], code);
        assert_eq!(by_python("2").json()["error"]["code"], code);
    }
    std::fs::remove_file(&witnessed).unwrap();
    assert_eq!(verify("2").json()["code"], "log.not_witnessed");
    assert_eq!(by_python("2").json()["error"]["code"], "log.not_witnessed");
}

/// The other way round: their client obtains cosignatures from our witness, and every refusal is the specification's.
#[test]
fn a_log_of_another_implementation_is_witnessed_here() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = Answer::of(oracle(&python, &["log"]).output().unwrap()).fine().out.trim().to_owned();
    let ours = witness(dir.path(), "witness.example/ours", &[log]);
    let asked = oracle(&python, &["ask", ours.text("url"), ours.text("vkey")]).output().unwrap();
    let said = Answer::of(asked).fine().json();
    assert_eq!(said["cosigned"], 13);
    let status = |name: &str| said["refusals"][name][0].as_u64().unwrap();
    assert_eq!((status("unknown"), status("unsigned"), status("beyond")), (404, 403, 400));
    assert_eq!(said["refusals"]["stale"], serde_json::json!([409, "text/x.tlog.size", "300\n"]));
    assert_eq!((status("forked"), status("rewritten"), status("unproved")), (422, 422, 422));
    assert_eq!(status("no request"), 400);
}

#[test]
fn a_witness_on_the_logs_own_host_does_not_count() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let logs = installation(dir.path());
    let ours = witness(other.path(), "witness.example/ours", &logs);
    configure(dir.path(), 1, &[(ours.text("vkey"), ours.text("url"), "one", false)]);
    let up = Up::start(dir.path());
    let status = until(&up, "cosigned", |state| state["log"]["witnesses"][0]["at"].as_u64().is_some());
    assert_eq!(status["witnesses"]["log"]["head"], Value::Null, "{status:#}");
    let said = up.run(&["status"]).fine().out;
    assert!(said.contains("no head has a quorum of 1"), "{said}");
    assert!(said.contains("not counted: witness.example/ours (it runs on the log's own host)"), "{said}");
    assert_eq!(up.stop(), 0);
}

/// HST-04: the image of an hour ago is restored and started.
#[test]
fn an_installation_that_was_set_back_does_not_start() {
    let (dir, other, image) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let logs = installation(dir.path());
    let ours = witness(other.path(), "witness.example/ours", &logs);
    configure(dir.path(), 1, &[(ours.text("vkey"), ours.text("url"), "one", true)]);
    let copy = |from: &Path, to: &Path| {
        let _ = std::fs::remove_dir_all(to);
        assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    };
    copy(dir.path(), &image.path().join("data"));
    let up = Up::start(dir.path());
    up.run(&["agent", "onboard", "ada", "--owner", "eve", "--model", "m@1"]).fine();
    until(&up, "witnessed", |state| is_witnessed(&state["directory"]));
    assert_eq!(up.stop(), 0);

    copy(&image.path().join("data"), dir.path());
    let refused = killick(dir.path(), &["up", "--any-port", "--json"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let error = refused.error();
    assert_eq!(error["code"], "log.behind_witness", "{error}");
    assert!(error["error"].as_str().unwrap().contains("witness.example/ours"), "{error}");
    assert!(error["mend"].as_str().unwrap().contains("newest copy"), "{error}");
    assert_eq!(ours.stop(), 0);

    // With the witness away it starts, and stops as soon as the witness is back.
    let address = image.path().join("port");
    std::fs::write(&address, "").unwrap();
    let up = Up::start(dir.path());
    let mut serve = command(other.path(), &["witness", "serve", "--json", "--listen"]);
    let configured = std::fs::read_to_string(dir.path().join("killick.toml")).unwrap();
    let port = configured.split("http://127.0.0.1:").last().unwrap().split('"').next().unwrap();
    serve.arg(format!("127.0.0.1:{port}")).stderr(Stdio::null());
    for log in &logs {
        serve.args(["--log", log]);
    }
    let ours = Said::start(serve);
    let (code, said) = up.wait();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("log.behind_witness") && said.contains("behind its witnesses"), "{said}");
    drop(ours);
}

#[test]
fn mistakes_are_told_with_their_mend() {
    let dir = tempfile::tempdir().unwrap();
    let told = |args: &[&str], exit: i32, code: &str, words: &str| {
        let answer = killick(dir.path(), args);
        let error = answer.error();
        assert_eq!((answer.code, error["code"].as_str().unwrap()), (exit, code), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    let key = installation(tempfile::tempdir().unwrap().path()).remove(0);
    told(&["witness", "key", "--json"], 1, "witness.state", "killick witness init");
    told(&["witness", "serve", "--json"], 2, "witness.config", "--log VKEY");
    told(&["witness", "init", "with space", "--json"], 2, "witness.config", "cannot name a witness");
    let made = killick(dir.path(), &["witness", "init", "witness.example/w1", "--json"]).fine().json();
    assert_eq!(killick(dir.path(), &["witness", "key"]).fine().out.trim(), made["vkey"].as_str().unwrap());
    told(
        &["witness", "init", "witness.example/w2", "--json"],
        1,
        "witness.state",
        "there is a witness already",
    );
    told(&["witness", "serve", "--log", "x", "--json"], 2, "witness.config", "is no log");
    std::fs::write(dir.path().join("witness/state/seen"), "").unwrap();
    told(&["witness", "serve", "--log", &key, "--json"], 1, "witness.state", "must not cosign any more");
}

/// `docs/how-to/run-a-witness.md`: its commands, as they stand there, lead to a witnessed log.
#[test]
fn the_guide_works() {
    let guide = std::fs::read_to_string(root().join("docs/how-to/run-a-witness.md")).unwrap();
    let script: String = guide.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let settings = guide.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let (there, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let logs = installation(&here.path().join("killick-data"));
    let mut commands = script.lines().filter(|line| !line.trim().is_empty());
    // At the witness: init, key, serve.
    let run = |line: &str, folder: &Path| {
        let line = line.replace("LOG_VKEY", &logs[0]).replace("DIRECTORY_VKEY", &logs[1]);
        let path = Path::new(KILLICK).parent().unwrap().display().to_string();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("PATH=\"{path}:$PATH\"; exec {line}")]).current_dir(folder);
        shell.env_remove("KILLICK_DIR");
        shell
    };
    let next = commands.next().unwrap();
    assert!(next.starts_with("killick witness init "), "{next}");
    Answer::of(run(next, there.path()).output().unwrap()).fine();
    let vkey = Answer::of(run(commands.next().unwrap(), there.path()).output().unwrap()).fine().out;
    let serve = commands.next().unwrap();
    assert!(serve.contains("--listen 0.0.0.0:7482"), "{serve}");
    let serve = format!("{} --json", serve.replace("0.0.0.0:7482", "127.0.0.1:0"));
    let mut serve = run(&serve, there.path());
    serve.stderr(Stdio::null());
    let witness = Said::start(serve);
    // At the log: the settings, then status.
    let settings = settings
        .replace("witness.example/w1+...", vkey.trim())
        .replace("http://witness.example:7482", witness.text("url"))
        .replace("tunnel = false", "tunnel = true");
    let path = here.path().join("killick-data/killick.toml");
    let kept = std::fs::read_to_string(&path).unwrap();
    let before = kept.split("\n[ledger]").next().unwrap();
    std::fs::write(&path, format!("{before}\n{settings}")).unwrap();
    let check = commands.next().unwrap();
    assert_eq!(check.trim(), "killick config check");
    Answer::of(run(check, here.path()).output().unwrap()).fine();
    let up = Up::start(&here.path().join("killick-data"));
    until(&up, "witnessed", |state| is_witnessed(&state["log"]));
    let status = commands.next().unwrap();
    assert_eq!(status.trim(), "killick status");
    let said = Answer::of(run(status, here.path()).output().unwrap()).fine().out;
    assert!(said.contains("witnessed 1/1 at 2"), "{said}");
    // What monitors see.
    let curl = commands.next().unwrap();
    assert!(curl.starts_with("curl "), "{curl}");
    assert_eq!(commands.next(), None);
    let hash = killick_tlog::witness::origin_hash(logs[0].split('+').next().unwrap());
    assert!(curl.contains("sha256sum"), "{curl}");
    let mut stream = std::net::TcpStream::connect(witness.text("url").trim_start_matches("http://")).unwrap();
    std::io::Write::write_all(
        &mut stream,
        format!("GET /{hash}/checkpoint HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n").as_bytes(),
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\n— witness.example/w1 "), "{answer}");
    assert_eq!(up.stop(), 0);
    assert_eq!(witness.stop(), 0);
}
