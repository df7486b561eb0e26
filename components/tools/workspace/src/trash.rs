//! The trash: what was deleted, for 30 days.
//!
//! Each deletion has a folder of its own, named by its time in seconds since 1970 and a number, and inside it the path
//! that the thing had.

use std::fs;
use std::path::Path;
use std::time::Duration;

use openpact_sdk::{Error, Result};

use crate::path::{Relative, TRASH};
use crate::root::{Root, failure};

/// How long deleted things are kept.
pub(crate) const KEPT: Duration = Duration::from_hours(30 * 24);
/// Files and folders that are removed for good in one call, so that it ends in time.
const REMOVED: usize = 2000;
/// Deletions within one second.
const IN_ONE_SECOND: u32 = 1000;

/// Moves `path` to the trash and tells where it is now.
pub(crate) fn put(root: &Root, path: &Relative, now: Duration) -> Result<Relative> {
    let (old, _) = root.existing(path)?;
    let place = folder(root, now)?;
    let kept = path.steps().last().map_or_else(|| place.clone(), |path| place.join(path.as_str()));
    root.make_parents(&kept)?;
    fs::rename(old, root.place(&kept)).map_err(|error| failure(path, &error))?;
    Ok(kept)
}

/// A new folder for one deletion.
fn folder(root: &Root, now: Duration) -> Result<Relative> {
    let trash = Relative::folder(TRASH)?;
    let (place, found) = root.find(&trash)?;
    match found {
        Some(metadata) if metadata.is_dir() => {}
        Some(_) => return Err(Error::failed(format!("{TRASH:?} is a file: an admin must take it away."))),
        None => match fs::create_dir(&place) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(failure(&trash, &error));
            }
            _ => {}
        },
    }
    for number in 0..IN_ONE_SECOND {
        let folder = trash.join(&format!("{}-{number}", now.as_secs()));
        match fs::create_dir(root.place(&folder)) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failure(&trash, &error)),
        }
    }
    Err(Error::unavailable("Too many things are being deleted at once. Try again."))
}

/// Removes for good what has been in the trash for longer than [`KEPT`], as much as one call may. What cannot be removed
/// stays: the next deletion tries again.
pub(crate) fn purge(root: &Root, now: Duration) {
    let Ok(trash) = Relative::folder(TRASH) else { return };
    let Ok(listed) = fs::read_dir(root.place(&trash)) else { return };
    let mut old: Vec<(u64, String)> = listed
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let (second, _) = name.split_once('-')?;
            Some((second.parse().ok()?, name))
        })
        .filter(|(second, _)| now.saturating_sub(Duration::from_secs(*second)) > KEPT)
        .collect();
    old.sort();
    let mut left = REMOVED;
    for (_, name) in old {
        remove(&root.place(&trash.join(&name)), &mut left);
    }
}

/// Removes a file, or a folder with what is in it, until `left` is used up. Links are removed, not followed.
fn remove(place: &Path, left: &mut usize) {
    let Ok(metadata) = fs::symlink_metadata(place) else { return };
    if metadata.is_dir()
        && let Ok(listed) = fs::read_dir(place)
    {
        for entry in listed.flatten() {
            remove(&entry.path(), left);
        }
    }
    if *left == 0 {
        return;
    }
    *left -= 1;
    // See `purge`.
    drop(if metadata.is_dir() { fs::remove_dir(place) } else { fs::remove_file(place) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::Workspace;

    const NOW: Duration = Duration::from_secs(1_800_000_017);

    fn path(text: &str) -> Relative {
        Relative::parse(text).expect(text)
    }

    #[test]
    fn things_keep_their_path_and_never_meet() {
        let workspace = Workspace::new();
        fs::create_dir(workspace.path("a")).expect("made");
        for expected in [".trash/1800000017-0/a/f", ".trash/1800000017-1/a/f"] {
            fs::write(workspace.path("a/f"), expected).expect("written");
            let kept = put(&workspace.root, &path("a/f"), NOW).expect("deleted");
            assert_eq!(kept.as_str(), expected);
            assert_eq!(fs::read_to_string(workspace.path(expected)).expect("kept"), expected);
        }
        assert!(!workspace.path("a/f").exists());
    }

    #[test]
    fn only_what_is_older_than_thirty_days_goes() {
        let workspace = Workspace::new();
        let old = NOW.as_secs() - KEPT.as_secs() - 1;
        let young = NOW.as_secs() - KEPT.as_secs();
        let ahead = NOW.as_secs() + 1000;
        let names = [
            (format!("{old}-0"), false),
            (format!("{young}-0"), true),
            (format!("{ahead}-0"), true),
            ("x".to_owned(), true),
        ];
        for (name, _) in &names {
            fs::create_dir_all(workspace.path(&format!(".trash/{name}/d/e"))).expect("made");
            fs::write(workspace.path(&format!(".trash/{name}/d/f")), "x").expect("written");
        }
        purge(&workspace.root, NOW);
        for (name, stays) in names {
            assert_eq!(workspace.path(&format!(".trash/{name}")).exists(), stays, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_trash_takes_nothing_else_with_it() {
        let workspace = Workspace::new();
        let outside = Workspace::new();
        fs::write(outside.path("f"), "x").expect("written");
        fs::create_dir_all(workspace.path(".trash/1-0")).expect("made");
        std::os::unix::fs::symlink(outside.path(""), workspace.path(".trash/1-0/l")).expect("linked");
        purge(&workspace.root, NOW);
        assert!(!workspace.path(".trash/1-0").exists());
        assert!(outside.path("f").exists());
    }

    #[test]
    fn a_large_trash_goes_in_several_calls() {
        let workspace = Workspace::new();
        fs::create_dir_all(workspace.path(".trash/1-0")).expect("made");
        for number in 0..REMOVED {
            fs::write(workspace.path(&format!(".trash/1-0/{number}")), "").expect("written");
        }
        purge(&workspace.root, NOW);
        assert!(workspace.path(".trash/1-0").exists(), "one folder and {REMOVED} files are one too many");
        purge(&workspace.root, NOW);
        assert!(!workspace.path(".trash/1-0").exists());
    }
}
