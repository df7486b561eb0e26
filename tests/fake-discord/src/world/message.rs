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

/// The people whom a text mentions, once each. Those who are named in code are not listed; one whose mention is escaped
/// is.
pub(crate) fn mentioned(content: &str) -> Vec<u64> {
    let content = ["```", "``", "`"].iter().fold(content.to_owned(), |text, ticks| without(&text, ticks));
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

/// A text without what stands between two of these.
fn without(text: &str, mark: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once(mark) {
        let Some((_, after)) = behind.split_once(mark) else { break };
        kept.push_str(before);
        kept.push(' ');
        rest = after;
    }
    kept + rest
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

#[cfg(test)]
mod tests {
    use super::mentioned;

    #[test]
    fn who_is_named_in_code_is_not_mentioned() {
        for shown in ["`<@7>`", "a ``b ` <@7>`` c", "```rs\n<@!7>\n```", "`a` `<@7>`"] {
            assert!(mentioned(shown).is_empty(), "{shown}");
        }
        for meant in ["<@7> <@!7>", "`a` <@7> `b`", "```\na\n```<@7>", "a ` <@7>"] {
            assert_eq!(mentioned(meant), [7], "{meant}");
        }
    }
}
