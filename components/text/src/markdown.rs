//! Markdown (CommonMark, tables, strikethrough) as a flow.

use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd, TextMergeStream};

use crate::flow::{Flow, Form, Style};
use crate::sign::signless;
use crate::table::Table;

/// The longest name of a language in characters.
const LANGUAGE: usize = 32;

/// Writes Markdown. What it cannot be in this form it is as text; no text of it has the sign of a notice.
pub fn write<F: Form>(markdown: &str, flow: &mut Flow<F>) {
    let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let mut writer = Writer { flow, lists: vec![], links: vec![], table: None, block: None };
    for event in TextMergeStream::new(parser) {
        writer.event(event);
    }
}

/// A link that is being written.
struct Link {
    url: String,
    /// Whether it is a style, or is written out.
    styled: bool,
    label: String,
}

/// A block of code that is being read.
struct Block {
    language: String,
    code: String,
}

struct Writer<'a, F> {
    flow: &'a mut Flow<F>,
    /// The next number of each list that we are in; `None` for bullets.
    lists: Vec<Option<u64>>,
    links: Vec<Link>,
    block: Option<Block>,
    table: Option<Table>,
}

impl<F: Form> Writer<'_, F> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(text) => self.code(&text),
            Event::SoftBreak | Event::HardBreak => self.text("\n"),
            Event::Rule => {
                self.flow.gap(2);
                self.text("———");
                self.flow.gap(2);
            }
            // Parts of Markdown that are not switched on.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(&text);
            }
            Event::TaskListMarker(_) => {}
        }
    }

    fn text(&mut self, text: &str) {
        match self.aside(text) {
            Some(text) if F::ADDRESSES => self.prose(&text),
            Some(text) => self.flow.push(&text),
            None => {}
        }
    }

    fn code(&mut self, text: &str) {
        self.flow.begin(Style::Code);
        if let Some(text) = self.aside(text) {
            self.flow.push(&text);
        }
        self.flow.end();
    }

    /// Puts a text where it is collected: in a block of code, a table or a link. Elsewhere gives it back, cleaned.
    fn aside(&mut self, text: &str) -> Option<String> {
        let text = signless(text);
        if let Some(block) = &mut self.block {
            block.code.push_str(&text);
            return None;
        }
        if let Some(table) = &mut self.table {
            table.push(&text);
            return None;
        }
        let Some(link) = self.links.last_mut() else { return Some(text) };
        link.label.push_str(&text);
        self.flow.push(&text);
        None
    }

    /// Text with its bare addresses as links.
    fn prose(&mut self, text: &str) {
        let mut rest = text;
        while let Some(start) = next_address(rest) {
            let (before, from) = rest.split_at(start);
            let (url, behind) = from.split_at(address_end(from));
            self.flow.push(before);
            if is_link::<F>(url) {
                let number = self.flow.number();
                self.flow.within(Style::Link { number, url: url.to_owned() }, |flow| flow.push(url));
            } else {
                self.flow.push(url);
            }
            rest = behind;
        }
        self.flow.push(rest);
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.flow.gap(self.distance()),
            Tag::Heading { .. } => {
                self.flow.gap(2);
                self.flow.begin(Style::Bold);
            }
            Tag::BlockQuote(_) => {
                self.flow.gap(2);
                let number = self.flow.number();
                self.flow.begin(Style::Quote { number, folded: false });
            }
            Tag::CodeBlock(kind) => {
                self.flow.gap(2);
                self.block = Some(Block { language: language(&kind), code: String::new() });
            }
            Tag::List(first) => {
                self.flow.gap(self.distance());
                self.lists.push(first);
            }
            Tag::Item => self.item(),
            Tag::Emphasis => self.flow.begin(Style::Italic),
            Tag::Strong => self.flow.begin(Style::Bold),
            Tag::Strikethrough => self.flow.begin(Style::Strikethrough),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.link(&dest_url),
            Tag::Table(_) => self.table = Some(Table::default()),
            Tag::TableHead | Tag::TableRow => self.table.iter_mut().for_each(Table::row),
            Tag::TableCell => self.table.iter_mut().for_each(Table::cell),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.flow.gap(self.distance()),
            TagEnd::CodeBlock => {
                let Some(Block { language, code }) = self.block.take() else { return };
                self.flow.block(&language, code.strip_suffix('\n').unwrap_or(&code));
                self.flow.gap(2);
            }
            TagEnd::Heading(_) | TagEnd::BlockQuote(_) => {
                self.flow.end();
                self.flow.gap(2);
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.flow.gap(self.distance());
            }
            TagEnd::Item => self.flow.gap(1),
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => self.flow.end(),
            TagEnd::Link | TagEnd::Image => self.end_link(),
            TagEnd::Table => {
                let Some(table) = self.table.take() else { return };
                self.flow.gap(2);
                self.flow.block("", &table.text());
                self.flow.gap(2);
            }
            _ => {}
        }
    }

    /// The line breaks around a paragraph: a list stands close.
    fn distance(&self) -> usize {
        if self.lists.is_empty() { 2 } else { 1 }
    }

    fn item(&mut self) {
        self.flow.gap(1);
        let depth = self.lists.len().saturating_sub(1);
        let marker = match self.lists.last_mut() {
            Some(Some(number)) => {
                let marker = format!("{number}. ");
                *number = number.saturating_add(1);
                marker
            }
            _ => "• ".to_owned(),
        };
        self.flow.push(&format!("{}{marker}", "   ".repeat(depth)));
    }

    fn link(&mut self, url: &str) {
        let url = signless(url);
        let styled = is_link::<F>(&url);
        if styled {
            let number = self.flow.number();
            self.flow.begin(Style::Link { number, url: url.clone() });
        }
        self.links.push(Link { url, styled, label: String::new() });
    }

    fn end_link(&mut self) {
        let Some(link) = self.links.pop() else { return };
        if link.styled {
            if link.label.is_empty() {
                self.text(&link.url);
            }
            self.flow.end();
        } else if link.label.is_empty() {
            self.text(&link.url);
        } else if link.label != link.url && !link.url.is_empty() {
            self.text(&format!(" ({})", link.url));
        }
        if let Some(outer) = self.links.last_mut() {
            outer.label.push_str(&link.label);
        }
    }
}

