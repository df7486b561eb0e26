//! Sending, changing and taking back messages.

use openpact_sdk::adapter::{Outbound, Part, Piece, SendError, Sent, Target};
use openpact_sdk::serde_json::{self, Value};
use teloxide_core::payloads::{
    AnswerCallbackQuery, AnswerCallbackQuerySetters as _, DeleteMessage, EditMessageText,
    EditMessageTextSetters as _, SendChatAction, SendChatActionSetters as _, SendMessage,
    SendMessageSetters as _,
};
use teloxide_core::types::{
    CallbackQueryId, ChatAction, ChatId, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions,
    MessageId, ParseMode, ReplyParameters, ThreadId,
};

use crate::api::{self, Exchange, Failure, Refusal};
use crate::event::{Interaction, integer};
use crate::render::{self, Body};

/// The longest text that the answer to a button shows above the chat, in characters (Bot API, `answerCallbackQuery`).
const TOAST: usize = 200;

/// The least time between two messages in a group or a channel, in milliseconds: twenty in a minute
/// (<https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>).
const GROUP_PAUSE: u32 = 3_000;

/// What stands before the id of a person to whom something is sent directly. The chat with them has the same id.
const PERSON: &str = "user:";

/// Sends a part. Telegram has no keys that would keep it from being sent twice.
///
/// Where the group has become a supergroup nothing was sent, and Telegram names the new chat: it is sent there at once.
pub(crate) fn send(api: &impl Exchange, target: &Target, part: &Part) -> Result<Sent, SendError> {
    let place = Place::of(target)?;
    let body = Body::read(part)?;
    let (sent, moved_to) = match post(api, &place, &body, &part.plain) {
        Err(Failure::Refused(Refusal { migrated_to: Some(chat), .. })) => {
            (post(api, &Place::after_migration(ChatId(chat)), &body, &part.plain)?, Some(chat.to_string()))
        }
        other => (other?, target.channel.starts_with(PERSON).then(|| place.chat.0.to_string())),
    };
    // What was sent has an id; without one nobody can say what happened.
    let id = integer(&sent, "message_id")
        .ok_or_else(|| SendError::Unknown("Telegram's answer names no message".to_owned()))?;
    Ok(Sent { id: id.to_string(), pause: (place.chat.0 < 0).then_some(GROUP_PAUSE), moved_to })
}

fn post(api: &impl Exchange, place: &Place, body: &Body, plain: &str) -> Result<Value, Failure> {
    let formatted = message(place, &body.html, body).parse_mode(ParseMode::Html);
    match api::call(api, &formatted) {
        Err(failure) if is_refused_markup(&failure) => api::call(api, &message(place, plain, body)),
        other => other,
    }
}

fn message(place: &Place, text: &str, body: &Body) -> SendMessage {
    let mut message = SendMessage::new(place.chat, text).link_preview_options(no_preview());
    message.message_thread_id = place.thread;
    message.reply_parameters =
        place.reply_to.map(|message| ReplyParameters::new(message).allow_sending_without_reply());
    message.reply_markup = keyboard(body).map(Into::into);
    message
}

