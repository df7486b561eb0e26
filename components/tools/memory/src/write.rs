//! `memory_write`.

use jiff::Zoned;
use openpact_sdk::{Effects, Error, Output, Reads, Result, Tool, Writes};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::store::{LARGEST, Name, Store};
use crate::today;

/// What `memory_write` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The text, in Markdown.
    content: String,
    /// `MEMORY` (what to remember; unless given), `USER` (about the owner), `SOUL` (about the assistant), or a day: a
    /// date such as `2026-11-23`, `today` or `yesterday`.
    #[serde(default = "memory")]
    file: String,
    /// Whether the text is added at the end. Otherwise it takes the place of everything in the file: read it first.
    #[serde(default)]
    append: bool,
}

fn memory() -> String {
    "MEMORY".to_owned()
}

/// Writes a file of the memory.
pub struct Write;

impl Tool for Write {
    type Arguments = Arguments;
    const NAME: &'static str = "memory_write";
    const TITLE: Option<&'static str> = Some("Write the memory");
    const DESCRIPTION: &'static str = "Writes a file of the memory, MEMORY unless told otherwise: replaces it, or adds to it \
        with append. For what happened today use memory_daily.";
    // Whoever cannot see the memory has no business in changing it.
    const EFFECTS: Effects = Effects::new(Reads::Private, Writes::Local);

    fn call(arguments: Arguments) -> Result<Output> {
        write(&Store::mounted(), &today::now()?, &arguments)
    }
}

fn write(store: &Store, now: &Zoned, arguments: &Arguments) -> Result<Output> {
    let name = Name::parse(&arguments.file, now)?;
    let size = arguments.content.len();
    if size > LARGEST {
        return Err(Error::invalid_arguments(format!("The content has {size} bytes, more than {LARGEST}.")));
    }
    if arguments.content.contains('\0') {
        return Err(Error::invalid_arguments("The content has a NUL character: memory is text."));
    }
    if arguments.append && arguments.content.trim().is_empty() {
        return Err(Error::invalid_arguments("There is nothing to add: content is empty."));
    }
    let content = match arguments.content.as_str() {
        content if content.is_empty() || content.ends_with('\n') => content.to_owned(),
        content => format!("{content}\n"),
    };
    store.write(&name, &content, arguments.append)?;
    let done = if arguments.append { "Added to" } else { "Wrote" };
    Ok(format!("{done} {}: {} bytes.", name.as_str(), content.len()).into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn write(folder: &Path, file: &str, content: &str, append: bool) -> Result<Output> {
        let now = "2026-03-01T10:00:00+01:00[Europe/Vienna]".parse().expect("a time");
        let arguments = Arguments { content: content.to_owned(), file: file.to_owned(), append };
        super::write(&Store::at(folder), &now, &arguments)
    }

    fn folders() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        fs::create_dir(folder.path().join("context")).expect("made");
        fs::create_dir(folder.path().join("memory")).expect("made");
        folder
    }

    #[test]
    fn a_file_is_replaced_or_added_to_line_by_line() {
        let folder = folders();
        let read = |path: &str| fs::read_to_string(folder.path().join(path)).expect("read");
        write(folder.path(), "MEMORY", "one", false).expect("written");
        write(folder.path(), "MEMORY", "two\n", true).expect("added");
        assert_eq!(read("context/MEMORY.md"), "one\ntwo\n");
        fs::write(folder.path().join("context/USER.md"), "no line end").expect("written");
        write(folder.path(), "USER", "x", true).expect("added");
        assert_eq!(read("context/USER.md"), "no line end\nx\n");
        write(folder.path(), "2026-02-28", "y", true).expect("written");
        assert_eq!(read("memory/2026-02-28.md"), "y\n");
        write(folder.path(), "MEMORY", "", false).expect("emptied");
        assert_eq!(read("context/MEMORY.md"), "");
        assert_eq!(
            fs::read_dir(folder.path().join("context")).expect("listed").count(),
            2,
            "a temporary file stayed"
        );
    }

    #[test]
    fn the_temporary_file_has_the_name_that_the_host_lets_through() {
        let folder = folders();
        fs::write(folder.path().join("context/MEMORY.md.tmp"), "of another call").expect("written");
        let error = write(folder.path(), "MEMORY", "x", true).expect_err("busy");
        assert!(matches!(&error, Error::Unavailable(why) if why.contains("Try again")), "{error}");
        assert!(!folder.path().join("context/MEMORY.md").exists());
    }

    #[test]
    fn sizes_are_bounded_from_both_sides_and_nothing_is_lost() {
        let folder = folders();
        let largest = "x".repeat(LARGEST - 1);
        write(folder.path(), "MEMORY", &largest, false).expect("fits");
        let error = write(folder.path(), "MEMORY", "y", true).expect_err("too large");
        assert!(error.text().contains("rewrite it shorter"), "{error}");
        assert_eq!(
            fs::metadata(folder.path().join("context/MEMORY.md")).expect("there").len(),
            LARGEST as u64
        );
        assert!(!folder.path().join("context/MEMORY.md.tmp").exists());
        assert!(write(folder.path(), "USER", &"x".repeat(LARGEST + 1), false).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let folder = folders();
        for (file, content, append, expected) in [
            ("MEMORY", " \n", true, "nothing to add"),
            ("MEMORY", "a\0b", false, "NUL"),
            ("../x", "a", false, "name MEMORY"),
        ] {
            let error = write(folder.path(), file, content, append).expect_err(expected);
            assert!(error.text().contains(expected), "{error}");
        }
    }
}
