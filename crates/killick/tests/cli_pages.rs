//! What is made from the definition of the command line: completions, manual pages, the reference.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails here says why"
)]

#[expect(dead_code, reason = "other test files use the rest")]
mod cli_support;

use std::path::Path;

use cli_support::killick;

#[test]
fn completions_for_every_shell() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = killick(folder.path(), &["completions", shell]).fine().out;
        assert!(script.contains("killick") && script.contains("onboard"), "{shell}");
        assert!(
            !script.contains("Run one service") && !script.contains("killick,shop"),
            "{shell}: hidden commands stay hidden"
        );
    }
    let script = folder.path().join("killick.bash");
    std::fs::write(&script, killick(folder.path(), &["completions", "bash"]).out).unwrap();
    let checked = std::process::Command::new("bash").arg("-n").arg(&script).status().unwrap();
    assert!(checked.success());
}

#[test]
fn a_manual_page_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("man");
    killick(folder.path(), &["man", man.to_str().unwrap()]).fine();
    for page in [
        "killick.1",
        "killick-up.1",
        "killick-agent-onboard.1",
        "killick-token-grant.1",
        "killick-log-verify.1",
    ] {
        let text = std::fs::read_to_string(man.join(page)).unwrap();
        assert!(text.starts_with(".ie") || text.contains(".TH"), "{page}");
    }
    assert!(!man.join("killick-shop.1").exists());
}

/// `killick docs > docs/reference/cli.md` keeps this true.
#[test]
fn the_reference_is_what_the_program_says() {
    let folder = tempfile::tempdir().unwrap();
    let said = killick(folder.path(), &["docs"]).fine().out;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
    if std::env::var_os("KILLICK_BLESS").is_some() {
        std::fs::write(&path, &said).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == said, "docs/reference/cli.md is not up to date: write it with `killick docs`");
}

#[test]
fn help_fits_and_names_the_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let help = killick(folder.path(), &["--help"]).fine().out;
    for word in
        ["pilot", "up", "agent", "token", "call", "run", "revoke", "log", "doctor", "Exit codes: 0 fine"]
    {
        assert!(help.contains(word), "{word}");
    }
    assert!(!help.contains("shop"));
    assert!(killick(folder.path(), &["--version"]).fine().out.starts_with("killick 0."));
}
