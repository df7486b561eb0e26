//! What can go wrong here.

use std::io;
use std::path::PathBuf;

use openpact_model::principal::Principal;

/// The router or the orchestrator could not do what was asked. `Display` is for the person who can mend it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two providers have a tool of one name.
    #[error("the tool '{tool}' is exported by {first} and by {second}; disable one of the two")]
    DuplicateTool {
        /// The name.
        tool: String,
        /// Who has it already.
        first: Principal,
        /// Who wants it too.
        second: Principal,
    },
    /// A tool's name is none.
    #[error(
        "{provider} exports a tool named '{tool}'; a name has 1 to 64 of a-z, 0-9 and '_', and starts with a letter"
    )]
    ToolName {
        /// The name.
        tool: String,
        /// Who exports it.
        provider: Principal,
    },
    /// A tool's schema cannot be used.
    #[error("the schema of the tool '{tool}' of {provider} cannot be used: {why}")]
    Schema {
        /// The tool.
        tool: String,
        /// Who exports it.
        provider: Principal,
        /// What is wrong with it.
        why: String,
    },
    /// A pattern for tool names cannot be read.
    #[error("the pattern '{pattern}' in {place} cannot be read; a pattern is a tool's name with '*' and '?'")]
    Pattern {
        /// Where it stands.
        place: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// A rate lets nothing through.
    #[error(
        "the rate '{name}' must allow at least one call at once and one a minute; to switch a tool off, deny it"
    )]
    Rate {
        /// Which one.
        name: String,
    },
    /// The folder with the assistant's files cannot be used.
    #[error("{} cannot be used; it must be readable and writable by the user that runs OpenPact", path.display())]
    AiData {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The store did not work.
    #[error("the data directory could not be read or written")]
    Store(#[from] openpact_store::Error),
    /// The engine did not do what was asked.
    #[error("the engine could not do it")]
    Engine(#[from] openpact_engine::Error),
    /// A message in the inbox was answered or changed meanwhile.
    #[error("this message is done already")]
    Done,
    /// An adapter of that name is attached already.
    #[error("an adapter named '{instance}' runs already; stop it first")]
    Attached {
        /// The name.
        instance: String,
    },
    /// What is stated about people cannot be meant.
    #[error("{why}")]
    People {
        /// What is wrong with it.
        why: String,
    },
    /// Somebody was not let in, turned down or removed.
    #[error(transparent)]
    Refused(#[from] crate::people::Refusal),
    /// What was to be recorded could not be, and so was not done.
    #[error("the audit log could not be written")]
    Audit(#[source] openpact_model::port::PortError),
    /// A task of ours broke.
    #[error("a part of the program broke; the log says where")]
    Panicked,
}

impl Error {
    /// One sentence for the person who talks to the assistant.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Store(source) => source.to_string(),
            Self::Engine(source) => source.to_string(),
            other => other.to_string(),
        }
    }

    /// Everything, for the log.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }
}
