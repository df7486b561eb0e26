//! Builds the tools of `components/tools` and the adapters of `components/adapters`, packs and signs them, and writes the
//! table of what this crate embeds.
//!
//! The key that signs them is made here and dropped when this process ends; only its public half is written. So the
//! publisher `embedded` is bound to this one build, and nobody can ever sign another component in its name.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use openpact_guest_build::{Guests, Request};
use openpact_model::id::Digest;
use openpact_model::tool::ToolSpec;
use openpact_packages::key::{PublicKey, SecretKey};
use openpact_packages::{Publisher, Trust, pack, sign, verify};

/// What the guests are made of. Never the whole folder: somebody may have built in there.
const SOURCES: [&str; 10] = [
    "components/Cargo.toml",
    "components/Cargo.lock",
    "components/.cargo",
    "components/sdk",
    "components/shims",
    "components/text",
    "components/kit",
    "components/tools",
    "components/adapters",
    "wit",
];

/// The generated table, included by `src/lib.rs`.
const TABLE: &str = "components.rs";

/// The public key of this build.
const PUBLIC_KEY: &str = "embedded.pub";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A component of the repository.
struct Source {
    name: String,
    /// Its folder, relative to the repository.
    folder: String,
    /// Its cargo package.
    package: String,
    /// Whether it has tools, and so a `tools.json`.
    has_tools: bool,
}

/// A package before it is signed.
struct Package {
    name: String,
    bytes: Vec<u8>,
}

