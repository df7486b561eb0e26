//! What the host says, and the platform's form of it.

use serde::{Deserialize, Serialize};

/// How much of its work the assistant shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// The text alone.
    #[default]
    Simple,
    /// The model's reasoning too.
    Thinking,
    /// The calls of tools, with what went in and came out.
    Tools,
    /// Both.
    Full,
}

/// Whether there is more to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The answer is still being written.
    Partial,
    /// This is the answer.
    Complete,
}

/// How a call of a tool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolState {
    /// It runs.
    Running,
    /// It waits for an approval.
    Waiting,
    /// It has answered.
    Done,
    /// It has failed.
    Failed,
}

/// A call of a tool, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUse {
    /// The tool.
    pub name: String,
    /// What went in, shortened.
    pub input: String,
    /// What came out, shortened.
    pub output: Option<String>,
    /// How it stands.
    pub state: ToolState,
}

/// A file that is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// A piece of a message. Which of them are shown is decided by the host; how, by the adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "kebab-case")]
pub enum Piece {
    /// What the assistant says, as Markdown.
    Markdown(String),
    /// What the model thought, as Markdown.
    Reasoning(String),
    /// A call of a tool.
    ToolUse(ToolUse),
    /// What the runtime itself says, as plain text.
    Notice(String),
    /// A file.
    File(File),
}

/// How a button looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ButtonStyle {
    /// Like any other.
    Plain,
    /// The expected choice.
    Primary,
    /// A choice that is hard to take back.
    Danger,
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What it says.
    pub label: String,
    /// What comes back: `[A-Za-z0-9_:-]`, at most 64 bytes.
    pub value: String,
    /// How it looks.
    pub style: ButtonStyle,
}

/// A message as the host means it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbound {
    /// The pieces in order.
    pub pieces: Vec<Piece>,
    /// Buttons below it.
    pub buttons: Vec<Button>,
    /// How much the channel wants to see.
    pub detail: Detail,
    /// Whether there is more to come.
    pub stage: Stage,
}

/// One message in the platform's form. Stored before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The adapter's own form.
    pub body: String,
    /// The same as plain text.
    pub plain: String,
    /// Files that go along.
    pub files: Vec<File>,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The account that sends.
    pub account: String,
    /// The channel.
    pub channel: String,
    /// The thread or topic in it.
    pub thread: Option<String>,
    /// The message that it replies to.
    pub reply_to: Option<String>,
}

/// What sending gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The message that it made.
    pub id: String,
    /// Milliseconds to wait before the next one in this channel, where the platform says so.
    pub pause: Option<u32>,
    /// The channel as the platform names it now, where that is no longer the target's name.
    pub moved_to: Option<String>,
}
