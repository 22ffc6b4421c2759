//! The journal: what has been acknowledged is here before anywhere else.
//!
//! Segments are files of one size, all of whose bytes were written when they were made, so that a commit is one `pwrite`
//! and one `fdatasync` that change no metadata. A segment starts with a header; records follow, one per commit, each at
//! a page of its own and under a checksum that binds it to its place and to the segment's random nonce. So a record is
//! there whole or not at all, and nothing that an entry holds can pass for a record.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use killick_tlog::tile::{BundleEntries, append_entry};

use crate::disk::{read_file, replace_file, sync_folder};
use crate::error::LedgerError;
use crate::fault::{Rule, holds};
use crate::limits::{RECORD_ALIGN, RECORD_BYTES_MAX, SPARE_SEGMENTS_MAX};
use crate::storage::{Access, Disk, Kind, StorageFile};

const SEGMENT_MAGIC: &[u8; 8] = b"\xffKLKSEG\x01";
const RECORD_MAGIC: &[u8; 8] = b"\xffKLKREC\x01";
const CHECKSUM_BYTES: usize = 32;
/// Magic, entries' bytes (u32), number of entries (u32), index of the first (u64), checksum.
const RECORD_HEADER_BYTES: usize = 8 + 4 + 4 + 8 + CHECKSUM_BYTES;

/// A copy of the last record that a start found beyond the checkpoint.
const LAST_RECORD: &str = "last.rec";
/// A segment that is not all written yet.
const UNFINISHED_SPARE: &str = "spare.tmp";

/// Where a journal lies, and whose it is.
#[derive(Clone)]
pub(crate) struct JournalFolder {
    pub(crate) disk: Disk,
    pub(crate) path: PathBuf,
    /// The hash of the log's origin and key.
    pub(crate) log: [u8; 32],
    /// [`crate::limits::SEGMENT_BYTES`]; fewer in tests.
    pub(crate) segment_bytes: usize,
}

/// The end of the journal, where commits go. Owned by the committer.
pub(crate) struct Journal {
    folder: JournalFolder,
    segments: Arc<Segments>,
    active: Active,
    buffer: Vec<u8>,
}

struct Active {
    file: Box<dyn StorageFile>,
    path: PathBuf,
    header: Header,
    offset: usize,
}

/// The segments that are not written to: full ones that wait for their tiles, and free ones. Shared with the publisher.
pub(crate) struct Segments {
    disk: Disk,
    lists: Mutex<SegmentLists>,
}

#[derive(Default)]
struct SegmentLists {
    /// Path and the index after its last entry.
    full: Vec<(PathBuf, u64)>,
    spare: Vec<PathBuf>,
    /// Free ones beyond those that are kept.
    surplus: Vec<PathBuf>,
}

/// What the journal held when it was opened.
pub(crate) struct Replay {
    /// Index of the first entry.
    pub(crate) first: u64,
    /// The entries.
    pub(crate) entries: Vec<Vec<u8>>,
    segments: SegmentLists,
    next_sequence: u64,
    /// The last record as it is on the disk.
    last: Vec<u8>,
}

#[derive(Clone)]
struct Header {
    sequence: u64,
    first: u64,
    nonce: [u8; 16],
}

impl Journal {
    /// Starts a segment after what was replayed. The old ones are released as if they had just become full.
    pub(crate) fn start(folder: JournalFolder, replay: Option<Replay>) -> Result<Self, LedgerError> {
        let (sequence, first, lists) = match replay {
            Some(replay) => (replay.next_sequence, replay.end(), replay.segments),
            None => (1, 0, SegmentLists::default()),
        };
        // The names that were found may be there in memory only: a segment whose renaming to a spare is lost must not
        // come back under its old name with a new beginning.
        if holds(Rule::FoundSparesDurable) {
            sync_folder(&*folder.disk, &folder.path)?;
        }
        for surplus in &lists.surplus {
            let removed = folder.disk.remove_file(surplus);
            removed.map_err(|source| LedgerError::io("cannot remove", surplus, source))?;
        }
        let segments = Arc::new(Segments { disk: Disk::clone(&folder.disk), lists: Mutex::new(lists) });
        let active = Active::start(&folder, &segments, sequence, first)?;
        Ok(Self { folder, segments, active, buffer: Vec::new() })
    }

    pub(crate) fn segments(&self) -> Arc<Segments> {
        Arc::clone(&self.segments)
    }

