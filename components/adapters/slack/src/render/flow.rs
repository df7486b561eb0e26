//! A text with styles: what Markdown becomes before it is cut and written.

use std::mem;

/// How a piece of text looks, in the order in which they nest in mrkdwn. Those with a number are told apart by it, so
/// that two in a row stay two.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Style {
    /// A quote.
    Quote(usize),
    /// A block of code.
    Block(usize),
    Bold,
    Italic,
    Strikethrough,
    /// Code in a line.
    Code,
    /// A link, and where it goes: `http` or `https`. The innermost, because its label has no marks.
    Link(usize, String),
}

impl Style {
    fn is_quote(&self) -> bool {
        matches!(self, Self::Quote(_))
    }
}

/// A text of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// The text; never empty.
    pub(super) text: String,
    /// Its styles, the outermost first.
    pub(super) styles: Vec<Style>,
}

/// A text with styles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Flow {
    /// The pieces of it in order; two in a row have different styles.
    pub(super) runs: Vec<Run>,
    styles: Vec<Style>,
    gap: usize,
    count: usize,
}

impl Flow {
    /// A flow of these runs.
    pub(super) fn of(runs: Vec<Run>) -> Self {
        Self { runs, ..Self::default() }
    }

    /// A number that was not given before.
    pub(super) fn number(&mut self) -> usize {
        self.count += 1;
        self.count
    }

    /// From here on text has this style too.
    pub(super) fn begin(&mut self, style: Style) {
        self.styles.push(style);
    }

    /// Ends the style that was begun last.
    pub(super) fn end(&mut self) {
        self.styles.pop();
    }

    /// Writes with one style more.
    pub(super) fn within(&mut self, style: Style, write: impl FnOnce(&mut Self)) {
        self.begin(style);
        write(self);
        self.end();
    }

    /// At least so many line breaks before the next text, if there is text before it.
    pub(super) fn gap(&mut self, lines: usize) {
        self.gap = self.gap.max(lines);
    }

    /// Adds text in the styles of here.
    pub(super) fn push(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let styles = effective(&self.styles);
        let gap = mem::take(&mut self.gap);
        if let Some(last) = self.runs.last() {
            let there = last.text.len() - last.text.trim_end_matches('\n').len();
            // The lines between belong to a quote that goes on.
            let shared = last.styles.iter().zip(&styles).take_while(|(a, b)| a == b && a.is_quote());
            let shared = shared.map(|(style, _)| style.clone()).collect();
            self.add("\n".repeat(gap.saturating_sub(there)), shared);
        }
        self.add(text.to_owned(), styles);
    }

    fn add(&mut self, text: String, styles: Vec<Style>) {
        match self.runs.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if last.styles == styles => last.text += &text,
            _ => self.runs.push(Run { text, styles }),
        }
    }

    /// All of the text.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        self.runs.iter().map(|run| run.text.as_str()).collect()
    }
}

/// What mrkdwn makes of nested styles: a block of code holds nothing and stands in nothing, code in a line has no other
/// mark, and nothing is twice. The order is always the same.
fn effective(styles: &[Style]) -> Vec<Style> {
    let mut effective: Vec<Style> = vec![];
    let block = styles.iter().any(|style| matches!(style, Style::Block(_)));
    let code = styles.contains(&Style::Code);
    let link = styles.iter().any(|style| matches!(style, Style::Link(..)));
    for style in styles {
        let again = effective.iter().any(|other| mem::discriminant(other) == mem::discriminant(style));
        let hidden = match style {
            Style::Block(_) => false,
            Style::Quote(_) | Style::Link(..) => block,
            Style::Code => block || link,
            Style::Bold | Style::Italic | Style::Strikethrough => block || code && !link,
        };
        if !again && !hidden {
            effective.push(style.clone());
        }
    }
    effective.sort();
    effective
}
