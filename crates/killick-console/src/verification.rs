//! The log verified whole by this console, from its files, when somebody looks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use killick_ledger::LogFolder;
use killick_tlog::verify::{Trust, verify_log};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::limits::{VERIFY_AGE_SECS, VERIFY_ENTRIES_MAX};

/// What a verification found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// Whether every entry, tile and the checkpoint agree; absent if it was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<bool>,
    /// Entries under the checkpoint.
    pub(crate) size: u64,
    /// Root of the tree, base64.
    pub(crate) root: String,
    /// `trust` or `folder`.
    pub(crate) key_source: String,
    /// What is wrong, or why it was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// Verifies one log, at most once in a while.
#[derive(Clone)]
pub(crate) struct Verification {
    log_dir: PathBuf,
    trust_path: PathBuf,
    last: Arc<Mutex<Option<(Instant, Finding)>>>,
}

impl Verification {
    pub(crate) fn new(log_dir: PathBuf, trust_path: PathBuf) -> Self {
        Self { log_dir, trust_path, last: Arc::default() }
    }

    /// The newest finding; `size` is the log's size now.
    pub(crate) async fn look(&self, size: u64) -> Finding {
        // Held while it runs: whoever else looks gets the same finding.
        let mut last = self.last.lock().await;
        if let Some((when, finding)) = &*last
            && when.elapsed() < Duration::from_secs(VERIFY_AGE_SECS)
        {
            return finding.clone();
        }
        let finding = if size > VERIFY_ENTRIES_MAX {
            not_tried(format!("more than {VERIFY_ENTRIES_MAX} entries: verify it with the command below"))
        } else {
            let (log_dir, trust_path) = (self.log_dir.clone(), self.trust_path.clone());
            tokio::task::spawn_blocking(move || verify(&log_dir, &trust_path))
                .await
                .unwrap_or_else(|_| not_tried("the verification was interrupted".to_owned()))
        };
        *last = Some((Instant::now(), finding.clone()));
        finding
    }
}

fn not_tried(problem: String) -> Finding {
    Finding {
        verified: None,
        size: 0,
        root: String::new(),
        key_source: String::new(),
        problem: Some(problem),
    }
}

fn verify(log_dir: &Path, trust_path: &Path) -> Finding {
    let failed = |problem: String| Finding { verified: Some(false), ..not_tried(problem) };
    let trust = match std::fs::read_to_string(trust_path) {
        Ok(text) => match Trust::parse(&text) {
            Ok(trust) => Some(trust),
            Err(error) => return failed(format!("trust.json: {error}")),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return failed(format!("trust.json cannot be read: {error}")),
    };
    match verify_log(&LogFolder::new(log_dir), trust.as_ref(), &mut |_, _| {}) {
        Ok(log) => Finding {
            verified: Some(true),
            size: log.size,
            root: log.root.to_string(),
            key_source: log.key_source.to_string(),
            problem: None,
        },
        Err(error) => failed(error.to_string()),
    }
}
