//! `workspace_write`.

use openpact_sdk::file::{self, Replacement};
use openpact_sdk::{Effects, Error, Output, Reads, Result, Tool, Writes};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::path::Relative;
use crate::root::{Root, failure};

/// Bytes of a file that appending makes at most.
const LARGEST: u64 = 16 * 1024 * 1024;
/// Bytes that one call writes at most.
const CONTENT: usize = 1024 * 1024;

/// How a file is written.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// The content takes the place of the old one; the file is made if it is not there.
    #[default]
    Overwrite,
    /// The content is added at the end; the file is made if it is not there.
    Append,
    /// The file is made; it must not be there.
    Create,
}

/// What `workspace_write` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The file, relative to the workspace. Folders that are not there are made.
    path: String,
    /// The text, at most 1 MiB.
    content: String,
    /// How to write it; `overwrite` unless given.
    #[serde(default)]
    mode: Mode,
}

/// Writes a text file.
pub struct Write;

impl Tool for Write {
    type Arguments = Arguments;
    const NAME: &'static str = "workspace_write";
    const TITLE: Option<&'static str> = Some("Write a file");
    const DESCRIPTION: &'static str = "Writes a text file of the workspace: as a whole, at its end, or only if it is new. \
        To change a part of a file use workspace_edit.";
    const EFFECTS: Effects = Effects::new(Reads::Nothing, Writes::Local);

    fn call(arguments: Arguments) -> Result<Output> {
        write(&Root::mounted()?, &arguments)
    }
}

fn write(root: &Root, arguments: &Arguments) -> Result<Output> {
    let path = Relative::parse(&arguments.path)?;
    path.outside_trash()?;
    let content = arguments.content.as_bytes();
    if content.len() > CONTENT {
        return Err(Error::invalid_arguments(format!(
            "The content is longer than {CONTENT} bytes: write it in parts."
        )));
    }
    root.make_parents(&path)?;
    let (place, found) = root.find(&path)?;
    if let (Some(_), Mode::Create) = (&found, arguments.mode) {
        return Err(taken(&path));
    }
    let old = if found.is_some() { root.file(&path)?.1.len() } else { 0 };
    let failed = |error: std::io::Error| failure(&path, &error);
    let size = content.len();
    match arguments.mode {
        Mode::Append => {
            let whole = old + size as u64;
            if whole > LARGEST {
                return Err(Error::failed(format!(
                    "{:?} would be larger than {LARGEST} bytes.",
                    path.as_str()
                )));
            }
            append(root, &path, content).map_err(failed)?;
            return Ok(format!("Added {size} bytes to {:?}, which now has {whole}.", path.as_str()).into());
        }
        Mode::Overwrite => {
            let replacement = Replacement::begin(&place, &root.place(&path.temporary())).map_err(failed)?;
            replacement.commit(content).map_err(failed)?;
        }
        Mode::Create => create(root, &path, content)?,
    }
    Ok(format!("Wrote {size} bytes to {:?}.", path.as_str()).into())
}

/// A short text is added at once, so that two calls at a time both keep theirs. A long one might end up there in part, so
/// the file is replaced.
fn append(root: &Root, path: &Relative, content: &[u8]) -> std::io::Result<()> {
    let place = root.place(path);
    if content.len() <= file::AT_ONCE {
        return file::append(&place, content);
    }
    let replacement = Replacement::begin(&place, &root.place(&path.temporary()))?;
    let mut whole = match std::fs::read(&place) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    whole.extend_from_slice(content);
    replacement.commit(&whole)
}

/// The name is taken first, so that of two calls one fails; then the empty file gets its content at once.
fn create(root: &Root, path: &Relative, content: &[u8]) -> Result<()> {
    let place = root.place(path);
    file::reserve(&place).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => taken(path),
        _ => failure(path, &error),
    })?;
    let written =
        Replacement::begin(&place, &root.place(&path.temporary())).and_then(|file| file.commit(content));
    written.map_err(|error| {
        // Best effort: an empty file of the new name may stay.
        drop(std::fs::remove_file(&place));
        failure(path, &error)
    })
}

