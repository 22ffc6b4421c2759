//! Tables, their versions, and what to say when the database cannot be used.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sqlx::sqlite::SqlitePool;

use crate::error::AuthorityError;

/// One script per schema version, applied in order, each in its own transaction. Never edited once released.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE agents (
        name TEXT PRIMARY KEY COLLATE NOCASE,
        state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'offboarded')),
        owner TEXT NOT NULL CHECK (owner <> ''),
        model TEXT NOT NULL,
        runtime TEXT,
        purpose TEXT,
        risk_tier TEXT NOT NULL,
        onboarded_at INTEGER NOT NULL,
        observe_until INTEGER
    ) STRICT;
    CREATE TABLE keys (
        thumbprint TEXT PRIMARY KEY,
        agent TEXT NOT NULL REFERENCES agents (name),
        jwk TEXT NOT NULL,
        not_after INTEGER NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX keys_by_agent ON keys (agent);
    CREATE TABLE tokens (
        jti TEXT PRIMARY KEY,
        agent TEXT NOT NULL REFERENCES agents (name),
        granted TEXT NOT NULL,
        deny TEXT NOT NULL,
        iat INTEGER NOT NULL,
        exp INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX tokens_by_agent ON tokens (agent, iat);
    CREATE INDEX tokens_by_exp ON tokens (exp);
    CREATE TABLE revocations (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        reason TEXT,
        accepted_at INTEGER NOT NULL,
        UNIQUE (kind, value)
    ) STRICT;
    CREATE TABLE acts (serial INTEGER PRIMARY KEY, act TEXT NOT NULL) STRICT;
",
    "
    CREATE TABLE capability_bundles (
        name TEXT NOT NULL COLLATE NOCASE,
        version INTEGER NOT NULL CHECK (version > 0),
        granted TEXT NOT NULL,
        defined_at INTEGER NOT NULL,
        retired INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (name, version)
    ) STRICT;
    ALTER TABLE tokens ADD COLUMN bundles TEXT NOT NULL DEFAULT '[]';
",
];

/// Why a database could not be brought to this version's schema.
pub(super) enum Failure {
    Sql(sqlx::Error),
    Newer(i64),
    Damaged(String),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure::Sql(error)
    }
}

impl Failure {
    pub(super) fn explain(self, shown: &str) -> AuthorityError {
        match self {
            Failure::Sql(error) => explain(shown, &error),
            Failure::Newer(version) => AuthorityError::setup(
                format!(
                    "`{shown}` was written by a newer killick (schema {version}, this one knows {})",
                    MIGRATIONS.len()
                ),
                "start the newer killick",
            ),
            Failure::Damaged(what) => damaged(shown, &what),
        }
    }
}

/// Creates the file, readable by its owner alone, before SQLite opens it: SQLite gives the files beside it the same
/// mode.
pub(super) fn prepare_file(path: &Path) -> Result<(), AuthorityError> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| AuthorityError::io("write", path, &error))
}

/// Checks the file and applies the migrations that it lacks.
pub(super) async fn migrate(pool: &SqlitePool) -> Result<(), Failure> {
    let mut connection = pool.acquire().await?;
    let check: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *connection).await?;
    if check != "ok" {
        return Err(Failure::Damaged(check));
    }
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(Failure::Newer(version));
    }
    drop(connection);
    for (script, to) in MIGRATIONS.iter().zip(1_i64..).skip(usize::try_from(version).unwrap_or(0)) {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(*script).execute(&mut *transaction).await?;
        // A pragma takes no parameters; `to` counts our own scripts.
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {to}")))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// One sentence for whatever SQLite says.
pub(super) fn explain(shown: &str, error: &sqlx::Error) -> AuthorityError {
    let code = match error {
        sqlx::Error::Database(database) => {
            database.code().and_then(|code| code.parse::<i64>().ok()).map(|code| code & 0xff)
        }
        _ => None,
    };
    // Primary result codes: https://www.sqlite.org/rescode.html
    match code {
        Some(11 | 26) => damaged(shown, &error.to_string()),
        Some(8) => AuthorityError::setup(
            format!("`{shown}` cannot be written: the file or its folder is read-only"),
            "make the folder writable for the user that runs killick",
        ),
        Some(14) => AuthorityError::setup(
            format!("`{shown}` cannot be opened"),
            "check that the folder exists and belongs to the user that runs killick",
        ),
        Some(13) => AuthorityError::unavailable(
            "authority.disk_full",
            format!("`{shown}` cannot grow: the disk is full"),
            "make space; nothing was lost",
        ),
        Some(5 | 6) => AuthorityError::unavailable(
            "authority.busy",
            format!("`{shown}` is in use by another program"),
            "stop the other one",
        ),
        _ => AuthorityError::unavailable(
            "authority.store",
            format!("`{shown}` cannot be used: {error}"),
            "try again; if it stays, restore it from a backup",
        ),
    }
}

pub(super) fn damaged(shown: &str, what: &str) -> AuthorityError {
    // SQLite's report has several lines; the last one names the place.
    let what = what.lines().last().unwrap_or_default();
    AuthorityError::setup(
        format!("`{shown}` is damaged ({what})"),
        "restore it from a backup; the directory log beside it still says what was granted and revoked",
    )
}
