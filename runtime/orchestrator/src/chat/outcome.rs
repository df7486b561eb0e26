//! What a turn said, put together for the place where it goes.

use openpact_engine::Event;
use openpact_engine::event::ErrorKind;
use openpact_engine::session::Body;
use openpact_model::chat::{Detail, Outbound, Piece, Stage, ToolState, ToolUse};

use crate::message::{Update, Updates};

/// Characters of what goes into a tool, and of what comes out.
const SHOWN: usize = 600;

/// What a person is told whose message was answered with nothing.
pub(super) const NOTHING: &str = "There is no answer to this; say it in other words, or /retry.";

/// What a turn said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Outcome {
    pieces: Vec<Piece>,
    /// The calls whose answers are still to come: the provider's id, and the place among the pieces.
    open: Vec<(String, usize)>,
    /// The part that the last piece of text belongs to.
    part: Option<u32>,
    /// Why it has no good end.
    pub(super) failure: Option<(ErrorKind, String)>,
}

impl Outcome {
    /// Everything until the turn's last event.
    pub(super) async fn collect(mut updates: Updates) -> Self {
        let mut outcome = Self::default();
        while outcome.take(updates.recv().await) {}
        outcome
    }

    /// Takes what comes next; says whether there is more to come.
    pub(super) fn take(&mut self, update: Option<Update>) -> bool {
        match update {
            Some(Update::Event(Event::End) | Update::Done) | None => return false,
            Some(Update::Event(Event::Error { kind, message })) => {
                self.failure = Some((kind, message));
                return false;
            }
            Some(Update::Event(event)) => self.add(event),
            Some(Update::Notice(text)) => self.push(None, Piece::Notice(text)),
        }
        true
    }

    /// What a turn said whose messages are all that is left of it; `None` where it had not come to its end.
    pub(super) fn of_messages(bodies: &[Body]) -> Option<Self> {
        let Some(Body::Assistant { text, calls }) = bodies.last() else { return None };
        if text.is_empty() || !calls.is_empty() {
            return None;
        }
        let mut outcome = Self::default();
        for body in bodies {
            match body {
                Body::Assistant { text, calls } => {
                    if !text.is_empty() {
                        outcome.push(None, Piece::Markdown(text.clone()));
                    }
                    for call in calls {
                        outcome.call(&call.id, &call.name, &call.arguments);
                    }
                }
                Body::Tool { id, is_error, text } => outcome.result(id, *is_error, text),
                Body::User { .. } | Body::Summary { .. } => {}
            }
        }
        Some(outcome)
    }

    /// What there is so far, with what the channel wants to see; `None` while that is nothing.
    pub(super) fn so_far(&self, detail: Detail) -> Option<Outbound> {
        let pieces = shown(self.pieces.clone(), detail);
        let stage = Stage::Partial;
        (!pieces.is_empty()).then_some(Outbound { pieces, buttons: Vec::new(), detail, stage })
    }

    /// The message that goes out, with what the channel wants to see.
    pub(super) fn into_outbound(self, detail: Detail) -> Outbound {
        let mut pieces = shown(self.pieces, detail);
        if let Some((_, message)) = self.failure {
            pieces.push(Piece::Notice(message));
        }
        if !pieces.iter().any(|piece| matches!(piece, Piece::Markdown(_) | Piece::Notice(_) | Piece::File(_)))
        {
            pieces.push(Piece::Notice(NOTHING.to_owned()));
        }
        Outbound { pieces, buttons: Vec::new(), detail, stage: Stage::Complete }
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Text { part, text } => match self.last_of(part) {
                Some(Piece::Markdown(before)) => before.push_str(&text),
                _ => self.push(Some(part), Piece::Markdown(text)),
            },
            Event::Reasoning { part, text } => match self.last_of(part) {
                Some(Piece::Reasoning(before)) => before.push_str(&text),
                _ => self.push(Some(part), Piece::Reasoning(text)),
            },
            Event::ToolCall { id, name, arguments, .. } => self.call(&id, &name, &arguments),
            Event::ToolResult { id, is_error, text, .. } => self.result(&id, is_error, &text),
            Event::Notice { text } => self.push(None, Piece::Notice(text)),
            Event::Usage { .. } | Event::Error { .. } | Event::End => {}
        }
    }

    /// The last piece, if it belongs to that part.
    fn last_of(&mut self, part: u32) -> Option<&mut Piece> {
        if self.part == Some(part) { self.pieces.last_mut() } else { None }
    }

    fn push(&mut self, part: Option<u32>, piece: Piece) {
        self.part = part;
        self.pieces.push(piece);
    }

    fn call(&mut self, id: &str, name: &str, arguments: &str) {
        self.open.push((id.to_owned(), self.pieces.len()));
        let (name, input) = (name.to_owned(), shortened(arguments));
        let state = ToolState::Running;
        self.push(None, Piece::ToolUse(ToolUse { name, input, output: None, state }));
    }

    fn result(&mut self, id: &str, is_error: bool, text: &str) {
        let Some(at) = self.open.iter().position(|(open, _)| open == id) else { return };
        let (_, index) = self.open.swap_remove(at);
        if let Some(Piece::ToolUse(used)) = self.pieces.get_mut(index) {
            used.output = Some(shortened(text));
            used.state = if is_error { ToolState::Failed } else { ToolState::Done };
        }
    }
}

fn shown(pieces: Vec<Piece>, detail: Detail) -> Vec<Piece> {
    let is_shown = |piece: &Piece| match piece {
        Piece::Reasoning(_) => matches!(detail, Detail::Thinking | Detail::Full),
        Piece::ToolUse(_) => matches!(detail, Detail::Tools | Detail::Full),
        _ => true,
    };
    pieces.into_iter().filter(is_shown).filter(has_text).collect()
}

fn has_text(piece: &Piece) -> bool {
    match piece {
        Piece::Markdown(text) | Piece::Reasoning(text) | Piece::Notice(text) => !text.trim().is_empty(),
        Piece::ToolUse(_) | Piece::File(_) => true,
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A message of the runtime itself.
pub(super) fn notice(text: impl Into<String>) -> Outbound {
    Outbound {
        pieces: vec![Piece::Notice(text.into())],
        buttons: Vec::new(),
        detail: Detail::Simple,
        stage: Stage::Complete,
    }
}
