//! Tries to reach what lies outside its folder. Each tool is one operation on the paths that the test names.
#![cfg(target_family = "wasm")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};

use openpact_guest_kit::{Answer, Value};

openpact_guest_kit::tools! {
    "read" => read,
    "write" => write,
    "append" => append,
    "truncate" => truncate,
    "list" => list,
    "stat" => stat,
    "make_folder" => make_folder,
    "remove" => remove,
    "remove_folder" => remove_folder,
    "rename" => rename,
    "hard_link" => hard_link,
    "symlink" => symlink,
    "read_link" => read_link,
    "raw_open" => raw_open,
    "raw_stat_follow" => raw_stat_follow,
    "race" => race,
    "touch" => touch,
}

fn path<'a>(arguments: &'a Value, name: &str) -> &'a str {
    arguments[name].as_str().unwrap_or_default()
}

fn told<T>(result: io::Result<T>, answer: impl FnOnce(T) -> String) -> Answer {
    result.map(answer).map_err(|error| format!("{:?}", error.kind()))
}

fn read(arguments: &Value) -> Answer {
    told(fs::read(path(arguments, "path")), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn write(arguments: &Value) -> Answer {
    told(fs::write(path(arguments, "path"), b"written by a guest"), |()| "done".into())
}

fn append(arguments: &Value) -> Answer {
    let file = OpenOptions::new().append(true).open(path(arguments, "path"));
    told(file.and_then(|mut file| file.write_all(b"appended by a guest")), |()| "done".into())
}

fn truncate(arguments: &Value) -> Answer {
    let file = OpenOptions::new().write(true).truncate(true).open(path(arguments, "path"));
    told(file, |_| "done".into())
}

fn list(arguments: &Value) -> Answer {
    let names = fs::read_dir(path(arguments, "path")).and_then(|entries| {
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    });
    told(names, |names| names.join(" "))
}

fn stat(arguments: &Value) -> Answer {
    told(fs::symlink_metadata(path(arguments, "path")), |about| {
        let kind = about.file_type();
        let kind = if kind.is_symlink() {
            "link"
        } else if kind.is_dir() {
            "folder"
        } else {
            "file"
        };
        format!("{kind} {}", about.len())
    })
}

fn make_folder(arguments: &Value) -> Answer {
    told(fs::create_dir(path(arguments, "path")), |()| "done".into())
}

fn remove(arguments: &Value) -> Answer {
    told(fs::remove_file(path(arguments, "path")), |()| "done".into())
}

fn remove_folder(arguments: &Value) -> Answer {
    told(fs::remove_dir(path(arguments, "path")), |()| "done".into())
}

fn rename(arguments: &Value) -> Answer {
    told(fs::rename(path(arguments, "path"), path(arguments, "to")), |()| "done".into())
}

fn hard_link(arguments: &Value) -> Answer {
    told(fs::hard_link(path(arguments, "path"), path(arguments, "to")), |()| "done".into())
}

fn touch(arguments: &Value) -> Answer {
    let file = OpenOptions::new().write(true).open(path(arguments, "path"));
    let times = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
    told(file.and_then(|file| file.set_times(times)), |()| "done".into())
}

/// Moves a folder away and back while it is walked through: alone on one thread a guest cannot race itself, so it
/// leaves the changing of names to the test and only goes on reading.
fn race(arguments: &Value) -> Answer {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..arguments["times"].as_u64().unwrap_or_default() {
        seen.insert(match fs::read(path(arguments, "path")) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("{:?}", error.kind()),
        });
        if let Ok(mut file) = File::create(path(arguments, "to")) {
            drop(file.write_all(b"written by a guest"));
        }
    }
    Ok(seen.into_iter().collect::<Vec<_>>().join(","))
}

use raw::{raw_open, raw_stat_follow, read_link, symlink};

/// What the standard library does not offer, or tidies up before it asks: the bare interface.
mod raw {
    use openpact_guest_kit::{Answer, Value};
    use wasip2::filesystem::preopens::get_directories;
    use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

    use super::path;

    fn root() -> Result<Descriptor, String> {
        get_directories().into_iter().next().map(|(root, _)| root).ok_or_else(|| "no folder".to_owned())
    }

    fn told<T>(result: Result<T, ErrorCode>, answer: impl FnOnce(T) -> String) -> Answer {
        result.map(answer).map_err(|code| format!("{code:?}"))
    }

    pub(super) fn symlink(arguments: &Value) -> Answer {
        told(root()?.symlink_at(path(arguments, "to"), path(arguments, "path")), |()| "done".into())
    }

    pub(super) fn read_link(arguments: &Value) -> Answer {
        told(root()?.readlink_at(path(arguments, "path")), |target| target)
    }

    pub(super) fn raw_stat_follow(arguments: &Value) -> Answer {
        let stat = root()?.stat_at(PathFlags::SYMLINK_FOLLOW, path(arguments, "path"));
        told(stat, |stat| format!("{:?} {}", stat.type_, stat.size))
    }

    /// Opens a path as it is written, following links if the host lets it, and reads it if it can be opened.
    pub(super) fn raw_open(arguments: &Value) -> Answer {
        let write =
            if arguments["write"] == true { DescriptorFlags::WRITE } else { DescriptorFlags::empty() };
        let flags = DescriptorFlags::READ | write;
        let open = if arguments["create"] == true { OpenFlags::CREATE } else { OpenFlags::empty() };
        let file = root()?.open_at(PathFlags::SYMLINK_FOLLOW, path(arguments, "path"), open, flags);
        let file = file.map_err(|code| format!("{code:?}"))?;
        told(file.read(1000, 0), |(bytes, _)| String::from_utf8_lossy(&bytes).into_owned())
    }
}
