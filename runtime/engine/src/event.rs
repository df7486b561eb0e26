//! What an engine says while it works on a turn.

use serde::{Deserialize, Serialize};

/// One event. Parts keep their order; `part` counts up from 0 within a turn, and events of one `part` belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A piece of the model's reasoning.
    Reasoning {
        /// The part that it belongs to.
        part: u32,
        /// The piece.
        text: String,
    },
    /// A piece of the answer.
    Text {
        /// The part that it belongs to.
        part: u32,
        /// The piece.
        text: String,
    },
    /// The model calls a tool.
    ToolCall {
        /// The part.
        part: u32,
        /// The provider's id of the call, unique in the turn.
        id: String,
        /// The tool.
        name: String,
        /// The arguments as the model wrote them; may be malformed.
        arguments: String,
    },
    /// A tool answered.
    ToolResult {
        /// The part.
        part: u32,
        /// The id of the call that it answers.
        id: String,
        /// Whether it failed.
        is_error: bool,
        /// The answer as text.
        text: String,
    },
    /// Something that the person should know about how the answer came about.
    Notice {
        /// One sentence.
        text: String,
    },
    /// What a request to the provider took.
    Usage {
        /// Tokens in.
        input: u64,
        /// Tokens out.
        output: u64,
        /// Tokens in that came from the provider's cache.
        cached: u64,
    },
    /// The turn ended with an error. Last event.
    Error {
        /// What went wrong.
        kind: ErrorKind,
        /// One sentence for the person, with what to do.
        message: String,
    },
    /// The turn ended. Last event.
    End,
}

/// What went wrong with a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Somebody stopped it.
    Aborted,
    /// It took too long, in all or since the last sign of life.
    Deadline,
    /// The model went on calling tools past the step limit.
    TooManySteps,
    /// The provider could not be reached, refused, or answered nonsense.
    Provider,
    /// The provider refused the key.
    Unauthorised,
    /// The provider asked for fewer requests, and went on asking.
    RateLimited,
    /// The engine itself died or broke.
    Engine,
}

impl ErrorKind {
    /// Its name, for logs and counters; as it is serialised.
    pub fn code(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Deadline => "deadline",
            Self::TooManySteps => "too-many-steps",
            Self::Provider => "provider",
            Self::Unauthorised => "unauthorised",
            Self::RateLimited => "rate-limited",
            Self::Engine => "engine",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_counted_under_the_name_that_it_is_written_with() {
        for kind in [
            ErrorKind::Aborted,
            ErrorKind::Deadline,
            ErrorKind::TooManySteps,
            ErrorKind::Provider,
            ErrorKind::Unauthorised,
            ErrorKind::RateLimited,
            ErrorKind::Engine,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.code());
        }
    }
}
