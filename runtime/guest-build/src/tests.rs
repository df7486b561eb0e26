//! Tests with a cargo workspace of one small guest.

use std::fs;

use tempfile::TempDir;

use super::*;

const GUEST: &str = "[workspace]\n[package]\nname = \"small-guest\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                     [lib]\ncrate-type = [\"cdylib\"]\n";

/// A guest that compiles only with the flag of its own configuration.
const CODE: &str = "#[cfg(not(guest_flag))]\ncompile_error!(\"the flag of .cargo/config.toml is lost\");\n";

const CONFIGURATION: &str = "[target.wasm32-wasip2]\nrustflags = [\"--cfg\", \"guest_flag\"]\n";

const LOCK: &str = "version = 4\n\n[[package]]\nname = \"small-guest\"\nversion = \"0.1.0\"\n";

struct Workspace(TempDir);

impl Workspace {
    fn new() -> Self {
        let workspace = Self(tempfile::tempdir().unwrap());
        for (path, text) in [
            ("guests/Cargo.toml", GUEST),
            ("guests/Cargo.lock", LOCK),
            ("guests/.cargo/config.toml", CONFIGURATION),
            ("guests/src/lib.rs", CODE),
            ("target/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n"),
        ] {
            workspace.write(path, text);
        }
        workspace
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A program made of a shell script. Written by a process of its own: a file that this one, or a child that it
    /// starts at that moment, holds open for writing cannot be executed.
    #[expect(clippy::disallowed_methods, reason = "a test of starting programs needs programs")]
    fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::create_dir_all(self.path("bin")).unwrap();
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"";
        let status =
            std::process::Command::new("/bin/sh").args(["-c", write]).arg(&path).arg(script).status();
        assert!(status.unwrap().success());
    }

    /// The environment that an outer cargo makes, at its worst.
    fn environment(&self) -> Environment {
        let kept = std::env::vars_os().filter(|(name, _)| {
            ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"].iter().any(|kept| name == kept)
        });
        let hostile = [
            ("CARGO_ENCODED_RUSTFLAGS", String::new()),
            ("CARGO_TARGET_DIR", self.path("elsewhere").display().to_string()),
            ("CARGO_BUILD_TARGET", "no-such-target".to_owned()),
            ("RUSTFLAGS", "--no-such-flag".to_owned()),
            ("RUSTC_WRAPPER", "/no/such/wrapper".to_owned()),
            ("RUSTC_WORKSPACE_WRAPPER", "/no/such/wrapper".to_owned()),
        ];
        kept.chain(hostile.map(|(name, value)| (name.into(), value.into()))).collect()
    }

    fn build(&self, packages: &[&str]) -> Result<BTreeMap<String, PathBuf>, Error> {
        let packages: Vec<_> = packages.iter().map(|&package| package.to_owned()).collect();
        let workspace = self.path("guests");
        let request = Request { workspace: &workspace, packages: &packages, watch: &[] };
        let environment = self.environment();
        target::ensure(&environment, &workspace)?;
        cargo::build(&environment, &request, &self.path("target/guests"))
    }
}

#[test]
fn a_guest_is_built_whatever_the_outer_cargo_says() {
    let workspace = Workspace::new();
    let components = workspace.build(&["small-guest"]).unwrap();
    let wasm = fs::read(&components["small_guest"]).unwrap();
    assert_eq!(wasm[..8], *b"\0asm\x0d\0\x01\0", "a component");
    assert!(!workspace.path("elsewhere").exists());

    let again = built_before(&workspace.path("target/guests"), &["small-guest".into(), "other".into()]);
    assert_eq!(again, components, "what was built is found again without cargo");
}

#[test]
fn a_guest_that_does_not_compile_is_an_error() {
    let workspace = Workspace::new();
    workspace.write("guests/.cargo/config.toml", "");
    assert!(matches!(workspace.build(&["small-guest"]), Err(Error::Failed { .. })));
}

#[test]
fn an_old_lock_file_is_an_error() {
    let workspace = Workspace::new();
    workspace.write("guests/Cargo.lock", &LOCK.replace("small-guest", "another"));
    assert!(matches!(workspace.build(&["small-guest"]), Err(Error::Failed { .. })));
}

#[test]
fn nothing_to_build_needs_no_workspace() {
    let workspace = Workspace::new();
    let nowhere = workspace.path("nowhere");
    let request = Request { workspace: &nowhere, packages: &[], watch: &[] };
    assert_eq!(cargo::build(&workspace.environment(), &request, &nowhere).unwrap(), BTreeMap::new());
}

#[test]
fn the_target_directory_is_found_from_below() {
    let workspace = Workspace::new();
    for out in ["target/debug/build/x-1/out", "target/x86_64-unknown-linux-gnu/release/build/x/1/out"] {
        assert_eq!(target::directory(&workspace.path(out)).unwrap(), workspace.path("target"), "{out}");
    }
    let unmarked = Path::new("/a/target/debug/build/x-1/out");
    assert_eq!(target::directory(unmarked).unwrap(), Path::new("/a/target"));
    assert!(matches!(target::directory(Path::new("/a/out")), Err(Error::NoTargetDirectory(_))));
}

#[test]
fn what_is_to_be_watched_must_be_there() {
    let workspace = Workspace::new();
    watch(&[workspace.path("guests")]).unwrap();
    assert!(matches!(watch(&[workspace.path("gone")]), Err(Error::NothingToWatch(_))));
}

#[test]
fn a_missing_target_that_cannot_be_added_is_told_with_the_command() {
    let workspace = Workspace::new();
    // A compiler that names a folder which is not there, and no rustup.
    workspace.program("rustc", "echo /no/such/folder");
    let path = workspace.path("bin").display().to_string();
    let environment: Environment =
        [("PATH", path), ("RUSTUP_TOOLCHAIN", "1.95.0".to_owned())].into_iter().collect();
    let error = target::ensure(&environment, &workspace.path("guests")).unwrap_err();
    let Error::TargetMissing { command, .. } = &error else { panic!("{error:?}") };
    assert_eq!(command, "rustup target add wasm32-wasip2 --toolchain 1.95.0");
    assert!(error.to_string().contains(command));

    workspace.program("rustup", "echo no network >&2; exit 1");
    let error = target::ensure(&environment, &workspace.path("guests")).unwrap_err().to_string();
    assert!(error.contains("(no network)"), "{error}");
}

#[test]
fn a_missing_target_is_added() {
    let workspace = Workspace::new();
    let folder = workspace.path("library");
    workspace.program("rustc", &format!("echo {}", folder.display()));
    workspace.program(
        "rustup",
        &format!("[ \"$*\" = \"target add {TARGET}\" ] && /bin/mkdir {}", folder.display()),
    );
    let environment: Environment = [("PATH", workspace.path("bin").display())]
        .map(|(name, value)| (name, value.to_string()))
        .into_iter()
        .collect();
    target::ensure(&environment, &workspace.path("guests")).unwrap();
    assert!(folder.is_dir());
}
