//! The journal: what has been acknowledged is here before anywhere else.
//!
//! Segments are files of one size, all of whose bytes were written when they were made, so that a commit is one `pwrite`
//! and one `fdatasync` that change no metadata. A segment starts with a header; records follow, one per commit, each at
//! a page of its own and under a checksum that binds it to its place and to the segment's random nonce. So a record is
//! there whole or not at all, and nothing that an entry holds can pass for a record.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use killick_tlog::tile::{BundleEntries, append_entry};

use crate::disk::{read_file, sync_folder};
use crate::error::LedgerError;
use crate::limits::{RECORD_ALIGN, SEGMENT_BYTES, SPARE_SEGMENTS_MAX};

const SEGMENT_MAGIC: &[u8; 8] = b"\xffKLKSEG\x01";
const RECORD_MAGIC: &[u8; 8] = b"\xffKLKREC\x01";
const CHECKSUM_BYTES: usize = 32;
/// Magic, entries' bytes (u32), number of entries (u32), index of the first (u64), checksum.
const RECORD_HEADER_BYTES: usize = 8 + 4 + 4 + 8 + CHECKSUM_BYTES;

/// The end of the journal, where commits go. Owned by the committer.
pub(crate) struct Journal {
    folder: PathBuf,
    log: [u8; 32],
    segments: Arc<Segments>,
    active: Active,
    buffer: Vec<u8>,
}

struct Active {
    file: File,
    path: PathBuf,
    header: Header,
    offset: usize,
}

/// The segments that are not written to: full ones that wait for their tiles, and free ones. Shared with the publisher.
#[derive(Default)]
pub(crate) struct Segments(Mutex<SegmentLists>);

#[derive(Default)]
struct SegmentLists {
    /// Path and the index after its last entry.
    full: Vec<(PathBuf, u64)>,
    spare: Vec<PathBuf>,
}

/// What the journal held when it was opened.
pub(crate) struct Replay {
    /// Index of the first entry.
    pub(crate) first: u64,
    /// The entries.
    pub(crate) entries: Vec<Vec<u8>>,
    segments: SegmentLists,
    next_sequence: u64,
}

#[derive(Clone)]
struct Header {
    sequence: u64,
    first: u64,
    nonce: [u8; 16],
}

impl Journal {
    /// Starts a segment after what was replayed. The old ones are released as if they had just become full.
    pub(crate) fn start(folder: &Path, log: [u8; 32], replay: Option<Replay>) -> Result<Self, LedgerError> {
        let (sequence, first, lists) = match replay {
            Some(replay) => (replay.next_sequence, replay.end(), replay.segments),
            None => (1, 0, SegmentLists::default()),
        };
        let segments = Arc::new(Segments(Mutex::new(lists)));
        let active = Active::start(folder, &log, &segments, sequence, first)?;
        Ok(Self { folder: folder.to_owned(), log, segments, active, buffer: Vec::new() })
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
        if self.active.offset.saturating_add(padded) > SEGMENT_BYTES {
            self.rotate(first)?;
        }
        let Active { file, path, header, offset } = &mut self.active;
        let (head, payload) = self.buffer.split_at_mut(RECORD_HEADER_BYTES);
        let record = record_header(header, *offset, payload, count, first);
        head.copy_from_slice(&record);
        self.buffer.resize(padded, 0);
        let write = || {
            file.write_all_at(&self.buffer, *offset as u64)?;
            file.sync_data()
        };
        write().map_err(|source| LedgerError::io("cannot write", path, source))?;
        *offset += padded;
        Ok(())
    }

    fn rotate(&mut self, next: u64) -> Result<(), LedgerError> {
        let sequence = self.active.header.sequence.saturating_add(1);
        let active = Active::start(&self.folder, &self.log, &self.segments, sequence, next)?;
        let full = std::mem::replace(&mut self.active, active);
        self.segments.lock().full.push((full.path, next));
        Ok(())
    }
}

