//! `workspace_read`.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use openpact_sdk::part::{self, Part};
use openpact_sdk::{Effects, Error, Output, Reads, Result, Tool, Writes};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::kind;
use crate::path::Relative;
use crate::root::{Root, failure};

/// Bytes that are given unless the caller says otherwise.
const LIMIT: u32 = 64 * 1024;
/// Bytes that are given at most.
const MOST: u32 = 256 * 1024;

/// What `workspace_read` takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The file, relative to the workspace, such as `notes/today.md`.
    path: String,
    /// The byte to start at; 0 unless given. A longer file says where to continue.
    #[serde(default)]
    offset: u64,
    /// How many bytes to read at most, up to 262144; 65536 unless given.
    #[schemars(range(min = 1, max = 262_144))]
    limit: Option<u32>,
}

/// Reads a text file.
pub struct Read;

impl Tool for Read {
    type Arguments = Arguments;
    const NAME: &'static str = "workspace_read";
    const TITLE: Option<&'static str> = Some("Read a file");
    const DESCRIPTION: &'static str = "Reads a text file of the workspace. A long file comes in parts: the answer then \
        says at which offset to continue. Of a file that is not text only its kind and size are told.";
    const EFFECTS: Effects = Effects::new(Reads::Private, Writes::Nothing);

    fn call(arguments: Arguments) -> Result<Output> {
        read(&Root::mounted()?, &arguments)
    }
}

fn read(root: &Root, arguments: &Arguments) -> Result<Output> {
    let path = Relative::parse(&arguments.path)?;
    let limit = arguments.limit.unwrap_or(LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(Error::invalid_arguments(format!("limit must be from 1 to {MOST}.")));
    }
    let (place, metadata) = root.file(&path)?;
    let size = metadata.len();
    if arguments.offset > 0 && arguments.offset >= size {
        return Err(Error::invalid_arguments(format!(
            "{:?} has {size} bytes: offset must be less.",
            path.as_str()
        )));
    }
    let read = (|| {
        let mut file = File::open(place)?;
        let mut head = Vec::new();
        file.by_ref().take(kind::HEAD as u64).read_to_end(&mut head)?;
        file.seek(SeekFrom::Start(arguments.offset))?;
        let mut bytes = Vec::new();
        file.take(u64::from(limit) + part::MARGIN as u64).read_to_end(&mut bytes)?;
        Ok((head, bytes))
    })();
    let (head, bytes) = read.map_err(|error| failure(&path, &error))?;
    if size == 0 {
        return Ok(Output::text("[The file is empty.]"));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    match Part::of(&bytes, arguments.offset, limit, size) {
        Some(part) if !kind::looks_binary(&head) && !kind::looks_binary(part.text.as_bytes()) => {
            Ok(part.output())
        }
        _ => Ok(Output::text(format!(
            "{:?} is not UTF-8 text: {}, {size} bytes. Its content cannot be shown.",
            path.as_str(),
            kind::name(&head)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tests_support::{Workspace, texts};

    fn arguments(path: &str, offset: u64, limit: Option<u32>) -> Arguments {
        Arguments { path: path.to_owned(), offset, limit }
    }

    #[test]
    fn a_long_file_comes_in_parts_that_join_without_a_gap() {
        let workspace = Workspace::new();
        let content = "0123456789äbcde\n".repeat(20_000);
        fs::write(workspace.path("f"), &content).expect("written");
        let (mut offset, mut together, mut parts) = (0, String::new(), 0);
        loop {
            let answer = texts(&read(&workspace.root, &arguments("f", offset, None)).expect("read"));
            assert!(answer[0].len() <= LIMIT as usize, "{} bytes", answer[0].len());
            together += &answer[0];
            parts += 1;
            match answer[1].split_once("Continue at offset ") {
                Some((_, next)) => offset = next.trim_end_matches(".]").parse().expect("an offset"),
                None => break,
            }
        }
        assert!(together == content, "the parts are not the file");
        assert_eq!(parts, content.len().div_ceil(LIMIT as usize));
    }

    #[test]
    fn what_is_not_text_is_named_with_its_kind_and_size() {
        let workspace = Workspace::new();
        for (content, expected) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\r"[..], "\"f\" is not UTF-8 text: image/png, 12 bytes."),
            (b"a\0b", "application/octet-stream, 3 bytes."),
            (b"caf\xe9", "text in another encoding than UTF-8, 4 bytes."),
            (b"\xe2\x82", "text in another encoding than UTF-8, 2 bytes."),
        ] {
            fs::write(workspace.path("f"), content).expect("written");
            let answer = texts(&read(&workspace.root, &arguments("f", 0, None)).expect("read"));
            assert!(answer[0].contains(expected), "{answer:?}");
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let workspace = Workspace::new();
        fs::create_dir(workspace.path("d")).expect("made");
        fs::write(workspace.path("f"), "abc").expect("written");
        for (path, offset, limit, expected) in [
            ("x", 0, None, "workspace_list shows"),
            ("d", 0, None, "is a folder"),
            ("f/x", 0, None, "\"f\" is a file and not a folder"),
            ("../f", 0, None, "no path leads out"),
            ("f", 3, None, "offset must be less"),
            ("f", 0, Some(0), "limit must be"),
            ("f", 0, Some(MOST + 1), "limit must be"),
        ] {
            let error = read(&workspace.root, &arguments(path, offset, limit)).expect_err(path);
            assert!(error.text().contains(expected), "{path}: {error}");
        }
        fs::write(workspace.path("f"), "").expect("written");
        assert_eq!(
            texts(&read(&workspace.root, &arguments("f", 0, None)).expect("read")),
            ["[The file is empty.]"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let workspace = Workspace::new();
        std::os::unix::fs::symlink("/etc", workspace.path("l")).expect("linked");
        for path in ["l", "l/passwd"] {
            let error = read(&workspace.root, &arguments(path, 0, None)).expect_err(path);
            assert!(matches!(&error, Error::Denied(why) if why.contains("\"l\" is a link")), "{error}");
        }
    }
}
