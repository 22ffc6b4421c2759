//! SQLite, WAL, `synchronous=FULL`, by its own C library and a prepared statement: one writer, as SQLite allows. Either
//! one row to a commit, or whatever waits while the last commit ran, as the ledger does.

use std::path::Path;
use std::thread;

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use crate::load::Peer;

/// Rows of one commit at most, as many as the ledger's.
const BATCH_MAX: usize = 8_192;

#[derive(Clone)]
pub struct Sqlite(mpsc::UnboundedSender<(Vec<u8>, oneshot::Sender<()>)>);

/// A database with its writer's thread.
pub fn open(file: &Path, batched: bool) -> Sqlite {
    let connection = Connection::open(file).unwrap();
    connection
        .execute_batch(
            "pragma journal_mode=wal; pragma synchronous=full; pragma cache_size=-65536;
             create table log (id integer primary key, entry blob not null);",
        )
        .unwrap();
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Vec<u8>, oneshot::Sender<()>)>();
    thread::spawn(move || {
        let mut insert = connection.prepare("insert into log (entry) values (?1)").unwrap();
        let mut waiting = Vec::new();
        while let Some(first) = receiver.blocking_recv() {
            waiting.push(first);
            while batched && waiting.len() < BATCH_MAX {
                let Ok(next) = receiver.try_recv() else { break };
                waiting.push(next);
            }
            if batched {
                connection.execute_batch("begin immediate").unwrap();
            }
            for (entry, _) in &waiting {
                insert.execute(params![entry]).unwrap();
            }
            if batched {
                connection.execute_batch("commit").unwrap();
            }
            for (_, waiter) in waiting.drain(..) {
                let _ = waiter.send(());
            }
        }
    });
    Sqlite(sender)
}

impl Peer for Sqlite {
    async fn append(&self, _: usize, entry: Vec<u8>) {
        let (waiter, answer) = oneshot::channel();
        self.0.send((entry, waiter)).unwrap();
        answer.await.unwrap();
    }
}