impl Active {
    fn start(
        folder: &Path,
        log: &[u8; 32],
        segments: &Segments,
        sequence: u64,
        first: u64,
    ) -> Result<Self, LedgerError> {
        let spare = match segments.lock().spare.pop() {
            Some(spare) => spare,
            None => make_spare(folder, sequence)?,
        };
        let mut nonce = [0; 16];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| {
            LedgerError::io("cannot draw random bytes for", folder, std::io::ErrorKind::Other.into())
        })?;
        let header = Header { sequence, first, nonce };
        let path = folder.join(format!("{sequence:016x}.seg"));
        let start = || {
            let file = OpenOptions::new().write(true).open(&spare)?;
            file.write_all_at(&header.bytes(log), 0)?;
            file.sync_data()?;
            fs::rename(&spare, &path)?;
            Ok(file)
        };
        let file =
            start().map_err(|source| LedgerError::io("cannot start the journal segment", &path, source))?;
        sync_folder(folder)?;
        Ok(Self { file, path, header, offset: RECORD_ALIGN })
    }
}

impl Segments {
    /// Frees the segments all of whose entries are before `published`, which are in tiles and under a checkpoint.
    pub(crate) fn release(&self, published: u64) -> Result<(), LedgerError> {
        let mut lists = self.lock();
        let SegmentLists { full, spare } = &mut *lists;
        let mut kept = Vec::new();
        for (path, end) in full.drain(..) {
            if end > published {
                kept.push((path, end));
                continue;
            }
            if spare.len() < SPARE_SEGMENTS_MAX {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let to = path.with_file_name(format!("spare-{name}.seg"));
                fs::rename(&path, &to).map_err(|source| LedgerError::io("cannot rename", &path, source))?;
                spare.push(to);
            } else {
                fs::remove_file(&path).map_err(|source| LedgerError::io("cannot remove", &path, source))?;
            }
            // One by one: after a power cut no older name may be back where a newer one is gone, and no segment may
            // keep its old name once it is begun anew.
            sync_folder(path.parent().unwrap_or(Path::new(".")))?;
        }
        *full = kept;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SegmentLists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replay {
    /// The index after the last entry.
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(self.entries.len() as u64)
    }
}

/// Reads the journal of the log with this identity; `None` if there is none. A record cut off at the very end was never
/// acknowledged and is left out; anything else that does not add up is an error.
pub(crate) fn replay(folder: &Path, log: &[u8; 32]) -> Result<Option<Replay>, LedgerError> {
    let (mut paths, mut lists) = (Vec::new(), SegmentLists::default());
    let failed = |source| LedgerError::io("cannot list", folder, source);
    for file in fs::read_dir(folder).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = name.strip_suffix(".seg");
        if let Some(sequence) = number.and_then(|number| u64::from_str_radix(number, 16).ok()) {
            paths.push((sequence, path));
        } else if number.is_some_and(|name| name.starts_with("spare-"))
            && lists.spare.len() < SPARE_SEGMENTS_MAX
        {
            lists.spare.push(path);
        } else if name.ends_with(".tmp") || name.starts_with("spare-") {
            fs::remove_file(&path).map_err(|source| LedgerError::io("cannot remove", &path, source))?;
        }
    }
    lists.spare.retain(|path| fs::metadata(path).is_ok_and(|file| file.len() == SEGMENT_BYTES as u64));
    paths.sort_unstable();
    let mut replay: Option<Replay> = None;
    for (sequence, path) in paths {
        let bytes = read_file(&path, SEGMENT_BYTES)?.unwrap_or_default();
        let (header, entries) = read_segment(&path, &bytes, sequence, log)?;
        let so_far = replay.get_or_insert_with(|| Replay {
            first: header.first,
            entries: Vec::new(),
            segments: std::mem::take(&mut lists),
            next_sequence: 0,
        });
        if header.first != so_far.end() {
            let (end, next) = (so_far.end(), header.first);
            let problem = format!(
                "the journal before it ends at entry {end}, it starts at {next}; restore the folder from a backup"
            );
            return Err(LedgerError::damaged(&path, problem));
        }
        so_far.entries.extend(entries);
        so_far.next_sequence = sequence.saturating_add(1);
        let end = so_far.end();
        so_far.segments.full.push((path, end));
    }
    Ok(replay)
}

