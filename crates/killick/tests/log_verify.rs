//! `killick log verify` and `killick log prove` from outside: an exit code for each diagnosis, over HTTP and TLS as from
//! a folder, witnesses counted by who runs them, receipts that a log does not keep, proofs that others verify.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[expect(dead_code, reason = "other test files use the rest")]
mod cli_support;
#[path = "../../killick-tlog/tests/strangers/world.rs"]
#[expect(dead_code, reason = "what these tests do not need of it")]
mod world;

use std::io::{BufRead as _, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use killick_tlog::hash::leaf_hash;
use killick_tlog::proof::inclusion_proof;
use killick_tlog::receipt::format_receipt;
use killick_tlog::verify::TileHashes;
use serde_json::Value;

use crate::cli_support::{Answer, command, killick};
use crate::world::{Files, entries, log, log_key, sibling, trust, witnesses};

/// A folder with a log, and a trust file beside it.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(files: &Files, trust: &Value) -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap() };
        for (path, bytes) in files {
            let path = stage.log().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        std::fs::write(stage.trust(), trust.to_string()).unwrap();
        stage
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn trust(&self) -> PathBuf {
        self.folder.path().join("trust.json")
    }

    fn verify(&self, more: &[&str]) -> Answer {
        let (log, trust) = (self.log(), self.trust());
        let mut args =
            vec!["log", "verify", log.to_str().unwrap(), "--trust", trust.to_str().unwrap(), "--json"];
        args.extend(more);
        killick(self.folder.path(), &args)
    }
}

fn honest() -> Files {
    log(&entries(600), &log_key(1), &witnesses())
}

/// Two keys of one operator.
fn first_and_its_sibling() -> [killick_tlog::note::SignerKey; 2] {
    let [first, _] = witnesses();
    [first, sibling()]
}

fn verdict(answer: &Answer) -> (i32, String) {
    (answer.code, answer.json()["code"].as_str().unwrap_or("ok").to_owned())
}

#[test]
fn every_diagnosis_has_an_exit_code_and_a_sentence_of_its_own() {
    let with = |change: &dyn Fn(&mut Files)| {
        let mut files = honest();
        change(&mut files);
        files
    };
    let of = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut all = entries(600);
        change(&mut all);
        log(&all, &log_key(1), &witnesses())
    };
    let bundle =
        |from: Files, path: &str| with(&|files| drop(files.insert(path.to_owned(), from[path].clone())));
    let late = |at: u64| format!(r#"{{"at":{at},"kind":"decision","v":1}}"#).into_bytes();
    let seen = honest();
    let mut sentences = std::collections::BTreeSet::new();
    for (exit, code, files, required) in [
        (51, "log.signature", log(&entries(600), &log_key(2), &witnesses()), 0),
        (52, "log.fork", of(&|all| all[300].push(b' ')), 0),
        (
            52,
            "log.consistency",
            log(
                &{
                    let mut all = entries(700);
                    all[3].push(b' ');
                    all
                },
                &log_key(1),
                &[],
            ),
            0,
        ),
        (53, "log.truncated", log(&entries(599), &log_key(1), &witnesses()), 0),
        (54, "log.order", bundle(of(&|all| all.swap(300, 301)), "tile/entries/001"), 0),
        (55, "log.missing", with(&|files| drop(files.remove("tile/0/001"))), 0),
        (56, "log.inclusion", bundle(of(&|all| all[300].push(b' ')), "tile/entries/001"), 0),
        (57, "log.not_witnessed", log(&entries(600), &log_key(1), &[]), 1),
        (58, "log.cosignature_missing", log(&entries(600), &log_key(1), &first_and_its_sibling()), 2),
        (
            59,
            "log.time",
            log(
                &{
                    let mut all = entries(601);
                    all[600] = late(world::BEGIN);
                    all
                },
                &log_key(1),
                &[],
            ),
            0,
        ),
        (61, "log.tile", with(&|files| files.get_mut("tile/1/000.p/2").unwrap()[3] ^= 1), 0),
        (0, "ok", honest(), 2),
    ] {
        let stage = Stage::new(&files, &trust(Some(&seen["checkpoint"])));
        let required = required.to_string();
        let answer = stage.verify(&["--require-witnesses", &required]);
        assert_eq!(verdict(&answer), (exit, code.to_owned()), "{answer:?}");
        assert!(sentences.insert(answer.json()["error"].to_string()), "{code}: not a sentence of its own");
        // The Python verifier exits with the same.
        if let Some(mut python) = python() {
            let answer = python
                .arg(stage.log())
                .arg("--trust")
                .arg(stage.trust())
                .args(["--require-witnesses", &required])
                .output()
                .unwrap();
            assert_eq!(answer.status.code(), Some(exit), "{code}: {answer:?}");
        }
    }
}

/// `tools/verify_log.py`, where there is a Python that can run it.
fn python() -> Option<Command> {
    let python = std::env::var_os("KILLICK_ORACLE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let has = Command::new(&python).args(["-c", "import cryptography"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("KILLICK_NO_SKIP").is_none(), "no Python with `cryptography`");
        println!("skipped: python3 with the package `cryptography` is not there");
        return None;
    }
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/verify_log.py"));
    Some(command)
}

#[test]
fn what_is_witnessed_is_said_and_counted_by_operator() {
    let stage = Stage::new(&honest(), &trust(None));
    let found = stage.verify(&[]).fine().json();
    assert_eq!(
        (&found["head"], &found["operators"], &found["operators_known"]),
        (&"witnessed".into(), &2.into(), &2.into())
    );
    let alone = Stage::new(&log(&entries(3), &log_key(1), &[]), &trust(None));
    assert_eq!(alone.verify(&[]).fine().json()["head"], "signed");
    let plain = killick(alone.folder.path(), &["log", "verify", alone.log().to_str().unwrap()]).fine();
    assert!(plain.out.contains("no witnesses are known"), "{plain:?}");
    // A witness under the log's own name is the log's word again.
    let own = world::witness_key("log.example/w", 21);
    let mut trusted = trust(None);
    trusted["witnesses"] = serde_json::json!([own.verifier().to_string()]);
    let stage = Stage::new(&log(&entries(3), &log_key(1), &[own]), &trusted);
    assert_eq!(verdict(&stage.verify(&["--require-witnesses", "1"])), (57, "log.not_witnessed".to_owned()));
}

/// Serves a folder over HTTP/1.1, one connection at a time, with whatever wraps the connection. The server's URL.
fn serve<S: std::io::Read + Write>(
    folder: PathBuf,
    wrap: impl Fn(std::net::TcpStream) -> S + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(wrap(stream));
            loop {
                let mut head = Vec::new();
                loop {
                    let mut line = String::new();
                    match stream.read_line(&mut line) {
                        Ok(length) if length > 2 => head.push(line),
                        _ => break,
                    }
                }
                let Some(path) = head.first().and_then(|line| line.split(' ').nth(1)) else { break };
                let file = std::fs::read(folder.join(path.trim_start_matches('/')));
                let (status, body) = file.map_or(("404 Not Found", Vec::new()), |bytes| ("200 OK", bytes));
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
                let writer = stream.get_mut();
                if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(&body)).is_err() {
                    break;
                }
                let _ = writer.flush();
            }
        }
    });
    port
}

