//! How many bytes lie in a mount, kept exact while guests write.
//!
//! The count is shared by all components that have the same folder. Whoever changes a file holds the lock for as long as
//! the change takes, so two writers can never both use the last free bytes. A file that was removed while it is open
//! goes on counting until it is closed: it takes space although nobody sees it.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError, Weak};
use std::time::{Duration, Instant};

use openpact_model::clock::Clock;
use rustix::fs::Stat;
use tokio::sync::Semaphore;

use super::listed;
use super::tree::{self, Halt};
use crate::deployment::Scope;
use crate::ledger::lock;

/// What a file or folder counts beside its content, so that a million empty files are not free: about what the disk
/// takes for an empty folder.
pub(crate) const ENTRY_BYTES: u64 = 4096;

/// Before a write is refused the folder is counted again, since a person may have made room; but not more often.
const RECOUNT_AFTER: Duration = Duration::from_secs(10);

/// Which file it is, whatever it is called.
pub(super) type FileId = (u64, u64);

/// The device and number of a file.
pub(super) fn id_of(stat: &Stat) -> FileId {
    #[expect(clippy::useless_conversion, reason = "the widths differ between systems")]
    (u64::try_from(stat.st_dev).unwrap_or_default(), u64::from(stat.st_ino))
}

/// The size of a file in bytes.
pub(super) fn size_of(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or_default()
}

/// Which space: the folder, and the names where only some count.
type Key = (FileId, Option<Vec<String>>);

/// All spaces of a host, and how many files its guests may have open.
pub(crate) struct Spaces {
    known: Mutex<HashMap<Key, Weak<Space>>>,
    open: (Arc<Semaphore>, usize),
    per_component: usize,
}

impl Spaces {
    /// Guests may open half of the files that the process may; one component an eighth.
    pub(crate) fn new() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(1 << 20).min(1 << 20);
        Self {
            known: Mutex::default(),
            open: (Arc::new(Semaphore::new((limit / 2).max(16))), (limit / 2).max(16)),
            per_component: (limit / 8).max(8),
        }
    }

    /// The files that all guests together may open.
    pub(super) fn open_files(&self) -> (Arc<Semaphore>, usize) {
        self.open.clone()
    }

    /// The files that one component may open.
    pub(super) fn per_component(&self) -> usize {
        self.per_component
    }

    /// The space of the folder `root`: the one that another mount of it already has, or a new one, counted.
    pub(super) fn of(&self, root: OwnedFd, scope: &Scope, clock: &dyn Clock) -> io::Result<Arc<Space>> {
        let names = listed(scope);
        let id = id_of(&rustix::fs::fstat(&root)?);
        let key = (id, names.clone());
        let mut known = lock(&self.known);
        if let Some(space) = known.get(&key).and_then(Weak::upgrade) {
            return Ok(space);
        }
        known.retain(|_, space| space.strong_count() > 0);
        let used = tree::count(&root, names.as_deref())?;
        let books = Books { used, orphaned: 0, open: HashMap::new(), counted: clock.monotonic() };
        let space = Arc::new(Space { root, id, names, books: Mutex::new(books) });
        known.insert(key, Arc::downgrade(&space));
        Ok(space)
    }
}

/// The bytes of one mount.
pub(crate) struct Space {
    /// Held open, so that no other folder can get the number of this one while it is known by that.
    root: OwnedFd,
    id: FileId,
    names: Option<Vec<String>>,
    books: Mutex<Books>,
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Space {
    /// Whether this is the space of the folder `root`.
    pub(super) fn is_of(&self, root: &OwnedFd) -> io::Result<bool> {
        Ok(id_of(&rustix::fs::fstat(root)?) == self.id)
    }

    /// How many folders below the mount's own an open folder lies now. Meant for holders of the books, since folders
    /// move.
    pub(super) fn depth_of(&self, folder: &OwnedFd) -> Result<usize, Halt> {
        tree::depth(folder, self.id)
    }

    /// Locks the books. Whoever changes files does it while holding them.
    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }

    /// The books, if nobody holds them.
    pub(super) fn try_books(&self) -> Option<MutexGuard<'_, Books>> {
        match self.books.try_lock() {
            Ok(books) => Some(books),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Makes sure that `growth` more bytes fit into `quota`, counting again where they seem not to.
    pub(super) fn admit(&self, books: &mut Books, growth: u64, quota: u64, now: Instant) -> Result<(), Full> {
        if books.fits(growth, quota) {
            return Ok(());
        }
        if now.saturating_duration_since(books.counted) >= RECOUNT_AFTER {
            books.counted = now;
            match tree::count(&self.root, self.names.as_deref()) {
                Ok(used) => books.used = used,
                Err(halt) => {
                    let error = io::Error::from(halt);
                    tracing::warn!(%error, "a mount cannot be counted again: its old count stays, and what needs more room is refused");
                }
            }
        }
        if books.fits(growth, quota) { Ok(()) } else { Err(Full) }
    }
}

/// What a space knows.
pub(super) struct Books {
    /// Bytes of the files that have a name, and of the names.
    used: u64,
    /// Bytes of files that have no name any more and are still open.
    orphaned: u64,
    /// How often each file is open.
    open: HashMap<FileId, u32>,
    /// When `used` was counted last.
    counted: Instant,
}

impl Books {
    fn fits(&self, growth: u64, quota: u64) -> bool {
        growth == 0 || self.used.saturating_add(self.orphaned).saturating_add(growth) <= quota
    }

