//! The story of one's own agent, told by the command line alone: started, onboarded, granted, permitted, denied,
//! revoked, verified.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails here says why"
)]

#[expect(dead_code, reason = "other test files use the rest")]
mod cli_support;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use cli_support::{Answer, Up, an_invoice, command, invoices, killick};
use serde_json::Value;

#[test]
fn from_the_first_start_to_the_offline_proof() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, shop) = invoices(&dir);
    let id = an_invoice();

    let granted =
        up.run(&["token", "grant", "invoice-bot", "read:invoices; execute:none", "--for", "1h"]).fine();
    assert!(granted.out.contains("read:invoices"), "{granted:?}");
    assert!(granted.out.contains("execute:"), "{granted:?}");
    assert!(granted.out.contains("\"cnf\""), "the claims are shown too: {granted:?}");

    // A permitted and a denied call of an unmodified program.
    let url = format!("{}/invoices/{id}", shop.url);
    let curl = |args: &[&str]| {
        let mut line = vec!["run", "--as", "invoice-bot", "--", "curl", "-sS", "-w", "\n%{http_code}"];
        line.extend(args);
        up.run(&line)
    };
    let read = curl(&[&url]).fine();
    assert!(read.out.contains(&id) && read.out.ends_with("200"), "{read:?}");
    let denied = curl(&["-X", "DELETE", &url]).fine();
    assert!(denied.out.contains("tool.not_granted") && denied.out.ends_with("403"), "{denied:?}");
    let unknown = curl(&[&format!("{}/nothing/here", shop.url)]).fine();
    assert!(unknown.out.contains("tool.unknown"), "{unknown:?}");

    // The same as single calls, with receipts kept.
    let argument = format!("id={id}");
    let call = up.run(&["call", "read:invoices", &argument, "--json"]).fine().json();
    assert_eq!(call["status"], 200);
    assert_eq!(call["body"]["id"].as_str().or(call["body"]["invoice"]["id"].as_str()), Some(id.as_str()));
    assert!(
        std::fs::read_to_string(call["receipt"].as_str().unwrap())
            .unwrap()
            .starts_with("c2sp.org/tlog-proof@v1")
    );
    let denied = up.run(&["call", "delete:invoices", &argument, "--json"]);
    assert_eq!((denied.code, denied.error()["code"].as_str()), (4, Some("tool.not_granted")), "{denied:?}");
    assert!(denied.error()["missing"].as_str().unwrap().contains("delete:invoices"), "{denied:?}");
    assert!(denied.error()["grantor"].is_string() && denied.error()["receipt"].is_string(), "{denied:?}");

    // Why, before the call is made.
    let why = up.run(&["token", "explain", "invoice-bot", "read:invoices", &argument]).fine();
    assert!(why.out.contains("would be permitted"), "{why:?}");
    let why = up.run(&["token", "explain", "invoice-bot", "delete:invoices", &argument]);
    assert_eq!(why.code, 4);
    assert!(why.out.contains("tool.not_granted") && why.out.contains("what would permit it"), "{why:?}");

    up.run(&["revoke", "agent", "invoice-bot", "--reason", "test"]).fine();
    let revoked = up.run(&["call", "read:invoices", &argument, "--json"]);
    assert_eq!(
        (revoked.code, revoked.error()["code"].as_str()),
        (4, Some("identity.revoked")),
        "{revoked:?}"
    );
    let revoked = curl(&[&url]).fine();
    assert!(revoked.out.contains("identity.revoked"), "{revoked:?}");

    assert_eq!(up.stop(), 0, "a clean shutdown");

    // Nobody runs any more: the log is verified by its files alone, with the key from beside it and without.
    let trust = dir.join("trust.json");
    let verified =
        killick(&dir, &["log", "verify", "--trust", trust.to_str().unwrap(), "--json"]).fine().json();
    assert_eq!(verified["verified"], true);
    assert!(verified["size"].as_u64().unwrap() >= 8, "{verified}");
    assert!(
        verified["root"].is_string() && verified["origin"].is_string() && verified["witnesses"].is_array()
    );
    let alone = killick(&dir, &["log", "verify", dir.join("log").to_str().unwrap()]).fine();
    assert!(alone.out.contains("key taken from the folder: proves consistency, not origin"), "{alone:?}");
    let directory =
        killick(&dir, &["log", "verify", dir.join("directory-log").to_str().unwrap(), "--json"]).fine();
    assert_eq!(directory.json()["verified"], true);
    let shown = killick(&dir, &["log", "show", "--tail", "100", "--json"]).fine();
    assert!(shown.out.contains("tool.not_granted") && shown.out.contains("identity.revoked"), "{shown:?}");
}

