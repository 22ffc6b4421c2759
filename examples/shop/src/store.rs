//! A service's own SQLite file.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::error::ShopError;
use crate::seed;
use crate::services::Service;

/// Opens the service's database; a new one is made and filled with the seed data in one transaction.
pub async fn open(path: &Path, service: Service) -> Result<SqlitePool, ShopError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(5));
    let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
    seed::fill(&pool, service).await?;
    Ok(pool)
}
