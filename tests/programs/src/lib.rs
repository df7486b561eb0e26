//! Programs of others that tests run against: installed from their registries, pinned.
//!
//! What is missing on a machine is said loudly and skipped there; where `CI` is set it is a failure instead, so that
//! the gate cannot pass by having tried nothing.

mod debian;
mod node;

pub use debian::{minisign, promtool};
pub use node::{Npm, Running, npm};

use std::env;
use std::fmt::Display;
use std::path::PathBuf;

/// Says what is skipped and why; with `CI` set it fails.
///
/// # Panics
///
/// With `CI` set in the environment.
pub fn missing(what: &str, why: impl Display) {
    assert!(env::var_os("CI").is_none(), "{what} is not there, and CI must have it: {why}");
    eprintln!("\n*** SKIPPED, for want of {what}: {why} ***\n");
}

/// Where installed programs stay between runs: `openpact/programs` in the user's cache folder.
///
/// # Errors
///
/// If neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache() -> Result<PathBuf, &'static str> {
    let user = env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    user.or_else(home)
        .map(|cache| cache.join("openpact/programs"))
        .ok_or("neither XDG_CACHE_HOME nor HOME is set")
}
