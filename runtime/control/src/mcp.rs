//! The clients of the MCP endpoint, as the admin sees them.

use openpact_model::role::Role;
use serde::{Deserialize, Serialize};

use crate::Hidden;

/// One client of MCP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpClient {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The tools that it may use.
    pub tools: Vec<String>,
    /// Who added it.
    pub added_by: String,
    /// When.
    pub added: jiff::Timestamp,
    /// When it was last seen, to about a minute.
    pub last_used: Option<jiff::Timestamp>,
}

/// The token of a new client of MCP: shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpToken {
    /// The client.
    pub name: String,
    /// Its token.
    pub token: Hidden,
    /// Where it connects. `None` where nobody would answer it there.
    pub url: Option<String>,
    /// Why it cannot connect yet, or would find nothing.
    pub warnings: Vec<String>,
}