fn read_segment(
    path: &Path,
    bytes: &[u8],
    sequence: u64,
    log: &[u8; 32],
) -> Result<(Header, Vec<Vec<u8>>), LedgerError> {
    let damaged = |problem: &str| {
        LedgerError::damaged(path, format!("{problem}; restore the folder from a backup, or start a new log"))
    };
    if bytes.len() != SEGMENT_BYTES {
        return Err(damaged("this journal segment is cut off"));
    }
    let header = Header::parse(bytes, log).map_err(|problem| match problem {
        HeaderProblem::Damaged => damaged("the header of this journal segment was changed"),
        HeaderProblem::OtherLog => LedgerError::damaged(
            path,
            "this journal belongs to a log of another origin or key; give the origin and key that it was made with",
        ),
    })?;
    if header.sequence != sequence {
        return Err(damaged("this journal segment was renamed"));
    }
    let mut entries = Vec::new();
    let mut offset = RECORD_ALIGN;
    let mut next = header.first;
    while let Some((record, length)) = read_record(bytes, &header, offset, Some(next)) {
        next = next.saturating_add(record.len() as u64);
        entries.extend(record);
        offset += length;
    }
    // A commit starts only after the one before it is durable. So a good record beyond a bad one means that the bad one
    // was good, and acknowledged.
    let beyond = (offset..bytes.len()).step_by(RECORD_ALIGN).skip(1);
    for offset in beyond {
        if read_record(bytes, &header, offset, None).is_some() {
            return Err(damaged("a record of this journal segment was changed"));
        }
    }
    Ok((header, entries))
}

/// The entries of the record at this offset, and the bytes it takes with its padding.
fn read_record(
    bytes: &[u8],
    header: &Header,
    offset: usize,
    first: Option<u64>,
) -> Option<(Vec<Vec<u8>>, usize)> {
    let (head, rest) = bytes.get(offset..)?.split_first_chunk::<RECORD_HEADER_BYTES>()?;
    let (magic, fields) = head.split_first_chunk::<8>()?;
    let (length, fields) = fields.split_first_chunk::<4>()?;
    let (count, fields) = fields.split_first_chunk::<4>()?;
    let (index, _) = fields.split_first_chunk::<8>()?;
    let (count, index) = (u32::from_be_bytes(*count), u64::from_be_bytes(*index));
    if magic != RECORD_MAGIC || first.is_some_and(|first| first != index) {
        return None;
    }
    let payload = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    if record_header(header, offset, payload, count, index) != *head {
        return None;
    }
    let entries: Vec<Vec<u8>> =
        BundleEntries::new(payload).map_while(|entry| entry.ok().map(<[u8]>::to_vec)).collect();
    let taken = RECORD_HEADER_BYTES.checked_add(payload.len())?.next_multiple_of(RECORD_ALIGN);
    (entries.len() == count as usize).then_some((entries, taken))
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

/// Makes a free segment, all of its bytes written and durable.
fn make_spare(folder: &Path, sequence: u64) -> Result<PathBuf, LedgerError> {
    let path = folder.join(format!("spare-{sequence:016x}.seg"));
    let make = || {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        let zeros = vec![0; 1024 * 1024];
        for offset in (0..SEGMENT_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, offset as u64)?;
        }
        file.sync_all()
    };
    make().map_err(|source| LedgerError::io("cannot write", &path, source))?;
    Ok(path)
}
