//! Messages in the form of the API.

use serde_json::{Value, json};

use crate::clock;
use crate::world::World;

/// A message without an id.
pub(crate) fn draft(world: &World, channel: u64, author: &Value, content: &str) -> Value {
    json!({
        "type": 0,
        "channel_id": channel.to_string(),
        "author": author,
        "content": content,
        "timestamp": clock::stamp(world.now()),
        "edited_timestamp": null,
        "tts": false,
        "mention_everyone": false,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [],
        "pinned": false,
        "flags": 0,
    })
}

/// The people whom a text mentions, once each.
pub(crate) fn mentioned(content: &str) -> Vec<u64> {
    let mut found = Vec::new();
    for rest in content.split("<@").skip(1) {
        let Some((inside, _)) = rest.split_once('>') else { continue };
        if let Ok(id) = inside.trim_start_matches('!').parse::<u64>()
            && !found.contains(&id)
        {
            found.push(id);
        }
    }
    found
}

/// Gives every component the number that the server gives it, and takes out what is null.
pub(crate) fn number_components(components: &mut Value, next: &mut u64) {
    for component in components.as_array_mut().into_iter().flatten() {
        let Some(object) = component.as_object_mut() else { continue };
        object.retain(|_, value| !value.is_null());
        if !object.contains_key("id") {
            object.insert("id".to_owned(), (*next).into());
        }
        *next += 1;
        if let Some(inner) = object.get_mut("components") {
            number_components(inner, next);
        }
    }
}
