//! Log lines and traces, as configured; and never a secret in them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails here says why"
)]

#[expect(dead_code, reason = "other test files use the rest")]
mod cli_support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;

use cli_support::{command, killick};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Takes one request and returns its head and body.
fn collect(collector: &TcpListener) -> (String, Vec<u8>) {
    let (stream, _) = collector.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).unwrap();
    }
    let length = head
        .lines()
        .find_map(|line| {
            line.to_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap())
        })
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    (head, body)
}

#[test]
fn traces_go_to_the_configured_collector_and_lines_are_json() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", collector.local_addr().unwrap());
    std::fs::write(
        dir.join("killick.toml"),
        format!("trust_domain = \"a.example\"\n[log]\nformat = \"json\"\n[telemetry]\notlp_endpoint = \"{endpoint}\"\n"),
    )
    .unwrap();
    let mut child = command(&dir, &["up", "--any-port", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    killick(&dir, &["agent", "onboard", "bot", "--owner", "ada@a.example", "--model", "m@1"]).fine();
    let spans = std::thread::spawn(move || collect(&collector));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let (head, body) = spans.join().unwrap();
    assert!(head.starts_with("POST /v1/traces ") && head.contains("application/x-protobuf"), "{head}");
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains("start") && text.contains("killick") && text.contains("a.example"), "{text}");
    let mut lines = String::new();
    child.stderr.take().unwrap().read_to_string(&mut lines).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{lines}");
    assert!(lines.lines().count() >= 2, "{lines}");
    let secrets: Vec<String> = std::fs::read_dir(dir.join("keys"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .chain([dir.join("agents/bot/key")])
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .map(|text| text.trim().to_owned())
        .collect();
    assert!(secrets.len() >= 7, "the keys were found");
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value["level"].is_string(), "{line}");
        assert!(!secrets.iter().any(|secret| line.contains(secret)), "a secret in a log line");
    }
    assert!(!secrets.iter().any(|secret| text.contains(secret)), "a secret in a trace");
}

#[test]
fn a_collector_that_does_not_answer_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(
        dir.join("killick.toml"),
        "trust_domain = \"a.example\"\n[telemetry]\notlp_endpoint = \"http://127.0.0.1:1/v1/traces\"\n",
    )
    .unwrap();
    let up = cli_support::Up::start(&dir);
    up.run(&["status"]).fine();
    assert_eq!(up.stop(), 0);
}
