//! From what a receive loop says to the words of the rest: sizes and forms checked, names for people cut.
//!
//! What is wrong is told to the adapter in a sentence that names the field. Ids may hold no control characters, since
//! they are compared and shown; what they mean is the platform's business.

use openpact_bindings::v0_1_0::chat::openpact::chat::{events, inbox};
use openpact_model::chat;

/// The longest text of a message, and all that stands behind a command, in bytes.
const MAX_TEXT: usize = 256 * 1024;
/// The longest id in bytes, and the longest one that carries data of the adapter's own.
const MAX_ID: usize = 512;
const MAX_OPAQUE_ID: usize = 4096;
/// The longest name that people are shown, in characters; the rest is cut.
const MAX_NAME: usize = 256;
/// The longest explanation for the admin, in characters; the rest is cut.
const MAX_WHY: usize = 500;
/// The longest name of a command, and the longest value of a button, in bytes.
const MAX_COMMAND: usize = 64;
const MAX_BUTTON: usize = 64;
/// Attachments of one message.
const MAX_ATTACHMENTS: usize = 64;
/// The end of the year 9999, milliseconds since 1970: the latest time that can be written down.
const MAX_TIME: u64 = 253_402_300_799_999;
/// The store keeps whole numbers of 64 bits with a sign.
const MAX_NUMBER: u64 = i64::MAX as u64;

type Checked<T> = Result<T, String>;

/// An event that fits.
pub(crate) fn checked(event: events::InboundEvent) -> Checked<chat::Event> {
    if event.time > MAX_TIME {
        return Err("time: later than the year 9999; it is counted in milliseconds since 1970".into());
    }
    if event.revision > MAX_NUMBER {
        return Err(format!("revision: more than {MAX_NUMBER}"));
    }
    Ok(chat::Event {
        account: id("account", event.account)?,
        id: id("id", event.id)?,
        revision: event.revision,
        time: event.time,
        place: place(event.channel)?,
        author: author(event.sender)?,
        happening: happening(event.happening)?,
    })
}

/// What a loop says about its connection.
pub(crate) fn connection(connection: inbox::Connection) -> Checked<chat::Connection> {
    Ok(match connection {
        inbox::Connection::Connecting => chat::Connection::Connecting,
        inbox::Connection::Connected(account) => chat::Connection::Connected(chat::Account {
            id: id("account", account.id)?,
            name: cut(account.name, MAX_NAME),
        }),
        inbox::Connection::Lost(why) => chat::Connection::Lost(cut(why, MAX_WHY)),
    })
}

fn place(channel: events::Channel) -> Checked<chat::Place> {
    Ok(chat::Place {
        id: id("channel.id", channel.id)?,
        thread: channel.thread.map(|thread| id("channel.thread", thread)).transpose()?,
        name: channel.name.map(|name| cut(name, MAX_NAME)),
        visibility: match channel.audience {
            events::Audience::Direct => chat::Visibility::Direct,
            events::Audience::Group => chat::Visibility::Group,
            events::Audience::Public => chat::Visibility::Public,
        },
    })
}

fn author(sender: events::Sender) -> Checked<chat::Author> {
    Ok(chat::Author {
        id: id("sender.id", sender.id)?,
        display_name: cut(sender.display_name, MAX_NAME),
        handle: sender.handle.map(|handle| cut(handle, MAX_NAME)),
        kind: match sender.kind {
            events::SenderKind::Person => chat::AuthorKind::Person,
            events::SenderKind::Bot => chat::AuthorKind::Bot,
        },
    })
}

fn happening(happening: events::Happening) -> Checked<chat::Happening> {
    Ok(match happening {
        events::Happening::Message(it) => chat::Happening::Message(message(it)?),
        events::Happening::Edit(it) => chat::Happening::Edit(message(it)?),
        events::Happening::Command(it) => chat::Happening::Command(command(it)?),
        events::Happening::Button(it) => chat::Happening::Button(button(it)?),
        events::Happening::Thread(it) => chat::Happening::Thread(chat::ThreadStart {
            parent: id("thread.parent", it.parent)?,
            message: it.message.map(|message| id("thread.message", message)).transpose()?,
        }),
    })
}

