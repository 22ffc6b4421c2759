//! Every rule of X.509-SVID path validation, over paths of each kind of key and three lengths: each has a path that breaks
//! it and near twins that do not. The same paths are shown to OpenSSL and to another X.509 implementation
//! (`tests/oracle/svid_verify.py`): what they refuse we refuse, and where we refuse more, the case says so.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops where something is not as it must be, and says what it skips"
)]

mod cases;
mod maker;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_proof::fixtures::NOW;
use killick_proof::keys::KeyKind::{self, Ed25519, P256};
use killick_proof::svid::verify_svid_chain;
use killick_proof::{Code, UnixTime};
use serde_json::{Value, json};

use cases::{Beside, CASES, Case, HOUR, plain};

/// Keys of a path, the leaf's first.
const KINDS: [&[KeyKind]; 10] = [
    &[Ed25519, Ed25519],
    &[P256, P256],
    &[Ed25519, P256],
    &[P256, Ed25519],
    &[Ed25519, Ed25519, Ed25519],
    &[P256, P256, P256],
    &[Ed25519, P256, Ed25519],
    &[P256, Ed25519, P256],
    &[Ed25519, Ed25519, Ed25519, Ed25519],
    &[P256, P256, P256, P256],
];

/// A case, the keys of its path, and the path in DER: leaf first, root last.
type Shown = (&'static Case, &'static [KeyKind], Vec<Vec<u8>>);

/// Every case over every kind of path that it makes sense for.
fn paths() -> impl Iterator<Item = Shown> {
    CASES.iter().flat_map(|case| {
        let fits = |kinds: &&[KeyKind]| kinds.len() >= case.between + 2;
        KINDS.into_iter().filter(fits).map(move |kinds| {
            let mut path = plain(kinds);
            (case.change)(&mut path);
            (case, kinds, path.sign())
        })
    })
}

fn verdict(path: &[Vec<u8>], now: UnixTime) -> Result<(), (Code, String)> {
    let (root, chain) = path.split_last().unwrap();
    verify_svid_chain(chain, std::slice::from_ref(root), "acme.example", now)
        .map(|svid| assert_eq!(svid.id.as_str(), "spiffe://acme.example/agent/a"))
        .map_err(|refusal| (refusal.code(), refusal.detail().to_owned()))
}

#[test]
fn each_rule_is_kept() {
    for (case, kinds, path) in paths() {
        let verdict = verdict(&path, NOW);
        let code = verdict.as_ref().err().map(|(code, _)| *code);
        assert_eq!(code, case.expected, "{} {kinds:?}: {verdict:?}", case.name);
        // The second reading would refuse much of this too; what is shown here is that the rule itself does.
        let by_second = verdict.is_err_and(|(_, why)| why.starts_with("the SVID does not lead to a root: "));
        assert!(!by_second, "{} {kinds:?}: only the second reading refuses", case.name);
    }
}

/// A refusal says what is wrong: no two rules of a leaf are refused by the same sentence for want of a better one.
#[test]
fn refusals_name_their_rule() {
    let mut sentences: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for case in CASES.iter().filter(|case| case.expected.is_some()) {
        let mut path = plain(KINDS[8]);
        (case.change)(&mut path);
        let (_, sentence) = verdict(&path.sign(), NOW).unwrap_err();
        sentences.entry(sentence).or_default().push(case.name);
    }
    assert!(sentences.len() >= 35, "{sentences:#?}");
}

#[test]
fn order_and_number_are_bounded() {
    let path = plain(KINDS[8]).sign();
    let [leaf, low, high, root] = path.as_slice() else { panic!("four") };
    let verify = |chain: &[&Vec<u8>], roots: &[&Vec<u8>]| {
        let roots: Vec<Vec<u8>> = roots.iter().map(|root| (*root).clone()).collect();
        verify_svid_chain(chain, &roots, "acme.example", NOW).map(|_| ()).map_err(|refusal| refusal.code())
    };
    assert_eq!(verify(&[leaf, low, high], &[root]), Ok(()));
    assert_eq!(verify(&[leaf, high, low], &[root]), Err(Code::IdentityChain), "out of order");
    assert_eq!(verify(&[low, high], &[root]), Err(Code::IdentityChain), "a signing certificate is no SVID");
    assert_eq!(verify(&[leaf], &[root]), Err(Code::IdentityChain), "what lies between is missing");
    assert_eq!(verify(&[leaf, low, high, root], &[root]), Ok(()), "the root itself may come along");
    assert_eq!(
        verify(&[leaf, low, high], &[low]),
        Ok(()),
        "any signing certificate may be trusted as a root"
    );
    assert_eq!(verify(&[], &[root]), Err(Code::IdentityChain));
    assert_eq!(verify(&[leaf, low, high], &[]), Err(Code::IdentityChain));
    assert_eq!(
        verify(&[leaf, low, high], &[leaf, &vec![1, 2, 3], root]),
        Ok(()),
        "what is no root counts as absent"
    );
    let many = [&[leaf][..], &[low; 6]].concat();
    assert_eq!(verify(&many, &[root]), Err(Code::IdentityChain), "six may come, though not these");
    let more = [&[leaf][..], &[low; 7]].concat();
    assert_eq!(verify(&more, &[root]), Err(Code::LimitSize));
    let long = vec![0x30; 16_385];
    assert_eq!(verify(&[&long], &[root]), Err(Code::LimitSize));
}

