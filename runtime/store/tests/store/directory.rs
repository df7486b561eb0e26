//! The data directory: layout, rights, and its one owner.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use openpact_store::{DataDirectory, Error};

use crate::support::Place;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_layout_is_made_with_its_rights() {
    let place = Place::new();
    let store = place.open();
    let root = fs::canonicalize(place.root()).unwrap();
    let directory = DataDirectory::acquire(&root);
    assert!(matches!(directory, Err(Error::Held { .. })), "the store keeps the directory");
    for name in ["secure", "secure/keys", "secure/cache", "secure/components"] {
        assert_eq!(mode(&root.join(name)), 0o700, "{name}");
    }
    for name in ["ai-data", "ai-data/memory", "ai-data/scripts", "ai-data/people", "ai-data/workspace"] {
        assert_eq!(mode(&root.join(name)) & !0o750, 0, "{name}");
    }
    for name in ["secure/openpact.db", "secure/openpact.db-wal", "secure/lock", "secure/keys/master.key"] {
        assert_eq!(mode(&root.join(name)), 0o600, "{name}");
    }
    drop(store);
    let directory = place.directory();
    assert_eq!(directory.root(), root);
    assert_eq!(directory.secure(), root.join("secure"));
    assert_eq!(directory.ai_data(), root.join("ai-data"));
}

#[test]
fn what_was_opened_to_others_is_closed_again() {
    let place = Place::new();
    drop(place.open());
    let opened = [(place.secure(""), 0o755), (place.key_file(), 0o644), (place.secure("openpact.db"), 0o666)];
    for (path, rights) in &opened {
        fs::set_permissions(path, fs::Permissions::from_mode(*rights)).unwrap();
    }
    let _store = place.open();
    for (path, _) in &opened {
        assert_eq!(mode(path) & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn it_has_one_owner_at_a_time() {
    let place = Place::new();
    let first = place.directory();
    let second = first.clone();
    drop(first);
    let Err(Error::Held { path, pid }) = DataDirectory::acquire(&place.root()) else {
        panic!("the clone still holds it");
    };
    assert_eq!((path.as_path(), pid), (second.root(), Some(std::process::id())));
    drop(second);
    DataDirectory::acquire(&place.root()).expect("nobody holds it any more");
}

#[test]
fn a_lock_file_that_says_nothing_still_locks() {
    let place = Place::new();
    let _held = place.directory();
    fs::write(place.secure("lock"), "not a number").unwrap();
    let error = DataDirectory::acquire(&place.root()).unwrap_err();
    assert!(matches!(error, Error::Held { pid: None, .. }), "{error:?}");
    assert!(error.to_string().contains("in use by another OpenPact;"), "{error}");
}

#[test]
fn each_reason_has_its_own_error() {
    let place = Place::new();
    drop(place.directory());
    let file = place.root().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = DataDirectory::acquire(&path).unwrap_err();
        assert!(matches!(error, Error::NotADirectory { .. }), "{error:?}");
    }
    let error = DataDirectory::acquire(Path::new("/proc/openpact/data")).unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }), "{error:?}");
    assert!(error.to_string().contains("--data"), "{error}");
}

#[test]
fn links_inside_are_refused_and_a_link_to_it_is_followed() {
    let place = Place::new();
    drop(place.directory());
    let link = place.root().with_file_name("link");
    symlink(place.root(), &link).unwrap();
    assert_eq!(DataDirectory::acquire(&link).unwrap().root(), fs::canonicalize(place.root()).unwrap());

    let outside = tempfile::tempdir().unwrap();
    for name in ["ai-data/workspace", "secure/keys"] {
        let path = place.root().join(name);
        fs::remove_dir(&path).unwrap();
        symlink(outside.path(), &path).unwrap();
        let error = DataDirectory::acquire(&place.root()).unwrap_err();
        assert!(matches!(&error, Error::NotADirectory { path } if path.ends_with(name)), "{error:?}");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
    }
    fs::remove_file(place.secure("lock")).unwrap();
    symlink(outside.path().join("lock"), place.secure("lock")).unwrap();
    assert!(matches!(DataDirectory::acquire(&place.root()), Err(Error::Unusable { .. })));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}
