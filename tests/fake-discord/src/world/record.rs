//! What a test can look at.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A person, or a bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The id; never changes.
    pub id: u64,
    /// The name that is shown. Names are not authority.
    pub name: String,
    /// Whether it is a bot.
    pub is_bot: bool,
}

impl User {
    /// The object of the API.
    pub(crate) fn object(&self) -> Value {
        let mut object = json!({
            "id": self.id.to_string(),
            "username": self.name.to_lowercase().replace(' ', "_"),
            "discriminator": "0",
            "global_name": self.name,
            "avatar": null,
            "public_flags": 0,
            "flags": 0,
            "primary_guild": null,
        });
        if self.is_bot {
            object["bot"] = true.into();
        }
        object
    }
}

/// A file that came with a message of a bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its media type, as the part of the form said.
    pub media_type: String,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// The number of `files[N]`.
    pub index: u64,
}

/// A button below a message of a bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Button {
    /// What comes back when it is pressed; nothing for links.
    pub custom_id: Option<String>,
    /// What is on it.
    pub label: String,
    /// Its style: 1 to 4 in colours, 5 a link.
    pub style: u64,
    /// Whether it cannot be pressed.
    pub disabled: bool,
}

/// A message that a bot sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own that a test may ask for")]
pub struct Sent {
    /// Its number in the order of everything that was sent on this server.
    pub number: u64,
    /// Its id.
    pub id: u64,
    /// The channel, or thread.
    pub channel: u64,
    /// What is shown.
    pub content: String,
    /// The embeds, as the API gives them.
    pub embeds: Vec<Value>,
    /// Its buttons, row by row.
    pub buttons: Vec<Vec<Button>>,
    /// The message that it replies to.
    pub reply_to: Option<u64>,
    /// The nonce that came with it.
    pub nonce: Option<String>,
    /// The people who are told of it: mentions that were allowed.
    pub pings: Vec<u64>,
    /// Whether everybody is told of it.
    pub pings_everyone: bool,
    /// Names of the files that came with it.
    pub files: Vec<String>,
    /// Whether only one person sees it.
    pub ephemeral: bool,
    /// Whether it says no more than that the bot is thinking.
    pub loading: bool,
    /// The interaction that it answers.
    pub interaction: Option<u64>,
    /// When.
    pub at: SystemTime,
    /// The texts that it had before.
    pub edits: Vec<String>,
    /// Whether it was taken back.
    pub deleted: bool,
    /// Whether the bot could learn that it was sent: no fault stood in the way of the answer.
    pub told: bool,
}

/// A request, once it has been answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// The operation, as Discord's description names it.
    pub operation: String,
    /// The path, without the version in front.
    pub path: String,
    /// What came with it.
    pub body: Value,
    /// When.
    pub at: SystemTime,
    /// The status of the answer; 0 where the connection was broken.
    pub status: u16,
}

/// An answer to an interaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// Its type: 4 a message, 5 a message later, 6 a change later, 7 a change, 9 a form.
    pub kind: u64,
    /// When.
    pub at: SystemTime,
}

/// A slash command that was used, or a button that was pressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interaction {
    /// Its id.
    pub id: u64,
    /// The token that answers it.
    pub token: String,
    /// 2 for a command, 3 for a button.
    pub kind: u64,
    /// The name of the command, or the id of the button.
    pub name: String,
    /// The bot that is asked.
    pub bot: u64,
    /// Who asked.
    pub user: u64,
    /// Where.
    pub channel: u64,
    /// The message with the button.
    pub message: Option<u64>,
    /// When.
    pub at: SystemTime,
    /// The first answer, if it came in time.
    pub answered: Option<Answered>,
    /// What `@original` is: the message of the answer, or that of the button.
    pub original: Option<u64>,
    /// Messages that followed.
    pub followups: Vec<u64>,
}
