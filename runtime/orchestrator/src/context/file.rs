//! Reads and makes the files of the system prompt. A component can write into some of these folders, so nothing in
//! them is trusted: no symbolic link is followed, nothing but a regular file is read, and no more than a budget.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use openpact_model::text;

/// Which end of a file that is too long is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The beginning.
    Start,
    /// The end: of a diary the newest entries.
    End,
}

/// What there was to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Missing,
    /// A text, perhaps cut.
    Text {
        /// What is kept of it; invisible characters made visible.
        text: String,
        /// Bytes of the file that were left out; 0 for a whole file.
        cut: u64,
    },
    /// Something that is not read; why, in a few words.
    Refused(String),
}

/// The folder with the files.
pub struct Folder(Dir);

impl Folder {
    /// Opens it.
    ///
    /// # Errors
    /// When it is not there or cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Dir::open_ambient_dir(path, ambient_authority()).map(Self)
    }

    /// Reads `name`, of at most `budget` bytes.
    pub fn read(&self, name: &str, budget: u64, keep: Keep) -> Found {
        found(read(&self.0, name, budget, keep))
    }

    /// Reads `name` in the folder `inner`, which is no symbolic link either.
    pub fn read_in(&self, inner: &str, name: &str, budget: u64, keep: Keep) -> Found {
        found(self.0.open_dir_nofollow(inner).and_then(|dir| read(&dir, name, budget, keep)))
    }

    /// Whether `name` is a regular file.
    pub fn has(&self, name: &str) -> bool {
        self.0.symlink_metadata(name).is_ok_and(|metadata| metadata.is_file())
    }

    /// A number that changes when the regular file `name`, in the folder `inner` if one is named, is written.
    pub fn stamp(&self, inner: Option<&str>, name: &str) -> Option<u64> {
        let metadata = match inner {
            None => self.0.symlink_metadata(name),
            Some(inner) => self.0.open_dir_nofollow(inner).and_then(|dir| dir.symlink_metadata(name)),
        };
        let metadata = metadata.ok().filter(cap_std::fs::Metadata::is_file)?;
        let written = metadata.modified().ok()?.into_std().duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(u64::try_from(written.as_nanos()).unwrap_or(u64::MAX) ^ metadata.len().rotate_left(40))
    }

    /// The names of the regular files in the folder `inner` that end with `ending`, in order, at most `limit` of those
    /// that come last; none where there is no such folder.
    pub fn names(&self, inner: &str, ending: &str, limit: usize) -> Vec<String> {
        let Ok(entries) = self.0.open_dir_nofollow(inner).and_then(|dir| dir.entries()) else {
            return Vec::new();
        };
        let files = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        let names = files.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<_> = names.filter(|name| name.ends_with(ending)).collect();
        names.sort_unstable();
        names.drain(..names.len().saturating_sub(limit));
        names
    }

    /// Makes `name` if nothing of that name is there, not even a link that leads nowhere. Says whether it did.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self, name: &str, text: &str) -> io::Result<bool> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o640).follow(FollowSymlinks::No);
        match self.0.open_with(name, &options) {
            Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn read(dir: &Dir, name: &str, budget: u64, keep: Keep) -> io::Result<Found> {
    // Looked at first for the sake of a clear answer; what counts is checked on the open file below.
    let kind = dir.symlink_metadata(name)?.file_type();
    if kind.is_symlink() {
        return Ok(Found::Refused("it is a symbolic link, and links are not followed".to_owned()));
    }
    let mut options = OpenOptions::new();
    // Without blocking: opening a pipe that nobody writes to would otherwise wait for ever.
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let mut file = dir.open_with(name, &options)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Found::Refused("it is not a regular file".to_owned()));
    }
    let length = metadata.len();
    if keep == Keep::End && length > budget {
        file.seek(SeekFrom::Start(length - budget))?;
    }
    let mut bytes = Vec::new();
    file.take(budget).read_to_end(&mut bytes)?;
    Ok(decode(bytes, length, keep))
}

/// The bytes that were read of a file of `length` bytes, as text that begins and ends at whole lines.
fn decode(mut bytes: Vec<u8>, length: u64, keep: Keep) -> Found {
    let is_cut = length > bytes.len() as u64;
    if is_cut {
        let newline = |byte: &u8| *byte == b'\n';
        match keep {
            Keep::Start => {
                let end =
                    bytes.iter().rposition(newline).map_or_else(|| whole_characters(&bytes), |at| at + 1);
                bytes.truncate(end);
            }
            Keep::End => {
                let after = bytes.iter().position(newline).map(|at| at + 1).filter(|at| *at < bytes.len());
                let start = after.unwrap_or_else(|| bytes.iter().take_while(|byte| is_inner(**byte)).count());
                bytes.drain(..start);
            }
        }
    }
    let cut = if is_cut { length.saturating_sub(bytes.len() as u64) } else { 0 };
    match String::from_utf8(bytes) {
        Ok(text) => Found::Text { text: visible(&text), cut },
        Err(_) => Found::Refused("it is not UTF-8 text; save it as UTF-8".to_owned()),
    }
}

/// The length without a character whose bytes are cut at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    let inner = bytes.iter().rev().take(3).take_while(|byte| is_inner(**byte)).count();
    let lead = bytes.len() - inner;
    let Some(first) = lead.checked_sub(1) else { return bytes.len() };
    if std::str::from_utf8(&bytes[first..]).is_ok() { bytes.len() } else { first }
}

