//! Programs from Debian packages, unpacked into the user's cache without installing them.
#![expect(
    clippy::disallowed_methods,
    reason = "tests start the programs of others; the runtime does not use this crate"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// `promtool`, which checks what Prometheus would read; `None` where it cannot be had, which it says loudly. Safe to
/// call from many processes at a time: they wait for each other.
///
/// # Panics
///
/// Where it cannot be had and `CI` is set.
pub fn promtool() -> Option<PathBuf> {
    static UNPACKED: OnceLock<Option<PathBuf>> = OnceLock::new();
    UNPACKED.get_or_init(|| found("prometheus", "usr/bin/promtool")).clone()
}

/// `minisign`, the stock tool that signs files; otherwise as [`promtool`]. It needs the system's libsodium.
///
/// # Panics
///
/// As [`promtool`].
pub fn minisign() -> Option<PathBuf> {
    static UNPACKED: OnceLock<Option<PathBuf>> = OnceLock::new();
    UNPACKED.get_or_init(|| found("minisign", "usr/bin/minisign")).clone()
}

fn found(package: &str, file: &str) -> Option<PathBuf> {
    match program(package, file) {
        Ok(path) => Some(path),
        Err(why) => {
            crate::missing(package, why);
            None
        }
    }
}

/// A file of a package.
fn program(package: &str, file: &str) -> Result<PathBuf, String> {
    let cache = crate::cache()?;
    fs::create_dir_all(&cache).map_err(|error| format!("cannot make {}: {error}", cache.display()))?;
    let door = cache.join("debian.lock");
    let door = File::create(&door).map_err(|error| format!("cannot open {}: {error}", door.display()))?;
    door.lock().map_err(|error| format!("cannot lock the cache: {error}"))?;
    let done = cache.join(format!("debian-{package}"));
    let program = done.join(file);
    if !program.is_file() {
        let partial = cache.join(format!("debian-{package}.partial"));
        unpack(package, &partial)?;
        let kept = |error| format!("cannot keep what was unpacked: {error}");
        if done.exists() {
            fs::remove_dir_all(&done).map_err(kept)?;
        }
        fs::rename(&partial, &done).map_err(kept)?;
    }
    if program.is_file() { Ok(program) } else { Err(format!("the package {package} has no {file}")) }
}

/// Downloads a package (apt checks its signature) and unpacks it without running any of its scripts.
fn unpack(package: &str, folder: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| format!("cannot fill {}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(told)?;
    }
    fs::create_dir_all(folder).map_err(told)?;
    run(Command::new("apt-get").args(["download", "-q", package]).current_dir(folder))?;
    let entries: Result<Vec<_>, _> = fs::read_dir(folder).map_err(told)?.collect();
    let archive = entries.map_err(told)?.into_iter().map(|entry| entry.path());
    let archive = archive.into_iter().find(|path| path.extension().is_some_and(|end| end == "deb"));
    let archive = archive.ok_or_else(|| format!("apt-get downloaded no package {package}"))?;
    run(Command::new("dpkg").arg("-x").args([&*archive, folder]))?;
    fs::remove_file(&archive).map_err(told)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let name = command.get_program().to_string_lossy().into_owned();
    let output = output.map_err(|error| format!("{name} does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_run() {
        for (program, version) in [(promtool(), "--version"), (minisign(), "-v")] {
            let Some(program) = program else { continue };
            let output = Command::new(program).arg(version).output().expect("it starts");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
