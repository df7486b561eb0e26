//! Text with entities: what `parse_mode` makes of a text, as <https://core.telegram.org/bots/api#formatting-options>
//! says, with the refusals that the real server gives.

mod detect;
mod html;
mod markdown;

use serde::{Deserialize, Serialize};

pub(crate) use detect::detect;

/// The most entities that a message keeps; the real server forgets the others.
const MAX_ENTITIES: usize = 100;

/// A piece of a text that is more than text (`MessageEntity`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// What it is, such as `bold`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it starts, in UTF-16 code units.
    pub offset: usize,
    /// How long it is, in UTF-16 code units.
    pub length: usize,
    /// Where a `text_link` leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The language of a `pre`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The emoji of a `custom_emoji`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_emoji_id: Option<String>,
}

impl Entity {
    pub(crate) fn new(kind: &str, offset: usize, length: usize) -> Self {
        Self { kind: kind.to_owned(), offset, length, url: None, language: None, custom_emoji_id: None }
    }

    fn end(&self) -> usize {
        self.offset + self.length
    }
}

/// A text as it is shown, with its entities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) entities: Vec<Entity>,
}

/// The length of a text as the platform measures it.
pub(crate) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// What a text becomes in that mode; the error is the description of a refusal.
pub(crate) fn parse(mode: Option<&str>, source: &str) -> Result<Text, String> {
    let source = clean(source);
    let parsed = match mode.map(str::to_ascii_lowercase).as_deref() {
        None => Ok(Text { text: source, entities: Vec::new() }),
        Some("html") => html::parse(&source),
        Some("markdownv2") => markdown::parse(&source),
        Some(_) => return Err("Bad Request: unsupported parse_mode".to_owned()),
    };
    parsed.map(tidy).map_err(|why| format!("Bad Request: can't parse entities: {why}"))
}

/// A text with entities that came beside it; the error is the description of a refusal.
pub(crate) fn with_entities(source: &str, entities: Vec<Entity>) -> Result<Text, String> {
    let length = units(source);
    match entities.iter().find(|entity| entity.length == 0 || entity.end() > length) {
        Some(entity) => Err(format!(
            "Bad Request: entity beginning at UTF-16 offset {} ends after the end of the text at UTF-16 offset {}",
            entity.offset,
            entity.end()
        )),
        None => Ok(tidy(Text { text: clean(source), entities })),
    }
}

/// As the real server does before it looks at a text: control characters become spaces, marks that turn the direction
/// of a text around and line separators of Unicode vanish.
fn clean(source: &str) -> String {
    let keep = |c: &char| *c != '\r' && !('\u{2028}'..='\u{202e}').contains(c);
    let visible = |c: char| if c < ' ' && c != '\n' { ' ' } else { c };
    source.chars().filter(keep).map(visible).collect()
}

/// Without space around it, without entities in code, in order, and not too many.
fn tidy(mut text: Text) -> Text {
    let start = units(&text.text) - units(text.text.trim_start());
    let trimmed = text.text.trim().to_owned();
    text.text = trimmed;
    let length = units(&text.text);
    for entity in &mut text.entities {
        let end = entity.end().saturating_sub(start).min(length);
        entity.offset = entity.offset.saturating_sub(start).min(length);
        entity.length = end.saturating_sub(entity.offset);
    }
    text.entities.retain(|entity| entity.length > 0);
    text.entities.sort_by_key(|entity| (entity.offset, usize::MAX - entity.length));
    let code: Vec<Entity> = text
        .entities
        .iter()
        .filter(|entity| entity.kind == "pre" || entity.kind == "code")
        .cloned()
        .collect();
    text.entities.retain(|entity| {
        !code.iter().any(|code| code != entity && code.offset <= entity.offset && entity.end() <= code.end())
    });
    text.entities.truncate(MAX_ENTITIES);
    text
}

#[cfg(test)]
mod tests;
