//! Reading what a folder holds, some entries at a time: a folder of a million names must not fill the host's memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, Dir, FileType, Mode};
use wasmtime_wasi::p2::bindings::filesystem::types::DirectoryEntry;

use super::FOLDER;
use super::handle::{Folder, Permits, Result, View, code};
use super::operation::kind;
use crate::ledger::lock;

/// Entries that are read at once.
const BATCH: usize = 128;

/// A folder that is being read.
#[derive(Clone)]
pub(super) struct Listing {
    state: Arc<Mutex<State>>,
    view: Arc<View>,
}

struct State {
    entries: Dir,
    read: VecDeque<DirectoryEntry>,
    over: bool,
    _permits: Permits,
}

impl Listing {
    /// Starts at the first entry.
    pub(super) fn new(folder: &Folder) -> Result<Self> {
        // Opened again: two listings of one folder have a place each.
        let permits = folder.view().permits()?;
        let fd = rustix::fs::openat(folder.fd(), ".", FOLDER, Mode::empty()).map_err(code)?;
        let entries = Dir::new(fd).map_err(code)?;
        let state = State { entries, read: VecDeque::new(), over: false, _permits: permits };
        Ok(Self { state: Arc::new(Mutex::new(state)), view: Arc::clone(folder.view()) })
    }

    /// An entry that was read from the disk already.
    pub(super) fn ready(&self) -> Option<DirectoryEntry> {
        lock(&self.state).read.pop_front()
    }

    /// The next entry, from the disk where that is necessary.
    pub(super) fn next(&self) -> Result<Option<DirectoryEntry>> {
        let mut state = lock(&self.state);
        while state.read.is_empty() && !state.over {
            for _ in 0..BATCH {
                let Some(entry) = state.entries.read() else {
                    state.over = true;
                    break;
                };
                let entry = entry.map_err(code)?;
                // A name that is no UTF-8 cannot be said in WASI. It looks absent.
                let Ok(name) = entry.file_name().to_str() else { continue };
                if let Some(entry) = self.shown(&state.entries, name, entry.file_type()) {
                    state.read.push_back(entry);
                }
            }
        }
        Ok(state.read.pop_front())
    }

    fn shown(&self, folder: &Dir, name: &str, told: FileType) -> Option<DirectoryEntry> {
        if name == "." || name == ".." || self.view.allow(name, false).is_err() {
            return None;
        }
        let told = if told == FileType::Unknown {
            let stat = rustix::fs::statat(folder.fd().ok()?, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            FileType::from_raw_mode(stat.st_mode)
        } else {
            told
        };
        if self.view.single_files() && !told.is_file() {
            return None;
        }
        Some(DirectoryEntry { type_: kind(told), name: name.to_owned() })
    }
}