#[test]
fn ten_lines_of_python_run_unmodified() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, shop) = invoices(&dir);
    up.run(&["token", "grant", "invoice-bot", "read:invoices"]).fine();
    let script = folder.path().join("bot.py");
    let text = format!(
        r#"import json, os, urllib.error, urllib.request
assert not any("BEGIN" in value or "eyJ" in value for value in os.environ.values())
def ask(method, url):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
print(json.dumps({{"read": ask("GET", "http://invoices.shop.example/invoices/{id}"),
    "delete": ask("DELETE", "{url}/invoices/{id}"), "base": ask("GET", os.environ["KILLICK_URL"] + "/invoices/{id}")}}))
"#,
        id = an_invoice(),
        url = shop.url
    );
    assert_eq!(text.lines().count(), 10);
    std::fs::File::create(&script).unwrap().write_all(text.as_bytes()).unwrap();
    let answer =
        up.run(&["run", "--as", "invoice-bot", "--", "python3", script.to_str().unwrap()]).fine().json();
    assert_eq!(answer["read"][0], 200, "{answer}");
    assert_eq!(answer["base"][0], 200);
    assert_eq!(
        (answer["delete"][0].as_u64(), answer["delete"][1]["code"].as_str()),
        (Some(403), Some("tool.not_granted"))
    );
}

#[test]
fn a_program_gets_no_key_and_its_exit_code_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, _shop) = invoices(&dir);
    up.run(&["token", "grant", "invoice-bot", "read:invoices"]).fine();
    let key = std::fs::read_to_string(dir.join("agents/invoice-bot/key")).unwrap();
    let token = std::fs::read_to_string(dir.join("agents/invoice-bot/token")).unwrap();
    let ran = Answer::of(
        command(&dir, &["run", "--", "sh", "-c", "env; exit 42"])
            .env("no_proxy", "*")
            .env("NO_PROXY", "*")
            .output()
            .unwrap(),
    );
    assert_eq!(ran.code, 42);
    assert!(
        ran.out.contains("http_proxy=http://killick:") && ran.out.contains("KILLICK_URL=http://127.0.0."),
        "{ran:?}"
    );
    assert!(!ran.out.contains(key.trim()) && !ran.out.contains(token.trim()));
    assert!(
        !ran.out.to_lowercase().contains("no_proxy=*"),
        "nothing but the sidecar itself is reached past it"
    );
    assert_eq!(up.run(&["run", "--", "sh", "-c", "kill -9 $$"]).code, 137);
    let absent = up.run(&["run", "--json", "--", "/no/such/program"]);
    assert_eq!((absent.code, absent.error()["code"].as_str()), (2, Some("run.command")));
}