fn taken(path: &Relative) -> Error {
    Error::failed(format!(
        "{:?} is there already: choose another name, or mode \"overwrite\".",
        path.as_str()
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tests_support::Workspace;

    fn arguments(path: &str, content: &str, mode: Mode) -> Arguments {
        Arguments { path: path.to_owned(), content: content.to_owned(), mode }
    }

    #[test]
    fn the_three_modes_do_what_they_say() {
        let workspace = Workspace::new();
        let write = |content, mode| write(&workspace.root, &arguments("a/b.md", content, mode));
        write("one\n", Mode::Create).expect("new");
        assert!(write("two\n", Mode::Create).expect_err("there").text().contains("there already"));
        write("two\n", Mode::Append).expect("added");
        assert_eq!(fs::read_to_string(workspace.path("a/b.md")).expect("read"), "one\ntwo\n");
        write("three\n", Mode::Overwrite).expect("replaced");
        assert_eq!(fs::read_to_string(workspace.path("a/b.md")).expect("read"), "three\n");
        assert_eq!(fs::read_dir(workspace.path("a")).expect("listed").count(), 1, "a temporary file stayed");
    }

    #[test]
    fn a_long_text_is_added_whole_behind_a_short_one() {
        let workspace = Workspace::new();
        let short = "x".repeat(file::AT_ONCE);
        let long = "y".repeat(file::AT_ONCE + 1);
        for content in [&long, &short, &long] {
            write(&workspace.root, &arguments("f", content, Mode::Append)).expect("added");
        }
        let there = fs::read_to_string(workspace.path("f")).expect("read");
        assert!(there == [long.as_str(), &short, &long].concat(), "{} bytes", there.len());
        fs::write(workspace.path(".f.openpact-tmp"), "of another call").expect("written");
        assert!(matches!(
            write(&workspace.root, &arguments("f", &long, Mode::Append)),
            Err(Error::Unavailable(_))
        ));
    }

    #[test]
    fn what_is_not_a_place_for_a_file_is_refused() {
        let workspace = Workspace::new();
        fs::create_dir(workspace.path("d")).expect("made");
        fs::write(workspace.path("f"), "x").expect("written");
        for (path, expected) in [
            ("d", "is a folder"),
            ("f/x", "is a file and not a folder"),
            (".trash/x", "holds what was deleted"),
            (".trash", "holds what was deleted"),
            ("a/", "leave that out"),
        ] {
            for mode in [Mode::Overwrite, Mode::Append] {
                let error = write(&workspace.root, &arguments(path, "x", mode)).expect_err(path);
                assert!(error.text().contains(expected), "{path}: {error}");
            }
        }
    }

    #[test]
    fn sizes_are_bounded_from_both_sides() {
        let workspace = Workspace::new();
        let most = "x".repeat(CONTENT);
        for _ in 0..16 {
            write(&workspace.root, &arguments("f", &most, Mode::Append)).expect("within the bound");
        }
        let error = write(&workspace.root, &arguments("f", "x", Mode::Append)).expect_err("too large");
        assert!(error.text().contains("larger than 16777216"), "{error}");
        let error =
            write(&workspace.root, &arguments("g", &(most + "x"), Mode::Overwrite)).expect_err("too long");
        assert!(error.text().contains("write it in parts"), "{error}");
    }

    #[test]
    fn a_file_that_another_call_writes_is_left_to_it() {
        let workspace = Workspace::new();
        fs::write(workspace.path(".f.openpact-tmp"), "half").expect("written");
        let error = write(&workspace.root, &arguments("f", "x", Mode::Overwrite)).expect_err("busy");
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        let error = write(&workspace.root, &arguments("f", "x", Mode::Create)).expect_err("busy");
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        assert!(!workspace.path("f").exists(), "the reserved name was not given back");
    }
}
