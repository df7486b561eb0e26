//! Where each account of an owner last wrote alone: there the owner is told what nobody asked for. Whether it is an
//! owner's still is for whoever reads this to decide.

use std::sync::Arc;

use openpact_model::role::Channel;
use rusqlite::{Connection, params};

use crate::Inner;
use crate::error::Error;
use crate::session::{channel, place};
use crate::writer::Transaction;

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it wrote; its provider is the account's.
    pub channel: Channel,
    /// What the platform calls the account.
    pub user: String,
    /// The account of the assistant that it wrote to.
    pub account: String,
}

/// The accounts.
#[derive(Clone)]
pub struct Table(pub(crate) Arc<Inner>);

impl Table {
    /// All of them, the one that wrote last first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self) -> Result<Vec<Row>, Error> {
        let work = |connection: &Connection| {
            let sql = "SELECT instance, channel, thread, user, account FROM owner_place
                       ORDER BY seen DESC, instance, user";
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Row { channel: channel(row, 0)?, user: row.get(3)?, account: row.get(4)? })
            };
            Ok(connection.prepare_cached(sql)?.query_map([], read)?.collect::<Result<_, _>>()?)
        };
        self.0.readers.run(work).await
    }

    /// That account wrote there, now.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set(&self, channel: &Channel, user: &str, account: &str) -> Result<(), Error> {
        let [instance, channel, thread] = place(channel);
        let (user, account) = (user.to_owned(), account.to_owned());
        let work = move |open: &mut Transaction<'_>| {
            // Later than every other, even where the clock went back.
            let sql = "INSERT INTO owner_place (instance, user, account, channel, thread, seen)
                       VALUES (?1, ?2, ?3, ?4, ?5, max(?6, (SELECT coalesce(max(seen), 0) + 1 FROM owner_place)))
                       ON CONFLICT DO UPDATE SET account = excluded.account, channel = excluded.channel,
                                                 thread = excluded.thread, seen = excluded.seen";
            let values = params![instance, user, account, channel, thread, open.now()];
            open.connection.prepare_cached(sql)?.execute(values)?;
            Ok(())
        };
        self.0.writer.run(work).await
    }
}
