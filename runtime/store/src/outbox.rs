//! What goes out: one row for each message in the platform's form, in the order of its channel.

mod announcement;
mod errand;
mod read;

use std::sync::Arc;

use jiff::Timestamp;
use openpact_model::audit;
use openpact_model::chat::{Part, Target};
use openpact_model::role::Channel;
use rusqlite::{Connection, OptionalExtension as _, Row as Columns, params};

use crate::Inner;
use crate::column::{count, to_json};
use crate::error::Error;
use crate::session::{channel, place};
use crate::writer::Transaction;

pub(crate) use announcement::amend;
use announcement::end_pointless;
use read::{Unsendable, end_spoiled, readable};

/// How a part ended that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The platform refuses it, and would again.
    Refused,
    /// It was tried for too long.
    GivenUp,
}

/// A part that is to be sent.
#[derive(Debug, Clone)]
pub struct New {
    /// Who sends it: the adapter.
    pub instance: String,
    /// Where it goes.
    pub target: Target,
    /// What is sent.
    pub part: Part,
    /// The same whenever this part is sent again, and of no other part.
    pub key: String,
}

/// What is done with a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It becomes a message.
    Send,
    /// It takes the place of this message.
    Edit(String),
    /// There is none: this message is taken back.
    Delete(String),
    /// This message says from then on what stands in the part as plain text, which is to be put into the platform's form
    /// before. Nothing is lost where it cannot.
    Amend(String),
}

/// A part that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Counts up over all parts.
    pub number: i64,
    /// Who sends it.
    pub instance: String,
    /// Where it goes.
    pub target: Target,
    /// What is sent; empty where a message is taken back.
    pub part: Part,
    /// What is done with it.
    pub act: Act,
    /// The same whenever this part is sent again.
    pub key: String,
    /// Which time it is that it was taken to be sent.
    pub claim: i64,
    /// How often it was tried without success.
    pub attempts: u32,
    /// When it was stored.
    pub created: Timestamp,
}

/// A part that was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Which one.
    pub number: i64,
    /// Why.
    pub why: String,
    /// Where it was for, where a turn of this channel had it sent elsewhere.
    pub elsewhere: Option<Channel>,
}

/// How many parts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Parts that wait, or are being sent.
    pub waiting: u64,
    /// Parts that were given up or refused, as far as that is remembered.
    pub lost: u64,
}

/// Parts of a channel of which its next turn is to be told.
const LOST_HERE: &str = "instance = ?1 AND channel = ?2 AND thread = ?3 AND state IN ('refused', 'given-up')
                         AND told = 0 AND asked IS NULL";

/// Parts that a turn of a channel had sent elsewhere, of which its next turn is to be told.
const LOST_ELSEWHERE: &str = "asked IS NOT NULL AND state IN ('refused', 'given-up') AND told = 0
                              AND EXISTS (SELECT 1 FROM inbox WHERE inbox.number = asked AND inbox.instance = ?1
                                          AND inbox.channel = ?2 AND inbox.thread = ?3)";

/// The outbox.
#[derive(Clone)]
pub struct Table(pub(crate) Arc<Inner>);

impl Failure {
    fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::GivenUp => "given-up",
        }
    }
}

impl Row {
    /// The channel in whose order it is sent.
    pub fn channel(&self) -> Channel {
        let Target { channel, thread, .. } = self.target.clone();
        Channel { provider: self.instance.clone(), channel, thread }
    }
}

