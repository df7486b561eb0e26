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

/// Where the roles stand that servers have made for the bot, and the most of them: one for each server.
const ROLES: &str = "roles";
const MOST_ROLES: usize = 1_000;

/// A channel of a server, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    kind: Option<ChannelType>,
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
                    channels.for_each(|channel| self.remember(channel, server));
                }
                self.learn_roles(data, me);
            }
            "THREAD_LIST_SYNC" => {
                let threads = data.get("threads").and_then(Value::as_array).into_iter().flatten();
                threads.for_each(|thread| self.remember(thread, server));
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

    /// What there is to know of a channel. Nothing, where Discord does not say: then anybody may read it.
    pub(super) fn of(&mut self, id: u64, api: &impl Exchange) -> Place {
        self.find(id, api).unwrap_or_default()
    }

    /// The same; an error where Discord may say it later.
    pub(super) fn find(&mut self, id: u64, api: &impl Exchange) -> Result<Place, Failure> {
        if let Some(place) = self.known(id) {
            return Ok(place.clone());
        }
        let call = Call::new(Method::GET, &["channels", &id.to_string()]).within(SHORTLY);
        match api::call(api, &call) {
            Ok(reply) => {
                let server = reply.value.get("guild_id").and_then(number);
                self.remember(&reply.value, server);
            }
            Err(failure) => {
                log::debug(&format!("a channel cannot be looked up: {}", failure.text()));
                if !failure.is_final() {
                    return Err(failure);
                }
                // Whoever is refused is not told more by asking at every message.
                self.channels.insert(id, Place::default());
            }
        }
        Ok(self.channels.get(&id).cloned().unwrap_or_default())
    }

    /// Takes what stands in an interaction, where the channel is not known better.
    pub(super) fn or(&self, id: u64, data: &Value) -> Place {
        self.known(id).cloned().unwrap_or_else(|| Place::read(data, None))
    }

    fn remember(&mut self, channel: &Value, server: Option<u64>) {
        let Some(id) = channel.get("id").and_then(number) else { return };
        if self.channels.len() >= REMEMBERED {
            self.channels.clear();
        }
        self.channels.insert(id, Place::read(channel, server));
    }
}

impl Place {
    fn read(channel: &Value, server: Option<u64>) -> Self {
        let kind = channel.get("type").and_then(Value::as_u64).and_then(|kind| u8::try_from(kind).ok());
        Self {
            kind: kind.map(ChannelType::from),
            name: channel.get("name").and_then(Value::as_str).map(str::to_owned),
            parent: channel.get("parent_id").and_then(number),
            is_closed: is_closed(channel, server),
        }
    }

    /// The channel that it is a thread of.
    pub(super) fn thread_of(&self) -> Option<u64> {
        self.parent.filter(|_| self.is_thread())
    }

    fn is_thread(&self) -> bool {
        let kinds = [ChannelType::NewsThread, ChannelType::PublicThread, ChannelType::PrivateThread];
        self.kind.is_some_and(|kind| kinds.contains(&kind))
    }

    /// Whether its messages are in threads alone.
    pub(super) fn is_forum(&self) -> bool {
        // The second is a forum of pictures, "media", which has no name here yet.
        matches!(self.kind, Some(ChannelType::Forum | ChannelType::Unknown(16)))
    }

    /// As the host sees it. A thread is a channel of its own.
    pub(super) fn channel(&self, id: u64, parent: Option<&Self>) -> Channel {
        let is_private = self.kind == Some(ChannelType::PrivateThread)
            || if self.is_thread() { parent.is_some_and(|parent| parent.is_closed) } else { self.is_closed };
        Channel {
            id: id.to_string(),
            thread: None,
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
