//! The receive loop (Bot API, `getUpdates`).
//!
//! An update is acknowledged to Telegram by the offset of the next poll, and the offset passes an update only when the
//! host has stored it. The offset is kept, so that a new start acknowledges what the last one stored. What is being
//! read is kept with it, so that an update of which the adapter dies again and again is passed at last. [`album`] says
//! which updates are one event.

mod album;
mod offset;

use std::time::Duration;

use openpact_sdk::adapter::inbox::{self, Account, Connection};
use openpact_sdk::adapter::{AdapterError, InboundEvent};
use openpact_sdk::log;
use serde_json::Value;
use teloxide_core::payloads::{GetMe, GetUpdates, GetUpdatesSetters as _};
use teloxide_core::types::{AllowedUpdate, User};

use crate::api::{self, Api, Exchange, Failure};
use crate::event::{Raw, Reader, Unreadable};
use crate::settings::Settings;

use album::{Albums, Turn};
use offset::{DEATHS, LIMIT, Offset};

/// How long Telegram holds a poll while there is nothing, in seconds.
const POLL: u32 = 50;
/// How long to wait for the answer to a poll.
const POLL_TIMEOUT: Duration = Duration::from_mins(1);
/// The waits between tries while Telegram does not answer, in seconds; then the host starts the adapter again.
const WAITS: [u64; 6] = [1, 2, 4, 8, 16, 30];
/// The longest wait that Telegram may ask for before the host is told to start again.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// What an admin is told of a bot in privacy mode.
const NO_MENTIONS: &str = "privacy mode is on for this bot: in groups Telegram gives it commands and replies to what it \
     said, but no messages that mention it, unless it is an administrator there. So that mentions are answered, write \
     /setprivacy to @BotFather, choose the bot and then Disable, take the bot out of its groups, and add it again. Then \
     Telegram gives it everything that is said in its groups; still only what is said to it is answered.";

/// Receives until something ends it.
pub(crate) fn run() -> Result<(), AdapterError> {
    let settings = Settings::read().map_err(AdapterError::Configuration)?;
    let api = Api::at(&settings)?;
    let mut receiver = Receiver { api, sleep: std::thread::sleep, failures: 0, lost: false, warned: false };
    inbox::report(Connection::Connecting)?;
    let me = receiver.me()?;
    let account = account(&me);
    inbox::report(Connection::Connected(account.clone()))?;
    let reader = Reader { me, respond_all: settings.respond_all, bots: settings.bots };
    let (mut offset, mut albums) = (Offset::load(&account.id), Albums::load(&account.id));
    loop {
        receiver.round(&reader, &account, &mut offset, &mut albums)?;
    }
}

/// One connection, and how it goes.
pub(crate) struct Receiver<E, S> {
    /// The Bot API.
    pub(crate) api: E,
    /// Waits.
    pub(crate) sleep: S,
    /// How often in a row it went wrong.
    pub(crate) failures: usize,
    /// Whether the host was told that the connection is lost.
    pub(crate) lost: bool,
    /// Whether the admin was told of updates that make no sense.
    pub(crate) warned: bool,
}

impl<E: Exchange, S: Fn(Duration)> Receiver<E, S> {
    /// Who the bot is.
    pub(crate) fn me(&mut self) -> Result<User, AdapterError> {
        loop {
            match api::call(&self.api, &GetMe::new()) {
                Ok(me) => {
                    self.failures = 0;
                    if hears_no_mentions(&me) {
                        log::warn(NO_MENTIONS);
                    }
                    return serde_json::from_value(me).map_err(|error| {
                        AdapterError::Protocol(format!("Telegram's answer to getMe makes no sense: {error}"))
                    });
                }
                Err(failure) => self.endure(failure)?,
            }
        }
    }

    /// One poll, and what came.
    pub(crate) fn round(
        &mut self,
        reader: &Reader,
        account: &Account,
        offset: &mut Offset,
        albums: &mut Albums,
    ) -> Result<(), AdapterError> {
        let limit = if albums.need_all(offset.next) { LIMIT } else { offset.limit() };
        let mut poll = GetUpdates::new().limit(limit).timeout(POLL).allowed_updates([
            AllowedUpdate::Message,
            AllowedUpdate::EditedMessage,
            AllowedUpdate::CallbackQuery,
            AllowedUpdate::ChannelPost,
        ]);
        poll.offset = offset.fresh();
        let answer = match api::call_within(&self.api, &poll, POLL_TIMEOUT) {
            Ok(Value::Array(updates)) => updates,
            Ok(other) => {
                let kind = if other.is_object() { "an object" } else { "something else" };
                return self.endure(Failure::Garbled(200, format!("{kind} where updates should be")));
            }
            Err(failure) => return self.endure(failure),
        };
        if std::mem::take(&mut self.lost) {
            inbox::report(Connection::Connected(account.clone()))?;
        }
        match self.take(reader, answer, offset, albums) {
            Ok(()) => self.failures = 0,
            // What was not stored comes again with the next poll.
            Err(why) => self.pause(&why)?,
        }
        Ok(())
    }