impl Table {
    /// Stores parts that answer no event; gives the first one as one that is being sent where nothing else waits in
    /// its channel. All have one channel.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn insert(&self, parts: Vec<New>) -> Result<Option<Row>, Error> {
        let parts = parts.into_iter().map(Prepared::new).collect::<Result<Vec<_>, _>>()?;
        self.0.writer.run(move |open| insert(open, None, &parts)).await
    }

    /// Takes the oldest waiting part of `channel` to be sent; `None` where there is none, or one is being sent. On disk
    /// when this returns.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn take(&self, channel: &Channel) -> Result<Option<Row>, Error> {
        let place = place(channel);
        self.0.writer.run(move |open| take(open, &place)).await
    }

    /// The platform has a part, under that id. With `next`, the part after it is taken in the same step.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn sent(&self, row: &Row, message: &str, next: bool) -> Result<Option<Row>, Error> {
        let (number, message, place) = (row.number, message.to_owned(), place(&row.channel()));
        let work = move |open: &mut Transaction<'_>| {
            let sql = "UPDATE outbox SET state = 'sent', message = ?2, ended = ?3, part = NULL, why = NULL
                       WHERE number = ?1 AND state IN ('waiting', 'sending')";
            open.connection.prepare_cached(sql)?.execute(params![number, message, open.now()])?;
            if next { take(open, &place) } else { Ok(None) }
        };
        self.0.writer.run(work).await
    }

    /// A part was not sent and will be tried again; `counted` says whether that was an attempt. Nothing changes where
    /// somebody else took it since.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn put_back(&self, row: &Row, why: &str, counted: bool) -> Result<(), Error> {
        let (number, claim, why) = (row.number, row.claim, why.to_owned());
        let work = move |open: &mut Transaction<'_>| {
            let sql = "UPDATE outbox SET state = 'waiting', why = ?2, attempts = attempts + ?3
                       WHERE number = ?1 AND state = 'sending' AND claim = ?4";
            let values = params![number, why, i64::from(counted), claim];
            open.connection.prepare_cached(sql)?.execute(values)?;
            Ok(())
        };
        self.0.writer.run(work).await
    }

    /// A part that cannot take the place of its message waits to become one of its own, and so do those of the same
    /// answer behind it, so that they keep their order. With `is_there` the message is taken back when they are sent;
    /// the others are in any case. Nothing changes where somebody else took the part since.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn send_instead(&self, row: &Row, why: &str, is_there: bool) -> Result<(), Error> {
        let (number, claim, why, place) = (row.number, row.claim, why.to_owned(), place(&row.channel()));
        let work =
            move |open: &mut Transaction<'_>| send_instead(open, (number, claim), &place, &why, is_there);
        self.0.writer.run(work).await
    }

    /// A part is not sent, for good; what is recorded of it goes into the same transaction.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn lose(
        &self,
        number: i64,
        failure: Failure,
        why: &str,
        event: audit::Event,
    ) -> Result<(), Error> {
        let (why, event) = (why.to_owned(), crate::audit::prepare(&event)?);
        let work = move |open: &mut Transaction<'_>| {
            let sql = "UPDATE outbox SET state = ?2, why = ?3, ended = ?4, part = NULL
                       WHERE number = ?1 AND state IN ('waiting', 'sending')";
            let values = params![number, failure.as_str(), why, open.now()];
            if open.connection.prepare_cached(sql)?.execute(values)? > 0 {
                open.append(&event)?;
            }
            Ok(())
        };
        self.0.writer.run(work).await
    }

    /// Has every part of `instance` wait that was being sent when its sender ended; says how many of them may have
    /// arrived and would then be there twice.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn recover(&self, instance: &str) -> Result<u64, Error> {
        let instance = instance.to_owned();
        let work = move |open: &mut Transaction<'_>| {
            // Both states, so that the index of open parts is used.
            let sql = "UPDATE outbox SET state = 'waiting' WHERE number IN
                           (SELECT number FROM outbox WHERE instance = ?1 AND state IN ('waiting', 'sending')
                              AND state = 'sending')
                       RETURNING act = 'send'";
            let mut statement = open.connection.prepare_cached(sql)?;
            let recovered = statement.query_map([&instance], |row| row.get::<_, bool>(0))?;
            let is_send = recovered.collect::<Result<Vec<_>, _>>()?;
            Ok(is_send.into_iter().filter(|is_send| *is_send).count() as u64)
        };
        self.0.writer.run(work).await
    }

    /// The channels of `instance` in which something waits.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn channels(&self, instance: &str) -> Result<Vec<Channel>, Error> {
        let instance = instance.to_owned();
        let work = move |connection: &Connection| {
            let sql = "SELECT instance, channel, thread FROM outbox
                       WHERE instance = ?1 AND state IN ('waiting', 'sending')
                       GROUP BY channel, thread ORDER BY min(number)";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_map([instance], |row| channel(row, 0))?.collect::<Result<_, _>>()?)
        };
        self.0.readers.run(work).await
    }

    /// Whether nothing waits in `channel`, and nothing is being sent.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn is_idle(&self, channel: &Channel) -> Result<bool, Error> {
        let place = place(channel);
        self.0.readers.run(move |connection: &Connection| is_idle(connection, &place)).await
    }

    /// The parts that were lost and that the next turn of `channel` has not been told of: those of that channel, and
    /// those that one of its turns had sent elsewhere; at most `most`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn lost(&self, channel: &Channel, most: u32) -> Result<Vec<Lost>, Error> {
        let [instance, channel, thread] = place(channel);
        let work = move |connection: &Connection| {
            let sql = format!(
                "SELECT number, coalesce(why, ''), NULL, NULL, NULL FROM outbox WHERE {LOST_HERE}
                 UNION ALL
                 SELECT number, coalesce(why, ''), instance, channel, thread FROM outbox WHERE {LOST_ELSEWHERE}
                 ORDER BY number LIMIT ?4"
            );
            let read = |row: &Columns<'_>| {
                let is_elsewhere = row.get::<_, Option<String>>(2)?.is_some();
                let elsewhere = is_elsewhere.then(|| self::channel(row, 2)).transpose()?;
                Ok(Lost { number: row.get(0)?, why: row.get(1)?, elsewhere })
            };
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![instance, channel, thread, most], read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.0.readers.run(work).await
    }

    /// The next turn of `channel` was told of what was lost, up to and with that number.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn told(&self, channel: &Channel, last: i64) -> Result<(), Error> {
        let [instance, channel, thread] = place(channel);
        let work = move |open: &mut Transaction<'_>| {
            for which in [LOST_HERE, LOST_ELSEWHERE] {
                let sql = format!("UPDATE outbox SET told = 1 WHERE {which} AND number <= ?4");
                let values = params![instance, channel, thread, last];
                open.connection.prepare_cached(&sql)?.execute(values)?;
            }
            Ok(())
        };
        self.0.writer.run(work).await
    }

    /// How many parts wait and how many were lost.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn counts(&self) -> Result<Counts, Error> {
        let work = |connection: &Connection| {
            let sql = "SELECT (SELECT count(*) FROM outbox WHERE state IN ('waiting', 'sending')),
                              (SELECT count(*) FROM outbox WHERE state IN ('refused', 'given-up'))";
            let read = |row: &Columns<'_>| Ok(Counts { waiting: count(row, 0)?, lost: count(row, 1)? });
            Ok(connection.prepare_cached(sql)?.query_row([], read)?)
        };
        self.0.readers.run(work).await
    }

    /// Forgets parts that were sent before `sent` and parts that were lost before `lost`; at most `most`. Says how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn prune(&self, sent: Timestamp, lost: Timestamp, most: u32) -> Result<u64, Error> {
        let (sent, lost) = (sent.as_microsecond(), lost.as_microsecond());
        let work = move |open: &mut Transaction<'_>| {
            let sql = "DELETE FROM outbox WHERE number IN
                           (SELECT number FROM outbox WHERE ended < ?1 AND (state = 'sent' OR ended < ?2)
                            ORDER BY ended LIMIT ?3)";
            Ok(open.connection.prepare_cached(sql)?.execute(params![sent.max(lost), sent.min(lost), most])?
                as u64)
        };
        self.0.writer.run(work).await
    }
}

