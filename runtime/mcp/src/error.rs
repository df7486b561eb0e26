//! What can go wrong.

use std::io;
use std::net::SocketAddr;

/// Why the server cannot be built or a client not be managed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address could be reached from other machines, and nobody said that it may.
    #[error(
        "{0} can be reached from other machines; if that is meant, set mcp.public to true and put a proxy with TLS in \
         front of it, since tokens would travel in clear text"
    )]
    Public(SocketAddr),
    /// Every address of the machine, and no name for clients.
    #[error(
        "{0} is every address of this machine, and none that clients could use; name the hosts by which they reach it in \
         mcp.hosts, such as mcp.example.org or 192.0.2.7"
    )]
    Nameless(SocketAddr),
    /// An entry of the hosts is none.
    #[error("'{entry}' is no host; write {instead}")]
    Host {
        /// The entry.
        entry: String,
        /// What would be one.
        instead: String,
    },
    /// The address cannot be listened at.
    #[error("cannot listen at {address}; is another program there? Choose another address with mcp.bind")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The name of a client.
    #[error("'{0}' is no name for a client: 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter")]
    Name(String),
    /// A pattern of tools.
    #[error("the tool pattern '{pattern}' is wrong")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        #[source]
        source: globset::Error,
    },
    /// No tools.
    #[error("a client needs at least one tool pattern, such as 'workspace_*' or '*'")]
    NoTools,
    /// There is no such client.
    #[error("there is no MCP client '{0}'; 'openpact mcp client list' shows them")]
    NoClient(String),
    /// The store.
    #[error("the clients of MCP could not be read or written")]
    Store(#[from] openpact_store::Error),
}
