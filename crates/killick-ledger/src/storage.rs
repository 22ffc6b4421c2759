//! The few operations on files that the ledger is made of. Everything that must survive a crash goes through them, so
//! that a test puts a simulated disk under the real ledger (`sim`). A call is one virtual call above its system call.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::limits::TILE_WRITERS_MAX;
use nix::fcntl::OFlag;

/// The disk under a ledger.
pub(crate) type Disk = Arc<dyn Storage>;

/// What lies at a path, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file of so many bytes.
    File(u64),
    Folder,
    /// A FIFO, a socket, a device.
    Other,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// Files and folders by their paths.
pub(crate) trait Storage: Debug + Send + Sync {
    /// How many files are best written at once.
    fn writers(&self) -> usize {
        1
    }

    /// What is there; `None` if nothing is.
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>>;

    /// The paths of all that lies in a folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// Makes one folder; its parent is there.
    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()>;

    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()>;

    /// fsync of a folder: its names are durable when it returns.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Opens a regular file; never waits. Errs with `InvalidInput` on anything else.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>>;

    /// Makes a file to write to. Errs with `AlreadyExists` on whatever is there, a link too.
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn StorageFile>>;

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;

    /// Fills with random bytes. Here, so that a simulated run can be repeated.
    fn draw(&self, bytes: &mut [u8]) -> io::Result<()>;
}

/// An open regular file.
pub(crate) trait StorageFile: Send + Sync {
    /// pread: may return fewer bytes than asked for; none at the end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// pwrite: may write fewer bytes than given.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// fdatasync: the bytes and the length are durable when it returns `Ok`. After an error they may never be, whatever
    /// a later call says.
    fn sync(&self) -> io::Result<()>;

    /// Writes all of it, in as many calls as it takes.
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    offset = offset.saturating_add(written as u64);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Everything from the start to the end of the file, at most `bytes_max` + 1 bytes.
    fn read_all(&self, bytes_max: usize) -> io::Result<Vec<u8>> {
        let (mut bytes, mut filled) = (Vec::new(), 0);
        while filled <= bytes_max {
            if filled == bytes.len() {
                bytes.resize((filled.max(READ_BYTES) * 2).min(bytes_max.saturating_add(1)), 0);
            }
            match self.read_at(bytes.get_mut(filled..).unwrap_or_default(), filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

/// Half of what is read from a file at first: most tiles and checkpoints are smaller.
const READ_BYTES: usize = 4_096;

/// The operating system's files.
#[derive(Debug)]
pub(crate) struct SystemDisk;

/// The disk of this machine.
pub(crate) fn system_disk() -> Disk {
    Arc::new(SystemDisk)
}

impl Storage for SystemDisk {
    fn writers(&self) -> usize {
        TILE_WRITERS_MAX
    }

    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        match fs::metadata(path) {
            Ok(found) if found.is_file() => Ok(Some(Kind::File(found.len()))),
            Ok(found) if found.is_dir() => Ok(Some(Kind::Folder)),
            Ok(_) => Ok(Some(Kind::Other)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|file| file.map(|file| file.path())).collect()
    }

    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        fs::DirBuilder::new().mode(mode).create(path)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let folder = OpenOptions::new().read(true).custom_flags(OFlag::O_DIRECTORY.bits()).open(path)?;
        folder.sync_all()
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(open_regular(path, access)?))
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        // Whatever the process's umask is: readers of the public folder are other users.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn draw(&self, bytes: &mut [u8]) -> io::Result<()> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| io::Error::other("the system gives no random bytes"))
    }
}

/// Opens a regular file without ever waiting: to open a FIFO waits for its other end.
pub(crate) fn open_regular(path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(access == Access::Write).custom_flags(OFlag::O_NONBLOCK.bits());
    regular(options.open(path)?)
}

/// As [`open_regular`] to read and write, made with mode 0600 if absent.
pub(crate) fn open_or_create_regular(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    regular(options.custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?)
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_regular()) }
}

/// The error for what is no file where a file has to be.
pub(crate) fn not_regular() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "it is not a regular file")
}

impl StorageFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