    /// Delivers a batch in order; stops where the host cannot store, and waits where more may belong to it.
    fn take(
        &mut self,
        reader: &Reader,
        updates: Vec<Value>,
        offset: &mut Offset,
        albums: &mut Albums,
    ) -> Result<(), String> {
        let mut updates: Vec<_> = updates.into_iter().filter_map(Raw::new).collect();
        // Seen already, and not acknowledged because the poll that would have done it was cut.
        let next = offset.fresh_number();
        updates.retain(|update| next.is_none_or(|next| update.id >= next));
        updates.sort_by_key(|update| update.id);
        updates.dedup_by_key(|update| update.id);
        for (index, update) in updates.iter().enumerate() {
            match albums.turn(update, &updates[index..]) {
                Turn::Wait => {
                    (self.sleep)(album::WAIT);
                    return Ok(());
                }
                Turn::Deliver(parts) if offset.begin(update.id) => {
                    if let Err(why) = self.deliver(reader, albums, &parts) {
                        offset.put_back();
                        return Err(why);
                    }
                }
                Turn::Deliver(_) => log::warn(&format!(
                    "the adapter broke {DEATHS} times at the update {}, which is skipped: whoever sent it gets no \
                     answer",
                    update.id
                )),
                Turn::Passed => {}
            }
            offset.pass(update.id);
        }
        albums.rest();
        Ok(())
    }

    /// The event that these updates are together; `None` for what is not for the assistant, or makes no sense.
    fn read(&mut self, reader: &Reader, albums: &mut Albums, updates: &[&Raw]) -> Option<InboundEvent> {
        let update = updates.first()?;
        let Some(album) = &update.album else {
            return reader.read(update).unwrap_or_else(|unreadable| self.tell(update, &unreadable));
        };
        let mut parts = vec![];
        for update in updates {
            match update.message() {
                Ok(message) => parts.push(message),
                Err(unreadable) => self.tell(update, &unreadable),
            }
        }
        if !update.is_edit() {
            let event = reader.join(&parts, &albums.known(album));
            albums.keep(album, parts);
            return event;
        }
        let edited = parts.first()?;
        match albums.change(album, edited) {
            Some(all) => reader.change(all, edited, update.id),
            None => reader.change(&parts, edited, update.id),
        }
    }

    /// Says once that something is not understood.
    fn tell<T: Default>(&mut self, update: &Raw, unreadable: &Unreadable) -> T {
        if !std::mem::replace(&mut self.warned, true) {
            log::warn(&format!(
                "Telegram sent an update ({}, {}) that this version does not understand; such updates are skipped, \
                 further ones without a word",
                update.id, unreadable.kind
            ));
        }
        T::default()
    }

    /// Delivers what these updates are together; an error says why the host could not store it.
    fn deliver(&mut self, reader: &Reader, albums: &mut Albums, updates: &[&Raw]) -> Result<(), String> {
        let Some(event) = self.read(reader, albums, updates) else { return Ok(()) };
        let update = updates.first().map_or(0, |update| update.id);
        match inbox::deliver(event) {
            Ok(()) => Ok(()),
            Err(inbox::Error::Invalid(why)) => {
                log::warn(&format!("the update {update} was not taken: {why}"));
                Ok(())
            }
            Err(inbox::Error::WrongAccount) => Err("the account is not this instance's any more".to_owned()),
            Err(inbox::Error::Unavailable(why)) => Err(why),
        }
    }

    /// Waits where waiting helps; gives what ends the loop where it does not.
    fn endure(&mut self, failure: Failure) -> Result<(), AdapterError> {
        match &failure {
            Failure::Refused(refusal) if refusal.code == 429 => {
                // No answer asks for polls without a pause.
                let wait = refusal.retry_after.unwrap_or_default().max(Duration::from_secs(1));
                if wait > LONGEST_WAIT {
                    return Err(AdapterError::Unavailable(failure.text()));
                }
                (self.sleep)(wait);
                Ok(())
            }
            Failure::Refused(refusal) if refusal.code == 409 => {
                let webhook = refusal.description.to_lowercase().contains("webhook");
                // A poll of ours that was cut a moment ago may still be open at Telegram's side.
                if !webhook && self.failures == 0 {
                    self.failures += 1;
                    (self.sleep)(Duration::from_secs(2));
                    return Ok(());
                }
                Err(AdapterError::Conflict(conflict(webhook, &refusal.description)))
            }
            Failure::Unsent(_) | Failure::Broken(_) | Failure::Garbled(500.., _) => {
                self.pause(&failure.text())
            }
            Failure::Refused(refusal) if refusal.code >= 500 => self.pause(&failure.text()),
            _ => Err(failure.into()),
        }
    }

    /// Waits longer and longer, and at last gives up.
    fn pause(&mut self, why: &str) -> Result<(), AdapterError> {
        let Some(wait) = WAITS.get(self.failures) else {
            return Err(AdapterError::Unavailable(why.to_owned()));
        };
        self.failures += 1;
        // One poll that is cut is nothing that anybody needs to know.
        if self.failures > 1 && !self.lost {
            self.lost = true;
            inbox::report(Connection::Lost(why.to_owned()))?;
        }
        (self.sleep)(Duration::from_secs(*wait));
        Ok(())
    }
}

/// Whether messages of groups that mention the bot do not come, from what `getMe` says of it. A server of one's own that
/// says nothing of it may be an old one.
fn hears_no_mentions(me: &Value) -> bool {
    me["can_read_all_group_messages"].as_bool() == Some(false)
}

fn conflict(webhook: bool, description: &str) -> String {
    if webhook {
        return format!(
            "a webhook is set for this bot, so that its messages go there. If nothing needs it, delete it by the Bot \
             API's method deleteWebhook, and start the provider again. (Telegram says: {description})"
        );
    }
    format!(
        "another program polls with this bot's token. Stop it, or give this one a bot of its own: only one can \
         receive. If you know of none, the token may be in wrong hands: @BotFather revokes it with /revoke. (Telegram \
         says: {description})"
    )
}

fn account(me: &User) -> Account {
    let name = me.username.as_ref().map_or_else(|| me.full_name(), |username| format!("@{username}"));
    Account { id: me.id.to_string(), name }
}

#[cfg(test)]
mod tests;
