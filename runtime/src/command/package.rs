//! Packages: looked into, made, signed and verified.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use openpact_host as host;
use openpact_model::clock::SystemClock;
use openpact_model::port::{KeyValue, KeyValueWrite, PortError};
use openpact_model::principal::Principal;
use openpact_model::random::SystemRandom;
use openpact_packages as packages;
use packages::key::PublicKey;
use packages::{MAX_PACKAGE_BYTES, Trust};
use serde_json::json;

use crate::app::trust;
use crate::cli::Pack;
use crate::control::Reply;
use crate::exit::{Code, Failure, chain};
use crate::present::{self, Output, print};

/// `openpact component verify`.
pub(crate) struct Verify {
    pub(super) file: PathBuf,
    pub(super) signature: Option<PathBuf>,
    /// The only key to trust, instead of the publishers.
    pub(super) key: Option<String>,
}

/// A public key, from the command line or from the file that it names.
///
/// # Errors
/// When it is neither.
pub(super) fn public_key(text: &str) -> Result<String, Failure> {
    let key: Result<PublicKey, _> = text.parse();
    let key = match key {
        Ok(key) => key,
        Err(error) => {
            let Ok(file) = crate::file::read_text(Path::new(text)) else {
                let message =
                    format!("'{text}' is neither a public key nor a file that holds one: {}", chain(&error));
                return Err(Failure::new(Code::Usage, message));
            };
            file.parse().map_err(|error: packages::Error| {
                Failure::new(Code::Usage, format!("{text}: {}", chain(&error)))
            })?
        }
    };
    Ok(key.to_string())
}

/// `openpact component inspect`.
///
/// # Errors
/// When it is no component at all.
pub(super) fn inspect(file: &Path, output: Output) -> Result<(), Failure> {
    let bytes = read(file)?;
    let inspection = packages::inspect(&bytes).map_err(|refusal| refused(file, &refusal))?;
    if output.json {
        present::value(&inspection);
    } else {
        print(&present::inspection(output, file, &inspection));
    }
    Ok(())
}

/// `openpact component pack`.
///
/// # Errors
/// When something is missing, or the result would be refused wherever it is installed.
pub(super) async fn pack(pack: Pack, output: Output) -> Result<(), Failure> {
    let found = Sources::find(&pack)?;
    let wasm = read(&found.wasm)?;
    let source = crate::file::read_text(&found.manifest)
        .map_err(Failure::doing(format!("the manifest {} cannot be read", found.manifest.display())))?;
    packages::inspect(&wasm).map_err(|refusal| refused(&found.wasm, &refusal))?;
    let tools = if is_adapter(&source) { Vec::new() } else { describe(&wasm).await? };
    let packed = packages::pack(&wasm, &source, tools).map_err(|error| Failure::of(Code::Failed, &error))?;
    let inspection = packages::inspect(&packed).map_err(|refusal| refused(&found.wasm, &refusal))?;
    let name = inspection
        .manifest
        .as_ref()
        .map_or_else(|| "component".to_owned(), |manifest| manifest.name.to_string());
    let target = pack.output.unwrap_or_else(|| PathBuf::from(format!("{name}.wasm")));
    write(&target, &packed)?;
    if output.json {
        present::value(&json!({ "file": target, "inspection": inspection }));
        return Ok(());
    }
    print(&present::inspection(output, &target, &inspection));
    print(&format!("\nsign it with: openpact component sign {} --key FILE\n", target.display()));
    Ok(())
}

impl Verify {
    /// Verifies against the publishers in `known` and what is `revoked`, or against the one key that the command line
    /// names.
    pub(crate) fn run(self, known: Reply, revoked: Reply, output: Output) -> Result<(), Failure> {
        let (Reply::Publishers(publishers), Reply::Revocations(revoked)) = (known, revoked) else {
            return Err(Failure::new(Code::Failed, "the publishers were asked for and something else came"));
        };
        let bytes = read(&self.file)?;
        let signature_file = self.signature.clone().unwrap_or_else(|| beside(&self.file));
        let signature = match crate::file::read_text(&signature_file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(refused(&self.file, &packages::Refusal::Unsigned));
            }
            Err(error) => {
                return Err(Failure::doing(format!("{} cannot be read", signature_file.display()))(error));
            }
        };
        let trust = self.trust(&bytes, &publishers, &revoked)?;
        let verified =
            packages::verify(bytes, &signature, &trust).map_err(|refusal| refused(&self.file, &refusal))?;
        let manifest = verified.manifest();
        if output.json {
            present::value(&json!({
                "publisher": verified.publisher(),
                "key_id": verified.key_id(),
                "digest": verified.digest(),
                "name": manifest.name,
                "version": manifest.version,
            }));
            return Ok(());
        }
        print(&format!(
            "{} is {} {} by '{}', signed with the key {}\ndigest {}\n",
            self.file.display(),
            manifest.name,
            manifest.version,
            openpact_model::text::one_line(verified.publisher(), 80),
            verified.key_id(),
            verified.digest()
        ));
        Ok(())
    }

    /// Whom to trust. A key on the command line stands for whatever publisher and name the package states, since the
    /// question is then only whether this key signed it.
    fn trust(
        &self,
        bytes: &[u8],
        publishers: &[crate::control::Publisher],
        revoked: &[crate::control::lifecycle::Revocation],
    ) -> Result<Trust, Failure> {
        let Some(key) = &self.key else { return trust(publishers, revoked) };
        let inspection = packages::inspect(bytes).map_err(|refusal| refused(&self.file, &refusal))?;
        let name = inspection.manifest.map(|manifest| manifest.publisher).unwrap_or_default();
        let keys = vec![key.parse().map_err(Failure::failed::<packages::Error>)?];
        let publisher = packages::Publisher { name, keys, prefixes: vec!["*".to_owned()] };
        Ok(Trust { publishers: vec![publisher], ..Trust::default() })
    }
}

