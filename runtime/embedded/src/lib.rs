//! The components that come with the program: built, packed and signed when the program was built.
//!
//! They are trusted by no other way than all others: the program pins [`publisher`], whose key was made for this one
//! build and whose private half was never written, and verifies each of them whenever it loads it.

use openpact_packages::Publisher;

/// The name of the publisher of these components. Nobody else may be pinned under it.
pub const PUBLISHER: &str = "embedded";

/// One embedded package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Embedded {
    /// The component's name.
    pub name: &'static str,
    /// The package: a component with its manifest.
    pub wasm: &'static [u8],
    /// The text of its signature file.
    pub signature: &'static str,
    /// The SHA-256 of `wasm`, hexadecimal.
    pub digest: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/components.rs"));

/// The embedded packages, in the order of their names.
pub fn components() -> &'static [Embedded] {
    COMPONENTS
}

/// The publisher to pin: the key of this build, for the names of these components. Without a key, which only a broken
/// build script could cause, it trusts nothing.
pub fn publisher() -> Publisher {
    let prefixes = COMPONENTS.iter().map(|component| component.name.to_owned()).collect();
    Publisher { name: PUBLISHER.to_owned(), keys: PUBLIC_KEY.parse().into_iter().collect(), prefixes }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use openpact_packages::{Refusal, Trust, verify};

    use super::*;

    fn trust() -> Trust {
        Trust { publishers: vec![publisher()], ..Trust::default() }
    }

    #[test]
    fn every_component_of_the_repository_is_embedded() {
        let folder = |kind| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../components").join(kind);
        let entries = |kind| fs::read_dir(folder(kind)).unwrap().map(|entry| entry.unwrap());
        let folders = entries("tools")
            .chain(entries("adapters"))
            .filter(|entry| entry.path().join("Cargo.toml").is_file());
        let folders: BTreeSet<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
        let embedded: BTreeSet<_> = components().iter().map(|component| component.name.to_owned()).collect();
        assert!(!embedded.is_empty());
        assert_eq!(embedded, folders);
    }

    #[test]
    fn every_embedded_component_is_verified_like_any_other() {
        for component in components() {
            let verified = verify(component.wasm.to_vec(), component.signature, &trust()).unwrap();
            assert_eq!(verified.manifest().name.as_str(), component.name);
            assert_eq!(verified.digest().to_string(), component.digest);
            assert_eq!(verified.publisher(), PUBLISHER);
        }
    }

    #[test]
    fn an_altered_one_is_refused() {
        for component in components() {
            let mut bytes = component.wasm.to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            assert_eq!(verify(bytes, component.signature, &trust()).unwrap_err(), Refusal::Altered);
        }
    }

    #[test]
    fn the_embedded_key_speaks_for_no_other_name() {
        assert!(!publisher().may_publish(&"something-else".parse().unwrap()));
    }

    #[test]
    fn the_build_leaves_no_private_key() {
        let expected = |name: &str| {
            let names = components().iter().map(|component| component.name);
            let mut files = names.flat_map(|name| [format!("{name}.wasm"), format!("{name}.wasm.minisig")]);
            files.any(|file| file == name) || name == "components.rs" || name == "embedded.pub"
        };
        for entry in fs::read_dir(env!("OUT_DIR")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(expected(&name), "{name} does not belong there");
        }
    }
}
