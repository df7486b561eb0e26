//! Builds the tools of `components/tools`, packs and signs them, and writes the table of what this crate embeds.
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
const SOURCES: [&str; 6] = [
    "components/Cargo.toml",
    "components/Cargo.lock",
    "components/.cargo",
    "components/sdk",
    "components/tools",
    "wit",
];

/// The generated table, included by `src/lib.rs`.
const TABLE: &str = "components.rs";

/// The public key of this build.
const PUBLIC_KEY: &str = "embedded.pub";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A package before it is signed.
struct Package {
    name: String,
    bytes: Vec<u8>,
}

/// Where things are.
struct Folders {
    repository: PathBuf,
    tools: PathBuf,
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
    let names = folders.tools()?;
    let guests = folders.build(&names)?;
    if guests.skipped && folders.out.join(TABLE).is_file() {
        return Ok(());
    }
    let names: Vec<_> = names.into_iter().filter(|name| guests.of(&package_of(name)).is_some()).collect();
    let packages = names.iter().map(|name| folders.pack(name, &guests)).collect::<Result<Vec<_>>>()?;
    if !folders.has(&packages) {
        folders.sign(&packages)?;
    }
    Ok(())
}

/// The cargo package of a tool, by the name of its folder.
fn package_of(name: &str) -> String {
    format!("openpact-tool-{name}")
}

impl Folders {
    fn of_this_build() -> Result<Self> {
        let variable =
            |name| std::env::var_os(name).ok_or(format!("{name} is not set: this is a build script"));
        let crate_folder = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
        let repository =
            crate_folder.ancestors().nth(2).ok_or("the repository is two folders up")?.to_owned();
        let tools = repository.join("components").join("tools");
        Ok(Self { repository, tools, out: variable("OUT_DIR")?.into() })
    }

    /// The names of the tools, in order: the folders that hold a cargo package.
    fn tools(&self) -> Result<Vec<String>> {
        let mut names = vec![];
        for entry in fs::read_dir(&self.tools).map_err(|error| told(&self.tools, &error))? {
            let entry = entry?;
            if entry.path().join("Cargo.toml").is_file() {
                names.push(
                    entry
                        .file_name()
                        .into_string()
                        .map_err(|name| format!("{} is no name", name.display()))?,
                );
            }
        }
        names.sort();
        Ok(names)
    }

    fn build(&self, names: &[String]) -> Result<Guests> {
        let packages: Vec<_> = names.iter().map(|name| package_of(name)).collect();
        let watch = SOURCES.map(|source| self.repository.join(source));
        let workspace = self.repository.join("components");
        println!("cargo:rerun-if-changed=build.rs");
        Ok(openpact_guest_build::build(&Request {
            workspace: &workspace,
            packages: &packages,
            watch: &watch,
        })?)
    }

    /// Packs a tool with the tools that `tools.json` lists: a build script cannot run the guest to ask it, so a test
    /// of the runtime holds that file against what the guest says.
    fn pack(&self, name: &str, guests: &Guests) -> Result<Package> {
        let read = |file: &str| {
            let path = self.tools.join(name).join(file);
            fs::read_to_string(&path).map_err(|error| told(&path, &error))
        };
        let wrong = |error: &dyn Error| format!("components/tools/{name}: {error}");
        let tools: Vec<ToolSpec> =
            serde_json::from_str(&read("tools.json")?).map_err(|error| wrong(&error) + ", in tools.json")?;
        let wasm = guests.of(&package_of(name)).ok_or("only built tools are packed")?;
        let wasm = fs::read(wasm).map_err(|error| told(wasm, &error))?;
        let bytes = pack(&wasm, &read("openpact.toml")?, tools).map_err(|error| wrong(&error))?;
        Ok(Package { name: name.to_owned(), bytes })
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
                return Err(format!("components/tools/{} calls itself '{name}'", package.name).into());
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
