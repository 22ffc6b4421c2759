//! PostgreSQL as Debian ships it, `synchronous_commit=on`, on a Unix socket, in a folder of its own. It refuses to run as
//! root, so it then runs as the user that the package made.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls, Statement};

use crate::load::Peer;

/// Connections at most. More backends than this are slower on the machines that this was tried on; callers beyond it
/// share connections, and their statements are sent without waiting for one another's answers.
const CONNECTIONS_MAX: usize = 128;

/// A running server; stopped when dropped.
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    /// Of its own, since the path of a Unix socket has 107 bytes at most.
    socket: TempDir,
    pub version: String,
    process: u32,
}

#[derive(Clone)]
pub struct Postgres {
    connections: Arc<Vec<(Client, Statement)>>,
    process: u32,
}

fn command(program: &Path) -> Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let mut command = if root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.current_dir("/");
    command
}

/// Makes a cluster in this folder, which any user may write to, and starts its server; `None` if there is no PostgreSQL.
pub fn start(folder: &Path) -> Option<Server> {
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(|found| Some(found.ok()?.path())).collect();
    versions.sort();
    let programs = versions.pop()?.join("bin");
    let data = folder.join("data");
    let made = command(&programs.join("initdb"))
        .args(["--auth=trust", "--username=bench", "--encoding=UTF8", "--no-locale", "--pgdata"])
        .arg(&data)
        .status()
        .is_ok_and(|status| status.success());
    if !made {
        return None;
    }
    let socket = tempfile::tempdir().ok()?;
    std::fs::set_permissions(socket.path(), std::fs::Permissions::from_mode(0o777)).ok()?;
    let options = format!(
        "-c listen_addresses= -c unix_socket_directories={} -c max_connections={} -c synchronous_commit=on -c fsync=on \
         -c shared_buffers=256MB -c max_wal_size=4GB",
        socket.path().display(),
        CONNECTIONS_MAX + 10,
    );
    let started = command(&programs.join("pg_ctl"))
        .args(["start", "--wait", "--silent", "--pgdata"])
        .arg(&data)
        .arg("--log")
        .arg(folder.join("server.log"))
        .args(["--options", &options])
        .status()
        .is_ok_and(|status| status.success());
    let pid = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let version = std::fs::read_to_string(data.join("PG_VERSION")).ok()?.trim().to_owned();
    let process = pid.lines().next()?.parse().ok()?;
    started.then(|| Server { programs, folder: folder.to_owned(), socket, version, process })
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = command(&self.programs.join("pg_ctl"))
            .args(["stop", "--wait", "--mode=fast", "--pgdata"])
            .arg(self.folder.join("data"))
            .status();
    }
}

impl Server {
    /// As many connections as callers, up to the bound, on an empty table.
    pub async fn connect(&self, callers: usize) -> Postgres {
        let mut connections = Vec::new();
        for number in 0..callers.clamp(1, CONNECTIONS_MAX) {
            let mut config = Config::new();
            config
                .host_path(self.socket.path())
                .user("bench")
                .dbname("postgres")
                .connect_timeout(Duration::from_secs(60));
            let (client, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            if number == 0 {
                let table = "drop table if exists log; create table log (id bigserial primary key, entry bytea not null)";
                client.batch_execute(table).await.unwrap();
            }
            let insert = client.prepare("insert into log (entry) values ($1)").await.unwrap();
            connections.push((client, insert));
        }
        Postgres { connections: Arc::new(connections), process: self.process }
    }
}

impl Peer for Postgres {
    async fn append(&self, caller: usize, entry: Vec<u8>) {
        let (client, insert) = &self.connections[caller % self.connections.len()];
        client.execute(insert, &[&entry]).await.unwrap();
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.process]
    }
}
