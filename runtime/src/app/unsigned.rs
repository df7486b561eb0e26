//! Components that nobody signed: what lies in the one folder that the configuration names for it. They pass every check
//! that a signed one passes; for the signature
//! stands a key of this process alone, which nobody else has.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use openpact_model::id::{ComponentName, Digest};
use openpact_packages::key::SecretKey;
use openpact_packages::{self as packages, MAX_PACKAGE_BYTES, Publisher, Trust, Verified};

use super::App;
use super::component::{Component, embedded_names};
use super::lifecycle::failure;
use crate::config::components::Access;
use crate::control::{Part, State};
use crate::exit::{Failure, chain};

/// The mode bit of a folder that everybody can write to.
const WRITABLE_BY_ALL: u32 = 0o002;

/// The key that stands for the signatures that there are not.
#[derive(Default)]
pub(super) struct Vouching(OnceLock<Arc<SecretKey>>);

impl Vouching {
    fn key(&self) -> Result<Arc<SecretKey>, packages::Error> {
        if let Some(key) = self.0.get() {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(SecretKey::generate()?);
        Ok(Arc::clone(self.0.get_or_init(|| key)))
    }

    /// Whether nobody but this process signed the package.
    pub(super) fn vouched(&self, package: &Verified) -> bool {
        self.0.get().is_some_and(|key| key.public().is_ok_and(|key| key == package.key()))
    }
}

/// What the folder holds.
#[derive(Default)]
pub(super) struct Found {
    /// The components, by name.
    pub(super) components: BTreeMap<ComponentName, Verified>,
    /// Why others are none, one sentence each.
    pub(super) problems: Vec<String>,
}

impl App {
    /// The components in the folder, without those whose name is taken by one that comes with the program or was
    /// installed.
    pub(super) async fn unsigned(&self) -> Result<Found, Failure> {
        let Some(folder) = self.config().development.unsigned.clone() else { return Ok(Found::default()) };
        let revoked = self.revoked_digests().await?;
        let key = self.vouching.key().map_err(Failure::failed)?;
        let written = self.written_by_components();
        let reading = tokio::task::spawn_blocking(move || read(&folder, &written, &revoked, &key));
        let mut found = reading.await.map_err(Failure::failed)?;
        let installed = self.catalog.list().await.map_err(failure)?;
        let installed = installed.into_iter().filter(|row| row.current.is_some()).map(|row| row.name);
        for name in embedded_names().into_iter().chain(installed) {
            if found.components.remove(&name).is_some() {
                found.problems.push(format!("'{name}' is not run from there: a signed one has that name"));
            }
        }
        Ok(found)
    }

    /// Where a component may write, or the program itself does for one: what runs from there would be a component's choice.
    fn written_by_components(&self) -> Vec<PathBuf> {
        let (config, given, defaults) = (self.config(), self.all_given(), super::component::defaults());
        let names: BTreeSet<_> =
            config.components.keys().chain(given.keys()).chain(defaults.keys()).collect();
        let mounts = names.into_iter().flat_map(|name| self.stated(name).mounts.into_values());
        let writable = mounts.filter(|mount| mount.access == Some(Access::ReadWrite));
        let paths = writable.filter_map(|mount| mount.path).filter(|path| path.is_absolute());
        paths.chain([self.root().to_owned()]).collect()
    }

    /// Whether nobody signed a component.
    pub(super) fn is_unsigned(&self, component: &Component) -> bool {
        component.verified().is_some_and(|package| self.vouching.vouched(package))
    }

    /// The folder as a part of `openpact status`; nothing where none is named.
    pub(super) async fn unsigned_part(&self) -> Result<Option<Part>, Failure> {
        let Some(folder) = self.config().development.unsigned.clone() else { return Ok(None) };
        let Found { components, problems } = self.unsigned().await?;
        let names: Vec<_> = components.keys().map(ComponentName::as_str).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let advice = "unsigned code runs here: take 'development.unsigned' out of the configuration where no \
                      components are made";
        let todo = problems.into_iter().chain([advice.to_owned()]).collect::<Vec<_>>().join("\n");
        let about = format!("components from {}: {names}", folder.display());
        let name = "unsigned".to_owned();
        Ok(Some(Part { name, state: State::Running, about, todo: Some(todo) }))
    }
}

/// The packages of a folder, in the order of their files' names.
fn read(folder: &Path, written: &[PathBuf], revoked: &BTreeSet<Digest>, key: &SecretKey) -> Found {
    let mut found = Found::default();
    // As they are when every link is followed; what is not there is written by nobody.
    let written: Vec<_> = written.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let files = match packages_in(folder, &written) {
        Ok(files) => files,
        Err(why) => return Found { problems: vec![why], ..found },
    };
    for file in files {
        let judged = check(&file, &written).and_then(|()| package(&file, revoked, key));
        match judged {
            Ok(verified) => {
                let name = verified.manifest().name.clone();
                match found.components.entry(name) {
                    Entry::Vacant(place) => drop(place.insert(verified)),
                    Entry::Occupied(taken) => {
                        let (file, name) = (file.display(), taken.key());
                        found.problems.push(format!("{file} is left out: another file there is '{name}'"));
                    }
                }
            }
            Err(why) => found.problems.push(format!("{} is left out: {why}", file.display())),
        }
    }
    found
}

/// Whether only the admin decides on what stands at `path`.
fn check(path: &Path, written: &[PathBuf]) -> Result<(), String> {
    let real = path.canonicalize().map_err(|error| error.to_string())?;
    let mode = std::fs::metadata(&real).map_err(|error| error.to_string())?.permissions().mode();
    if mode & WRITABLE_BY_ALL != 0 {
        return Err(format!("everybody can write to it (chmod o-w {})", real.display()));
    }
    match written.iter().find(|place| real.starts_with(place)) {
        Some(place) => Err(format!("components can write below {}; choose another place", place.display())),
        None => Ok(()),
    }
}

fn packages_in(folder: &Path, written: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error| format!("{} cannot be read: {error}", folder.display());
    check(folder, written).map_err(|why| format!("nothing runs from {}: {why}", folder.display()))?;
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut files = paths.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    files.retain(|file| file.extension().is_some_and(|end| end == "wasm") && file.is_file());
    files.sort();
    Ok(files)
}

fn package(file: &Path, revoked: &BTreeSet<Digest>, key: &SecretKey) -> Result<Verified, String> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_PACKAGE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let opened = std::fs::File::open(file);
    opened.and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(|error| error.to_string())?;
    let inspection = packages::inspect(&bytes).map_err(|refusal| chain(&refusal))?;
    let Some(manifest) = inspection.manifest else { return Err(inspection.refusals.join("; ")) };
    vouched(bytes, manifest.publisher, revoked.clone(), key).map_err(|error| chain(&error))
}

fn vouched(
    bytes: Vec<u8>,
    publisher: String,
    revoked_digests: BTreeSet<Digest>,
    key: &SecretKey,
) -> Result<Verified, packages::Error> {
    let signature = packages::sign(&bytes, key)?;
    let publisher = Publisher { name: publisher, keys: vec![key.public()?], prefixes: vec!["*".to_owned()] };
    let trust = Trust { publishers: vec![publisher], revoked_digests, ..Trust::default() };
    Ok(packages::verify(bytes, &signature, &trust)?)
}
