//! The folder that holds the workspace.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use openpact_sdk::{Error, Result};

use crate::path::Relative;

/// The workspace's folder.
#[derive(Debug, Clone)]
pub(crate) struct Root(PathBuf);

impl Root {
    /// The mount that the host gives.
    pub(crate) fn mounted() -> Result<Self> {
        let folder = PathBuf::from("/workspace");
        match fs::metadata(&folder) {
            Ok(metadata) if metadata.is_dir() => Ok(Self(folder)),
            _ => Err(Error::unavailable(
                "There is no workspace: an admin must grant the mount \"workspace\" to this component.",
            )),
        }
    }

    /// Another folder, for tests.
    #[cfg(test)]
    pub(crate) fn at(folder: &std::path::Path) -> Self {
        Self(folder.to_owned())
    }

    /// Where `path` is, whatever is there.
    pub(crate) fn place(&self, path: &Relative) -> PathBuf {
        // Joining an empty path would add a slash at the end.
        if path.as_str().is_empty() { self.0.clone() } else { self.0.join(path.as_str()) }
    }

    /// Where `path` is and what is there; `None` where there is nothing. Links are refused, and so are files that are
    /// used as folders.
    pub(crate) fn find(&self, path: &Relative) -> Result<(PathBuf, Option<Metadata>)> {
        let mut last = fs::symlink_metadata(&self.0).map(Some).map_err(|error| failure(path, &error))?;
        for step in path.steps() {
            if last.as_ref().is_some_and(|metadata| !metadata.is_dir()) {
                let file = step.parent();
                return Err(Error::invalid_arguments(format!(
                    "{:?} is a file and not a folder.",
                    file.as_str()
                )));
            }
            last = match fs::symlink_metadata(self.place(&step)) {
                Ok(metadata) if metadata.is_symlink() => {
                    return Err(Error::denied(format!(
                        "{:?} is a link; links are not followed.",
                        step.as_str()
                    )));
                }
                Ok(metadata) => Some(metadata),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok((self.place(path), None)),
                Err(error) => return Err(failure(&step, &error)),
            };
        }
        Ok((self.place(path), last))
    }

    /// Like [`find`](Self::find), and something must be there.
    pub(crate) fn existing(&self, path: &Relative) -> Result<(PathBuf, Metadata)> {
        match self.find(path)? {
            (place, Some(metadata)) => Ok((place, metadata)),
            (_, None) => Err(Error::not_found(format!(
                "There is nothing at {:?}. workspace_list shows what there is.",
                path.as_str()
            ))),
        }
    }

    /// Like [`existing`](Self::existing), and it must be a file.
    pub(crate) fn file(&self, path: &Relative) -> Result<(PathBuf, Metadata)> {
        let (place, metadata) = self.existing(path)?;
        if metadata.is_dir() {
            return Err(Error::invalid_arguments(format!(
                "{:?} is a folder; workspace_list shows what is in it.",
                path.as_str()
            )));
        }
        if !metadata.is_file() {
            return Err(Error::denied(format!("{:?} is neither a file nor a folder.", path.as_str())));
        }
        Ok((place, metadata))
    }

    /// Makes the folders that lead to `path`.
    pub(crate) fn make_parents(&self, path: &Relative) -> Result<()> {
        let parent = path.parent();
        let (place, found) = self.find(&parent)?;
        match found {
            Some(metadata) if metadata.is_dir() => Ok(()),
            Some(_) => {
                Err(Error::invalid_arguments(format!("{:?} is a file and not a folder.", parent.as_str())))
            }
            None => fs::create_dir_all(place).map_err(|error| failure(&parent, &error)),
        }
    }
}

/// What went wrong at `path`, in words that do not tell where the host keeps it.
pub(crate) fn failure(path: &Relative, error: &io::Error) -> Error {
    let path = path.as_str();
    match error.kind() {
        ErrorKind::NotFound => Error::not_found(format!("There is nothing at {path:?}.")),
        ErrorKind::PermissionDenied => Error::denied(format!("Access to {path:?} is not granted.")),
        ErrorKind::ReadOnlyFilesystem => {
            Error::denied("The workspace is granted for reading only.".to_owned())
        }
        ErrorKind::ResourceBusy => {
            Error::unavailable(format!("Another call writes {path:?} now. Try again."))
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Error::failed(format!(
                "The workspace is full: {path:?} was not written. An admin can raise its quota or empty its trash."
            ))
        }
        ErrorKind::InvalidFilename => {
            Error::invalid_arguments(format!("{path:?} cannot be the name of a file here."))
        }
        _ => Error::failed(format!("{path:?}: {error}")),
    }
}
