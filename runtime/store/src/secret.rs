//! Secrets, encrypted at rest with a key derived from the master key, and in memory as snapshots for those crates
//! that put them into requests or take them out of answers.
//!
//! Each value is encrypted by itself (XChaCha20-Poly1305, draft-irtf-cfrg-xchacha-03), with its name, its principals
//! and its hosts as associated data: who changes a row in the database can neither give a secret to somebody else nor have one
//! stand in for another.

mod cipher;
mod minted;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use openpact_model::audit::{Event, Verdict};
use openpact_model::principal::Principal;
use openpact_model::secret::{
    HostPattern, MAX_VALUE_BYTES, MIN_SCANNED_BYTES, SecretEntry, SecretName, SecretSnapshot, SecretValue,
};
use rusqlite::{Connection, params};
use serde::Serialize;

use crate::audit::SEAL;
use crate::column::{json, optional_time, parsed, time, to_json};
use crate::error::Error;
use crate::key::{Key, Keys, Master};
use crate::recording::{Recorder, recording};
use crate::setting;
use crate::writer::Transaction;

use cipher::Sealed;
pub(crate) use source::{Cache, Source, Uses, flush_uses};

/// The name of the setting by which the database knows its key.
pub(crate) const KEY_CHECK: &str = "key-check";
const PURPOSE: &str = "secrets";

/// What a secret is called and who may use it; never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Info {
    /// Its name.
    pub name: SecretName,
    /// Who may have it put into their requests.
    pub principals: Vec<Principal>,
    /// The hosts that it may be sent to; empty: as far as grants go.
    pub hosts: Vec<HostPattern>,
    /// How its value comes about.
    pub kind: Kind,
    /// When it was first set.
    pub created: Timestamp,
    /// When it was last set.
    pub updated: Timestamp,
    /// When it was last put into a request.
    pub last_used: Option<Timestamp>,
    /// Whether its value can be decrypted. If not, it must be entered again.
    pub readable: bool,
}

/// How the value of a secret comes about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// It was entered.
    Plain,
    /// The host mints it.
    Minted {
        /// From what, such as `oauth-refresh`; `minted` where it cannot be decrypted.
        from: &'static str,
        /// The address that is asked for tokens; empty where it cannot be decrypted.
        endpoint: String,
        /// The special address ranges that this address may be in.
        private: Vec<String>,
        /// When a token was last minted.
        last: Option<Timestamp>,
        /// From when on another token is needed.
        renew: Option<Timestamp>,
        /// Why the last attempt failed, and what to do.
        problem: Option<String>,
    },
}

/// What setting a secret did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Set {
    /// Whether it is new.
    pub created: bool,
    /// What the person should know about the value, if anything.
    pub warning: Option<String>,
}

/// The secrets as something to change.
#[derive(Clone)]
pub struct Vault(pub(crate) Recorder);

recording!(Vault);