fn language(kind: &CodeBlockKind<'_>) -> String {
    let info = match kind {
        CodeBlockKind::Fenced(info) => info,
        CodeBlockKind::Indented => &CowStr::Borrowed(""),
    };
    let name = info.split(|c: char| c.is_whitespace() || c == ',').next().unwrap_or_default();
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "+#_.-".contains(*c)).take(LANGUAGE).collect()
}

/// Whether this becomes a link. Others may do things in the platform's own program: `tg://user?id=1` calls a person.
fn is_link<F: Form>(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    let known = lower.starts_with("https://") || lower.starts_with("http://");
    known
        && F::marks(&Style::Link { number: 0, url: url.to_owned() }) <= F::LINK
        && !url.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// Where the next bare address begins.
fn next_address(text: &str) -> Option<usize> {
    let begins = |(at, _): &(usize, &str)| !text[..*at].ends_with(|c: char| c.is_alphanumeric());
    let first = |scheme: &str| text.match_indices(scheme).find(begins).map(|(at, _)| at);
    [first("https://"), first("http://")].into_iter().flatten().min()
}

/// Where a bare address ends: before white space and brackets, without the signs that end a sentence (GFM, "Autolinks").
fn address_end(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || "<>|\"`".contains(c)).unwrap_or(text.len());
    let mut address = &text[..end];
    loop {
        let trimmed = address.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_', '~', ']']);
        let open = trimmed.matches('(').count();
        let trimmed = match trimmed.strip_suffix(')') {
            Some(shorter) if trimmed.matches(')').count() > open => shorter,
            _ => trimmed,
        };
        if trimmed == address {
            return address.len();
        }
        address = trimmed;
    }
}

#[cfg(test)]
mod tests;
