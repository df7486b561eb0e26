//! The audit log: a chain of entries, each with a hash over the one before and over all of its own fields.
//!
//! What [`Log::verify`] finds: an entry that was changed, removed, put in, or moved anywhere but at the end breaks the
//! hashes. The end has no successor, so the store seals it: number and hash of the last entry, with a code made by a
//! key that is not in the database, change in the same transaction as the log. So a cut end is found too, and so is a
//! log that somebody wrote anew from some entry on with hashes that fit.
//!
//! What it cannot find: that the whole database was replaced by an older copy of itself (entries, seal and all) while
//! no OpenPact ran on it, or what was done by somebody who can read the master key. Against both helps a copy of the
//! last hash elsewhere.

mod chain;
mod verify;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use openpact_model::audit::{Event, Verdict};
use openpact_model::id::Digest;
use openpact_model::port::{AuditSink, PortError};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::column::time;
use crate::error::Error;
use crate::{Inner, Store};

pub(crate) use chain::{Opening, Prepared, SEAL, Tail};
pub use verify::{Broken, Chain};

/// The most bytes that the detail of one event may have as JSON.
pub const MAX_DETAIL_BYTES: usize = 64 * 1024;

/// Kinds with this prefix are written by the store alone: they are its own word on the state of the log.
pub(crate) const OWN_KINDS: &str = "audit.";
/// The seal did not fit the log when the store was opened.
pub(crate) const DAMAGED: &str = "audit.chain.damaged";
/// The clock shows an earlier time than at the entry before.
pub(crate) const CLOCK_BACKWARDS: &str = "audit.clock.backwards";

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts up from 1 without a gap.
    pub number: i64,
    /// When it was written.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
    /// SHA-256 over the hash before and this entry.
    pub hash: Digest,
}

/// Which entries to show. The default shows all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only kinds that start so, such as `egress.`.
    pub kind_prefix: Option<String>,
    /// Only of this actor.
    pub actor: Option<String>,
    /// Only on this subject.
    pub subject: Option<String>,
    /// Only what ended so.
    pub verdict: Option<Verdict>,
    /// Only what happened since.
    pub since: Option<Timestamp>,
    /// Only requests that went on in count mode alone.
    pub would_deny: bool,
    /// Leave out what says that something is about to begin.
    pub ended: bool,
    /// With a number: the oldest entries after it. Without: the newest entries.
    pub after: Option<i64>,
    /// Only entries before this number.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u32,
}

/// The log as something to read.
#[derive(Clone)]
pub struct Log(pub(crate) Arc<Inner>);

impl Log {
    /// Entries that `filter` lets through, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn page(&self, filter: Filter) -> Result<Vec<Entry>, Error> {
        self.0.readers.run(move |connection| page(connection, &filter)).await
    }

    /// Checks every entry and the seal.
    ///
    /// # Errors
    /// When the database cannot be read. A log that was tampered with is no error: see [`Chain::broken`].
    pub async fn verify(&self) -> Result<Chain, Error> {
        let seal_key = self.0.keys.master().ok().map(|master| master.own(SEAL));
        let mut progress = verify::Progress::new(seal_key, self.0.writer.committed());
        // In pieces, so that a long log does not keep a reader, or an old state of the database, to itself.
        loop {
            progress = self.0.readers.run(move |connection| progress.advance(connection)).await?;
            if let Some(chain) = progress.result() {
                return Ok(chain);
            }
        }
    }
}

#[async_trait]
impl AuditSink for Store {
    async fn record(&self, event: Event) -> Result<(), PortError> {
        self.append(event).await.map_err(|error| PortError::new("the audit log was not written", error))
    }
}

impl Store {
    /// Appends one event to the audit log; it is on disk when this returns.
    pub(crate) async fn append(&self, event: Event) -> Result<(), Error> {
        let entry = prepare(&event)?;
        self.inner.writer.run(move |transaction| transaction.append(&entry)).await
    }
}

/// Somebody else's event, made ready to be written.
pub(crate) fn prepare(event: &Event) -> Result<Prepared, Error> {
    if event.kind.starts_with(OWN_KINDS) {
        return Err(Error::Invalid(format!("only the store writes audit events of the kind {}", event.kind)));
    }
    Prepared::new(event)
}

const COLUMNS: &str = "number, time, kind, actor, subject, verdict, detail, hash";

fn page(connection: &Connection, filter: &Filter) -> Result<Vec<Entry>, Error> {
    let order = if filter.after.is_some() { "ASC" } else { "DESC" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM audit
         WHERE number > ?1 AND number < ?2
           AND (?3 IS NULL OR substr(kind, 1, length(?3)) = ?3)
           AND (?4 IS NULL OR actor = ?4) AND (?5 IS NULL OR subject = ?5)
           AND (?7 IS NULL OR verdict = ?7) AND (?8 IS NULL OR time >= ?8)
           AND (NOT ?9 OR instr(detail, '\"would_deny\":true') > 0)
           AND (NOT ?10 OR substr(kind, -6) <> '.begin')
         ORDER BY number {order} LIMIT ?6"
    ))?;
    let (after, before) = (filter.after.unwrap_or(i64::MIN), filter.before.unwrap_or(i64::MAX));
    let verdict = filter.verdict.map(chain::verdict_name);
    let since = filter.since.map(Timestamp::as_microsecond);
    let Filter { kind_prefix, actor, subject, limit, would_deny, ended, .. } = filter;
    let values =
        params![after, before, kind_prefix, actor, subject, limit, verdict, since, would_deny, ended];
    let mut entries = statement.query_map(values, entry)?.collect::<Result<Vec<_>, _>>()?;
    if filter.after.is_none() {
        entries.reverse();
    }
    Ok(entries)
}

/// An entry as it is there. What only tampering can leave is shown as well as it can be, so that one spoilt field does
/// not hide the page; `verify` tells of it.
fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let text = |index| {
        let bytes = row.get_ref(index).ok().and_then(|value| value.as_bytes_or_null().ok().flatten());
        String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
    };
    let detail = text(6);
    let event = Event {
        kind: text(2),
        actor: text(3),
        subject: text(4),
        verdict: chain::verdict(&text(5)).unwrap_or(Verdict::Failed),
        detail: serde_json::from_str(&detail).unwrap_or_else(|_| {
            let spoilt = ("unreadable".to_owned(), Value::String(detail));
            Map::from_iter([spoilt])
        }),
    };
    let hash: [u8; 32] = row.get(7).unwrap_or_default();
    let time = time(row, 1).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(Entry { number: row.get(0)?, time, event, hash: hash.into() })
}
