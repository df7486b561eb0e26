//! Walking through folders: what lies below one, how deep one lies, and whether one may be moved down.
//!
//! No link is followed. A walk has one folder open for each level. It ends with an error where it cannot see everything,
//! because what it does not see would not be counted.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, Stat};
use rustix::io::Errno;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use super::FOLDER;
use super::handle::code;
use super::space::{ENTRY_BYTES, FileId, id_of, size_of};

/// Folders below each other that guests can make. Deeper trees are hard to remove for everybody.
pub(super) const MAX_DEPTH: usize = 64;

/// Folders below each other that are counted: what guests can make where one mount lies in another.
const MAX_COUNTED_DEPTH: usize = 2 * MAX_DEPTH;

/// Files and folders that are looked at before a folder is moved down.
const MAX_MOVED: usize = 100_000;

/// Why a walk did not see everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Halt {
    /// Folders lie too deep below each other; the first of them.
    TooDeep(String),
    /// There are too many files and folders.
    TooMany,
    /// The system said no, in this folder.
    System(String, Errno),
}

impl Halt {
    /// What a guest is told.
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::TooDeep(_) => ErrorCode::NameTooLong,
            // As between two disks: it can still be copied, and then each step is counted.
            Self::TooMany => ErrorCode::CrossDevice,
            Self::System(_, errno) => code(*errno),
        }
    }
}

impl From<Halt> for io::Error {
    fn from(halt: Halt) -> Self {
        // The names may be a guest's, so they are quoted.
        match halt {
            Halt::TooDeep(place) => {
                let most = MAX_COUNTED_DEPTH;
                Self::other(format!(
                    "more than {most} folders lie below each other, at {place:?}; remove them"
                ))
            }
            Halt::TooMany => Self::other("there are too many files"),
            Halt::System(place, errno) => {
                let error = Self::from(errno);
                Self::new(error.kind(), format!("what lies in it at {place:?} cannot be counted: {error}"))
            }
        }
    }
}

/// Counts the bytes below `root`, or those of the files `names` in it. A link counts as a name.
pub(super) fn count(root: &OwnedFd, names: Option<&[String]>) -> Result<u64, Halt> {
    let mut bytes = 0_u64;
    let mut add = |stat: &Stat| {
        let content = if FileType::from_raw_mode(stat.st_mode).is_file() { size_of(stat) } else { 0 };
        bytes = bytes.saturating_add(ENTRY_BYTES).saturating_add(content);
        Ok(())
    };
    if let Some(names) = names {
        for name in names.iter().flat_map(|name| [name.clone(), format!("{name}.tmp")]) {
            let stat = unless_gone(rustix::fs::statat(root, &name, AtFlags::SYMLINK_NOFOLLOW));
            if let Some(stat) = stat.map_err(|errno| Halt::System(name, errno))? {
                add(&stat)?;
            }
        }
    } else {
        walk(
            open(root.as_fd(), c".").map_err(|errno| Halt::System(".".into(), errno))?,
            MAX_COUNTED_DEPTH,
            add,
        )?;
    }
    Ok(bytes)
}

/// How many folders below the folder `root` the open folder `folder` lies now.
///
/// It is looked up because an open folder can be moved: where it was when it was opened says nothing.
pub(super) fn depth(folder: &OwnedFd, root: FileId) -> Result<usize, Halt> {
    let system = |errno| Halt::System("..".into(), errno);
    let mut above: Option<OwnedFd> = None;
    for depth in 0..=MAX_COUNTED_DEPTH {
        let here = above.as_ref().unwrap_or(folder);
        if id_of(&rustix::fs::fstat(here).map_err(system)?) == root {
            return Ok(depth);
        }
        above = Some(rustix::fs::openat(here, "..", FOLDER, Mode::empty()).map_err(system)?);
    }
    Err(Halt::TooDeep("..".into()))
}

/// Makes sure that no more than `most` folders lie below each other in the folder `name` of `parent`.
pub(super) fn at_most(parent: &OwnedFd, name: &str, most: usize) -> Result<(), Halt> {
    let system = |errno| Halt::System(name.to_owned(), errno);
    let fd = rustix::fs::openat(parent, name, FOLDER, Mode::empty()).map_err(system)?;
    let mut seen = 0;
    walk(Dir::new(fd).map_err(system)?, most, |_| {
        seen += 1;
        if seen > MAX_MOVED { Err(Halt::TooMany) } else { Ok(()) }
    })
}

/// Shows `visit` everything below `top`, in which at most `most` folders may lie below each other.
fn walk(top: Dir, most: usize, mut visit: impl FnMut(&Stat) -> Result<(), Halt>) -> Result<(), Halt> {
    let mut levels = vec![(top, ".".to_owned())];
    loop {
        let depth = levels.len();
        let Some((folder, place)) = levels.last_mut() else { return Ok(()) };
        let Some(entry) = folder.read() else {
            levels.pop();
            continue;
        };
        let system = |errno| Halt::System(place.clone(), errno);
        let entry = entry.map_err(system)?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let fd = folder.fd().map_err(system)?;
        let stat = unless_gone(rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)).map_err(system)?;
        let Some(stat) = stat else { continue };
        visit(&stat)?;
        if !FileType::from_raw_mode(stat.st_mode).is_dir() {
            continue;
        }
        let below = format!("{place}/{}", name.to_string_lossy());
        if depth > most {
            return Err(Halt::TooDeep(below));
        }
        let opened = unless_gone(open(fd, name)).map_err(|errno| Halt::System(below.clone(), errno))?;
        levels.extend(opened.map(|folder| (folder, below)));
    }
}