#[test]
fn a_life_of_an_agent() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, _shop) = invoices(&dir);
    let id = format!("id={}", an_invoice());
    up.run(&["token", "grant", "invoice-bot", "read:invoices", "--max-depth", "2"]).fine();
    let code = |answer: Answer| answer.error()["code"].as_str().unwrap().to_owned();
    let call = || up.run(&["call", "--as", "invoice-bot", "read:invoices", &id, "--json"]);

    up.run(&["agent", "suspend", "invoice-bot"]).fine();
    assert_eq!(code(call()), "identity.suspended");
    let why = up.run(&["token", "explain", "invoice-bot", "read:invoices", &id]);
    assert!(why.code == 4 && why.out.contains("killick agent resume invoice-bot"), "{why:?}");
    up.run(&["agent", "resume", "invoice-bot"]).fine();
    call().fine();

    // Observe mode: what would be denied is recorded and said, not enforced; and it is loud.
    let delete =
        || up.run(&["call", "--as", "invoice-bot", "read:invoices", "id=INV-does-not-exist", "--json"]);
    assert_eq!(delete().code, 1, "the shop knows no such invoice");
    let refused = up.run(&["call", "--as", "invoice-bot", "list:invoices", "--json"]);
    assert_eq!(code(refused), "tool.not_granted");
    let loud = up.run(&["agent", "observe", "invoice-bot", "--for", "1h"]).fine();
    assert!(loud.out.contains("OBSERVE MODE"));
    let observed = up.run(&["call", "--as", "invoice-bot", "list:invoices", "--json"]).fine().json();
    assert_eq!(observed["observed"], "tool.not_granted");
    assert!(up.run(&["status"]).fine().out.contains("OBSERVE MODE"));
    let doctor = up.run(&["doctor", "--json"]);
    assert!(doctor.out.contains("observe mode"), "{doctor:?}");
    up.run(&["agent", "observe", "invoice-bot", "--off"]).fine();
    assert_eq!(code(up.run(&["call", "--as", "invoice-bot", "list:invoices", "--json"])), "tool.not_granted");

    // A sub-agent gets less, never more.
    let more =
        up.run(&["token", "attenuate", "invoice-bot", "reader", "read:invoices; delete:invoices", "--json"]);
    assert_eq!((more.code, code(more)), (4, "chain.widened".to_owned()));
    up.run(&[
        "token",
        "attenuate",
        "invoice-bot",
        "reader",
        &format!("read:invoices(id == \"{}\")", an_invoice()),
    ])
    .fine();
    up.run(&["call", "--as", "invoice-bot/reader", "read:invoices", &id, "--json"]).fine();
    let other = up.run(&["call", "--as", "invoice-bot/reader", "read:invoices", "id=INV-7002", "--json"]);
    assert_eq!((other.code, code(other)), (4, "arg.constraint".to_owned()));
    let chain = dir.join("agents/invoice-bot/sub/reader/token");
    let why =
        up.run(&["token", "explain", "--chain", chain.to_str().unwrap(), "read:invoices", "id=INV-7002"]);
    assert!(why.code == 4 && why.out.contains("the root") && why.out.contains("link 1"), "{why:?}");
    let inspected = up.run(&["token", "inspect", chain.to_str().unwrap(), "--json"]).fine().json();
    assert_eq!(
        (inspected["verified"].as_bool(), inspected["links"].as_array().map(Vec::len)),
        (Some(true), Some(2))
    );

    let listed = up.run(&["agent", "list", "--json"]).fine().json();
    assert!(listed.to_string().contains("invoice-bot"), "{listed}");
    up.run(&["agent", "show", "invoice-bot", "--json"]).fine().json();
    up.run(&["agent", "offboard", "invoice-bot"]).fine();
    // Its tokens went with it; which of the two is found first is the verifier's business.
    let gone = |answer: Answer| ["identity.revoked", "token.revoked"].contains(&code(answer).as_str());
    assert!(gone(call()));
    assert!(gone(up.run(&["call", "--as", "invoice-bot/reader", "read:invoices", &id, "--json"])));
    std::fs::remove_dir_all(dir.join("agents/invoice-bot")).unwrap();
    let again = up.run(&["agent", "onboard", "invoice-bot", "--owner", "eve", "--model", "m", "--json"]);
    assert_ne!(again.code, 0, "a name is never used again");
    assert!(!dir.join("agents/invoice-bot/key").exists(), "a failed onboarding leaves nothing behind");
}

