//! The files of the memory, and where they are.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Zoned;
use openpact_sdk::file::{self, Replacement};
use openpact_sdk::{Error, Result};

use crate::today;

/// Bytes of one file that is written here: what is larger helps no prompt.
pub(crate) const LARGEST: usize = 256 * 1024;

/// The two folders.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    /// `SOUL.md`, `USER.md`, `MEMORY.md`.
    context: PathBuf,
    /// A file for each day.
    memory: PathBuf,
}

/// One of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    folder: Folder,
    /// With its ending, such as `MEMORY.md`.
    file: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folder {
    Context,
    Memory,
}

impl Name {
    /// Reads a name: `MEMORY`, `USER`, `SOUL`, a date, `today` or `yesterday`; with or without `.md`.
    pub(crate) fn parse(text: &str, now: &Zoned) -> Result<Self> {
        let bare = text.strip_suffix(".md").unwrap_or(text);
        let day = |date: jiff::civil::Date| Self { folder: Folder::Memory, file: format!("{date}.md") };
        match bare {
            "MEMORY" | "USER" | "SOUL" => Ok(Self { folder: Folder::Context, file: format!("{bare}.md") }),
            "today" => Ok(day(now.date())),
            "yesterday" => now.date().yesterday().map(day).map_err(|error| Error::failed(error.to_string())),
            bare => today::date(bare).map(day).ok_or_else(|| {
                Error::invalid_arguments(format!(
                    "There is no memory file {text:?}: name MEMORY, USER, SOUL, a date such as 2026-11-23, today or yesterday."
                ))
            }),
        }
    }

    /// The file's name.
    pub(crate) fn as_str(&self) -> &str {
        &self.file
    }
}

impl Store {
    /// The mounts that the host gives.
    pub(crate) fn mounted() -> Self {
        Self::at(Path::new("/"))
    }

    /// Both folders inside another one.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { context: folder.join("context"), memory: folder.join("memory") }
    }

    /// What is in a file; `None` where it is not there, for whomever asks.
    pub(crate) fn read(&self, name: &Name) -> Result<Option<Vec<u8>>> {
        match fs::read(self.place(name)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.granted(name)?;
                Ok(None)
            }
            Err(error) => Err(failure(name, &error)),
        }
    }

    /// Puts `content` in the place of a file, or behind what is in it.
    pub(crate) fn write(&self, name: &Name, content: &str, behind: bool) -> Result<()> {
        self.granted(name)?;
        let place = self.place(name);
        let temporary = place.with_extension("md.tmp");
        // Read only after the replacement has begun, so that no other call writes in between.
        let replacement = Replacement::begin(&place, &temporary).map_err(|error| failure(name, &error))?;
        let mut whole = if behind { self.read(name)?.unwrap_or_default() } else { Vec::new() };
        if !whole.is_empty() && !whole.ends_with(b"\n") {
            whole.push(b'\n');
        }
        whole.extend_from_slice(content.as_bytes());
        fits(name, whole.len())?;
        replacement.commit(&whole).map_err(|error| failure(name, &error))
    }

    /// Adds a line to the file of a day. Two calls at once both keep theirs.
    pub(crate) fn add_line(&self, name: &Name, line: &str) -> Result<()> {
        self.granted(name)?;
        let place = self.place(name);
        let old = match fs::metadata(&place) {
            Ok(metadata) => usize::try_from(metadata.len()).unwrap_or(usize::MAX),
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(failure(name, &error)),
        };
        fits(name, old.saturating_add(line.len()))?;
        file::append(&place, line.as_bytes()).map_err(|error| failure(name, &error))
    }

    fn place(&self, name: &Name) -> PathBuf {
        self.folder(name).join(&name.file)
    }

    fn folder(&self, name: &Name) -> &Path {
        match name.folder {
            Folder::Context => &self.context,
            Folder::Memory => &self.memory,
        }
    }

    /// An error that says what to grant when the mount is not there.
    fn granted(&self, name: &Name) -> Result<()> {
        if fs::metadata(self.folder(name)).is_ok_and(|metadata| metadata.is_dir()) {
            return Ok(());
        }
        let mount = match name.folder {
            Folder::Context => "context",
            Folder::Memory => "memory",
        };
        Err(Error::unavailable(format!(
            "An admin must grant the mount {mount:?} to the component \"memory\"."
        )))
    }
}

fn fits(name: &Name, size: usize) -> Result<()> {
    if size > LARGEST {
        return Err(Error::failed(format!(
            "{} would have {size} bytes, more than {LARGEST}: rewrite it shorter first.",
            name.file
        )));
    }
    Ok(())
}

/// What went wrong with a file, in words that do not tell where the host keeps it.
pub(crate) fn failure(name: &Name, error: &std::io::Error) -> Error {
    let file = &name.file;
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Error::denied(format!("Access to {file} is not granted here."))
        }
        ErrorKind::ResourceBusy => Error::unavailable(format!("Another call writes {file} now. Try again.")),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Error::failed(
            format!("The memory is full: {file} was not written. An admin can raise its quota."),
        ),
        _ => Error::failed(format!("{file}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-03-01T10:00:00+01:00[Europe/Vienna]".parse().expect("a time")
    }

    #[test]
    fn names_are_the_three_files_and_days() {
        for (text, expected) in [
            ("MEMORY", "MEMORY.md"),
            ("USER.md", "USER.md"),
            ("SOUL", "SOUL.md"),
            ("2026-11-23", "2026-11-23.md"),
            ("2026-11-23.md", "2026-11-23.md"),
            ("today", "2026-03-01.md"),
            ("yesterday", "2026-02-28.md"),
        ] {
            assert_eq!(Name::parse(text, &now()).expect(text).as_str(), expected);
        }
        for text in [
            "",
            "memory",
            "OTHER",
            "../MEMORY",
            "MEMORY.md.md",
            "MEMORY.md.tmp",
            "MEMORY/",
            "a/2026-11-23",
            "2026-02-30",
            "MEMORY\0",
            "/context/MEMORY",
        ] {
            let error = Name::parse(text, &now()).expect_err(text);
            assert!(error.text().contains("name MEMORY, USER, SOUL"), "{text}: {error}");
        }
    }
}
