//! Grants: what an admin lets each principal do. A rule is text here; what it means is the matter of the crate that
//! enforces it.

use jiff::Timestamp;
use openpact_model::principal::Principal;
use openpact_model::secret::SecretName;
use rusqlite::{Connection, params};
use serde::Serialize;

use crate::column::{parsed, time};
use crate::error::Error;
use crate::recording::{Recorder, recording};

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its number; never used for another grant.
    pub id: i64,
    /// Who may.
    pub principal: Principal,
    /// What, in the grammar of the rules.
    pub rule: String,
    /// The secret behind the rule's credential, where the grant names one.
    pub secret: Option<SecretName>,
    /// Who granted it.
    pub added_by: String,
    /// When.
    pub added: Timestamp,
}

/// The grants.
#[derive(Clone)]
pub struct Table(pub(crate) Recorder);

recording!(Table);

impl Table {
    /// Grants `rule` to `principal` in the name of `by`, and gives the number of the grant: that of the one before
    /// where it was granted already. The secret behind it is then the one named here, or none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn add(
        &self,
        principal: &Principal,
        rule: String,
        secret: Option<SecretName>,
        by: &str,
    ) -> Result<i64, Error> {
        let (principal, by) = (principal.to_string(), by.to_owned());
        self.0
            .run(move |open| {
                let now = open.now();
                let changed = insert(open.connection, &principal, &rule, secret.as_ref(), &by, now)?;
                let sql = "SELECT id FROM grant_rule WHERE principal = ?1 AND rule = ?2";
                let mut statement = open.connection.prepare_cached(sql)?;
                Ok((changed, statement.query_row([&principal, &rule], |row| row.get(0))?))
            })
            .await
    }

    /// The grants of `principal`, or of everybody, in the order in which they were given.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self, principal: Option<&Principal>) -> Result<Vec<Row>, Error> {
        let principal = principal.map(ToString::to_string);
        let work = move |connection: &Connection| {
            let sql = "SELECT id, principal, rule, secret, added_by, added FROM grant_rule
                       WHERE ?1 IS NULL OR principal = ?1 ORDER BY id";
            Ok(connection.prepare_cached(sql)?.query_map([principal], row)?.collect::<Result<_, _>>()?)
        };
        self.0.inner.readers.run(work).await
    }

    /// Takes a grant back; says whether there was one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove(&self, id: i64) -> Result<bool, Error> {
        self.0
            .run(move |open| {
                let mut statement = open.connection.prepare_cached("DELETE FROM grant_rule WHERE id = ?1")?;
                let removed = statement.execute([id])? > 0;
                Ok((removed, removed))
            })
            .await
    }
}

/// Writes a grant; says whether that changed anything.
pub(crate) fn insert(
    connection: &Connection,
    principal: &str,
    rule: &str,
    secret: Option<&SecretName>,
    by: &str,
    now: i64,
) -> Result<bool, Error> {
    let sql = "INSERT INTO grant_rule (principal, rule, secret, added_by, added) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (principal, rule) DO UPDATE SET secret = excluded.secret
               WHERE excluded.secret IS NOT secret";
    let values = params![principal, rule, secret.map(SecretName::as_str), by, now];
    Ok(connection.prepare_cached(sql)?.execute(values)? > 0)
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let secret: Option<String> = row.get(3)?;
    Ok(Row {
        id: row.get(0)?,
        principal: parsed(row, 1)?,
        rule: row.get(2)?,
        secret: secret.map(|_| parsed(row, 3)).transpose()?,
        added_by: row.get(4)?,
        added: time(row, 5)?,
    })
}