#[test]
fn a_log_is_read_over_http() {
    let stage = Stage::new(&honest(), &trust(None));
    let port = serve(stage.folder.path().to_owned(), |stream| stream);
    let url = format!("http://127.0.0.1:{port}/log/");
    let at = |url: &str| {
        killick(
            stage.folder.path(),
            &["log", "verify", url, "--trust", stage.trust().to_str().unwrap(), "--json"],
        )
    };
    assert_eq!(at(&url).fine().json()["size"], 600);
    std::fs::remove_file(stage.log().join("tile/entries/001")).unwrap();
    assert_eq!(verdict(&at(&url)), (55, "log.missing".to_owned()));
    std::fs::write(stage.log().join("tile/0/000"), vec![0; 1 << 20]).unwrap();
    assert_eq!(verdict(&at(&url)), (5, "log.format".to_owned()), "larger than a tile is not read");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = at(&format!("http://127.0.0.1:{free}/log"));
    assert_eq!((nobody.code, nobody.error()["code"].as_str()), (3, Some("log.unreachable")), "{nobody:?}");
    for wrong in ["http://", "http://a@b/log", "http://127.0.0.1:1/log?x"] {
        let answer = at(wrong);
        assert_eq!((answer.code, answer.error()["code"].as_str()), (2, Some("log.url")), "{answer:?}");
    }
}

#[test]
fn a_log_is_read_over_tls_from_a_server_that_can_prove_its_name() {
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};
    let stage = Stage::new(&honest(), &trust(None));
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let roots = stage.folder.path().join("roots.pem");
    std::fs::write(&roots, certificate.pem()).unwrap();
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], secret).unwrap());
    let port = serve(stage.folder.path().to_owned(), move |stream| {
        StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream)
    });
    let at = |host: &str, roots: &Path| {
        let url = format!("https://{host}:{port}/log");
        let output = command(
            stage.folder.path(),
            &["log", "verify", &url, "--trust", stage.trust().to_str().unwrap(), "--json"],
        )
        .env("SSL_CERT_FILE", roots)
        .output();
        Answer::of(output.unwrap())
    };
    assert_eq!(at("localhost", &roots).fine().json()["size"], 600);
    // Another name, and another authority.
    let other = rcgen::KeyPair::generate().unwrap();
    let strangers = stage.folder.path().join("strangers.pem");
    let stranger =
        rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&other).unwrap();
    std::fs::write(&strangers, stranger.pem()).unwrap();
    for refused in [at("127.0.0.1", &roots), at("localhost", &strangers)] {
        assert_eq!(
            (refused.code, refused.error()["code"].as_str()),
            (3, Some("log.unreachable")),
            "{refused:?}"
        );
    }
}

