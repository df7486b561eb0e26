//! Sessions, and which of them each channel talks in.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use openpact_model::id::SessionId;
use openpact_model::role::Channel;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use crate::Inner;
use crate::column::time;
use crate::error::Error;

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its id.
    pub id: SessionId,
    /// The engine that it belongs to.
    pub engine: String,
    /// Its title; may be empty.
    pub title: String,
    /// The model that was chosen for it.
    pub model: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it, or what is in it, last changed.
    pub updated: Timestamp,
}

/// The sessions.
#[derive(Clone)]
pub struct Table(pub(crate) Arc<Inner>);

const COLUMNS: &str =
    "session.id, session.engine, session.title, session.model, session.created, session.updated";

impl Table {
    /// Makes a session of `engine`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn create(&self, engine: &str, title: &str) -> Result<Row, Error> {
        let id = SessionId::generate(&*self.0.random);
        let (engine, title) = (engine.to_owned(), title.to_owned());
        let writer = &self.0.writer;
        writer
            .run(move |open| {
                let created = open.timestamp();
                let now = created.as_microsecond();
                open.connection
                    .prepare_cached("INSERT INTO session VALUES (?1, ?2, ?3, NULL, ?4, ?4)")?
                    .execute(params![id.as_str(), engine, title, now])?;
                let (id, engine, title) = (id.clone(), engine.clone(), title.clone());
                Ok(Row { id, engine, title, model: None, created, updated: created })
            })
            .await
    }

    /// All sessions of `engine`, the last changed first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self, engine: &str) -> Result<Vec<Row>, Error> {
        let engine = engine.to_owned();
        let work = move |connection: &Connection| {
            let sql = format!("SELECT {COLUMNS} FROM session WHERE engine = ?1 ORDER BY updated DESC, id");
            Ok(connection.prepare_cached(&sql)?.query_map([engine], row)?.collect::<Result<_, _>>()?)
        };
        self.0.readers.run(work).await
    }

    /// One session.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn get(&self, id: &SessionId) -> Result<Option<Row>, Error> {
        let id = id.clone();
        let work = move |connection: &Connection| {
            let sql = format!("SELECT {COLUMNS} FROM session WHERE id = ?1");
            Ok(connection.prepare_cached(&sql)?.query_row([id.as_str()], row).optional()?)
        };
        self.0.readers.run(work).await
    }

    /// Gives a session another title; says whether there is such a session.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn rename(&self, id: &SessionId, title: &str) -> Result<bool, Error> {
        self.change("UPDATE session SET title = ?2, updated = ?3 WHERE id = ?1", id, Some(title)).await
    }

    /// Chooses the model of a session, or leaves it to the default again; says whether there is such a session.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_model(&self, id: &SessionId, model: Option<&str>) -> Result<bool, Error> {
        self.change("UPDATE session SET model = ?2, updated = ?3 WHERE id = ?1", id, model).await
    }

    /// Deletes a session with its messages, its usage, its addresses and its place in channels; says whether there was one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete(&self, id: &SessionId) -> Result<bool, Error> {
        let id = id.clone();
        let writer = &self.0.writer;
        writer
            .run(move |open| {
                let mut statement = open.connection.prepare_cached("DELETE FROM session WHERE id = ?1")?;
                Ok(statement.execute([id.as_str()])? > 0)
            })
            .await
    }

    /// Keeps addresses that a person wrote in a session.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such session, or when the database cannot be written.
    pub async fn add_addresses(&self, id: &SessionId, addresses: Vec<String>) -> Result<(), Error> {
        let id = id.clone();
        let writer = &self.0.writer;
        writer
            .run(move |open| {
                require(open.connection, &id)?;
                let sql = "INSERT INTO session_address VALUES (?1, ?2) ON CONFLICT DO NOTHING";
                let mut statement = open.connection.prepare_cached(sql)?;
                for address in &addresses {
                    statement.execute([id.as_str(), address])?;
                }
                Ok(())
            })
            .await
    }

    /// Those of `addresses` that a person wrote in a session.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn addresses_of(
        &self,
        id: &SessionId,
        addresses: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, Error> {
        let id = id.clone();
        let work = move |connection: &Connection| {
            let sql = "SELECT 1 FROM session_address WHERE session = ?1 AND address = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let mut found = BTreeSet::new();
            for address in addresses {
                if statement.exists([id.as_str(), &address])? {
                    found.insert(address);
                }
            }
            Ok(found)
        };
        self.0.readers.run(work).await
    }

    /// The session that `channel` talks in.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn active(&self, channel: &Channel) -> Result<Option<SessionId>, Error> {
        let place = place(channel);
        let work = move |connection: &Connection| {
            let sql = "SELECT session FROM session_channel
                       WHERE provider = ?1 AND channel = ?2 AND thread = ?3 AND active = 1";
            let id = connection.prepare_cached(sql)?.query_row(place, |row| row.get::<_, String>(0));
            Ok(id.optional()?.map(SessionId::from_stored))
        };
        self.0.readers.run(work).await
    }

    /// Makes `channel` talk in a session.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such session, or when the database cannot be written.
    pub async fn set_active(&self, channel: &Channel, id: &SessionId) -> Result<(), Error> {
        let ([provider, channel, thread], id) = (place(channel), id.clone());
        let writer = &self.0.writer;
        writer
            .run(move |open| {
                require(open.connection, &id)?;
                let sql = "UPDATE session_channel SET active = 0
                           WHERE provider = ?1 AND channel = ?2 AND thread = ?3 AND active = 1";
                open.connection.prepare_cached(sql)?.execute([&provider, &channel, &thread])?;
                let sql = "INSERT INTO session_channel VALUES (?1, ?2, ?3, ?4, 1, ?5)
                           ON CONFLICT DO UPDATE SET active = 1, since = excluded.since";
                let values = params![provider, channel, thread, id.as_str(), open.now()];
                open.connection.prepare_cached(sql)?.execute(values)?;
                Ok(())
            })
            .await
    }

    /// Every session that `channel` ever talked in, the last one first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn of_channel(&self, channel: &Channel) -> Result<Vec<Row>, Error> {
        let place = place(channel);
        let work = move |connection: &Connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM session_channel JOIN session ON session.id = session_channel.session
                 WHERE provider = ?1 AND channel = ?2 AND thread = ?3
                 ORDER BY active DESC, since DESC, session.id"
            );
            Ok(connection.prepare_cached(&sql)?.query_map(place, row)?.collect::<Result<_, _>>()?)
        };
        self.0.readers.run(work).await
    }

    async fn change(&self, sql: &'static str, id: &SessionId, value: Option<&str>) -> Result<bool, Error> {
        let (id, value) = (id.clone(), value.map(str::to_owned));
        let writer = &self.0.writer;
        writer
            .run(move |open| {
                let values = params![id.as_str(), value, open.now()];
                Ok(open.connection.prepare_cached(sql)?.execute(values)? > 0)
            })
            .await
    }
}