impl Vault {
    /// Sets a secret, who may use it and where it may go; snapshots that are taken after this returns have it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty or too long value, [`Error::KeyLost`], or when the database cannot be written.
    pub async fn set(&self, name: SecretName, entry: SecretEntry) -> Result<Set, Error> {
        entry.values().try_for_each(check_length)?;
        let warning = entry.minted.is_none().then(|| warning(entry.value.expose())).flatten();
        let inner = &self.0.inner;
        let (keys, random, cache) =
            (Arc::clone(&inner.keys), Arc::clone(&inner.random), inner.secrets.clone());
        let work = move |open: &mut Transaction<'_>| {
            let key = keys.master()?.own(PURPOSE);
            let created = write(open, &name, &cipher::seal(&key, &*random, &name, &entry)?)?;
            let (cache, name, entry) = (cache.clone(), name.clone(), entry.clone());
            open.after_commit(move || cache.change(|entries| drop(entries.insert(name, entry))));
            Ok((true, created))
        };
        let created = self.0.run(work).await?;
        Ok(Set { created, warning })
    }

    /// All secrets by name, without their values. Works without the master key too.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self) -> Result<Vec<Info>, Error> {
        let snapshot = self.0.inner.secrets.snapshot();
        let work = move |connection: &Connection| {
            let sql = "SELECT name, principals, hosts, created, updated, last_used, kind, minted, problem
                       FROM secret ORDER BY name";
            let mut statement = connection.prepare_cached(sql)?;
            let info = |row: &rusqlite::Row<'_>| info(row, &snapshot);
            Ok(statement.query_map([], info)?.collect::<Result<Vec<_>, _>>()?)
        };
        let mut all = self.0.inner.readers.run(work).await?;
        for info in &mut all {
            info.last_used = info.last_used.max(self.0.inner.uses.last(&info.name));
        }
        Ok(all)
    }

    /// Removes a secret; says whether there was one. Snapshots that are taken after this returns lack it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove(&self, name: &SecretName) -> Result<bool, Error> {
        let (name, forgotten, cache) = (name.clone(), name.clone(), self.0.inner.secrets.clone());
        let work = move |open: &mut Transaction<'_>| {
            let sql = "DELETE FROM secret WHERE name = ?1";
            let removed = open.connection.prepare_cached(sql)?.execute([name.as_str()])? > 0;
            let (cache, name) = (cache.clone(), name.clone());
            open.after_commit(move || cache.change(|entries| drop(entries.remove(&name))));
            Ok((removed, removed))
        };
        let removed = self.0.run(work).await?;
        self.0.inner.uses.forget(&forgotten);
        Ok(removed)
    }

    /// Makes a new master key and encrypts every secret anew with it; says how many there are. Keys from
    /// [`crate::Store::key`] change too. The key before stays in its folder as `master.key.replaced`.
    ///
    /// The new key lies beside the old one before the transaction that makes it the key of the database, and takes its
    /// place after it: a program that is killed at any instant finds the one that fits.
    ///
    /// # Errors
    /// [`Error::KeyLost`] where there is no key to decrypt with, or when something cannot be written; the key before
    /// is then still the key.
    pub async fn rotate(&self) -> Result<usize, Error> {
        let inner = &self.0.inner;
        let (keys, random) = (Arc::clone(&inner.keys), Arc::clone(&inner.random));
        let work = move |open: &mut Transaction<'_>| {
            let (old, new) = (keys.master()?.own(PURPOSE), keys.prepare(&*random)?);
            let all = rows(open.connection)?;
            for (name, sealed) in &all {
                let entry = cipher::open(&old, name, sealed).ok_or_else(|| unreadable(name))?;
                let sealed = cipher::seal(&new.own(PURPOSE), &*random, name, &entry)?;
                let sql = "UPDATE secret SET nonce = ?2, ciphertext = ?3 WHERE name = ?1";
                let values = params![name.as_str(), sealed.nonce, sealed.ciphertext];
                open.connection.prepare_cached(sql)?.execute(values)?;
            }
            let event = Event::new("secret.key.rotate", "admin", "master key", Verdict::Allowed);
            open.record(&event.with("secrets", all.len()))?;
            take_over(open, &keys, new)?;
            Ok(all.len())
        };
        inner.writer.run(work).await
    }

    /// For a lost master key: makes a new one and removes all secrets, since nobody can decrypt them any more. Gives
    /// what they were called and who could use them, so that they can be entered again.
    ///
    /// # Errors
    /// When something cannot be written; nothing is changed then.
    pub async fn start_over(&self) -> Result<Vec<Info>, Error> {
        let removed = self.list().await?;
        let inner = &self.0.inner;
        let (keys, random, cache) =
            (Arc::clone(&inner.keys), Arc::clone(&inner.random), inner.secrets.clone());
        let work = move |open: &mut Transaction<'_>| {
            let new = keys.prepare(&*random)?;
            let count = open.connection.execute("DELETE FROM secret", [])?;
            let event = Event::new("secret.key.replace", "admin", "master key", Verdict::Allowed);
            open.record(&event.with("secrets_removed", count))?;
            let cache = cache.clone();
            open.after_commit(move || cache.change(BTreeMap::clear));
            take_over(open, &keys, new)
        };
        inner.writer.run(work).await?;
        Ok(removed)
    }
}

