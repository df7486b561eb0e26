//! Everything that goes by a name but opening: looking, making folders, moving, removing.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorStat, DescriptorType, ErrorCode, MetadataHashValue, NewTimestamp,
};

use super::handle::{Folder, Handle, Result, code};
use super::path::Path;
use super::space::{ENTRY_BYTES, Space, id_of, size_of};
use super::tree::{self, Halt, MAX_DEPTH};

/// New folders belong to the owner and can be read by others of the system, as the process's umask allows.
const NEW_FOLDER: Mode = Mode::from_raw_mode(0o750);

/// What lies at `path`; of a link, the link itself.
pub(super) fn stat_at(folder: &Folder, path: &str, follow: bool) -> Result<Stat> {
    let path = Path::new(path)?;
    let must_be_folder = path.folder;
    let stat = match folder.resolve(path, false)? {
        None => rustix::fs::fstat(folder.fd()).map_err(code)?,
        Some((parent, name)) => {
            rustix::fs::statat(&*parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(code)?
        }
    };
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind.is_symlink() && (follow || must_be_folder) {
        return Err(ErrorCode::Loop);
    }
    if must_be_folder && !kind.is_dir() {
        return Err(ErrorCode::NotDirectory);
    }
    Ok(stat)
}

/// What an open handle is.
pub(super) fn stat(handle: &Handle) -> Result<Stat> {
    rustix::fs::fstat(handle.fd()).map_err(code)
}

/// As a guest is told.
pub(super) fn describe(stat: &Stat) -> DescriptorStat {
    #[expect(clippy::useless_conversion, reason = "the widths differ between systems")]
    let time = |seconds: i64, nanos| {
        let nanoseconds = u32::try_from(nanos).ok()?;
        Some(Datetime { seconds: u64::try_from(i64::from(seconds)).ok()?, nanoseconds })
    };
    #[expect(clippy::useless_conversion, reason = "the widths differ between systems")]
    let link_count = u64::from(stat.st_nlink);
    DescriptorStat {
        type_: kind(FileType::from_raw_mode(stat.st_mode)),
        link_count,
        size: size_of(stat),
        data_access_timestamp: time(stat.st_atime, stat.st_atime_nsec),
        data_modification_timestamp: time(stat.st_mtime, stat.st_mtime_nsec),
        status_change_timestamp: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

/// The kind of a file, as a guest is told.
pub(super) fn kind(kind: FileType) -> DescriptorType {
    match kind {
        FileType::Directory => DescriptorType::Directory,
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::Unknown => DescriptorType::Unknown,
    }
}

/// A number by which a guest can tell whether two files are one.
pub(super) fn metadata_hash(stat: &Stat) -> MetadataHashValue {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, id_of(stat)).hash(&mut hasher);
        hasher.finish()
    };
    MetadataHashValue { lower: half(0), upper: half(1) }
}

/// Makes a folder.
pub(super) fn create_folder(folder: &Folder, path: &str) -> Result<()> {
    let Some((parent, name)) = folder.resolve(Path::new(path)?, true)? else { return Err(ErrorCode::Exist) };
    if folder.view().single_files() {
        return Err(ErrorCode::NotPermitted);
    }
    let space = &folder.view().space;
    let mut books = space.books();
    if space.depth_of(&parent).map_err(|halt| halt.code())? >= MAX_DEPTH {
        return Err(ErrorCode::NameTooLong);
    }
    folder.view().admit(&mut books, ENTRY_BYTES)?;
    rustix::fs::mkdirat(&*parent, name, NEW_FOLDER).map_err(code)?;
    books.named();
    Ok(())
}

/// Removes a file, or a link itself.
pub(super) fn remove_file(folder: &Folder, path: &str) -> Result<()> {
    let path = Path::new(path)?;
    let must_be_folder = path.folder;
    let Some((parent, name)) = folder.resolve(path, true)? else { return Err(ErrorCode::IsDirectory) };
    let mut books = folder.view().space.books();
    let stat = rustix::fs::statat(&*parent, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(code)?;
    if FileType::from_raw_mode(stat.st_mode).is_dir() {
        return Err(ErrorCode::IsDirectory);
    }
    if must_be_folder {
        return Err(ErrorCode::NotDirectory);
    }
    rustix::fs::unlinkat(&*parent, &name, AtFlags::empty()).map_err(code)?;
    books.unnamed(id_of(&stat), content(&stat));
    Ok(())
}

/// Removes an empty folder.
pub(super) fn remove_folder(folder: &Folder, path: &str) -> Result<()> {
    let Some((parent, name)) = folder.resolve(Path::new(path)?, true)? else {
        return Err(ErrorCode::Invalid);
    };
    let mut books = folder.view().space.books();
    let stat = rustix::fs::statat(&*parent, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(code)?;
    rustix::fs::unlinkat(&*parent, &name, AtFlags::REMOVEDIR).map_err(code)?;
    books.unnamed(id_of(&stat), 0);
    Ok(())
}

/// Moves a file or a folder within one mount.
pub(super) fn rename(from: &Folder, old: &str, to: &Folder, new: &str) -> Result<()> {
    if !Arc::ptr_eq(from.view(), to.view()) {
        return Err(ErrorCode::CrossDevice);
    }
    let (old, new) = (Path::new(old)?, Path::new(new)?);
    let must_be_folder = old.folder || new.folder;
    let Some((old_parent, old_name)) = from.resolve(old, true)? else { return Err(ErrorCode::Busy) };
    let Some((new_parent, new_name)) = to.resolve(new, true)? else { return Err(ErrorCode::Busy) };
    let mut books = from.view().space.books();
    let moved = rustix::fs::statat(&*old_parent, &old_name, AtFlags::SYMLINK_NOFOLLOW).map_err(code)?;
    let moved_kind = FileType::from_raw_mode(moved.st_mode);
    if must_be_folder && !moved_kind.is_dir() {
        return Err(ErrorCode::NotDirectory);
    }
    if from.view().single_files() && !moved_kind.is_file() {
        return Err(ErrorCode::NoEntry);
    }
    let replaced = match rustix::fs::statat(&*new_parent, &new_name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Some(stat),
        Err(Errno::NOENT) => None,
        Err(errno) => return Err(code(errno)),
    };
    if moved_kind.is_dir() {
        let space = &from.view().space;
        may_move_folder(space, (&old_parent, &old_name), &new_parent).map_err(|halt| halt.code())?;
    }
    rustix::fs::renameat(&*old_parent, &old_name, &*new_parent, &new_name).map_err(code)?;
    // Moving something onto itself removes nothing.
    if let Some(replaced) = replaced.filter(|replaced| id_of(replaced) != id_of(&moved)) {
        books.unnamed(id_of(&replaced), content(&replaced));
    }
    Ok(())
}

/// A folder takes along what lies below it: none of that may come to lie deeper than folders can be made.
fn may_move_folder(
    space: &Space,
    (old_parent, name): (&OwnedFd, &str),
    new_parent: &OwnedFd,
) -> std::result::Result<(), Halt> {
    let depth = space.depth_of(new_parent)?;
    // What a person laid deeper may still be moved about.
    if depth <= space.depth_of(old_parent)? {
        return Ok(());
    }
    let room = MAX_DEPTH.checked_sub(depth + 1).ok_or_else(|| Halt::TooDeep(name.to_owned()))?;
    tree::at_most(old_parent, name, room)
}

/// Sets the times of what lies at `path`.
pub(super) fn set_times_at(
    folder: &Folder,
    path: &str,
    follow: bool,
    access: NewTimestamp,
    modification: NewTimestamp,
) -> Result<()> {
    let stat = stat_at(folder, path, follow)?;
    may_set_times(&stat)?;
    let times = times(access, modification)?;
    match folder.resolve(Path::new(path)?, true)? {
        None => {
            folder.view().writable()?;
            rustix::fs::futimens(folder.fd(), &times).map_err(code)
        }
        Some((parent, name)) => {
            rustix::fs::utimensat(&*parent, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(code)
        }
    }
}

/// Sets the times of an open file or folder.
pub(super) fn set_times(handle: &Handle, access: NewTimestamp, modification: NewTimestamp) -> Result<()> {
    handle.view().writable()?;
    if let Handle::File(file) = handle
        && !file.writable
    {
        return Err(ErrorCode::NotPermitted);
    }
    may_set_times(&stat(handle)?)?;
    rustix::fs::futimens(handle.fd(), &times(access, modification)?).map_err(code)
}

/// A file with a second name may lie outside the mount under that.
fn may_set_times(stat: &Stat) -> Result<()> {
    let linked = !FileType::from_raw_mode(stat.st_mode).is_dir() && stat.st_nlink > 1;
    if linked { Err(ErrorCode::NotPermitted) } else { Ok(()) }
}

fn times(access: NewTimestamp, modification: NewTimestamp) -> Result<Timestamps> {
    let time = |new| {
        Ok(match new {
            NewTimestamp::NoChange => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            NewTimestamp::Now => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
            NewTimestamp::Timestamp(at) => Timespec {
                tv_sec: i64::try_from(at.seconds).map_err(|_| ErrorCode::Overflow)?,
                tv_nsec: if at.nanoseconds < 1_000_000_000 {
                    at.nanoseconds.into()
                } else {
                    return Err(ErrorCode::Invalid);
                },
            },
        })
    };
    Ok(Timestamps { last_access: time(access)?, last_modification: time(modification)? })
}

fn content(stat: &Stat) -> u64 {
    if FileType::from_raw_mode(stat.st_mode).is_file() { size_of(stat) } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use openpact_model::clock::SystemClock;
    use openpact_model::role::Role;

    use super::*;
    use crate::deployment::{Access, Mount, Scope};
    use crate::filesystem::open::{Wish, open};
    use crate::filesystem::{Files, Mounts, Spaces};
    use crate::ledger::Ledger;

    fn root() -> (tempfile::TempDir, Folder) {
        let folder = tempfile::tempdir().unwrap();
        let mount = Mount {
            name: "workspace".into(),
            path: folder.path().into(),
            access: Access::ReadWrite,
            quota: 10 << 20,
            scope: Scope::Tree,
        };
        let mounts = Mounts::new(&[mount], Arc::new(Spaces::new()), Arc::new(SystemClock)).unwrap();
        let mut files = Files::new(Arc::new(mounts), Role::Owner, Arc::new(Ledger::for_tests()));
        let root = files.roots().unwrap().remove(0).0;
        (folder, root)
    }

    /// So many folders below each other.
    fn chain(length: usize) -> String {
        vec!["d"; length].join("/")
    }

    fn open_folder(at: &Folder, path: &str) -> Folder {
        let wish = Wish {
            create: false,
            exclusive: false,
            truncate: false,
            directory: true,
            read: true,
            write: false,
        };
        open(at, path, wish).unwrap().folder().unwrap().clone()
    }

    #[test]
    fn a_moved_tree_lies_no_deeper_than_one_that_was_made() {
        let (folder, root) = root();
        fs::create_dir_all(folder.path().join(chain(60))).unwrap();
        fs::create_dir_all(folder.path().join("x/d/d/d")).unwrap();
        fs::create_dir_all(folder.path().join("y/d/d/d/d")).unwrap();
        let bottom = chain(60);
        let too_deep = rename(&root, "y", &root, &format!("{bottom}/y"));
        assert_eq!(too_deep, Err(ErrorCode::NameTooLong));
        assert!(folder.path().join("y").exists());
        assert_eq!(rename(&root, "x", &root, &format!("{bottom}/x")), Ok(()));
        assert_eq!(rename(&root, &format!("{bottom}/x"), &root, "x"), Ok(()), "and up again");
    }

    #[test]
    fn a_folder_that_was_opened_before_it_moved_leads_no_deeper() {
        let (folder, root) = root();
        fs::create_dir_all(folder.path().join(chain(60))).unwrap();
        for name in ["x", "y"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let stale = open_folder(&root, "x");
        assert_eq!(rename(&root, "x", &root, &format!("{}/x", chain(60))), Ok(()));
        for depth in 1..=3 {
            assert_eq!(create_folder(&stale, &chain(depth)), Ok(()), "{depth}");
        }
        assert_eq!(create_folder(&stale, &chain(4)), Err(ErrorCode::NameTooLong));
        assert_eq!(rename(&root, "y", &stale, "d/d/d/y"), Err(ErrorCode::NameTooLong));
        assert_eq!(rename(&root, "y", &stale, "d/d/y"), Ok(()));
    }

    #[test]
    fn what_a_person_laid_deep_can_still_be_renamed() {
        let (folder, root) = root();
        fs::create_dir_all(folder.path().join(chain(100))).unwrap();
        assert_eq!(rename(&root, "d", &root, "e"), Ok(()));
        assert!(folder.path().join("e").exists());
    }
}