/// Whether the byte goes on with a character of UTF-8.
fn is_inner(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// What an owner cannot see in an editor, the model must not read either: a marker of another file's origin, or an
/// instruction in invisible letters.
fn visible(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text::terminal(&text.replace("\r\n", "\n"))
}

fn found(result: io::Result<Found>) -> Found {
    match result {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Missing,
        Err(error) => Found::Refused(format!("it cannot be read ({})", error.kind())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, Mode, mkfifoat};
    use tempfile::TempDir;

    use super::*;

    fn folder() -> (TempDir, Folder) {
        let temporary = tempfile::tempdir().unwrap();
        fs::create_dir(temporary.path().join("data")).unwrap();
        fs::create_dir(temporary.path().join("data/memory")).unwrap();
        fs::write(temporary.path().join("outside.md"), "outside secret").unwrap();
        let folder = Folder::open(&temporary.path().join("data")).unwrap();
        (temporary, folder)
    }

    #[track_caller]
    fn refused(found: &Found, part: &str) {
        let Found::Refused(why) = found else { panic!("{found:?} was not refused") };
        assert!(why.contains(part), "{why}");
    }

    #[test]
    fn links_are_not_followed_wherever_they_lead() {
        let (temporary, folder) = folder();
        let data = temporary.path().join("data");
        fs::write(data.join("inside.md"), "inside").unwrap();
        symlink("../outside.md", data.join("relative.md")).unwrap();
        symlink(temporary.path().join("outside.md"), data.join("absolute.md")).unwrap();
        symlink("inside.md", data.join("inner.md")).unwrap();
        symlink("nowhere.md", data.join("dangling.md")).unwrap();
        for name in ["relative.md", "absolute.md", "inner.md", "dangling.md"] {
            refused(&folder.read(name, 100, Keep::Start), "symbolic link");
        }
        fs::write(temporary.path().join("day.md"), "outside secret").unwrap();
        symlink("..", data.join("linked")).unwrap();
        let through = folder.read_in("linked", "day.md", 100, Keep::Start);
        assert!(matches!(through, Found::Refused(_)), "{through:?}");
        for name in ["../outside.md", "memory/../../outside.md"] {
            let escaped = folder.read(name, 100, Keep::Start);
            assert!(!matches!(escaped, Found::Text { .. }), "{name} gave {escaped:?}");
        }
    }

    #[test]
    fn only_regular_files_are_read() {
        let (temporary, folder) = folder();
        let pipe = temporary.path().join("data/pipe.md");
        mkfifoat(CWD, &pipe, Mode::from_raw_mode(0o600)).unwrap();
        refused(&folder.read("pipe.md", 100, Keep::Start), "not a regular file");
        let directory = folder.read("memory", 100, Keep::Start);
        assert!(matches!(directory, Found::Refused(_)), "{directory:?}");
        assert_eq!(folder.read("none.md", 100, Keep::Start), Found::Missing);
        assert_eq!(folder.read_in("memory", "none.md", 100, Keep::Start), Found::Missing);
        assert_eq!(folder.read_in("none", "none.md", 100, Keep::Start), Found::Missing);
    }

    #[test]
    fn other_encodings_are_said_to_be_so() {
        let (temporary, folder) = folder();
        fs::write(temporary.path().join("data/latin.md"), b"caf\xe9").unwrap();
        refused(&folder.read("latin.md", 100, Keep::Start), "UTF-8");
        fs::write(temporary.path().join("data/bom.md"), "\u{feff}a\r\nb\u{200b}\u{1b}[0m").unwrap();
        let text = "a\nb\\u{200b}\\u{1b}[0m".to_owned();
        assert_eq!(folder.read("bom.md", 100, Keep::Start), Found::Text { text, cut: 0 });
    }

    #[test]
    fn the_budget_holds_on_both_sides() {
        let (temporary, folder) = folder();
        let path = temporary.path().join("data/long.md");
        let check = |content: &str, budget, keep, expected: &str, cut| {
            fs::write(&path, content).unwrap();
            let text = expected.to_owned();
            assert_eq!(
                folder.read("long.md", budget, keep),
                Found::Text { text, cut },
                "{content:?} {keep:?}"
            );
        };
        check("one\ntwo\n", 8, Keep::Start, "one\ntwo\n", 0);
        check("one\ntwo\n", 8, Keep::End, "one\ntwo\n", 0);
        check("one\ntwo\n", 7, Keep::Start, "one\n", 4);
        check("one\ntwo\n", 7, Keep::End, "two\n", 4);
        check("äöü", 5, Keep::Start, "äö", 2);
        check("äöü", 4, Keep::Start, "äö", 2);
        check("äöü", 5, Keep::End, "öü", 2);
        check("a😀", 4, Keep::Start, "a", 4);
        check("", 0, Keep::Start, "", 0);
    }

    #[test]
    fn a_file_is_made_once_and_never_through_a_link() {
        let (temporary, folder) = folder();
        assert!(folder.create("SOUL.md", "first").unwrap());
        assert!(!folder.create("SOUL.md", "second").unwrap());
        assert_eq!(fs::read_to_string(temporary.path().join("data/SOUL.md")).unwrap(), "first");
        symlink("../made.md", temporary.path().join("data/USER.md")).unwrap();
        assert!(!folder.create("USER.md", "text").unwrap());
        assert!(!temporary.path().join("made.md").exists());
    }
}