/// A part as it is written.
pub(crate) struct Prepared {
    new: New,
    part: String,
    place: [String; 3],
}

impl Prepared {
    pub(crate) fn new(new: New) -> Result<Self, Error> {
        let part = to_json(&new.part)?;
        let Target { channel, thread, .. } = new.target.clone();
        let place = place(&Channel { provider: new.instance.clone(), channel, thread });
        Ok(Self { new, part, place })
    }
}

/// Writes parts of one channel; takes the first where nothing else waits there.
pub(crate) fn insert(
    open: &mut Transaction<'_>,
    inbox: Option<i64>,
    parts: &[Prepared],
) -> Result<Option<Row>, Error> {
    let Some(first) = parts.first() else { return Ok(None) };
    let idle = is_idle(open.connection, &first.place)?;
    let created = open.timestamp();
    let mut taken = None;
    for (index, prepared) in parts.iter().enumerate() {
        let take = idle && index == 0;
        let number = insert_one(open, inbox, prepared, None, take)?;
        if take {
            let New { instance, target, part, key } = prepared.new.clone();
            let act = Act::Send;
            taken = Some(Row { number, instance, target, part, act, key, claim: 1, attempts: 0, created });
        }
    }
    Ok(taken)
}

/// Writes the parts of the answer to `inbox`, which take the `places` of messages that are there. Takes the first where
/// nothing else waits.
pub(crate) fn replace(
    open: &mut Transaction<'_>,
    inbox: i64,
    parts: &[Prepared],
    places: &[String],
) -> Result<Option<Row>, Error> {
    let place = crate::inbox::place_of(open.connection, inbox)?;
    let idle = is_idle(open.connection, &place)?;
    for (index, prepared) in parts.iter().enumerate() {
        insert_one(open, Some(inbox), prepared, places.get(index).map(String::as_str), false)?;
    }
    crate::partial::take_back(open, inbox, parts.len())?;
    if idle { take(open, &place) } else { Ok(None) }
}