#[test]
fn what_was_granted_survives_a_restart_and_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, shop) = invoices(&dir);
    up.run(&["token", "grant", "invoice-bot", "read:invoices"]).fine();
    let id = format!("id={}", an_invoice());
    let first = up.run(&["call", "read:invoices", &id, "--json"]).fine().json();
    up.kill();
    let up = Up::start(&dir);
    let second = up.run(&["call", "read:invoices", &id, "--json"]).fine().json();
    assert!(second["log_index"].as_u64() > first["log_index"].as_u64());
    assert_eq!(up.stop(), 0);
    killick(&dir, &["log", "verify", "--trust", dir.join("trust.json").to_str().unwrap()]).fine();
    drop(shop);
}

#[test]
fn sighup_reloads_policies_and_says_what_needs_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, _shop) = invoices(&dir);
    up.run(&["token", "grant", "invoice-bot", "read:invoices"]).fine();
    let id = format!("id={}", an_invoice());
    up.run(&["call", "read:invoices", &id]).fine();
    let before = version(&up);
    std::fs::write(dir.join("policies/stop.cedar"), "forbid (principal, action, resource);").unwrap();
    up.run(&["policy", "check"]).fine();
    nix::sys::signal::kill(up.pid(), nix::sys::signal::Signal::SIGHUP).unwrap();
    // The reload is done when the bundle's version has grown.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while version(&up) == before {
        assert!(std::time::Instant::now() < deadline, "the reload took no effect");
    }
    let denied = up.run(&["call", "read:invoices", &id, "--json"]);
    assert_eq!((denied.code, denied.error()["code"].as_str()), (4, Some("policy.forbid")), "{denied:?}");
}

fn version(up: &Up) -> u64 {
    let status: Value = up.run(&["status", "--json"]).fine().json();
    status["status"]["bundle_version"].as_u64().unwrap()
}

