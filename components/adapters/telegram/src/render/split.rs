//! Cutting a flow into parts that fit.
//!
//! Telegram counts a text after it has taken the formatting out (Bot API, `sendMessage`: "1-4096 characters after
//! entities parsing"), in UTF-16 code units. A part here is within the limit with its tags and escapes counted too, so
//! that it fits however somebody counts, and as plain text as well.

use unicode_segmentation::UnicodeSegmentation as _;

use super::flow::{Flow, Run, Style};
use super::html;
use crate::MESSAGE_LENGTH;

/// The most UTF-16 code units of a part with its tags. What is left is for the fences of the plain form.
const LENGTH: usize = MESSAGE_LENGTH - 32;

/// The most characters (Unicode scalar values) of what is never cut. Scripts and emoji stay far below it; what does not
/// is a single letter under marks without end, which would never fit.
const GRAPHEME: usize = 64;

/// The most entities of one message; Telegram drops those past it.
const ENTITIES: usize = 100;

/// How good a place is to cut behind an atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Within a link.
    Link,
    /// Within a word.
    Character,
    Word,
    Line,
    Paragraph,
}

/// What is never cut: what a person sees as one character.
struct Atom<'a> {
    text: &'a str,
    /// Its length in UTF-16 code units as HTML.
    length: usize,
    run: usize,
}

/// The parts, in order. Only white space at the places where it was cut is left out.
pub(super) fn split(flow: &Flow) -> Vec<Flow> {
    let atoms = atoms(flow);
    let mut parts = vec![];
    let mut start = 0;
    while start < atoms.len() {
        // What a cut leaves of an empty line is nothing.
        if atoms[start].text == "\n" {
            start += 1;
            continue;
        }
        let end = cut(flow, &atoms, start);
        let shown = atoms[start..end].iter().rposition(|atom| !is_space(atom));
        if let Some(last) = shown {
            parts.push(part(flow, &atoms[start..=start + last]));
        }
        start = end;
    }
    parts
}

fn atoms(flow: &Flow) -> Vec<Atom<'_>> {
    let mut atoms = vec![];
    for (run, Run { text, .. }) in flow.runs.iter().enumerate() {
        let texts = text.graphemes(true).flat_map(characters);
        atoms.extend(texts.map(|text| Atom { text, length: html::length(text), run }));
    }
    atoms
}

/// What a person sees as one character; one that is piled up without end is cut within.
fn characters(grapheme: &str) -> impl Iterator<Item = &str> {
    let is_piled = grapheme.chars().nth(GRAPHEME).is_some();
    let mut rest = grapheme;
    std::iter::from_fn(move || {
        let length = if is_piled { rest.chars().next()?.len_utf8() } else { rest.len() };
        let (first, behind) = rest.split_at(length);
        rest = behind;
        Some(first).filter(|first| !first.is_empty())
    })
}

fn is_space(atom: &Atom<'_>) -> bool {
    atom.text.chars().all(char::is_whitespace)
}

/// The atom before which the part that begins at `start` ends.
fn cut(flow: &Flow, atoms: &[Atom<'_>], start: usize) -> usize {
    let mut size = Size::default();
    let mut places: [Option<(usize, usize)>; 5] = [None; 5];
    for (index, atom) in atoms.iter().enumerate().skip(start) {
        size.add(atom, &flow.runs[atom.run].styles);
        if index > start && !size.fits() {
            return best(&places).unwrap_or(index);
        }
        places[place(flow, atoms, index) as usize] = Some((index + 1, size.content));
    }
    atoms.len()
}

/// The best of the places that a part could end at. One that would leave most of the part empty is worse than a lesser
/// one behind it.
fn best(places: &[Option<(usize, usize)>; 5]) -> Option<usize> {
    let enough = |place: Place| places[place as usize].filter(|(_, content)| *content >= LENGTH / 3);
    let best = [Place::Paragraph, Place::Line, Place::Word].into_iter().find_map(enough);
    // A link before which nothing stood is cut only when it does not fit at all.
    let any = || [Place::Paragraph, Place::Line, Place::Word, Place::Character, Place::Link];
    best.or_else(|| any().into_iter().find_map(|place| places[place as usize])).map(|(index, _)| index)
}

/// How good it is to cut behind this atom.
fn place(flow: &Flow, atoms: &[Atom<'_>], index: usize) -> Place {
    let Some(next) = atoms.get(index + 1) else { return Place::Paragraph };
    let atom = &atoms[index];
    let styles = |atom: &Atom<'_>| &flow.runs[atom.run].styles;
    if link(styles(atom)).is_some() && link(styles(atom)) == link(styles(next)) {
        return Place::Link;
    }
    let in_block = |atom: &Atom<'_>| styles(atom).iter().any(|style| matches!(style, Style::Block { .. }));
    match (atom.text.ends_with('\n'), is_space(atom)) {
        (true, _) if in_block(atom) => Place::Line,
        // The last line break of several.
        (true, _) if next.text.ends_with('\n') => Place::Line,
        (true, _) if index > 0 && atoms[index - 1].text.ends_with('\n') => Place::Paragraph,
        (true, _) => Place::Line,
        (false, true) if !is_space(next) => Place::Word,
        _ => Place::Character,
    }
}

fn link(styles: &[Style]) -> Option<usize> {
    styles.iter().find_map(|style| match style {
        Style::Link { number, .. } => Some(*number),
        _ => None,
    })
}

/// The size of a part that grows.
#[derive(Default)]
struct Size<'a> {
    /// Text and tags that are written.
    written: usize,
    /// Text alone.
    content: usize,
    entities: usize,
    open: &'a [Style],
}

impl<'a> Size<'a> {
    fn add(&mut self, atom: &Atom<'_>, styles: &'a [Style]) {
        let kept = html::shared(self.open, styles);
        self.written += closing(&self.open[kept..]);
        for style in &styles[kept..] {
            self.written += html::open_tag(style).encode_utf16().count();
            self.entities += 1;
        }
        self.written += atom.length;
        self.content += atom.length;
        self.open = styles;
    }

    fn fits(&self) -> bool {
        self.written + closing(self.open) <= LENGTH && self.entities <= ENTITIES
    }
}

fn closing(styles: &[Style]) -> usize {
    styles.iter().map(|style| html::close_tag(style).len()).sum()
}

fn part(flow: &Flow, atoms: &[Atom<'_>]) -> Flow {
    let mut runs: Vec<Run> = vec![];
    let mut at = None;
    for atom in atoms {
        match runs.last_mut() {
            Some(run) if at == Some(atom.run) => run.text += atom.text,
            _ => {
                runs.push(Run { text: atom.text.to_owned(), styles: flow.runs[atom.run].styles.clone() });
                at = Some(atom.run);
            }
        }
    }
    Flow::of(runs)
}

#[cfg(test)]
mod tests;
