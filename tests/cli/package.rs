//! Packages and the tools that come with the program.

use super::*;

#[test]
fn a_package_is_made_signed_and_verified_and_a_changed_one_is_refused() {
    let place = Place::new();
    let made = place.json(&["key", "generate", "--unencrypted", "--output", "acme.key"]);
    assert_eq!(fs::metadata(place.file("acme.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let public = made["public_key"].as_str().unwrap();
    place.fails(&["key", "generate", "--unencrypted", "--output", "acme.key"], 1, &["is there already"]);
    place.fails(&["key", "generate", "--output", "other.key"], 2, &["--passphrase-file"]);

    let guest = guest("workspace");
    fs::copy(&guest.wasm, place.file("guest.wasm")).unwrap();
    let manifest = fs::read_to_string(&guest.manifest).unwrap().replace("\"embedded\"", "\"acme\"");
    fs::write(place.file("openpact.toml"), manifest).unwrap();
    place.fails(
        &["component", "sign", "guest.wasm", "--key", "acme.key"],
        4,
        &["not signed", "has no manifest"],
    );
    place.good(&["component", "pack", "guest.wasm"]);
    let inspection = place.json(&["component", "inspect", "workspace.wasm"]);
    assert_eq!(inspection["manifest"]["publisher"], "acme", "{inspection:#}");
    place.fails(&["component", "verify", "workspace.wasm"], 4, &["not signed"]);
    place.good(&["component", "sign", "workspace.wasm", "--key", "acme.key"]);
    place.good(&["component", "verify", "workspace.wasm", "--key", public]);
    place.good(&["component", "verify", "workspace.wasm", "--key", "acme.pub"]);
    place.fails(&["component", "verify", "workspace.wasm"], 4, &["belongs to no pinned publisher"]);

    place.good(&["publisher", "add", "acme", "acme.pub", "--prefix", "other"]);
    place.fails(&["component", "verify", "workspace.wasm"], 4, &["may not publish", "workspace", "other"]);
    place.good(&["publisher", "remove", "acme"]);
    place.good(&["publisher", "add", "acme", public, "--prefix", "workspace"]);
    assert!(place.good(&["component", "verify", "workspace.wasm"]).out.contains("by 'acme'"));
    place.fails(&["publisher", "add", "embedded", public, "--prefix", "x"], 4, &["the program itself"]);
    place.fails(
        &["publisher", "add", "x", "nonsense", "--prefix", "x"],
        2,
        &["neither a public key nor a file"],
    );

    let mut altered = fs::read(place.file("workspace.wasm")).unwrap();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    fs::write(place.file("workspace.wasm"), &altered).unwrap();
    place.fails(&["component", "verify", "workspace.wasm"], 4, &["workspace.wasm: "]);
    fs::write(place.file("random.wasm"), b"not a component at all").unwrap();
    place.fails(&["component", "inspect", "random.wasm"], 4, &["not a WebAssembly component"]);
    place.fails(&["component", "inspect", "missing.wasm"], 1, &["missing.wasm cannot be read"]);
}

/// The build cannot run components, so it packs the list of tools that is checked in; here the component is asked.
#[test]
fn the_checked_in_tools_are_those_that_the_components_list() {
    let place = Place::new();
    for name in ["memory", "web", "workspace"] {
        let guest = guest(name);
        fs::copy(&guest.wasm, place.file("guest.wasm")).unwrap();
        fs::copy(&guest.manifest, place.file("openpact.toml")).unwrap();
        let packed = place.json(&["component", "pack", "guest.wasm"]);
        let checked_in: Value = serde_json::from_str(&fs::read_to_string(&guest.tools).unwrap()).unwrap();
        let tools = &packed["inspection"]["manifest"]["tools"];
        assert_eq!(
            list(&packed["inspection"]["manifest"], "tools").len(),
            checked_in.as_array().unwrap().len()
        );
        assert_eq!(*tools, checked_in, "components/tools/{name}/tools.json is stale");
    }
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_alone() {
    let place = Place::new();
    fs::write(place.file("passphrase"), "correct horse\n").unwrap();
    fs::write(place.file("wrong"), "battery staple\n").unwrap();
    let made = place.json(&["key", "generate", "--passphrase-file", "passphrase", "--output", "acme.key"]);
    assert_eq!(made["encrypted"], true);
    let guest = guest("workspace");
    fs::copy(&guest.wasm, place.file("guest.wasm")).unwrap();
    fs::copy(&guest.manifest, place.file("openpact.toml")).unwrap();
    place.good(&["component", "pack", "guest.wasm", "--output", "packed.wasm"]);
    let sign = ["component", "sign", "packed.wasm", "--key", "acme.key"];
    place.fails(&sign, 2, &["--passphrase-file"]);
    place.fails(&[&sign[..], &["--passphrase-file", "wrong"]].concat(), 1, &["acme.key"]);
    place.good(&[&sign[..], &["--passphrase-file", "passphrase"]].concat());
    place.good(&["component", "verify", "packed.wasm", "--key", "acme.pub"]);
}

/// A component as cargo builds it, and its manifest.
struct Guest {
    wasm: PathBuf,
    manifest: PathBuf,
    /// What it lists, as it is checked in.
    tools: PathBuf,
}

/// A component that the build of this very binary made.
fn guest(name: &str) -> Guest {
    let binary = Path::new(env!("CARGO_BIN_EXE_openpact"));
    let built = format!("guests/wasm32-wasip2/release/openpact_tool_{name}.wasm");
    let places: Vec<_> = binary.ancestors().map(|above| above.join(&built)).collect();
    let wasm = places.iter().find(|place| place.is_file());
    let wasm = wasm.unwrap_or_else(|| panic!("none of {places:?} is there")).clone();
    let folder = repository().join("components/tools").join(name);
    Guest { wasm, manifest: folder.join("openpact.toml"), tools: folder.join("tools.json") }
}