#[test]
fn every_changed_byte_is_refused() {
    for kinds in [KINDS[4], KINDS[5]] {
        let path = plain(kinds).sign();
        for (index, certificate) in path.iter().enumerate().take(2) {
            for at in 0..certificate.len() {
                let mut changed = path.clone();
                changed[index][at] ^= 1;
                assert!(verdict(&changed, NOW).is_err(), "certificate {index}, byte {at}");
            }
        }
    }
}

#[test]
fn validity_has_four_edges() {
    for kinds in KINDS {
        let path = plain(kinds).sign();
        let at = |secs: u64| verdict(&path, UnixTime::from_secs(secs)).map_err(|(code, _)| code);
        let (start, end) = (NOW.secs() - HOUR, NOW.secs() + HOUR);
        assert_eq!(at(start - 1), Err(Code::IdentityExpired));
        assert_eq!(at(start), Ok(()));
        assert_eq!(at(end), Ok(()));
        assert_eq!(at(end + 1), Err(Code::IdentityExpired));
    }
}

/// What the other implementations say of a path: `None` where one cannot judge it.
struct Answer {
    openssl_strict: bool,
    openssl: bool,
    cryptography: Option<bool>,
}

#[test]
fn independent_implementations_agree() {
    let Some(python) = python() else { return };
    // Every length, every kind of key in every place: enough, as each path is a process of OpenSSL's.
    let paths: Vec<_> = paths().filter(|(_, kinds, _)| kinds.len() != 3 || kinds[0] != kinds[1]).collect();
    let paths: Vec<_> = paths.into_iter().filter(|(_, kinds, _)| *kinds != [P256, Ed25519]).collect();
    assert!(paths.len() >= 500, "{} paths", paths.len());
    let answers = ask(&python, &paths);

    let (mut same, mut beyond, mut judged_twice) = (0, BTreeMap::<&str, usize>::new(), 0);
    let mut differences = Vec::new();
    for ((case, kinds, path), answer) in paths.iter().zip(&answers) {
        let is_accepted = verdict(path, NOW).is_ok();
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                differences.push(format!("{} {kinds:?}: {what}", case.name));
            }
        };
        match case.beside {
            Beside::Same => {
                expect(answer.openssl_strict == is_accepted, "OpenSSL's strict verdict is another");
                same += 1;
            }
            Beside::Beyond => {
                expect(!is_accepted, "a rule beyond X.509 only ever refuses");
                expect(answer.openssl, "OpenSSL refuses it too, so it is not beyond X.509");
                *beyond.entry(case.name).or_default() += 1;
            }
            Beside::Either => {}
        }
        // What we accept, OpenSSL accepts, and so does the third where it can judge.
        let may_differ = case.beside == Beside::Either;
        expect(answer.openssl || !is_accepted || may_differ, "OpenSSL refuses what we accept");
        if let Some(third) = answer.cryptography {
            judged_twice += 1;
            expect(third || !is_accepted, "cryptography refuses what we accept");
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(judged_twice >= 100, "{judged_twice} paths were judged by cryptography");
    println!(
        "{} paths: {same} with OpenSSL's verdict, {} refused beyond X.509 by {} rules, {judged_twice} judged by a third",
        paths.len(),
        beyond.values().sum::<usize>(),
        beyond.len()
    );
}

fn ask(python: &std::path::Path, paths: &[Shown]) -> Vec<Answer> {
    let mut oracle = Command::new(python)
        .arg(root().join("tests/oracle/svid_verify.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = |(case, _, path): &Shown| {
        let path: Vec<String> = path.iter().map(|der| STANDARD.encode(der)).collect();
        format!("{}\n", json!({ "name": case.name, "now": NOW.secs(), "path": path }))
    };
    let lines: String = paths.iter().map(line).collect();
    let mut stdin = oracle.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = oracle.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let answers: Vec<Answer> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let answer: Value = serde_json::from_str(line).unwrap();
            Answer {
                openssl_strict: answer["openssl_strict"].as_bool().unwrap(),
                openssl: answer["openssl"].as_bool().unwrap(),
                cryptography: answer["cryptography"].as_bool(),
            }
        })
        .collect();
    assert_eq!(answers.len(), paths.len());
    answers
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Python that has the oracles' packages; `None`, said so, where it or OpenSSL is not there and that is permitted.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("KILLICK_ORACLE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let runs = |mut command: Command| command.output().is_ok_and(|out| out.status.success());
    let mut has_packages = Command::new(&python);
    has_packages.args(["-c", "import cryptography.x509.verification"]);
    let mut has_openssl = Command::new("openssl");
    has_openssl.arg("version");
    let has = runs(has_packages) && runs(has_openssl);
    assert!(
        has || std::env::var_os("KILLICK_NO_SKIP").is_none(),
        "python3 has no `cryptography`: cargo xtask setup"
    );
    if !has {
        println!("skipped: python3 with the package `cryptography`, or openssl, is not there");
    }
    has.then_some(python)
}
