//! Files of a granted mount: whole or not at all, and never two writers at once.
//!
//! Mounts are folders at the root, such as `/workspace`; `std::fs` works there as everywhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock;

/// A temporary file that is older than this has no writer any more: the host ends a call long before.
const ABANDONED: Duration = Duration::from_mins(2);

/// A file that is being replaced. Until [`commit`](Self::commit) readers see the old content; afterwards the new one;
/// nothing in between, whenever the host stops. While it lives, no other call replaces the same file, so that what is
/// read after [`begin`](Self::begin) is what will be replaced.
#[derive(Debug)]
pub struct Replacement {
    target: PathBuf,
    temporary: PathBuf,
    file: Option<File>,
}

impl Replacement {
    /// Begins to replace `target` (which need not be there) by way of `temporary`, a name in the same folder that
    /// belongs to this target alone.
    ///
    /// # Errors
    /// [`ErrorKind::ResourceBusy`] while another call replaces the file; otherwise whatever the host says.
    pub fn begin(target: &Path, temporary: &Path) -> io::Result<Self> {
        let file = match create(temporary) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if !abandoned(temporary)? {
                    return Err(io::Error::new(ErrorKind::ResourceBusy, "another call writes this file now"));
                }
                fs::remove_file(temporary)?;
                create(temporary)?
            }
            other => other?,
        };
        Ok(Self { target: target.to_owned(), temporary: temporary.to_owned(), file: Some(file) })
    }

    /// Puts `content` in the place of the old file. It is on disk when this returns.
    ///
    /// # Errors
    /// Whatever the host says; the old file is then untouched.
    pub fn commit(mut self, content: &[u8]) -> io::Result<()> {
        if let Some(mut file) = self.file.take() {
            file.write_all(content)?;
            file.sync_all()?;
        }
        fs::rename(&self.temporary, &self.target)?;
        self.temporary = PathBuf::new();
        settle(&self.target);
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        self.file = None;
        if !self.temporary.as_os_str().is_empty() {
            // What stays behind is taken away by the next writer.
            drop(fs::remove_file(&self.temporary));
        }
    }
}

/// Bytes that [`append`] adds whole or not at all: what the host writes at once.
pub const AT_ONCE: usize = 64 * 1024;

/// Adds `content` at the end of `path`, which is made if it is not there. Two calls that append at once both keep their
/// text. More than [`AT_ONCE`] bytes may end up there in part when the host refuses the rest; use a [`Replacement`] for
/// those. It is on disk when this returns.
///
/// # Errors
/// Whatever the host says.
pub fn append(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes an empty file, and fails where there is something already.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`], or whatever the host says.
pub fn reserve(path: &Path) -> io::Result<()> {
    create(path).map(drop)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn abandoned(temporary: &Path) -> io::Result<bool> {
    let written = match fs::symlink_metadata(temporary) {
        Ok(metadata) => metadata.modified()?,
        // Its writer has just finished: the caller tries again.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let written = written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(clock::now().saturating_sub(written) > ABANDONED)
}

/// Makes the rename durable where the host lets a folder be opened for it. Where it does not, a crash of the machine
/// may bring the old file back, whole.
fn settle(target: &Path) {
    if let Some(folder) = target.parent()
        && let Ok(folder) = File::open(folder)
    {
        drop(folder.sync_all());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;

    use super::*;

    #[test]
    fn a_reader_sees_the_old_file_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().expect("folder");
        let (target, temporary) = (folder.path().join("a"), folder.path().join("a.tmp"));
        fs::write(&target, "old").expect("written");
        let replacement = Replacement::begin(&target, &temporary).expect("begun");
        assert_eq!(fs::read(&target).expect("read"), b"old");
        replacement.commit(b"new").expect("committed");
        assert_eq!(fs::read(&target).expect("read"), b"new");
        assert!(!temporary.exists());
    }

    #[test]
    fn a_second_writer_is_told_to_wait_and_a_dropped_one_leaves_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let (target, temporary) = (folder.path().join("a"), folder.path().join("a.tmp"));
        let first = Replacement::begin(&target, &temporary).expect("begun");
        let second = Replacement::begin(&target, &temporary).map(drop);
        assert_eq!(second.expect_err("two writers").kind(), ErrorKind::ResourceBusy);
        drop(first);
        assert!(!temporary.exists() && !target.exists());
        Replacement::begin(&target, &temporary).expect("free again").commit(b"x").expect("committed");
    }

    #[test]
    fn what_a_killed_writer_left_is_taken_over_only_when_it_is_old() {
        let folder = tempfile::tempdir().expect("folder");
        let (target, temporary) = (folder.path().join("a"), folder.path().join("a.tmp"));
        for (age, taken) in [(30, false), (3600, true)] {
            let left = File::create(&temporary).expect("created");
            let then = std::time::UNIX_EPOCH + clock::now() - Duration::from_secs(age);
            left.set_times(FileTimes::new().set_modified(then)).expect("aged");
            assert_eq!(Replacement::begin(&target, &temporary).is_ok(), taken, "{age} s");
        }
    }

    #[test]
    fn appending_keeps_what_is_there() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a");
        append(&path, b"1\n").expect("appended");
        append(&path, b"2\n").expect("appended");
        assert_eq!(fs::read(&path).expect("read"), b"1\n2\n");
    }

    #[test]
    fn a_place_is_reserved_once() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a");
        reserve(&path).expect("free");
        assert_eq!(reserve(&path).expect_err("taken").kind(), ErrorKind::AlreadyExists);
    }
}
