//! The inner cargo.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use crate::environment::Environment;
use crate::{Error, Request, TARGET, crate_name};

/// What cargo says on its standard output, one JSON object a line (The Cargo Book, "External Tools").
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    /// Something was compiled, or was fresh.
    CompilerArtifact { target: Target, filenames: Vec<PathBuf> },
    /// Anything else.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds the packages of `request` into `target`; gives every component by the name of its crate.
pub(crate) fn build(
    environment: &Environment,
    request: &Request<'_>,
    target: &Path,
) -> Result<BTreeMap<String, PathBuf>, Error> {
    if request.packages.is_empty() {
        return Ok(BTreeMap::new());
    }
    // The cargo that runs the build script, not whichever is first in the path.
    let cargo = environment.get("CARGO").unwrap_or(OsStr::new("cargo"));
    let mut command = environment.command(cargo);
    command.args(["build", "--release", "--locked", "--target", TARGET]);
    command.args(["--message-format", "json-render-diagnostics", "--target-dir"]).arg(target);
    for package in request.packages {
        command.args(["--package", package]);
    }
    // Diagnostics go where the build script's own go: cargo shows them when it fails.
    let output = command
        .current_dir(request.workspace)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Start { program: cargo.display().to_string(), source })?;
    if !output.status.success() {
        return Err(Error::Failed { workspace: request.workspace.to_owned(), status: output.status });
    }
    components(&output.stdout).map_err(Error::Messages)
}

fn components(messages: &[u8]) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut components = BTreeMap::new();
    for line in messages.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")) {
        let Message::CompilerArtifact { target, filenames } = serde_json::from_slice(line)? else { continue };
        let wasm = filenames.into_iter().find(|file| file.extension() == Some(OsStr::new("wasm")));
        components.extend(wasm.map(|file| (crate_name(&target.name), file)));
    }
    Ok(components)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_taken_from_what_cargo_says() {
        let said = br#"{"reason":"compiler-artifact","package_id":"x","target":{"name":"serde","kind":["lib"]},"filenames":["/t/libserde.rlib"],"fresh":true}
   Compiling something
{"reason":"build-script-executed","package_id":"y"}
{"reason":"compiler-artifact","target":{"name":"my-guest","kind":["cdylib","rlib"]},"filenames":["/t/libmy_guest.rlib","/t/my_guest.wasm"]}
{"reason":"build-finished","success":true}
"#;
        let found = components(said).unwrap();
        assert_eq!(found, BTreeMap::from([("my_guest".to_owned(), PathBuf::from("/t/my_guest.wasm"))]));
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        assert!(components(b"{\"reason\":").is_err());
    }
}
