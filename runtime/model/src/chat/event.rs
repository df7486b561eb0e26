//! What happened on a platform, on its way to the host.

use serde::{Deserialize, Serialize};

/// Who can read a channel, as the platform says. What that means for a session is decided by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// The sender and the assistant.
    Direct,
    /// Several people, by invitation.
    Group,
    /// Anybody.
    Public,
}

/// A place where people talk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// As the platform names it.
    pub id: String,
    /// The thread or topic in it.
    pub thread: Option<String>,
    /// What people call it. Text, never identity.
    pub name: Option<String>,
    /// Who can read it.
    pub visibility: Visibility,
}

/// What a sender is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorKind {
    /// A person.
    Person,
    /// Another program that the adapter's settings list, or a channel that posts in its own name.
    Bot,
}

/// Who did it, as the platform says. Only `id` is identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// As the platform names the account; never changes.
    pub id: String,
    /// The name that the platform shows. Text.
    pub display_name: String,
    /// The name by which others mention the sender. Text.
    pub handle: Option<String>,
    /// What the sender is.
    pub kind: AuthorKind,
}

/// Why something is said to the assistant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// It is a direct message.
    Direct,
    /// It mentions the assistant.
    Mention,
    /// It replies to a message of the assistant.
    Reply,
    /// It stands in a thread in which the assistant takes part.
    Thread,
    /// The channel is one where the assistant answers everything.
    EveryMessage,
}

/// A file that came with a message; its bytes are fetched by [`super::Adapter::fetch_attachment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Opaque to the host.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its media type as the platform states it.
    pub media_type: Option<String>,
    /// Its size in bytes as the platform states it.
    pub size: Option<u64>,
}

/// The message that is replied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quoted {
    /// Its id.
    pub id: String,
    /// Who wrote it.
    pub sender: Option<String>,
    /// Whether it is the assistant's own.
    pub ours: bool,
    /// Whether it holds what somebody else than its sender wrote.
    pub others: bool,
    /// Its text, as far as the platform sends it along.
    pub text: Option<String>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Its text as Markdown.
    pub text: String,
    /// Whether the text holds what somebody else than the sender wrote, such as a message that is forwarded.
    pub others: bool,
    /// What came with it.
    pub attachments: Vec<Attachment>,
    /// What it replies to.
    pub reply_to: Option<Quoted>,
    /// Why it is said to the assistant.
    pub occasion: Occasion,
}

/// A use of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandUse {
    /// What an answer is made to; `None` where a command is an ordinary message.
    pub interaction: Option<String>,
    /// The message that it is, where it is one.
    pub message: Option<String>,
    /// The command, words joined by `-`.
    pub name: String,
    /// What stands behind it.
    pub arguments: String,
}

/// A press of a button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ButtonPress {
    /// What an answer is made to.
    pub interaction: String,
    /// The message that has the button.
    pub message: String,
    /// The value of the button. It gives no authority.
    pub value: String,
}

/// A new thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadStart {
    /// The channel that it belongs to.
    pub parent: String,
    /// The message that it grew from.
    pub message: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Happening {
    /// A message came.
    Message(Message),
    /// A message was changed; this is how it is now.
    Edit(Message),
    /// A command was used.
    Command(CommandUse),
    /// A button was pressed.
    Button(ButtonPress),
    /// A thread was made; the place of the event is the thread.
    Thread(ThreadStart),
}

/// One event. Instance (stamped by the host), `account`, `id` and `revision` are its identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The account of the assistant that received it.
    pub account: String,
    /// The platform's name for the event.
    pub id: String,
    /// 0, or what tells several states of one thing apart.
    pub revision: u64,
    /// When it happened as the platform says, milliseconds since 1970.
    pub time: u64,
    /// Where.
    pub place: Place,
    /// Who did it.
    pub author: Author,
    /// What happened.
    pub happening: Happening,
}
