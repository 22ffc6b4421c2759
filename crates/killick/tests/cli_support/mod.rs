//! Real processes, free ports, folders of their own; nothing sleeps: everything waits for a line or an exit.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// The program under test.
pub const KILLICK: &str = env!("CARGO_BIN_EXE_killick");

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Answer {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Exit code 0, or everything that was said.
    pub fn fine(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// The one line of JSON on stdout.
    pub fn json(&self) -> Value {
        assert_eq!(self.out.trim_end().lines().count(), 1, "not one line: {self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one line of JSON on stderr.
    pub fn error(&self) -> Value {
        let line = self.err.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// `killick` with these arguments on a data folder.
pub fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(KILLICK);
    command.args(args).env("KILLICK_DIR", dir).stdin(Stdio::null());
    // The machine's own proxy settings are no part of a test.
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "no_proxy",
        "NO_PROXY",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs `killick` to its end.
pub fn killick(dir: &Path, args: &[&str]) -> Answer {
    Answer::of(command(dir, args).output().unwrap())
}

/// A running `killick up`.
pub struct Up {
    pub ready: Value,
    dir: PathBuf,
    child: Child,
    said: Option<std::thread::JoinHandle<String>>,
}

impl Up {
    /// Starts it on free ports and waits until it says that it is ready.
    pub fn start(dir: &Path) -> Self {
        let mut child = command(dir, &["up", "--any-port", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let _ = child.kill();
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("killick up did not become ready: {line}{said}");
        };
        assert_eq!(ready["ready"], true);
        // Keep reading what it logs, so that it never waits for us.
        let mut log = child.stderr.take().unwrap();
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            let _ = log.read_to_string(&mut said);
            said
        });
        Self { ready, dir: dir.to_owned(), child, said: Some(said) }
    }

    pub fn url(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Runs a command on the same folder.
    pub fn run(&self, args: &[&str]) -> Answer {
        killick(&self.dir, args)
    }

    /// SIGTERM, and its exit code.
    pub fn stop(mut self) -> i32 {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Waits until it ends by itself: its exit code and what it logged.
    pub fn wait(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, self.said.take().unwrap().join().unwrap())
    }

    /// SIGKILL: as a power cut does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A service of the example shop, behind the gateway.
pub struct Shop {
    pub url: String,
    child: Child,
}

/// Opens the shop's receipt book.
pub const ORACLE_SECRET: &str = "oracle-secret-of-this-test";

impl Shop {
    /// Starts a service that takes only what this folder's gateway signed.
    pub fn start(dir: &Path, service: &str) -> Self {
        let trust: Value = serde_json::from_slice(&std::fs::read(dir.join("trust.json")).unwrap()).unwrap();
        let jwk = trust["gateway"]["jwk"].to_string();
        let mut child = Command::new(KILLICK)
            .args(["shop", service, "--guard", "gateway", "--gateway-jwk", &jwk, "--dir"])
            .arg(dir.join("shop"))
            .env("KILLICK_SHOP_ORACLE_SECRET", ORACLE_SECRET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { url, child }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A shop's invoices behind a running killick, with `invoice-bot` onboarded.
pub fn invoices(dir: &Path) -> (Up, Shop) {
    let up = Up::start(dir);
    let shop = Shop::start(dir, "invoices");
    let openapi = format!("{}/openapi.json", shop.url);
    up.run(&[
        "catalogue",
        "import",
        &openapi,
        "--upstream",
        "invoices",
        "--url",
        &shop.url,
        "--host",
        "invoices.shop.example",
    ])
    .fine();
    up.run(&[
        "agent",
        "onboard",
        "invoice-bot",
        "--owner",
        "ada@acme.example",
        "--model",
        "claude-opus@2026-05",
    ])
    .fine();
    (up, shop)
}

/// An id of an invoice that the shop begins with.
pub fn an_invoice() -> String {
    let seed: Value =
        serde_json::from_str(include_str!("../../../../examples/shop/seed/invoices.json")).unwrap();
    let list = seed.as_array().or_else(|| seed["invoices"].as_array()).unwrap();
    list[0]["id"].as_str().unwrap().to_owned()
}