    /// Makes a commit durable: the entries from index `first` on. When it errs, the record may or may not be on the
    /// disk, and nothing may be appended after it.
    pub(crate) fn append<'a>(
        &mut self,
        first: u64,
        entries: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), LedgerError> {
        self.buffer.clear();
        self.buffer.resize(RECORD_HEADER_BYTES, 0);
        let mut count = 0_u32;
        for entry in entries {
            append_entry(&mut self.buffer, entry).map_err(|_| LedgerError::TooLarge(entry.len()))?;
            count = count.saturating_add(1);
        }
        let padded = self.buffer.len().next_multiple_of(RECORD_ALIGN);
        if self.active.offset.saturating_add(padded) > self.folder.segment_bytes {
            self.rotate(first)?;
        }
        let Active { file, path, header, offset } = &mut self.active;
        let (head, payload) = self.buffer.split_at_mut(RECORD_HEADER_BYTES);
        let record = record_header(header, *offset, payload, count, first);
        head.copy_from_slice(&record);
        self.buffer.resize(padded, 0);
        let write = || {
            file.write_all_at(&self.buffer, *offset as u64)?;
            match holds(Rule::JournalBeforeAnswer).then(|| file.sync()) {
                Some(Err(_)) if !holds(Rule::SyncErrorIsFinal) => file.sync(),
                synced => synced.unwrap_or(Ok(())),
            }
        };
        write().map_err(|source| LedgerError::io("cannot write", path, source))?;
        *offset += padded;
        Ok(())
    }

    fn rotate(&mut self, next: u64) -> Result<(), LedgerError> {
        let sequence = self.active.header.sequence.saturating_add(1);
        let active = Active::start(&self.folder, &self.segments, sequence, next)?;
        let full = std::mem::replace(&mut self.active, active);
        self.segments.lock().full.push((full.path, next));
        Ok(())
    }
}

impl Active {
    fn start(
        folder: &JournalFolder,
        segments: &Segments,
        sequence: u64,
        first: u64,
    ) -> Result<Self, LedgerError> {
        let spare = match segments.lock().spare.pop() {
            Some(spare) => spare,
            None => make_spare(folder, sequence)?,
        };
        let disk = &*folder.disk;
        let mut nonce = [0; 16];
        disk.draw(&mut nonce)
            .map_err(|source| LedgerError::io("cannot draw random bytes for", &folder.path, source))?;
        let header = Header { sequence, first, nonce };
        let path = folder.path.join(format!("{sequence:016x}.seg"));
        let start = || {
            let file = disk.open(&spare, Access::Write)?;
            file.write_all_at(&header.bytes(&folder.log), 0)?;
            if holds(Rule::SegmentBeforeRecords) {
                file.sync()?;
            }
            disk.rename(&spare, &path)?;
            Ok(file)
        };
        let file =
            start().map_err(|source| LedgerError::io("cannot start the journal segment", &spare, source))?;
        if holds(Rule::SegmentBeforeRecords) {
            sync_folder(disk, &folder.path)?;
        }
        Ok(Self { file, path, header, offset: RECORD_ALIGN })
    }
}

