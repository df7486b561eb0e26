//! The MCP server over the tool router: streamable HTTP for clients with a token, and a byte stream (standard input
//! and output, by way of the program's control socket) for the owner of the machine.
//!
//! Every call goes the way of all calls: through the router, with its policy, rates, journal, redaction and audit. What
//! is here is the protocol (by `rmcp`), who is at the other end, and what a stranger at the door can cost.
//! Versions 2026-07-28 (no sessions) and 2025-11-25 (sessions), and older ones as far as `rmcp` speaks them.

mod bucket;
pub mod client;
mod config;
mod error;
mod handler;
pub mod host;
mod http;
pub mod library;
mod server;
mod stream;
mod tool;

pub use client::{Added, Clients, Listed, Request};
pub use config::{Config, Limits, Ports};
pub use error::Error;
pub use library::{Folder, Library, Missing};
pub use server::Server;
pub use stream::Stream;
