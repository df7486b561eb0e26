//! What `openpact component new` writes: a project that builds, tests, packs and signs, with the SDK and the interfaces
//! of this very program along, so that an author needs nothing but Rust and the crates that the SDK uses.

/// What the component is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tools.
    Tool,
    /// A chat adapter.
    Adapter,
}

/// A new project.
#[derive(Debug, Clone, Copy)]
pub struct Project<'a> {
    /// The component's name, as a manifest may state it.
    pub name: &'a str,
    /// The publisher's name, as a manifest may state it.
    pub publisher: &'a str,
    /// What it is.
    pub kind: Kind,
}

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path below the project's folder, with `/`.
    pub path: &'static str,
    /// Its text.
    pub text: String,
}

include!(concat!(env!("OUT_DIR"), "/shared.rs"));

/// The files of one kind, with the words `__NAME__`, `__WORD__` and `__PUBLISHER__` where the project's own stand.
type Own = [(&'static str, &'static str); 5];

const TOOL: Own = [
    ("Cargo.toml", include_str!("../files/tool-manifest.toml")),
    ("openpact.toml", include_str!("../files/tool-openpact.toml")),
    ("src/lib.rs", include_str!("../files/tool.rs")),
    ("README.md", include_str!("../files/readme.md")),
    (".gitignore", IGNORED),
];

const ADAPTER: Own = [
    ("Cargo.toml", include_str!("../files/adapter-manifest.toml")),
    ("openpact.toml", include_str!("../files/adapter-openpact.toml")),
    ("src/lib.rs", include_str!("../files/adapter.rs")),
    ("README.md", include_str!("../files/readme.md")),
    (".gitignore", IGNORED),
];

const IGNORED: &str = "/target/\n*.key\n*.wasm\n*.minisig\n";

impl Project<'_> {
    /// Its files.
    pub fn files(&self) -> Vec<File> {
        let own = match self.kind {
            Kind::Tool => TOOL,
            Kind::Adapter => ADAPTER,
        };
        let own = own.into_iter().map(|(path, text)| File { path, text: self.fill(text) });
        own.chain(SHARED.iter().map(|(path, text)| File { path, text: (*text).to_owned() })).collect()
    }

    fn fill(&self, text: &str) -> String {
        text.replace("__NAME__", self.name)
            .replace("__WORD__", &self.name.replace('-', "_"))
            .replace("__PUBLISHER__", self.publisher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(kind: Kind) -> Vec<File> {
        Project { name: "my-name", publisher: "acme", kind }.files()
    }

    fn text(files: &[File], path: &str) -> String {
        let file = files.iter().find(|file| file.path == path);
        file.unwrap_or_else(|| panic!("there is no {path}")).text.clone()
    }

    #[test]
    fn every_word_is_filled_in_and_every_path_is_there_once() {
        for kind in [Kind::Tool, Kind::Adapter] {
            let files = files(kind);
            assert!(
                files.iter().all(|file| !file.text.contains("__NAME__") && !file.text.contains("__WORD__"))
            );
            let paths: std::collections::BTreeSet<_> = files.iter().map(|file| file.path).collect();
            assert_eq!(paths.len(), files.len());
            assert!(paths.iter().all(|path| !path.starts_with('/') && !path.contains("..")));
            assert!(text(&files, "openpact.toml").contains("name = \"my-name\"\n"));
            assert!(text(&files, "openpact.toml").contains("publisher = \"acme\"\n"));
            assert!(text(&files, "openpact/wit/tool/tool.wit").contains("package openpact:tool@"));
        }
    }

    #[test]
    fn the_sdk_stands_alone() {
        let sdk: toml::Table = text(&files(Kind::Tool), "openpact/sdk/rust/Cargo.toml").parse().unwrap();
        assert!(!sdk.to_string().contains("workspace"), "{sdk}");
        assert_eq!(sdk["package"]["name"].as_str(), Some("openpact-sdk"));
        assert!(sdk["dependencies"]["wit-bindgen"]["version"].is_str(), "{sdk}");
        assert_eq!(sdk["dependencies"]["wit-bindgen"]["optional"].as_bool(), Some(true));
    }

    /// Else the project would compile everything once more that was compiled for the shipped components, and its
    /// components would be larger or smaller than those for no reason.
    #[test]
    fn a_project_is_built_as_the_components_of_this_program_are() {
        let ours: toml::Table = include_str!("../../../components/Cargo.toml").parse().unwrap();
        for kind in [Kind::Tool, Kind::Adapter] {
            let theirs: toml::Table = text(&files(kind), "Cargo.toml").parse().unwrap();
            assert_eq!(theirs["profile"], ours["profile"]);
            for (name, dependency) in theirs["dependencies"].as_table().unwrap() {
                if name != "openpact-sdk" {
                    assert_eq!(*dependency, ours["workspace"]["dependencies"][name], "{name}");
                }
            }
        }
    }
}
