//! Channels: what they are called, what they belong to, and who can read them.

use std::collections::{BTreeMap, BTreeSet};

use openpact_sdk::adapter::{Audience, Channel};
use openpact_sdk::{kv, log};
use reqwest::Method;
use serde_json::Value;
use serenity::model::channel::ChannelType;
use serenity::model::permissions::Permissions;

use super::raw::number;
use crate::api::{self, Call, Exchange, Failure, SHORTLY};

/// How many channels are remembered; past that they are looked up anew.
const REMEMBERED: usize = 20_000;

/// How long a channel of which Discord tells nothing is not asked for again, in milliseconds; and how many such channels
/// are remembered.
const REFUSED_FOR: u64 = 60_000;
const REFUSED: usize = 1_000;

/// Where the roles stand that servers have made for the bot, and the most of them: one for each server.
const ROLES: &str = "roles";
const MOST_ROLES: usize = 1_000;

/// A channel of a server, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    kind: ChannelType,
    name: Option<String>,
    parent: Option<u64>,
    /// Whether everybody in the server is kept out, so that people see it by invitation.
    is_closed: bool,
}

/// The channels that are known. The gateway tells them when a session begins, and of every change; after a session was
/// resumed they are looked up one by one.
#[derive(Debug, Default)]
pub(crate) struct Places {
    channels: BTreeMap<u64, Place>,
    /// Those of which Discord told nothing, and when it was asked, in milliseconds since 1970.
    refused: BTreeMap<u64, u64>,
    /// The roles that servers have made for this bot, and for nobody else.
    roles: BTreeSet<u64>,
}

impl Places {
    /// What was kept of them: the roles, which no resumed session tells again.
    pub(crate) fn load() -> Self {
        let kept = kv::get(ROLES).unwrap_or_else(|error| {
            log::warn(&format!("the roles of the bot cannot be read: {error:?}"));
            None
        });
        let roles = kept.and_then(|kept| serde_json::from_slice(&kept).ok()).unwrap_or_default();
        Self { roles, ..Self::default() }
    }

    /// The roles of the bot itself.
    pub(super) fn roles(&self) -> &BTreeSet<u64> {
        &self.roles
    }

    /// Takes from an event what it says of channels, and of the roles of the bot `me`.
    pub(crate) fn learn(&mut self, kind: &str, data: &Value, me: u64) {
        let server = data.get("guild_id").and_then(number);
        match kind {
            "GUILD_CREATE" => {
                let server = data.get("id").and_then(number);
                for key in ["channels", "threads"] {
                    let channels = data.get(key).and_then(Value::as_array).into_iter().flatten();
                    channels.for_each(|channel| drop(self.remember(channel, server)));
                }
                self.learn_roles(data, me);
            }
            "THREAD_LIST_SYNC" => {
                let threads = data.get("threads").and_then(Value::as_array).into_iter().flatten();
                threads.for_each(|thread| drop(self.remember(thread, server)));
            }
            "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "THREAD_CREATE" | "THREAD_UPDATE" => {
                self.remember(data, server);
            }
            "CHANNEL_DELETE" | "THREAD_DELETE" => {
                data.get("id").and_then(number).map(|id| self.channels.remove(&id));
            }
            _ => {}
        }
    }

    /// A role that Discord manages for a bot names it (Permissions, "Role Tags Structure").
    fn learn_roles(&mut self, server: &Value, me: u64) {
        let roles = server.get("roles").and_then(Value::as_array).into_iter().flatten();
        let own = roles.filter(|role| role.pointer("/tags/bot_id").and_then(number) == Some(me));
        let known = self.roles.len();
        self.roles.extend(own.filter_map(|role| role.get("id").and_then(number)));
        while self.roles.len() > MOST_ROLES {
            self.roles.pop_first();
        }
        if self.roles.len() > known
            && let Err(error) = kv::set(ROLES, serde_json::json!(self.roles).to_string().as_bytes())
        {
            log::warn(&format!("the roles of the bot cannot be stored: {error:?}"));
        }
    }

    /// What is known of a channel.
    pub(super) fn known(&self, id: u64) -> Option<&Place> {
        self.channels.get(&id)
    }

    /// What there is to know of a channel at this time, in milliseconds since 1970. `None` where Discord does not say and
    /// will not; an error where it may say it later.
    pub(super) fn find(&mut self, id: u64, now: u64, api: &impl Exchange) -> Result<Option<Place>, Failure> {
        if let Some(place) = self.known(id) {
            return Ok(Some(place.clone()));
        }
        // Whoever is refused is not told more by asking at every message.
        if self.refused.get(&id).is_some_and(|asked| now.saturating_sub(*asked) < REFUSED_FOR) {
            return Ok(None);
        }
        let call = Call::new(Method::GET, &["channels", &id.to_string()]).within(SHORTLY);
        let place = match api::call(api, &call) {
            Ok(reply) => {
                let server = reply.value.get("guild_id").and_then(number);
                self.remember(&reply.value, server)
            }
            Err(failure) if !failure.is_final() => return Err(failure),
            Err(failure) => {
                // Whether it is a thread, and of which channel, decides on who may speak there.
                let why = failure.text();
                log::warn(&format!(
                    "the channel {id} cannot be looked up; what is said in it is passed over: {why}"
                ));
                None
            }
        };
        if place.is_none() {
            if self.refused.len() >= REFUSED {
                self.refused.clear();
            }
            self.refused.insert(id, now);
        }
        Ok(place)
    }

    /// How many channels are remembered: those that are known, and those of which Discord told nothing.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.channels.len(), self.refused.len())
    }

    /// What an interaction says of its channel, where the channel is not known better.
    pub(super) fn told(&self, id: u64, data: &Value) -> Option<Place> {
        self.known(id).cloned().or_else(|| Place::read(data, None))
    }

    fn remember(&mut self, channel: &Value, server: Option<u64>) -> Option<Place> {
        let id = channel.get("id").and_then(number)?;
        let place = Place::read(channel, server)?;
        if self.channels.len() >= REMEMBERED {
            self.channels.clear();
        }
        self.refused.remove(&id);
        self.channels.insert(id, place.clone());
        Some(place)
    }
}

