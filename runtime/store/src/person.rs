//! People whom an owner let in, with their accounts; and strangers, who ask to be.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use openpact_model::audit::Event;
use openpact_model::role::Role;
use rusqlite::types::Type;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::Value;

use crate::Inner;
use crate::approval::{self, Kind};
use crate::audit::prepare;
use crate::column::{time, to_json};
use crate::error::Error;
use crate::outbox;
use crate::recording::Recorder;
use crate::writer::Transaction;

/// The longest that a stranger is kept quiet: what is further in the future was written by a clock that was wrong.
const LONGEST_QUIET: Duration = Duration::from_hours(48);

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What the owner calls them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Who let them in.
    pub added_by: String,
    /// When.
    pub added: Timestamp,
    /// Their accounts, by provider and user.
    pub identities: Vec<Identity>,
}

/// One account of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The platform.
    pub provider: String,
    /// What the platform calls the account.
    pub user: String,
    /// What the platform showed when they asked. Text.
    pub display_name: String,
    /// When the account was let in.
    pub added: Timestamp,
}

/// A stranger who asks.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The platform.
    pub provider: String,
    /// What the platform calls the account.
    pub user: String,
    /// What people should know.
    pub detail: Value,
    /// The code, as it is told.
    pub code: String,
    /// How long it is good.
    pub lasts: Duration,
    /// How long the stranger is not answered again; at most two days.
    pub quiet: Duration,
    /// How many requests may be open; the oldest make room.
    pub most_open: u32,
    /// How many strangers may be kept in mind; when there are more, a new one gets no answer.
    pub most_quiet: u32,
}

/// An account to let in.
#[derive(Debug, Clone)]
pub struct Accepting {
    /// The code.
    pub code: String,
    /// The platform.
    pub provider: String,
    /// What the platform calls the account.
    pub user: String,
    /// What the platform shows.
    pub display_name: String,
    /// The person that it belongs to: a new one, or one that is there with the same role.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Who lets them in.
    pub by: String,
    /// What those read from then on who were told that somebody asks.
    pub told: String,
}

/// What a code is bound to that lets an account in.
pub fn subject(provider: &str, user: &str) -> String {
    Value::from(vec![provider, user]).to_string()
}

/// People and strangers. Every change is recorded in the audit log, in one transaction with it; what changes nothing
/// records nothing.
#[derive(Clone)]
pub struct Table(pub(crate) Arc<Inner>);

impl Table {
    /// All people, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self) -> Result<Vec<Row>, Error> {
        let work = |connection: &Connection| {
            let sql = "SELECT name, role, person.added_by, person.added, provider, user, display_name,
                              person_identity.added
                       FROM person JOIN person_identity ON person = name ORDER BY name, provider, user";
            let mut statement = connection.prepare_cached(sql)?;
            let mut all: Vec<Row> = Vec::new();
            for row in statement.query_map([], row)? {
                let row = row?;
                match all.last_mut().filter(|last| last.name == row.name) {
                    Some(last) => last.identities.extend(row.identities),
                    None => all.push(row),
                }
            }
            Ok(all)
        };
        self.0.readers.run(work).await
    }

    /// Keeps what a stranger asks, unless they asked a short while ago or there are too many; says whether it did, and
    /// so whether they are to be answered.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn ask(&self, asking: Asking, event: Event) -> Result<bool, Error> {
        let code = approval::hash(&self.0, &asking.code);
        let subject = subject(&asking.provider, &asking.user);
        let detail = to_json(&asking.detail)?;
        self.recorder(event)
            .run(move |open| {
                if !may_be_answered(open, &asking)? {
                    return Ok((false, false));
                }
                let kept = approval::insert(
                    open,
                    &approval::New {
                        kind: Kind::Pairing,
                        code: &code,
                        subject: &subject,
                        detail: &detail,
                        expires: after(open.now(), asking.lasts),
                        most: asking.most_open,
                    },
                )?;
                if kept {
                    quiet(open, &asking.provider, &asking.user, asking.quiet)?;
                }
                Ok((kept, kept))
            })
            .await
    }

    /// Lets an account in, if its code is still open; says whether it was. `events` are all recorded.
    ///
    /// # Errors
    /// [`Error::Exists`] where the account is let in already, or the person has another role; or when the database
    /// cannot be written.
    pub async fn accept(&self, accepting: Accepting, events: &[Event]) -> Result<bool, Error> {
        let code = approval::hash(&self.0, &accepting.code);
        let subject = subject(&accepting.provider, &accepting.user);
        let entries = events.iter().map(prepare).collect::<Result<Vec<_>, _>>()?;
        let work = move |open: &mut Transaction<'_>| {
            if !approval::take(open, Kind::Pairing, &code, &subject)? {
                return Ok(false);
            }
            insert(open, &accepting)?;
            outbox::amend(open, &subject, &accepting.told)?;
            for entry in &entries {
                open.append(entry)?;
            }
            Ok(true)
        };
        self.0.writer.run(work).await
    }

    /// Turns a request down, if its code is still open; says whether it was. The stranger is not answered for `pause`, and
    /// those who were told of the request read `told` from then on.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn deny(
        &self,
        code: &str,
        (provider, user): (&str, &str),
        pause: Duration,
        told: &str,
        event: Event,
    ) -> Result<bool, Error> {
        let code = approval::hash(&self.0, code);
        let (provider, user, told) = (provider.to_owned(), user.to_owned(), told.to_owned());
        self.recorder(event)
            .run(move |open| {
                let subject = subject(&provider, &user);
                let taken = approval::take(open, Kind::Pairing, &code, &subject)?;
                if taken {
                    outbox::amend(open, &subject, &told)?;
                    quiet(open, &provider, &user, pause)?;
                }
                Ok((taken, taken))
            })
            .await
    }

    /// Removes a person with all accounts; says whether there was one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove(&self, name: &str, event: Event) -> Result<bool, Error> {
        let name = name.to_owned();
        self.recorder(event)
            .run(move |open| {
                let mut statement = open.connection.prepare_cached("DELETE FROM person WHERE name = ?1")?;
                let removed = statement.execute([&name])? > 0;
                Ok((removed, removed))
            })
            .await
    }

    /// Removes one account, and the person with their last one; says whether there was one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove_identity(&self, provider: &str, user: &str, event: Event) -> Result<bool, Error> {
        let (provider, user) = (provider.to_owned(), user.to_owned());
        self.recorder(event)
            .run(move |open| {
                let sql = "DELETE FROM person_identity WHERE provider = ?1 AND user = ?2";
                let removed = open.connection.prepare_cached(sql)?.execute([&provider, &user])? > 0;
                let sql = "DELETE FROM person WHERE name NOT IN (SELECT person FROM person_identity)";
                open.connection.prepare_cached(sql)?.execute([])?;
                Ok((removed, removed))
            })
            .await
    }

    fn recorder(&self, event: Event) -> Recorder {
        Recorder { inner: Arc::clone(&self.0), event: Some(event) }
    }
}

