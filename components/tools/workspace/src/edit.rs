//! `workspace_edit`.

use std::fs;

use openpact_sdk::file::Replacement;
use openpact_sdk::{Effects, Error, Output, Reads, Result, Tool, Writes};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::path::Relative;
use crate::root::{Root, failure};

/// Bytes of a file that is edited.
const LARGEST: u64 = 4 * 1024 * 1024;
/// Places that an error names.
const NAMED: usize = 5;

/// What `workspace_edit` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The file, relative to the workspace.
    path: String,
    /// The text to replace, exactly as in the file with its spaces and line ends. It must be there once: give enough of
    /// its surroundings.
    old: String,
    /// The text to put in its place; empty removes it.
    new: String,
}

/// Replaces one piece of a file.
pub struct Edit;

impl Tool for Edit {
    type Arguments = Arguments;
    const NAME: &'static str = "workspace_edit";
    const TITLE: Option<&'static str> = Some("Edit a file");
    const DESCRIPTION: &'static str = "Replaces one piece of a text file of the workspace. The old text must be in the \
        file exactly once; otherwise nothing changes.";
    // What is in a file can be guessed from whether an edit fits.
    const EFFECTS: Effects = Effects::new(Reads::Private, Writes::Local);

    fn call(arguments: Arguments) -> Result<Output> {
        edit(&Root::mounted()?, &arguments)
    }
}

fn edit(root: &Root, arguments: &Arguments) -> Result<Output> {
    let path = Relative::parse(&arguments.path)?;
    path.outside_trash()?;
    if arguments.old.is_empty() {
        return Err(Error::invalid_arguments("old is empty: workspace_write adds text to a file."));
    }
    if arguments.old == arguments.new {
        return Err(Error::invalid_arguments("old and new are the same."));
    }
    let failed = |error: std::io::Error| failure(&path, &error);
    let (place, _) = root.file(&path)?;
    // Read only after the replacement has begun, so that no other edit comes between.
    let replacement = Replacement::begin(&place, &root.place(&path.temporary())).map_err(failed)?;
    let size = fs::metadata(&place).map_err(failed)?.len();
    if size > LARGEST {
        return Err(Error::failed(format!(
            "{:?} is larger than {LARGEST} bytes and cannot be edited.",
            path.as_str()
        )));
    }
    let bytes = fs::read(&place).map_err(failed)?;
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(Error::failed(format!("{:?} is not UTF-8 text and cannot be edited.", path.as_str())));
    };
    let places = places(&text, &arguments.old);
    let [at] = places[..] else { return Err(not_once(&path, &text, &arguments.old, &places)) };
    let edited = [&text[..at], &arguments.new, &text[at + arguments.old.len()..]].concat();
    replacement.commit(edited.as_bytes()).map_err(failed)?;
    Ok(format!("Replaced the text at line {} of {:?}.", line(&text, at), path.as_str()).into())
}

/// Where `old` is, also where it overlaps itself.
fn places(text: &str, old: &str) -> Vec<usize> {
    let step = old.chars().next().map_or(1, char::len_utf8);
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find(old) {
        places.push(from + found);
        if places.len() > NAMED {
            break;
        }
        from += found + step;
    }
    places
}

fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn not_once(path: &Relative, text: &str, old: &str, found: &[usize]) -> Error {
    let path = path.as_str();
    if found.is_empty() {
        let hint = if text.contains("\r\n") && !old.contains('\r') && old.contains('\n') {
            "Its lines end with CR LF: write \\r\\n."
        } else if !places(&squeezed(text), &squeezed(old)).is_empty() {
            "It is there with other spaces or line ends: copy it exactly from workspace_read."
        } else {
            "Read the file again with workspace_read."
        };
        return Error::not_found(format!("The old text is not in {path:?}. {hint}"));
    }
    let more = if found.len() > NAMED { " and more" } else { "" };
    let lines: Vec<String> = found.iter().take(NAMED).map(|at| line(text, *at).to_string()).collect();
    Error::invalid_arguments(format!(
        "The old text is in {path:?} more than once, at lines {}{more}: give more of what is around it.",
        lines.join(", ")
    ))
}

/// The text with each run of white space as one space.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::Workspace;

    fn check(content: &[u8], old: &str, new: &str) -> (Result<Output>, Vec<u8>) {
        let workspace = Workspace::new();
        fs::write(workspace.path("f"), content).expect("written");
        let arguments = Arguments { path: "f".to_owned(), old: old.to_owned(), new: new.to_owned() };
        let result = edit(&workspace.root, &arguments);
        assert_eq!(fs::read_dir(workspace.path("")).expect("listed").count(), 1, "a temporary file stayed");
        (result, fs::read(workspace.path("f")).expect("read"))
    }

    #[test]
    fn one_piece_is_replaced_and_the_rest_stays() {
        let (result, content) = check("a\nb ä\nc".as_bytes(), "b ä", "€");
        assert_eq!(result, Ok("Replaced the text at line 2 of \"f\".".into()));
        assert_eq!(content, "a\n€\nc".as_bytes());
        assert_eq!(check(b"abc", "b", "").1, b"ac");
    }

    #[test]
    fn anything_but_once_changes_nothing_and_says_why() {
        for (content, old, new, expected) in [
            (&b"a\na\n"[..], "a", "b", "more than once, at lines 1, 2:"),
            (b"aaa", "aa", "b", "more than once, at lines 1, 1:"),
            (b"x\nx\nx\nx\nx\nx\n", "x", "b", "at lines 1, 2, 3, 4, 5 and more"),
            (b"abc", "d", "b", "Read the file again"),
            (b"a\r\nb", "a\nb", "c", "CR LF"),
            (b"a  b", "a b", "c", "other spaces"),
            (b"abc", "", "c", "old is empty"),
            (b"abc", "a", "a", "the same"),
            (b"\xff\xfe", "a", "b", "not UTF-8"),
        ] {
            let (result, after) = check(content, old, new);
            let error = result.expect_err(expected);
            assert!(error.text().contains(expected), "{error}");
            assert_eq!(after, content);
        }
    }

    #[test]
    fn sizes_are_bounded_from_both_sides() {
        let largest = usize::try_from(LARGEST).expect("fits");
        let mut content = vec![b'x'; largest];
        content[0] = b'a';
        assert!(check(&content, "a", "b").0.is_ok());
        content.push(b'x');
        assert!(check(&content, "a", "b").0.expect_err("too large").text().contains("larger than"));
    }
}
