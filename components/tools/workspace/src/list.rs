//! `workspace_list`.

use std::ops::ControlFlow;

use openpact_sdk::{Content, Effects, Error, Output, Reads, Result, Tool, Writes};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::path::{Relative, escaped};
use crate::pattern::Glob;
use crate::root::Root;
use crate::walk::{Kind, walk};

/// Entries that one answer holds.
const SHOWN: usize = 1000;

/// What `workspace_list` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The folder, relative to the workspace; the workspace itself unless given. `.trash` shows what was deleted.
    #[serde(default)]
    path: String,
    /// Whether to show what is in the folders too.
    #[serde(default)]
    recursive: bool,
    /// Shows only what matches, such as `*.md` (the name, in any folder) or `notes/**/*.md` (the path).
    glob: Option<String>,
}

/// Lists files and folders.
pub struct List;

impl Tool for List {
    type Arguments = Arguments;
    const NAME: &'static str = "workspace_list";
    const TITLE: Option<&'static str> = Some("List files");
    const DESCRIPTION: &'static str = "Lists files, with their size in bytes, and folders (with \"/\" at the end) of the \
        workspace.";
    const EFFECTS: Effects = Effects::new(Reads::Private, Writes::Nothing);

    fn call(arguments: Arguments) -> Result<Output> {
        list(&Root::mounted()?, &arguments)
    }
}

fn list(root: &Root, arguments: &Arguments) -> Result<Output> {
    let folder = Relative::folder(&arguments.path)?;
    let glob = arguments.glob.as_deref().map(Glob::parse).transpose()?;
    let (_, metadata) = root.existing(&folder)?;
    if !metadata.is_dir() {
        return Err(Error::invalid_arguments(format!(
            "{:?} is a file; workspace_read reads it.",
            folder.as_str()
        )));
    }
    let mut text = String::new();
    let (mut shown, mut cut) = (0, false);
    let seen = walk(root, &folder, arguments.recursive, |entry| {
        if glob.as_ref().is_some_and(|glob| !glob.matches(entry.path.as_str())) {
            return ControlFlow::Continue(());
        }
        if shown == SHOWN {
            cut = true;
            return ControlFlow::Break(());
        }
        shown += 1;
        // Names that the tools did not make may hold anything.
        let end = match entry.kind {
            Kind::Folder => "/\n".to_owned(),
            Kind::File => format!("  {}\n", entry.size),
            Kind::Other => "  (not a file, not followed)\n".to_owned(),
        };
        text.extend([escaped(entry.path.as_str()), end]);
        ControlFlow::Continue(())
    })?;
    let mut notes = Vec::new();
    if shown == 0 {
        notes.push(if glob.is_some() { "Nothing matches." } else { "The folder is empty." }.to_owned());
    }
    if cut || seen.more {
        notes.push(format!("There is more than these {shown}: name a folder or a glob."));
    }
    if seen.unreadable > 0 {
        notes.push(format!("{} could not be read.", seen.unreadable));
    }
    if notes.is_empty() {
        return Ok(Output::text(text));
    }
    let note = format!("[{}]", notes.join(" "));
    Ok(if text.is_empty() { Output::text(note) } else { Output::text(text).with(Content::Text(note)) })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tests_support::{Workspace, texts};

    fn check(workspace: &Workspace, path: &str, recursive: bool, glob: Option<&str>, expected: &[&str]) {
        let arguments = Arguments { path: path.to_owned(), recursive, glob: glob.map(str::to_owned) };
        assert_eq!(texts(&list(&workspace.root, &arguments).expect(path)), expected, "{path} {glob:?}");
    }

    #[test]
    fn files_and_folders_are_listed_in_order() {
        let workspace = Workspace::new();
        fs::create_dir_all(workspace.path("notes/old")).expect("made");
        fs::create_dir_all(workspace.path(".trash/1")).expect("made");
        for (path, content) in
            [("b.txt", "12345"), ("notes/a.md", ""), ("notes/old/c.md", "x"), (".x.openpact-tmp", "")]
        {
            fs::write(workspace.path(path), content).expect("written");
        }
        check(&workspace, "", false, None, &["b.txt  5\nnotes/\n"]);
        check(
            &workspace,
            ".",
            true,
            None,
            &["b.txt  5\nnotes/\nnotes/a.md  0\nnotes/old/\nnotes/old/c.md  1\n"],
        );
        check(&workspace, "notes/", false, None, &["notes/a.md  0\nnotes/old/\n"]);
        check(&workspace, "", true, Some("*.md"), &["notes/a.md  0\nnotes/old/c.md  1\n"]);
        check(&workspace, "", true, Some("notes/*.md"), &["notes/a.md  0\n"]);
        check(&workspace, ".trash", false, None, &[".trash/1/\n"]);
        check(&workspace, "notes/old", true, Some("*.txt"), &["[Nothing matches.]"]);
        check(&workspace, ".trash/1", true, None, &["[The folder is empty.]"]);
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let workspace = Workspace::new();
        for number in 0..=SHOWN {
            fs::write(workspace.path(&format!("{number:04}")), "").expect("written");
        }
        let arguments = Arguments { path: String::new(), recursive: false, glob: None };
        let answer = texts(&list(&workspace.root, &arguments).expect("listed"));
        assert_eq!(answer[0].lines().count(), SHOWN);
        assert_eq!(answer[1], "[There is more than these 1000: name a folder or a glob.]");
        fs::remove_file(workspace.path("0000")).expect("removed");
        assert_eq!(
            texts(&list(&workspace.root, &arguments).expect("listed")).len(),
            1,
            "exactly full is not cut"
        );
    }

    #[test]
    fn a_name_cannot_forge_a_line_and_a_link_is_not_followed() {
        let workspace = Workspace::new();
        fs::write(workspace.path("a\nb"), "").expect("written");
        #[cfg(unix)]
        std::os::unix::fs::symlink("/", workspace.path("l")).expect("linked");
        check(&workspace, "", true, None, &["a\\nb  0\nl  (not a file, not followed)\n"]);
    }

    #[test]
    fn a_file_is_not_a_folder() {
        let workspace = Workspace::new();
        fs::write(workspace.path("f"), "").expect("written");
        let arguments = Arguments { path: "f".to_owned(), recursive: false, glob: None };
        assert!(list(&workspace.root, &arguments).expect_err("a file").text().contains("workspace_read"));
    }
}
