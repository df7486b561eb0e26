//! Messages in Slack's form: blocks of mrkdwn (<https://docs.slack.dev/reference/block-kit/blocks>).
//!
//! What the model says stands in sections. What it thought and what tools did stands in context blocks, which Slack
//! shows small and grey, and each of them begins with what it is. What the runtime itself says is a context block that
//! begins with a sign. No text of a model can look so: it does not get into a context block without another beginning,
//! and the sign is taken out of it.

mod written;

use openpact_sdk::adapter::{
    Button, ButtonStyle, File, Outbound, Part, Piece, SendError, ToolCall, ToolState,
};
use openpact_sdk::serde_json;
use openpact_text::sign::{SIGN, clean, signless};
use openpact_text::{Cutter, Place, Run, Unit, markdown, plain};
use serde::{Deserialize, Serialize};
use slack_morphism::SlackActionId;
use slack_morphism::blocks::{
    SlackActionBlockElement, SlackActionsBlock, SlackBlock, SlackBlockButtonElement, SlackBlockButtonStyle,
    SlackBlockMarkDownText, SlackBlockPlainTextOnly, SlackBlockText, SlackContextBlock,
    SlackContextBlockElement, SlackSectionBlock,
};

use written::Mrkdwn;

/// What the ids of our buttons begin with.
pub(crate) const ACTION: &str = "openpact";

/// In what lengths are counted: no less than however Slack counts characters.
const UNIT: Unit = Unit::Utf16;

/// The most of a block's text (Block Kit, "Section block").
const SECTION: usize = 3_000;

/// The most that one message is wanted to have (`chat.postMessage`, "Truncating content").
const WANTED: usize = 4_000;

/// With less room than this a text begins in a new message.
const LEAST: usize = 1_000;

/// The most blocks of a message (Block Kit, "Blocks"), and those that are not for buttons.
const MAX_BLOCKS: usize = 50;
const BLOCKS: usize = 45;

/// The most buttons of one block, and the longest label in characters (Block Kit, "Actions block", "Button element").
const BUTTONS: usize = 25;
const LABEL: usize = 75;

/// A text that is being written.
type Flow = openpact_text::Flow<Mrkdwn>;

/// The adapter's own form of a part, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Body {
    /// What notifications show, and what is sent where Slack refuses the blocks.
    pub(crate) text: String,
    /// The blocks.
    pub(crate) blocks: Vec<SlackBlock>,
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
    let mut drafts = Drafts::default();
    for piece in message.pieces.iter().filter(|piece| piece.is_shown(message.detail)) {
        match piece {
            Piece::File(file) => drafts.file(file),
            piece => drafts.chunk(&Chunk::of(piece)),
        }
    }
    let buttons: Vec<_> = message.buttons.iter().enumerate().filter_map(button).collect();
    drafts.finish(&buttons)
}

/// A piece before it is cut into blocks.
struct Chunk {
    /// What each of its blocks begins with, if they are context blocks.
    label: Option<String>,
    flow: Flow,
}

impl Chunk {
    fn of(piece: &Piece) -> Self {
        let mut flow = Flow::default();
        let label = match piece {
            Piece::Markdown(text) => {
                markdown::write(text, &mut flow);
                None
            }
            Piece::Reasoning(text) => {
                markdown::write(text, &mut flow);
                Some("*Reasoning*\n".to_owned())
            }
            Piece::ToolCall(call) => Some(tool_call(call, &mut flow)),
            Piece::Notice(text) => {
                flow.push(clean(text).trim());
                Some(format!("{SIGN} "))
            }
            Piece::File(_) => None,
        };
        Self { label, flow }
    }

    fn block(&self, piece: &[Run]) -> SlackBlock {
        let text = written::mrkdwn(piece);
        let markdown = |text: String| SlackBlockMarkDownText::new(text).with_verbatim(true);
        match &self.label {
            Some(label) => {
                let element = SlackContextBlockElement::MarkDown(markdown(format!("{label}{text}")));
                SlackContextBlock::new(vec![element]).into()
            }
            None => SlackSectionBlock::new().with_text(SlackBlockText::MarkDown(markdown(text))).into(),
        }
    }

    fn plain(&self, piece: &[Run]) -> String {
        let label = self.label.as_deref().unwrap_or_default().replace('*', "");
        format!("{label}{}", plain::plain(piece))
    }
}

/// Writes what went in and came out; gives what it begins with.
fn tool_call(call: &ToolCall, flow: &mut Flow) -> String {
    let state = match call.state {
        ToolState::Running => "runs",
        ToolState::Waiting => "waits for an approval",
        ToolState::Done => "done",
        ToolState::Failed => "failed",
    };
    for text in [Some(&call.input), call.output.as_ref()].into_iter().flatten() {
        let text = signless(text);
        let text = text.trim_matches('\n');
        if !text.trim().is_empty() {
            flow.gap(1);
            flow.block("", text);
        }
    }
    if flow.runs().is_empty() {
        // A block is its label and something behind it.
        flow.push("—");
    }
    let name: String =
        call.name.chars().filter(|c| c.is_alphanumeric() || "_-.".contains(*c)).take(100).collect();
    format!("*{name}*: {state}\n")
}

