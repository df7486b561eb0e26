//! Taking a package in: verified, held against what was here before, kept, and left to wait.

use openpact_model::id::{ComponentName, Digest};
use openpact_packages::key::{KeyId, PublicKey};
use openpact_packages::{self as packages, Difference, Manifest, Refusal, Verified};
use openpact_store::component::{Incoming, Row, State, Version};
use openpact_store::publisher;
use semver::Version as Number;
use serde::Serialize;

use crate::error::Error;
use crate::trust::Purpose;
use crate::{Catalog, blocking, current, event, waiting};

/// What the audit log calls a package that came in, or that was refused.
const KIND: &str = "component.install";

/// A package as it comes in.
pub struct Package {
    /// The component's bytes.
    pub bytes: Vec<u8>,
    /// The content of its signature file.
    pub signature: Vec<u8>,
    /// Where it came from: a path or an address.
    pub source: String,
}

/// What became of a package.
pub struct Taken {
    /// The package.
    pub verified: Verified,
    /// How it stands now.
    pub outcome: Outcome,
    /// What differs from the version that runs, where one does.
    pub difference: Option<Difference>,
    /// What to mind, one sentence each.
    pub warnings: Vec<String>,
}

/// How a package stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It waits for the admin.
    Waits,
    /// It is the version that runs already.
    Runs,
    /// It was approved before, and another version runs.
    Approved,
}

impl Catalog {
    /// Verifies a package and lets it wait for the admin. Where it does already, or runs, nothing changes. `update` is
    /// the component that is to be replaced, where a certain one is meant.
    ///
    /// A package that is refused leaves a record in the audit log and nothing else.
    ///
    /// # Errors
    /// The reason why it is not taken in.
    pub async fn take_in(&self, package: Package, update: Option<&ComponentName>) -> Result<Taken, Error> {
        let source = package.source.clone();
        match self.judge_and_keep(package, update).await {
            Err(error) if error.is_refusal() => {
                self.record_refusal(KIND, &source, &error).await?;
                Err(error)
            }
            other => other,
        }
    }

    async fn judge_and_keep(&self, package: Package, update: Option<&ComponentName>) -> Result<Taken, Error> {
        let trust = self.trust(Purpose::TakingIn).await?;
        let Package { bytes, signature, source } = package;
        let judged = blocking(move || {
            let verified = packages::verify(bytes, &signature, &trust)?;
            let warnings = packages::inspect(verified.bytes())?.warnings;
            Ok((verified, signature, warnings))
        })
        .await;
        if let Err(Error::Refused(Refusal::UnknownKey { key })) = &judged {
            self.check_replaced(*key).await?;
        }
        let (verified, signature, warnings) = judged?;
        let name = verified.manifest().name.clone();
        self.check_name(&name, update)?;
        let row = self.list().await?.into_iter().find(|row| row.name == name);
        if let Some(outcome) = judge(&verified, row.as_ref())? {
            let difference = match (&row, outcome) {
                (Some(row), Outcome::Waits) => self.waiting_difference(row).await?,
                _ => None,
            };
            return Ok(Taken { verified, outcome, difference, warnings });
        }
        self.keep(&verified, signature, source).await?;
        let row = self.find(&name).await?;
        let difference = self.waiting_difference(&row).await?;
        self.drop_gone(&row).await;
        Ok(Taken { verified, outcome: Outcome::Waits, difference, warnings })
    }

    /// Tells a key that its publisher replaced from one that nobody pinned: that one is not to be pinned again.
    async fn check_replaced(&self, id: KeyId) -> Result<(), Error> {
        let is_it = |row: &publisher::Row| row.key.parse::<PublicKey>().is_ok_and(|key| key.id() == id);
        let rows = self.publishers().await?;
        match rows.into_iter().find(|row| row.retired.is_some() && is_it(row)) {
            Some(row) => Err(Error::Replaced { key: id, publisher: row.name }),
            None => Ok(()),
        }
    }

    fn check_name(&self, name: &ComponentName, update: Option<&ComponentName>) -> Result<(), Error> {
        if let Some(wanted) = update.filter(|wanted| *wanted != name) {
            return Err(Error::OtherComponent { wanted: wanted.clone(), found: name.clone() });
        }
        if self.config.reserved.contains(name) {
            return Err(Error::Reserved { name: name.clone() });
        }
        Ok(())
    }

