//! Guilds in the form of the gateway.

use serde_json::{Value, json};

use crate::world::World;

impl World {
    /// A guild as the gateway tells of it.
    pub(crate) fn guild_object(&self, id: u64) -> Value {
        let guild = &self.guilds[&id];
        let rooms = || self.rooms.values().filter(move |room| room.guild == Some(id));
        let is_thread = |object: &Value| object.get("thread_metadata").is_some();
        let channels = rooms().map(|room| &room.object).filter(|object| !is_thread(object));
        let threads = rooms().map(|room| &room.object).filter(|object| is_thread(object));
        let mut me = Self::member();
        me["user"] = self.account(guild.bot).user.object();
        let mut object = plain();
        object["id"] = id.to_string().into();
        object["name"] = guild.name.as_str().into();
        object["roles"] = json!([everyone(id)]);
        object["members"] = json!([me]);
        object["channels"] = json!(channels.collect::<Vec<_>>());
        object["threads"] = json!(threads.collect::<Vec<_>>());
        object
    }
}

/// What is the same for all guilds here.
fn plain() -> Value {
    let mut object = json!({
        "owner_id": "1",
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "system_channel_flags": 0,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "preferred_locale": "en-US",
        "nsfw_level": 0,
        "premium_progress_bar_enabled": false,
        "joined_at": "2020-01-01T00:00:00.000000+00:00",
        "large": false,
        "member_count": 2,
        "max_members": 500_000,
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
    });
    let nothing = [
        "icon",
        "splash",
        "discovery_splash",
        "afk_channel_id",
        "application_id",
        "system_channel_id",
        "rules_channel_id",
        "vanity_url_code",
        "description",
        "banner",
        "public_updates_channel_id",
        "safety_alerts_channel_id",
        "hub_type",
        "incidents_data",
    ];
    let empty = [
        "emojis",
        "stickers",
        "features",
        "voice_states",
        "presences",
        "stage_instances",
        "guild_scheduled_events",
        "soundboard_sounds",
    ];
    for key in nothing {
        object[key] = Value::Null;
    }
    for key in empty {
        object[key] = json!([]);
    }
    object
}

/// The role that everybody has; its id is that of the guild.
fn everyone(guild: u64) -> Value {
    json!({
        "id": guild.to_string(),
        "name": "@everyone",
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": null, "tertiary_color": null},
        "hoist": false,
        "position": 0,
        "permissions": "2248473465835073",
        "managed": false,
        "mentionable": false,
        "flags": 0,
    })
}