/// The messages that are being made.
#[derive(Default)]
struct Drafts {
    parts: Vec<Part>,
    /// The last one without a file, in `parts`.
    last: Option<usize>,
    blocks: Vec<SlackBlock>,
    plain: Vec<String>,
    used: usize,
}

impl Drafts {
    /// Adds a piece, in as many blocks and messages as it needs.
    fn chunk(&mut self, chunk: &Chunk) {
        let label = chunk.label.as_deref().map_or(0, |label| UNIT.length(label));
        let mut cutter = Cutter::<Mrkdwn>::new(chunk.flow.runs());
        while !cutter.is_done() {
            let room = WANTED.saturating_sub(self.used);
            let (mut end, place) = cutter.place(room.min(SECTION).saturating_sub(label));
            let is_whole = end == cutter.end();
            let is_bad = room < LEAST || matches!(place, Place::Link | Place::Character);
            if self.used > 0 && (is_bad && !is_whole || room <= label || self.blocks.len() >= BLOCKS) {
                self.flush();
                end = cutter.place(SECTION - label).0;
            }
            if let Some(piece) = cutter.take(end) {
                let block = chunk.block(&piece);
                self.used += written_length(&block);
                self.blocks.push(block);
                self.plain.push(chunk.plain(&piece));
            }
        }
    }

    fn file(&mut self, file: &File) {
        self.flush();
        let body = Body { text: String::new(), blocks: vec![] };
        let plain = format!("[file: {}]", clean(&file.name));
        self.parts.push(Part { body: serde_json::json!(body).to_string(), plain, files: vec![file.clone()] });
    }

    fn flush(&mut self) {
        if self.blocks.is_empty() {
            return;
        }
        let plain = std::mem::take(&mut self.plain).join("\n\n");
        let body = Body { text: written::escaped(&plain), blocks: std::mem::take(&mut self.blocks) };
        self.used = 0;
        self.last = Some(self.parts.len());
        self.parts.push(Part { body: serde_json::json!(body).to_string(), plain, files: vec![] });
    }

    /// All parts, with the buttons below the last text.
    fn finish(mut self, buttons: &[SlackBlockButtonElement]) -> Vec<Part> {
        self.flush();
        if buttons.is_empty() {
            return self.parts;
        }
        if self.last.is_none() {
            // Buttons need a message that they stand below.
            self.chunk(&Chunk::of(&Piece::Notice("?".to_owned())));
            self.flush();
        }
        if let Some(part) = self.last.and_then(|last| self.parts.get_mut(last)) {
            put_below(part, buttons);
        }
        self.parts
    }
}

fn put_below(part: &mut Part, buttons: &[SlackBlockButtonElement]) {
    let Ok(mut body) = Body::read(part) else { return };
    for row in buttons.chunks(BUTTONS).take(MAX_BLOCKS - BLOCKS) {
        let elements = row.iter().cloned().map(SlackActionBlockElement::Button).collect();
        body.blocks.push(SlackActionsBlock::new(elements).into());
    }
    part.body = serde_json::json!(body).to_string();
}

fn written_length(block: &SlackBlock) -> usize {
    let of = |text: &SlackBlockMarkDownText| UNIT.length(&text.text);
    match block {
        SlackBlock::Section(section) => match &section.text {
            Some(SlackBlockText::MarkDown(text)) => of(text),
            _ => 0,
        },
        SlackBlock::Context(context) => context
            .elements
            .iter()
            .map(|element| match element {
                SlackContextBlockElement::MarkDown(text) => of(text),
                _ => 0,
            })
            .sum(),
        _ => 0,
    }
}

fn button((index, button): (usize, &Button)) -> Option<SlackBlockButtonElement> {
    // A value past the limit is none of the host's.
    if !(1..=64).contains(&button.value.len()) {
        return None;
    }
    let label: String = signless(&button.label).replace(':', " ").chars().take(LABEL).collect();
    let label = if label.trim().is_empty() { button.value.clone() } else { label };
    let element = SlackBlockButtonElement::new(SlackBlockPlainTextOnly::from(label))
        .with_action_id(SlackActionId(format!("{ACTION}:{index}")))
        .with_value(button.value.clone());
    Some(match button.style {
        ButtonStyle::Plain => element,
        ButtonStyle::Primary => element.with_style(SlackBlockButtonStyle::Primary),
        ButtonStyle::Danger => element.with_style(SlackBlockButtonStyle::Danger),
    })
}

#[cfg(test)]
mod tests;
