//! The end of the chain, where entries are appended, and its seal.

use openpact_model::audit::{Event, Verdict};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{CLOCK_BACKWARDS, DAMAGED, MAX_DETAIL_BYTES};
use crate::column::to_json;
use crate::error::Error;
use crate::key::{self, Key};
use crate::setting;
use crate::writer::Transaction;

/// The purpose of the key that makes the seal, and the name of the setting that holds it.
pub(crate) const SEAL: &str = "audit-seal";

pub(crate) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allowed => "allowed",
        Verdict::Denied => "denied",
        Verdict::Failed => "failed",
    }
}

pub(crate) fn verdict(name: &str) -> Option<Verdict> {
    [Verdict::Allowed, Verdict::Denied, Verdict::Failed]
        .into_iter()
        .find(|verdict| verdict_name(*verdict) == name)
}

/// What stands before the first entry.
pub(crate) fn genesis() -> [u8; 32] {
    Sha256::digest(b"openpact audit chain 1").into()
}

/// The fields of an entry as they are stored, and as they are hashed.
pub(crate) struct Fields<'a> {
    pub(crate) number: i64,
    pub(crate) time: i64,
    pub(crate) kind: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) verdict: &'a str,
    pub(crate) detail: &'a str,
}

impl Fields<'_> {
    /// SHA-256 over the hash before and every field with its length in front, so that no two entries that differ
    /// are hashed alike.
    pub(crate) fn hash(&self, previous: &[u8; 32]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(previous);
        let (number, time) = (self.number.to_le_bytes(), self.time.to_le_bytes());
        let texts = [self.kind, self.actor, self.subject, self.verdict, self.detail];
        for field in [&number[..], &time[..]].into_iter().chain(texts.map(str::as_bytes)) {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        hash.finalize().into()
    }
}

/// An event with everything done that can be done before its place in the chain is known.
pub(crate) struct Prepared {
    kind: String,
    actor: String,
    subject: String,
    verdict: &'static str,
    detail: String,
}

impl Prepared {
    pub(crate) fn new(event: &Event) -> Result<Self, Error> {
        let detail = to_json(&event.detail)?;
        if detail.len() > MAX_DETAIL_BYTES {
            let (size, kind) = (detail.len(), &event.kind);
            return Err(Error::Invalid(format!(
                "the detail of the audit event {kind} has {size} bytes, more than {MAX_DETAIL_BYTES}"
            )));
        }
        Ok(Self {
            kind: event.kind.clone(),
            actor: event.actor.clone(),
            subject: event.subject.clone(),
            verdict: verdict_name(event.verdict),
            detail,
        })
    }
}

/// The last entry: where the next one goes.
#[derive(Clone)]
pub(crate) struct Tail {
    pub(crate) number: i64,
    pub(crate) hash: [u8; 32],
    /// When it was written.
    pub(crate) time: i64,
    /// Makes the seal. Without the master key the log goes on and its seal stays behind.
    pub(crate) key: Option<Key>,
}

/// What is needed to find the end of the chain when the store is opened.
pub(crate) struct Opening {
    pub(crate) key: Option<Key>,
    /// Whether database and master key are made at this start: only then may the seal be missing.
    pub(crate) fresh: bool,
    pub(crate) now: i64,
}

/// Number and hash of the last entry with their code, as the setting holds them.
#[derive(Serialize, Deserialize)]
struct Seal {
    number: i64,
    hash: String,
    code: String,
}

/// How the seal stands to the log.
pub(crate) enum Sealed {
    /// It fits.
    Fits,
    /// There is no key to check it with.
    Unknown,
    /// It does not.
    Broken {
        /// What this means.
        why: String,
        /// The highest number that was ever given to an entry, as far as is known.
        highest: i64,
    },
}

impl Transaction<'_> {
    /// Appends an entry to the audit log.
    pub(crate) fn append(&mut self, entry: &Prepared) -> Result<(), Error> {
        let now = self.now();
        self.tail.append(self.connection, now, entry)
    }

    /// Appends an event of the store's own.
    pub(crate) fn record(&mut self, event: &Event) -> Result<(), Error> {
        self.append(&Prepared::new(event)?)
    }
}

