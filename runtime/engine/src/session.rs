//! Sessions and their messages.

use jiff::Timestamp;
use openpact_model::id::SessionId;
use serde::{Deserialize, Serialize};

/// One conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Its title; empty until the first exchange.
    pub title: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
}

/// One message of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Counts up within the session.
    pub number: i64,
    /// When it was stored.
    pub created: Timestamp,
    /// Who said it, and what.
    pub body: Body,
}

/// Who said a message, and what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Body {
    /// The person.
    User {
        /// The text with its source line.
        text: String,
    },
    /// The model.
    Assistant {
        /// The text.
        text: String,
        /// Tools that it called.
        calls: Vec<Call>,
    },
    /// A tool.
    Tool {
        /// The id of the call.
        id: String,
        /// Whether it failed.
        is_error: bool,
        /// The answer as text.
        text: String,
    },
    /// What took the place of older messages.
    Summary {
        /// The text.
        text: String,
    },
}

/// A tool call within a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The provider's id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the model wrote them.
    pub arguments: String,
}
