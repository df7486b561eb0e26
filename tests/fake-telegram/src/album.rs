//! An album of a person on its way to the bot: as many updates as it has photos, and one id that they have in common.

use std::collections::VecDeque;

use serde_json::json;

use crate::chat::Chat;
use crate::draft::Draft;
use crate::world::{Update, User};

/// An album that is not sent yet, or not all of it.
#[must_use = "it is sent by `send`"]
pub struct Album {
    chat: Chat,
    parts: VecDeque<Draft>,
}

impl Album {
    pub(crate) fn new(chat: &Chat, user: &User, caption: &str, photos: &[&[u8]]) -> Self {
        // As many files as this one were never there before.
        let group = chat.bot.change(|account| format!("13{:015}", account.files.len()));
        let part = |(index, photo): (usize, &&[u8])| {
            let id = chat.bot.file(photo);
            let size = json!({"file_id": id, "file_unique_id": format!("u{id}"), "width": 90, "height": 90, "file_size": photo.len()});
            let draft = chat.draft(user, "").with("media_group_id", group.as_str().into());
            draft.with("photo", json!([size])).caption(if index == 0 { caption } else { "" })
        };
        Self { chat: chat.clone(), parts: photos.iter().enumerate().map(part).collect() }
    }

    /// Sends all that is left of it, for one poll.
    pub fn send(mut self) -> Vec<Update> {
        self.send_some(usize::MAX)
    }

    /// Sends so many parts of it, for one poll.
    pub fn send_some(&mut self, count: usize) -> Vec<Update> {
        let count = count.min(self.parts.len());
        self.chat.bot.change(|account| account.held = true);
        let sent = self.parts.drain(..count).map(Draft::send).collect();
        self.chat.bot.change(|account| {
            account.held = false;
            account.arrived.notify_waiters();
        });
        sent
    }

    /// Sends so many parts of it for one poll, and the rest so that only the poll after that one gets them.
    pub fn send_in_two(mut self, count: usize) -> Vec<Update> {
        let mut sent = vec![];
        // No poll may come between the two: it would be the one after.
        self.chat.bot.change(|account| account.held = true);
        sent.extend(self.parts.drain(..count).map(Draft::send));
        self.chat.bot.change(|account| account.apart = Some(account.next_update));
        sent.extend(self.send_some(usize::MAX));
        sent
    }
}
