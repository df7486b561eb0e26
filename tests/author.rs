//! The program as an author meets it: from nothing to a signed package, a new key and a revocation list, through the real
//! binary, the real cargo and the real minisign.
#![expect(clippy::disallowed_methods, reason = "starting programs is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder of its own, and programs in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openpact"));
        command.env_clear().env("OPENPACT_DATA", self.file("data")).current_dir(self.0.path());
        command.args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {out}{err}");
        out
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.good(&[arguments, &["--json"]].concat())).unwrap()
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], code: i32, expected: &str) {
        let output = self.run(arguments);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: '{err}' must contain '{expected}'");
    }

    /// A public key whose secret half is in `NAME.key`.
    fn key(&self, name: &str) -> String {
        let file = format!("{name}.key");
        let made = self.json(&["key", "generate", "--unencrypted", "--output", &file]);
        made["public_key"].as_str().unwrap().to_owned()
    }

    /// A package of `acme`, without a signature.
    fn package(&self) {
        fs::write(self.file("guest.wasm"), built()).unwrap();
        fs::write(self.file("openpact.toml"), MANIFEST).unwrap();
        self.good(&["component", "pack", "guest.wasm"]);
    }
}

const MANIFEST: &str = r#"
name = "workspace"
version = "1.0.0"
publisher = "acme"
description = "Files"
license = "MIT"
kind = "tool"
"#;

/// The shipped component `workspace` as cargo built it.
fn built() -> Vec<u8> {
    let folder = target().join("guests/wasm32-wasip2/release");
    fs::read(folder.join("openpact_tool_workspace.wasm")).unwrap()
}

/// The target directory of this build.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs cargo in a project as an author would, with a target directory that the shipped components were built in: what
/// both use is compiled once.
fn cargo(project: &Path, target: &Path, arguments: &[&str]) {
    let mut command = Command::new("cargo");
    let of_outer = |name: &str| {
        let of_cargo = name.starts_with("CARGO") && name != "CARGO_HOME";
        of_cargo || name.starts_with("RUSTC") || name == "RUSTFLAGS" || name == "RUSTDOCFLAGS"
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_outer)) {
        command.env_remove(name);
    }
    command.args(arguments).arg("--target-dir").arg(target).current_dir(project).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
}

/// From nothing to a signed package, with the commands of the project's own README.
fn from_nothing(kind: &str) {
    let place = Place::new();
    place.good(&["component", "new", "my-first", "--kind", kind, "--lang", "rust", "--publisher", "acme"]);
    let project = place.file("my-first");
    let readme = place.read("my-first/README.md");
    for command in ["cargo test", "cargo build --release --target wasm32-wasip2", "openpact component pack ."]
    {
        assert!(readme.contains(command), "{command}");
    }
    let guests = target().join("guests");
    // Its own tests share what the tests of the shipped components are built of.
    cargo(&project, &target().join("native-guests"), &["test"]);
    cargo(&project, &guests, &["build", "--release", "--target", "wasm32-wasip2"]);
    let lock = place.read("my-first/Cargo.lock");
    assert!(lock.contains("wit-bindgen") && !lock.contains("teloxide"), "cargo keeps what the project uses");

    // An author has no target directory elsewhere.
    let wasm = format!("my_first_{kind}.wasm");
    let release = project.join("target/wasm32-wasip2/release");
    fs::create_dir_all(&release).unwrap();
    fs::copy(guests.join("wasm32-wasip2/release").join(&wasm), release.join(&wasm)).unwrap();
    let packed = place.json(&["component", "pack", "my-first"]);
    let manifest = &packed["inspection"]["manifest"];
    assert_eq!(packed["inspection"]["refusals"], serde_json::json!([]), "{packed:#}");
    assert_eq!(packed["inspection"]["warnings"], serde_json::json!([]), "{packed:#}");
    assert_eq!((manifest["name"].as_str(), manifest["kind"].as_str()), (Some("my-first"), Some(kind)));
    if kind == "tool" {
        assert_eq!(manifest["tools"][0]["name"], "my_first_greet");
    }
    place.key("acme");
    place.good(&["component", "sign", "my-first.wasm", "--key", "acme.key"]);
    place.good(&["publisher", "add", "acme", "acme.pub", "--prefix", "my-first"]);
    assert!(place.good(&["component", "verify", "my-first.wasm"]).contains("by 'acme'"));
}

#[test]
fn a_new_tool_builds_tests_packs_and_signs() {
    from_nothing("tool");
}

#[test]
fn a_new_adapter_builds_tests_packs_and_signs() {
    from_nothing("adapter");
}

#[test]
fn a_new_project_writes_over_nothing_and_knows_its_languages() {
    let place = Place::new();
    let written = place.json(&["component", "new", "web", "--output", "deep/er"]);
    assert!(written["files"].as_array().unwrap().iter().any(|file| file == "openpact/wit/tool/tool.wit"));
    assert!(place.read("deep/er/openpact.toml").contains("name = \"web\"\n"));
    place.fails(&["component", "new", "web", "--output", "deep/er"], 1, "is there already");
    fs::write(place.file("web"), "").unwrap();
    place.fails(&["component", "new", "web"], 1, "is there already");
    for language in ["python", "javascript"] {
        place.fails(&["component", "new", "mail", "--lang", language], 2, "comes in a later version");
    }
    assert!(!place.file("mail").exists());
    place.fails(&["component", "new", "../mail"], 2, "component name");
}

