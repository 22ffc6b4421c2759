//! A disk in memory with two states: what a running process sees, and what a power cut leaves. The fault model is in the
//! documentation of the module above.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::storage::{Access, Kind, Storage, StorageFile, not_regular};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Random numbers that follow from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub(super) struct Draws(pub(super) u64);

impl Draws {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..end`; 0 where there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let drawn = self.next().to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
}

/// What happens at a chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The machine loses power: what was not synced is there, or not, or in part.
    PowerCut,
    /// The process is killed: all that it had written is there.
    Kill,
    /// The call fails with EIO, done, half done or not done.
    Eio,
    /// The call fails with ENOSPC, half done or not done.
    NoSpace,
    /// From this call on nothing can grow, until [`SimDisk::make_room`].
    Full,
}

#[derive(Clone, Debug)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    nodes: Vec<Node>,
    draws: Draws,
    /// Calls of the kind that it fits that are left until trouble comes.
    trouble: Option<(u64, Trouble)>,
    /// What has come, since the last start.
    came: Option<Trouble>,
    full: bool,
    /// No call works any more, until the next start.
    down: bool,
    starts: u64,
    calls: u64,
    /// Every content that was ever seen under the name `checkpoint`.
    heads: Vec<Vec<u8>>,
}

#[derive(Debug)]
enum Node {
    File(FileNode),
    Folder(FolderNode),
}

#[derive(Debug, Default)]
struct FileNode {
    current: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
    /// Writes since the last sync: offset, bytes.
    pending: Vec<(usize, Vec<u8>)>,
    /// A sync has failed: not all that can be read is durable or pending.
    torn: bool,
}

#[derive(Debug, Default)]
struct FolderNode {
    current: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    pending: Vec<NameChange>,
}

/// One creation, removal or renaming: atomic by itself.
#[derive(Debug)]
struct NameChange {
    gone: Option<String>,
    new: Option<(String, usize)>,
}

/// How much of a call is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    Nothing,
    Part,
    Whole,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Look,
    Change,
    /// A change that takes room on the disk.
    Grow,
}

impl SimDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            nodes: vec![Node::Folder(FolderNode::default())],
            draws: Draws(seed),
            trouble: None,
            came: None,
            full: false,
            down: false,
            starts: 0,
            calls: 0,
            heads: Vec::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Brings trouble after so many more of the calls that it fits.
    pub(super) fn arm(&self, calls: u64, trouble: Trouble) {
        self.lock().trouble = Some((calls, trouble));
    }

    /// The trouble that came since the last start.
    pub(super) fn came(&self) -> Option<Trouble> {
        self.lock().came
    }

    pub(super) fn is_full(&self) -> bool {
        self.lock().full
    }

    pub(super) fn make_room(&self) {
        self.lock().full = false;
    }

    /// Calls so far.
    pub(super) fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Every content that was seen under the name `checkpoint` since this was asked last.
    pub(super) fn take_heads(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.lock().heads)
    }

    /// Runs something to which no trouble comes and that counts for nothing.
    pub(super) fn quietly<T>(&self, run: impl FnOnce() -> T) -> T {
        let (trouble, calls) = {
            let mut state = self.lock();
            (state.trouble.take(), state.calls)
        };
        let result = run();
        let mut state = self.lock();
        (state.trouble, state.calls) = (trouble, calls);
        result
    }

    /// The process ends and another begins; `power_cut`: and the machine had lost power.
    pub(super) fn restart(&self, power_cut: bool) {
        let mut state = self.lock();
        let state = &mut *state;
        if power_cut {
            let mut nodes = Vec::new();
            survive(&mut state.nodes, 0, &mut nodes, &mut state.draws);
            state.nodes = nodes;
        }
        state.starts += 1;
        (state.down, state.came, state.trouble) = (false, None, None);
    }

    /// The names in a folder, as a process sees them.
    pub(super) fn names(&self, path: &Path) -> Vec<String> {
        let state = self.lock();
        let folder = state.find(path).and_then(|node| state.folder(node));
        folder.map(|folder| folder.current.keys().cloned().collect()).unwrap_or_default()
    }
}

/// Moves what a power cut leaves of a node, and of all below it, to `kept`; its index there.
fn survive(nodes: &mut Vec<Node>, node: usize, kept: &mut Vec<Node>, draws: &mut Draws) -> usize {
    let index = kept.len();
    match std::mem::replace(&mut nodes[node], Node::File(FileNode::default())) {
        Node::File(file) => {
            let durable = file.survive(draws);
            let current = Arc::clone(&durable);
            kept.push(Node::File(FileNode { current, durable, pending: Vec::new(), torn: false }));
        }
        Node::Folder(folder) => {
            kept.push(Node::Folder(FolderNode::default()));
            let names = folder.survive(draws);
            let names: BTreeMap<_, _> =
                names.into_iter().map(|(name, node)| (name, survive(nodes, node, kept, draws))).collect();
            let folder = FolderNode { current: names.clone(), durable: names, pending: Vec::new() };
            kept[index] = Node::Folder(folder);
        }
    }
    index
}

impl FileNode {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(Arc::make_mut(&mut self.current), offset, bytes);
        self.pending.push((offset, bytes.to_vec()));
    }

    fn sync(&mut self) {
        if !self.torn {
            self.pending.clear();
            self.durable = Arc::clone(&self.current);
        }
        for (offset, bytes) in self.pending.drain(..) {
            put(Arc::make_mut(&mut self.durable), offset, &bytes);
        }
    }

    /// The bytes after a power cut: each sector as after any of its writes since the last sync, or as before all.
    fn survive(&self, draws: &mut Draws) -> Arc<Vec<u8>> {
        if self.pending.is_empty() {
            return Arc::clone(&self.durable);
        }
        let mode = draws.below(4);
        let mut writes: BTreeMap<usize, usize> = BTreeMap::new();
        let mut end = self.durable.len();
        for (offset, bytes) in &self.pending {
            sectors(*offset, bytes.len()).for_each(|sector| *writes.entry(sector).or_default() += 1);
            end = end.max(offset + bytes.len());
        }
        for kept in writes.values_mut() {
            match mode {
                0 => *kept = 0,
                1 => {}
                _ => *kept = draws.below(*kept + 1),
            }
        }
        let length = match mode {
            0 => self.durable.len(),
            1 => end,
            _ if draws.one_in(2) => end,
            _ => (self.durable.len() + draws.below(end - self.durable.len() + 1)).min(end),
        };
        let mut left = Vec::clone(&self.durable);
        let old = left.len();
        left.resize(length.max(old), 0);
        if mode == 3 {
            draws.fill(&mut left[old..]); // what the disk held there before
        }
        for (offset, bytes) in &self.pending {
            for sector in sectors(*offset, bytes.len()) {
                let kept = writes.get_mut(&sector).unwrap();
                if *kept == 0 {
                    continue;
                }
                *kept -= 1;
                let from = (*offset).max(sector * SECTOR);
                let to = (offset + bytes.len()).min((sector + 1) * SECTOR).min(left.len());
                if from < to {
                    left[from..to].copy_from_slice(&bytes[from - offset..to - offset]);
                }
            }
        }
        Arc::new(left)
    }
}

fn sectors(offset: usize, length: usize) -> std::ops::Range<usize> {
    offset / SECTOR..(offset + length).div_ceil(SECTOR)
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

impl FolderNode {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.current);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        self.durable = self.current.clone();
        self.pending.clear();
    }

    /// The names after a power cut: any of the changes since the last sync, in their order.
    fn survive(&self, draws: &mut Draws) -> BTreeMap<String, usize> {
        let mut left = self.durable.clone();
        let mode = draws.below(4);
        let first = draws.below(self.pending.len() + 1);
        for (index, change) in self.pending.iter().enumerate() {
            let kept = match mode {
                0 => false,
                1 => true,
                2 => index < first,
                _ => draws.one_in(2),
            };
            if kept {
                change.apply(&mut left);
            }
        }
        left
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((name, node)) = &self.new {
            names.insert(name.clone(), *node);
        }
    }
}

impl State {
    /// Counts a call; how much of it is done, and how it fails.
    fn call(&mut self, call: Call) -> (Share, Option<io::Error>) {
        if self.down {
            return (Share::Nothing, Some(io::Error::other("the machine is off")));
        }
        self.calls += 1;
        if self.full && call == Call::Grow {
            return (Share::Nothing, Some(ErrorKind::StorageFull.into()));
        }
        let Some((left, trouble)) = &mut self.trouble else { return (Share::Whole, None) };
        let trouble = *trouble;
        let fits = match trouble {
            Trouble::Eio => true,
            Trouble::Full => call == Call::Grow,
            // To die before a look is to die after the change before it.
            Trouble::PowerCut | Trouble::Kill | Trouble::NoSpace => call != Call::Look,
        };
        if !fits {
            return (Share::Whole, None);
        }
        if *left > 0 {
            *left -= 1;
            return (Share::Whole, None);
        }
        (self.trouble, self.came) = (None, Some(trouble));
        let share = [Share::Nothing, Share::Part, Share::Whole][self.draws.below(3)];
        match trouble {
            Trouble::PowerCut | Trouble::Kill => {
                self.down = true;
                (share, Some(io::Error::other("the machine is off")))
            }
            Trouble::Eio => (share, Some(io::Error::from_raw_os_error(nix::errno::Errno::EIO as i32))),
            Trouble::NoSpace => {
                let share = if share == Share::Whole { Share::Nothing } else { share };
                (share, Some(ErrorKind::StorageFull.into()))
            }
            Trouble::Full => {
                self.full = true;
                (Share::Nothing, Some(ErrorKind::StorageFull.into()))
            }
        }
    }

    fn look(&mut self) -> io::Result<()> {
        self.call(Call::Look).1.map_or(Ok(()), Err)
    }

    fn find(&self, path: &Path) -> Option<usize> {
        path.components().try_fold(0, |node, component| {
            let name = component.as_os_str().to_str()?;
            if name == "/" { Some(node) } else { self.folder(node)?.current.get(name).copied() }
        })
    }

    fn folder(&self, node: usize) -> Option<&FolderNode> {
        match &self.nodes[node] {
            Node::Folder(folder) => Some(folder),
            Node::File(_) => None,
        }
    }

    fn folder_at(&mut self, path: &Path) -> io::Result<&mut FolderNode> {
        let node = self.find(path).ok_or(ErrorKind::NotFound)?;
        match &mut self.nodes[node] {
            Node::Folder(folder) => Ok(folder),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// Changes names in the folder above `path`, as far as the call is done.
    fn change(
        &mut self,
        path: &Path,
        call: Call,
        check: impl FnOnce(&FolderNode, &str) -> io::Result<()>,
        change: impl FnOnce(&mut Self, String) -> NameChange,
    ) -> io::Result<()> {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        check(self.folder_at(path.parent().unwrap())?, &name)?;
        let (share, error) = self.call(call);
        if share == Share::Whole {
            let change = change(self, name);
            self.folder_at(path.parent().unwrap())?.change(change);
        }
        error.map_or(Ok(()), Err)
    }
}

fn there(folder: &FolderNode, name: &str) -> io::Result<()> {
    if folder.current.contains_key(name) { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
}

fn not_there(folder: &FolderNode, name: &str) -> io::Result<()> {
    if folder.current.contains_key(name) { Err(ErrorKind::AlreadyExists.into()) } else { Ok(()) }
}

impl Storage for SimDisk {
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        let mut state = self.lock();
        state.look()?;
        Ok(state.find(path).map(|node| match &state.nodes[node] {
            Node::File(file) => Kind::File(file.current.len() as u64),
            Node::Folder(_) => Kind::Folder,
        }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.lock();
        state.look()?;
        let names = state.folder_at(folder)?.current.keys();
        Ok(names.map(|name| folder.join(name)).collect())
    }

    fn make_folder(&self, path: &Path, _: u32) -> io::Result<()> {
        self.lock().change(path, Call::Grow, not_there, |state, name| {
            state.nodes.push(Node::Folder(FolderNode::default()));
            NameChange { gone: None, new: Some((name, state.nodes.len() - 1)) }
        })
    }

    fn set_mode(&self, _: &Path, _: u32) -> io::Result<()> {
        self.lock().look()
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let (share, error) = state.call(Call::Change);
        let folder = state.folder_at(path)?;
        // After a failed one the changes stay on their way: file systems keep them, or stop altogether.
        if share == Share::Whole {
            folder.sync();
        }
        error.map_or(Ok(()), Err)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.lock();
        state.look()?;
        let node = state.find(path).ok_or(ErrorKind::NotFound)?;
        if !matches!(&state.nodes[node], Node::File(_)) {
            return Err(not_regular());
        }
        let writable = access == Access::Write;
        Ok(Box::new(SimFile { disk: self.clone(), node, start: state.starts, writable }))
    }

    fn create(&self, path: &Path, _: u32) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.lock();
        state.change(path, Call::Grow, not_there, |state, name| {
            state.nodes.push(Node::File(FileNode::default()));
            NameChange { gone: None, new: Some((name, state.nodes.len() - 1)) }
        })?;
        let node = state.nodes.len() - 1;
        Ok(Box::new(SimFile { disk: self.clone(), node, start: state.starts, writable: true }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        assert_eq!(from.parent(), to.parent(), "no file leaves its folder");
        let name = to.file_name().unwrap().to_str().unwrap().to_owned();
        let mut state = self.lock();
        state.change(from, Call::Change, there, |state, old| {
            let node = state.find(from).unwrap();
            if name == "checkpoint"
                && let Node::File(file) = &state.nodes[node]
            {
                let head = Vec::clone(&file.current);
                state.heads.push(head);
            }
            NameChange { gone: Some(old), new: Some((name, node)) }
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let gone = |_: &mut State, name| NameChange { gone: Some(name), new: None };
        self.lock().change(path, Call::Change, there, gone)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if !state.folder_at(path)?.current.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        state.change(path, Call::Change, there, |_, name| NameChange { gone: Some(name), new: None })
    }

    fn draw(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.lock().draws.fill(bytes);
        Ok(())
    }
}

struct SimFile {
    disk: SimDisk,
    node: usize,
    /// The process that has it open.
    start: u64,
    writable: bool,
}

impl SimFile {
    fn with<T>(&self, run: impl FnOnce(&mut State, &mut FileNode) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.lock();
        assert_eq!(self.start, state.starts, "a dead process uses a file");
        let Node::File(mut file) =
            std::mem::replace(&mut state.nodes[self.node], Node::File(FileNode::default()))
        else {
            panic!("a folder was opened as a file");
        };
        let result = run(&mut state, &mut file);
        state.nodes[self.node] = Node::File(file);
        result
    }
}

impl StorageFile for SimFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|state, file| {
            state.look()?;
            let there = file.current.get(offset as usize..).unwrap_or_default();
            let mut count = there.len().min(bytes.len());
            if state.draws.one_in(8) && count > 1 {
                count = 1 + state.draws.below(count - 1);
            }
            bytes[..count].copy_from_slice(&there[..count]);
            Ok(count)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        assert!(self.writable, "written to a file that was opened to be read");
        let offset = offset as usize;
        self.with(|state, file| {
            let grows = offset + bytes.len() > file.current.len();
            let (share, error) = state.call(if grows { Call::Grow } else { Call::Change });
            let count = match share {
                Share::Nothing => 0,
                Share::Part => state.draws.below(bytes.len()),
                Share::Whole if state.draws.one_in(16) => 1 + state.draws.below(bytes.len()),
                Share::Whole => bytes.len(),
            };
            if count > 0 {
                file.write(offset, &bytes[..count.min(bytes.len())]);
            }
            error.map_or(Ok(count.min(bytes.len())), Err)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|state, file| {
            let (share, error) = state.call(Call::Change);
            let Some(error) = error else {
                file.sync();
                return Ok(());
            };
            match share {
                Share::Whole => file.sync(),
                _ if state.down => {}
                // Linux forgets that the pages were dirty: a later sync says yes, and they are not on the disk.
                Share::Part | Share::Nothing => {
                    file.durable = file.survive(&mut state.draws);
                    file.pending.clear();
                    file.torn = true;
                }
            }
            Err(error)
        })
    }
}
