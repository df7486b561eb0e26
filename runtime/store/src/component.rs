//! Components that an admin installed: which versions there are, which of them runs, and what goes along with a change
//! of that. Whether a version may run is decided elsewhere.

mod change;
mod kept;

use std::collections::BTreeMap;

use jiff::Timestamp;
use openpact_model::id::{ComponentName, Digest};
use openpact_model::secret::SecretName;
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;

use crate::column::{optional_time, parsed, time};
use crate::error::Error;
use crate::recording::{Recorder, recording};

pub use change::{Approval, Restart};

/// The scope of the settings that hold what an admin gave a component beside its grants, by the component's name.
pub const GIVEN: &str = "component";

/// One component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name.
    pub name: ComponentName,
    /// Who publishes it.
    pub publisher: String,
    /// The version that runs, if one does.
    pub current: Option<String>,
    /// All versions that were ever here, in the order in which they came.
    pub versions: Vec<Version>,
}

/// One version of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The version, as the manifest states it.
    pub version: String,
    /// The digest of the package.
    pub digest: Digest,
    /// The public key that signed it, as text.
    pub key: String,
    /// Where it came from: a path or an address.
    pub source: String,
    /// How it stands.
    pub state: State,
    /// When it came.
    pub installed: Timestamp,
    /// When it was approved, if ever.
    pub approved: Option<Timestamp>,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// When the key-value data that it left was set aside, if it is still there.
    pub kept: Option<Timestamp>,
}

/// How a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// For the admin's word.
    Waiting,
    /// It may run.
    Approved,
    /// It was not approved, or its code is not here any more.
    Gone,
}

/// A version that comes in.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The component.
    pub name: ComponentName,
    /// Who publishes it.
    pub publisher: String,
    /// The version.
    pub version: String,
    /// The digest of the package.
    pub digest: Digest,
    /// The public key that signed it, as text.
    pub key: String,
    /// Where it came from.
    pub source: String,
}

/// A rule that is granted along with an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The rule.
    pub rule: String,
    /// The secret behind its credential.
    pub secret: Option<SecretName>,
}

/// The components.
#[derive(Clone)]
pub struct Table(pub(crate) Recorder);

recording!(Table);

impl Table {
    /// All components that were ever installed and not forgotten, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self) -> Result<Vec<Row>, Error> {
        self.0.inner.readers.run(list).await
    }

    /// What an admin gave each component beside its grants, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn given(&self) -> Result<BTreeMap<String, Value>, Error> {
        crate::setting::Table(self.0.clone()).all(GIVEN).await
    }
}

impl State {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Gone => "gone",
        }
    }
}

fn list(connection: &Connection) -> Result<Vec<Row>, Error> {
    let mut versions = versions(connection)?;
    let sql = "SELECT name, publisher, current FROM component ORDER BY name";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((parsed(row, 0)?, row.get(1)?, row.get(2)?)))?;
    rows.map(|row| {
        let (name, publisher, current) = row?;
        let versions = versions.remove(&name).unwrap_or_default();
        Ok(Row { name, publisher, current, versions })
    })
    .collect()
}

fn versions(connection: &Connection) -> Result<BTreeMap<ComponentName, Vec<Version>>, Error> {
    let sql = "SELECT name, version, digest, key, source, state, installed, approved, approved_by, kept
               FROM component_version ORDER BY name, installed, version";
    let mut statement = connection.prepare_cached(sql)?;
    let mut all: BTreeMap<ComponentName, Vec<Version>> = BTreeMap::new();
    let rows = statement.query_map([], |row| Ok((parsed(row, 0)?, version(row)?)))?;
    for row in rows {
        let (name, version) = row?;
        all.entry(name).or_default().push(version);
    }
    Ok(all)
}

fn version(row: &rusqlite::Row<'_>) -> rusqlite::Result<Version> {
    let state: String = row.get(5)?;
    Ok(Version {
        version: row.get(1)?,
        digest: Digest::from(row.get::<_, [u8; 32]>(2)?),
        key: row.get(3)?,
        source: row.get(4)?,
        state: match state.as_str() {
            "waiting" => State::Waiting,
            "approved" => State::Approved,
            _ => State::Gone,
        },
        installed: time(row, 6)?,
        approved: optional_time(row, 7)?,
        approved_by: row.get(8)?,
        kept: optional_time(row, 9)?,
    })
}
