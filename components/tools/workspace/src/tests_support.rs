//! A workspace for tests.

use std::path::PathBuf;

use openpact_sdk::{Content, Output};

use crate::root::Root;

/// A workspace in a temporary folder.
pub(crate) struct Workspace {
    folder: tempfile::TempDir,
    pub(crate) root: Root,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = Root::at(folder.path());
        Self { folder, root }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}

/// The pieces of an answer, all of them text.
pub(crate) fn texts(output: &Output) -> Vec<String> {
    let text = |piece: &Content| match piece {
        Content::Text(text) => text.clone(),
        other => panic!("{other:?} is not text"),
    };
    output.content().iter().map(text).collect()
}
