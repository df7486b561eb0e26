//! Clients of the MCP endpoint: who may connect, and what as.

use jiff::Timestamp;
use openpact_model::id::Digest;
use openpact_model::role::Role;
use rusqlite::types::Type;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::column::{json, optional_time, time, to_json};
use crate::error::Error;
use crate::recording::{Recorder, recording};

/// One client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// SHA-256 of its token. The token itself is nowhere.
    pub token_hash: Digest,
    /// What it may do.
    pub role: Role,
    /// The tools that it may use, as patterns.
    pub tools: Vec<String>,
    /// Who added it.
    pub added_by: String,
    /// When.
    pub added: Timestamp,
    /// When it was last seen, to about a minute.
    pub last_used: Option<Timestamp>,
}

/// The clients.
#[derive(Clone)]
pub struct Table(pub(crate) Recorder);

recording!(Table);

impl Table {
    /// Adds a client.
    ///
    /// # Errors
    /// [`Error::Exists`] where there is one of that name, or when the database cannot be written.
    pub async fn add(&self, row: Row) -> Result<(), Error> {
        let tools = to_json(&row.tools)?;
        self.0
            .run(move |open| {
                let sql =
                    "INSERT INTO mcp_client VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL) ON CONFLICT DO NOTHING";
                let values = params![
                    row.name,
                    row.token_hash.as_bytes(),
                    row.role.to_string(),
                    tools,
                    row.added_by,
                    row.added.as_microsecond()
                ];
                if open.connection.prepare_cached(sql)?.execute(values)? == 0 {
                    return Err(Error::Exists { what: "client called", name: row.name.clone() });
                }
                Ok((true, ()))
            })
            .await
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self) -> Result<Vec<Row>, Error> {
        let work = |connection: &Connection| {
            let sql = "SELECT name, token_hash, role, tools, added_by, added, last_used FROM mcp_client ORDER BY name";
            Ok(connection.prepare_cached(sql)?.query_map([], row)?.collect::<Result<_, _>>()?)
        };
        self.0.inner.readers.run(work).await
    }

    /// Removes a client; says whether there was one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove(&self, name: &str) -> Result<bool, Error> {
        let name = name.to_owned();
        self.0
            .run(move |open| {
                let mut statement =
                    open.connection.prepare_cached("DELETE FROM mcp_client WHERE name = ?1")?;
                let removed = statement.execute([&name])? > 0;
                Ok((removed, removed))
            })
            .await
    }

    /// Notes that a client was seen. This is not recorded in the audit log.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn seen(&self, name: &str, at: Timestamp) -> Result<(), Error> {
        let name = name.to_owned();
        self.0
            .run(move |open| {
                let sql = "UPDATE mcp_client SET last_used = ?2 WHERE name = ?1";
                open.connection.prepare_cached(sql)?.execute(params![name, at.as_microsecond()])?;
                Ok((false, ()))
            })
            .await
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let hash: [u8; 32] = row.get(1)?;
    let role: String = row.get(2)?;
    let role = match role.as_str() {
        "owner" => Role::Owner,
        "member" => Role::Member,
        "guest" => Role::Guest,
        other => {
            let error = Error::Invalid(format!("there is no role '{other}'"));
            return Err(rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(error)));
        }
    };
    Ok(Row {
        name: row.get(0)?,
        token_hash: Digest::from(hash),
        role,
        tools: json(row, 3)?,
        added_by: row.get(4)?,
        added: time(row, 5)?,
        last_used: optional_time(row, 6)?,
    })
}
