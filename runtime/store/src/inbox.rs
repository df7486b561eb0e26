//! What platforms reported: each event once, in the order in which it came, with the state of its answer.

mod event;
mod spoiled;
mod turn;

use std::sync::Arc;

use jiff::Timestamp;
use openpact_model::audit;
use openpact_model::chat::{Event, Happening};
use openpact_model::id::{SessionId, TurnId};
use openpact_model::role::Channel;
use rusqlite::{Connection, OptionalExtension as _, Row as Columns, params};

use crate::Inner;
use crate::column::{json, time, to_json};
use crate::error::Error;
use crate::outbox;
use crate::partial;
use crate::session::place;
use crate::writer::Transaction;

pub use turn::{Begin, Edit, Finish};

/// Events of one instance that are read at once.
const PAGE: u32 = 1000;

/// Whether an event waits for its turn in its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// It does.
    Turn,
    /// It is done beside whatever runs: a command, a press of a button, an edit.
    Control,
}

/// How an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is stored and nothing was done yet.
    Received,
    /// Its turn was begun.
    Running,
    /// It was answered, or there is nothing to answer.
    Answered,
    /// Whoever sent it may not.
    Refused,
    /// It was answered with a failure.
    Failed,
}

/// An event that comes in.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The adapter.
    pub instance: String,
    /// The event.
    pub event: Event,
    /// Where it goes.
    pub lane: Lane,
    /// How it stands from the beginning: `Received`, or an end where there is nothing to do.
    pub state: State,
}

/// An event that was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Counts up over all events.
    pub number: i64,
    /// The adapter.
    pub instance: String,
    /// The event.
    pub event: Event,
    /// Whether it waits for its turn.
    pub lane: Lane,
    /// How it stands.
    pub state: State,
    /// When it came.
    pub received: Timestamp,
    /// How often it was changed while it waited.
    pub edits: u32,
    /// How often its turn was begun.
    pub attempts: u32,
    /// The last turn that was begun for it.
    pub turn: Option<TurnId>,
    /// The session of that turn.
    pub session: Option<SessionId>,
    /// The number of that session's last message before the turn; 0 where there was none.
    pub before: i64,
    /// The same after it, once it has ended.
    pub after: Option<i64>,
}

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Events that wait.
    pub received: u64,
    /// Events whose turn was begun.
    pub running: u64,
}

/// The inbox.
#[derive(Clone)]
pub struct Table(pub(crate) Arc<Inner>);

impl Lane {
    fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Control => "control",
        }
    }

    fn parse(text: &str) -> Self {
        if text == "control" { Self::Control } else { Self::Turn }
    }
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Running => "running",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Whether it has not ended.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Received | Self::Running)
    }

    fn parse(text: &str) -> Self {
        match text {
            "received" => Self::Received,
            "running" => Self::Running,
            "refused" => Self::Refused,
            "failed" => Self::Failed,
            _ => Self::Answered,
        }
    }
}

impl Row {
    /// Where it happened.
    pub fn channel(&self) -> Channel {
        event::channel(&self.instance, &self.event)
    }
}

