//! `workspace_delete`.

use openpact_sdk::{Effects, Error, Output, Reads, Result, Tool, Writes, clock};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::path::Relative;
use crate::root::Root;
use crate::trash;

/// What `workspace_delete` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The file or folder, relative to the workspace.
    path: String,
}

/// Moves a file or folder to the trash.
pub struct Delete;

impl Tool for Delete {
    type Arguments = Arguments;
    const NAME: &'static str = "workspace_delete";
    const TITLE: Option<&'static str> = Some("Delete");
    const DESCRIPTION: &'static str = "Deletes a file or folder of the workspace. It is kept in .trash for 30 days; \
        workspace_move brings it back.";
    const EFFECTS: Effects = Effects::new(Reads::Nothing, Writes::Local);

    fn call(arguments: Arguments) -> Result<Output> {
        delete(&Root::mounted()?, &arguments)
    }
}

fn delete(root: &Root, arguments: &Arguments) -> Result<Output> {
    let path = Relative::parse(&arguments.path)?;
    if path.is_trash() {
        return Err(Error::denied("What is in the trash goes by itself, 30 days after it was deleted."));
    }
    let now = clock::now();
    let kept = trash::put(root, &path, now)?;
    trash::purge(root, now);
    Ok(format!("Deleted {:?}. It is kept as {:?} for 30 days.", path.as_str(), kept.as_str()).into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tests_support::{Workspace, texts};

    fn delete(workspace: &Workspace, path: &str) -> Result<Output> {
        super::delete(&workspace.root, &Arguments { path: path.to_owned() })
    }

    #[test]
    fn a_deleted_folder_is_where_the_answer_says() {
        let workspace = Workspace::new();
        fs::create_dir_all(workspace.path("a/b")).expect("made");
        fs::write(workspace.path("a/b/f"), "x").expect("written");
        let answer = texts(&delete(&workspace, "a/b").expect("deleted")).concat();
        let kept = answer.split('"').nth(3).expect("a path");
        assert_eq!(fs::read(workspace.path(kept).join("f")).expect("kept"), b"x");
        assert!(!workspace.path("a/b").exists());
        assert!(kept.starts_with(".trash/"), "{answer}");
    }

    #[test]
    fn the_workspace_the_trash_and_nothing_cannot_be_deleted() {
        let workspace = Workspace::new();
        fs::create_dir_all(workspace.path(".trash/1-0")).expect("made");
        fs::write(workspace.path(".trash/1-0/f"), "x").expect("written");
        for (path, expected) in [
            ("", "empty"),
            (".", "empty"),
            (".trash", "goes by itself"),
            (".trash/1-0/f", "goes by itself"),
            ("x", "There is nothing at"),
            ("../x", "no path leads out"),
        ] {
            let error = delete(&workspace, path).expect_err(path);
            assert!(error.text().contains(expected), "{path}: {error}");
        }
        assert!(workspace.path(".trash/1-0/f").exists());
    }
}
