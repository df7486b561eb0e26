//! The data directory: its layout, its permissions, and the lock that makes one process its owner.
//!
//! ```text
//! <data>/            0750
//!   secure/          0700   openpact.db (WAL), lock, keys/, components/, cache/
//!   ai-data/         0750   memory/ scripts/ people/ workspace/, and files that the assistant reads
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::error::Error;

/// Folders below `secure/`: for the program alone.
const SECURE: [&str; 3] = ["keys", "cache", "components"];
/// Folders below `ai-data/`: for the assistant and its tools.
const AI_DATA: [&str; 4] = ["memory", "scripts", "people", "workspace"];

/// A data directory that this process owns, until the last clone of this and every store opened on it are dropped.
#[derive(Debug, Clone)]
pub struct DataDirectory(Arc<Owned>);

#[derive(Debug)]
struct Owned {
    root: PathBuf,
    /// Holds the lock as long as it is open. The file stays: removing it would let two processes lock two files.
    _lock: File,
}

impl DataDirectory {
    /// Makes what is missing of the layout and takes the directory over. `secure/` is made private again if somebody
    /// opened it to others.
    ///
    /// # Errors
    /// [`Error::Held`] if another process owns it, [`Error::NotADirectory`] and [`Error::Unusable`] if it cannot be
    /// used, each with what to do.
    pub fn acquire(path: &Path) -> Result<Self, Error> {
        make_root(path)?;
        // Absolute, so that a later change of the working directory moves nothing.
        let root = fs::canonicalize(path).map_err(|source| Error::file(path, source))?;
        let secure = root.join("secure");
        make(&secure, 0o700)?;
        make_private(&secure)?;
        let lock = take_lock(&root, &secure.join("lock"))?;
        for name in SECURE {
            make(&secure.join(name), 0o700)?;
        }
        let ai_data = root.join("ai-data");
        make(&ai_data, 0o750)?;
        for name in AI_DATA {
            make(&ai_data.join(name), 0o750)?;
        }
        Ok(Self(Arc::new(Owned { root, _lock: lock })))
    }

    /// The directory itself, as an absolute path.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// What only the program may see: database, keys, components, cache.
    pub fn secure(&self) -> PathBuf {
        self.0.root.join("secure")
    }

    /// What the assistant and its tools work on.
    pub fn ai_data(&self) -> PathBuf {
        self.0.root.join("ai-data")
    }
}

fn make_root(path: &Path) -> Result<(), Error> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Error::NotADirectory { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o750).create(path).map_err(|source| Error::file(path, source))
        }
        Err(source) => Err(Error::file(path, source)),
    }
}

/// Makes one folder unless it is there. A symbolic link in its place is refused: what is below `ai-data/` is written
/// by guests, and a link would lead the program out of its directory.
fn make(path: &Path, mode: u32) -> Result<(), Error> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(Error::file(path, source)),
    }
    let found = fs::symlink_metadata(path).map_err(|source| Error::file(path, source))?;
    if found.is_dir() { Ok(()) } else { Err(Error::NotADirectory { path: path.to_owned() }) }
}

/// Takes the rights of group and others away from something that nobody else may read.
pub(crate) fn make_private(path: &Path) -> Result<(), Error> {
    let wrap = |source| Error::file(path, source);
    let found = fs::metadata(path).map_err(wrap)?;
    let mode = found.permissions().mode() & 0o777;
    let others = mode & 0o077;
    if others == 0 {
        return Ok(());
    }
    tracing::warn!(path = %path.display(), mode = %format_args!("{mode:o}"), "was open to other users; closed it");
    fs::set_permissions(path, Permissions::from_mode(mode ^ others)).map_err(wrap)
}

/// Writes our process id into the lock file and locks it, or says who did. The lock goes with the open file, so it
/// ends with the process however that ends, and what the file says counts only while it is locked.
fn take_lock(root: &Path, path: &Path) -> Result<File, Error> {
    let wrap = |source| Error::file(path, source);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(wrap)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(Error::Held { path: root.to_owned(), pid });
        }
        Err(error) => return Err(wrap(error.into())),
    }
    file.set_len(0).map_err(wrap)?;
    writeln!(file, "{}", std::process::id()).map_err(wrap)?;
    Ok(file)
}