/// Where things are.
struct Folders {
    repository: PathBuf,
    out: PathBuf,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the embedded components cannot be made: {error}");
            for cause in std::iter::successors(error.source(), |cause| (*cause).source()) {
                eprintln!("because: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let folders = Folders::of_this_build()?;
    let sources = folders.sources()?;
    let guests = folders.build(&sources)?;
    if guests.skipped && folders.out.join(TABLE).is_file() {
        return Ok(());
    }
    let built = sources.iter().filter(|source| guests.of(&source.package).is_some());
    let packages = built.map(|source| folders.pack(source, &guests)).collect::<Result<Vec<_>>>()?;
    if !folders.has(&packages) {
        folders.sign(&packages)?;
    }
    Ok(())
}

impl Folders {
    fn of_this_build() -> Result<Self> {
        let variable =
            |name| std::env::var_os(name).ok_or(format!("{name} is not set: this is a build script"));
        let crate_folder = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
        let repository =
            crate_folder.ancestors().nth(2).ok_or("the repository is two folders up")?.to_owned();
        Ok(Self { repository, out: variable("OUT_DIR")?.into() })
    }

    /// The components, in the order of their names: the folders that hold a cargo package.
    fn sources(&self) -> Result<Vec<Source>> {
        let mut sources = vec![];
        for (kind, has_tools) in [("tool", true), ("adapter", false)] {
            let parent = format!("components/{kind}s");
            let path = self.repository.join(&parent);
            for entry in fs::read_dir(&path).map_err(|error| told(&path, &error))? {
                let entry = entry?;
                if entry.path().join("Cargo.toml").is_file() {
                    let name = entry.file_name().into_string();
                    let name = name.map_err(|name| format!("{} is no name", name.display()))?;
                    let folder = format!("{parent}/{name}");
                    sources.push(Source {
                        folder,
                        package: format!("openpact-{kind}-{name}"),
                        name,
                        has_tools,
                    });
                }
            }
        }
        sources.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(sources)
    }

    fn build(&self, sources: &[Source]) -> Result<Guests> {
        let packages: Vec<_> = sources.iter().map(|source| source.package.clone()).collect();
        let watch = SOURCES.map(|source| self.repository.join(source));
        let workspace = self.repository.join("components");
        println!("cargo:rerun-if-changed=build.rs");
        Ok(openpact_guest_build::build(&Request {
            workspace: &workspace,
            packages: &packages,
            watch: &watch,
        })?)
    }

    /// Packs a component, with the tools that `tools.json` lists: a build script cannot run the guest to ask it, so a
    /// test of the runtime holds that file against what the guest says. An adapter has none.
    fn pack(&self, source: &Source, guests: &Guests) -> Result<Package> {
        let folder = self.repository.join(&source.folder);
        let read = |file: &str| {
            let path = folder.join(file);
            fs::read_to_string(&path).map_err(|error| told(&path, &error))
        };
        let wrong = |error: &dyn Error| format!("{}: {error}", source.folder);
        let tools: Vec<ToolSpec> = if source.has_tools {
            serde_json::from_str(&read("tools.json")?).map_err(|error| wrong(&error) + ", in tools.json")?
        } else {
            vec![]
        };
        let wasm = guests.of(&source.package).ok_or("only built components are packed")?;
        let wasm = fs::read(wasm).map_err(|error| told(wasm, &error))?;
        let bytes = pack(&wasm, &read("openpact.toml")?, tools).map_err(|error| wrong(&error))?;
        Ok(Package { name: source.name.clone(), bytes })
    }

    /// Whether an earlier run left these very packages, signed. Signing them again would only make everything that
    /// depends on this crate compile again.
    fn has(&self, packages: &[Package]) -> bool {
        let read = |file: &str| fs::read(self.out.join(file)).ok();
        let Some(key) = read(PUBLIC_KEY).and_then(|text| String::from_utf8(text).ok()?.parse().ok()) else {
            return false;
        };
        let same = |package: &Package| {
            let signature = read(&signature_file(&package.name))?;
            let bytes = read(&wasm_file(&package.name)).filter(|bytes| *bytes == package.bytes)?;
            verify(bytes, &signature, &trust(key, packages)).ok()
        };
        packages.iter().all(|package| same(package).is_some())
            && read(TABLE)
                .is_some_and(|written| table(packages, key).is_ok_and(|table| table.as_bytes() == written))
    }

    fn sign(&self, packages: &[Package]) -> Result<()> {
        let secret = SecretKey::generate()?;
        let key = secret.public()?;
        let trust = trust(key, packages);
        for package in packages {
            let signature = sign(&package.bytes, &secret)?;
            // What this build makes must be what the program that it makes will accept.
            let verified = verify(package.bytes.clone(), &signature, &trust)?;
            if verified.manifest().name.as_str() != package.name {
                let name = &verified.manifest().name;
                return Err(
                    format!("the component in the folder {} calls itself '{name}'", package.name).into()
                );
            }
            self.write(&wasm_file(&package.name), &package.bytes)?;
            self.write(&signature_file(&package.name), signature.as_bytes())?;
        }
        self.write(PUBLIC_KEY, key.to_string().as_bytes())?;
        self.write(TABLE, table(packages, key)?.as_bytes())
    }

    fn write(&self, file: &str, bytes: &[u8]) -> Result<()> {
        let path = self.out.join(file);
        fs::write(&path, bytes).map_err(|error| told(&path, &error).into())
    }
}

fn wasm_file(name: &str) -> String {
    format!("{name}.wasm")
}

fn signature_file(name: &str) -> String {
    format!("{name}.wasm.minisig")
}

fn trust(key: PublicKey, packages: &[Package]) -> Trust {
    let prefixes = packages.iter().map(|package| package.name.clone()).collect();
    Trust {
        publishers: vec![Publisher { name: "embedded".to_owned(), keys: vec![key], prefixes }],
        ..Trust::default()
    }
}

/// The Rust source of the table.
fn table(packages: &[Package], key: PublicKey) -> std::result::Result<String, std::fmt::Error> {
    let mut table = String::from("// Generated by build.rs.\n\nstatic COMPONENTS: &[Embedded] = &[\n");
    for Package { name, bytes } in packages {
        writeln!(table, "    Embedded {{")?;
        writeln!(table, "        name: {name:?},")?;
        for (field, macro_name, file) in
            [("wasm", "include_bytes", wasm_file(name)), ("signature", "include_str", signature_file(name))]
        {
            writeln!(
                table,
                "        {field}: {macro_name}!(concat!(env!(\"OUT_DIR\"), {:?})),",
                format!("/{file}")
            )?;
        }
        writeln!(table, "        digest: \"{}\",", Digest::of(bytes))?;
        writeln!(table, "    }},")?;
    }
    writeln!(table, "];\n\nstatic PUBLIC_KEY: &str = \"{key}\";")?;
    Ok(table)
}

fn told(path: &Path, error: &dyn Error) -> String {
    format!("{}: {error}", path.display())
}
