//! The authority's database: SQLite in `authority.db`, one writer, write-ahead log, every commit synced.

pub(crate) mod load;
pub(crate) mod query;
mod schema;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::error::AuthorityError;

pub(crate) use load::Loaded;

/// The database. Clones share it.
#[derive(Clone)]
pub(crate) struct Store {
    pool: SqlitePool,
    shown: String,
}

/// One change to one table. Values are checked before they get here.
pub(crate) enum Write {
    InsertAgent(AgentRow),
    SetState { name: String, state: &'static str },
    EraseOwner { owner: String },
    SetObserve { name: String, until: Option<u64> },
    UpsertKey { thumbprint: String, agent: String, jwk: String, not_after: u64, created_at: u64 },
    InsertToken(TokenRow),
    InsertCapabilities { name: String, version: u64, granted: String, defined_at: u64 },
    RetireCapabilities { name: String },
    InsertRevocation { kind: &'static str, value: String, reason: Option<String>, accepted_at: u64 },
    DeleteRevocation { kind: &'static str, value: String },
    SetMeta { key: &'static str, value: String },
}

/// A row of `agents`.
pub(crate) struct AgentRow {
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) model: String,
    pub(crate) runtime: Option<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) risk_tier: String,
    pub(crate) onboarded_at: u64,
}

/// A row of `tokens`.
pub(crate) struct TokenRow {
    pub(crate) jti: String,
    pub(crate) agent: String,
    pub(crate) granted: String,
    pub(crate) deny: String,
    pub(crate) bundles: String,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
}

impl Store {
    /// Opens or creates the database. Errs, in one sentence each, if it is damaged, was written by a newer killick,
    /// or cannot be written.
    pub(crate) async fn open(path: &Path) -> Result<Self, AuthorityError> {
        schema::prepare_file(path)?;
        let shown = path.display().to_string();
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        // One connection for the writer, two for the admin API's reads.
        let pool = SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(3)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await
            .map_err(|error| schema::explain(&shown, &error))?;
        schema::migrate(&pool).await.map_err(|failure| failure.explain(&shown))?;
        Ok(Self { pool, shown })
    }

    /// Applies the changes, remembers the acts until they are in the directory log, and the bundle's version; all or
    /// nothing, durable when it returns. `acts_logged` is the serial of the last act known to be in the log.
    pub(crate) async fn commit(
        &self,
        writes: Vec<Write>,
        acts: Vec<(u64, String)>,
        acts_logged: u64,
        bundle_version: u64,
    ) -> Result<(), AuthorityError> {
        self.try_commit(writes, acts, acts_logged, bundle_version)
            .await
            .map_err(|error| schema::explain(&self.shown, &error))
    }

    async fn try_commit(
        &self,
        writes: Vec<Write>,
        acts: Vec<(u64, String)>,
        acts_logged: u64,
        bundle_version: u64,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for write in writes {
            query::apply(&mut transaction, write).await?;
        }
        sqlx::query("DELETE FROM acts WHERE serial <= ?1")
            .bind(signed(acts_logged))
            .execute(&mut *transaction)
            .await?;
        for (serial, act) in acts {
            sqlx::query("INSERT INTO acts (serial, act) VALUES (?1, ?2)")
                .bind(signed(serial))
                .bind(act)
                .execute(&mut *transaction)
                .await?;
        }
        for (key, value) in [("bundle_version", bundle_version), ("acts_logged", acts_logged)] {
            query::set_meta(&mut transaction, key, &value.to_string()).await?;
        }
        transaction.commit().await
    }

    /// Closes the database; its write-ahead log is folded in.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// SQLite's integers are signed; ours are times and counters far below 2^63.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
