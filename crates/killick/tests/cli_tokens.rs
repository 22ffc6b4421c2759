//! `killick token …` for anybody's tokens: verified, signed, compared; and what `explain` and `lint` say of one's own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails here says why"
)]

#[expect(dead_code, reason = "other test files use the rest")]
mod cli_support;

use std::path::{Path, PathBuf};

use cli_support::{Answer, an_invoice, invoices, killick};
use serde_json::{Value, json};

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_golden_vector_gets_its_verdict_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/token");
    let (mut count, mut left_out) = (0, 0);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(vectors).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let file: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let chain: Vec<&str> =
                case["chain"].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
            // A file of lines cannot say that a token has a line end in it.
            if chain.iter().any(|token| token.contains(char::is_whitespace)) {
                left_out += 1;
                continue;
            }
            let anchors = write(dir, "anchors.json", &json!({ "keys": case["anchors"] }).to_string());
            let chain = write(dir, "chain.txt", &chain.join("\n"));
            let (now, max) = (case["now"].to_string(), format!("{}s", case["lifetime_max"]));
            let mut args = vec!["token", "verify", "--json", "--anchor", &anchors, "--chain", &chain];
            args.extend(["--now", &now, "--lifetime-max", &max]);
            args.extend(["--tool", case["tool"].as_str().unwrap(), "--args", case["args"].as_str().unwrap()]);
            let pop = case["pop"].as_str().map(|pop| write(dir, "pop.txt", pop));
            if let Some(pop) = &pop {
                args.extend(["--pop", pop]);
                args.extend(
                    case["audience"].as_str().into_iter().flat_map(|audience| ["--audience", audience]),
                );
            }
            let answer = killick(dir, &args);
            let said = answer.json();
            let expected = &case["expected"];
            assert_eq!(
                (&said["verdict"], &said["code"]),
                (&expected["verdict"], &expected["code"]),
                "{}: {answer:?}",
                case["id"]
            );
            let exit = match said["part"].as_str() {
                None => 0,
                Some("call") => 4,
                Some(_) => 5,
            };
            assert_eq!(answer.code, exit, "{}: {answer:?}", case["id"]);
            count += 1;
        }
    }
    assert!(count >= 270 && left_out <= 2, "{count} cases, {left_out} left out");
}

/// A root for `agent`, and a link of its for `helper`; the folder has the keys.
fn chain(dir: &Path) -> (String, String) {
    for name in ["root", "agent", "helper"] {
        let path = dir.join(format!("{name}.jwk"));
        let public = killick(dir, &["token", "key", path.to_str().unwrap()]).fine().out;
        assert!(!public.contains("\"d\""), "{public}");
        write(dir, &format!("{name}.pub"), &public);
    }
    let root = sign(
        dir,
        &["--key", "root.jwk", "--issuer", "https://as.example", "--holder", "agent.pub"],
        &["--max-depth", "1", "--grant", "pay:invoice(amount <= 99.99999999999999999); read:invoice(id)"],
    )
    .fine();
    let root = write(dir, "root.txt", &root.out);
    let link = derive(dir, "pay:invoice(amount <= 50)", &[]).fine();
    assert_eq!(link.out.lines().count(), 2);
    (root, write(dir, "chain.txt", &link.out))
}

