//! `parse_mode: MarkdownV2`.

use super::{Entity, Text, html};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bold,
    Italic,
    Underline,
    Strikethrough,
    Spoiler,
    Code,
    Pre,
    TextUrl,
    CustomEmoji,
    BlockQuote,
}

/// An entity that waits for its end.
struct Open {
    kind: Kind,
    byte: usize,
    offset: usize,
    language: Option<String>,
}

struct Parser<'a> {
    source: &'a str,
    at: usize,
    text: String,
    units: usize,
    open: Vec<Open>,
    entities: Vec<Entity>,
}

/// The text and its entities, or why it is no such text.
pub(super) fn parse(source: &str) -> Result<Text, String> {
    let mut parser =
        Parser { source, at: 0, text: String::new(), units: 0, open: Vec::new(), entities: Vec::new() };
    while let Some(c) = parser.rest().chars().next() {
        parser.step(c)?;
    }
    if parser.open.last().is_some_and(|open| open.kind == Kind::BlockQuote) {
        parser.close(false);
    }
    match parser.open.last() {
        Some(open) => Err(unended(open)),
        None => Ok(Text { text: parser.text, entities: parser.entities }),
    }
}

fn unended(open: &Open) -> String {
    format!("Can't find end of {:?} entity at byte offset {}", open.kind, open.byte)
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn push(&mut self, c: char) {
        self.text.push(c);
        self.units += c.len_utf16();
        self.at += c.len_utf8();
    }

    fn top(&self) -> Option<Kind> {
        self.open.last().map(|open| open.kind)
    }

    fn step(&mut self, c: char) -> Result<(), String> {
        let next = self.rest().chars().nth(1);
        if c == '\\'
            && let Some(escaped) = next.filter(|next| ('\u{1}'..='\u{7e}').contains(next))
        {
            self.at += 1;
            self.push(escaped);
            return Ok(());
        }
        let verbatim = matches!(self.top(), Some(Kind::Code | Kind::Pre));
        let reserved = if verbatim { "`" } else { "_*[]()~`>#+-=|{}.!\n" };
        if !reserved.contains(c) {
            self.push(c);
            return Ok(());
        }
        match self.top() {
            Some(kind) if self.ends(kind, c) => self.end(kind),
            _ if c == '\n' => self.line(),
            _ => self.begin(c),
        }
    }

    /// Whether this character ends the innermost entity.
    fn ends(&self, kind: Kind, c: char) -> bool {
        let rest = self.rest();
        match kind {
            Kind::Bold => c == '*',
            Kind::Italic => c == '_' && !rest.starts_with("__"),
            Kind::Underline => rest.starts_with("__"),
            Kind::Strikethrough => c == '~',
            Kind::Spoiler => rest.starts_with("||"),
            Kind::Code => c == '`',
            Kind::Pre => rest.starts_with("```"),
            Kind::TextUrl | Kind::CustomEmoji => c == ']',
            Kind::BlockQuote => {
                let expandable = rest.starts_with("||\n") || rest == "||";
                expandable || (c == '\n' && !rest.starts_with("\n>"))
            }
        }
    }

    fn line(&mut self) -> Result<(), String> {
        let quoted = self.open.iter().any(|open| open.kind == Kind::BlockQuote);
        let goes_on = self.rest().starts_with("\n>");
        if quoted && !goes_on {
            return Err(self.open.last().map(unended).unwrap_or_default());
        }
        self.push('\n');
        self.at += usize::from(quoted);
        Ok(())
    }

    fn begin(&mut self, c: char) -> Result<(), String> {
        let rest = self.rest();
        let line_start = self.text.is_empty() || self.text.ends_with('\n');
        let quoted = self.open.iter().any(|open| open.kind == Kind::BlockQuote);
        let (kind, marks) = match c {
            '_' if rest.starts_with("__") => (Kind::Underline, 2),
            '_' => (Kind::Italic, 1),
            '*' => (Kind::Bold, 1),
            '~' => (Kind::Strikethrough, 1),
            '|' if rest.starts_with("||") => (Kind::Spoiler, 2),
            '[' => (Kind::TextUrl, 1),
            '!' if rest.starts_with("![") => (Kind::CustomEmoji, 2),
            '`' if rest.starts_with("```") => (Kind::Pre, 3),
            '`' => (Kind::Code, 1),
            '>' if line_start && !quoted => (Kind::BlockQuote, 1),
            c => {
                return Err(format!(
                    "Character '{c}' is reserved and must be escaped with the preceding '\\'"
                ));
            }
        };
        let byte = self.at;
        self.at += marks;
        let language = if kind == Kind::Pre { self.language() } else { None };
        self.open.push(Open { kind, byte, offset: self.units, language });
        Ok(())
    }

    fn language(&mut self) -> Option<String> {
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_ascii_whitespace() || c == '`').unwrap_or(rest.len());
        let named = end > 0 && rest[end..].starts_with(|c: char| c != '`');
        self.at += if named { end } else { 0 };
        self.at += usize::from(self.rest().starts_with('\n'));
        named.then(|| rest[..end].to_owned())
    }

    fn end(&mut self, kind: Kind) -> Result<(), String> {
        match kind {
            Kind::BlockQuote => {
                let expandable = self.rest().starts_with("||");
                self.at += if expandable { 2 } else { 0 };
                self.close(expandable);
            }
            Kind::TextUrl | Kind::CustomEmoji => return self.link(kind),
            kind => {
                self.at += match kind {
                    Kind::Underline | Kind::Spoiler => 2,
                    Kind::Pre => 3,
                    _ => 1,
                };
                self.close(false);
            }
        }
        Ok(())
    }

    /// The rest of `[text](url)`; the address is the text itself where none follows.
    fn link(&mut self, kind: Kind) -> Result<(), String> {
        let begin = self.at;
        self.at += 1;
        let mut url = String::new();
        if self.rest().starts_with('(') {
            self.at += 1;
            loop {
                let mut characters = self.rest().chars();
                let c = match characters.next() {
                    None => return Err(format!("Can't find end of a URL at byte offset {begin}")),
                    Some(')') => break,
                    Some('\\') => {
                        self.at += 1;
                        characters.next().unwrap_or('\\')
                    }
                    Some(c) => c,
                };
                url.push(c);
                self.at += c.len_utf8();
            }
            self.at += 1;
        } else if kind == Kind::CustomEmoji {
            return Err("Custom emoji entity must contain a tg://emoji URL".to_owned());
        }
        let open = self.open.pop().expect("a link is open, since it ends");
        let mut entity = Entity::new("text_link", open.offset, self.units - open.offset);
        if kind == Kind::CustomEmoji {
            let id =
                url.strip_prefix("tg://emoji?id=").ok_or("Custom emoji URL must have an emoji identifier")?;
            "custom_emoji".clone_into(&mut entity.kind);
            entity.custom_emoji_id = Some(id.to_owned());
        } else {
            let shown: Vec<u16> = self.text.encode_utf16().skip(open.offset).collect();
            let wanted = if url.is_empty() { String::from_utf16_lossy(&shown) } else { url };
            let Some(url) = html::link(&wanted) else { return Ok(()) };
            entity.url = Some(url);
        }
        self.add(entity);
        Ok(())
    }

    fn close(&mut self, expandable: bool) {
        let open = self.open.pop().expect("an entity is open, since it ends");
        let kind = match open.kind {
            Kind::Bold => "bold",
            Kind::Italic => "italic",
            Kind::Underline => "underline",
            Kind::Strikethrough => "strikethrough",
            Kind::Spoiler => "spoiler",
            Kind::Code => "code",
            Kind::Pre => "pre",
            Kind::TextUrl => "text_link",
            Kind::CustomEmoji => "custom_emoji",
            Kind::BlockQuote if expandable => "expandable_blockquote",
            Kind::BlockQuote => "blockquote",
        };
        let mut entity = Entity::new(kind, open.offset, self.units - open.offset);
        entity.language = open.language;
        self.add(entity);
    }

    fn add(&mut self, entity: Entity) {
        if entity.length > 0 {
            self.entities.push(entity);
        }
    }
}