impl Table {
    /// Stores an event and gives its number; `None` where it was stored before. On disk when this returns. Of one that is
    /// refused only its identity is kept, so that it is known when it comes again: what was said is nobody's.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn insert(&self, arrival: &Arrival) -> Result<Option<i64>, Error> {
        let Arrival { instance, event, lane, state } = arrival;
        let [instance, channel, thread] = place(&event::channel(instance, event));
        let (account, id, revision) = (event.account.clone(), event.id.clone(), event.revision.cast_signed());
        let (lane, state, message) = (*lane, *state, event::message(event));
        let body = if state == State::Refused { None } else { Some(to_json(event)?) };
        let work = move |open: &mut Transaction<'_>| {
            let now = open.now();
            let sql = "INSERT INTO inbox (instance, account, event, revision, channel, thread, lane, state, message,
                                          body, received, ended)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING";
            let ended = (!state.is_open()).then_some(now);
            let values = params![
                instance,
                account,
                id,
                revision,
                channel,
                thread,
                lane.as_str(),
                state.as_str(),
                message,
                body,
                now,
                ended
            ];
            let stored = open.connection.prepare_cached(sql)?.execute(values)?;
            Ok((stored > 0).then(|| open.connection.last_insert_rowid()))
        };
        self.0.writer.run(work).await
    }

    /// The oldest open event of `channel` that waits for its turn, or whose turn was begun. One that cannot be read
    /// any more ends here, as failed.
    ///
    /// # Errors
    /// When the database cannot be read, or such an event cannot be ended.
    pub async fn next(&self, channel: &Channel) -> Result<Option<Row>, Error> {
        let place = place(channel);
        loop {
            let place = place.clone();
            let work = move |connection: &Connection| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM inbox WHERE instance = ?1 AND channel = ?2 AND thread = ?3 AND lane = 'turn'
                       AND state IN ('received', 'running') ORDER BY number LIMIT 1"
                );
                Ok(connection.prepare_cached(&sql)?.query_row(place, spoiled::row).optional()?)
            };
            match self.0.readers.run(work).await? {
                None => return Ok(None),
                Some(Ok(row)) => return Ok(Some(*row)),
                Some(Err(spoiled)) => self.end_spoiled(spoiled).await?,
            }
        }
    }

    /// One event, if its body is still there.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn get(&self, number: i64) -> Result<Option<Row>, Error> {
        let work = move |connection: &Connection| {
            let sql = format!("SELECT {COLUMNS} FROM inbox WHERE number = ?1 AND body IS NOT NULL");
            Ok(connection.prepare_cached(&sql)?.query_row([number], row).optional()?)
        };
        self.0.readers.run(work).await
    }

    /// The newest event of `channel` that had, or has, a turn.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn newest(&self, channel: &Channel) -> Result<Option<Row>, Error> {
        let place = place(channel);
        let work = move |connection: &Connection| newest(connection, &place);
        self.0.readers.run(work).await
    }

    /// The events of `instance` after number `after` that wait beside the turns, oldest first; a page of them, empty
    /// after the last. Those that cannot be read any more end here, as failed.
    ///
    /// # Errors
    /// When the database cannot be read, or such an event cannot be ended.
    pub async fn controls(&self, instance: &str, after: i64) -> Result<Vec<Row>, Error> {
        loop {
            let mut page = Vec::new();
            let read = self.read_controls(instance, after).await?;
            let is_last = read.is_empty();
            for row in read {
                match row {
                    Ok(row) => page.push(*row),
                    Err(spoiled) => self.end_spoiled(spoiled).await?,
                }
            }
            if is_last || !page.is_empty() {
                return Ok(page);
            }
        }
    }

    async fn read_controls(
        &self,
        instance: &str,
        after: i64,
    ) -> Result<Vec<Result<Box<Row>, spoiled::Spoiled>>, Error> {
        let instance = instance.to_owned();
        let work = move |connection: &Connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM inbox WHERE instance = ?1 AND number > ?2 AND lane = 'control'
                   AND state IN ('received', 'running') ORDER BY number LIMIT {PAGE}"
            );
            Ok(connection
                .prepare_cached(&sql)?
                .query_map(params![instance, after], spoiled::row)?
                .collect::<Result<_, _>>()?)
        };
        self.0.readers.run(work).await
    }

    /// The channels of `instance` in which a turn waits or was begun, with how many.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn channels(&self, instance: &str) -> Result<Vec<(Channel, u64)>, Error> {
        let instance = instance.to_owned();
        let work = move |connection: &Connection| {
            let sql = "SELECT instance, channel, thread, count(*) FROM inbox
                       WHERE instance = ?1 AND lane = 'turn' AND state IN ('received', 'running')
                       GROUP BY channel, thread ORDER BY min(number)";
            let read =
                |row: &Columns<'_>| Ok((crate::session::channel(row, 0)?, crate::column::count(row, 3)?));
            Ok(connection.prepare_cached(sql)?.query_map([instance], read)?.collect::<Result<_, _>>()?)
        };
        self.0.readers.run(work).await
    }

    /// How many events are open.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn counts(&self) -> Result<Counts, Error> {
        let work = |connection: &Connection| {
            let sql =
                "SELECT coalesce(sum(state = 'received'), 0), coalesce(sum(state = 'running'), 0) FROM inbox
                       WHERE state IN ('received', 'running')";
            let read = |row: &Columns<'_>| {
                let (received, running) = (crate::column::count(row, 0)?, crate::column::count(row, 1)?);
                Ok(Counts { received, running })
            };
            Ok(connection.prepare_cached(sql)?.query_row([], read)?)
        };
        self.0.readers.run(work).await
    }

    /// Forgets what events said that ended before `bodies`, and that events were there that ended before `identities`;
    /// at most `most` of each. Says how many it touched. From then on such an event would be taken for a new one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn prune(&self, bodies: Timestamp, identities: Timestamp, most: u32) -> Result<u64, Error> {
        let (bodies, identities) = (bodies.as_microsecond(), identities.as_microsecond());
        let work = move |open: &mut Transaction<'_>| {
            let sql = "DELETE FROM inbox WHERE number IN
                           (SELECT number FROM inbox WHERE ended < ?1 ORDER BY ended LIMIT ?2)";
            let deleted = open.connection.prepare_cached(sql)?.execute(params![identities, most])?;
            let sql = "UPDATE inbox SET body = NULL, message = NULL WHERE number IN
                           (SELECT number FROM inbox WHERE ended < ?1 AND ended IS NOT NULL AND body IS NOT NULL ORDER BY ended LIMIT ?2)";
            let emptied = open.connection.prepare_cached(sql)?.execute(params![bodies, most])?;
            Ok((deleted + emptied) as u64)
        };
        self.0.writer.run(work).await
    }
}

/// The columns of the channel in which an event happened.
pub(crate) fn place_of(connection: &Connection, number: i64) -> Result<[String; 3], Error> {
    let sql = "SELECT instance, channel, thread FROM inbox WHERE number = ?1";
    let read = |row: &Columns<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?]);
    Ok(connection.prepare_cached(sql)?.query_row([number], read)?)
}

const COLUMNS: &str = "number, instance, body, state, received, attempts, turn, session, coalesce(before, 0), after, edits, lane";

fn newest(connection: &Connection, [instance, channel, thread]: &[String; 3]) -> Result<Option<Row>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM inbox WHERE instance = ?1 AND channel = ?2 AND thread = ?3 AND lane = 'turn'
           AND body IS NOT NULL AND state <> 'refused' ORDER BY number DESC LIMIT 1"
    );
    Ok(connection.prepare_cached(&sql)?.query_row([instance, channel, thread], row).optional()?)
}

fn row(row: &Columns<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        number: row.get(0)?,
        instance: row.get(1)?,
        event: json(row, 2)?,
        state: State::parse(&row.get::<_, String>(3)?),
        received: time(row, 4)?,
        attempts: row.get(5)?,
        turn: row.get::<_, Option<String>>(6)?.map(TurnId::from_stored),
        session: row.get::<_, Option<String>>(7)?.map(SessionId::from_stored),
        before: row.get(8)?,
        after: row.get(9)?,
        edits: row.get(10)?,
        lane: Lane::parse(&row.get::<_, String>(11)?),
    })
}
