//! The journal of tool calls: the intent is on disk before a call runs, and how it ended after. A call whose end is
//! not there after a crash is reported as unknown, and never run again.

use std::sync::Arc;

use jiff::Timestamp;
use openpact_model::id::{CallId, Digest, SessionId, TurnId};
use openpact_model::principal::Principal;
use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;

use crate::Inner;
use crate::column::parsed;
use crate::error::Error;
use crate::writer::Transaction;

/// The outcome of a call that was running when the program died.
pub const UNKNOWN: &str = "unknown";

/// A call that is about to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Intent {
    /// The call.
    pub call: CallId,
    /// The turn that it belongs to.
    pub turn: TurnId,
    /// The session of that turn, if it has one.
    pub session: Option<SessionId>,
    /// The tool.
    pub tool: String,
    /// Who executes it.
    pub principal: Principal,
    /// The digest of the code that runs, where it is a component.
    pub digest: Option<Digest>,
    /// The hash of the arguments: they may hold private text, which stays out of here.
    pub arguments_hash: Digest,
}

/// The journal.
#[derive(Clone)]
pub struct Table(pub(crate) Arc<Inner>);

impl Table {
    /// Writes down that a call is about to run. Only when this returns may it run.
    ///
    /// # Errors
    /// [`Error::Exists`] where a call of that id was written down before, or when the database cannot be written.
    pub async fn intend(&self, intent: Intent) -> Result<(), Error> {
        let run = self.0.run.clone();
        self.0.writer.run(move |open| intend(open, &intent, &run)).await
    }

    /// Writes down how a call ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] where no such call is running, or when the database cannot be written.
    pub async fn finish(&self, call: &CallId, outcome: &str) -> Result<(), Error> {
        let (call, outcome) = (call.clone(), outcome.to_owned());
        let writer = &self.0.writer;
        writer
            .run(move |open| {
                let sql =
                    "UPDATE journal SET finished = ?2, outcome = ?3 WHERE call = ?1 AND outcome IS NULL";
                let values = params![call.as_str(), open.now(), outcome];
                if open.connection.prepare_cached(sql)?.execute(values)? == 0 {
                    return Err(Error::NotFound { what: "running call", name: call.to_string() });
                }
                Ok(())
            })
            .await
    }

    /// How a call ended; `None` where it runs, or is not in the journal.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outcome(&self, call: &CallId) -> Result<Option<String>, Error> {
        let call = call.clone();
        self.0
            .readers
            .run(move |connection| {
                let mut statement =
                    connection.prepare_cached("SELECT outcome FROM journal WHERE call = ?1")?;
                Ok(statement.query_row([call.as_str()], |row| row.get(0)).optional()?.flatten())
            })
            .await
    }

    /// The calls of a turn in the order in which they began: the tool, and how it ended where that is known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn of_turn(&self, turn: &TurnId) -> Result<Vec<(String, Option<String>)>, Error> {
        let turn = turn.clone();
        self.0
            .readers
            .run(move |connection| {
                let sql = "SELECT tool, outcome FROM journal WHERE turn = ?1 ORDER BY started, call";
                let mut statement = connection.prepare_cached(sql)?;
                let calls = statement.query_map([turn.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(calls.collect::<Result<_, _>>()?)
            })
            .await
    }

    /// The calls that were running when an earlier run of the program died, each told once: from then on their outcome
    /// is [`UNKNOWN`]. Calls of this run are left alone.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn interrupted(&self) -> Result<Vec<Intent>, Error> {
        let run = self.0.run.clone();
        self.0.writer.run(move |open| interrupted(open, &run)).await
    }

    /// Forgets calls that ended before `before`; says how many. The audit log keeps its own record of them.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget(&self, before: Timestamp) -> Result<u64, Error> {
        let writer = &self.0.writer;
        writer
            .run(move |open| {
                let sql = "DELETE FROM journal WHERE outcome IS NOT NULL AND finished < ?1";
                Ok(open.connection.prepare_cached(sql)?.execute([before.as_microsecond()])? as u64)
            })
            .await
    }
}

fn intend(open: &mut Transaction<'_>, intent: &Intent, run: &str) -> Result<(), Error> {
    let now = open.now();
    let sql =
        "INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, NULL) ON CONFLICT DO NOTHING";
    let stored = open.connection.prepare_cached(sql)?.execute(params![
        intent.call.as_str(),
        intent.turn.as_str(),
        intent.session.as_ref().map(SessionId::as_str),
        intent.tool,
        intent.principal.to_string(),
        intent.digest.as_ref().map(Digest::as_bytes),
        intent.arguments_hash.as_bytes(),
        run,
        now,
    ])?;
    if stored == 0 {
        return Err(Error::Exists { what: "call", name: intent.call.to_string() });
    }
    Ok(())
}

fn interrupted(open: &mut Transaction<'_>, run: &str) -> Result<Vec<Intent>, Error> {
    let sql = "SELECT call, turn, session, tool, principal, digest, arguments_hash FROM journal
               WHERE outcome IS NULL AND run <> ?1 ORDER BY started, call";
    let mut statement = open.connection.prepare_cached(sql)?;
    let intents = statement.query_map([run], intent)?.collect::<Result<Vec<_>, _>>()?;
    let sql = "UPDATE journal SET outcome = ?2, finished = ?3 WHERE outcome IS NULL AND run <> ?1";
    open.connection.prepare_cached(sql)?.execute(params![run, UNKNOWN, open.now()])?;
    Ok(intents)
}

fn intent(row: &rusqlite::Row<'_>) -> rusqlite::Result<Intent> {
    Ok(Intent {
        call: CallId::from_stored(row.get::<_, String>(0)?),
        turn: TurnId::from_stored(row.get::<_, String>(1)?),
        session: row.get::<_, Option<String>>(2)?.map(SessionId::from_stored),
        tool: row.get(3)?,
        principal: parsed(row, 4)?,
        digest: row.get::<_, Option<[u8; 32]>>(5)?.map(Digest::from),
        arguments_hash: row.get::<_, [u8; 32]>(6)?.into(),
    })
}