impl Segments {
    /// Frees the segments all of whose entries are before `published`, which are in tiles and under a checkpoint.
    pub(crate) fn release(&self, published: u64) -> Result<(), LedgerError> {
        let mut lists = self.lock();
        let SegmentLists { full, spare, .. } = &mut *lists;
        let mut kept = Vec::new();
        for (path, end) in full.drain(..) {
            if end > published {
                kept.push((path, end));
                continue;
            }
            if spare.len() < SPARE_SEGMENTS_MAX {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let to = path.with_file_name(format!("spare-{name}.seg"));
                self.disk
                    .rename(&path, &to)
                    .map_err(|source| LedgerError::io("cannot rename", &path, source))?;
                spare.push(to);
            } else {
                self.disk
                    .remove_file(&path)
                    .map_err(|source| LedgerError::io("cannot remove", &path, source))?;
            }
            // One by one: after a power cut no older name may be back where a newer one is gone, and no segment may
            // keep its old name once it is begun anew.
            sync_folder(&*self.disk, path.parent().unwrap_or(Path::new(".")))?;
        }
        *full = kept;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SegmentLists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replay {
    /// The index after the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(self.entries.len() as u64)
    }

    /// Makes sure that the last record is durable. It can be read, but a process that was killed, or whose disk failed,
    /// between its write and its sync may have left it in memory only; those before it were synced before it was
    /// written. A copy, because no write touches a record that may have been acknowledged, and because after a failed
    /// sync a second one proves nothing.
    pub(crate) fn make_durable(&self, folder: &JournalFolder) -> Result<(), LedgerError> {
        replace_file(&*folder.disk, &folder.path.join(LAST_RECORD), &self.last, 0o600)?;
        sync_folder(&*folder.disk, &folder.path)
    }
}

/// Reads the journal; `None` if there is none. Changes nothing. A record cut off at the very end was never acknowledged
/// and is left out; anything else that does not add up is an error.
pub(crate) fn replay(folder: &JournalFolder) -> Result<Option<Replay>, LedgerError> {
    let (mut paths, mut lists) = (Vec::new(), SegmentLists::default());
    let disk = &*folder.disk;
    let found = disk.list(&folder.path);
    let mut found = found.map_err(|source| LedgerError::io("cannot list", &folder.path, source))?;
    found.sort_unstable();
    for path in found {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(sequence) = parse_name(&name) {
            paths.push((sequence, path));
        } else if name.strip_prefix("spare-").and_then(parse_name).is_some() {
            let whole = Kind::File(folder.segment_bytes as u64);
            let spare = disk.kind(&path).map_err(|source| LedgerError::io("cannot read", &path, source))?;
            if spare != Some(whole) {
                let problem = "this free journal segment was changed; remove it";
                return Err(LedgerError::damaged(&path, problem));
            }
            let kept = lists.spare.len() < SPARE_SEGMENTS_MAX;
            if kept { &mut lists.spare } else { &mut lists.surplus }.push(path);
        }
    }
    let last = read_file(disk, &folder.path.join(LAST_RECORD), RECORD_BYTES_MAX)?.unwrap_or_default();
    let mut replay: Option<Replay> = None;
    for (sequence, path) in paths {
        let bytes = read_file(disk, &path, folder.segment_bytes)?.unwrap_or_default();
        let segment = read_segment(folder, &path, &bytes, sequence, &last)?;
        let so_far = replay.get_or_insert_with(|| Replay {
            first: segment.header.first,
            entries: Vec::new(),
            segments: std::mem::take(&mut lists),
            next_sequence: 0,
            last: Vec::new(),
        });
        if segment.header.first != so_far.end() {
            let (end, next) = (so_far.end(), segment.header.first);
            let problem = format!(
                "the journal before it ends at entry {end}, it starts at {next}; restore the folder from a backup"
            );
            return Err(LedgerError::damaged(&path, problem));
        }
        so_far.entries.extend(segment.entries);
        so_far.next_sequence = sequence.saturating_add(1);
        if !segment.last.is_empty() {
            so_far.last = segment.last;
        }
        let end = so_far.end();
        so_far.segments.full.push((path, end));
    }
    Ok(replay)
}

/// The sequence in a segment's name: 16 hexadecimal digits.
fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let lower = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    (digits.len() == 16 && digits.bytes().all(lower)).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

struct Segment {
    header: Header,
    entries: Vec<Vec<u8>>,
    /// Its last record, padding left out.
    last: Vec<u8>,
}

/// `last` stands in for the record whose copy it is.
fn read_segment(
    folder: &JournalFolder,
    path: &Path,
    bytes: &[u8],
    sequence: u64,
    last: &[u8],
) -> Result<Segment, LedgerError> {
    let damaged = |problem: &str| {
        LedgerError::damaged(path, format!("{problem}; restore the folder from a backup, or start a new log"))
    };
    if bytes.len() != folder.segment_bytes {
        return Err(damaged("this journal segment is cut off"));
    }
    let header = Header::parse(bytes, &folder.log).map_err(|problem| match problem {
        HeaderProblem::Damaged => damaged("the header of this journal segment was changed"),
        HeaderProblem::OtherLog => LedgerError::damaged(
            path,
            "this journal belongs to a log of another origin or key; give the origin and key that it was made with",
        ),
    })?;
    if header.sequence != sequence {
        return Err(damaged("this journal segment was renamed"));
    }
    let mut segment = Segment { header, entries: Vec::new(), last: Vec::new() };
    let header = &segment.header;
    let mut offset = RECORD_ALIGN;
    let mut next = header.first;
    loop {
        let in_place = bytes.get(offset..).unwrap_or_default();
        let read = |bytes| read_record(bytes, header, offset, Some(next));
        let Some((bytes, record)) = read(in_place).or_else(|| read(last)) else { break };
        next = next.saturating_add(record.len() as u64);
        segment.entries.extend(record);
        bytes.clone_into(&mut segment.last);
        offset += bytes.len().next_multiple_of(RECORD_ALIGN);
    }
    // A commit starts only after the one before it is durable. So a good record beyond a bad one means that the bad one
    // was good, and acknowledged.
    let beyond = (offset..bytes.len()).step_by(RECORD_ALIGN).skip(1);
    for offset in beyond {
        if read_record(bytes.get(offset..).unwrap_or_default(), header, offset, None).is_some() {
            return Err(damaged("a record of this journal segment was changed"));
        }
    }
    Ok(segment)
}

/// The record that these bytes start with, if it is one that belongs at this offset: its bytes and its entries.
fn read_record<'a>(
    bytes: &'a [u8],
    header: &Header,
    offset: usize,
    first: Option<u64>,
) -> Option<(&'a [u8], Vec<Vec<u8>>)> {
    let (head, rest) = bytes.split_first_chunk::<RECORD_HEADER_BYTES>()?;
    let (magic, fields) = head.split_first_chunk::<8>()?;
    let (length, fields) = fields.split_first_chunk::<4>()?;
    let (count, fields) = fields.split_first_chunk::<4>()?;
    let (index, _) = fields.split_first_chunk::<8>()?;
    let (count, index) = (u32::from_be_bytes(*count), u64::from_be_bytes(*index));
    if magic != RECORD_MAGIC || first.is_some_and(|first| first != index) {
        return None;
    }
    let payload = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    if record_header(header, offset, payload, count, index) != *head && holds(Rule::RecordChecksum) {
        return None;
    }
    let entries: Vec<Vec<u8>> =
        BundleEntries::new(payload).map_while(|entry| entry.ok().map(<[u8]>::to_vec)).collect();
    let record = bytes.get(..RECORD_HEADER_BYTES.checked_add(payload.len())?)?;
    (entries.len() == count as usize).then_some((record, entries))
}

