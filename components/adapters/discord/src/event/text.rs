//! The text of a message.

use std::collections::BTreeSet;

use openpact_text::foreign::name;
use serde_json::Value;
use serenity::model::channel::{Embed, Message};
use serenity::model::user::User;

/// The two ways in which a user is mentioned (API Reference, "Message Formatting").
fn marks(user: u64) -> [String; 2] {
    [format!("<@{user}>"), format!("<@!{user}>")]
}

/// Those of a bot, and of the roles that are its alone: Discord proposes them under the same name.
fn own(user: u64, roles: &BTreeSet<u64>) -> impl Iterator<Item = String> {
    marks(user).into_iter().chain(roles.iter().map(|role| format!("<@&{role}>")))
}

/// Whether it mentions this bot by name, or a role of its own. That everybody is mentioned does not count, nor that a
/// reply notifies, nor what stands in code or is escaped: Discord shows that as it was typed.
pub(super) fn mentions(content: &str, user: u64, roles: &BTreeSet<u64>) -> bool {
    content.contains("<@")
        && outside_code(content).iter().any(|text| own(user, roles).any(|mark| text.contains(&mark)))
}

/// What stands in no code, without characters that are escaped.
fn outside_code(content: &str) -> Vec<&str> {
    let (mut texts, mut rest) = (vec![], content);
    while let Some((before, marked)) = rest.find(['`', '\\']).map(|at| rest.split_at(at)) {
        texts.push(before);
        rest = if let Some(behind) = marked.strip_prefix('\\') {
            let mut characters = behind.chars();
            characters.next();
            characters.as_str()
        } else {
            // What never ends is no code.
            let ticks = ticks(marked);
            behind_code(&marked[ticks..], ticks).unwrap_or(&marked[ticks..])
        };
    }
    texts.push(rest);
    texts
}

/// What stands behind code that began with so many ticks: it ends with as many, and a block with three or more.
fn behind_code(code: &str, count: usize) -> Option<&str> {
    let mut rest = code;
    loop {
        rest = &rest[rest.find('`')?..];
        let found = ticks(rest);
        rest = &rest[found..];
        if found == count || count >= 3 && found >= 3 {
            return Some(rest);
        }
    }
}

/// How many ticks it begins with.
fn ticks(text: &str) -> usize {
    text.bytes().take_while(|byte| *byte == b'`').count()
}

/// Without the mention of this bot that it starts with.
pub(super) fn without_leading_mention<'a>(content: &'a str, user: u64, roles: &BTreeSet<u64>) -> &'a str {
    let content = content.trim_start();
    let behind = own(user, roles).find_map(|mark| content.strip_prefix(mark.as_str()));
    behind.map_or(content, |rest| rest.trim_start_matches([',', ':']).trim_start())
}

/// With the names of those who are mentioned: their handles, which are theirs alone and hold nothing but letters, digits,
/// `_` and `.`.
pub(super) fn named(content: &str, mentioned: &[User]) -> String {
    let mut content = content.to_owned();
    for user in mentioned.iter().filter(|user| is_handle(&user.name)) {
        for mark in marks(user.id.get()) {
            content = content.replace(&mark, &format!("@{}", user.name));
        }
    }
    content
}

fn is_handle(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

/// The stickers that came with it, one line each.
pub(super) fn stickers(data: &Value) -> Vec<String> {
    let stickers = data.get("sticker_items").and_then(Value::as_array).into_iter().flatten();
    let line = |sticker: &Value| Some(format!("[sticker: {}]", name(sticker.get("name")?.as_str()?)));
    stickers.filter_map(line).collect()
}

/// Whether it holds what somebody else wrote: what is forwarded, and what a program shows in an embed.
pub(super) fn is_of_others(message: &Message) -> bool {
    !message.message_snapshots.is_empty() || !embeds(message).is_empty()
}

/// What somebody else wrote in it.
pub(super) fn of_others(message: &Message) -> Vec<String> {
    let mut texts = vec![];
    for snapshot in &message.message_snapshots {
        let shown = snapshot.embeds.iter().map(embed).filter(|text| !text.is_empty());
        let text: Vec<_> = [snapshot.content.clone()].into_iter().chain(shown).collect();
        texts.push(format!("[forwarded]\n{}", text.join("\n\n")).trim_end().to_owned());
    }
    texts.extend(embeds(message));
    texts
}

/// What a program shows in embeds. People have none of their own: theirs are what Discord found behind a link, at some
/// time later, and are not part of what they say.
fn embeds(message: &Message) -> Vec<String> {
    if !message.author.bot && message.webhook_id.is_none() {
        return vec![];
    }
    message.embeds.iter().map(embed).filter(|text| !text.is_empty()).collect()
}

fn embed(embed: &Embed) -> String {
    let fields = embed.fields.iter().map(|field| format!("{}: {}", field.name, field.value));
    let texts = [embed.title.clone(), embed.description.clone()].into_iter().flatten().chain(fields);
    texts.collect::<Vec<_>>().join("\n").trim().to_owned()
}
