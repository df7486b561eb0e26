//! Going through the chain from its first entry to the seal.

use rusqlite::{Connection, Row, Rows};

use super::chain::{Fields, Sealed, check_seal, genesis};
use super::{COLUMNS, DAMAGED};
use crate::error::Error;
use crate::key::Key;

/// How many entries are checked in one snapshot of the database.
const PIECE: usize = 4096;

/// What the check of the whole log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// How many entries there are.
    pub entries: u64,
    /// The first place where the log is not what was written.
    pub broken: Option<Broken>,
    /// How many such places there are.
    pub breaks: u64,
    /// Whether the seal shows that the end is there and that the log was written by us. False with an intact chain
    /// means that the master key is lost, so that nobody can tell.
    pub sealed: bool,
}

/// A place where the log is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The entry where it shows: this one was changed, or something is wrong between it and the one before.
    pub number: i64,
    /// What is wrong.
    pub why: String,
}

/// How far the check has come.
pub(super) struct Progress {
    key: Option<Key>,
    /// Number and hash of an entry that must be there: the last that this process committed.
    known: (i64, [u8; 32]),
    number: i64,
    hash: [u8; 32],
    chain: Chain,
    /// The number of the last row that was read; numbers below 1 can only have been put in.
    cursor: i64,
    done: bool,
}

impl Progress {
    pub(super) fn new(key: Option<Key>, known: (i64, [u8; 32])) -> Self {
        let chain = Chain { entries: 0, broken: None, breaks: 0, sealed: false };
        Self { key, known, number: 0, hash: genesis(), chain, cursor: i64::MIN, done: false }
    }

    /// The result, once everything was checked.
    pub(super) fn result(&self) -> Option<Chain> {
        self.done.then(|| self.chain.clone())
    }

    /// Checks the next entries, and after the last ones the seal, in the snapshot that `connection` has open.
    pub(super) fn advance(mut self, connection: &Connection) -> Result<Self, Error> {
        let sql = format!("SELECT {COLUMNS} FROM audit WHERE number > ?1 ORDER BY number LIMIT {PIECE}");
        let mut statement = connection.prepare_cached(&sql)?;
        let read = self.check_rows(statement.query([self.cursor])?)?;
        if read == PIECE {
            return Ok(self);
        }
        if self.number < self.known.0 {
            let (first, last) = (self.number + 1, self.known.0);
            self.broken(
                self.number,
                format!("the end was cut while OpenPact ran: entries {first} to {last} are missing"),
            );
            self.done = true;
            return Ok(self);
        }
        match check_seal(connection, self.key.as_ref(), self.number, &self.hash)? {
            Sealed::Fits => self.chain.sealed = true,
            Sealed::Unknown => {}
            Sealed::Broken { why, .. } => self.broken(self.number, why),
        }
        self.done = true;
        Ok(self)
    }

    fn check_rows(&mut self, mut rows: Rows<'_>) -> Result<usize, Error> {
        let mut read = 0;
        while let Some(row) = rows.next()? {
            read += 1;
            self.cursor = row.get(0)?;
            self.chain.entries += 1;
            self.check_number();
            if self.check_row(row).is_err() {
                self.broken(self.cursor, "the entry was changed: a field is not of its kind".into());
            }
            self.number = self.cursor;
        }
        Ok(read)
    }

    fn check_number(&mut self) {
        let expected = self.number.saturating_add(1);
        if self.cursor < expected {
            self.broken(self.cursor, "the entry was put in: numbers begin with 1".into());
        } else if self.cursor > expected {
            self.broken(self.cursor, format!("entries {expected} to {} are missing", self.cursor - 1));
        }
    }

    /// Compares one entry with its hash and goes on from the hash that it has, so that one change is one break.
    fn check_row(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let stored: [u8; 32] = row.get(7)?;
        let previous = std::mem::replace(&mut self.hash, stored);
        let text = |index| Ok::<_, rusqlite::Error>(row.get_ref(index)?.as_str()?);
        let fields = Fields {
            number: self.cursor,
            time: row.get(1)?,
            kind: text(2)?,
            actor: text(3)?,
            subject: text(4)?,
            verdict: text(5)?,
            detail: text(6)?,
        };
        if fields.hash(&previous) != stored {
            let why = "the entry was changed, or it does not follow the one before";
            self.broken(self.cursor, why.into());
        } else if self.cursor == self.known.0 && stored != self.known.1 {
            self.broken(self.cursor, "the log up to here was written anew while OpenPact ran".into());
        } else if fields.kind == DAMAGED {
            let detail: serde_json::Value = serde_json::from_str(fields.detail).unwrap_or_default();
            let why = detail.get("why").and_then(serde_json::Value::as_str).unwrap_or("damaged");
            self.broken(self.cursor, format!("found when the store was opened: {why}"));
        }
        Ok(())
    }

    fn broken(&mut self, number: i64, why: String) {
        self.chain.breaks += 1;
        self.chain.broken.get_or_insert(Broken { number, why });
    }
}
