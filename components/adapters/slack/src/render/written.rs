//! Slack's mrkdwn (<https://docs.slack.dev/messaging/formatting-message-text>).
//!
//! The three characters by which mrkdwn mentions and links are written as entities, everywhere: no text can call
//! anybody. Marks that a text holds itself get a space of no width beside them where Slack would take them for its own.

use openpact_text::flow::{Form, Run, Style, shared};

use super::UNIT;

/// The space of no width: it ends a word for Slack, and shows nothing.
const NOTHING: char = '\u{200b}';

/// Names of emoji that look like the sign of a notice.
const SIGN_NAMES: [&str; 4] = [":gear:", ":hammer_and_wrench:", ":wrench:", ":tools:"];

/// The form of a block's text.
#[derive(Debug, Default)]
pub(super) struct Mrkdwn;

impl Form for Mrkdwn {
    const LINK: usize = 1_024;
    const STYLES: usize = usize::MAX;
    const LANGUAGES: bool = false;
    /// If it were, it would find people and channels too.
    const ADDRESSES: bool = true;

    /// A block of code holds nothing and stands in nothing, code in a line has no other mark, and nothing is twice. The
    /// order is always the same, with a link innermost, because its label has no marks.
    fn nested(styles: &[Style]) -> Vec<Style> {
        let mut nested: Vec<Style> = vec![];
        let block = styles.iter().any(Style::is_block);
        let code = styles.contains(&Style::Code);
        let link = styles.iter().any(Style::is_link);
        for style in styles {
            let again = nested.iter().any(|other| other.is_like(style));
            let hidden = match style {
                Style::Block { .. } => false,
                Style::Quote { .. } | Style::Link { .. } => block,
                Style::Code => block || link,
                Style::Bold | Style::Italic | Style::Strikethrough => block || code && !link,
                // mrkdwn has none.
                Style::Underline => true,
            };
            if !again && !hidden {
                nested.push(style.clone());
            }
        }
        nested.sort();
        nested
    }

    /// Entities, and spaces of no width.
    fn length(text: &str, styles: &[Style]) -> usize {
        let in_quote = styles.iter().any(Style::is_quote);
        let of = |c: char| match c {
            '<' | '>' => 4,
            '&' => 5,
            '*' | '_' | '~' | '`' => 3,
            // The name of an emoji.
            ':' => 2,
            // Marks end before it, and begin behind it.
            '\n' => 1 + usize::from(in_quote) * 2 + 4 * styles.iter().filter(|style| is_mark(style)).count(),
            c => c.len_utf16(),
        };
        text.chars().map(of).sum()
    }

    fn marks(style: &Style) -> usize {
        match style {
            Style::Quote { .. } => 2,
            Style::Block { .. } => 8,
            Style::Link { url, .. } => UNIT.length(&address(url)) + 3,
            _ => 4,
        }
    }
}

/// Slack's mrkdwn. Every mark is closed.
pub(super) fn mrkdwn(runs: &[Run]) -> String {
    let runs = tight(runs);
    let mut writer = Writer::default();
    for (index, run) in runs.iter().enumerate() {
        writer.run(run, runs.get(index + 1));
    }
    writer.out
}

/// The same text with all white space at the edges of marks outside of them, and with marks that end with each line:
/// otherwise Slack takes them for characters.
fn tight(runs: &[Run]) -> Vec<Run> {
    let mut tight = vec![];
    for (index, run) in runs.iter().enumerate() {
        let kept = |other: Option<&Run>| other.map_or(0, |other| shared(&other.styles, &run.styles));
        let before = kept(index.checked_sub(1).and_then(|index| runs.get(index)));
        let after = kept(runs.get(index + 1));
        if !run.styles.iter().any(is_edged) {
            tight.push(run.clone());
            continue;
        }
        let outside = run.styles.iter().take_while(|style| matches!(style, Style::Quote { .. })).count();
        let is_link = run.styles.iter().any(|style| matches!(style, Style::Link { .. }));
        // The label of a link is one line.
        let text = if is_link { run.text.replace('\n', " ") } else { run.text.clone() };
        let last = text.split('\n').count() - 1;
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                push("\n", &run.styles[..outside], &mut tight);
            }
            let (before, after) =
                (if number == 0 { before } else { outside }, if number == last { after } else { outside });
            let text = line.trim();
            let start = line.len() - line.trim_start().len();
            if text.is_empty() {
                push(line, &run.styles[..before.min(after)], &mut tight);
                continue;
            }
            push(&line[..start], &run.styles[..before], &mut tight);
            push(text, &run.styles, &mut tight);
            push(&line[start + text.len()..], &run.styles[..after], &mut tight);
        }
    }
    tight
}

