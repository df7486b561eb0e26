//! The two things called target: cargo's directory, and what is compiled for.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::{Error, TARGET};

/// The file that cargo puts into the root of every target directory.
const MARK: &str = "CACHEDIR.TAG";

/// The outer target directory around `out`, the `OUT_DIR` of a build script. How many folders lie between differs by
/// version and by whether a target was named.
pub(crate) fn directory(out: &Path) -> Result<PathBuf, Error> {
    let marked = out.ancestors().find(|folder| folder.join(MARK).is_file());
    let directory = marked.or_else(|| {
        // A directory that somebody made before cargo came has no mark: <target>/<profile>/build/<package>/out.
        let build = out.ancestors().find(|folder| folder.file_name() == Some(OsStr::new("build")))?;
        build.parent()?.parent()
    });
    directory.map(Path::to_owned).ok_or_else(|| Error::NoTargetDirectory(out.to_owned()))
}

/// Makes sure that the toolchain in use can compile guests.
pub(crate) fn ensure(environment: &Environment, workspace: &Path) -> Result<(), Error> {
    if is_installed(environment, workspace)? {
        return Ok(());
    }
    let mut arguments = vec!["target", "add", TARGET];
    if let Some(toolchain) = environment.get("RUSTUP_TOOLCHAIN").and_then(OsStr::to_str) {
        arguments.extend(["--toolchain", toolchain]);
    }
    let command = format!("rustup {}", arguments.join(" "));
    println!("cargo:warning=the target {TARGET} is not installed; adding it now: {command}");
    let missing = |why| Error::TargetMissing { command: command.clone(), why };
    let output = environment.command(OsStr::new("rustup")).args(&arguments).current_dir(workspace).output();
    let output = output.map_err(|error| missing(format!("rustup cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(missing(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    if !is_installed(environment, workspace)? {
        return Err(missing("rustup added it to another toolchain than rustc belongs to".to_owned()));
    }
    Ok(())
}

/// Whether the libraries of the target are there. The compiler names their folder whether it exists or not.
fn is_installed(environment: &Environment, workspace: &Path) -> Result<bool, Error> {
    let rustc = environment.get("RUSTC").unwrap_or(OsStr::new("rustc"));
    let output = environment
        .command(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(workspace)
        .output()
        .map_err(|source| Error::Start { program: rustc.display().to_string(), source })?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || folder.is_empty() {
        return Err(Error::Rustc(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(Path::new(&folder).is_dir())
}
