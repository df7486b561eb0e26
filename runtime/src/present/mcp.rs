//! The clients of MCP.

use super::Output;
use super::table::Table;
use crate::control::{McpClient, McpToken};

/// All of them; never a token.
pub(super) fn clients(output: Output, clients: &[McpClient]) -> String {
    if clients.is_empty() {
        return "no MCP clients; 'openpact mcp client add NAME --tools PATTERN' lets one in\n".to_owned();
    }
    let mut table = Table::new(&["CLIENT", "ROLE", "TOOLS", "ADDED", "LAST SEEN"]);
    for client in clients {
        let seen = client.last_used.map_or_else(|| "never".to_owned(), minute);
        let role = client.role.to_string();
        table.row([&client.name, &role, &client.tools.join(", "), &minute(client.added), &seen]);
    }
    table.text(output)
}

/// A token, this once.
pub(super) fn token(added: &McpToken) -> String {
    let McpToken { name, token, url, warnings } = added;
    let address = url.as_ref().map(|url| format!("Address: {url}\n")).unwrap_or_default();
    let warnings: Vec<_> = warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    let warnings = warnings.concat();
    format!(
        "{}\n\nThis is the token of '{name}'. It is shown now and never again; whoever has it is '{name}'.\n\
         {address}Header:  Authorization: Bearer TOKEN\n{warnings}",
        token.0.as_str()
    )
}

fn minute(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