fn push(text: &str, styles: &[Style], runs: &mut Vec<Run>) {
    if !text.is_empty() {
        runs.push(Run { text: text.to_owned(), styles: styles.to_vec() });
    }
}

/// Whether a mark of this style must touch what it marks.
fn is_edged(style: &Style) -> bool {
    matches!(style, Style::Bold | Style::Italic | Style::Strikethrough | Style::Link { .. })
}

#[derive(Default)]
struct Writer<'a> {
    out: String,
    open: &'a [Style],
}

impl<'a> Writer<'a> {
    fn run(&mut self, run: &'a Run, next: Option<&'a Run>) {
        let kept = shared(self.open, &run.styles);
        for style in &run.styles[kept..] {
            self.begin(style);
        }
        self.text(&run.text, &run.styles);
        self.open = &run.styles;
        let after = next.map_or(&[][..], |next| &next.styles);
        let kept = shared(self.open, after);
        let closed = &self.open[kept..];
        for style in closed.iter().rev() {
            self.end(style);
        }
        // A mark ends only before what is no word.
        let touches = next.is_some_and(|next| next.text.starts_with(is_word));
        if closed.iter().any(is_mark) && touches {
            self.out.push(NOTHING);
        }
        self.open = &self.open[..kept];
    }

    fn begin(&mut self, style: &Style) {
        match style {
            Style::Quote { .. } => self.out.push_str("> "),
            Style::Block { .. } => {
                self.out.push_str("```\n");
            }
            Style::Link { url, .. } => {
                self.out.push('<');
                self.out.push_str(&address(url));
                self.out.push('|');
            }
            mark => {
                if self.out.ends_with(is_word) {
                    self.out.push(NOTHING);
                }
                self.out.push_str(sign(mark));
            }
        }
    }

    fn end(&mut self, style: &Style) {
        match style {
            Style::Quote { .. } => {}
            Style::Block { .. } => self.out.push_str("\n```"),
            Style::Link { .. } => self.out.push('>'),
            mark => self.out.push_str(sign(mark)),
        }
    }

    fn text(&mut self, text: &str, styles: &[Style]) {
        let in_quote = styles.iter().any(|style| matches!(style, Style::Quote { .. }));
        let in_block = styles.iter().any(|style| matches!(style, Style::Block { .. }));
        let is_code = in_block || styles.contains(&Style::Code);
        let text = if is_code { text.to_owned() } else { nameless(text) };
        let mut before = self.out.chars().next_back();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\n' if in_quote && !in_block => self.out.push_str("\n> "),
                // It would end the code.
                '`' if is_code => self.out.push_str(if in_block { "`\u{200b}" } else { "'" }),
                '*' | '_' | '~' | '`' if !is_code && acts(before, rest.peek().copied()) => {
                    self.out.extend([NOTHING, c, NOTHING]);
                }
                _ => push_escaped(c, &mut self.out),
            }
            before = Some(c);
        }
    }
}

/// Whether a mark between these two would begin or end something.
fn acts(before: Option<char>, after: Option<char>) -> bool {
    let within_a_word = before.is_some_and(is_word) && after.is_some_and(is_word);
    let alone = before.is_none_or(char::is_whitespace) && after.is_none_or(char::is_whitespace);
    !within_a_word && !alone
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric()
}

fn is_mark(style: &Style) -> bool {
    matches!(style, Style::Bold | Style::Italic | Style::Strikethrough | Style::Code)
}

fn sign(mark: &Style) -> &'static str {
    match mark {
        Style::Bold => "*",
        Style::Italic => "_",
        Style::Strikethrough => "~",
        Style::Code => "`",
        Style::Quote { .. } | Style::Block { .. } | Style::Link { .. } | Style::Underline => "",
    }
}

/// A text in which no name of an emoji is the sign of a notice.
fn nameless(text: &str) -> String {
    SIGN_NAMES
        .iter()
        .fold(text.to_owned(), |text, name| text.replace(name, &format!(":{NOTHING}{}", &name[1..])))
}

/// An address as it stands between angle brackets.
fn address(url: &str) -> String {
    let url = url.replace('<', "%3C").replace('>', "%3E").replace('|', "%7C");
    url.replace('&', "&amp;")
}

fn push_escaped(c: char, out: &mut String) {
    match c {
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' => out.push_str("&amp;"),
        c => out.push(c),
    }
}

/// A text that is shown without blocks: nothing in it calls anybody, or looks like a notice.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    nameless(text).chars().for_each(|c| push_escaped(c, &mut out));
    out
}
