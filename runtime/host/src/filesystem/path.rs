//! Paths as a guest writes them.

use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// The longest name and the longest path in bytes, as on Linux.
const MAX_NAME: usize = 255;
const MAX_PATH: usize = 4096;

/// A path that stays below the folder from which it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// The folders on the way.
    pub(super) folders: Vec<String>,
    /// What it ends in; `None` for the folder from which it starts.
    pub(super) name: Option<String>,
    /// Whether it was written with a slash at its end, so that it can only mean a folder.
    pub(super) folder: bool,
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// For everything that could leave the folder: `..` anywhere, and a slash at the start.
    pub(super) fn new(text: &str) -> Result<Self, ErrorCode> {
        if text.is_empty() {
            return Err(ErrorCode::NoEntry);
        }
        if text.len() > MAX_PATH {
            return Err(ErrorCode::NameTooLong);
        }
        if text.contains('\0') {
            return Err(ErrorCode::Invalid);
        }
        if text.starts_with('/') {
            return Err(ErrorCode::NotPermitted);
        }
        let mut folders = Vec::new();
        for name in text.split('/') {
            match name {
                "" | "." => {}
                ".." => return Err(ErrorCode::NotPermitted),
                name if name.len() > MAX_NAME => return Err(ErrorCode::NameTooLong),
                name => folders.push(name.to_owned()),
            }
        }
        let name = folders.pop();
        Ok(Self { folders, name, folder: text.ends_with('/') || text.ends_with("/.") })
    }

    /// How many names it has.
    pub(super) fn depth(&self) -> usize {
        self.folders.len() + usize::from(self.name.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(Vec<String>, Option<String>, bool), ErrorCode> {
        Path::new(text).map(|path| (path.folders, path.name, path.folder))
    }

    #[test]
    fn names_and_folders_are_told_apart() {
        assert_eq!(check("a"), Ok((vec![], Some("a".into()), false)));
        assert_eq!(check("a/b"), Ok((vec!["a".into()], Some("b".into()), false)));
        assert_eq!(check("./a//b/"), Ok((vec!["a".into()], Some("b".into()), true)));
        assert_eq!(check("a/."), Ok((vec![], Some("a".into()), true)));
        assert_eq!(check("."), Ok((vec![], None, false)));
        assert_eq!(check("...").unwrap().1.as_deref(), Some("..."), "three dots are a name");
    }

    #[test]
    fn what_could_leave_is_refused() {
        for bad in ["..", "../a", "a/..", "a/../b", "a/../../b", "./..", "/", "/etc/passwd", "//a"] {
            assert_eq!(check(bad), Err(ErrorCode::NotPermitted), "{bad}");
        }
        assert_eq!(check(""), Err(ErrorCode::NoEntry));
        assert_eq!(check("a\0b"), Err(ErrorCode::Invalid));
    }

    #[test]
    fn lengths_hold_from_both_sides() {
        assert!(check(&"n".repeat(MAX_NAME)).is_ok());
        assert_eq!(check(&"n".repeat(MAX_NAME + 1)), Err(ErrorCode::NameTooLong));
        assert!(check(&"ab/".repeat(MAX_PATH / 3)).is_ok());
        assert_eq!(check(&"ab/".repeat(MAX_PATH / 3 + 1)), Err(ErrorCode::NameTooLong));
    }
}
