//! What changes about components. Each of these is one transaction: the version that runs, the grants and the data that
//! go along with it are never there in part.

use openpact_model::id::ComponentName;
use openpact_model::principal::Principal;
use rusqlite::{Connection, params};
use serde_json::Value;

use super::kept;
use super::{GIVEN, Granted, Incoming, State, Table};
use crate::column::to_json;
use crate::error::Error;
use crate::writer::Transaction;
use crate::{grant, setting};

/// An admin's yes to a version that waits.
#[derive(Debug, Clone)]
pub struct Approval {
    /// The component.
    pub name: ComponentName,
    /// The version.
    pub version: String,
    /// Who approves.
    pub by: String,
    /// What is granted along with it.
    pub grants: Vec<Granted>,
    /// What the component is given beside its grants from now on; `None` leaves it as it is.
    pub given: Option<Value>,
}

/// A change of the version that runs, to one that was approved before.
#[derive(Debug, Clone)]
pub struct Restart {
    /// The component.
    pub name: ComponentName,
    /// The version.
    pub version: String,
}

impl Table {
    /// Takes a version in, to wait for the admin. Another one that waits is taken out.
    ///
    /// # Errors
    /// [`Error::Exists`] where the component has that version already, unless it is the same package that was taken
    /// out before; [`Error::Invalid`] where another publisher has that name; or when the database cannot be written.
    pub async fn stage(&self, incoming: Incoming) -> Result<(), Error> {
        self.0.run(move |open| Ok((true, stage(open, &incoming)?))).await
    }

    /// Makes a version that waits the one that runs.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it does not wait, or when the database cannot be written.
    pub async fn approve(&self, approval: Approval) -> Result<(), Error> {
        let given = approval.given.as_ref().map(to_json).transpose()?;
        self.0
            .run(move |open| {
                approve(open, &approval)?;
                if let Some(given) = &given {
                    setting::write(open.connection, GIVEN, approval.name.as_str(), given, open.now())?;
                }
                Ok((true, ()))
            })
            .await
    }

    /// Makes a version run that was approved before. The key-value data that it left comes back, where it was kept.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it was not approved, or when the database cannot be written.
    pub async fn restart(&self, restart: Restart) -> Result<(), Error> {
        self.0
            .run(move |open| {
                require(open.connection, &restart.name, &restart.version, State::Approved)?;
                let now = open.now();
                kept::set_aside(open.connection, &restart.name, now)?;
                kept::bring_back(open.connection, &restart.name, &restart.version)?;
                set_current(open.connection, &restart.name, &restart.version)?;
                Ok((true, ()))
            })
            .await
    }

    /// Takes a version out that waits, or one that was approved and does not run.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it neither waits nor can be gone back to, or when the database cannot be written.
    pub async fn take_out(&self, name: &ComponentName, version: &str) -> Result<(), Error> {
        let (name, version) = (name.clone(), version.to_owned());
        self.0
            .run(move |open| {
                let sql = "UPDATE component_version SET state = 'gone', kept = NULL
                           WHERE name = ?1 AND version = ?2 AND state <> 'gone' AND NOT EXISTS (
                               SELECT 1 FROM component WHERE name = ?1 AND current = ?2)";
                let changed = open.connection.prepare_cached(sql)?.execute([name.as_str(), &version])?;
                if changed == 0 {
                    return Err(missing(&name, &version));
                }
                kept::drop_one(open.connection, &name, &version)?;
                Ok((true, ()))
            })
            .await
    }

    /// Takes a component out with everything that it had: versions, grants, what it was given, what it stored. With
    /// `forget` nothing tells any more that it was ever here. Says whether it was installed, or known at all.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove(&self, name: &ComponentName, forget: bool) -> Result<bool, Error> {
        let name = name.clone();
        self.0
            .run(move |open| {
                let removed = remove(open.connection, &name, forget)?;
                Ok((removed, removed))
            })
            .await
    }

    /// Changes what a component is given beside its grants.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn give(&self, name: &ComponentName, given: &Value) -> Result<(), Error> {
        let (name, given) = (name.clone(), to_json(given)?);
        self.0
            .run(move |open| {
                Ok((true, setting::write(open.connection, GIVEN, name.as_str(), &given, open.now())?))
            })
            .await
    }

    /// Drops key-value data that was set aside before `microseconds` since 1970; gives how many versions had such.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn drop_kept_before(&self, microseconds: i64) -> Result<usize, Error> {
        self.0
            .run(move |open| {
                let dropped = kept::drop_before(open.connection, microseconds)?;
                Ok((dropped > 0, dropped))
            })
            .await
    }
}