    /// A name was added.
    pub(super) fn named(&mut self) {
        self.used = self.used.saturating_add(ENTRY_BYTES);
    }

    /// A name was removed, and the file or folder behind it with `size` bytes of content.
    pub(super) fn unnamed(&mut self, file: FileId, size: u64) {
        self.used = self.used.saturating_sub(ENTRY_BYTES.saturating_add(size));
        if self.open.contains_key(&file) {
            self.orphaned = self.orphaned.saturating_add(size);
        }
    }

    /// The content of a file went from `before` to `after` bytes.
    pub(super) fn resized(&mut self, orphan: bool, before: u64, after: u64) {
        let bytes = if orphan { &mut self.orphaned } else { &mut self.used };
        *bytes = bytes.saturating_sub(before).saturating_add(after);
    }

    /// A file was opened.
    pub(super) fn opened(&mut self, file: FileId) {
        *self.open.entry(file).or_default() += 1;
    }

    /// A file was closed; `orphan` is its size where it has no name any more.
    pub(super) fn closed(&mut self, file: FileId, orphan: Option<u64>) {
        let Some(times) = self.open.get_mut(&file) else { return };
        *times -= 1;
        if *times == 0 {
            self.open.remove(&file);
            self.orphaned = self.orphaned.saturating_sub(orphan.unwrap_or_default());
        }
    }

    #[cfg(test)]
    pub(super) fn total(&self) -> u64 {
        self.used + self.orphaned
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use openpact_model::clock::SystemClock;
    use rustix::fs::Mode;

    use super::super::FOLDER;
    use super::*;

    fn fixture() -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/file"), [0; 100]).unwrap();
        fs::write(folder.path().join("top"), [0; 10]).unwrap();
        std::os::unix::fs::symlink("/usr", folder.path().join("link")).unwrap();
        let fd = rustix::fs::open(folder.path(), FOLDER, Mode::empty()).unwrap();
        (folder, fd)
    }

    #[test]
    fn two_mounts_of_one_folder_share_their_space() {
        let (folder, fd) = fixture();
        let spaces = Spaces::new();
        let first = spaces.of(fd, &Scope::Tree, &SystemClock).unwrap();
        let second = spaces.of(open(&folder), &Scope::Tree, &SystemClock).unwrap();
        assert!(Arc::ptr_eq(&first, &second) && first.is_of(&open(&folder)).unwrap());
        let other = spaces.of(open(&folder), &Scope::Files(vec![]), &SystemClock).unwrap();
        assert!(!Arc::ptr_eq(&first, &other));
        assert!(!first.is_of(&fixture().1).unwrap());
    }

    #[test]
    fn a_folder_made_anew_is_never_taken_for_the_one_before() {
        let spaces = Spaces::new();
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("folder");
        let root = || {
            fs::create_dir(&path).unwrap();
            rustix::fs::open(&path, FOLDER, Mode::empty()).unwrap()
        };
        let before = spaces.of(root(), &Scope::Tree, &SystemClock).unwrap();
        for _ in 0..100 {
            fs::remove_dir(&path).unwrap();
            assert!(!before.is_of(&root()).unwrap());
        }
    }

    #[test]
    fn a_removed_file_counts_until_it_is_closed() {
        let (_folder, fd) = fixture();
        let space = Spaces::new().of(fd, &Scope::Tree, &SystemClock).unwrap();
        let mut books = space.books();
        let before = books.total();
        books.named();
        books.opened((1, 2));
        books.opened((1, 2));
        books.resized(false, 0, 500);
        books.unnamed((1, 2), 500);
        assert_eq!(books.total(), before + 500);
        books.closed((1, 2), Some(500));
        assert_eq!(books.total(), before + 500, "it is still open once");
        books.closed((1, 2), Some(500));
        assert_eq!(books.total(), before);
    }

    #[test]
    fn room_that_a_person_made_is_found_but_not_looked_for_all_the_time() {
        let (folder, fd) = fixture();
        let space = Spaces::new().of(fd, &Scope::Tree, &SystemClock).unwrap();
        let mut books = space.books();
        let quota = books.total() + 10;
        let soon = books.counted;
        assert_eq!(space.admit(&mut books, 10, quota, soon), Ok(()));
        assert_eq!(space.admit(&mut books, 11, quota, soon), Err(Full));
        fs::remove_file(folder.path().join("top")).unwrap();
        assert_eq!(space.admit(&mut books, 11, quota, soon), Err(Full), "counted a moment ago");
        let later = soon + RECOUNT_AFTER;
        assert_eq!(space.admit(&mut books, 11, quota, later), Ok(()));
    }

    #[test]
    fn what_cannot_be_counted_keeps_its_old_count_and_is_not_loaded() {
        let (folder, fd) = fixture();
        let space = Spaces::new().of(fd, &Scope::Tree, &SystemClock).unwrap();
        let mut books = space.books();
        let quota = books.total();
        // What makes room, and what makes the tree too deep to see all of it.
        fs::remove_file(folder.path().join("top")).unwrap();
        fs::create_dir_all(folder.path().join("d/".repeat(200))).unwrap();
        let later = books.counted + RECOUNT_AFTER;
        assert_eq!(space.admit(&mut books, 1, quota, later), Err(Full));
        assert_eq!(books.total(), quota);
        assert!(Spaces::new().of(open(&folder), &Scope::Tree, &SystemClock).is_err());
    }

    fn open(folder: &tempfile::TempDir) -> OwnedFd {
        rustix::fs::open(folder.path(), FOLDER, Mode::empty()).unwrap()
    }
}