#[test]
fn metrics_and_health_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let up = Up::start(&folder.path().join("data"));
    let get = |path: &str| {
        let url = format!("{}{path}", up.url("admin_url"));
        let output =
            std::process::Command::new("curl").args(["-sS", "--noproxy", "*", "-i", &url]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let metrics = get("/metrics");
    assert!(metrics.contains("application/openmetrics-text") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert_eq!(metrics.matches("# EOF").count(), 1);
    assert!(
        metrics.contains("killick_build_info") && metrics.contains("killick_gateway_ledger_entries"),
        "{metrics}"
    );
    assert!(get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(get("/readyz").starts_with("HTTP/1.1 200"));
    assert!(get("/nothing").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_followed_log_shows_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, _shop) = invoices(&dir);
    up.run(&["token", "grant", "invoice-bot", "read:invoices"]).fine();
    let mut follow = command(&dir, &["log", "show", "--follow", "--tail", "0", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(follow.stdout.take().unwrap()));
    // It may begin to look only after the first call; then it shows the next.
    let answer = std::thread::spawn(move || lines.next());
    let id = format!("id={}", an_invoice());
    while !answer.is_finished() {
        up.run(&["call", "read:invoices", &id]).fine();
    }
    let line: Value = serde_json::from_str(&answer.join().unwrap().unwrap().unwrap()).unwrap();
    assert!(line["index"].is_u64() && line["entry"]["kind"].is_string(), "{line}");
    follow.kill().unwrap();
    follow.wait().unwrap();
}

#[test]
fn the_kill_switch_can_be_lifted() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, _shop) = invoices(&dir);
    up.run(&["token", "grant", "invoice-bot", "read:invoices"]).fine();
    let id = format!("id={}", an_invoice());
    up.run(&["revoke", "all"]).fine();
    let denied = up.run(&["call", "read:invoices", &id, "--json"]);
    assert_eq!((denied.code, denied.error()["code"].as_str()), (4, Some("revoked.all")), "{denied:?}");
    assert!(up.run(&["status"]).fine().out.contains("KILL SWITCH"));
    assert_eq!(up.run(&["doctor", "--json"]).json()["grade"], "fail");
    up.run(&["revoke", "all", "--lift"]).fine();
    up.run(&["call", "read:invoices", &id]).fine();
    let misused = up.run(&["revoke", "agent", "--lift", "--json"]);
    assert_eq!(misused.code, 2, "{misused:?}");
}

#[test]
fn keys_at_rest_can_be_encrypted_anew() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let none = killick(&dir, &["keys", "passphrase", "--remove", "--json"]);
    assert_eq!((none.code, none.error()["code"].as_str()), (2, Some("folder.empty")), "{none:?}");
    assert_eq!(Up::start(&dir).stop(), 0);
    let secret = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (first, second) = (secret("first", "correct horse"), secret("second", "battery staple"));
    let under = |passphrase: Option<&str>, args: &[&str]| {
        let mut command = command(&dir, &[args, &["--json"]].concat());
        command.envs(passphrase.map(|file| ("KILLICK_KEY_PASSPHRASE_FILE", file)));
        Answer::of(command.output().unwrap())
    };
    let seed = |name: &str| std::fs::read_to_string(dir.join("keys").join(name)).unwrap();
    let plain = seed("gateway.key");

    let done = under(None, &["keys", "passphrase", "--new", &first]).fine().json();
    assert_eq!((&done["encrypted"], done["keys"].as_u64() > Some(3)), (&Value::Bool(true), true), "{done}");
    assert_ne!(seed("gateway.key"), plain);
    let without = under(None, &["up", "--any-port"]);
    assert!(without.code != 0 && without.err.contains("KILLICK_KEY_PASSPHRASE_FILE"), "{without:?}");
    let wrong = under(Some(&second), &["keys", "passphrase", "--remove"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");

    under(Some(&first), &["keys", "passphrase", "--new", &second]).fine();
    under(Some(&second), &["keys", "passphrase", "--remove"]).fine();
    assert_eq!(seed("gateway.key"), plain, "the same key all along");
    assert_eq!(Up::start(&dir).stop(), 0);
}

#[test]
fn a_person_is_erased_and_the_log_still_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, _shop) = invoices(&dir);
    let id = format!("id={}", an_invoice());
    let carol = "carol@acme.example";
    up.run(&["token", "grant", "invoice-bot", "read:invoices", "--principal", carol]).fine();
    up.run(&["call", "--as", "invoice-bot", "read:invoices", &id]).fine();
    let chains = || std::fs::read_to_string(dir.join("gateway-state/chains.jsonl")).unwrap().lines().count();
    assert_eq!(chains(), 1);

    let asked = up.run(&["log", "erase", "--subject", carol, "--json"]);
    assert_eq!((asked.code, asked.error()["code"].as_str()), (2, Some("erase.confirm")), "{asked:?}");
    let erased = up.run(&["log", "erase", "--subject", carol, "--yes", "--json"]).fine().json();
    assert_eq!(
        (&erased["chains"], erased["pseudonyms"].as_object().unwrap().len()),
        (&Value::from(1), 1),
        "{erased}"
    );
    assert_eq!(chains(), 0);
    let pseudonym = erased["pseudonyms"].as_object().unwrap().values().next().unwrap().as_str().unwrap();
    assert_eq!(up.run(&["log", "erase", "--subject", carol, "--yes", "--json"]).code, 2);
    assert_eq!(up.stop(), 0);
    let shown = killick(&dir, &["log", "show", "--json"]).fine().json();
    assert!(shown.to_string().contains(pseudonym), "the entry is as it was: {shown}");
    for log in ["log", "directory-log"] {
        killick(
            &dir,
            &[
                "log",
                "verify",
                dir.join(log).to_str().unwrap(),
                "--trust",
                dir.join("trust.json").to_str().unwrap(),
            ],
        )
        .fine();
    }
}
