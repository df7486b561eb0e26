//! Messages in Telegram's form.
//!
//! The form is Telegram's HTML (Bot API, "HTML style") and not MarkdownV2: HTML has three characters to escape, the
//! same everywhere, and tags that say what they end, while MarkdownV2 has eighteen, other ones within code and links,
//! and refuses a message for each that was missed.
//!
//! What the runtime itself says is underlined and begins with a sign. No text of a model can look so: Markdown has no
//! underline, HTML in it is shown as text, and the sign is taken out of it.

mod html;

use openpact_sdk::adapter::{Button, File, Outbound, Part, Piece, SendError, ToolCall, ToolState};
use openpact_sdk::serde_json;
use openpact_text::sign::{SIGN, signless};
use openpact_text::{Cutter, Run, Style, markdown, plain};
use serde::{Deserialize, Serialize};

use crate::MESSAGE_LENGTH;
use html::Html;

/// The most UTF-16 code units of a part with its tags. What is left is for the fences of the plain form.
///
/// Telegram counts a text after it has taken the formatting out (Bot API, `sendMessage`: "1-4096 characters after
/// entities parsing"). A part here is within the limit with its tags and escapes counted too, so that it fits however
/// somebody counts, and as plain text as well.
const LENGTH: usize = MESSAGE_LENGTH - 32;

/// A message that is being written.
type Flow = openpact_text::Flow<Html>;

/// The adapter's own form of a part, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Body {
    /// Telegram's HTML.
    pub(crate) html: String,
    /// The buttons below it, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) buttons: Vec<Key>,
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    /// What it says.
    pub(crate) label: String,
    /// What comes back.
    pub(crate) value: String,
}

impl Body {
    /// Reads a part that [`parts`] made.
    pub(crate) fn read(part: &Part) -> Result<Self, SendError> {
        serde_json::from_str(&part.body)
            .map_err(|_| SendError::Refused("this part was not made by this adapter".to_owned()))
    }
}

/// As many parts as the message needs.
pub(crate) fn parts(message: &Outbound) -> Vec<Part> {
    let mut flow = Flow::default();
    for piece in message.pieces.iter().filter(|piece| piece.is_shown(message.detail)) {
        write(piece, &mut flow);
        flow.gap(2);
    }
    let mut buttons: Vec<_> = message.buttons.iter().filter_map(key).collect();
    let mut pieces = Cutter::<Html>::new(flow.runs()).pieces(LENGTH);
    if pieces.is_empty() && !buttons.is_empty() {
        // Buttons need a message that they stand below.
        notice("?", &mut flow);
        pieces = Cutter::<Html>::new(flow.runs()).pieces(LENGTH);
    }
    let last = pieces.len().saturating_sub(1);
    let part = |(index, piece): (usize, Vec<Run>)| {
        let buttons = if index == last { std::mem::take(&mut buttons) } else { vec![] };
        let body = Body { html: html::html(&piece), buttons };
        Part { body: serde_json::json!(body).to_string(), plain: plain::plain(&piece), files: vec![] }
    };
    pieces.into_iter().enumerate().map(part).collect()
}

fn key(button: &Button) -> Option<Key> {
    // A value past the limit could not be sent back (Bot API, `InlineKeyboardButton`).
    let fits = (1..=64).contains(&button.value.len());
    fits.then(|| Key { label: signless(&button.label), value: button.value.clone() })
}

fn write(piece: &Piece, flow: &mut Flow) {
    match piece {
        Piece::Markdown(text) => markdown::write(text, flow),
        Piece::Reasoning(text) => {
            if !text.trim().is_empty() {
                let quote = Style::Quote { number: flow.number(), folded: true };
                flow.within(quote, |flow| {
                    flow.within(Style::Bold, |flow| flow.push("Reasoning"));
                    flow.gap(1);
                    markdown::write(text, flow);
                });
            }
        }
        Piece::ToolCall(call) => tool_call(call, flow),
        Piece::Notice(text) => notice(text, flow),
        Piece::File(file) => file_line(file, flow),
    }
}

fn tool_call(call: &ToolCall, flow: &mut Flow) {
    let state = match call.state {
        ToolState::Running => "runs",
        ToolState::Waiting => "waits for an approval",
        ToolState::Done => "done",
        ToolState::Failed => "failed",
    };
    let quote = Style::Quote { number: flow.number(), folded: true };
    flow.within(quote, |flow| {
        flow.within(Style::Bold, |flow| flow.push(&signless(&call.name)));
        flow.push(&format!(": {state}"));
        for text in [Some(&call.input), call.output.as_ref()].into_iter().flatten() {
            let text = signless(text);
            let text = text.trim_matches('\n');
            if !text.trim().is_empty() {
                flow.gap(1);
                flow.within(Style::Code, |flow| flow.push(text));
            }
        }
    });
}

fn notice(text: &str, flow: &mut Flow) {
    flow.within(Style::Underline, |flow| flow.push(&format!("{SIGN} {}", text.trim())));
}

fn file_line(file: &File, flow: &mut Flow) {
    let size = file.data.len();
    let name: String = file.name.chars().filter(|c| !c.is_control()).take(100).collect();
    notice(&format!("{name} ({size} bytes) is not sent: this version sends no files to Telegram"), flow);
}

#[cfg(test)]
mod tests;
