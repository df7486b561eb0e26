//! The packages on disk: `NAME/VERSION/component.wasm` with its signature. A folder gets its name when it is whole and
//! on disk; what has no name yet starts with a dot.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openpact_model::id::ComponentName;
use openpact_model::random::Random;
use openpact_packages::MAX_PACKAGE_BYTES;

use crate::error::Error;

const PACKAGE: &str = "component.wasm";
const SIGNATURE: &str = "component.wasm.minisig";
/// The longest signature file in bytes.
const MAX_SIGNATURE: u64 = 64 * 1024;

/// The folder of all packages.
#[derive(Clone)]
pub(crate) struct Files {
    folder: PathBuf,
    random: Arc<dyn Random>,
}

impl Files {
    pub(crate) fn new(folder: PathBuf, random: Arc<dyn Random>) -> Self {
        Self { folder, random }
    }

    /// Keeps a package. What lay there under that name and version was never written down, and goes.
    pub(crate) fn keep(
        &self,
        name: &ComponentName,
        version: &str,
        package: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        let unfinished = self.folder.join(format!(".unfinished-{}", hex::encode(bytes)));
        make(&unfinished)?;
        write(&unfinished.join(PACKAGE), package)?;
        write(&unfinished.join(SIGNATURE), signature)?;
        sync(&unfinished)?;
        let own = self.folder.join(name.as_str());
        make(&own)?;
        let target = self.place(name, version);
        remove(&target)?;
        fs::rename(&unfinished, &target).map_err(wrap(&target))?;
        sync(&own)?;
        sync(&self.folder)
    }

    /// The bytes of a package and of its signature.
    pub(crate) fn read(&self, name: &ComponentName, version: &str) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let place = self.place(name, version);
        let package = read(&place.join(PACKAGE), MAX_PACKAGE_BYTES as u64)?;
        Ok((package, read(&place.join(SIGNATURE), MAX_SIGNATURE)?))
    }

    /// Takes a package away. One that is not there is no error.
    pub(crate) fn drop(&self, name: &ComponentName, version: &str) -> Result<(), Error> {
        remove(&self.place(name, version))?;
        // The folder of a component that has no more versions.
        match fs::remove_dir(self.folder.join(name.as_str())) {
            Err(error)
                if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) =>
            {
                Err(wrap(&self.folder)(error))
            }
            _ => Ok(()),
        }
    }

    /// Takes away everything but these versions.
    pub(crate) fn keep_only(&self, kept: &BTreeSet<(String, String)>) -> Result<(), Error> {
        for component in entries(&self.folder)? {
            let name = text(&component);
            if kept.iter().all(|(one, _)| *one != name) {
                remove(&component)?;
                continue;
            }
            for version in entries(&component)? {
                if !kept.contains(&(name.clone(), text(&version))) {
                    remove(&version)?;
                }
            }
        }
        Ok(())
    }

    /// A version holds no separator: it is one in the sense of Semantic Versioning.
    fn place(&self, name: &ComponentName, version: &str) -> PathBuf {
        self.folder.join(name.as_str()).join(version)
    }
}

fn wrap(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}

fn text(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn make(path: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(wrap(path)(error)),
        _ => Ok(()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(wrap(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(wrap(path))
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(wrap(path))?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(wrap(path))?;
    Ok(bytes)
}

fn sync(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(wrap(path))
}

fn remove(path: &Path) -> Result<(), Error> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(wrap(path)(error)),
        _ => Ok(()),
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let all = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrap(folder)(error)),
        Ok(all) => all,
    };
    all.map(|entry| entry.map(|entry| entry.path()).map_err(wrap(folder))).collect()
}
