//! The receipt book: one line for every effect that a service executed, appended by the service alone.
//!
//! Data that leaves is an effect too, so reads are entered as well, marked `read`. A line is written after the effect
//! and before the reply: whoever has the reply finds the line. Nothing in the book is ever changed.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::caller::Caller;
use crate::error::ShopError;
use crate::limits::RECEIPTS_PER_READ_MAX;

/// Whether data left or something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Data left the service.
    Read,
    /// Something changed.
    Write,
}

/// One executed effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// 1 for the first, without gaps.
    pub seq: u64,
    /// Microseconds since the Unix epoch.
    pub at_us: u64,
    /// The service.
    pub service: String,
    /// What was done, e.g. `execute:payments`.
    pub operation: String,
    /// Data out, or a change.
    pub kind: Kind,
    /// The exact arguments, from path, query and body.
    pub arguments: Value,
    /// Who asked, as the service saw it.
    pub caller: Caller,
}

/// An append-only file of receipts. One per service.
#[derive(Debug)]
pub struct ReceiptBook {
    service: &'static str,
    /// The lock gives each line its number and its place; it is held for one short write.
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    receipts: Vec<Receipt>,
}

impl ReceiptBook {
    /// Opens or creates `receipts.jsonl`; goes on after its last line.
    pub fn open(path: &Path, service: &'static str) -> Result<Self, ShopError> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut receipts = Vec::new();
        for line in BufReader::new(&file).lines() {
            receipts.push(serde_json::from_str(&line?)?);
        }
        Ok(Self { service, inner: Mutex::new(Inner { file, receipts }) })
    }

    /// Enters an executed effect and returns its number.
    pub fn append(
        &self,
        kind: Kind,
        operation: &str,
        arguments: Value,
        caller: &Caller,
    ) -> Result<u64, ShopError> {
        let at_us = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or(0);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let receipt = Receipt {
            seq: inner.receipts.last().map_or(0, |last| last.seq) + 1,
            at_us,
            service: self.service.to_owned(),
            operation: operation.to_owned(),
            kind,
            arguments,
            caller: caller.clone(),
        };
        let mut line = serde_json::to_vec(&receipt)?;
        line.push(b'\n');
        inner.file.write_all(&line)?;
        let seq = receipt.seq;
        inner.receipts.push(receipt);
        Ok(seq)
    }

    /// The receipts after number `since`, oldest first.
    pub fn since(&self, since: u64) -> Vec<Receipt> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let from = inner.receipts.partition_point(|receipt| receipt.seq <= since);
        inner.receipts.iter().skip(from).take(RECEIPTS_PER_READ_MAX).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_book_survives_a_restart_and_only_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipts.jsonl");
        let caller = Caller::ApiKey { key: "…cret".to_owned(), role: "admin".to_owned() };
        let book = ReceiptBook::open(&path, "orders").unwrap();
        assert_eq!(book.append(Kind::Write, "cancel:orders", json!({ "id": "O-1" }), &caller).unwrap(), 1);
        assert_eq!(book.append(Kind::Read, "read:orders", json!({ "id": "O-2" }), &caller).unwrap(), 2);
        drop(book);
        let book = ReceiptBook::open(&path, "orders").unwrap();
        assert_eq!(book.append(Kind::Write, "cancel:orders", json!({ "id": "O-3" }), &caller).unwrap(), 3);
        assert_eq!(book.since(1).len(), 2);
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 3);
    }
}
