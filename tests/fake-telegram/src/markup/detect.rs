//! What the platform finds by itself in the texts of people: commands, mentions, addresses of web pages.

use super::{Entity, units};

/// The entities of a text that a person typed.
pub(crate) fn detect(text: &str) -> Vec<Entity> {
    let mut found = Vec::new();
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let trimmed = word.trim_end();
        let bare = trimmed.trim_end_matches(['.', ',', '!', '?', ':', ';', ')', '(', '\'', '"']);
        if let Some(kind) = kind(bare) {
            found.push(Entity::new(kind, at, units(bare)));
        }
        at += units(word);
    }
    found
}

fn kind(word: &str) -> Option<&'static str> {
    let name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if let Some(command) = word.strip_prefix('/') {
        let (command, bot) = command.split_once('@').unwrap_or((command, "any"));
        return (name(command) && command.len() <= 64 && name(bot)).then_some("bot_command");
    }
    if let Some(mentioned) = word.strip_prefix('@') {
        return (name(mentioned) && (3..=32).contains(&mentioned.len())).then_some("mention");
    }
    let url = word.starts_with("http://") || word.starts_with("https://");
    (url && word.len() > 8).then_some("url")
}
