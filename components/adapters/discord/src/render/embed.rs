//! Embeds: what the runtime says, and how the work goes.

use openpact_text::sign::{SIGN, signless};
use openpact_text::source;
use serenity::builder::CreateEmbed;

use super::{ToolCall, ToolState, UNIT, cut};

/// The most characters of a description; Discord takes 4,096.
const DESCRIPTION: usize = 4_000;
/// The most characters of a title; Discord takes 256.
const TITLE: usize = 200;
/// The most characters of what goes into a tool, and of what comes out, as far as they are shown.
const SHOWN: usize = 1_900;
/// The most characters of a notice in one embed: each may be escaped.
const NOTICE: usize = DESCRIPTION / 2 - 2;

/// The colours: of a notice, of reasoning, and of a tool by its state.
const NOTICE_COLOUR: u32 = 0x58_65f2;
const REASONING_COLOUR: u32 = 0x95_a5a6;

/// An embed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Embed {
    colour: u32,
    title: String,
    description: String,
    plain: String,
}

impl Embed {
    /// How many of its characters Discord counts.
    pub(super) fn length(&self) -> usize {
        self.title.chars().count() + self.description.chars().count()
    }

    /// The same as plain text.
    pub(super) fn plain(&self) -> String {
        self.plain.clone()
    }

    /// In Discord's form.
    pub(super) fn create(&self) -> CreateEmbed {
        let embed = CreateEmbed::new().colour(self.colour);
        let embed = if self.title.is_empty() { embed } else { embed.title(&self.title) };
        if self.description.is_empty() { embed } else { embed.description(&self.description) }
    }
}

/// What the runtime says: plain text under the sign.
pub(super) fn notice(text: &str) -> Vec<Embed> {
    let texts = chunks(text.trim(), NOTICE);
    let embed = |text: String| Embed {
        colour: NOTICE_COLOUR,
        title: String::new(),
        description: format!("{SIGN} {}", escaped(&text)),
        plain: format!("{SIGN} {text}"),
    };
    texts.into_iter().map(embed).collect()
}

/// What the model thought.
pub(super) fn reasoning(text: &str) -> Vec<Embed> {
    let embed = |description: String| Embed {
        colour: REASONING_COLOUR,
        title: "Reasoning".to_owned(),
        plain: format!("Reasoning\n{description}"),
        description,
    };
    source::split(&signless(text), DESCRIPTION, UNIT).into_iter().map(embed).collect()
}

/// A call of a tool.
pub(super) fn tool_call(call: &ToolCall) -> Embed {
    let (state, colour) = match call.state {
        ToolState::Running => ("runs", 0x34_98db),
        ToolState::Waiting => ("waits for an approval", 0xf1_c40f),
        ToolState::Done => ("done", 0x2e_cc71),
        ToolState::Failed => ("failed", 0xe7_4c3c),
    };
    let texts = [Some(&call.input), call.output.as_ref()].into_iter().flatten();
    let texts: Vec<_> = texts.map(|text| shown(text)).filter(|text| !text.is_empty()).collect();
    let title = format!("{}: {state}", cut(&escaped(&signless(&call.name)), TITLE));
    Embed {
        colour,
        plain: [vec![title.clone()], texts.clone()].concat().join("\n"),
        title,
        description: texts.iter().map(|text| format!("```\n{text}\n```")).collect::<Vec<_>>().join("\n"),
    }
}

/// As much of a text as is shown, so that it cannot end the block that it stands in.
fn shown(text: &str) -> String {
    let text = signless(text).replace("``", "`\u{200b}`");
    let text = cut(text.trim_matches('\n'), SHOWN);
    if text.trim().is_empty() { String::new() } else { text }
}

/// A text that Discord shows as it is. What means something at the beginning of a line alone is left elsewhere, so that
/// a code that somebody copies holds no backslash.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars().filter(|c| *c == '\n' || *c == '\t' || !c.is_control()) {
        let everywhere = matches!(c, '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '[' | ']');
        if everywhere || begins && matches!(c, '>' | '#' | '-' | '+') {
            escaped.push('\\');
        }
        begins = c == '\n' || begins && c.is_whitespace();
        escaped.push(c);
    }
    escaped
}

/// Pieces of at most so many characters, at the ends of lines where that is not much less.
fn chunks(text: &str, limit: usize) -> Vec<String> {
    let mut chunks = vec![];
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.char_indices().nth(limit).map_or(rest.len(), |(index, _)| index);
        let line = rest[..end].rfind('\n').filter(|line| end < rest.len() && *line > end / 2);
        let (chunk, behind) = rest.split_at(line.map_or(end, |line| line + 1));
        chunks.push(chunk.trim_end().to_owned());
        rest = behind;
    }
    chunks
}
