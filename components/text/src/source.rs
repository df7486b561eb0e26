//! Cutting Markdown that stays Markdown into parts that fit.
//!
//! A cut is between paragraphs, else between lines, else between words; never within what a person sees as one
//! character, within a link, a mention or code in a line. A block of code that is cut is closed and opened again with its
//! language. A block of code is what Discord takes for one: what stands between two runs of three backticks or more.

use crate::Unit;
use crate::character;
use crate::cut::{Place, Places};

/// The longest name of a language in bytes.
const LANGUAGE: usize = 32;
/// What closes a block of code.
const CLOSING: &str = "\n```";

/// What is never cut.
#[derive(Debug)]
struct Atom<'a> {
    text: &'a str,
    length: usize,
    /// Whether it opens or closes a block of code.
    is_fence: bool,
}

/// Whether a block of code is open, read character by character: each run of three backticks or more opens one or closes
/// it.
#[derive(Debug, Clone, Copy, Default)]
struct Fences {
    is_open: bool,
    run: usize,
}

impl Fences {
    fn read(&mut self, text: &str) {
        for c in text.chars() {
            self.run = if c == '`' { self.run + 1 } else { 0 };
            self.is_open ^= self.run == 3;
        }
    }
}

/// The parts of at most `limit`, which is 64 or more, in order. Only white space at the places where it was cut is left
/// out.
///
/// A link, a mention or code in a line is kept whole up to three quarters of a part, a run of backticks up to half of
/// one.
pub fn split(text: &str, limit: usize, unit: Unit) -> Vec<String> {
    let atoms = atoms(text, limit, unit);
    let mut parts = vec![];
    let (mut start, mut open) = (0, None);
    while start < atoms.len() {
        // What a cut leaves of an empty line is nothing.
        if open.is_none() && atoms[start].text == "\n" {
            start += 1;
            continue;
        }
        let prefix = open.as_ref().map(|language| format!("```{language}\n")).unwrap_or_default();
        let end = cut(&atoms, start, limit.saturating_sub(prefix.len()), open.is_some());
        let body: String = atoms[start..end].iter().map(|atom| atom.text).collect();
        let was_open = open.is_some();
        open = after(open, &body, LANGUAGE.min(limit / 4));
        let shown = if open.is_some() { body.strip_suffix('\n').unwrap_or(&body) } else { body.trim_end() };
        let suffix = if open.is_some() { CLOSING } else { "" };
        if was_open || !shown.trim().is_empty() {
            parts.push(format!("{prefix}{shown}{suffix}"));
        }
        start = end;
    }
    parts
}

