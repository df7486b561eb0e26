//! `workspace_move`.

use std::fs;

use openpact_sdk::{Effects, Error, Output, Reads, Result, Tool, Writes, file};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::path::Relative;
use crate::root::{Root, failure};

/// What `workspace_move` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The file or folder, relative to the workspace. Something in `.trash` is brought back.
    from: String,
    /// Its new path. Nothing may be there; folders that are not there are made.
    to: String,
}

/// Moves or renames a file or folder.
pub struct Move;

impl Tool for Move {
    type Arguments = Arguments;
    const NAME: &'static str = "workspace_move";
    const TITLE: Option<&'static str> = Some("Move or rename");
    const DESCRIPTION: &'static str = "Moves or renames a file or folder of the workspace, and brings deleted things back \
        from .trash. Nothing is overwritten.";
    const EFFECTS: Effects = Effects::new(Reads::Nothing, Writes::Local);

    fn call(arguments: Arguments) -> Result<Output> {
        relocate(&Root::mounted()?, &arguments)
    }
}

fn relocate(root: &Root, arguments: &Arguments) -> Result<Output> {
    let from = Relative::parse(&arguments.from)?;
    let to = Relative::parse(&arguments.to)?;
    to.outside_trash()?;
    if from.is_trash() && from.steps().count() < 3 {
        return Err(Error::denied(
            "Move a single thing out of the trash, such as \".trash/TIME/notes/today.md\".",
        ));
    }
    let (old, metadata) = root.existing(&from)?;
    if to.is_within(&from) {
        return Err(Error::invalid_arguments(format!("{:?} is inside {:?}.", to.as_str(), from.as_str())));
    }
    root.make_parents(&to)?;
    let (new, there) = root.find(&to)?;
    if there.is_some() {
        return Err(taken(&to));
    }
    if metadata.is_file() {
        // Takes the name, so that of two calls one fails and neither overwrites.
        file::reserve(&new).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => taken(&to),
            _ => failure(&to, &error),
        })?;
    }
    if let Err(error) = fs::rename(&old, &new) {
        if metadata.is_file() {
            // Best effort: an empty file of the new name may stay.
            drop(fs::remove_file(&new));
        }
        return Err(failure(&from, &error));
    }
    Ok(format!("Moved {:?} to {:?}.", from.as_str(), to.as_str()).into())
}

fn taken(path: &Relative) -> Error {
    Error::failed(format!("{:?} is there already: choose another name, or delete it first.", path.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::Workspace;

    fn relocate(workspace: &Workspace, from: &str, to: &str) -> Result<Output> {
        super::relocate(&workspace.root, &Arguments { from: from.to_owned(), to: to.to_owned() })
    }

    #[test]
    fn files_and_folders_move_with_what_is_in_them() {
        let workspace = Workspace::new();
        fs::create_dir_all(workspace.path("a/b")).expect("made");
        fs::write(workspace.path("a/b/f"), "x").expect("written");
        relocate(&workspace, "a/b/f", "c/d/g").expect("moved");
        assert_eq!(fs::read(workspace.path("c/d/g")).expect("read"), b"x");
        relocate(&workspace, "c", "a/b/c").expect("moved");
        assert_eq!(fs::read(workspace.path("a/b/c/d/g")).expect("read"), b"x");
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_moves_into_itself() {
        let workspace = Workspace::new();
        fs::create_dir_all(workspace.path("d")).expect("made");
        fs::create_dir_all(workspace.path(".trash/1")).expect("made");
        fs::write(workspace.path("f"), "f").expect("written");
        fs::write(workspace.path("g"), "g").expect("written");
        for (from, to, expected) in [
            ("f", "g", "there already"),
            ("f", "d", "there already"),
            ("d", "d/e", "is inside"),
            ("f", "f", "is inside"),
            ("f", "g/x", "is a file and not a folder"),
            ("f", ".trash/f", "holds what was deleted"),
            (".trash", "t", "single thing"),
            (".trash/1", "t", "single thing"),
            ("x", "y", "There is nothing at"),
            ("f", "../f", "no path leads out"),
            ("f", "h/", "leave that out"),
        ] {
            let error = relocate(&workspace, from, to).expect_err(expected);
            assert!(error.text().contains(expected), "{from} {to}: {error}");
        }
        assert_eq!(fs::read(workspace.path("g")).expect("read"), b"g");
        assert_eq!(fs::read(workspace.path("f")).expect("read"), b"f");
    }
}
