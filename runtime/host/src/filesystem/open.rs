//! Opening and making files.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorFlags, ErrorCode, OpenFlags};

use super::FOLDER;
use super::handle::{File, Folder, Handle, Permits, Result, code, resize};
use super::path::Path;
use super::space::{Books, ENTRY_BYTES, id_of};

/// New files belong to the owner and can be read by others of the system, as the process's umask allows.
const NEW_FILE: Mode = Mode::from_raw_mode(0o640);

/// What a guest wants of a file.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of open-at, one by one")]
pub(super) struct Wish {
    pub(super) create: bool,
    pub(super) exclusive: bool,
    pub(super) truncate: bool,
    pub(super) directory: bool,
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Wish {
    pub(super) fn new(open: OpenFlags, flags: DescriptorFlags) -> Result<Self> {
        let synchronous = DescriptorFlags::FILE_INTEGRITY_SYNC
            | DescriptorFlags::DATA_INTEGRITY_SYNC
            | DescriptorFlags::REQUESTED_WRITE_SYNC;
        if flags.intersects(synchronous) {
            return Err(ErrorCode::Unsupported);
        }
        let wish = Self {
            create: open.contains(OpenFlags::CREATE),
            exclusive: open.contains(OpenFlags::EXCLUSIVE),
            truncate: open.contains(OpenFlags::TRUNCATE),
            directory: open.contains(OpenFlags::DIRECTORY),
            // A file that is opened for neither can be read, as in the stock implementation.
            read: flags.contains(DescriptorFlags::READ) || !flags.contains(DescriptorFlags::WRITE),
            write: flags.contains(DescriptorFlags::WRITE),
        };
        if wish.directory && (wish.create || wish.exclusive || wish.truncate) {
            return Err(ErrorCode::Invalid);
        }
        Ok(wish)
    }

    fn changes(self) -> bool {
        self.create || self.truncate || self.write
    }
}

/// Opens `path` below `folder`.
pub(super) fn open(folder: &Folder, path: &str, wish: Wish) -> Result<Handle> {
    let path = Path::new(path)?;
    let (depth, must_be_folder) = (path.depth(), path.folder || wish.directory);
    let Some((parent, name)) = folder.resolve(path, wish.changes())? else {
        return open_folder(folder, folder.fd(), ".", 0, wish);
    };
    // Held from looking to opening, so that what is made and what is cut is counted exactly once.
    let mut books = folder.view().space.books();
    match rustix::fs::statat(&*parent, &name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) if wish.create && !must_be_folder => {
            create(folder, &parent, &name, wish, &mut books)
        }
        Err(errno) => Err(code(errno)),
        Ok(_) if wish.create && wish.exclusive => Err(ErrorCode::Exist),
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if folder.view().single_files() => Err(ErrorCode::NoEntry),
            FileType::Directory => open_folder(folder, &parent, &name, depth, wish),
            FileType::RegularFile if must_be_folder => Err(ErrorCode::NotDirectory),
            FileType::RegularFile => open_file(folder, &parent, &name, wish, &mut books),
            FileType::Symlink => Err(ErrorCode::Loop),
            // Pipes, sockets and devices do things when they are opened.
            _ => Err(ErrorCode::NotPermitted),
        },
    }
}

/// Folders can be opened for reading alone; changing what they hold goes by their names.
fn open_folder(folder: &Folder, parent: &OwnedFd, name: &str, depth: usize, wish: Wish) -> Result<Handle> {
    if wish.changes() {
        return Err(if wish.exclusive { ErrorCode::Exist } else { ErrorCode::IsDirectory });
    }
    let fd = rustix::fs::openat(parent, name, FOLDER, Mode::empty()).map_err(code)?;
    folder.below(fd, depth).map(Handle::Folder)
}

fn create(folder: &Folder, parent: &OwnedFd, name: &str, wish: Wish, books: &mut Books) -> Result<Handle> {
    let permits = folder.view().permits()?;
    folder.view().admit(books, ENTRY_BYTES)?;
    let flags = modes(wish) | OFlags::CREATE | OFlags::EXCL;
    let fd = rustix::fs::openat(parent, name, flags, NEW_FILE).map_err(code)?;
    books.named();
    let stat = rustix::fs::fstat(&fd).map_err(code)?;
    Ok(handle(folder, fd, &stat, wish, permits, books))
}

fn open_file(folder: &Folder, parent: &OwnedFd, name: &str, wish: Wish, books: &mut Books) -> Result<Handle> {
    let permits = folder.view().permits()?;
    let fd = rustix::fs::openat(parent, name, modes(wish), Mode::empty()).map_err(code)?;
    let stat = rustix::fs::fstat(&fd).map_err(code)?;
    // Looked at again on what is open now. A second name may lie outside the mount.
    if !FileType::from_raw_mode(stat.st_mode).is_file() || stat.st_nlink > 1 {
        return Err(ErrorCode::NotPermitted);
    }
    if wish.truncate {
        resize(folder.view(), &fd, books, 0)?;
    }
    Ok(handle(folder, fd, &stat, wish, permits, books))
}

fn handle(
    folder: &Folder,
    fd: OwnedFd,
    stat: &Stat,
    wish: Wish,
    permits: Permits,
    books: &mut Books,
) -> Handle {
    let modes = (wish.read, wish.write);
    let file = File::new(fd, id_of(stat), Arc::clone(folder.view()), modes, permits, books);
    Handle::File(Arc::new(file))
}

/// Never truncating: what is cut is cut after it was looked at. Never blocking: a pipe may have taken the name.
fn modes(wish: Wish) -> OFlags {
    let access = match (wish.read, wish.write || wish.truncate) {
        (_, false) => OFlags::RDONLY,
        (false, true) => OFlags::WRONLY,
        (true, true) => OFlags::RDWR,
    };
    access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC
}
