//! What an adapter is, and what it can be told to do.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Inbox, Outbound, Part, Sent, Target};

/// In what a platform measures the length of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LengthUnit {
    /// Unicode scalar values.
    Characters,
    /// UTF-16 code units.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
}

/// What a platform can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of the interface, one each")]
pub struct Abilities {
    /// A message that was sent can be changed.
    pub edit: bool,
    /// A message that was sent can be taken back.
    pub delete: bool,
    /// It shows that somebody is typing.
    pub typing: bool,
    /// A message can reply to another one.
    pub reply: bool,
    /// Channels have threads or topics.
    pub threads: bool,
    /// Messages have buttons.
    pub buttons: bool,
    /// Commands are registered with it.
    pub commands: bool,
    /// Files can be sent.
    pub files: bool,
    /// A part that is sent twice with one key appears once.
    pub idempotent_send: bool,
    /// Outside direct messages everything is said in threads, and the use of a command that is no message names none.
    pub threads_only: bool,
}

/// What an adapter is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// The platform in one word, such as `telegram`: what `provider` is elsewhere.
    pub platform: String,
    /// Its name for people.
    pub title: String,
    /// What it can do.
    pub abilities: Abilities,
    /// The longest text of one message, in `length_unit`.
    pub message_length: u32,
    /// In what lengths are measured.
    pub length_unit: LengthUnit,
    /// How often `typing` is to be called while a turn runs, in milliseconds.
    pub typing_interval: Option<u32>,
    /// The least time between two edits of one message, in milliseconds.
    pub edit_interval: u32,
    /// The least time between two messages in one channel, in milliseconds.
    pub send_interval: u32,
    /// The most messages in one second over all channels.
    pub send_rate: Option<u32>,
}

/// Why the receive loop, or the registration of commands, ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdapterError {
    /// The platform refuses the credential: only an admin can help.
    #[error("the platform refuses the credential: {0}")]
    Credential(String),
    /// The platform refuses something that an admin must change.
    #[error("{0}")]
    Configuration(String),
    /// Another program receives the events of this account.
    #[error("another program uses this account: {0}")]
    Conflict(String),
    /// The platform does not answer.
    #[error("the platform does not answer: {0}")]
    Unavailable(String),
    /// The platform said something that the adapter does not understand.
    #[error("the platform said something unexpected: {0}")]
    Protocol(String),
    /// The adapter broke: a trap, or a limit of its sandbox.
    #[error("the adapter broke: {0}")]
    Broken(String),
    /// It was told to stop.
    #[error("stopped")]
    Stopped,
}

/// Why something was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The platform asks to wait. Nothing was sent.
    #[error("the platform asks to wait {retry_after} ms")]
    RateLimited {
        /// How long, in milliseconds.
        retry_after: u64,
        /// Whether it holds for the whole account and not only for this channel.
        global: bool,
    },
    /// The platform does not answer, or cannot now. Nothing was sent.
    #[error("the platform does not answer: {0}")]
    Unavailable(String),
    /// The connection broke after the request had left: it may have been done.
    #[error("it is not known whether it was sent: {0}")]
    Unknown(String),
    /// What it is about is not there any more.
    #[error("gone: {0}")]
    Gone(String),
    /// The platform refuses it, and would again.
    #[error("the platform refuses it: {0}")]
    Refused(String),
    /// The host did not let the request through: an admin has to grant it.
    #[error("no grant allows the request")]
    Denied,
    /// More than the platform or the limit allows, in bytes.
    #[error("too large: {0} bytes")]
    TooLarge(u64),
    /// The adapter broke: a trap, or a limit of its sandbox.
    #[error("the adapter broke: {0}")]
    Broken(String),
}

/// Something that may stand behind a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOption {
    /// Its name.
    pub name: String,
    /// What it means.
    pub description: String,
    /// Whether it must be given.
    pub required: bool,
    /// The values that it may have; empty for any text.
    pub choices: Vec<String>,
}

/// A command as platforms are told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// Its name: `[a-z][a-z0-9-]*`, at most 32 characters.
    pub name: String,
    /// What it does, at most 100 characters.
    pub description: String,
    /// What may stand behind it.
    pub options: Vec<CommandOption>,
}

/// An adapter that is ready to be used. `run` is the one long-lived instance; every other function runs in a fresh one.
#[async_trait]
pub trait Adapter: Send + Sync {
    /// The name of this instance: the component's name.
    fn instance(&self) -> &str;

    /// What it is.
    fn info(&self) -> &Info;

    /// The receive loop; ends when it fails, or soon after `stop` is cancelled.
    async fn run(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) -> AdapterError;

    /// Puts a message into the platform's form.
    ///
    /// # Errors
    /// [`SendError::Broken`].
    async fn render(&self, message: &Outbound) -> Result<Vec<Part>, SendError>;

    /// Sends a part. `key` is the same whenever the same part is sent again.
    ///
    /// # Errors
    /// See [`SendError`].
    async fn send_part(&self, target: &Target, part: &Part, key: &str) -> Result<Sent, SendError>;

    /// Puts another part in the place of one that was sent.
    ///
    /// # Errors
    /// See [`SendError`].
    async fn edit_part(&self, target: &Target, id: &str, part: &Part) -> Result<(), SendError>;

    /// Takes back a part that was sent.
    ///
    /// # Errors
    /// See [`SendError`].
    async fn delete_part(&self, target: &Target, id: &str) -> Result<(), SendError>;

    /// Shows that an answer is being written, once.
    ///
    /// # Errors
    /// See [`SendError`].
    async fn typing(&self, target: &Target) -> Result<(), SendError>;

    /// Answers the use of a command or a button.
    ///
    /// # Errors
    /// See [`SendError`].
    async fn answer_interaction(&self, interaction: &str, answer: &Outbound) -> Result<(), SendError>;

    /// The bytes of an attachment, if there are at most `limit`.
    ///
    /// # Errors
    /// See [`SendError`].
    async fn fetch_attachment(&self, id: &str, limit: u64) -> Result<Vec<u8>, SendError>;

    /// Makes these the commands that the platform offers.
    ///
    /// # Errors
    /// See [`AdapterError`].
    async fn register_commands(&self, commands: &[CommandSpec]) -> Result<(), AdapterError>;
}
