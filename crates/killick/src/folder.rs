//! The data folder: where things are, and how secrets are written there.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::output::{Exit, Failure};

/// What a running `killick up` says of itself in `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Where agents send requests.
    pub gateway_url: String,
    /// Where people look.
    pub console_url: String,
    /// Metrics and health.
    pub admin_url: String,
    /// The process.
    pub pid: u32,
}

/// A data folder, whether it exists or not.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The data folder at `dir`.
    pub fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `killick.toml`
    pub fn config(&self) -> PathBuf {
        crate::config::path_in(&self.0)
    }

    /// The admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.0.join("admin.sock")
    }

    /// `trust.json`
    pub fn trust(&self) -> PathBuf {
        self.0.join("trust.json")
    }

    /// `run.json`
    pub fn run(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// The gateway's log.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// Journal and subject keys of the gateway's log.
    pub fn log_state(&self) -> PathBuf {
        self.0.join("log-state")
    }

    /// The authority's log.
    pub fn directory_log(&self) -> PathBuf {
        self.0.join("directory-log")
    }

    /// Journal and subject keys of the authority's log.
    pub fn directory_log_state(&self) -> PathBuf {
        self.0.join("directory-log-state")
    }

    /// The folder of the witness that runs here, if one does.
    pub fn witness(&self) -> PathBuf {
        self.0.join("witness")
    }

    /// What the gateway keeps from one run to the next.
    pub fn gateway_state(&self) -> PathBuf {
        self.0.join("gateway-state")
    }

    /// `policies/`
    pub fn policies(&self) -> PathBuf {
        self.0.join("policies")
    }

    /// `catalogue.json`
    pub fn catalogue(&self) -> PathBuf {
        self.0.join("catalogue.json")
    }

    /// `keys/`
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// `agents/`
    pub fn agents(&self) -> PathBuf {
        self.0.join("agents")
    }

    /// What runs here, as `run.json` says.
    pub fn read_run(&self) -> Option<Run> {
        serde_json::from_slice(&read_file(&self.run()).ok()?).ok()
    }

    /// `trust.json`, of this folder or from `elsewhere`.
    pub fn read_trust(&self, elsewhere: Option<&Path>) -> Result<Value, Failure> {
        let own = self.trust();
        let path = elsewhere.unwrap_or(&own);
        let bytes = read_file(path).map_err(|error| match (error.kind(), elsewhere) {
            (std::io::ErrorKind::NotFound, None) => {
                Failure::usage("folder.empty", format!("{} has no trust.json", self.0.display()))
                    .mend("start killick here once with `killick up`, or name its folder with --dir")
            }
            _ => Failure::io("read", path, &error),
        })?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::check("file.damaged", format!("{} is not valid JSON: {error}", path.display()))
                .mend("`killick up` writes trust.json afresh at every start")
        })
    }
}

/// The string member of a JSON object, or a failure that names file and member.
pub fn member<'a>(value: &'a Value, pointer: &str, file: &str) -> Result<&'a str, Failure> {
    value.pointer(pointer).and_then(Value::as_str).ok_or_else(|| {
        Failure::check(
            "file.damaged",
            format!("{file} has no `{}`", pointer.trim_start_matches('/').replace('/', ".")),
        )
        .mend("restore the file, or let killick write it afresh")
    })
}

/// Creates a folder that only its owner may enter, if absent.
pub fn create_private_dir(path: &Path) -> Result<(), Failure> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Failure::io("create", path, &error))
}

/// Writes a file as a whole or not at all: beside it, synced, then moved into place. `mode` e.g. 0o600.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let result = (|| {
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        // The new name is durable only once the folder is.
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => std::fs::File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    })();
    result.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        Failure::io("write", path, &error)
    })
}

/// Bytes of any file that a command reads: far above every catalogue, and below what hurts a small machine. A device
/// may have no end.
const FILE_BYTES_MAX: u64 = 64 * 1_048_576;

/// Reads a file whole. Errs with `FileTooLarge` beyond 64 MiB.
pub fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)?.take(FILE_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read <= FILE_BYTES_MAX) {
        return Ok(bytes);
    }
    Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is larger than 64 MiB"))
}

/// Reads a text file whole. Errs with `InvalidData` if it is not UTF-8, and as [`read_file`] does.
pub fn read_string(path: &Path) -> std::io::Result<String> {
    String::from_utf8(read_file(path)?)
        .map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Reads a file that must be there and must be text.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    read_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => {
            Failure::new(Exit::CheckFailed, "file.damaged", format!("{} is not text", path.display()))
        }
        _ => Failure::io("read", path, &error),
    })
}

/// 32 random bytes from the system.
pub fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0_u8; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Failure::check("random.failed", "the system gives no random bytes"))?;
    Ok(bytes)
}

/// The time now.
pub fn now() -> killick_proof::UnixTime {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    killick_proof::UnixTime::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
}
