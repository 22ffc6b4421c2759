//! The two verifiers that share no code with ours: `tools/verify_log.py`, and `tests/oracle/go/verify_log.go` on Go's own
//! libraries. Each is started once for many logs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether a test that cannot do its work fails instead of saying so.
fn strict() -> bool {
    std::env::var_os("KILLICK_NO_SKIP").is_some()
}

/// The Python verifier, where there is a Python with `cryptography`.
pub(crate) fn python() -> Option<Command> {
    let named = std::env::var_os("KILLICK_ORACLE_PYTHON").map(PathBuf::from);
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let has = Command::new(&python).args(["-c", "import cryptography"]).output();
    let has = has.is_ok_and(|output| output.status.success());
    assert!(
        has || !(named.is_some() || strict()),
        "there is no Python with `cryptography`: cargo xtask setup"
    );
    if !has {
        println!("skipped: python3 with the package `cryptography` is not there");
        return None;
    }
    let mut command = Command::new(python);
    command.arg(repository().join("tools/verify_log.py"));
    Some(command)
}

/// The Go verifier: built by `cargo xtask setup`, or here where there are Go and Debian's golang-golang-x-mod-dev.
pub(crate) fn go() -> Option<Command> {
    if let Some(program) = std::env::var_os("KILLICK_ORACLE_GO") {
        return Some(Command::new(program));
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let program = folder.join(format!("verify_log-{}", std::process::id()));
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(repository().join("tests/oracle/go/verify_log.go"))
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("GOFLAGS", "")
        .env("GOCACHE", folder.join("cache"))
        .output();
    let built = built.is_ok_and(|output| output.status.success());
    assert!(built || !strict(), "the Go verifier cannot be built: cargo xtask setup");
    if !built {
        println!("skipped: Go with golang-golang-x-mod-dev is not there");
    }
    built.then(|| Command::new(program))
}

/// What a verifier in batch mode says to each request. `folder` is for its files.
pub(crate) fn batch(mut verifier: Command, requests: &[Value], folder: &Path) -> Vec<Value> {
    let path = folder.join("requests.jsonl");
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    std::fs::write(&path, lines).unwrap();
    let output = verifier
        .stdin(File::open(&path).unwrap())
        .stderr(Stdio::inherit())
        .output()
        .expect("a verifier starts");
    assert!(output.status.success(), "{verifier:?}: {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), requests.len());
    answers
}

/// `ok`, or the code of a Python answer.
pub(crate) fn code_of(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or(if answer["verified"] == true { "ok" } else { "?" })
}
