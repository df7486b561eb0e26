//! Who speaks, where, and with what authority. Authority comes from the sender's identity as the platform reports it;
//! text never carries any.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a person may do. Ordered: a later role may do all that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Plain conversation, no tools.
    Guest,
    /// Reads shared things, writes locally.
    Member,
    /// Everything, approvals included.
    Owner,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guest => "guest",
            Self::Member => "member",
            Self::Owner => "owner",
        })
    }
}

/// Who can read the channel: decides what a session may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// The owner alone.
    Private,
    /// Anybody else too.
    Group,
}

/// A person as the platform reports them. Identity is `provider` and `user`; the display name is text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sender {
    /// The chat platform or door, such as `terminal` or `telegram`.
    pub provider: String,
    /// The platform's own stable identifier of the person.
    pub user: String,
    /// How the platform shows them; never used to decide anything.
    pub display_name: String,
}

/// The place of a conversation: one channel (and thread) of one provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Channel {
    /// The chat platform or door, such as `terminal` or `telegram`.
    pub provider: String,
    /// The platform's identifier of the channel.
    pub channel: String,
    /// The platform's identifier of the thread or topic, where it has them.
    pub thread: Option<String>,
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.channel)?;
        self.thread.as_ref().map_or(Ok(()), |thread| write!(f, "/{thread}"))
    }
}

/// Everything that the host knows about who caused a tool call. Made by the host alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The person.
    pub sender: Sender,
    /// What they may do.
    pub role: Role,
    /// Who reads the answer.
    pub audience: Audience,
}
