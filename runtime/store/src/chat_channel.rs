//! What was chosen for a channel, and what happened there. A channel without either takes no room.

use std::sync::Arc;
use std::time::Duration;

use openpact_model::chat::Detail;
use openpact_model::role::Channel;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::Inner;
use crate::error::Error;
use crate::session::place;
use crate::writer::Transaction;

/// What is known of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row {
    /// How much of its work the assistant shows there, where that was chosen.
    pub mode: Option<Detail>,
    /// Messages of other programs since a person last wrote.
    pub bots: u32,
}

/// The channels.
#[derive(Clone)]
pub struct Table(pub(crate) Arc<Inner>);

impl Table {
    /// What is known of `channel`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn get(&self, channel: &Channel) -> Result<Row, Error> {
        let place = place(channel);
        let work = move |connection: &Connection| {
            let sql =
                "SELECT mode, bots FROM chat_channel WHERE instance = ?1 AND channel = ?2 AND thread = ?3";
            let read = |row: &rusqlite::Row<'_>| {
                let mode: Option<String> = row.get(0)?;
                Ok(Row { mode: mode.as_deref().and_then(detail), bots: row.get(1)? })
            };
            let found = connection.prepare_cached(sql)?.query_row(place, read).optional()?;
            Ok(found.unwrap_or_default())
        };
        self.0.readers.run(work).await
    }

    /// Chooses how much the assistant shows in `channel`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_mode(&self, channel: &Channel, mode: Detail) -> Result<(), Error> {
        let [instance, channel, thread] = place(channel);
        let work = move |open: &mut Transaction<'_>| {
            let sql = "INSERT INTO chat_channel (instance, channel, thread, mode) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT DO UPDATE SET mode = excluded.mode";
            let values = params![instance, channel, thread, name(mode)];
            open.connection.prepare_cached(sql)?.execute(values)?;
            Ok(())
        };
        self.0.writer.run(work).await
    }

    /// Counts a message of another program in `channel`; gives how many there were since a person last wrote, or since
    /// no program wrote for longer than `quiet`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn count_bot(&self, channel: &Channel, quiet: Duration) -> Result<u32, Error> {
        let [instance, channel, thread] = place(channel);
        let quiet = i64::try_from(quiet.as_micros()).unwrap_or(i64::MAX);
        let work = move |open: &mut Transaction<'_>| {
            let now = open.now();
            let sql = "INSERT INTO chat_channel (instance, channel, thread, bots, bots_last) VALUES (?1, ?2, ?3, 1, ?4)
                       ON CONFLICT DO UPDATE SET bots_last = ?4,
                           bots = iif(?4 - coalesce(bots_last, ?4) > ?5, 1, min(bots + 1, 1000000))
                       RETURNING bots";
            let values = params![instance, channel, thread, now, quiet];
            Ok(open.connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?)
        };
        self.0.writer.run(work).await
    }

    /// A person wrote in `channel`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget_bots(&self, channel: &Channel) -> Result<(), Error> {
        let [instance, channel, thread] = place(channel);
        let work = move |open: &mut Transaction<'_>| {
            let place = params![instance, channel, thread];
            let sql = "UPDATE chat_channel SET bots = 0 WHERE instance = ?1 AND channel = ?2 AND thread = ?3";
            open.connection.prepare_cached(sql)?.execute(place)?;
            let sql = "DELETE FROM chat_channel
                       WHERE instance = ?1 AND channel = ?2 AND thread = ?3 AND bots = 0 AND mode IS NULL";
            open.connection.prepare_cached(sql)?.execute(place)?;
            Ok(())
        };
        self.0.writer.run(work).await
    }
}

pub(crate) fn name(detail: Detail) -> &'static str {
    match detail {
        Detail::Simple => "simple",
        Detail::Thinking => "thinking",
        Detail::Tools => "tools",
        Detail::Full => "full",
    }
}

/// `None` for a word of a later version: the channel then shows the least.
fn detail(name: &str) -> Option<Detail> {
    [Detail::Simple, Detail::Thinking, Detail::Tools, Detail::Full]
        .into_iter()
        .find(|detail| self::name(*detail) == name)
}
