//! What the inner cargo may see of the environment that the outer cargo made.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

/// The variable that decides whether guests are built; cargo runs the build script again when it changes.
pub const DECISIVE: [&str; 1] = ["RUSTC_WORKSPACE_WRAPPER"];

/// What a person says to any cargo, outer or inner: where its home is, how it reaches the network. The job server goes
/// along too, so that both together run no more compilers than the machine has cores.
const KEPT: [&str; 6] =
    ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTRY_", "CARGO_REGISTRIES_"];

/// What the outer cargo, or a person, says about the outer build alone.
const DROPPED: [&str; 16] = [
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUSTC",
    "RUSTDOC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_LINKER",
    "OUT_DIR",
    "TARGET",
    "HOST",
    "NUM_JOBS",
    "OPT_LEVEL",
    "PROFILE",
    "DEBUG",
    "MAKEFLAGS",
    "MFLAGS",
];

/// The environment of a build script.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The environment of this process.
    pub fn of_build_script() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The value of a variable; `None` where it is empty, as cargo writes it for some.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Whether clippy compiles in place of rustc.
    pub fn is_clippy(&self) -> bool {
        let wrapper = self.get("RUSTC_WORKSPACE_WRAPPER").and_then(|path| Path::new(path).file_stem());
        wrapper.is_some_and(|stem| stem == "clippy-driver")
    }

    /// A command that sees nothing of the outer build.
    #[expect(
        clippy::disallowed_methods,
        reason = "this crate runs in build scripts alone, never in the runtime"
    )]
    pub(crate) fn command(&self, program: &OsStr) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.0.iter().filter(|(name, _)| !is_of_outer_build(name)));
        command
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

fn is_of_outer_build(name: &OsStr) -> bool {
    // A name that is no text is none of cargo's.
    let Some(name) = name.to_str() else { return false };
    if KEPT.iter().any(|kept| name == *kept || (kept.ends_with('_') && name.starts_with(kept))) {
        return false;
    }
    name.starts_with("CARGO")
        || name.starts_with("DEP_")
        || name.starts_with("CLIPPY_")
        || DROPPED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_cargo_sees_nothing_of_the_outer_build() {
        for outer in [
            "CARGO",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_BUILD_TARGET_DIR",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_INCREMENTAL",
            "CARGO_MANIFEST_DIR",
            "CARGO_PKG_NAME",
            "CARGO_FEATURE_DEFAULT",
            "CARGO_CFG_TARGET_OS",
            "CARGO_HOMES",
            "RUSTFLAGS",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "CLIPPY_ARGS",
            "OUT_DIR",
            "TARGET",
            "PROFILE",
            "DEP_Z_ROOT",
        ] {
            assert!(is_of_outer_build(OsStr::new(outer)), "{outer} must not reach the inner cargo");
        }
    }

    #[test]
    fn the_inner_cargo_sees_what_a_person_set_up() {
        for kept in [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_HTTP_PROXY",
            "CARGO_REGISTRIES_CRATES_IO_PROTOCOL",
            "CARGO_MAKEFLAGS",
            "RUSTUP_HOME",
            "RUSTUP_TOOLCHAIN",
            "https_proxy",
            "TARGETS",
        ] {
            assert!(!is_of_outer_build(OsStr::new(kept)), "{kept} must reach the inner cargo");
        }
    }

    #[test]
    fn clippy_is_known_by_its_wrapper() {
        let with = |value: &str| Environment::from_iter([("RUSTC_WORKSPACE_WRAPPER", value)]).is_clippy();
        assert!(with("/opt/toolchain/bin/clippy-driver"));
        assert!(with("clippy-driver.exe"));
        assert!(!with("/usr/bin/sccache"));
        assert!(!with("/opt/clippy-driver/bin/sccache"));
        assert!(!with(""));
        assert!(!Environment::default().is_clippy());
    }
}