impl Tail {
    /// Finds the end of the chain. A seal that does not fit is written down in the log itself, for good.
    pub(crate) fn open(connection: &Connection, opening: Opening) -> Result<Self, Error> {
        let last = connection
            .query_row("SELECT number, hash, time FROM audit ORDER BY number DESC LIMIT 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let (number, hash, time) = last.unwrap_or((0, genesis(), i64::MIN));
        let mut tail = Self { number, hash, time, key: opening.key };
        if opening.fresh && number == 0 {
            tail.write_seal(connection, opening.now)?;
            return Ok(tail);
        }
        if let Sealed::Broken { why, highest } = check_seal(connection, tail.key.as_ref(), number, &hash)? {
            tracing::error!(%why, "the audit log was changed while OpenPact did not run");
            // A number that a cut entry had is not given away again.
            tail.number = highest;
            let event = Event::new(DAMAGED, "runtime", "audit", Verdict::Failed).with("why", why);
            tail.append(connection, opening.now, &Prepared::new(&event)?)?;
            tail.write_seal(connection, opening.now)?;
        }
        Ok(tail)
    }

    fn append(&mut self, connection: &Connection, now: i64, entry: &Prepared) -> Result<(), Error> {
        if now < self.time {
            let detail = json!({ "before": self.time, "now": now }).to_string();
            let (kind, actor, subject) = (CLOCK_BACKWARDS.into(), "runtime".into(), "clock".into());
            let mark = Prepared { kind, actor, subject, verdict: "failed", detail };
            self.insert(connection, now, &mark)?;
        }
        self.insert(connection, now, entry)
    }

    fn insert(&mut self, connection: &Connection, now: i64, entry: &Prepared) -> Result<(), Error> {
        let Prepared { kind, actor, subject, verdict, detail } = entry;
        let number = self.number.saturating_add(1);
        let hash = Fields { number, time: now, kind, actor, subject, verdict, detail }.hash(&self.hash);
        connection
            .prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
            .execute(params![number, now, kind, actor, subject, verdict, detail, hash])?;
        (self.number, self.hash, self.time) = (number, hash, now);
        Ok(())
    }

    /// Seals this end if it is another than `before`.
    pub(crate) fn seal(&self, connection: &Connection, before: &Self, now: i64) -> Result<(), Error> {
        if self.number == before.number && self.key == before.key {
            return Ok(());
        }
        self.write_seal(connection, now)
    }

    fn write_seal(&self, connection: &Connection, now: i64) -> Result<(), Error> {
        let Some(key) = &self.key else { return Ok(()) };
        let code = hex::encode(key::mac(key, &[&self.number.to_le_bytes(), &self.hash]));
        let seal = Seal { number: self.number, hash: hex::encode(self.hash), code };
        setting::write(connection, setting::OWN_SCOPE, SEAL, &to_json(&seal)?, now)
    }
}

/// Whether the seal says that the log ends with entry `number` and `hash`.
pub(crate) fn check_seal(
    connection: &Connection,
    key: Option<&Key>,
    number: i64,
    hash: &[u8; 32],
) -> Result<Sealed, Error> {
    let Some(key) = key else { return Ok(Sealed::Unknown) };
    let broken = |why: String| Ok(Sealed::Broken { why, highest: number });
    let Some(seal) = read_seal(connection)? else {
        return broken("the seal of the log is gone: the end may be cut, or all of it written anew".into());
    };
    let sealed_hash = hex::decode(&seal.hash).unwrap_or_default();
    let code = hex::decode(&seal.code).unwrap_or_default();
    if !key::mac_matches(key, &[&seal.number.to_le_bytes(), &sealed_hash], &code) {
        return broken(
            "the seal of the log was changed: the end may be cut, or all of it written anew".into(),
        );
    }
    if seal.number > number {
        let why = format!("the end was cut: entries {} to {} are missing", number + 1, seal.number);
        return Ok(Sealed::Broken { why, highest: seal.number });
    }
    if seal.number < number {
        let first = seal.number + 1;
        return broken(format!("entries {first} to {number} were written without the master key"));
    }
    if sealed_hash != hash {
        return broken(format!("entry {number} is not the one that was sealed: the log was written anew"));
    }
    Ok(Sealed::Fits)
}

/// The seal; `None` where there is none that can be read.
fn read_seal(connection: &Connection) -> Result<Option<Seal>, Error> {
    let text = setting::read(connection, setting::OWN_SCOPE, SEAL)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}