/// Says that a session changed.
///
/// # Errors
/// [`Error::NotFound`] where there is none.
pub(crate) fn touch(connection: &Connection, id: &SessionId, now: i64) -> Result<(), Error> {
    let changed = connection
        .prepare_cached("UPDATE session SET updated = ?2 WHERE id = ?1")?
        .execute(params![id.as_str(), now])?;
    if changed == 0 { Err(missing(id)) } else { Ok(()) }
}

fn require(connection: &Connection, id: &SessionId) -> Result<(), Error> {
    let found = connection.prepare_cached("SELECT 1 FROM session WHERE id = ?1")?.exists([id.as_str()])?;
    if found { Ok(()) } else { Err(missing(id)) }
}

fn missing(id: &SessionId) -> Error {
    Error::NotFound { what: "session", name: id.to_string() }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: SessionId::from_stored(row.get::<_, String>(0)?),
        engine: row.get(1)?,
        title: row.get(2)?,
        model: row.get(3)?,
        created: time(row, 4)?,
        updated: time(row, 5)?,
    })
}

/// The columns of a channel. A thread has a slash in front, so that an empty one is not the same as none.
pub(crate) fn place(channel: &Channel) -> [String; 3] {
    let thread = channel.thread.as_ref().map(|thread| format!("/{thread}"));
    [channel.provider.clone(), channel.channel.clone(), thread.unwrap_or_default()]
}

/// The thread that a column of [`place`] stands for.
pub(crate) fn thread(column: &str) -> Option<String> {
    column.strip_prefix('/').map(str::to_owned)
}

/// The channel in the three columns from `first` on.
pub(crate) fn channel(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Channel> {
    let thread = thread(&row.get::<_, String>(first + 2)?);
    Ok(Channel { provider: row.get(first)?, channel: row.get(first + 1)?, thread })
}