/// Whether a stranger has not been answered for long enough, and there is room to keep them in mind.
fn may_be_answered(open: &Transaction<'_>, asking: &Asking) -> Result<bool, Error> {
    let now = open.now();
    let lapsed = "DELETE FROM stranger WHERE quiet_until <= ?1 OR quiet_until > ?2";
    open.connection.prepare_cached(lapsed)?.execute([now, after(now, LONGEST_QUIET)])?;
    let known = "SELECT 1 FROM stranger WHERE provider = ?1 AND user = ?2";
    if open.connection.prepare_cached(known)?.exists([&asking.provider, &asking.user])? {
        return Ok(false);
    }
    let count = "SELECT count(*) FROM stranger";
    let count: u32 = open.connection.prepare_cached(count)?.query_row([], |row| row.get(0))?;
    Ok(count < asking.most_quiet)
}

fn quiet(open: &Transaction<'_>, provider: &str, user: &str, pause: Duration) -> Result<(), Error> {
    let sql = "INSERT INTO stranger VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET quiet_until = excluded.quiet_until";
    let until = after(open.now(), pause.min(LONGEST_QUIET));
    open.connection.prepare_cached(sql)?.execute(params![provider, user, until])?;
    Ok(())
}

fn insert(open: &Transaction<'_>, accepting: &Accepting) -> Result<(), Error> {
    let Accepting { provider, user, display_name, name, role, by, .. } = accepting;
    let (now, role) = (open.now(), role.to_string());
    let sql = "INSERT INTO person VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    open.connection.prepare_cached(sql)?.execute(params![name, role, by, now])?;
    let sql = "SELECT 1 FROM person WHERE name = ?1 AND role = ?2";
    if !open.connection.prepare_cached(sql)?.exists([name, &role])? {
        return Err(Error::Exists { what: "person with another role, called", name: name.clone() });
    }
    let sql = "INSERT INTO person_identity VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let values = params![provider, user, name, display_name, now];
    if open.connection.prepare_cached(sql)?.execute(values)? == 0 {
        return Err(Error::Exists { what: "person with the account", name: format!("{provider}:{user}") });
    }
    let sql = "DELETE FROM stranger WHERE provider = ?1 AND user = ?2";
    open.connection.prepare_cached(sql)?.execute([provider, user])?;
    Ok(())
}

/// A moment later, in microseconds.
fn after(now: i64, span: Duration) -> i64 {
    now.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX))
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let identity = Identity {
        provider: row.get(4)?,
        user: row.get(5)?,
        display_name: row.get(6)?,
        added: time(row, 7)?,
    };
    Ok(Row {
        name: row.get(0)?,
        role: role(row, 1)?,
        added_by: row.get(2)?,
        added: time(row, 3)?,
        identities: vec![identity],
    })
}

fn role(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Role> {
    let text: String = row.get(index)?;
    let role = [Role::Guest, Role::Member, Role::Owner].into_iter().find(|role| role.to_string() == text);
    role.ok_or_else(|| {
        let why = format!("'{text}' is no role");
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, why.into())
    })
}
