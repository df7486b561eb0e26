//! A text with styles: what Markdown becomes before it is cut and written.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::mem;

/// How a piece of text looks. Those with a number are told apart by it, so that two in a row stay two.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Style {
    /// A quote.
    Quote {
        /// Its number.
        number: usize,
        /// Whether it is shown folded, where a platform can.
        folded: bool,
    },
    /// A block of code.
    Block {
        /// Its number.
        number: usize,
        /// Its language, or nothing.
        language: String,
    },
    /// Underlined; nothing in Markdown is.
    Underline,
    /// Bold.
    Bold,
    /// Italic.
    Italic,
    /// Struck through.
    Strikethrough,
    /// Code in a line.
    Code,
    /// A link.
    Link {
        /// Its number.
        number: usize,
        /// Where it goes: `http` or `https`.
        url: String,
    },
}

impl Style {
    /// Whether it is a quote.
    pub fn is_quote(&self) -> bool {
        matches!(self, Self::Quote { .. })
    }

    /// Whether it is a block of code.
    pub fn is_block(&self) -> bool {
        matches!(self, Self::Block { .. })
    }

    /// Whether it is code, in a line or a block.
    pub fn is_code(&self) -> bool {
        matches!(self, Self::Code | Self::Block { .. })
    }

    /// Whether it is a link.
    pub fn is_link(&self) -> bool {
        matches!(self, Self::Link { .. })
    }

    /// Whether both are of one kind.
    pub fn is_like(&self, other: &Self) -> bool {
        mem::discriminant(self) == mem::discriminant(other)
    }
}

/// How many styles of two texts that follow each other are the same, and stay open.
pub fn shared(before: &[Style], after: &[Style]) -> usize {
    before.iter().zip(after).take_while(|(a, b)| a == b).count()
}

/// The form of a platform: what it can show, and how long that is.
pub trait Form: Debug + Default {
    /// The most that the marks of a link take; one of a longer address is written out. It cannot be cut, and leaves
    /// room for its label.
    const LINK: usize;
    /// The most styles of one part.
    const STYLES: usize;
    /// Whether blocks of code have a language.
    const LANGUAGES: bool;
    /// Whether the platform is told where addresses are, because it looks for none itself.
    const ADDRESSES: bool;

    /// What nested styles become, the outermost first: a platform knows not all that Markdown does.
    fn nested(styles: &[Style]) -> Vec<Style>;

    /// The most that a text of these styles takes, with its escapes.
    fn length(text: &str, styles: &[Style]) -> usize;

    /// The most that the marks of a style take, at its beginning and its end.
    fn marks(style: &Style) -> usize;
}

/// A text of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The text; never empty.
    pub text: String,
    /// Its styles, the outermost first.
    pub styles: Vec<Style>,
}

/// The text of runs, without styles.
pub fn text(runs: &[Run]) -> String {
    runs.iter().map(|run| run.text.as_str()).collect()
}

/// A text with styles that is being written.
#[derive(Debug, Default)]
pub struct Flow<F> {
    runs: Vec<Run>,
    styles: Vec<Style>,
    gap: usize,
    count: usize,
    form: PhantomData<F>,
}

impl<F: Form> Flow<F> {
    /// The text so far, in order; two runs in a row have different styles.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// A number that was not given before.
    pub fn number(&mut self) -> usize {
        self.count += 1;
        self.count
    }

    /// From here on text has this style too.
    pub fn begin(&mut self, style: Style) {
        self.styles.push(style);
    }

    /// Ends the style that was begun last.
    pub fn end(&mut self) {
        self.styles.pop();
    }

    /// Writes with one style more.
    pub fn within(&mut self, style: Style, write: impl FnOnce(&mut Self)) {
        self.begin(style);
        write(self);
        self.end();
    }

    /// Writes a block of code that is none of the others.
    pub fn block(&mut self, language: &str, code: &str) {
        let language = if F::LANGUAGES { language.to_owned() } else { String::new() };
        let number = self.number();
        self.within(Style::Block { number, language }, |flow| flow.push(code));
    }

    /// At least so many line breaks before the next text, if there is text before it.
    pub fn gap(&mut self, lines: usize) {
        self.gap = self.gap.max(lines);
    }

    /// Adds text in the styles of here.
    pub fn push(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let styles = F::nested(&self.styles);
        let gap = mem::take(&mut self.gap);
        if let Some(last) = self.runs.last() {
            // Those at the end of a block of code are within it.
            let is_block = last.styles.iter().any(Style::is_block);
            let text = if is_block { "" } else { last.text.as_str() };
            let there = text.len() - text.trim_end_matches('\n').len();
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
}
