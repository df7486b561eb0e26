//! Builds guests for `wasm32-wasip2` from within a build script.
//!
//! A cargo inside a cargo goes wrong in ways that show late and elsewhere, so this is the one place where it is done:
//!
//! - The outer cargo talks to its children through the environment. An inherited `CARGO_ENCODED_RUSTFLAGS` erases the
//!   flags that the guests' own configuration states, an inherited `CARGO_TARGET_DIR` makes the inner cargo wait for a
//!   lock that the outer one holds, a wrapper such as clippy's would compile the guests. [`environment`] decides what
//!   the inner cargo sees.
//! - It builds into `<outer target directory>/guests`, found from `OUT_DIR`, with the guests' own lock file.
//! - A missing target is added with rustup, aloud, since cargo's own error does not say that this is all it takes.
//!
//! Under clippy nothing is built, because nothing that clippy makes is ever run: what an earlier build left is used, or
//! nothing. Cargo keeps what runs under clippy apart, so a program never gets that set. `cargo check` and `cargo doc`
//! do build the guests, or find them built: a build script cannot tell them from `cargo build`, and guessing wrong would
//! put an empty set into a program.

mod cargo;
pub mod environment;
mod target;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use environment::Environment;

/// The target that guests are built for.
pub const TARGET: &str = "wasm32-wasip2";

/// What is to be built.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The folder of the guests' cargo workspace; its `.cargo/config.toml` applies.
    pub workspace: &'a Path,
    /// The packages to build.
    pub packages: &'a [String],
    /// The files and folders whose change makes the build script run again. A folder counts with all below it, so a
    /// target directory must not be in there.
    pub watch: &'a [PathBuf],
}

/// The components that were built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guests {
    /// The component files by the name of their crate, with `_` for `-`.
    pub components: BTreeMap<String, PathBuf>,
    /// Whether nothing was built, because clippy is running: some or all of them may be missing or old.
    pub skipped: bool,
}

/// The guests could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was not called from a build script.
    #[error("{variable} is not set: guests are built from build scripts alone")]
    NoBuildScript {
        /// The variable that cargo sets for build scripts.
        variable: &'static str,
    },
    /// There is no target directory around `OUT_DIR`.
    #[error("no target directory of cargo lies around {}", .0.display())]
    NoTargetDirectory(PathBuf),
    /// Something to watch is not there; cargo would then run the build script every time.
    #[error("{} is not there, so its changes cannot be watched", .0.display())]
    NothingToWatch(PathBuf),
    /// A program did not start.
    #[error("{program} cannot be started")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The compiler did not tell where its libraries are.
    #[error("rustc does not tell where the libraries of the target {TARGET} are ({0})")]
    Rustc(String),
    /// The target is missing and could not be added.
    #[error("the target {TARGET} is not installed, and adding it failed ({why}); run: {command}")]
    TargetMissing {
        /// The command that adds it.
        command: String,
        /// Why it failed.
        why: String,
    },
    /// The inner cargo failed. What it said is above this.
    #[error("cargo could not build the guests in {} ({status}); what it said is above", .workspace.display())]
    Failed {
        /// Where.
        workspace: PathBuf,
        /// How it ended.
        status: ExitStatus,
    },
    /// The inner cargo said something that could not be read.
    #[error("what cargo says while it builds the guests cannot be read")]
    Messages(#[source] io::Error),
    /// A package made no component.
    #[error("the package {0} made no component: give its library crate-type = [\"cdylib\"]")]
    NoComponent(String),
}

impl Guests {
    /// The component of a package whose library or only program has the package's name.
    pub fn of(&self, package: &str) -> Option<&Path> {
        self.components.get(&crate_name(package)).map(PathBuf::as_path)
    }
}

/// Builds the guests of `request`, or takes what is there under clippy. To be called from a build script; prints its
/// instructions for cargo.
///
/// # Errors
/// When the guests cannot be built. A build script should end with it.
pub fn build(request: &Request<'_>) -> Result<Guests, Error> {
    watch(request.watch)?;
    let environment = Environment::of_build_script();
    let out = environment.get("OUT_DIR").ok_or(Error::NoBuildScript { variable: "OUT_DIR" })?;
    let target = target::directory(Path::new(out))?.join("guests");
    if environment.is_clippy() {
        return Ok(Guests { components: built_before(&target, request.packages), skipped: true });
    }
    target::ensure(&environment, request.workspace)?;
    let components = cargo::build(&environment, request, &target)?;
    for package in request.packages {
        if !components.contains_key(&crate_name(package)) {
            return Err(Error::NoComponent(package.clone()));
        }
    }
    Ok(Guests { components, skipped: false })
}

fn watch(paths: &[PathBuf]) -> Result<(), Error> {
    for path in paths {
        if !path.exists() {
            return Err(Error::NothingToWatch(path.clone()));
        }
        println!("cargo:rerun-if-changed={}", path.display());
    }
    for variable in environment::DECISIVE {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    Ok(())
}

/// What an earlier build left.
fn built_before(target: &Path, packages: &[String]) -> BTreeMap<String, PathBuf> {
    let folder = target.join(TARGET).join("release");
    let files = packages.iter().map(|package| {
        let name = crate_name(package);
        let file = folder.join(&name).with_extension("wasm");
        (name, file)
    });
    files.filter(|(_, file)| file.is_file()).collect()
}

fn crate_name(package: &str) -> String {
    package.replace('-', "_")
}

#[cfg(test)]
mod tests;