/// `killick token sign`, with files of this folder.
fn sign(dir: &Path, files: &[&str], more: &[&str]) -> Answer {
    let mut args = vec!["token".to_owned(), "sign".to_owned()];
    for word in files {
        let path = dir.join(word);
        args.push(if path.exists() { path.to_str().unwrap().to_owned() } else { (*word).to_owned() });
    }
    args.extend(more.iter().map(|word| (*word).to_owned()));
    killick(dir, &args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A link for `helper` below the root, signed by `agent`.
fn derive(dir: &Path, grant: &str, more: &[&str]) -> Answer {
    let files =
        ["--key", "agent.jwk", "--below", "root.txt", "--anchor", "root.pub", "--holder", "helper.pub"];
    sign(dir, &files, &[&["--grant", grant][..], more].concat())
}

fn verify(dir: &Path, chain: &str, args: &str, more: &[&str]) -> Answer {
    let anchor = dir.join("root.pub");
    let anchor = anchor.to_str().unwrap();
    let mut words = vec!["token", "verify", "--json", "--anchor", anchor, "--chain", chain];
    words.extend(["--tool", "pay:invoice", "--args", args]);
    words.extend(more);
    killick(dir, &words)
}

#[test]
fn what_is_signed_verifies_and_what_would_not_is_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (root, chain) = chain(dir);
    assert_eq!(verify(dir, &chain, r#"{"amount":5.0}"#, &[]).fine().json()["links"], 2);
    let over = verify(dir, &chain, r#"{"amount":50.01}"#, &[]);
    assert_eq!((over.code, over.json()["code"].as_str()), (4, Some("arg.constraint")));
    // No number passed through a float on its way into the token.
    let over = verify(dir, &root, r#"{"amount":100}"#, &[]);
    assert_eq!((over.code, over.json()["code"].as_str()), (4, Some("arg.constraint")));
    verify(dir, &root, r#"{"amount":99.99999999999999999}"#, &[]).fine();
    let stranger = dir.join("agent.pub");
    let stranger = killick(
        dir,
        &[
            "token",
            "verify",
            "--json",
            "--anchor",
            stranger.to_str().unwrap(),
            "--chain",
            &chain,
            "--tool",
            "x",
        ],
    );
    assert_eq!((stranger.code, stranger.json()["code"].as_str()), (5, Some("token.issuer")));

    for (grant, more, code) in [
        ("pay:invoice(amount <= 100)", &[][..], "chain.widened"),
        ("pay:invoice", &[], "chain.widened"),
        ("pay:invoice(amount <= 5); delete:invoice", &[], "chain.widened"),
        ("pay:invoice(amount <= 5)", &["--max-depth", "2"], "chain.depth"),
    ] {
        let refused = derive(dir, grant, &[more, &["--json"]].concat());
        assert_eq!((refused.code, refused.error()["code"].as_str()), (4, Some(code)), "{refused:?}");
    }
    let deeper = sign(
        dir,
        &["--key", "helper.jwk", "--below", "chain.txt", "--anchor", "root.pub", "--holder", "agent.pub"],
        &["--grant", "pay:invoice(amount <= 5)", "--json"],
    );
    assert_eq!((deeper.code, deeper.error()["code"].as_str()), (4, Some("chain.depth")), "{deeper:?}");
    for (grant, code) in
        [("read:*", "grant.invalid"), ("read:a; execute:none", "grant.invalid"), ("read a", "grant.syntax")]
    {
        let wrong = derive(dir, grant, &["--json"]);
        assert_eq!((wrong.code, wrong.error()["code"].as_str()), (2, Some(code)), "{wrong:?}");
    }
}

#[test]
fn a_proof_is_for_one_call_of_one_holder() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (_, chain) = chain(dir);
    let call =
        ["--pop", "--tool", "pay:invoice", "--args", r#"{"amount":5}"#, "--audience", "https://g1.example"];
    let proof = sign(dir, &["--key", "helper.jwk", "--below", "chain.txt"], &call).fine();
    let pop = write(dir, "pop.txt", &proof.out);
    let judged = |args: &str, audience: &str| {
        let answer = verify(dir, &chain, args, &["--pop", &pop, "--audience", audience]);
        (answer.code, answer.json()["code"].as_str().map(str::to_owned))
    };
    let denied = |code: &str| (5, Some(code.to_owned()));
    assert_eq!(judged(r#"{"amount":5.00}"#, "https://g1.example"), (0, None));
    assert_eq!(judged(r#"{"amount":6}"#, "https://g1.example"), denied("pop.arguments"));
    assert_eq!(judged(r#"{"amount":5}"#, "https://g2.example"), denied("pop.audience"));
    let other =
        sign(dir, &["--key", "agent.jwk", "--below", "chain.txt"], &[&call[..], &["--json"]].concat());
    assert_eq!((other.code, other.error()["code"].as_str()), (4, Some("pop.mismatch")), "{other:?}");
    let public =
        sign(dir, &["--key", "helper.pub", "--below", "chain.txt"], &[&call[..], &["--json"]].concat());
    assert_eq!((public.code, public.error()["code"].as_str()), (2, Some("key.invalid")), "{public:?}");
}

#[test]
fn two_tokens_are_compared_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (root, chain) = chain(dir);
    let said = killick(dir, &["token", "diff", &root, &chain]).fine().out;
    for words in [
        "- B does not grant read:invoice",
        "- pay:invoice: B permits less: amount <= 50, A amount <= 99.99999999999999999",
        "B grants less than A",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let json = killick(dir, &["token", "diff", &chain, &root, "--json"]).fine().json();
    assert_eq!(json["verdict"], "wider", "{json}");
    assert_eq!(killick(dir, &["token", "diff", &root, &root, "--json"]).fine().json()["verdict"], "same");
}

#[test]
fn one_is_told_which_link_restricts_and_what_is_too_broad() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, _shop) = invoices(&dir);
    let id = an_invoice();
    up.run(&["token", "grant", "invoice-bot", "read:invoices; list:invoices", "--max-depth", "2"]).fine();
    up.run(&["call", "--as", "invoice-bot", "read:invoices", &format!("id={id}"), "--json"]).fine();
    up.run(&["token", "attenuate", "invoice-bot", "reader", &format!("read:invoices(id == \"{id}\")")])
        .fine();

    let chain = dir.join("agents/invoice-bot/sub/reader/token");
    let explain = |words: &[&str]| {
        up.run(&[&["token", "explain", "--chain", chain.to_str().unwrap(), "--json"][..], words].concat())
    };
    let why = explain(&["read:invoices", "id=INV-other"]);
    let by = &why.json()["restricted_by"];
    assert_eq!((why.code, &by["link"], &by["code"]), (4, &json!(1), &json!("arg.constraint")), "{why:?}");
    assert!(by["issuer"].as_str().unwrap().ends_with("/agent/invoice-bot"), "{by}");
    let why = explain(&["delete:invoices", &format!("id={id}")]);
    assert_eq!(why.json()["restricted_by"]["link"], 0, "{why:?}");
    let why = explain(&["read:invoices", &format!("id={id}")]).fine();
    assert_eq!(why.json()["restricted_by"], Value::Null);

    // The log says what was used; nobody listed invoices. What was recorded last is in its tiles once killick has ended.
    assert_eq!(up.stop(), 0);
    let lint = killick(&dir, &["token", "lint", "invoice-bot", "--json"]);
    let said = lint.json();
    let found: Vec<(&str, Option<&str>)> = said["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| (finding["rule"].as_str().unwrap(), finding["action"].as_str()))
        .collect();
    assert_eq!((lint.code, &said["log"], &said["catalogue"]), (1, &json!(true), &json!(true)), "{said}");
    assert_eq!(found, [("unused", Some("list:invoices"))], "{said}");
}

#[test]
fn a_duty_has_a_name_and_one_is_told_who_is_behind() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (up, _shop) = invoices(&dir);
    let none = up.run(&["capability", "list"]).fine();
    assert!(none.out.contains("killick capability define"), "{none:?}");
    up.run(&["capability", "define", "reader", "read:invoices; list:invoices; execute:none"]).fine();
    let granted = up.run(&["token", "grant", "invoice-bot", "@reader", "--json"]).fine();
    assert_eq!(granted.json()["granted"], "list:invoices; read:invoices; execute:none");
    let lint = || {
        let said = up.run(&["token", "lint", "invoice-bot", "--json"]).json();
        let rules = said["findings"].as_array().unwrap().iter();
        rules
            .map(|finding| finding["rule"].as_str().unwrap().to_owned())
            .filter(|rule| rule != "unused")
            .collect::<Vec<_>>()
    };
    assert_eq!(lint(), [] as [&str; 0]);

    up.run(&["capability", "define", "reader", "read:invoices"]).fine();
    assert_eq!(lint(), ["bundle-behind"]);
    let list = up.run(&["capability", "list"]).fine();
    assert!(
        list.out.contains("reader/2") && list.out.contains("invoice-bot: 1 token by version 1, behind"),
        "{list:?}"
    );
    let shown = up.run(&["capability", "show", "reader", "--json"]).fine().json();
    assert_eq!(shown["earlier"][0]["grant"], "read:invoices; list:invoices; execute:none");

    up.run(&["capability", "retire", "reader"]).fine();
    assert_eq!(lint(), ["bundle-retired"]);
    let id = an_invoice();
    up.run(&["call", "--as", "invoice-bot", "read:invoices", &format!("id={id}")]).fine();
    for (line, exit, code) in [
        (&["token", "grant", "invoice-bot", "@reader"][..], 2, "grant.invalid"),
        (&["token", "grant", "invoice-bot", "@readr"], 2, "grant.invalid"),
        (&["capability", "show", "nobody"], 2, "capability.unknown"),
        (&["capability", "retire", "../tokens"], 2, "capability.unknown"),
        (&["capability", "define", "-x", "read:invoices"], 2, "usage"),
        (&["capability", "define", "x", "read:"], 2, "grant.syntax"),
        (&["token", "attenuate", "invoice-bot", "sub", "@reader"], 2, "grant.syntax"),
    ] {
        let answer = up.run(&[line, &["--json"]].concat());
        assert_eq!(
            (answer.code, answer.error()["code"].as_str()),
            (exit, Some(code)),
            "{line:?}: {answer:?}"
        );
    }
}
