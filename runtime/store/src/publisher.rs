//! Publishers that an admin pinned: whose packages may run.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::column::{json, optional_time, time, to_json};
use crate::error::Error;
use crate::recording::{Recorder, recording};
use crate::revocation;

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
    /// When its publisher replaced it by another key. What it signed before goes on running; nothing new is taken.
    pub retired: Option<Timestamp>,
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
                if !insert(open.connection, &row, &prefixes)? {
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
            let sql =
                "SELECT name, key, prefixes, added_by, added, retired FROM publisher ORDER BY name, position";
            Ok(connection.prepare_cached(sql)?.query_map([], row)?.collect::<Result<_, _>>()?)
        };
        self.0.inner.readers.run(work).await
    }

    /// Pins `new` directly behind the key `old` of the same publisher, which is retired. `number` is that of the
    /// statement in which the old key says so.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the publisher has no such key that is not retired, [`Error::Exists`] where the new one
    /// is there already, [`Error::Invalid`] where a statement of that or a higher number was followed before; or when
    /// the database cannot be written.
    pub async fn rotate(&self, old: &str, new: Row, number: u64) -> Result<(), Error> {
        let (old, prefixes) = (old.to_owned(), to_json(&new.prefixes)?);
        self.0
            .run(move |open| {
                let connection = open.connection;
                revocation::advance(connection, &old, revocation::Statement::Rotation, number)?;
                let sql =
                    "UPDATE publisher SET retired = ?3 WHERE name = ?1 AND key = ?2 AND retired IS NULL";
                let values = params![new.name, old, open.now()];
                if connection.prepare_cached(sql)?.execute(values)? == 0 {
                    let name = format!("of the publisher {}", new.name);
                    return Err(Error::NotFound { what: "such key", name });
                }
                if !insert(connection, &new, &prefixes)? {
                    return Err(Error::Exists {
                        what: "publisher with this key, called",
                        name: new.name.clone(),
                    });
                }
                place_behind(connection, &new, &old)?;
                Ok((true, ()))
            })
            .await
    }

    /// Removes a publisher with all keys, or one of its keys; says whether there was such.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove(&self, name: &str, key: Option<&str>) -> Result<bool, Error> {
        let (name, key) = (name.to_owned(), key.map(str::to_owned));
        self.0
            .run(move |open| {
                let sql = "DELETE FROM publisher WHERE name = ?1 AND (?2 IS NULL OR key = ?2)";
                let removed = open.connection.prepare_cached(sql)?.execute(params![name, key])? > 0;
                Ok((removed, removed))
            })
            .await
    }
}

fn insert(connection: &Connection, row: &Row, prefixes: &str) -> Result<bool, Error> {
    let sql =
        "INSERT INTO publisher (name, key, prefixes, added_by, added, position) VALUES (?1, ?2, ?3, ?4, ?5,
                   (SELECT coalesce(max(position) + 1, 0) FROM publisher WHERE name = ?1))
               ON CONFLICT DO NOTHING";
    let values = params![row.name, row.key, prefixes, row.added_by, row.added.as_microsecond()];
    Ok(connection.prepare_cached(sql)?.execute(values)? > 0)
}

/// Moves a key that was just pinned directly behind `old`.
fn place_behind(connection: &Connection, new: &Row, old: &str) -> Result<(), Error> {
    let sql = "SELECT position FROM publisher WHERE name = ?1 AND key = ?2";
    let place: i64 = connection.prepare_cached(sql)?.query_row([&new.name, old], |row| row.get(0))?;
    let sql = "UPDATE publisher SET position = position + 1 WHERE name = ?1 AND position > ?2";
    connection.prepare_cached(sql)?.execute(params![new.name, place])?;
    let sql = "UPDATE publisher SET position = ?3 WHERE name = ?1 AND key = ?2";
    connection.prepare_cached(sql)?.execute(params![new.name, new.key, place + 1])?;
    Ok(())
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        name: row.get(0)?,
        key: row.get(1)?,
        prefixes: json(row, 2)?,
        added_by: row.get(3)?,
        added: time(row, 4)?,
        retired: optional_time(row, 5)?,
    })
}