fn message(message: events::InboundMessage) -> Checked<chat::Message> {
    if message.attachments.len() > MAX_ATTACHMENTS {
        return Err(format!("attachments: more than {MAX_ATTACHMENTS}"));
    }
    Ok(chat::Message {
        id: id("message.id", message.id)?,
        text: text("message.text", message.text)?,
        others: message.others,
        attachments: message.attachments.into_iter().map(attachment).collect::<Checked<_>>()?,
        reply_to: message.reply_to.map(quoted).transpose()?,
        occasion: match message.occasion {
            events::Occasion::Direct => chat::Occasion::Direct,
            events::Occasion::Mention => chat::Occasion::Mention,
            events::Occasion::Reply => chat::Occasion::Reply,
            events::Occasion::Thread => chat::Occasion::Thread,
            events::Occasion::EveryMessage => chat::Occasion::EveryMessage,
        },
    })
}

fn attachment(attachment: events::Attachment) -> Checked<chat::Attachment> {
    Ok(chat::Attachment {
        id: opaque("attachment.id", attachment.id)?,
        name: attachment.name.map(|name| cut(name, MAX_NAME)),
        media_type: attachment.media_type.map(|media_type| cut(media_type, MAX_NAME)),
        size: attachment.size.map(|size| size.min(MAX_NUMBER)),
    })
}

fn quoted(quoted: events::Quoted) -> Checked<chat::Quoted> {
    Ok(chat::Quoted {
        id: id("reply-to.id", quoted.id)?,
        sender: quoted.sender.map(|sender| id("reply-to.sender", sender)).transpose()?,
        ours: quoted.ours,
        others: quoted.others,
        text: quoted.text.map(|quote| text("reply-to.text", quote)).transpose()?,
    })
}

fn command(command: events::CommandUse) -> Checked<chat::CommandUse> {
    let name = bounded("command.name", command.name, MAX_COMMAND)?;
    Ok(chat::CommandUse {
        interaction: command.interaction.map(|it| opaque("command.interaction", it)).transpose()?,
        message: command.message.map(|it| id("command.message", it)).transpose()?,
        name,
        arguments: text("command.arguments", command.arguments)?,
    })
}

fn button(button: events::ButtonPress) -> Checked<chat::ButtonPress> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-');
    let value = bounded("button.value", button.value, MAX_BUTTON)?;
    if !value.bytes().all(allowed) {
        return Err("button.value: only A-Z, a-z, 0-9, '_', ':' and '-'".into());
    }
    Ok(chat::ButtonPress {
        interaction: opaque("button.interaction", button.interaction)?,
        message: id("button.message", button.message)?,
        value,
    })
}

fn id(field: &str, value: String) -> Checked<String> {
    bounded(field, value, MAX_ID)
}

fn opaque(field: &str, value: String) -> Checked<String> {
    bounded(field, value, MAX_OPAQUE_ID)
}

fn bounded(field: &str, value: String, most: usize) -> Checked<String> {
    if value.is_empty() {
        return Err(format!("{field}: empty"));
    }
    if value.len() > most {
        return Err(format!("{field}: {} bytes, and {most} are allowed", value.len()));
    }
    if value.chars().any(char::is_control) {
        return Err(format!("{field}: a control character"));
    }
    Ok(value)
}

fn text(field: &str, value: String) -> Checked<String> {
    if value.len() > MAX_TEXT {
        return Err(format!("{field}: {} bytes, and {MAX_TEXT} are allowed", value.len()));
    }
    Ok(value)
}

fn cut(mut value: String, characters: usize) -> String {
    if let Some((end, _)) = value.char_indices().nth(characters) {
        value.truncate(end);
    }
    value
}

#[cfg(test)]
pub(crate) mod tests;
