//! What a guest holds: open folders and open files.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use openpact_model::clock::Clock;
use openpact_model::role::Role;
use openpact_model::tool::Limit;
use rustix::fs::Mode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use super::FOLDER;
use super::path::Path;
use super::space::{Books, FileId, Space, size_of};
use super::tree::MAX_DEPTH;
use crate::deployment::{Access, Mount, Scope};
use crate::ledger::Ledger;

/// What an operation gives: or the code that the guest is told.
pub(super) type Result<T> = std::result::Result<T, ErrorCode>;

/// What the system says, as a guest is told.
pub(super) fn code(errno: rustix::io::Errno) -> ErrorCode {
    ErrorCode::from(&io::Error::from(errno))
}

/// Leave to have one file open: of the component, and of the host.
pub(super) type Permits = [OwnedSemaphorePermit; 2];

/// One mount as one call sees it.
pub(super) struct View {
    pub(super) mount: Arc<Mount>,
    pub(super) space: Arc<Space>,
    pub(super) role: Role,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: Arc<dyn Clock>,
    /// How many files may be open: of the component, and of all.
    pub(super) open: [(Arc<Semaphore>, usize); 2],
}

impl View {
    /// Whether `name` at the top of the mount exists for this caller, and may be changed if that is wanted.
    pub(super) fn allow(&self, name: &str, change: bool) -> Result<()> {
        if let Scope::Files(rules) = &self.mount.scope {
            let rule = rules.iter().find(|rule| {
                name.strip_prefix(rule.name.as_str()).is_some_and(|rest| rest.is_empty() || rest == ".tmp")
            });
            let rule = rule.filter(|rule| self.role >= rule.read).ok_or(ErrorCode::NoEntry)?;
            if change && self.role < rule.write {
                return Err(ErrorCode::NotPermitted);
            }
        }
        if change { self.writable() } else { Ok(()) }
    }

    /// Whether the mount may be changed.
    pub(super) fn writable(&self) -> Result<()> {
        if self.mount.access == Access::ReadWrite { Ok(()) } else { Err(ErrorCode::ReadOnly) }
    }

    /// Whether it shows single files only.
    pub(super) fn single_files(&self) -> bool {
        matches!(self.mount.scope, Scope::Files(_))
    }

    /// Makes sure that `growth` more bytes fit.
    pub(super) fn admit(&self, books: &mut Books, growth: u64) -> Result<()> {
        let quota = self.mount.quota;
        self.space.admit(books, growth, quota, self.clock.monotonic()).map_err(|_| {
            self.ledger.refused_at(Limit::Files, quota);
            ErrorCode::Quota
        })
    }

    /// Room for one more open file.
    pub(super) fn permits(&self) -> Result<Permits> {
        let permit = |(semaphore, most): &(Arc<Semaphore>, usize)| {
            Arc::clone(semaphore).try_acquire_owned().map_err(|_| {
                self.ledger.refused_at(Limit::Handles, *most as u64);
                ErrorCode::InsufficientMemory
            })
        };
        Ok([permit(&self.open[0])?, permit(&self.open[1])?])
    }
}

/// An open folder.
#[derive(Clone)]
pub(super) struct Folder {
    fd: Arc<OwnedFd>,
    view: Arc<View>,
    depth: usize,
    _permits: Option<Arc<Permits>>,
}

impl Folder {
    /// The root of a mount.
    pub(super) fn root(fd: OwnedFd, view: Arc<View>) -> Self {
        Self { fd: Arc::new(fd), view, depth: 0, _permits: None }
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    pub(super) fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// The open folder `fd` as a handle of its own, `below` names under this one.
    pub(super) fn below(&self, fd: OwnedFd, below: usize) -> Result<Self> {
        Ok(Self {
            fd: Arc::new(fd),
            view: Arc::clone(&self.view),
            depth: self.depth + below,
            _permits: Some(Arc::new(self.view.permits()?)),
        })
    }

    /// The folder that holds what `path` ends in, and that name; `None` where the path is this folder.
    ///
    /// Each name on the way is opened by itself and must be a folder, not a link to one. A name cannot be changed into
    /// something else between looking and opening, because there is no looking before.
    pub(super) fn resolve(&self, path: Path, change: bool) -> Result<Option<(Arc<OwnedFd>, String)>> {
        if self.depth + path.depth() > MAX_DEPTH {
            return Err(ErrorCode::NameTooLong);
        }
        let Some(name) = path.name else { return Ok(None) };
        if self.view.single_files() && !path.folders.is_empty() {
            return Err(ErrorCode::NoEntry);
        }
        self.view.allow(&name, change)?;
        let mut folder = Arc::clone(&self.fd);
        for name in &path.folders {
            let next = rustix::fs::openat(&*folder, name, FOLDER, Mode::empty()).map_err(code)?;
            folder = Arc::new(next);
        }
        Ok(Some((folder, name)))
    }
}

/// An open file, counted until it is closed.
pub(super) struct File {
    open: Option<Open>,
    view: Arc<View>,
    pub(super) readable: bool,
    pub(super) writable: bool,
}

/// What closing a file takes.
struct Open {
    fd: OwnedFd,
    id: FileId,
    _permits: Permits,
}

impl Open {
    /// Closes the file, and takes it out of the books.
    fn close(self, books: &mut Books) {
        let orphan = rustix::fs::fstat(&self.fd).ok().filter(|stat| stat.st_nlink == 0);
        books.closed(self.id, orphan.map(|stat| size_of(&stat)));
    }
}

impl File {
    /// Takes over an open file, and enters it in the books of its space.
    ///
    /// Closing it needs the books too: it must not be dropped by someone who holds them.
    pub(super) fn new(
        fd: OwnedFd,
        id: FileId,
        view: Arc<View>,
        modes: (bool, bool),
        permits: Permits,
        books: &mut Books,
    ) -> Self {
        books.opened(id);
        let open = Some(Open { fd, id, _permits: permits });
        Self { open, view, readable: modes.0, writable: modes.1 }
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.open.as_ref().expect("a file is open until it is dropped").fd
    }

