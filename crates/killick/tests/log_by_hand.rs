//! The commands of `docs/how-to/verify-the-log.md`, run as they stand there.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

#[path = "../../killick-tlog/tests/strangers/world.rs"]
#[expect(dead_code, reason = "what this test does not need of it")]
mod world;

use std::path::Path;
use std::process::{Command, Output};

use crate::world::{entries, log, log_key, trust, witnesses};

/// What `bash` says to the page's blocks that are marked `by-hand`, in a folder that holds `log` and `trust.json`.
fn by_hand(folder: &Path) -> Output {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/verify-the-log.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```sh by-hand\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let script: String = blocks.collect();
    assert!(script.lines().count() > 20, "the page has no commands");
    Command::new("bash").args(["-e", "-c", &script]).current_dir(folder).output().unwrap()
}

fn stage(size: usize, change: impl FnOnce(&mut world::Files)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut files = log(&entries(size), &log_key(1), &witnesses());
    change(&mut files);
    for (path, bytes) in files {
        let path = folder.path().join("log").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    std::fs::write(folder.path().join("trust.json"), format!("{:#}", trust(None))).unwrap();
    folder
}

/// Whether the two roots that the commands print are the same, and whether the signature holds.
fn verdict(output: &Output) -> (bool, bool) {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    (lines[0] == lines[1], output.status.success() && text.contains("Verified Successfully"))
}

#[test]
fn the_commands_of_the_page_find_what_is_right_and_what_is_not() {
    if Command::new("xxd").arg("-v").output().is_err() {
        assert!(std::env::var_os("KILLICK_NO_SKIP").is_none(), "xxd is not there: cargo xtask setup");
        println!("skipped: xxd is not there");
        return;
    }
    for size in [1, 2, 13, 256] {
        assert_eq!(verdict(&by_hand(stage(size, |_| ()).path())), (true, true), "{size}");
    }
    let bundle = "tile/entries/000.p/13";
    let changed = stage(13, |files| *files.get_mut(bundle).unwrap().last_mut().unwrap() ^= 1);
    assert_eq!(verdict(&by_hand(changed.path())), (false, true));
    let resigned = log(&entries(13), &log_key(2), &[])["checkpoint"].clone();
    let forged = stage(13, |files| drop(files.insert("checkpoint".to_owned(), resigned)));
    assert_eq!(verdict(&by_hand(forged.path())), (true, false));
}
