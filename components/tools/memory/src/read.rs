//! `memory_read`.

use jiff::Zoned;
use openpact_sdk::part::{MARGIN, Part};
use openpact_sdk::{Effects, Error, Output, Reads, Result, Tool, Writes};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::store::{Name, Store};
use crate::today;

/// Bytes that one answer holds.
const LIMIT: usize = 64 * 1024;

/// What `memory_read` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// `MEMORY` (what to remember), `USER` (about the owner), `SOUL` (about the assistant), or a day: a date such as
    /// `2026-11-23`, `today` or `yesterday`.
    file: String,
    /// The byte to start at; 0 unless given. A longer file says where to continue.
    #[serde(default)]
    offset: u64,
}

/// Reads a file of the memory.
pub struct Read;

impl Tool for Read {
    type Arguments = Arguments;
    const NAME: &'static str = "memory_read";
    const TITLE: Option<&'static str> = Some("Read the memory");
    const DESCRIPTION: &'static str = "Reads a file of the memory: MEMORY, USER, SOUL or the notes of a day.";
    const EFFECTS: Effects = Effects::new(Reads::Private, Writes::Nothing);

    fn call(arguments: Arguments) -> Result<Output> {
        read(&Store::mounted(), &today::now()?, &arguments)
    }
}

fn read(store: &Store, now: &Zoned, arguments: &Arguments) -> Result<Output> {
    let name = Name::parse(&arguments.file, now)?;
    let file = name.as_str();
    let Some(content) = store.read(&name)? else {
        return Err(Error::not_found(format!("There is no {file} yet.")));
    };
    if content.is_empty() {
        return Ok(Output::text("[The file is empty.]"));
    }
    let size = content.len() as u64;
    let rest = usize::try_from(arguments.offset).ok().and_then(|offset| content.get(offset..));
    let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
        return Err(Error::invalid_arguments(format!("{file} has {size} bytes: offset must be less.")));
    };
    let seen = &rest[..rest.len().min(LIMIT + MARGIN)];
    let part = Part::of(seen, arguments.offset, LIMIT, size);
    part.map(|part| part.output()).ok_or_else(|| Error::failed(format!("{file} is not UTF-8 text.")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use openpact_sdk::Content;

    use super::*;

    fn read(folder: &std::path::Path, file: &str, offset: u64) -> Result<Output> {
        let now = "2026-03-01T10:00:00+01:00[Europe/Vienna]".parse().expect("a time");
        super::read(&Store::at(folder), &now, &Arguments { file: file.to_owned(), offset })
    }

    #[test]
    fn files_are_read_from_their_folders() {
        let folder = tempfile::tempdir().expect("folder");
        for (path, content) in [
            ("context/USER.md", "likes tea"),
            ("memory/2026-02-28.md", "- 10:00 x\n"),
            ("context/SOUL.md", ""),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, content).expect("written");
        }
        assert_eq!(read(folder.path(), "USER", 0), Ok("likes tea".into()));
        assert_eq!(read(folder.path(), "yesterday", 0), Ok("- 10:00 x\n".into()));
        assert_eq!(read(folder.path(), "SOUL.md", 0), Ok("[The file is empty.]".into()));
        assert!(matches!(read(folder.path(), "MEMORY", 0), Err(Error::NotFound(_))));
        assert!(matches!(read(folder.path(), "today", 0), Err(Error::NotFound(_))));
        assert!(matches!(read(folder.path(), "USER", 9), Err(Error::InvalidArguments(_))));
    }

    #[test]
    fn a_long_file_comes_in_parts() {
        let folder = tempfile::tempdir().expect("folder");
        fs::create_dir_all(folder.path().join("context")).expect("made");
        fs::write(folder.path().join("context/MEMORY.md"), "x".repeat(LIMIT + 1)).expect("written");
        let first = read(folder.path(), "MEMORY", 0).expect("read");
        assert_eq!(
            first.content()[1],
            Content::Text("[Bytes 0 to 65536 of 65537. Continue at offset 65536.]".to_owned())
        );
        let second = read(folder.path(), "MEMORY", 65536).expect("read");
        assert_eq!(second.content()[0], Content::Text("x".to_owned()));
    }

    #[test]
    fn a_mount_that_is_not_granted_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        for (file, mount) in [("MEMORY", "context"), ("today", "memory")] {
            let error = read(folder.path(), file, 0).expect_err(file);
            assert!(matches!(&error, Error::Unavailable(why) if why.contains(mount)), "{error}");
        }
    }
}
