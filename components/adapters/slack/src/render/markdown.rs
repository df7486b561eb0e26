//! Markdown (CommonMark, tables, strikethrough) as a flow.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, TextMergeStream};

use super::flow::{Flow, Style};
use super::{signless, written};

/// The longest address of a link, in UTF-16 code units as it is written: it cannot be cut, and leaves room for its label.
/// A longer one is written out.
const URL: usize = 1_024;

/// Writes Markdown.
pub(super) fn write(markdown: &str, flow: &mut Flow) {
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

struct Writer<'a> {
    flow: &'a mut Flow,
    /// The next number of each list that we are in; `None` for bullets.
    lists: Vec<Option<u64>>,
    links: Vec<Link>,
    /// The code of the block that we are in.
    block: Option<String>,
    /// The cells of the table that we are in.
    table: Option<Vec<Vec<String>>>,
}

impl Writer<'_> {
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
        if let Some(text) = self.aside(text) {
            self.prose(&text);
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
            block.push_str(&text);
            return None;
        }
        if let Some(cell) = self.table.as_mut().and_then(|rows| rows.last_mut()?.last_mut()) {
            cell.push_str(&text.replace('\n', " "));
            return None;
        }
        let Some(link) = self.links.last_mut() else { return Some(text) };
        link.label.push_str(&text);
        self.flow.push(&text);
        None
    }

    /// Text with its bare addresses as links: Slack is told to look for none itself, because it would find people and
    /// channels too.
    fn prose(&mut self, text: &str) {
        let mut rest = text;
        while let Some(start) = next_address(rest) {
            let (before, from) = rest.split_at(start);
            let (url, behind) = from.split_at(address_end(from));
            self.flow.push(before);
            if is_written(url) {
                let number = self.flow.number();
                self.flow.within(Style::Link(number, url.to_owned()), |flow| flow.push(url));
            } else {
                self.flow.push(url);
            }
            rest = behind;
        }
        self.flow.push(rest);
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.flow.gap(if self.lists.is_empty() { 2 } else { 1 }),
            Tag::Heading { .. } => {
                self.flow.gap(2);
                self.flow.begin(Style::Bold);
            }
            Tag::BlockQuote(_) => {
                self.flow.gap(2);
                let number = self.flow.number();
                self.flow.begin(Style::Quote(number));
            }
            Tag::CodeBlock(_) => self.block(),
            Tag::List(first) => {
                self.flow.gap(if self.lists.is_empty() { 2 } else { 1 });
                self.lists.push(first);
            }
            Tag::Item => self.item(),
            Tag::Emphasis => self.flow.begin(Style::Italic),
            Tag::Strong => self.flow.begin(Style::Bold),
            Tag::Strikethrough => self.flow.begin(Style::Strikethrough),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.link(&dest_url),
            Tag::Table(_) => self.table = Some(vec![]),
            Tag::TableHead | Tag::TableRow => {
                if let Some(rows) = &mut self.table {
                    rows.push(vec![]);
                }
            }
            Tag::TableCell => {
                if let Some(row) = self.table.as_mut().and_then(|rows| rows.last_mut()) {
                    row.push(String::new());
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => {
                self.flow.gap(if self.lists.is_empty() { 2 } else { 1 });
            }
            TagEnd::CodeBlock => {
                let code = self.block.take().unwrap_or_default();
                self.flow.push(code.strip_suffix('\n').unwrap_or(&code));
                self.flow.end();
                self.flow.gap(2);
            }
            TagEnd::Heading(_) | TagEnd::BlockQuote(_) => {
                self.flow.end();
                self.flow.gap(2);
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.flow.gap(if self.lists.is_empty() { 2 } else { 1 });
            }
            TagEnd::Item => self.flow.gap(1),
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => self.flow.end(),
            TagEnd::Link | TagEnd::Image => self.end_link(),
            TagEnd::Table => self.end_table(),
            _ => {}
        }
    }

    fn block(&mut self) {
        self.flow.gap(2);
        let number = self.flow.number();
        self.flow.begin(Style::Block(number));
        self.block = Some(String::new());
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
        let styled = is_written(&url);
        if styled {
            let number = self.flow.number();
            self.flow.begin(Style::Link(number, url.clone()));
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

    /// mrkdwn has no tables: columns that stand below each other.
    fn end_table(&mut self) {
        let Some(rows) = self.table.take() else { return };
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.trim().chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut lines = vec![];
        for (index, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{:width$}", cell.trim()));
            lines.push(cells.collect::<Vec<_>>().join(" | ").trim_end().to_owned());
            if index == 0 {
                let rules: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
                lines.push(rules.join("-+-"));
            }
        }
        self.flow.gap(2);
        let number = self.flow.number();
        let text = lines.join("\n");
        self.flow.within(Style::Block(number), |flow| flow.push(&text));
        self.flow.gap(2);
    }
}

/// Whether this becomes a link. Others may do things in Slack itself.
fn is_written(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    let known = lower.starts_with("https://") || lower.starts_with("http://");
    known
        && written::marks(&Style::Link(0, url.to_owned())) <= URL
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