/// Makes `master` the key of the database, in this transaction, and of the program after it.
fn take_over(open: &mut Transaction<'_>, keys: &Arc<Keys>, master: Master) -> Result<(), Error> {
    let (key, now) = (master.own(SEAL), open.now());
    expect_key(open.connection, &master, now)?;
    // The end of the audit log is sealed with the new key when this transaction ends.
    open.tail.key = Some(key);
    let keys = Arc::clone(keys);
    open.after_commit(move || keys.adopt(master));
    Ok(())
}

/// Writes down by what the database knows its key.
pub(crate) fn expect_key(connection: &Connection, master: &Master, now: i64) -> Result<(), Error> {
    setting::write(connection, setting::OWN_SCOPE, KEY_CHECK, &to_json(&master.check())?, now)
}

fn write(open: &mut Transaction<'_>, name: &SecretName, sealed: &Sealed) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM secret WHERE name = ?1";
    let created = !open.connection.prepare_cached(sql)?.exists([name.as_str()])?;
    let sql = "INSERT INTO secret (name, nonce, ciphertext, principals, hosts, kind, created, updated)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
               ON CONFLICT (name) DO UPDATE SET nonce = excluded.nonce, ciphertext = excluded.ciphertext,
                   principals = excluded.principals, hosts = excluded.hosts, kind = excluded.kind,
                   updated = excluded.updated, minted = NULL, problem = NULL";
    let Sealed { nonce, ciphertext, principals, hosts, kind } = sealed;
    let values = params![name.as_str(), nonce, ciphertext, principals, hosts, kind, open.now()];
    open.connection.prepare_cached(sql)?.execute(values)?;
    Ok(created)
}

fn rows(connection: &Connection) -> Result<Vec<(SecretName, Sealed)>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT name, nonce, ciphertext, principals, hosts, kind FROM secret")?;
    Ok(statement.query_map([], sealed)?.collect::<Result<_, _>>()?)
}

fn sealed(row: &rusqlite::Row<'_>) -> rusqlite::Result<(SecretName, Sealed)> {
    let (nonce, ciphertext, principals) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let (hosts, kind) = (row.get(4)?, row.get(5)?);
    Ok((parsed(row, 0)?, Sealed { nonce, ciphertext, principals, hosts, kind }))
}

fn info(row: &rusqlite::Row<'_>, snapshot: &SecretSnapshot) -> rusqlite::Result<Info> {
    let name: SecretName = parsed(row, 0)?;
    let entry = snapshot.entries.get(&name);
    let stored: String = row.get(6)?;
    let kind = if stored == cipher::PLAIN {
        Kind::Plain
    } else {
        let minted = entry.and_then(|entry| entry.minted.as_ref());
        Kind::Minted {
            from: minted.map_or("minted", |minted| minted.definition.kind()),
            endpoint: minted.map(|minted| minted.definition.endpoint()).unwrap_or_default(),
            private: minted.map(|minted| minted.definition.private().to_vec()).unwrap_or_default(),
            last: optional_time(row, 7)?,
            renew: minted.and_then(|minted| Some(minted.tokens.last()?.renew)),
            problem: row.get(8)?,
        }
    };
    Ok(Info {
        readable: entry.is_some(),
        name,
        principals: json(row, 1)?,
        hosts: json(row, 2)?,
        kind,
        created: time(row, 3)?,
        updated: time(row, 4)?,
        last_used: optional_time(row, 5)?,
    })
}

fn unreadable(name: &SecretName) -> Error {
    Error::Invalid(format!("the secret {name} was changed in the database; set or remove it first"))
}

fn check_length(value: &SecretValue) -> Result<(), Error> {
    match value.expose().len() {
        0 => Err(Error::Invalid("a secret cannot be empty; to take one away, remove it".into())),
        size if size > MAX_VALUE_BYTES => {
            Err(Error::Invalid(format!("a secret has at most {MAX_VALUE_BYTES} bytes, this one has {size}")))
        }
        _ => Ok(()),
    }
}

fn warning(value: &str) -> Option<String> {
    let mut warnings = Vec::new();
    if value.len() < MIN_SCANNED_BYTES {
        warnings.push(format!(
            "it has fewer than {MIN_SCANNED_BYTES} bytes, so what leaves and comes back is not searched for it"
        ));
    }
    if value.trim() != value {
        warnings.push("it begins or ends with white space, which was kept".to_owned());
    }
    (!warnings.is_empty()).then(|| warnings.join("; "))
}