#[test]
fn a_signature_of_the_stock_tool_is_taken_in() {
    let Some(minisign) = openpact_test_programs::minisign() else { return };
    let place = Place::new();
    let stock = |arguments: &[&str]| {
        let output = Command::new(&minisign).args(arguments).current_dir(place.0.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    };
    stock(&["-G", "-W", "-p", "stock.pub", "-s", "stock.key"]);
    place.package();
    stock(&["-S", "-s", "stock.key", "-m", "workspace.wasm", "-x", "stock.minisig"]);
    fs::copy(place.file("stock.minisig"), place.file("workspace.wasm.minisig")).unwrap();
    let verify = ["component", "verify", "workspace.wasm", "--key", "stock.pub"];
    place.fails(&verify, 4, "component sign --import");

    let import = ["component", "sign", "workspace.wasm", "--key", "stock.pub", "--import"];
    place.key("other");
    let other = ["component", "sign", "workspace.wasm", "--key", "other.pub", "--import", "stock.minisig"];
    place.fails(&[&other[..], &["--force"]].concat(), 4, "it was made with the key");
    place.fails(&[&import[..], &["stock.minisig"]].concat(), 1, "'--force' replaces it");
    // Where the stock tool puts it is where it has to be.
    place.good(&[&import[..], &["workspace.wasm.minisig"]].concat());
    place.good(&verify);
    // The stock tool goes on accepting it, and signatures of ours, and it reads our keys as we read its.
    stock(&["-V", "-p", "stock.pub", "-m", "workspace.wasm"]);
    place.good(&["component", "sign", "workspace.wasm", "--key", "stock.key", "--force"]);
    place.good(&verify);
    stock(&["-V", "-p", "stock.pub", "-m", "workspace.wasm"]);
    stock(&["-S", "-s", "other.key", "-m", "workspace.wasm", "-x", "workspace.wasm.minisig"]);
    place.good(&[
        "component",
        "sign",
        "workspace.wasm",
        "--key",
        "other.pub",
        "--import",
        "workspace.wasm.minisig",
    ]);
    place.good(&["component", "verify", "workspace.wasm", "--key", "other.pub"]);

    // A signature over other bytes is none over these.
    fs::write(place.file("else"), "something else").unwrap();
    stock(&["-S", "-s", "stock.key", "-m", "else", "-x", "else.minisig"]);
    place.fails(&[&import[..], &["else.minisig", "--force"]].concat(), 4, "no signature of the key");
    // Nor does the older mode count, which signs the file without hashing it first.
    stock(&["-S", "-l", "-s", "stock.key", "-m", "workspace.wasm", "-x", "legacy.minisig"]);
    place.fails(&[&import[..], &["legacy.minisig", "--force"]].concat(), 4, "prehashed");
}

#[test]
fn a_key_rotation_is_made_and_holds() {
    let place = Place::new();
    let (old, new) = (place.key("old"), place.key("new"));
    let rotate = ["key", "rotate", "--old", "old.key", "--publisher", "acme", "--date", "2026-11-26"];
    let first = [&rotate[..], &["--new", "new.pub", "--output", "acme.rotation"]].concat();
    place.good(&first);
    let head = format!(
        "openpact key rotation 1\npublisher acme\nnumber 1\ndate 2026-11-26\nold-key {old}\nnew-key {new}\nuntrusted "
    );
    assert!(place.read("acme.rotation").starts_with(&head), "{}", place.read("acme.rotation"));
    place.fails(&first, 1, "cannot be written");
    let said = place.json(&[&rotate[..], &["--new", &new, "--number", "2", "--output", "second"]].concat());
    assert_eq!((said["number"].as_u64(), said["new"].as_str()), (Some(2), Some(new.as_str())));
    place.fails(&[&rotate[..], &["--new", &old, "--output", "x"]].concat(), 1, "is the old one");
    assert!(!place.file("x").exists());
}

#[test]
fn a_revocation_list_is_made_shown_and_followed() {
    let place = Place::new();
    let (old, new) = (place.key("old"), place.key("new"));
    place.package();
    let digest =
        place.json(&["component", "inspect", "workspace.wasm"])["digest"].as_str().unwrap().to_owned();
    let make = ["revocation", "make", "--signer", "new.key", "--publisher", "acme"];
    place.good(&[&make[..], &["--key", "old.pub", "--reason", "it was stolen", "--output", "one"]].concat());
    let shown = place.good(&["revocation", "show", "one"]);
    assert!(shown.contains(&format!("key     {old}: it was stolen\n")), "{shown}");
    let more =
        ["--package", "workspace.wasm", "--reason", "it is bad", "--previous", "one", "--output", "two"];
    let second = place.json(&[&make[..], &more].concat());
    assert_eq!((second["number"].as_u64(), second["key"].as_str()), (Some(2), Some(new.as_str())));
    assert_eq!(second["keys"][&old], "it was stolen");
    assert_eq!(second["packages"][&digest], "it is bad");
    assert_eq!(place.json(&["revocation", "show", "two"]), second);

    let altered = place.read("two").replace("it is bad", "it is good");
    fs::write(place.file("altered"), altered).unwrap();
    place.fails(&["revocation", "show", "altered"], 4, "was altered");
    let cut = place.read("two");
    fs::write(place.file("cut"), &cut[..cut.len() - 20]).unwrap();
    place.fails(&["revocation", "show", "cut"], 4, "cannot be read");
    let other = ["revocation", "make", "--signer", "old.key", "--publisher", "acme", "--previous", "one"];
    place.fails(&[&other[..], &["--key", &old, "--reason", "x", "--output", "x"]].concat(), 4, "of another");
    place.fails(&[&make[..], &["--reason", "x", "--output", "x"]].concat(), 2, "--key");
    let lines = ["--key", &old, "--reason", "a\nb", "--output", "x"];
    place.fails(&[&make[..], &lines].concat(), 1, "one line");
    assert!(!place.file("x").exists());
}
