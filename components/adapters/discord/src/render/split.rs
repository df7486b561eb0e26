//! Cutting Markdown into parts that fit.
//!
//! A cut is between paragraphs, else between lines, else between words; never within what a person sees as one
//! character, within a link, a mention or code in a line. A block of code that is cut is closed and opened again with its
//! language. Lengths are in characters (Unicode scalar values), as Discord counts them.

use unicode_segmentation::UnicodeSegmentation as _;

/// The longest link, mention or code in a line that is kept whole.
const WHOLE: usize = 1_500;
/// The longest run of backticks that is kept whole.
const RUN: usize = 1_000;
/// The most characters of what is never cut. Scripts and emoji stay far below it.
const GRAPHEME: usize = 64;
/// How many bytes are looked at for one such character.
const WINDOW: usize = 1_024;
/// The longest name of a language.
const LANGUAGE: usize = 32;
/// What closes a block of code.
const CLOSING: &str = "\n```";

/// How good a place is to cut behind an atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Within a word, or where a block of code would be left empty.
    Character,
    Word,
    Line,
    Paragraph,
}

/// What is never cut.
#[derive(Debug)]
struct Atom<'a> {
    text: &'a str,
    /// In characters.
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

/// The parts, in order. Only white space at the places where it was cut is left out.
pub(super) fn split(text: &str, limit: usize) -> Vec<String> {
    let atoms = atoms(text);
    let mut parts = vec![];
    let (mut start, mut open) = (0, None);
    while start < atoms.len() {
        // What a cut leaves of an empty line is nothing.
        if open.is_none() && atoms[start].text == "\n" {
            start += 1;
            continue;
        }
        let prefix = open.as_ref().map(|language| format!("```{language}\n")).unwrap_or_default();
        let end = cut(&atoms, start, limit - prefix.chars().count(), open.is_some());
        let body: String = atoms[start..end].iter().map(|atom| atom.text).collect();
        let was_open = open.is_some();
        open = after(open, &body);
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
    let mut places: [Option<(usize, usize)>; 4] = [None; 4];
    for (index, atom) in atoms.iter().enumerate().skip(start) {
        length += atom.length;
        if index > start && length > limit {
            return best(&places, limit).unwrap_or(index);
        }
        fences.read(atom.text);
        // An end that leaves no room to close a block of code is none.
        let closing = if fences.is_open { CLOSING.len() } else { 0 };
        if length + closing <= limit {
            let place = place(atoms, start, index, fences.is_open);
            places[place as usize] = Some((index + 1, length));
        }
    }
    let is_end = |place: &Option<(usize, usize)>| place.is_some_and(|(index, _)| index == atoms.len());
    if places.iter().any(is_end) { atoms.len() } else { best(&places, limit).unwrap_or(atoms.len()) }
}

/// The best of the places that a part could end at. One that would leave most of the part empty is worse than a lesser
/// one behind it.
fn best(places: &[Option<(usize, usize)>; 4], limit: usize) -> Option<usize> {
    let order = [Place::Paragraph, Place::Line, Place::Word, Place::Character];
    let enough = |place: &Place| places[*place as usize].filter(|(_, length)| *length >= limit / 3);
    let best = order[..3].iter().find_map(enough);
    best.or_else(|| order.iter().find_map(|place| places[*place as usize])).map(|(index, _)| index)
}

/// How good it is to cut behind this atom, in a part that begins at `start`; `is_code` says whether that is within a block
/// of code.
fn place(atoms: &[Atom<'_>], start: usize, index: usize, is_code: bool) -> Place {
    let Some(next) = atoms.get(index + 1) else { return Place::Paragraph };
    let (atom, before) = (&atoms[index], &atoms[start..index]);
    if atom.text != "\n" {
        return if is_space(atom) && !is_space(next) { Place::Word } else { Place::Character };
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

fn is_space(atom: &Atom<'_>) -> bool {
    atom.text.chars().all(char::is_whitespace)
}

/// The block of code that is open behind a text, by its language.
fn after(mut open: Option<String>, text: &str) -> Option<String> {
    let mut rest = text;
    while let Some(at) = rest.find("```") {
        let run = ticks(&rest[at..]);
        rest = &rest[at + run..];
        open = match open {
            Some(_) => None,
            None => Some(language(rest)),
        };
    }
    open
}

/// The language that is named behind an opening.
fn language(text: &str) -> String {
    let line = text.split('\n').next().unwrap_or_default();
    let is_name = line.len() <= LANGUAGE
        && line.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-' | '.' | '#'));
    if is_name { line.to_owned() } else { String::new() }
}

fn ticks(text: &str) -> usize {
    text.bytes().take_while(|byte| *byte == b'`').count()
}

fn atoms(text: &str) -> Vec<Atom<'_>> {
    let mut atoms = vec![];
    let (mut rest, mut fences) = (text, Fences::default());
    while !rest.is_empty() {
        let run = ticks(rest).min(RUN);
        let is_fence = run >= 3;
        let length = if is_fence {
            run
        } else if fences.is_open {
            character(rest)
        } else {
            whole(rest, atoms.last()).unwrap_or_else(|| character(rest))
        };
        let (first, behind) = rest.split_at(length);
        fences.read(first);
        atoms.push(Atom { text: first, length: first.chars().count(), is_fence });
        rest = behind;
    }
    atoms
}

/// The bytes of what a person sees as one character; one that is piled up without end is cut within.
fn character(text: &str) -> usize {
    let window = &text[..text.floor_char_boundary(WINDOW.min(text.len()))];
    let grapheme = window.graphemes(true).next().unwrap_or(window);
    // Two bytes to one line break would be no place to cut.
    if grapheme.chars().nth(GRAPHEME).is_some() || grapheme == "\r\n" {
        return text.chars().next().map_or(0, char::len_utf8);
    }
    grapheme.len()
}

/// The bytes of what is kept whole here.
fn whole(text: &str, before: Option<&Atom<'_>>) -> Option<usize> {
    let first = text.as_bytes().first()?;
    if !matches!(first, b'`' | b'<' | b'[' | b'\\' | b'h') {
        return None;
    }
    let window = &text[..text.char_indices().nth(WHOLE).map_or(text.len(), |(index, _)| index)];
    let window = window.split('\n').next().unwrap_or_default();
    match first {
        b'`' => inline_code(window),
        b'<' => angle(window),
        b'[' => link(window),
        b'\\' => window.chars().nth(1).map(|c| 1 + c.len_utf8()),
        b'h' if before.is_none_or(|atom| !ends_word(atom)) => address(window),
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