/// The receipt of an entry of a log with these entries.
fn receipt(entries: &[Vec<u8>], index: u64) -> String {
    let files = log(entries, &log_key(1), &[]);
    let size = entries.len() as u64;
    let proof = inclusion_proof(&TileHashes::new(&files, size), index, size).unwrap();
    let note = String::from_utf8(files["checkpoint"].clone()).unwrap();
    format_receipt(&leaf_hash(&entries[index as usize]), index, &proof, &note)
}

#[test]
fn receipts_that_the_log_does_not_keep_are_equivocation() {
    let stage = Stage::new(&honest(), &trust(None));
    let receipts = stage.folder.path().join("receipts");
    std::fs::create_dir(&receipts).unwrap();
    let keep = |name: &str, text: &str| std::fs::write(receipts.join(name), text).unwrap();
    let check = |more: &[&str]| stage.verify(&[&["--receipts", receipts.to_str().unwrap()], more].concat());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (soon, later) = ((now + 30).to_string(), (now + 300).to_string());

    keep("a.tlog-proof", &receipt(&entries(600), 17));
    keep("b.tlog-proof", &receipt(&entries(400), 17));
    let fine = check(&[]).fine().json();
    assert_eq!((&fine["receipts"]["included"], &fine["receipts"]["newer"]), (&2.into(), &0.into()));

    // One that the log has not come to: its time is not over, and then it is.
    keep("c.tlog-proof", &receipt(&entries(700), 650));
    assert_eq!(check(&["--as-of", &soon]).fine().json()["receipts"]["newer"], 1);
    assert_eq!(verdict(&check(&["--as-of", &later])), (60, "log.equivocation".to_owned()));
    check(&["--as-of", &later, "--max-merge-delay", "10m"]).fine();
    std::fs::remove_file(receipts.join("c.tlog-proof")).unwrap();

    // One of another history: another entry at its index, and the same entry under another head.
    let mut other = entries(600);
    other[17].push(b' ');
    for index in [17, 18] {
        keep("d.tlog-proof", &receipt(&other, index));
        let found = check(&[]);
        assert_eq!(verdict(&found), (60, "log.equivocation".to_owned()));
        assert_eq!(found.json()["receipts"]["failed"][0]["code"], "log.equivocation");
    }
    // A receipt that its log never signed says nothing about the log.
    keep("d.tlog-proof", &receipt(&entries(600), 17).replacen("index 17", "index 18", 1));
    assert_eq!(verdict(&check(&[])), (56, "log.inclusion".to_owned()));
}

#[test]
fn a_proof_is_written_once_and_verifies_elsewhere() {
    let stage = Stage::new(&honest(), &trust(None));
    let folder = stage.folder.path();
    let prove = |more: &[&str]| {
        let (log, trust) = (stage.log(), stage.trust());
        let args =
            [&["log", "prove", log.to_str().unwrap(), "--trust", trust.to_str().unwrap(), "--json"], more]
                .concat();
        Answer::of(command(folder, &args).current_dir(folder).output().unwrap())
    };
    let made = prove(&["--index", "300", "--require-witnesses", "2"]).fine().json();
    assert_eq!((&made["file"], &made["operators"]), (&"300.tlog-proof".into(), &2.into()));
    let again = prove(&["--index", "300"]);
    assert_eq!((again.code, again.error()["code"].as_str()), (2, Some("file.exists")));
    // The receipt of an older head becomes a proof to the newest one.
    std::fs::write(folder.join("old.tlog-proof"), receipt(&entries(400), 17)).unwrap();
    let old = folder.join("old.tlog-proof");
    prove(&["--receipt", old.to_str().unwrap(), "--out", folder.join("new").to_str().unwrap()]).fine();
    let text = std::fs::read_to_string(folder.join("new")).unwrap();
    assert!(
        text.contains("\nindex 17\n") && text.contains("\n600\n") && text.contains("two.example/w"),
        "{text}"
    );
    assert_eq!(prove(&["--index", "600"]).code, 56);
    if let Some(mut python) = python() {
        let entry = folder.join("entry");
        std::fs::write(&entry, &entries(600)[300]).unwrap();
        let output = python.arg("--proof").arg(folder.join("300.tlog-proof")).arg("--entry").arg(&entry);
        let output =
            output.arg("--trust").arg(stage.trust()).args(["--require-witnesses", "2"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
