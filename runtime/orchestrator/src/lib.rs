//! Turns: from a message that came in to the answer that goes out, and every tool call on the way.
//!
//! Two parts. The [`router`] is the one way to tools, for every caller. The [`Orchestrator`] runs one turn at a time
//! for each channel, commands beside it, finds the session, builds the system prompt and passes on what the engine
//! says. Neither knows a chat platform by name, or how a tool is executed.

mod bucket;
pub mod chat;
mod command;
mod context;
mod error;
pub mod import;
mod interruption;
mod lane;
mod message;
mod metric;
mod nearest;
mod orchestrator;
pub mod people;
pub mod router;
mod session;
mod source;
#[cfg(test)]
mod testing;
mod turn;

pub use command::{NAMES as COMMANDS, specs as command_specs};
pub use context::{Budget, file};
pub use error::Error;
pub use message::{Inbound, Update, Updates};
pub use orchestrator::{Config, Orchestrator, Ports};