/// Puts another part in the place of one that was sent.
pub(crate) fn edit(api: &impl Exchange, target: &Target, id: &str, part: &Part) -> Result<(), SendError> {
    let place = Place::of(target)?;
    let id = message_id(id)?;
    let body = Body::read(part)?;
    let change = |text: &str| {
        let mut change = EditMessageText::new(place.chat, id, text).link_preview_options(no_preview());
        change.reply_markup = keyboard(&body);
        change
    };
    let changed = match api::call(api, &change(&body.html).parse_mode(ParseMode::Html)) {
        Err(failure) if is_refused_markup(&failure) => api::call(api, &change(&part.plain)),
        other => other,
    };
    match changed {
        Ok(_) => Ok(()),
        Err(Failure::Refused(refusal)) if says(&refusal.description, "message is not modified") => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

/// Takes back a message.
pub(crate) fn delete(api: &impl Exchange, target: &Target, id: &str) -> Result<(), SendError> {
    let place = Place::of(target)?;
    match api::call(api, &DeleteMessage::new(place.chat, message_id(id)?)) {
        Ok(_) => Ok(()),
        // It is gone, which is what was asked for.
        Err(Failure::Refused(refusal)) if says(&refusal.description, "message to delete not found") => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

/// Shows for five seconds that somebody is typing.
pub(crate) fn typing(api: &impl Exchange, target: &Target) -> Result<(), SendError> {
    let place = Place::of(target)?;
    let mut action = SendChatAction::new(place.chat, ChatAction::Typing);
    if let Some(thread) = place.thread {
        action = action.message_thread_id(thread);
    }
    api::call(api, &action).map(drop).map_err(Into::into)
}

/// Answers the press of a button: shortly above the chat where that is enough, and else in the chat.
pub(crate) fn answer(api: &impl Exchange, interaction: &str, answer: &Outbound) -> Result<(), SendError> {
    let interaction: Interaction = serde_json::from_str(interaction)
        .map_err(|_| SendError::Refused("this is no interaction of Telegram's".to_owned()))?;
    let toast = toast(answer);
    let query = CallbackQueryId(interaction.query.clone());
    let mut acknowledgement = AnswerCallbackQuery::new(query);
    if let Some(toast) = &toast {
        acknowledgement = acknowledgement.text(toast);
    }
    match api::call(api, &acknowledgement) {
        Ok(_) if toast.is_some() => return Ok(()),
        Ok(_) => {}
        // Telegram takes it for some minutes only; the answer then goes to the chat alone.
        Err(Failure::Refused(refusal)) if refusal.code == 400 => {}
        Err(failure) => return Err(failure.into()),
    }
    let target = Target {
        account: String::new(),
        channel: interaction.chat,
        thread: interaction.thread,
        reply_to: Some(interaction.message),
    };
    render::parts(answer).iter().try_for_each(|part| send(api, &target, part).map(drop))
}

/// The answer where it is one short notice without buttons: only the person who pressed sees it.
fn toast(answer: &Outbound) -> Option<String> {
    match answer.pieces.as_slice() {
        [Piece::Notice(text)] if answer.buttons.is_empty() && text.encode_utf16().count() <= TOAST => {
            Some(text.clone()).filter(|text| !text.trim().is_empty())
        }
        _ => None,
    }
}

/// Where something goes, in Telegram's numbers.
struct Place {
    chat: ChatId,
    thread: Option<ThreadId>,
    reply_to: Option<MessageId>,
}

impl Place {
    fn of(target: &Target) -> Result<Self, SendError> {
        let person = target.channel.strip_prefix(PERSON);
        let chat = person.unwrap_or(&target.channel).parse().ok().map(ChatId);
        // Groups and channels are below zero: none of them is a person.
        let chat = chat.filter(|chat| person.is_none() || chat.0 > 0);
        let chat =
            chat.ok_or_else(|| SendError::Refused(format!("{:?} is no chat of Telegram's", target.channel)))?;
        let thread = target.thread.as_deref().map(message_id).transpose()?.map(ThreadId);
        let reply_to = target.reply_to.as_deref().map(message_id).transpose()?;
        Ok(Self { chat, thread, reply_to })
    }

    /// In the supergroup that a group has become. Messages have other numbers there, and a group had no topics.
    fn after_migration(chat: ChatId) -> Self {
        Self { chat, thread: None, reply_to: None }
    }
}

fn message_id(id: &str) -> Result<MessageId, SendError> {
    id.parse().map(MessageId).map_err(|_| SendError::Refused(format!("{id:?} is no message of Telegram's")))
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

fn keyboard(body: &Body) -> Option<InlineKeyboardMarkup> {
    let row = |button: &render::Key| {
        vec![InlineKeyboardButton::callback(button.label.clone(), button.value.clone())]
    };
    (!body.buttons.is_empty()).then(|| InlineKeyboardMarkup::new(body.buttons.iter().map(row)))
}

/// Whether Telegram does not understand what is formatted, and may take it as plain text.
fn is_refused_markup(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(refusal) => {
            refusal.code == 400
                && [
                    "can't parse entities",
                    "can't parse message text",
                    "unsupported start tag",
                    "entities_too_long",
                ]
                .iter()
                .any(|words| says(&refusal.description, words))
        }
        _ => false,
    }
}

fn says(description: &str, words: &str) -> bool {
    description.to_lowercase().contains(words)
}

#[cfg(test)]
mod tests;
