//! `killick trace`: the auditor's question, answered from the files alone.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails here says why"
)]

#[expect(dead_code, reason = "other test files use the rest")]
mod cli_support;

use std::path::{Path, PathBuf};

use cli_support::{an_invoice, invoices, killick};
use serde_json::Value;

fn receipts(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir.join("agents/invoice-bot/receipts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tlog-proof"))
        .collect();
    found.sort();
    found
}

#[test]
fn from_a_receipt_to_the_model_and_back_to_the_effect() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, _shop) = invoices(&dir);
    let carol = "carol@acme.example";
    up.run(&["token", "grant", "invoice-bot", "read:invoices", "--principal", carol, "--task", "T-17"])
        .fine();
    up.run(&["call", "--as", "invoice-bot", "read:invoices", &format!("id={}", an_invoice())]).fine();
    assert_eq!(up.run(&["call", "--as", "invoice-bot", "list:invoices"]).code, 4);
    assert_eq!(up.stop(), 0);

    let receipt = receipts(&dir).remove(0);
    let trace = |what: &str| killick(&dir, &["trace", what, "--json"]);
    let by_receipt = trace(receipt.to_str().unwrap()).fine().json();
    let decision = &by_receipt["decision"];
    let entry = &decision["entry"];
    assert_eq!(
        (&entry["verdict"], &entry["action"]),
        (&"permit".into(), &"read:invoices".into()),
        "{by_receipt:#}"
    );
    assert_eq!(entry["task"], "T-17");
    assert_eq!(by_receipt["outcome"]["entry"]["status"], 200);
    assert_eq!(by_receipt["outcome"]["entry"]["decision"], decision["index"]);
    let link = &by_receipt["chain"]["links"][0];
    assert_eq!(
        (&by_receipt["chain"]["state"], &link["grant"]),
        (&"verified".into(), &"read:invoices".into())
    );
    assert_eq!((&link["holder"], &link["key"]), (&entry["agent"], &entry["keyid"]));
    assert_eq!(by_receipt["issued"]["entry"]["act"]["jti"], link["jti"]);
    assert_eq!(by_receipt["onboarded"]["entry"]["act"]["agent"], entry["agent"]);
    for part in ["decision", "outcome", "issued", "onboarded"] {
        assert!(
            by_receipt[part]["proof"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1\n"),
            "{part}"
        );
    }
    // The same by its index, by the request's id, and by the entry of its outcome.
    let outcome = by_receipt["outcome"]["index"].to_string();
    for what in [&decision["index"].to_string(), entry["id"].as_str().unwrap(), &outcome] {
        assert_eq!(trace(what).fine().json(), by_receipt, "{what}");
    }
    let picture = folder.path().join("trace.svg");
    let told = killick(&dir, &["trace", &outcome, "--svg", picture.to_str().unwrap()]).fine().out;
    for word in ["permitted", "status 200", "invoice-bot", "T-17", "verified", "signed by the log alone"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let drawn = std::fs::read_to_string(&picture).unwrap();
    assert!(
        drawn.starts_with("<svg") && drawn.contains("permitted") && drawn.contains("status 200"),
        "{drawn}"
    );

    // A denied call has no effect, and its trace says so.
    let size = by_receipt["log"]["size"].as_u64().unwrap();
    let denied = (0..size)
        .map(|index| trace(&index.to_string()))
        .find(|answer| answer.code == 0 && answer.json()["decision"]["entry"]["verdict"] == "deny");
    let denied = denied.unwrap().json();
    assert_eq!(
        (&denied["outcome"], &denied["decision"]["entry"]["code"]),
        (&Value::Null, &"tool.not_granted".into())
    );

    for (what, code) in [
        ("0", "trace.unknown"),
        ("999999", "trace.unknown"),
        ("no such thing", "trace.unknown"),
        ("019aa1a1-0000-7000-8000-000000000000", "trace.unknown"),
    ] {
        let answer = trace(what);
        assert_eq!((answer.code, answer.error()["code"].as_str()), (2, Some(code)), "{what}: {answer:?}");
    }
}

#[test]
fn nothing_is_traced_through_what_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, _shop) = invoices(&dir);
    up.run(&["token", "grant", "invoice-bot", "read:invoices"]).fine();
    up.run(&["call", "--as", "invoice-bot", "read:invoices", &format!("id={}", an_invoice())]).fine();
    assert_eq!(up.stop(), 0);
    let receipt = receipts(&dir).remove(0);
    let trace = || killick(&dir, &["trace", receipt.to_str().unwrap(), "--json"]);
    trace().fine();

    // A chain that is not the one of the entry.
    let chains = dir.join("gateway-state/chains.jsonl");
    let kept = std::fs::read_to_string(&chains).unwrap();
    let line: Value = serde_json::from_str(kept.lines().next().unwrap()).unwrap();
    for chain in [line["chain"].as_str().unwrap().replace("eyJ", "eyK"), "no chain".to_owned(), String::new()]
    {
        let mut changed = line.clone();
        changed["chain"] = chain.into();
        std::fs::write(&chains, format!("{changed}\n")).unwrap();
        let answer = trace();
        let said = answer.json();
        assert_eq!((answer.code, &said["chain"]["code"]), (5, &"trace.chain".into()), "{answer:?}");
        assert_eq!(
            (&said["issued"], said["chain"]["links"].as_array().unwrap().len()),
            (&Value::Null, 0),
            "{said}"
        );
    }
    // One whose signature is another's: the installation's keys were replaced in the trust file.
    std::fs::write(&chains, &kept).unwrap();
    let trust = dir.join("trust.json");
    let good = std::fs::read_to_string(&trust).unwrap();
    let mut other: Value = serde_json::from_str(&good).unwrap();
    other["token_keys"] = serde_json::json!([other["gateway"]["jwk"]]);
    std::fs::write(&trust, other.to_string()).unwrap();
    let answer = trace();
    assert_eq!((answer.code, &answer.json()["chain"]["code"]), (5, &"token.issuer".into()), "{answer:?}");
    let told = killick(&dir, &["trace", receipt.to_str().unwrap()]);
    assert!(told.out.contains("NOT VERIFIED, jti") && !told.out.contains("signed, jti"), "{told:?}");
    std::fs::write(&trust, good).unwrap();
    // Without it, the rest is traced and that it is not there is said.
    std::fs::write(&chains, "").unwrap();
    assert_eq!(trace().fine().json()["chain"]["state"], "not kept here");
    std::fs::write(&chains, kept).unwrap();
    trace().fine();

    // An entry of the log, and the head of the other one.
    let size =
        std::fs::read_to_string(dir.join("log/checkpoint")).unwrap().lines().nth(1).unwrap().to_owned();
    let bundle = dir.join("log/tile/entries/000.p").join(size);
    let good = std::fs::read(&bundle).unwrap();
    let at = good.windows(13).position(|text| text == b"read:invoices").unwrap();
    let mut changed = good.clone();
    changed[at + 12] = b'z';
    std::fs::write(&bundle, changed).unwrap();
    let answer = trace();
    assert_eq!((answer.code, answer.error()["code"].as_str()), (5, Some("log.inclusion")), "{answer:?}");
    std::fs::write(&bundle, good).unwrap();
    trace().fine();
    let directory = std::fs::read_to_string(dir.join("directory-log/checkpoint")).unwrap();
    std::fs::write(dir.join("directory-log/checkpoint"), directory.replace("killick", "killock")).unwrap();
    assert_eq!(trace().code, 5);
}