    /// At most `buffer.len()` bytes from `offset`.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        if !self.readable {
            return Err(ErrorCode::BadDescriptor);
        }
        loop {
            match rustix::io::pread(self.fd(), &mut *buffer, offset) {
                Err(rustix::io::Errno::INTR) => {}
                result => return result.map_err(code),
            }
        }
    }

    /// All of `bytes` at `offset`, or at the end. The first byte past the quota refuses all of them.
    pub(super) fn write(&self, bytes: &[u8], offset: Option<u64>) -> Result<()> {
        self.may_write()?;
        let mut books = self.view.space.books();
        let stat = rustix::fs::fstat(self.fd()).map_err(code)?;
        let before = size_of(&stat);
        let from = offset.unwrap_or(before);
        let end = from.checked_add(bytes.len() as u64).ok_or(ErrorCode::FileTooLarge)?;
        self.view.admit(&mut books, end.saturating_sub(before))?;
        let result = self.write_all(bytes, from);
        account(self.fd(), &mut books, stat.st_nlink == 0, before)?;
        result
    }

    /// Cuts or extends the file to `size` bytes.
    pub(super) fn set_size(&self, size: u64) -> Result<()> {
        self.may_write()?;
        resize(&self.view, self.fd(), &mut self.view.space.books(), size)
    }

    fn may_write(&self) -> Result<()> {
        if self.writable { Ok(()) } else { Err(ErrorCode::BadDescriptor) }
    }

    fn write_all(&self, mut bytes: &[u8], mut offset: u64) -> Result<()> {
        while !bytes.is_empty() {
            match rustix::io::pwrite(self.fd(), bytes, offset) {
                Ok(0) => return Err(ErrorCode::Io),
                Ok(written) => {
                    bytes = &bytes[written..];
                    offset += written as u64;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(code(errno)),
            }
        }
        Ok(())
    }
}

/// Cuts or extends an open file to `size` bytes, and enters it.
pub(super) fn resize(view: &View, fd: &OwnedFd, books: &mut Books, size: u64) -> Result<()> {
    let stat = rustix::fs::fstat(fd).map_err(code)?;
    let before = size_of(&stat);
    view.admit(books, size.saturating_sub(before))?;
    let result = rustix::fs::ftruncate(fd, size).map_err(code);
    account(fd, books, stat.st_nlink == 0, before)?;
    result
}

/// Enters what really happened to a file that had `before` bytes, a write that failed halfway included.
fn account(fd: &OwnedFd, books: &mut Books, orphan: bool, before: u64) -> Result<()> {
    let after = size_of(&rustix::fs::fstat(fd).map_err(code)?);
    books.resized(orphan, before, after);
    Ok(())
}

impl Drop for File {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else { return };
        if let Some(mut books) = self.view.space.try_books() {
            return open.close(&mut books);
        }
        // Somebody writes, and a disk may hang. The thread that drops this may be one that runs guests.
        let view = Arc::clone(&self.view);
        let close = move || open.close(&mut view.space.books());
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(close)),
            Err(_) => close(),
        }
    }
}

/// Either of them, as it lies in the table of a guest.
#[derive(Clone)]
pub(super) enum Handle {
    Folder(Folder),
    File(Arc<File>),
}

impl Handle {
    pub(super) fn folder(&self) -> Result<&Folder> {
        match self {
            Self::Folder(folder) => Ok(folder),
            Self::File(_) => Err(ErrorCode::NotDirectory),
        }
    }

    pub(super) fn file(&self) -> Result<&Arc<File>> {
        match self {
            Self::Folder(_) => Err(ErrorCode::IsDirectory),
            Self::File(file) => Ok(file),
        }
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        match self {
            Self::Folder(folder) => folder.fd(),
            Self::File(file) => file.fd(),
        }
    }

    pub(super) fn view(&self) -> &Arc<View> {
        match self {
            Self::Folder(folder) => folder.view(),
            Self::File(file) => &file.view,
        }
    }
}