/// The atom before which the part that begins at `start` ends. `is_open` says whether it begins in a block of code.
fn cut(atoms: &[Atom<'_>], start: usize, limit: usize, is_open: bool) -> usize {
    let (mut length, mut fences) = (0, Fences { is_open, run: 0 });
    let mut places = Places::default();
    let mut whole = false;
    for (index, atom) in atoms.iter().enumerate().skip(start) {
        length += atom.length;
        if index > start && length > limit {
            return best(&places, limit).unwrap_or(index);
        }
        fences.read(atom.text);
        // An end that leaves no room to close a block of code is none.
        let closing = if fences.is_open { CLOSING.len() } else { 0 };
        if length + closing <= limit {
            places.note(place(atoms, start, index, fences.is_open), index + 1, length);
            whole = index + 1 == atoms.len();
        }
    }
    if whole { atoms.len() } else { best(&places, limit).unwrap_or(atoms.len()) }
}

fn best(places: &Places, limit: usize) -> Option<usize> {
    places.best(limit).map(|(end, _)| end)
}

/// How good it is to cut behind this atom, in a part that begins at `start`; `is_code` says whether that is within a block
/// of code.
fn place(atoms: &[Atom<'_>], start: usize, index: usize, is_code: bool) -> Place {
    let Some(next) = atoms.get(index + 1) else { return Place::Paragraph };
    let (atom, before) = (&atoms[index], &atoms[start..index]);
    if atom.text != "\n" {
        return if character::is_space(atom.text) && !character::is_space(next.text) {
            Place::Word
        } else {
            Place::Character
        };
    }
    // The first line of a block, and the last: one of the two blocks would be empty.
    if is_code && (next.is_fence || is_first_line(before)) {
        return Place::Character;
    }
    // The last line break of several.
    let is_gap = next.text != "\n" && before.last().is_some_and(|atom| atom.text == "\n");
    if !is_code && is_gap { Place::Paragraph } else { Place::Line }
}

/// Whether the line that ends here opens a block of code.
fn is_first_line(before: &[Atom<'_>]) -> bool {
    let line = before.iter().rev().take_while(|atom| atom.text != "\n").take(LANGUAGE + 1);
    line.last().is_some_and(|atom| atom.is_fence)
}

/// The block of code that is open behind a text, by its language.
fn after(mut open: Option<String>, text: &str, most: usize) -> Option<String> {
    let mut rest = text;
    while let Some(at) = rest.find("```") {
        let run = ticks(&rest[at..]);
        rest = &rest[at + run..];
        open = match open {
            Some(_) => None,
            None => Some(language(rest, most)),
        };
    }
    open
}

/// The language that is named behind an opening.
fn language(text: &str, most: usize) -> String {
    let line = text.split('\n').next().unwrap_or_default();
    let is_name = line.len() <= most
        && line.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-' | '.' | '#'));
    if is_name { line.to_owned() } else { String::new() }
}

fn ticks(text: &str) -> usize {
    text.bytes().take_while(|byte| *byte == b'`').count()
}

fn atoms(text: &str, limit: usize, unit: Unit) -> Vec<Atom<'_>> {
    let mut atoms = vec![];
    let (mut rest, mut fences) = (text, Fences::default());
    while !rest.is_empty() {
        let run = ticks(rest).min(limit / 2);
        let is_fence = run >= 3;
        let length = if is_fence {
            run
        } else if fences.is_open {
            character::first(rest)
        } else {
            whole(window(rest, limit / 4 * 3, unit), atoms.last()).unwrap_or_else(|| character::first(rest))
        };
        let (first, behind) = rest.split_at(length);
        fences.read(first);
        atoms.push(Atom { text: first, length: unit.length(first), is_fence });
        rest = behind;
    }
    atoms
}

/// The line that a text begins with, as far as it is kept whole.
fn window(text: &str, most: usize, unit: Unit) -> &str {
    // Only what can begin such a thing is worth the measuring.
    if !text.starts_with(['`', '<', '[', '\\', 'h']) {
        return "";
    }
    let mut left = most;
    let mut fits = |c: char| {
        let rest = left.checked_sub(unit.length(c.encode_utf8(&mut [0; 4])));
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    let end = text.find(|c: char| c == '\n' || !fits(c)).unwrap_or(text.len());
    &text[..end]
}

/// The bytes of what is kept whole here.
fn whole(text: &str, before: Option<&Atom<'_>>) -> Option<usize> {
    match text.as_bytes().first()? {
        b'`' => inline_code(text),
        b'<' => angle(text),
        b'[' => link(text),
        b'\\' => text.chars().nth(1).map(|c| 1 + c.len_utf8()),
        b'h' if before.is_none_or(|atom| !ends_word(atom)) => address(text),
        _ => None,
    }
}

fn ends_word(atom: &Atom<'_>) -> bool {
    atom.text.ends_with(|c: char| c.is_alphanumeric())
}

/// Code in a line: up to as many backticks as it begins with.
fn inline_code(text: &str) -> Option<usize> {
    let run = ticks(text);
    let mut at = run;
    loop {
        at += text[at..].find('`')?;
        let found = ticks(&text[at..]);
        if found >= 3 {
            return None;
        }
        at += found;
        if found == run {
            return Some(at);
        }
    }
}

/// A mention, an emoji, a time or a link in angle brackets.
fn angle(text: &str) -> Option<usize> {
    let end = text.find('>')?;
    let inner = &text[1..end];
    let is_whole = !inner.is_empty() && !inner.contains(|c: char| c.is_whitespace() || c == '<' || c == '`');
    is_whole.then_some(end + 1)
}

/// `[label](address)`.
fn link(text: &str) -> Option<usize> {
    let mut depth = 0;
    let label = text.char_indices().find(|(_, c)| {
        depth += match c {
            '[' => 1,
            ']' => -1,
            _ => 0,
        };
        depth == 0
    });
    let label = label?.0;
    if text[..label].contains("```") {
        return None;
    }
    let target = text[label + 1..].strip_prefix('(')?;
    let mut depth = 1;
    for (index, c) in target.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '`' => return None,
            _ => {}
        }
        if depth == 0 {
            return Some(label + 2 + index + 1);
        }
    }
    None
}

/// A bare address.
fn address(text: &str) -> Option<usize> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return None;
    }
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '`' | ')' | ']'));
    Some(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests;
