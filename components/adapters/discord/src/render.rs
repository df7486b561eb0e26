//! Messages in Discord's form.
//!
//! What the assistant says is the content of a message, as Markdown and without previews of its links; what the runtime
//! says, and how the work goes, stands in embeds, each kind with a colour and a title of its own. A part has either
//! content or embeds. So no text of a model can look like a notice: it makes no embed, no page behind a link of its
//! makes one, and the sign that begins a notice is taken out of it wherever it stands.

mod embed;

use openpact_sdk::adapter::{
    Button, ButtonStyle, File, Outbound, Part, Piece, SendError, ToolCall, ToolState,
};
use openpact_text::sign::signless;
use openpact_text::{Unit, source};
use serde_json::{Map, Value, json};
use serenity::builder::{CreateActionRow, CreateAllowedMentions, CreateButton, CreateMessage};
use serenity::model::application::ButtonStyle as Style;
use serenity::model::channel::MessageFlags;

use crate::MESSAGE_LENGTH;
use embed::Embed;

/// In what Discord counts.
const UNIT: Unit = Unit::Characters;

/// The most embeds of a message, and the most characters of all of them (Message Resource, "Embed Limits").
const EMBEDS: usize = 10;
const EMBEDS_LENGTH: usize = 6_000;

/// The most buttons of a row, rows of a message, and characters of a label (Component Reference, "Button").
const ROW: usize = 5;
const ROWS: usize = 5;
const LABEL: usize = 80;

/// The longest name of a file in characters.
const FILE_NAME: usize = 100;

/// The keys of a body; each of them is in it, so that a part that takes the place of another leaves nothing of that.
const KEYS: [&str; 5] = ["content", "embeds", "components", "allowed_mentions", "flags"];

/// A part that is being made.
#[derive(Debug, Default)]
struct Draft {
    content: String,
    embeds: Vec<Embed>,
    files: Vec<File>,
}

/// Reads the body of a part that [`parts`] made.
pub(crate) fn body(part: &Part) -> Result<Map<String, Value>, SendError> {
    let refused = || SendError::Refused("this part was not made by this adapter".to_owned());
    let mut body: Map<String, Value> = serde_json::from_str(&part.body).map_err(|_| refused())?;
    if !body.contains_key("content") {
        return Err(refused());
    }
    body.retain(|key, _| KEYS.contains(&key.as_str()));
    // Whatever was stored: nobody is notified by what a model wrote.
    body.insert("allowed_mentions".to_owned(), json!({ "parse": [] }));
    Ok(body)
}

/// As many parts as the message needs.
pub(crate) fn parts(message: &Outbound) -> Vec<Part> {
    let mut drafts = Drafts::default();
    for piece in message.pieces.iter().filter(|piece| piece.is_shown(message.detail)) {
        drafts.write(piece);
    }
    drafts.end_text();
    let rows = rows(&message.buttons);
    if drafts.made.is_empty() && !rows.is_empty() {
        // Buttons need a message that they stand below.
        drafts.embeds(embed::notice("?"));
    }
    let last = drafts.made.len().saturating_sub(1);
    let part = |(index, draft): (usize, Draft)| draft.part(if index == last { &rows } else { &[] });
    drafts.made.into_iter().enumerate().map(part).collect()
}

/// Parts in order, and text that may still grow.
#[derive(Debug, Default)]
struct Drafts {
    made: Vec<Draft>,
    text: String,
}

impl Drafts {
    fn write(&mut self, piece: &Piece) {
        match piece {
            Piece::Markdown(text) => {
                if !self.text.is_empty() {
                    self.text.push_str("\n\n");
                }
                self.text.push_str(&signless(text));
            }
            Piece::Reasoning(text) => self.embeds(embed::reasoning(text)),
            Piece::ToolCall(call) => self.embeds([embed::tool_call(call)]),
            Piece::Notice(text) => self.embeds(embed::notice(text)),
            Piece::File(file) => {
                self.end_text();
                let file = File { name: file_name(&file.name), ..file.clone() };
                self.made.push(Draft { files: vec![file], ..Draft::default() });
            }
        }
    }

    fn end_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        let parts = source::split(&text, MESSAGE_LENGTH, UNIT).into_iter();
        self.made.extend(parts.map(|content| Draft { content, ..Draft::default() }));
    }

    fn embeds(&mut self, embeds: impl IntoIterator<Item = Embed>) {
        self.end_text();
        for embed in embeds {
            match self.made.last_mut() {
                Some(draft) if draft.takes(&embed) => draft.embeds.push(embed),
                _ => self.made.push(Draft { embeds: vec![embed], ..Draft::default() }),
            }
        }
    }
}

impl Draft {
    fn takes(&self, embed: &Embed) -> bool {
        let length: usize = self.embeds.iter().map(Embed::length).sum();
        (1..EMBEDS).contains(&self.embeds.len()) && length + embed.length() <= EMBEDS_LENGTH
    }

    fn part(self, rows: &[CreateActionRow]) -> Part {
        let plain = if let Some(file) = self.files.first() {
            format!("[file: {}, {} bytes]", file.name, file.data.len())
        } else if self.embeds.is_empty() {
            self.content.clone()
        } else {
            self.embeds.iter().map(Embed::plain).collect::<Vec<_>>().join("\n\n")
        };
        // No previews: they would be embeds that others wrote.
        let flags =
            if self.embeds.is_empty() { MessageFlags::SUPPRESS_EMBEDS } else { MessageFlags::empty() };
        let message = CreateMessage::new()
            .content(self.content)
            .embeds(self.embeds.iter().map(Embed::create).collect())
            .components(rows.to_vec())
            .allowed_mentions(CreateAllowedMentions::new())
            .flags(flags);
        let mut body = json!(message);
        if let Value::Object(body) = &mut body {
            body.retain(|key, _| KEYS.contains(&key.as_str()));
        }
        Part { body: body.to_string(), plain, files: self.files }
    }
}

fn rows(buttons: &[Button]) -> Vec<CreateActionRow> {
    // A value past the limit could not be sent back.
    let fit = buttons.iter().filter(|button| (1..=64).contains(&button.value.len()));
    let buttons: Vec<_> = fit.take(ROW * ROWS).map(button).collect();
    buttons.chunks(ROW).map(|row| CreateActionRow::Buttons(row.to_vec())).collect()
}

fn button(button: &Button) -> CreateButton {
    let style = match button.style {
        ButtonStyle::Plain => Style::Secondary,
        ButtonStyle::Primary => Style::Primary,
        ButtonStyle::Danger => Style::Danger,
    };
    let label = cut(&signless(&button.label), LABEL);
    let label = if label.trim().is_empty() { cut(&button.value, LABEL) } else { label };
    CreateButton::new(&button.value).label(label).style(style)
}

/// A name that is one, and no path.
fn file_name(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control() && !matches!(c, '/' | '\\' | '"')).collect();
    let name = cut(&name, FILE_NAME);
    if name.trim().is_empty() { "file".to_owned() } else { name }
}

/// At most so many characters, the last of them a sign that something is missing.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
