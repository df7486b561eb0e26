//! Telegram's formatting as Markdown.
//!
//! Entities (Bot API, `MessageEntity`) mark ranges of a text in UTF-16 code units. What stands between them is left as
//! it is: people type Markdown to an assistant, and a path or a name full of backslashes helps nobody. A range that
//! lies outside the text, splits a character, or overlaps another one halfway is cut to what makes sense.

use std::ops::Range;

use teloxide_core::types::{MessageEntity, MessageEntityKind, User};

/// An entity with its range in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    /// Bytes of the text; never empty, always at characters.
    pub(crate) range: Range<usize>,
    /// What it is.
    pub(crate) kind: MessageEntityKind,
}

/// A text with its entities.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Text {
    /// The text.
    pub(crate) text: String,
    /// What is marked in it, outer ones first.
    pub(crate) spans: Vec<Span>,
}

impl Text {
    /// Reads what Telegram sends.
    pub(crate) fn new(text: &str, entities: &[MessageEntity]) -> Self {
        let offsets = offsets(text);
        let byte = |unit: usize| offsets.get(unit.min(offsets.len() - 1)).copied().unwrap_or(text.len());
        let mut spans: Vec<_> = entities
            .iter()
            .map(|entity| Span {
                range: byte(entity.offset)..byte(entity.offset.saturating_add(entity.length)),
                kind: entity.kind.clone(),
            })
            .filter(|span| !span.range.is_empty())
            .collect();
        // Outer ones first; the sort keeps the order of equal ones.
        spans.sort_by(|a, b| a.range.start.cmp(&b.range.start).then(b.range.end.cmp(&a.range.end)));
        Self { text: text.to_owned(), spans }
    }

    /// The text of a span.
    pub(crate) fn of(&self, span: &Span) -> &str {
        &self.text[span.range.clone()]
    }

    /// Takes the mention of the bot from the beginning, with the comma or colon behind it.
    pub(crate) fn without_leading_mention(mut self, user: &User) -> Self {
        while let Some(span) = self.spans.iter().find(|span| self.mentions(span, user)) {
            if !self.text[..span.range.start].trim().is_empty() {
                break;
            }
            let rest = &self.text[span.range.end..];
            let rest = rest.trim_start().trim_start_matches([',', ':']).trim_start();
            let cut = self.text.len() - rest.len();
            self.cut(cut);
        }
        self
    }

    /// Whether a span mentions this user.
    pub(crate) fn mentions(&self, span: &Span, user: &User) -> bool {
        match &span.kind {
            MessageEntityKind::Mention => {
                let name = self.of(span).trim_start_matches('@');
                user.username.as_deref().is_some_and(|username| username.eq_ignore_ascii_case(name))
            }
            MessageEntityKind::TextMention { user: mentioned } => mentioned.id == user.id,
            _ => false,
        }
    }

    /// Takes the first `bytes` away.
    fn cut(&mut self, bytes: usize) {
        self.text.drain(..bytes);
        for span in &mut self.spans {
            span.range = span.range.start.saturating_sub(bytes)..span.range.end.saturating_sub(bytes);
        }
        self.spans.retain(|span| !span.range.is_empty());
    }

    /// The text as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut spans = self.spans.iter().filter(|span| is_shown(&span.kind)).peekable();
        let mut out = String::new();
        self.write(0..self.text.len(), &mut spans, &mut out);
        out
    }

    /// Writes a range with the spans that begin in it.
    fn write<'a>(
        &self,
        range: Range<usize>,
        spans: &mut std::iter::Peekable<impl Iterator<Item = &'a Span>>,
        out: &mut String,
    ) {
        let mut at = range.start;
        while let Some(span) = spans.next_if(|span| span.range.start < range.end) {
            let start = span.range.start.max(at);
            let end = span.range.end.min(range.end);
            if start >= end {
                continue;
            }
            out.push_str(&self.text[at..start]);
            let mut inner = String::new();
            if matches!(span.kind, MessageEntityKind::Code | MessageEntityKind::Pre { .. }) {
                inner.push_str(&self.text[start..end]);
                while spans.next_if(|inside| inside.range.start < end).is_some() {}
            } else {
                self.write(start..end, spans, &mut inner);
            }
            wrap(&span.kind, &inner, out);
            at = end;
        }
        out.push_str(&self.text[at..range.end]);
    }
}