fn record_header(
    header: &Header,
    offset: usize,
    payload: &[u8],
    count: u32,
    first: u64,
) -> [u8; RECORD_HEADER_BYTES] {
    let mut fields = Vec::with_capacity(RECORD_HEADER_BYTES);
    fields.extend_from_slice(RECORD_MAGIC);
    fields.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
    fields.extend_from_slice(&count.to_be_bytes());
    fields.extend_from_slice(&first.to_be_bytes());
    let mut context = Context::new(&SHA256);
    context.update(&header.nonce);
    context.update(&header.sequence.to_be_bytes());
    context.update(&(offset as u64).to_be_bytes());
    context.update(&fields);
    context.update(payload);
    fields.extend_from_slice(context.finish().as_ref());
    let mut record = [0; RECORD_HEADER_BYTES];
    record.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    record
}

enum HeaderProblem {
    Damaged,
    OtherLog,
}

impl Header {
    /// Magic, sequence, first index, nonce, the log's identity, checksum; the rest of the page is zero.
    fn bytes(&self, log: &[u8; 32]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(RECORD_ALIGN);
        bytes.extend_from_slice(SEGMENT_MAGIC);
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.first.to_be_bytes());
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(log);
        let checksum = aws_lc_rs::digest::digest(&SHA256, &bytes);
        bytes.extend_from_slice(checksum.as_ref());
        bytes.resize(RECORD_ALIGN, 0);
        bytes
    }

    fn parse(bytes: &[u8], log: &[u8; 32]) -> Result<Self, HeaderProblem> {
        let parse = || {
            let (_, rest) = bytes.split_first_chunk::<8>()?;
            let (sequence, rest) = rest.split_first_chunk::<8>()?;
            let (first, rest) = rest.split_first_chunk::<8>()?;
            let (nonce, rest) = rest.split_first_chunk::<16>()?;
            let (found, _) = rest.split_first_chunk::<32>()?;
            let header = Self {
                sequence: u64::from_be_bytes(*sequence),
                first: u64::from_be_bytes(*first),
                nonce: *nonce,
            };
            (bytes.get(..RECORD_ALIGN)? == header.bytes(found)).then_some((header, *found))
        };
        let (header, found) = parse().ok_or(HeaderProblem::Damaged)?;
        if found == *log { Ok(header) } else { Err(HeaderProblem::OtherLog) }
    }
}

/// Makes a free segment, all of its bytes written and durable before it has its name.
fn make_spare(folder: &JournalFolder, sequence: u64) -> Result<PathBuf, LedgerError> {
    let disk = &*folder.disk;
    let unfinished = folder.path.join(UNFINISHED_SPARE);
    let path = folder.path.join(format!("spare-{sequence:016x}.seg"));
    let make = || {
        match disk.remove_file(&unfinished) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        let file = disk.create(&unfinished, 0o600)?;
        let zeros = vec![0; folder.segment_bytes.min(1024 * 1024)];
        for offset in (0..folder.segment_bytes).step_by(zeros.len().max(1)) {
            file.write_all_at(&zeros, offset as u64)?;
        }
        file.sync()?;
        disk.rename(&unfinished, &path)
    };
    make().map_err(|source| LedgerError::io("cannot write", &unfinished, source))?;
    Ok(path)
}