/// Something may vanish while it is looked at, or be made anew as something else. Every other error is one: without
/// a free handle, for one, everything would seem empty.
fn unless_gone<T>(result: rustix::io::Result<T>) -> rustix::io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn open(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<Dir> {
    Dir::new(rustix::fs::openat(parent, name, FOLDER, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;

    fn folder_of(path: &Path) -> OwnedFd {
        rustix::fs::open(path, FOLDER, Mode::empty()).unwrap()
    }

    /// So many folders below each other.
    fn chain(length: usize) -> String {
        vec!["d"; length].join("/")
    }

    #[test]
    fn a_tree_is_counted_with_its_names_and_without_what_links_show() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/file"), [0; 100]).unwrap();
        fs::write(folder.path().join("top"), [0; 10]).unwrap();
        std::os::unix::fs::symlink("/usr", folder.path().join("link")).unwrap();
        let fd = folder_of(folder.path());
        assert_eq!(count(&fd, None).unwrap(), 5 * ENTRY_BYTES + 110);
        let names = ["top".into(), "absent".into(), "top/absent".into()];
        assert_eq!(count(&fd, Some(&names)).unwrap(), ENTRY_BYTES + 10);
        let names = ["n".repeat(300)];
        let failed = count(&fd, Some(&names));
        assert_eq!(failed, Err(Halt::System(names[0].clone(), Errno::NAMETOOLONG)));
    }

    #[test]
    fn a_tree_that_is_too_deep_to_count_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(chain(MAX_COUNTED_DEPTH))).unwrap();
        let fd = folder_of(folder.path());
        assert_eq!(count(&fd, None).unwrap(), MAX_COUNTED_DEPTH as u64 * ENTRY_BYTES);
        fs::create_dir(folder.path().join(chain(MAX_COUNTED_DEPTH + 1))).unwrap();
        let failed = count(&fd, None).unwrap_err();
        assert_eq!(failed, Halt::TooDeep(format!("./{}", chain(MAX_COUNTED_DEPTH + 1))));
        assert!(io::Error::from(failed).to_string().contains("more than 128 folders"));
    }

    #[test]
    fn where_a_folder_lies_is_looked_up() {
        let folder = tempfile::tempdir().unwrap();
        let root = id_of(&rustix::fs::fstat(folder_of(folder.path())).unwrap());
        fs::create_dir_all(folder.path().join("x")).unwrap();
        fs::create_dir_all(folder.path().join(chain(10))).unwrap();
        let open = folder_of(&folder.path().join("x"));
        assert_eq!(depth(&open, root), Ok(1));
        fs::rename(folder.path().join("x"), folder.path().join(chain(10)).join("x")).unwrap();
        assert_eq!(depth(&open, root), Ok(11));
        assert_eq!(depth(&folder_of(folder.path()), root), Ok(0));
        let outside = tempfile::tempdir().unwrap();
        assert_eq!(depth(&folder_of(outside.path()), root), Err(Halt::TooDeep("..".into())));
    }

    #[test]
    fn the_height_of_a_tree_is_held_to_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(chain(5))).unwrap();
        fs::write(folder.path().join("d/file"), []).unwrap();
        let fd = folder_of(folder.path());
        assert_eq!(at_most(&fd, "d", 4), Ok(()));
        assert_eq!(at_most(&fd, "d", 3), Err(Halt::TooDeep("./d/d/d/d".into())));
    }

    /// The limit is one of the whole process, so this needs one for itself.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test may start itself")]
    fn without_free_handles_nothing_is_taken_for_empty() {
        let name = "filesystem::tree::tests::alone_with_few_handles";
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", "--ignored", "--test-threads=1", name]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    #[ignore = "run by the test above in a process of its own: it takes all handles away"]
    fn alone_with_few_handles() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(chain(20))).unwrap();
        let fd = folder_of(folder.path());
        let before = getrlimit(Resource::Nofile);
        // Handles are given by the lowest free number, so this leaves ten at most.
        let next = std::os::fd::AsRawFd::as_raw_fd(&folder_of(folder.path()));
        let few = Some(u64::try_from(next).unwrap() + 10);
        setrlimit(Resource::Nofile, Rlimit { current: few, maximum: before.maximum }).unwrap();
        let counted = count(&fd, None);
        setrlimit(Resource::Nofile, before).unwrap();
        assert!(matches!(counted, Err(Halt::System(_, Errno::MFILE))), "{counted:?}");
        assert_eq!(count(&fd, None), Ok(20 * ENTRY_BYTES));
    }
}