fn insert_one(
    open: &mut Transaction<'_>,
    inbox: Option<i64>,
    prepared: &Prepared,
    replaces: Option<&str>,
    take: bool,
) -> Result<i64, Error> {
    let Prepared { new, part, place: [instance, channel, thread] } = prepared;
    let sql = "INSERT INTO outbox (instance, account, channel, thread, reply_to, inbox, key, part, state, created, claim,
                                   act, replaces)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?9 = 'sending',
                       CASE WHEN ?11 IS NULL THEN 'send' ELSE 'edit' END, ?11)";
    let (state, now) = (if take { "sending" } else { "waiting" }, open.now());
    let Target { account, reply_to, .. } = &new.target;
    let values =
        params![instance, account, channel, thread, reply_to, inbox, new.key, part, state, now, replaces];
    open.connection.prepare_cached(sql)?.execute(values)?;
    Ok(open.connection.last_insert_rowid())
}

fn is_idle(connection: &Connection, place: &[String; 3]) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM outbox WHERE instance = ?1 AND channel = ?2 AND thread = ?3
                 AND state IN ('waiting', 'sending')";
    Ok(!connection.prepare_cached(sql)?.exists(place.each_ref())?)
}

fn send_instead(
    open: &mut Transaction<'_>,
    (number, claim): (i64, i64),
    [instance, channel, thread]: &[String; 3],
    why: &str,
    is_there: bool,
) -> Result<(), Error> {
    let sql = "UPDATE outbox SET state = 'waiting', why = ?3, attempts = 0
               WHERE number = ?1 AND state = 'sending' AND claim = ?2 AND act = 'edit'";
    if open.connection.prepare_cached(sql)?.execute(params![number, claim, why])? == 0 {
        return Ok(());
    }
    // Behind everything that waits: it is the least urgent.
    let sql = "INSERT INTO outbox (instance, account, channel, thread, inbox, key, part, state, created, act, replaces)
               SELECT instance, account, channel, thread, inbox, '', ?6, 'waiting', ?7, 'delete', replaces FROM outbox
               WHERE instance = ?1 AND channel = ?2 AND thread = ?3 AND state IN ('waiting', 'sending') AND act = 'edit'
                 AND number >= ?4 + (1 - ?5) AND inbox = (SELECT inbox FROM outbox WHERE number = ?4) ORDER BY number";
    let values = params![instance, channel, thread, number, is_there, nothing()?, open.now()];
    open.connection.prepare_cached(sql)?.execute(values)?;
    let sql = "UPDATE outbox SET act = 'send', replaces = NULL
               WHERE instance = ?1 AND channel = ?2 AND thread = ?3 AND state IN ('waiting', 'sending') AND act = 'edit'
                 AND number >= ?4 AND inbox = (SELECT inbox FROM outbox WHERE number = ?4)";
    open.connection.prepare_cached(sql)?.execute(params![instance, channel, thread, number])?;
    Ok(())
}

/// The part of a row that takes a message back.
pub(crate) fn nothing() -> Result<String, Error> {
    to_json(&Part { body: String::new(), plain: String::new(), files: Vec::new() })
}

fn take(open: &mut Transaction<'_>, place: &[String; 3]) -> Result<Option<Row>, Error> {
    let sql = "SELECT number, instance, account, channel, thread, reply_to, key, part, attempts, created, state, claim + 1,
                      act, coalesce(replaces, (SELECT message FROM outbox AS told WHERE told.number = outbox.amends)),
                      amends IS NOT NULL
               FROM outbox WHERE instance = ?1 AND channel = ?2 AND thread = ?3 AND state IN ('waiting', 'sending')
               ORDER BY number LIMIT 1";
    let read = |row: &Columns<'_>| Ok((readable(row)?, row.get::<_, String>(10)?));
    let [instance, channel, thread] = place;
    let row = loop {
        let oldest =
            open.connection.prepare_cached(sql)?.query_row([instance, channel, thread], read).optional()?;
        let Some((row, _)) = oldest.filter(|(_, state)| state == "waiting") else { return Ok(None) };
        match row {
            Ok(row) => break row,
            Err(Unsendable::Spoiled(number)) => end_spoiled(open, number)?,
            Err(Unsendable::Pointless(number)) => end_pointless(open, number)?,
        }
    };
    let sql = "UPDATE outbox SET state = 'sending', claim = claim + 1 WHERE number = ?1";
    open.connection.prepare_cached(sql)?.execute([row.number])?;
    Ok(Some(row))
}