/// The files that make a package.
struct Sources {
    wasm: PathBuf,
    manifest: PathBuf,
}

impl Sources {
    fn find(pack: &Pack) -> Result<Self, Failure> {
        let source = &pack.source;
        let manifest = |folder: &Path| pack.manifest.clone().unwrap_or_else(|| folder.join("openpact.toml"));
        if !source.is_dir() {
            let folder = source.parent().unwrap_or(Path::new("."));
            return Ok(Self { wasm: source.clone(), manifest: manifest(folder) });
        }
        let wasm = built(source)?;
        Ok(Self { wasm, manifest: manifest(source) })
    }
}

/// The component that cargo built out of the project in `folder`; its workspace may lie above it.
fn built(folder: &Path) -> Result<PathBuf, Failure> {
    let cargo = folder.join("Cargo.toml");
    let text = crate::file::read_text(&cargo)
        .map_err(Failure::doing(format!("{} cannot be read", cargo.display())))?;
    let name = crate_name(&text).ok_or_else(|| {
        Failure::new(
            Code::Failed,
            format!("{} names no package; give the built .wasm instead of the folder", cargo.display()),
        )
    })?;
    let real =
        folder.canonicalize().map_err(Failure::doing(format!("{} cannot be found", folder.display())))?;
    let places =
        real.ancestors().map(|above| above.join("target/wasm32-wasip2/release").join(format!("{name}.wasm")));
    places.into_iter().find(|place| place.is_file()).ok_or_else(|| {
        let message = format!(
            "{name}.wasm is not in target/wasm32-wasip2/release of {} or a folder above it; build it first: cargo \
             build --release --target wasm32-wasip2",
            folder.display()
        );
        Failure::new(Code::Failed, message)
    })
}

/// The name of the file that cargo makes: that of the package, with `_` for `-`.
fn crate_name(cargo: &str) -> Option<String> {
    let manifest: toml::Table = cargo.parse().ok()?;
    let library = manifest.get("lib").and_then(|library| library.get("name"));
    let package = manifest.get("package").and_then(|package| package.get("name"));
    Some(library.or(package)?.as_str()?.replace('-', "_"))
}

/// Whether the author says that it is an adapter, which has no tools to list.
fn is_adapter(source: &str) -> bool {
    let manifest: Option<toml::Table> = source.parse().ok();
    manifest
        .and_then(|manifest| manifest.get("kind")?.as_str().map(|kind| kind == "adapter"))
        .unwrap_or(false)
}

/// Asks the guest for its tools, with nothing granted.
async fn describe(wasm: &[u8]) -> Result<Vec<openpact_model::tool::ToolSpec>, Failure> {
    let ports = host::Ports {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        key_value: Arc::new(NothingStored),
    };
    // Compiled for this one question, and kept nowhere.
    let compiler = host::Compiler::Helper(host::Helper::this_program(crate::cli::COMPILE_COMPONENT));
    let config = host::Config::new(compiler, None, [0; 32]);
    let host = config.build(ports).map_err(Failure::failed)?;
    let wasm = wasm.to_vec();
    let described = tokio::task::spawn_blocking(move || host.describe(&wasm)).await;
    let tools = described.map_err(Failure::doing("the component was asked for its tools"))?;
    tools.map_err(Failure::doing("the component was asked for its tools"))
}

/// The key-value store of a component that is only asked for its tools.
struct NothingStored;

fn no_store() -> PortError {
    PortError::message("there is no key-value store while a component is packed")
}

#[async_trait]
impl KeyValue for NothingStored {
    async fn get(&self, _: &Principal, _: &str) -> Result<Option<Vec<u8>>, PortError> {
        Err(no_store())
    }

    async fn put(
        &self,
        _: &Principal,
        _: &str,
        _: Option<Vec<u8>>,
        _: Option<Option<Vec<u8>>>,
        _: u64,
    ) -> Result<KeyValueWrite, PortError> {
        Err(no_store())
    }

    async fn keys(&self, _: &Principal, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, PortError> {
        Err(no_store())
    }
}

/// The file of the signature: the package's name with `.minisig` behind it.
pub(super) fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = || Failure::doing(format!("{} cannot be read", file.display()));
    let size = std::fs::metadata(file).map_err(wrong())?.len();
    let most = u64::try_from(MAX_PACKAGE_BYTES).unwrap_or(u64::MAX);
    if size > most {
        return Err(refused(file, &packages::Refusal::TooLarge { size }));
    }
    crate::file::read(file, most).map_err(wrong())
}

/// Writes beside the target first, so that a file is whole or not there.
pub(super) fn write(target: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, target));
    written.map_err(Failure::doing(format!("{} cannot be written", target.display())))
}

pub(super) fn refused(file: &Path, refusal: &packages::Refusal) -> Failure {
    Failure::new(Code::Refused, format!("{}: {}", file.display(), chain(refusal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_file_is_named_after_the_library_or_the_package() {
        assert_eq!(crate_name("[package]\nname = \"my-tool\"").as_deref(), Some("my_tool"));
        assert_eq!(
            crate_name("[package]\nname = \"my-tool\"\n[lib]\nname = \"other\"").as_deref(),
            Some("other")
        );
        assert_eq!(crate_name("[workspace]"), None);
        assert_eq!(beside(Path::new("a/b.wasm")), Path::new("a/b.wasm.minisig"));
    }
}