fn stage(open: &Transaction<'_>, incoming: &Incoming) -> Result<(), Error> {
    let Incoming { name, publisher, version, digest, key, source } = incoming;
    let connection = open.connection;
    let sql = "INSERT INTO component (name, publisher) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    connection.prepare_cached(sql)?.execute([name.as_str(), publisher])?;
    let sql = "SELECT publisher FROM component WHERE name = ?1";
    let owner: String = connection.prepare_cached(sql)?.query_row([name.as_str()], |row| row.get(0))?;
    if owner != *publisher {
        return Err(Error::Invalid(format!("the component {name} is of the publisher {owner}")));
    }
    let sql =
        "UPDATE component_version SET state = 'gone' WHERE name = ?1 AND state = 'waiting' AND version <> ?2";
    connection.prepare_cached(sql)?.execute([name.as_str(), version])?;
    let sql = "INSERT INTO component_version (name, version, digest, key, source, state, installed)
               VALUES (?1, ?2, ?3, ?4, ?5, 'waiting', ?6)
               ON CONFLICT (name, version) DO UPDATE SET
                   key = excluded.key, source = excluded.source, state = 'waiting', installed = excluded.installed
               WHERE component_version.state = 'gone' AND component_version.digest = excluded.digest";
    let values = params![name.as_str(), version, digest.as_bytes(), key, source, open.now()];
    if connection.prepare_cached(sql)?.execute(values)? == 0 {
        return Err(Error::Exists { what: "version of the component", name: format!("{name}: {version}") });
    }
    Ok(())
}

fn approve(open: &Transaction<'_>, approval: &Approval) -> Result<(), Error> {
    let Approval { name, version, by, grants, .. } = approval;
    let (connection, now) = (open.connection, open.now());
    require(connection, name, version, State::Waiting)?;
    let sql = "UPDATE component_version SET state = 'approved', approved = ?3, approved_by = ?4
               WHERE name = ?1 AND version = ?2";
    connection.prepare_cached(sql)?.execute(params![name.as_str(), version, now, by])?;
    kept::set_aside(connection, name, now)?;
    set_current(connection, name, version)?;
    let principal = Principal::Component(name.clone()).to_string();
    for Granted { rule, secret } in grants {
        grant::insert(connection, &principal, rule, secret.as_ref(), by, now)?;
    }
    Ok(())
}

fn set_current(connection: &Connection, name: &ComponentName, version: &str) -> Result<(), Error> {
    let sql = "UPDATE component SET current = ?2 WHERE name = ?1";
    connection.prepare_cached(sql)?.execute([name.as_str(), version])?;
    Ok(())
}

fn require(connection: &Connection, name: &ComponentName, version: &str, state: State) -> Result<(), Error> {
    let sql = "SELECT 1 FROM component_version WHERE name = ?1 AND version = ?2 AND state = ?3";
    if connection.prepare_cached(sql)?.exists([name.as_str(), version, state.text()])? {
        return Ok(());
    }
    Err(missing(name, version))
}

fn missing(name: &ComponentName, version: &str) -> Error {
    Error::NotFound { what: "such version of the component", name: format!("{name}: {version}") }
}

fn remove(connection: &Connection, name: &ComponentName, forget: bool) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM component_version WHERE name = ?1 AND state <> 'gone'";
    let there = connection.prepare_cached(sql)?.exists([name.as_str()])?;
    let known =
        connection.prepare_cached("SELECT 1 FROM component WHERE name = ?1")?.exists([name.as_str()])?;
    if !(there || forget && known) {
        return Ok(false);
    }
    let principal = Principal::Component(name.clone()).to_string();
    kept::drop_all(connection, name)?;
    let own = [
        ("DELETE FROM key_value WHERE owner = ?1", principal.as_str()),
        ("DELETE FROM grant_rule WHERE principal = ?1", principal.as_str()),
        ("UPDATE component SET current = NULL WHERE name = ?1", name.as_str()),
        ("UPDATE component_version SET state = 'gone', kept = NULL WHERE name = ?1", name.as_str()),
    ];
    for (sql, value) in own {
        connection.prepare_cached(sql)?.execute([value])?;
    }
    let sql = "DELETE FROM setting WHERE scope = ?1 AND key = ?2";
    connection.prepare_cached(sql)?.execute([GIVEN, name.as_str()])?;
    if forget {
        connection.prepare_cached("DELETE FROM component WHERE name = ?1")?.execute([name.as_str()])?;
    }
    Ok(true)
}
