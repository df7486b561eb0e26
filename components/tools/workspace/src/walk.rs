//! Walking through folders, in order and within bounds.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use openpact_sdk::Result;

use crate::path::{Relative, is_temporary};
use crate::root::{Root, failure};

/// Entries that one walk looks at.
const ENTRIES: usize = 20_000;
/// Folders inside each other.
const DEPTH: usize = 40;

/// What something in a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// A link or a device: named and not followed.
    Other,
}

/// Something in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) path: Relative,
    pub(crate) place: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
}

/// Whether a walk saw everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    /// More entries, or deeper ones, than a walk looks at.
    pub(crate) more: bool,
    /// Entries that could not be read.
    pub(crate) unreadable: usize,
}

/// Shows `visit` what is in `folder`, sorted by name, folders before what is in them, until it breaks. The trash is left
/// out unless the walk starts in it, and temporary files always.
pub(crate) fn walk(
    root: &Root,
    folder: &Relative,
    recursive: bool,
    mut visit: impl FnMut(&Entry) -> ControlFlow<()>,
) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut looked = 0;
    let mut waiting = entries(root, folder, &mut looked, &mut seen)?;
    waiting.reverse();
    while let Some(entry) = waiting.pop() {
        if visit(&entry).is_break() {
            break;
        }
        if !recursive || entry.kind != Kind::Folder {
            continue;
        }
        if entry.path.steps().count() >= DEPTH {
            seen.more = true;
            continue;
        }
        match entries(root, &entry.path, &mut looked, &mut seen) {
            Ok(inside) => waiting.extend(inside.into_iter().rev()),
            Err(_) => seen.unreadable += 1,
        }
    }
    Ok(seen)
}

fn entries(root: &Root, folder: &Relative, looked: &mut usize, seen: &mut Seen) -> Result<Vec<Entry>> {
    let listed = fs::read_dir(root.place(folder)).map_err(|error| failure(folder, &error))?;
    let mut entries = Vec::new();
    for entry in listed {
        if *looked == ENTRIES {
            seen.more = true;
            break;
        }
        *looked += 1;
        let found = entry.ok().and_then(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name, entry.path()))
        });
        let Some((name, place)) = found else {
            seen.unreadable += 1;
            continue;
        };
        let path = folder.join(&name);
        if is_temporary(&name) || (path.is_trash() && !folder.is_trash()) {
            continue;
        }
        let Ok(metadata) = fs::symlink_metadata(&place) else {
            seen.unreadable += 1;
            continue;
        };
        let kind = match () {
            () if metadata.is_file() => Kind::File,
            () if metadata.is_dir() => Kind::Folder,
            () => Kind::Other,
        };
        entries.push(Entry { path, place, kind, size: metadata.len() });
    }
    entries.sort_by(|one, other| one.path.as_str().cmp(other.path.as_str()));
    Ok(entries)
}
