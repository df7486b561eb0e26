//! The clients of the MCP endpoint, as the admin sees them.

use openpact_model::role::Role;
use serde::{Deserialize, Serialize};

use super::Hidden;

/// One client of MCP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct McpClient {
    /// Its name.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
    /// The tools that it may use.
    pub(crate) tools: Vec<String>,
    /// Who added it.
    pub(crate) added_by: String,
    /// When.
    pub(crate) added: jiff::Timestamp,
    /// When it was last seen, to about a minute.
    pub(crate) last_used: Option<jiff::Timestamp>,
}

/// The token of a new client of MCP: shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct McpToken {
    /// The client.
    pub(crate) name: String,
    /// Its token.
    pub(crate) token: Hidden,
    /// Where it connects. `None` where nobody would answer it there.
    pub(crate) url: Option<String>,
    /// Why it cannot connect yet, or would find nothing.
    pub(crate) warnings: Vec<String>,
}