    /// The files first: what is written down is always there.
    async fn keep(&self, verified: &Verified, signature: Vec<u8>, source: String) -> Result<(), Error> {
        let Manifest { name, version, .. } = verified.manifest();
        let incoming = Incoming {
            name: name.clone(),
            publisher: verified.publisher().to_owned(),
            version: version.to_string(),
            digest: verified.digest(),
            key: verified.key().to_string(),
            source: source.clone(),
        };
        let (files, name, bytes) = (self.files.clone(), name.clone(), verified.bytes().to_vec());
        let version = incoming.version.clone();
        blocking(move || files.keep(&name, &version, &bytes, &signature)).await?;
        let event = event(KIND, &incoming.name, &incoming.version, Some(incoming.digest))
            .with("publisher", incoming.publisher.clone())
            .with("key", verified.key_id().to_string())
            .with("source", openpact_model::text::one_line(&source, 1000));
        Ok(self.store.components().recording(event).stage(incoming).await?)
    }

    /// What the version that waits changes; `None` also where what runs cannot be read any more.
    async fn waiting_difference(&self, row: &Row) -> Result<Option<Difference>, Error> {
        let Some(new) = waiting(row) else { return Ok(None) };
        match self.difference(row, new).await {
            Err(error @ (Error::File { .. } | Error::Swapped { .. })) => {
                tracing::warn!(component = %row.name, error = error.full(), "the version that runs cannot be compared");
                Ok(None)
            }
            other => other,
        }
    }

    /// Takes the files of versions away that are gone.
    pub(crate) async fn drop_gone(&self, row: &Row) {
        let gone = row.versions.iter().filter(|version| version.state == State::Gone);
        let gone: Vec<_> = gone.map(|version| version.version.clone()).collect();
        let (files, name) = (self.files.clone(), row.name.clone());
        let dropped = blocking(move || gone.iter().try_for_each(|version| files.drop(&name, version))).await;
        if let Err(error) = dropped {
            tracing::warn!(component = %row.name, error = error.full(), "files of a former version stay until the next start");
        }
    }
}

/// What is known of the package already; `None` where it is new and may come in.
fn judge(verified: &Verified, row: Option<&Row>) -> Result<Option<Outcome>, Error> {
    let manifest = verified.manifest();
    let Some(row) = row else { return Ok(None) };
    let name = &manifest.name;
    if row.publisher != verified.publisher() {
        let (owner, publisher) = (row.publisher.clone(), verified.publisher().to_owned());
        return Err(Error::OtherPublisher { name: name.clone(), owner, publisher });
    }
    if let Some(same) = row.versions.iter().find(|known| same_precedence(&known.version, &manifest.version)) {
        if same.digest != verified.digest() {
            let (known, digest) = (same.digest, verified.digest());
            let version = manifest.version.to_string();
            return Err(Error::VersionReused { name: name.clone(), version, known, digest });
        }
        match same.state {
            State::Waiting => return Ok(Some(Outcome::Waits)),
            State::Approved if current(row) == Some(same) => return Ok(Some(Outcome::Runs)),
            State::Approved => return Ok(Some(Outcome::Approved)),
            State::Gone => {}
        }
    }
    check_order(row, name, &manifest.version)?;
    Ok(None)
}

fn check_order(row: &Row, name: &ComponentName, version: &Number) -> Result<(), Error> {
    if let Some(highest) = highest(row, |known| known.approved.is_some())
        && version.cmp_precedence(&highest).is_lt()
    {
        let (version, highest) = (version.to_string(), highest.to_string());
        return Err(Error::Downgrade { name: name.clone(), version, highest });
    }
    if let Some(waiting) = highest(row, |known| known.state == State::Waiting)
        && version.cmp_precedence(&waiting).is_lt()
    {
        return Err(Error::HigherWaits { name: name.clone(), waiting: waiting.to_string() });
    }
    Ok(())
}

fn highest(row: &Row, which: impl Fn(&Version) -> bool) -> Option<Number> {
    let numbers =
        row.versions.iter().filter(|version| which(version)).filter_map(|one| one.version.parse().ok());
    numbers.max_by(Number::cmp_precedence)
}

/// Whether two versions are one in the order of versions: what is built from them does not count.
fn same_precedence(known: &str, version: &Number) -> bool {
    known.parse::<Number>().is_ok_and(|known| known.cmp_precedence(version).is_eq())
}

impl Taken {
    /// The digest of the package.
    pub fn digest(&self) -> Digest {
        self.verified.digest()
    }
}