/// The byte at which each UTF-16 code unit's character ends or begins: a unit in the middle of a character stands for
/// its beginning.
fn offsets(text: &str) -> Vec<usize> {
    let mut offsets = Vec::with_capacity(text.len() + 1);
    for (byte, character) in text.char_indices() {
        offsets.resize(offsets.len() + character.len_utf16(), byte);
    }
    offsets.push(text.len());
    offsets
}

/// Whether Markdown has a form for it. All others are told by the text itself.
fn is_shown(kind: &MessageEntityKind) -> bool {
    use MessageEntityKind as Kind;
    match kind {
        Kind::Bold
        | Kind::Italic
        | Kind::Strikethrough
        | Kind::Code
        | Kind::Pre { .. }
        | Kind::TextLink { .. }
        | Kind::TextMention { .. }
        | Kind::Blockquote
        | Kind::ExpandableBlockquote => true,
        Kind::Mention
        | Kind::Hashtag
        | Kind::Cashtag
        | Kind::BotCommand
        | Kind::Url
        | Kind::Email
        | Kind::PhoneNumber
        | Kind::Underline
        | Kind::Spoiler
        | Kind::CustomEmoji { .. } => false,
    }
}

fn wrap(kind: &MessageEntityKind, inner: &str, out: &mut String) {
    use MessageEntityKind as Kind;
    match kind {
        Kind::Bold => between("**", inner, out),
        Kind::Italic => between("_", inner, out),
        Kind::Strikethrough => between("~~", inner, out),
        Kind::Code => code(inner, out),
        Kind::Pre { language } => fence(language.as_deref(), inner, out),
        Kind::TextLink { url } => link(inner, url.as_str(), out),
        Kind::TextMention { user } => link(inner, &format!("tg://user?id={}", user.id), out),
        Kind::Blockquote | Kind::ExpandableBlockquote => quote(inner, out),
        _ => out.push_str(inner),
    }
}

/// White space at the edges goes outside: `** a**` is not bold (CommonMark, "left-flanking delimiter run").
fn between(mark: &str, inner: &str, out: &mut String) {
    let text = inner.trim();
    if text.is_empty() {
        out.push_str(inner);
        return;
    }
    let start = inner.len() - inner.trim_start().len();
    out.push_str(&inner[..start]);
    out.push_str(mark);
    out.push_str(text);
    out.push_str(mark);
    out.push_str(&inner[start + text.len()..]);
}

/// The longest run of backticks in a text.
fn ticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn code(inner: &str, out: &mut String) {
    let mark = "`".repeat(ticks(inner) + 1);
    // Spaces keep a backtick at the edge from joining the mark; CommonMark takes one from each side.
    let pad = if inner.starts_with('`') || inner.ends_with('`') { " " } else { "" };
    out.extend([mark.as_str(), pad, inner, pad, &mark]);
}

fn fence(language: Option<&str>, inner: &str, out: &mut String) {
    let mark = "`".repeat(ticks(inner).max(2) + 1);
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    let language: String =
        language.unwrap_or_default().chars().filter(|c| !c.is_whitespace() && *c != '`').collect();
    let end = if inner.ends_with('\n') { "" } else { "\n" };
    out.extend([mark.as_str(), &language, "\n", inner, end, &mark, "\n"]);
}

fn link(label: &str, url: &str, out: &mut String) {
    // An address within angle brackets holds all but these (CommonMark, "link destination").
    let url = url.replace('<', "%3C").replace('>', "%3E").replace(['\n', '\r'], "");
    let plain = !url.contains(['(', ')', ' ']);
    let label = label.replace('[', "\\[").replace(']', "\\]");
    let (begin, end) = if plain { ("](", ")") } else { ("](<", ">)") };
    out.extend(["[", &label, begin, &url, end]);
}

fn quote(inner: &str, out: &mut String) {
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    for line in inner.trim_end_matches('\n').split('\n') {
        out.push_str("> ");
        out.push_str(line);
        out.push('\n');
    }
    // Without an empty line, what follows would belong to the quote (CommonMark, "laziness clause").
    out.push('\n');
}

#[cfg(test)]
mod tests;
