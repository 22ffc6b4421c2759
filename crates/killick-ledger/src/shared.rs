//! What the callers, the committer and the publisher share, and how the ledger stops.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use killick_tlog::hash::Hash;
use tokio::sync::{oneshot, watch};

use crate::error::LedgerError;
use crate::limits::{QUEUE_BYTES_MAX, QUEUE_ENTRIES_MAX};
use crate::privacy::Subjects;
use crate::recorded::Commit;
use crate::storage::Disk;

/// Said to whoever submits after `close`.
const CLOSED: &str = "it was closed";

pub(crate) struct Shared {
    pub(crate) origin: String,
    pub(crate) vkey: String,
    pub(crate) build: String,
    pub(crate) disk: Disk,
    pub(crate) log_dir: PathBuf,
    pub(crate) subjects: Subjects,
    queue: Mutex<Queue>,
    queue_filled: Condvar,
    handoff: Mutex<Handoff>,
    handoff_changed: Condvar,
    /// Entries whose tiles are not written yet. The committer adds, the publisher removes, readers look.
    unpublished: Mutex<Unpublished>,
    /// The checkpoint in the folder. Written by the publisher.
    published: Mutex<Published>,
    /// Its size, for whoever waits for it to grow.
    pub(crate) published_size: watch::Sender<u64>,
    pub(crate) size: watch::Sender<u64>,
    failed: watch::Sender<Option<String>>,
}

/// An entry that waits for the committer.
pub(crate) struct Pending {
    pub(crate) entry: Arc<[u8]>,
    pub(crate) leaf: Hash,
    pub(crate) waiter: oneshot::Sender<Acknowledged>,
}

/// What its submitter gets: the index, and the commit that it is part of.
pub(crate) struct Acknowledged {
    pub(crate) index: u64,
    pub(crate) commit: Arc<Commit>,
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<Pending>,
    bytes: usize,
    closed: bool,
}

/// Commits on their way to the publisher.
#[derive(Default)]
pub(crate) struct Handoff {
    pub(crate) commits: Vec<Published>,
    pub(crate) entries: Vec<(Arc<[u8]>, Hash)>,
    pub(crate) bytes: usize,
    pub(crate) since: Option<Instant>,
    pub(crate) requests: Vec<oneshot::Sender<()>>,
    /// No more will come.
    pub(crate) done: bool,
}

/// A signed head.
#[derive(Clone)]
pub(crate) struct Published {
    pub(crate) size: u64,
    pub(crate) checkpoint: Arc<str>,
}

struct Unpublished {
    first: u64,
    entries: VecDeque<Arc<[u8]>>,
}

impl Shared {
    pub(crate) fn new(
        origin: String,
        vkey: String,
        build: String,
        disk: Disk,
        log_dir: PathBuf,
        subjects: Subjects,
        published: Published,
    ) -> Self {
        let first = published.size;
        Self {
            origin,
            vkey,
            build,
            disk,
            log_dir,
            subjects,
            queue: Mutex::default(),
            queue_filled: Condvar::new(),
            handoff: Mutex::default(),
            handoff_changed: Condvar::new(),
            unpublished: Mutex::new(Unpublished { first, entries: VecDeque::new() }),
            published: Mutex::new(published),
            published_size: watch::Sender::new(first),
            size: watch::Sender::new(first),
            failed: watch::Sender::new(None),
        }
    }

    /// Gives an entry its place. Errs if there is none, or there will be no more commits.
    pub(crate) fn enqueue(&self, pending: Pending) -> Result<(), LedgerError> {
        let mut queue = lock(&self.queue);
        if queue.closed {
            return Err(self.stopped());
        }
        let bytes = queue.bytes.saturating_add(pending.entry.len());
        if queue.pending.len() >= QUEUE_ENTRIES_MAX || bytes > QUEUE_BYTES_MAX {
            return Err(LedgerError::Full);
        }
        queue.bytes = bytes;
        // The committer, the only one to take, waits for the first entry alone: to wake costs a system call.
        let first = queue.pending.is_empty();
        queue.pending.push_back(pending);
        drop(queue);
        if first {
            self.queue_filled.notify_one();
        }
        Ok(())
    }

