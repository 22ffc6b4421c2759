//! The repository keeps its own rules: dependency arrows, documented reasons, living links, readable files.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails here says why")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use killick_proof::Code;

/// Which of our crates may use which. Arrows point down; see ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "killick",
        &[
            "killick-authority",
            "killick-console",
            "killick-decide",
            "killick-gateway",
            "killick-ledger",
            "killick-proof",
            "killick-redteam",
            "killick-shop",
            "killick-tlog",
            "killick-witness",
        ],
    ),
    ("killick-authority", &["killick-decide", "killick-ledger", "killick-proof", "killick-tlog"]),
    ("killick-console", &["killick-decide", "killick-ledger", "killick-proof", "killick-tlog"]),
    ("killick-decide", &["killick-proof", "killick-tlog"]),
    ("killick-gateway", &["killick-decide", "killick-ledger", "killick-proof", "killick-tlog"]),
    ("killick-ledger", &["killick-tlog", "killick-witness"]),
    ("killick-proof", &[]),
    ("killick-redteam", &["killick-proof", "killick-tlog"]),
    ("killick-shop", &["killick-upstream"]),
    ("killick-tlog", &[]),
    ("killick-upstream", &["killick-proof"]),
    ("killick-witness", &["killick-tlog"]),
    ("xtask", &[]),
];

/// Lines beyond which a file should be two.
const FILE_LINES_MAX: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The files that git knows, or would if they were added; relative to the root.
fn files(ending: &str) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    String::from_utf8(output.stdout)
        .unwrap()
        .split('\0')
        .filter(|name| name.ends_with(ending) && root().join(name).is_file())
        .map(PathBuf::from)
        .collect()
}

#[test]
fn dependencies_point_down() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut found = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let mut ours: Vec<String> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null() && dependency["source"].is_null())
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect();
        ours.sort();
        found.insert(package["name"].as_str().unwrap().to_owned(), ours);
    }
    for (name, dependencies) in &found {
        let (_, permitted) =
            ARROWS.iter().find(|(crate_name, _)| crate_name == name).expect("a crate without a place");
        for dependency in dependencies {
            assert!(permitted.contains(&dependency.as_str()), "{name} may not depend on {dependency}");
        }
    }
    assert_eq!(found.len(), ARROWS.len(), "a crate was removed: {:?}", found.keys());
}

#[test]
fn every_reason_is_documented() {
    let mut expected = String::from(
        "# Reasons\n\nEvery refusal and denial carries one of these stable codes: in the `code` of the problem, in the log, \
         in the metrics.\nMade from `crates/killick-proof/src/refusal.rs` by `crates/killick/tests/tidy.rs`: run it with \
         `KILLICK_WRITE=1` to\nwrite this page anew.\n\n| code | HTTP | meaning |\n| --- | --- | --- |\n",
    );
    for code in Code::ALL {
        expected.push_str(&format!("| `{code}` | {} | {} |\n", code.http_status(), code.meaning().trim()));
    }
    let page = root().join("docs/reference/reasons.md");
    if std::env::var_os("KILLICK_WRITE").is_some() {
        std::fs::write(&page, &expected).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&page).unwrap_or_default(),
        expected,
        "run this test with KILLICK_WRITE=1"
    );
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for file in files(".md") {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            let outside = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !outside && !root().join(&file).parent().unwrap().join(target).exists() {
                dead.push(format!("{}: {target}", file.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links: {dead:#?}");
}

#[test]
fn files_stay_readable_and_finished() {
    let unfinished = ["todo!(", "unimplemented!(", "TO\u{44}O", "FIX\u{4d}E"];
    let mut problems = Vec::new();
    for file in files(".rs") {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            problems.push(format!("{} has {lines} lines", file.display()));
        }
        for mark in unfinished.iter().filter(|mark| text.contains(**mark) && !file.ends_with("tidy.rs")) {
            problems.push(format!("{} still has `{mark}`", file.display()));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn nothing_names_the_path_of_one_machine() {
    let mut problems = Vec::new();
    for ending in [".rs", ".md", ".toml", ".py", ".json", ".yaml", ".sh"] {
        for file in files(ending).into_iter().filter(|file| !file.starts_with("redteam/agentdojo")) {
            let text = std::fs::read_to_string(root().join(&file)).unwrap();
            for place in ["/home/", "/root/", "/Users/"] {
                if text.contains(place) && !file.ends_with("tidy.rs") {
                    problems.push(format!("{} names a path under {place}", file.display()));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}
