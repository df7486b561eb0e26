//! Fills the disk, in every way in which a file can get longer.
#![cfg(target_family = "wasm")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};

use openpact_guest_kit::{Answer, Value};

openpact_guest_kit::tools! {
    "write" => write,
    "append" => append,
    "extend" => extend,
    "far" => far,
    "entries" => entries,
    "folders" => folders,
    "orphans" => orphans,
    "once" => once,
    "swap" => swap,
}

const ENOUGH: usize = 1 << 20;

/// What came of a loop that must not go on for ever.
fn ended(result: io::Result<()>) -> Answer {
    match result {
        Ok(()) => Ok("never refused".to_owned()),
        Err(error) => Err(format!("{:?}: {error}", error.kind())),
    }
}

fn write(_: &Value) -> Answer {
    ended((|| {
        let mut file = File::create("/workspace/full")?;
        for _ in 0..ENOUGH {
            file.write_all(&[b'x'; 4096])?;
        }
        Ok(())
    })())
}

fn append(_: &Value) -> Answer {
    ended((|| {
        for _ in 0..ENOUGH {
            let mut file = OpenOptions::new().create(true).append(true).open("/workspace/full")?;
            file.write_all(&[b'x'; 4096])?;
        }
        Ok(())
    })())
}

fn extend(_: &Value) -> Answer {
    ended(File::create("/workspace/full").and_then(|file| file.set_len(1 << 40)))
}

/// One byte, far out.
fn far(_: &Value) -> Answer {
    ended((|| {
        let mut file = File::create("/workspace/full")?;
        file.seek(SeekFrom::Start(1 << 40))?;
        file.write_all(b"x")
    })())
}

/// Files without content.
fn entries(_: &Value) -> Answer {
    ended((0..ENOUGH).try_for_each(|number| File::create(format!("/workspace/{number}")).map(drop)))
}

fn folders(_: &Value) -> Answer {
    ended((0..ENOUGH).try_for_each(|number| fs::create_dir(format!("/workspace/{number}"))))
}

/// Files that are removed while they are open, so that nobody sees them.
fn orphans(_: &Value) -> Answer {
    let mut kept = Vec::new();
    ended((0..100).try_for_each(|number| {
        let path = format!("/workspace/{number}");
        let mut file = File::create(&path)?;
        fs::remove_file(&path)?;
        file.write_all(&[b'x'; 32 * 1024])?;
        kept.push(file);
        Ok(())
    }))
}

/// One file of so many bytes.
fn once(arguments: &Value) -> Answer {
    let bytes = usize::try_from(arguments["bytes"].as_u64().unwrap_or_default()).unwrap_or(usize::MAX);
    let name = arguments["name"].as_str().unwrap_or("once");
    fs::write(format!("/workspace/{name}"), vec![b'x'; bytes]).map_err(|error| error.to_string())?;
    Ok("written".to_owned())
}

/// Writes and replaces one file again and again: what is replaced must be given back.
fn swap(arguments: &Value) -> Answer {
    let times = arguments["times"].as_u64().unwrap_or_default();
    ended((0..times).try_for_each(|_| {
        fs::write("/workspace/draft", [b'x'; 10_000])?;
        fs::rename("/workspace/draft", "/workspace/final")
    }))
}
