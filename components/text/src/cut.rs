//! Cutting styled text into pieces that fit.

use crate::character;
use crate::flow::{Form, Run, Style, shared};
use std::marker::PhantomData;

/// How good a place is to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Within a link.
    Link,
    /// Within a word.
    Character,
    /// Between words.
    Word,
    /// Between lines.
    Line,
    /// Between paragraphs, or at the end.
    Paragraph,
}

/// The last place of each kind that a piece could end at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Places([Option<(usize, usize)>; 5]);

impl Places {
    /// Notes that a piece could end before `end`, with so much in it.
    pub(crate) fn note(&mut self, place: Place, end: usize, content: usize) {
        self.0[place as usize] = Some((end, content));
    }

    /// The best of them. One that would leave most of the piece empty is worse than a lesser one behind it.
    pub(crate) fn best(&self, limit: usize) -> Option<(usize, Place)> {
        let at = |place: Place| self.0[place as usize].map(|(end, content)| (end, place, content));
        let good = [Place::Paragraph, Place::Line, Place::Word];
        let enough = good.into_iter().filter_map(at).find(|(_, _, content)| *content >= limit / 3);
        // A link before which nothing stood is cut only when it does not fit at all.
        let any = || good.into_iter().chain([Place::Character, Place::Link]).find_map(at);
        enough.or_else(any).map(|(end, place, _)| (end, place))
    }
}

/// What is never cut: what a person sees as one character.
#[derive(Debug)]
struct Atom<'a> {
    text: &'a str,
    /// The most that it takes, written.
    length: usize,
    run: usize,
}

impl Atom<'_> {
    fn is_space(&self) -> bool {
        character::is_space(self.text)
    }
}

/// A text that is being cut. Only white space at the places where it is cut is left out.
#[derive(Debug)]
pub struct Cutter<'a, F> {
    runs: &'a [Run],
    atoms: Vec<Atom<'a>>,
    start: usize,
    form: PhantomData<F>,
}

impl<'a, F: Form> Cutter<'a, F> {
    /// All of this text.
    pub fn new(runs: &'a [Run]) -> Self {
        let mut atoms = vec![];
        for (run, Run { text, styles }) in runs.iter().enumerate() {
            let characters = character::all(text);
            atoms.extend(characters.map(|text| Atom { text, length: F::length(text, styles), run }));
        }
        let mut cutter = Self { runs, atoms, start: 0, form: PhantomData };
        cutter.skip();
        cutter
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.start >= self.atoms.len()
    }

    /// Where all of it ends.
    pub fn end(&self) -> usize {
        self.atoms.len()
    }

    /// Where a piece of at most `limit` would end, and how good that place is.
    pub fn place(&self, limit: usize) -> (usize, Place) {
        let mut places = Places::default();
        let mut size = Size::default();
        for index in self.start..self.atoms.len() {
            let atom = &self.atoms[index];
            size.add::<F>(atom, &self.runs[atom.run].styles);
            if index > self.start && (size.all > limit || size.styles > F::STYLES) {
                return places.best(limit).unwrap_or((index, Place::Character));
            }
            places.note(self.place_behind(index), index + 1, size.content);
        }
        (self.atoms.len(), Place::Paragraph)
    }

    /// Takes what is before `end`; nothing where that is white space alone.
    pub fn take(&mut self, end: usize) -> Option<Vec<Run>> {
        let atoms = &self.atoms[self.start..end];
        let shown = atoms.iter().rposition(|atom| !atom.is_space());
        let piece = shown.map(|last| self.piece(&atoms[..=last]));
        self.start = end;
        self.skip();
        piece
    }

    /// All pieces, each of at most `limit`.
    pub fn pieces(mut self, limit: usize) -> Vec<Vec<Run>> {
        let mut pieces = vec![];
        while !self.is_done() {
            let (end, _) = self.place(limit);
            pieces.extend(self.take(end));
        }
        pieces
    }

    /// What a cut leaves of an empty line is nothing.
    fn skip(&mut self) {
        let left = self.atoms.get(self.start..).unwrap_or_default();
        self.start += left.iter().take_while(|atom| atom.text == "\n").count();
    }

    fn styles(&self, atom: &Atom<'_>) -> &'a [Style] {
        &self.runs[atom.run].styles
    }

    /// How good it is to cut behind this atom.
    fn place_behind(&self, index: usize) -> Place {
        let Some(next) = self.atoms.get(index + 1) else { return Place::Paragraph };
        let atom = &self.atoms[index];
        let link = |atom: &Atom<'_>| self.styles(atom).iter().find(|style| style.is_link());
        if link(atom).is_some() && link(atom) == link(next) {
            return Place::Link;
        }
        let in_block = self.styles(atom).iter().any(Style::is_block);
        let again = || index > self.start && self.atoms[index - 1].text.ends_with('\n');
        match (atom.text.ends_with('\n'), atom.is_space()) {
            (true, _) if in_block || next.text.ends_with('\n') => Place::Line,
            // The last line break of several.
            (true, _) if again() => Place::Paragraph,
            (true, _) => Place::Line,
            (false, true) if !next.is_space() => Place::Word,
            _ => Place::Character,
        }
    }

    fn piece(&self, atoms: &[Atom<'_>]) -> Vec<Run> {
        let mut runs: Vec<Run> = vec![];
        let mut at = None;
        for atom in atoms {
            match runs.last_mut() {
                Some(run) if at == Some(atom.run) => run.text += atom.text,
                _ => {
                    runs.push(Run { text: atom.text.to_owned(), styles: self.styles(atom).to_vec() });
                    at = Some(atom.run);
                }
            }
        }
        runs
    }
}

/// The size of a piece that grows.
#[derive(Default)]
struct Size<'a> {
    /// Text and marks, those that will end it included.
    all: usize,
    /// Text alone.
    content: usize,
    /// How often a style began.
    styles: usize,
    open: &'a [Style],
}

impl<'a> Size<'a> {
    fn add<F: Form>(&mut self, atom: &Atom<'_>, styles: &'a [Style]) {
        let begun = &styles[shared(self.open, styles)..];
        self.all += begun.iter().map(F::marks).sum::<usize>() + atom.length;
        self.content += atom.length;
        self.styles += begun.len();
        self.open = styles;
    }
}

#[cfg(test)]
mod tests;