    /// Whatever waits, up to the bounds of a commit; waits until something does. `None` once closed and empty.
    pub(crate) fn next_batch(&self, entries_max: usize, bytes_max: usize) -> Option<Vec<Pending>> {
        let mut queue = lock(&self.queue);
        while queue.pending.is_empty() {
            if queue.closed {
                return None;
            }
            queue = self.queue_filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let waiting = queue.pending.len();
        if waiting <= entries_max && queue.bytes + 2 * waiting <= bytes_max {
            // All of it, without moving one by one what callers would have to wait for.
            queue.bytes = 0;
            let batch = std::mem::replace(&mut queue.pending, VecDeque::with_capacity(waiting));
            drop(queue);
            return Some(batch.into());
        }
        let (mut batch, mut bytes) = (Vec::new(), 0_usize);
        while let Some(pending) = queue.pending.front() {
            let length = pending.entry.len() + 2;
            if !batch.is_empty() && (batch.len() >= entries_max || bytes + length > bytes_max) {
                break;
            }
            bytes += length;
            queue.bytes = queue.bytes.saturating_sub(pending.entry.len());
            batch.extend(queue.pending.pop_front());
        }
        Some(batch)
    }

    /// Takes no more entries; what waits is still committed.
    pub(crate) fn close(&self) {
        lock(&self.queue).closed = true;
        self.queue_filled.notify_all();
    }

    /// Stops for good. Whoever waits, or comes later, gets the reason.
    pub(crate) fn fail(&self, reason: &str) {
        let mut queue = lock(&self.queue);
        queue.closed = true;
        let dropped = std::mem::take(&mut queue.pending);
        // Told before the queue opens again to look at: whoever hears of the failure finds it closed, and whoever finds
        // it closed can say why.
        let first = self.failed.send_if_modified(|failed| match failed {
            None => {
                *failed = Some(reason.to_owned());
                true
            }
            Some(_) => false,
        });
        drop(queue);
        if first {
            tracing::error!(origin = %self.origin, reason, "the log has stopped");
        }
        drop(dropped); // their waiters find the reason in `failed`
        self.queue_filled.notify_all();
        let mut handoff = lock(&self.handoff);
        handoff.done = true;
        handoff.requests.clear();
        drop(handoff);
        self.handoff_changed.notify_all();
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.failed.borrow().clone()
    }

    pub(crate) fn watch_failure(&self) -> watch::Receiver<Option<String>> {
        self.failed.subscribe()
    }

    /// Why there will be no answer.
    pub(crate) fn stopped(&self) -> LedgerError {
        LedgerError::Stopped(self.failure().unwrap_or_else(|| CLOSED.to_owned()))
    }

    /// Hands a commit to the publisher and shows its entries to readers. Waits while the publisher is too far behind.
    pub(crate) fn hand_over(&self, head: Published, entries: Vec<(Arc<[u8]>, Hash)>, bytes_max: usize) {
        lock(&self.unpublished).entries.extend(entries.iter().map(|(entry, _)| Arc::clone(entry)));
        let size = head.size;
        let mut handoff = lock(&self.handoff);
        while handoff.bytes > bytes_max && !handoff.done {
            handoff = self.handoff_changed.wait(handoff).unwrap_or_else(PoisonError::into_inner);
        }
        handoff.bytes += entries.iter().map(|(entry, _)| entry.len()).sum::<usize>();
        handoff.entries.extend(entries);
        handoff.commits.push(head);
        handoff.since.get_or_insert_with(Instant::now);
        drop(handoff);
        self.handoff_changed.notify_all();
        // Last, so that whoever has seen this size and asks for publication gets all of it published.
        self.size.send_replace(size);
    }

    /// Asks for everything handed over so far to be published; the answer comes when it is.
    pub(crate) fn request_publication(&self) -> Result<oneshot::Receiver<()>, LedgerError> {
        let (sender, receiver) = oneshot::channel();
        let mut handoff = lock(&self.handoff);
        if handoff.done {
            return Err(self.stopped());
        }
        handoff.requests.push(sender);
        drop(handoff);
        self.handoff_changed.notify_all();
        Ok(receiver)
    }

    /// Tells the publisher that no more will come.
    pub(crate) fn finish_handoff(&self) {
        lock(&self.handoff).done = true;
        self.handoff_changed.notify_all();
    }

    /// What to publish, when it is time to.
    pub(crate) fn next_handoff(&self, within: std::time::Duration, bytes: usize) -> Handoff {
        let mut handoff = lock(&self.handoff);
        loop {
            let waited = handoff.since.map(|since| since.elapsed());
            let due = waited.is_some_and(|waited| waited >= within) || handoff.bytes >= bytes;
            if due || handoff.done || !handoff.requests.is_empty() {
                let done = handoff.done;
                let taken = std::mem::replace(&mut *handoff, Handoff { done, ..Handoff::default() });
                drop(handoff);
                self.handoff_changed.notify_all();
                return taken;
            }
            handoff = match waited {
                Some(waited) => {
                    let rest = within.saturating_sub(waited);
                    self.handoff_changed.wait_timeout(handoff, rest).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.handoff_changed.wait(handoff).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    pub(crate) fn published(&self) -> Published {
        lock(&self.published).clone()
    }

    /// The head is in the folder: its entries can be read there.
    pub(crate) fn set_published(&self, head: Published) {
        let size = head.size;
        *lock(&self.published) = head;
        let mut unpublished = lock(&self.unpublished);
        let count = usize::try_from(size.saturating_sub(unpublished.first)).unwrap_or(usize::MAX);
        let count = count.min(unpublished.entries.len());
        let rest = unpublished.entries.split_off(count);
        let gone = std::mem::replace(&mut unpublished.entries, rest);
        unpublished.first += count as u64;
        drop(unpublished);
        // Freed when the committer can go on: there are tens of thousands.
        drop(gone);
        self.published_size.send_replace(size);
    }

    /// Those of entries `from..to` that are not in tiles yet, and the index of the first of them.
    pub(crate) fn unpublished(&self, from: u64, to: u64) -> (u64, Vec<Arc<[u8]>>) {
        let unpublished = lock(&self.unpublished);
        let start = from.max(unpublished.first);
        let skip = usize::try_from(start - unpublished.first).unwrap_or(usize::MAX);
        let count = usize::try_from(to.saturating_sub(start)).unwrap_or(usize::MAX);
        (start, unpublished.entries.iter().skip(skip).take(count).cloned().collect())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
