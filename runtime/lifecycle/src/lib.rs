//! The life of an installed component: taken in, approved, replaced, gone back to, revoked, removed.
//!
//! A package that comes in is verified, kept in `secure/components/NAME/VERSION/`, and waits; what runs goes on running.
//! Only an admin's word makes it the version that runs, and every digest needs that word. Each step is one transaction
//! of the store behind files that are whole before it, so a crash leaves the state before or the state after.
//!
//! - [`Catalog::take_in`] verifies, compares and keeps a package;
//! - [`Catalog::approve`], [`Catalog::go_back`], [`Catalog::turn_down`] and [`Catalog::remove`] are the admin's words;
//! - [`Catalog::load`] gives the bytes of a version, verified again against what is trusted now;
//! - [`publisher`](crate::Catalog::trust) and revocations say whom to believe.
//!
//! The callers hold a lock of their own over everything that changes: two changes at once would each be judged by what
//! the other is about to replace. This crate runs nothing and knows no sandbox.

mod decide;
mod error;
mod files;
mod intake;
mod publisher;
pub mod request;
mod revocation;
mod trust;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openpact_model::audit::{Event, Verdict};
use openpact_model::clock::Clock;
use openpact_model::id::{ComponentName, Digest};
use openpact_model::port::AuditSink as _;
use openpact_model::random::Random;
use openpact_packages::difference::Side;
use openpact_packages::{self as packages, Verified};
use openpact_store::component::{Row, State, Version};
use openpact_store::{self as store, Store};

pub use error::Error;
pub use intake::{Outcome, Package, Taken};
pub use trust::Purpose;

use files::Files;

/// How long the key-value data of a version is kept that another one replaced.
const KEEP_DATA: Duration = Duration::from_hours(14 * 24);

/// Versions whose code is kept to go back to, beside the one that runs.
const KEEP_VERSIONS: usize = 3;

/// What the catalog is built from.
pub struct Config {
    /// Where packages are kept; for this program alone.
    pub folder: PathBuf,
    /// The names of the components that come with the program, which nobody else may have.
    pub reserved: Vec<ComponentName>,
    /// The publishers whose names belong to the program itself.
    pub own: Vec<packages::Publisher>,
}

/// What the catalog needs from others.
pub struct Ports {
    /// Where it is written down.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For the names of unfinished files.
    pub random: Arc<dyn Random>,
}

/// The installed components.
pub struct Catalog {
    pub(crate) config: Config,
    pub(crate) files: Files,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Config {
    /// Builds it, and takes away what a crash left: packages that were never written down, data that was kept long
    /// enough.
    ///
    /// # Errors
    /// When the folder or the store cannot be used.
    pub async fn build(self, ports: Ports) -> Result<Catalog, Error> {
        let files = Files::new(self.folder.clone(), ports.random);
        let catalog = Catalog { files, config: self, store: ports.store, clock: ports.clock };
        catalog.tidy().await?;
        Ok(catalog)
    }
}

impl Catalog {
    /// All components that were ever installed and not forgotten.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self) -> Result<Vec<Row>, Error> {
        Ok(self.store.components().list().await?)
    }

    /// One component.
    ///
    /// # Errors
    /// [`Error::Unknown`] where it was never installed.
    pub async fn find(&self, name: &ComponentName) -> Result<Row, Error> {
        let all = self.list().await?;
        let names: Vec<_> = all.iter().map(|row| row.name.to_string()).collect();
        let unknown = || Error::Unknown { name: name.clone(), known: names.join(", ") };
        all.into_iter().find(|row| row.name == *name).ok_or_else(unknown)
    }

    /// The bytes of a version that waits or was approved, read again and verified against what is trusted now.
    ///
    /// # Errors
    /// When they are not there, are not those that were taken in, or are trusted no more.
    pub async fn load(&self, name: &ComponentName, version: &Version) -> Result<Verified, Error> {
        let (bytes, signature) = self.read(name, version).await?;
        let trust = self.trust(Purpose::Running).await?;
        let (name, digest) = (name.clone(), version.digest);
        blocking(move || {
            let verified = packages::verify(bytes, &signature, &trust)?;
            let is_it = verified.digest() == digest && verified.manifest().name == name;
            if is_it { Ok(verified) } else { Err(Error::Swapped { name }) }
        })
        .await
    }

    /// What a version says about itself, for showing it, whether or not it is trusted still.
    ///
    /// # Errors
    /// When its bytes are not there or are not those that were taken in.
    pub async fn inspect(
        &self,
        name: &ComponentName,
        version: &Version,
    ) -> Result<packages::Inspection, Error> {
        let (bytes, _) = self.read(name, version).await?;
        let (name, digest) = (name.clone(), version.digest);
        blocking(move || {
            let is_it = Digest::of(&bytes) == digest;
            if is_it { Ok(packages::inspect(&bytes)?) } else { Err(Error::Swapped { name }) }
        })
        .await
    }

    /// What differs between the version that runs and `new`; `None` where none runs.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub async fn difference(&self, row: &Row, new: &Version) -> Result<Option<packages::Difference>, Error> {
        let Some(current) = current(row) else { return Ok(None) };
        let (old, fresh) = (self.inspect(&row.name, current).await?, self.inspect(&row.name, new).await?);
        let claimed = |inspection, key: &str| {
            let side = Side::claimed(inspection).ok_or_else(|| Error::Swapped { name: row.name.clone() });
            side.map(|side| Side { key: key.parse().ok(), ..side })
        };
        let (before, after) = (claimed(&old, &current.key)?, claimed(&fresh, &new.key)?);
        Ok(Some(packages::difference::between(&before, &after)))
    }

    async fn read(&self, name: &ComponentName, version: &Version) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let (files, name, version) = (self.files.clone(), name.clone(), version.version.clone());
        blocking(move || files.read(&name, &version)).await
    }

    async fn tidy(&self) -> Result<(), Error> {
        let rows = self.list().await?;
        let kept = rows.iter().flat_map(|row| {
            let there = row.versions.iter().filter(|version| version.state != State::Gone);
            there.map(|version| (row.name.to_string(), version.version.clone()))
        });
        let (files, kept) = (self.files.clone(), kept.collect());
        blocking(move || files.keep_only(&kept)).await?;
        let age = jiff::SignedDuration::try_from(KEEP_DATA).expect("two weeks are a duration");
        if let Ok(oldest) = self.clock.now().checked_sub(age) {
            self.store.components().drop_kept_before(oldest.as_microsecond()).await?;
        }
        Ok(())
    }

    /// Writes down that something was refused.
    async fn record_refusal(&self, kind: &str, subject: &str, error: &Error) -> Result<(), Error> {
        let event = Event::new(kind, "admin", subject, Verdict::Denied).with("why", error.full());
        self.store.record(event).await.map_err(Error::Audit)
    }
}

/// The version that runs.
pub fn current(row: &Row) -> Option<&Version> {
    let current = row.current.as_ref()?;
    row.versions.iter().find(|version| version.version == *current)
}

/// The version that waits for the admin.
pub fn waiting(row: &Row) -> Option<&Version> {
    row.versions.iter().find(|version| version.state == State::Waiting)
}

/// An event about a component that an admin caused.
fn event(kind: &str, name: &ComponentName, version: &str, digest: Option<Digest>) -> Event {
    let event =
        Event::new(kind, "admin", format!("component:{name}"), Verdict::Allowed).with("version", version);
    match digest {
        Some(digest) => event.with("digest", digest.to_string()),
        None => event,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Broke)?
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
