//! `parse_mode: HTML`.

use super::{Entity, Text, units};

/// A tag that waits for its end.
struct Open {
    tag: String,
    argument: Option<String>,
    offset: usize,
}

struct Parser<'a> {
    source: &'a str,
    at: usize,
    text: String,
    units: usize,
    open: Vec<Open>,
    entities: Vec<Entity>,
}

const TAGS: [&str; 16] = [
    "a",
    "b",
    "strong",
    "i",
    "em",
    "s",
    "strike",
    "del",
    "u",
    "ins",
    "tg-spoiler",
    "tg-emoji",
    "span",
    "pre",
    "code",
    "blockquote",
];

/// The text and its entities, or why it is no such text.
pub(super) fn parse(source: &str) -> Result<Text, String> {
    let mut parser =
        Parser { source, at: 0, text: String::new(), units: 0, open: Vec::new(), entities: Vec::new() };
    while let Some(c) = parser.peek() {
        match c {
            '<' if parser.source[parser.at + 1..].starts_with('/') => parser.end()?,
            '<' => parser.start()?,
            '&' => {
                let c = parser.reference().unwrap_or_else(|| parser.skip('&'));
                parser.push(c);
            }
            c => {
                parser.skip(c);
                parser.push(c);
            }
        }
    }
    match parser.open.last() {
        Some(open) => Err(format!("Can't find end tag corresponding to start tag \"{}\"", open.tag)),
        None => Ok(Text { text: parser.text, entities: parser.entities }),
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    fn skip(&mut self, c: char) -> char {
        self.at += c.len_utf8();
        c
    }

    fn push(&mut self, c: char) {
        self.text.push(c);
        self.units += c.len_utf16();
    }

    /// Everything up to a character that ends it.
    fn take(&mut self, end: impl Fn(char) -> bool) -> String {
        let rest = &self.source[self.at..];
        let taken = &rest[..rest.find(end).unwrap_or(rest.len())];
        self.at += taken.len();
        taken.to_owned()
    }

    fn spaces(&mut self) {
        self.take(|c| !c.is_ascii_whitespace());
    }

    /// The character of a reference such as `&amp;`, stepped over; `None` where it is none.
    fn reference(&mut self) -> Option<char> {
        let rest = &self.source[self.at + 1..];
        let (c, length) = if let Some(number) = rest.strip_prefix('#') {
            let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
            let digits = &digits[..digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len())];
            let c =
                u32::from_str_radix(digits, radix).ok().filter(|code| *code > 0).and_then(char::from_u32)?;
            (c, 1 + usize::from(radix == 16) + digits.len())
        } else {
            let name = &rest[..rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())];
            let c = match name {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "quot" => '"',
                _ => return None,
            };
            (c, name.len())
        };
        self.at += 1 + length + usize::from(rest[length..].starts_with(';'));
        Some(c)
    }

    fn start(&mut self) -> Result<(), String> {
        let begin = self.at;
        let unclosed = format!("Unclosed start tag at byte offset {begin}");
        self.at += 1;
        let tag = self.take(|c| c.is_ascii_whitespace() || c == '>').to_ascii_lowercase();
        if self.peek().is_none() {
            return Err(unclosed);
        }
        if !TAGS.contains(&tag.as_str()) {
            return Err(format!("Unsupported start tag \"{tag}\" at byte offset {begin}"));
        }
        let mut argument = None;
        loop {
            self.spaces();
            match self.peek() {
                None => return Err(unclosed),
                Some('>') => break,
                Some(_) => {}
            }
            let (name, value) = self.attribute(&tag, begin)?;
            argument = match (tag.as_str(), name.as_str()) {
                ("a", "href") | ("tg-emoji", "emoji-id") | ("span", "class") => Some(value),
                ("code", "class") => value.strip_prefix("language-").map(str::to_owned),
                ("blockquote", "expandable") => Some("expandable".to_owned()),
                _ => argument,
            };
        }
        self.at += 1;
        if tag == "span" && argument.as_deref() != Some("tg-spoiler") {
            return Err(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {begin}"));
        }
        self.open.push(Open { tag, argument, offset: self.units });
        Ok(())
    }

    fn attribute(&mut self, tag: &str, begin: usize) -> Result<(String, String), String> {
        let name = self.take(|c| c.is_ascii_whitespace() || c == '=' || c == '>').to_ascii_lowercase();
        if name.is_empty() {
            return Err(format!("Empty attribute name in the tag \"{tag}\" at byte offset {begin}"));
        }
        self.spaces();
        if self.peek() != Some('=') {
            return Ok((name, String::new()));
        }
        self.at += 1;
        self.spaces();
        let unclosed = || format!("Unclosed start tag at byte offset {begin}");
        let quote = self.peek().ok_or_else(unclosed)?;
        if quote != '"' && quote != '\'' {
            let value =
                self.take(|c| !c.is_ascii_alphanumeric() && c != '.' && c != '-').to_ascii_lowercase();
            return match self.peek() {
                Some(c) if c != '>' && !c.is_ascii_whitespace() => {
                    Err(format!("Unexpected end of name token at byte offset {}", self.at))
                }
                _ => Ok((name, value)),
            };
        }
        self.at += 1;
        let mut value = String::new();
        loop {
            let c = self.peek().ok_or_else(unclosed)?;
            if c == quote {
                self.at += 1;
                return Ok((name, value));
            }
            let reference = if c == '&' { self.reference() } else { None };
            value.push(reference.unwrap_or_else(|| self.skip(c)));
        }
    }

    fn end(&mut self) -> Result<(), String> {
        let begin = self.at;
        self.at += 2;
        let found = self.take(|c| c.is_ascii_whitespace() || c == '>').to_ascii_lowercase();
        self.spaces();
        let Some(open) = self.open.pop() else {
            return Err(format!("Unexpected end tag at byte offset {begin}"));
        };
        if self.peek() != Some('>') {
            return Err(format!("Unclosed end tag at byte offset {begin}"));
        }
        self.at += 1;
        if !found.is_empty() && found != open.tag {
            return Err(format!(
                "Unmatched end tag at byte offset {begin}, expected \"</{}>\", found \"</{found}>\"",
                open.tag
            ));
        }
        self.close(open);
        Ok(())
    }

    fn close(&mut self, open: Open) {
        let kind = match open.tag.as_str() {
            "b" | "strong" => "bold",
            "i" | "em" => "italic",
            "s" | "strike" | "del" => "strikethrough",
            "u" | "ins" => "underline",
            "tg-spoiler" | "span" => "spoiler",
            "tg-emoji" => "custom_emoji",
            "a" => "text_link",
            "blockquote" if open.argument.is_some() => "expandable_blockquote",
            kind => kind,
        };
        let mut entity = Entity::new(kind, open.offset, self.units - open.offset);
        if entity.length == 0 {
            return;
        }
        match kind {
            "custom_emoji" => entity.custom_emoji_id = open.argument,
            "text_link" => {
                let shown = self.text.encode_utf16().skip(open.offset).collect::<Vec<_>>();
                let url = open.argument.unwrap_or_else(|| String::from_utf16_lossy(&shown));
                let Some(url) = link(&url) else { return };
                entity.url = Some(url);
            }
            "code" => {
                let outer =
                    self.open.last_mut().filter(|outer| outer.tag == "pre" && outer.offset == open.offset);
                if let (Some(outer), Some(_)) = (outer, &open.argument) {
                    outer.argument = open.argument;
                    return;
                }
            }
            "pre" => entity.language = open.argument,
            _ => {}
        }
        self.entities.push(entity);
    }
}

/// A link that is one: others are shown as text without it.
pub(super) fn link(url: &str) -> Option<String> {
    let known = ["http", "https", "tg", "ton", "tonsite"];
    let full = if url.contains(':') { url.to_owned() } else { format!("http://{url}") };
    let parsed = url::Url::parse(&full).ok()?;
    let named = parsed
        .host_str()
        .is_some_and(|host| host.contains('.') || host == "localhost" || parsed.scheme() == "tg");
    (known.contains(&parsed.scheme()) && named && units(url) <= 2_048).then(|| parsed.to_string())
}
