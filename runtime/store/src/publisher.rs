//! Publishers that an admin pinned: whose packages may run.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::column::{json, time, to_json};
use crate::error::Error;
use crate::recording::{Recorder, recording};

/// One key of one publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The publisher's name.
    pub name: String,
    /// The public key as text.
    pub key: String,
    /// Which names of components the key may sign.
    pub prefixes: Vec<String>,
    /// Who pinned it.
    pub added_by: String,
    /// When.
    pub added: Timestamp,
}

/// The publishers.
#[derive(Clone)]
pub struct Table(pub(crate) Recorder);

recording!(Table);

impl Table {
    /// Pins a key.
    ///
    /// # Errors
    /// [`Error::Exists`] where that publisher has that key already, or when the database cannot be written.
    pub async fn add(&self, row: Row) -> Result<(), Error> {
        let prefixes = to_json(&row.prefixes)?;
        self.0
            .run(move |open| {
                let sql = "INSERT INTO publisher VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
                let values = params![row.name, row.key, prefixes, row.added_by, row.added.as_microsecond()];
                if open.connection.prepare_cached(sql)?.execute(values)? == 0 {
                    return Err(Error::Exists {
                        what: "publisher with this key, called",
                        name: row.name.clone(),
                    });
                }
                Ok((true, ()))
            })
            .await
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self) -> Result<Vec<Row>, Error> {
        let work = |connection: &Connection| {
            let sql = "SELECT name, key, prefixes, added_by, added FROM publisher ORDER BY name, added, key";
            Ok(connection.prepare_cached(sql)?.query_map([], row)?.collect::<Result<_, _>>()?)
        };
        self.0.inner.readers.run(work).await
    }

    /// Removes a publisher with all keys; says whether there was one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove(&self, name: &str) -> Result<bool, Error> {
        let name = name.to_owned();
        self.0
            .run(move |open| {
                let mut statement =
                    open.connection.prepare_cached("DELETE FROM publisher WHERE name = ?1")?;
                let removed = statement.execute([&name])? > 0;
                Ok((removed, removed))
            })
            .await
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        name: row.get(0)?,
        key: row.get(1)?,
        prefixes: json(row, 2)?,
        added_by: row.get(3)?,
        added: time(row, 4)?,
    })
}