impl Place {
    /// `None` where it does not say what it is, or is a thread of nothing.
    fn read(channel: &Value, server: Option<u64>) -> Option<Self> {
        let kind = channel.get("type").and_then(Value::as_u64).and_then(|kind| u8::try_from(kind).ok())?;
        let place = Self {
            kind: ChannelType::from(kind),
            name: channel.get("name").and_then(Value::as_str).map(str::to_owned),
            parent: channel.get("parent_id").and_then(number),
            is_closed: is_closed(channel, server),
        };
        Some(place).filter(|place| !place.is_thread() || place.parent.is_some())
    }

    /// The channel that it is a thread of.
    pub(super) fn thread_of(&self) -> Option<u64> {
        self.parent.filter(|_| self.is_thread())
    }

    fn is_thread(&self) -> bool {
        let kinds = [ChannelType::NewsThread, ChannelType::PublicThread, ChannelType::PrivateThread];
        kinds.contains(&self.kind)
    }

    /// Whether its messages are in threads alone.
    pub(super) fn is_forum(&self) -> bool {
        // The second is a forum of pictures, "media", which has no name here yet.
        matches!(self.kind, ChannelType::Forum | ChannelType::Unknown(16))
    }

    /// As the host sees it: a thread, which is a channel to Discord, is one in the channel that it belongs to.
    pub(super) fn channel(&self, id: u64, parent: Option<&Self>) -> Channel {
        let thread_of = self.thread_of();
        let is_private = self.kind == ChannelType::PrivateThread
            || if thread_of.is_some() {
                parent.is_some_and(|parent| parent.is_closed)
            } else {
                self.is_closed
            };
        Channel {
            id: thread_of.unwrap_or(id).to_string(),
            thread: thread_of.map(|_| id.to_string()),
            name: self.name.clone(),
            audience: if is_private { Audience::Group } else { Audience::Public },
        }
    }
}

/// Whether the channel takes from everybody (the role with the server's id) the right to see it.
fn is_closed(channel: &Value, server: Option<u64>) -> bool {
    let Some(server) = server else { return false };
    let overwrites = channel.get("permission_overwrites").and_then(Value::as_array).into_iter().flatten();
    let mut of_all = overwrites.filter(|overwrite| overwrite.get("id").and_then(number) == Some(server));
    of_all.any(|overwrite| {
        let denied = overwrite.get("deny").and_then(number).map(Permissions::from_bits_truncate);
        denied.is_some_and(|denied| denied.contains(Permissions::VIEW_CHANNEL))
    })
}

/// A direct conversation.
pub(super) fn direct(id: u64, name: String) -> Channel {
    Channel { id: id.to_string(), thread: None, name: Some(name), audience: Audience::Direct }
}

/// A conversation of several people outside a server.
pub(super) fn group(id: u64) -> Channel {
    Channel { id: id.to_string(), thread: None, name: None, audience: Audience::Group }
}
