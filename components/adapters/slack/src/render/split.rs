//! Cutting a flow into pieces that fit.

use unicode_segmentation::UnicodeSegmentation as _;

use super::flow::{Flow, Run, Style};
use super::written;

/// The most characters (Unicode scalar values) of what is never cut. Scripts and emoji stay far below it; what does not
/// is a single letter under marks without end, which would never fit.
const GRAPHEME: usize = 64;

/// How good a place is to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
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
    /// The most that it takes, written.
    length: usize,
    run: usize,
}

/// A flow that is being cut. Only white space at the places where it is cut is left out.
pub(super) struct Cutter<'a> {
    flow: &'a Flow,
    atoms: Vec<Atom<'a>>,
    start: usize,
}

impl<'a> Cutter<'a> {
    /// All of this flow.
    pub(super) fn new(flow: &'a Flow) -> Self {
        let mut atoms = vec![];
        for (run, Run { text, styles }) in flow.runs.iter().enumerate() {
            for text in text.graphemes(true).flat_map(pieces) {
                atoms.push(Atom { text, length: written::most(text, styles), run });
            }
        }
        let mut cutter = Self { flow, atoms, start: 0 };
        cutter.skip();
        cutter
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.start >= self.atoms.len()
    }

    /// Where all of it ends.
    pub(super) fn end(&self) -> usize {
        self.atoms.len()
    }

    /// Where a piece of at most `limit` would end, and how good that place is.
    pub(super) fn place(&self, limit: usize) -> (usize, Place) {
        let mut places: [Option<(usize, usize)>; 5] = [None; 5];
        let mut size = Size::default();
        for index in self.start..self.atoms.len() {
            let atom = &self.atoms[index];
            size.add(atom, &self.flow.runs[atom.run].styles);
            if index > self.start && size.all > limit {
                return best(&places, limit).unwrap_or((index, Place::Character));
            }
            places[self.place_behind(index) as usize] = Some((index + 1, size.content));
        }
        (self.atoms.len(), Place::Paragraph)
    }

    /// Takes what is before `end`; nothing where that is white space alone.
    pub(super) fn take(&mut self, end: usize) -> Option<Flow> {
        let atoms = &self.atoms[self.start..end];
        let shown = atoms.iter().rposition(|atom| !is_space(atom));
        let piece = shown.map(|last| piece(self.flow, &atoms[..=last]));
        self.start = end;
        self.skip();
        piece
    }

    /// What a cut leaves of an empty line is nothing.
    fn skip(&mut self) {
        let left = self.atoms.get(self.start..).unwrap_or_default();
        self.start += left.iter().take_while(|atom| atom.text == "\n").count();
    }

    /// How good it is to cut behind this atom.
    fn place_behind(&self, index: usize) -> Place {
        let Some(next) = self.atoms.get(index + 1) else { return Place::Paragraph };
        let atom = &self.atoms[index];
        let styles = |atom: &Atom<'_>| &self.flow.runs[atom.run].styles;
        if link(styles(atom)).is_some() && link(styles(atom)) == link(styles(next)) {
            return Place::Link;
        }
        let in_block = styles(atom).iter().any(|style| matches!(style, Style::Block(_)));
        let again = || index > self.start && self.atoms[index - 1].text.ends_with('\n');
        match (atom.text.ends_with('\n'), is_space(atom)) {
            (true, _) if in_block || next.text.ends_with('\n') => Place::Line,
            // The last line break of several.
            (true, _) if again() => Place::Paragraph,
            (true, _) => Place::Line,
            (false, true) if !is_space(next) => Place::Word,
            _ => Place::Character,
        }
    }
}

/// A grapheme, in pieces if it is one that is piled up without end.
fn pieces(grapheme: &str) -> Vec<&str> {
    let mut ends: Vec<_> = grapheme.char_indices().map(|(at, _)| at).step_by(GRAPHEME).skip(1).collect();
    ends.push(grapheme.len());
    let mut start = 0;
    ends.into_iter().map(|end| &grapheme[std::mem::replace(&mut start, end)..end]).collect()
}

fn is_space(atom: &Atom<'_>) -> bool {
    atom.text.chars().all(char::is_whitespace)
}

/// The best of the places. One that would leave most of the piece empty is worse than a lesser one behind it.
fn best(places: &[Option<(usize, usize)>; 5], limit: usize) -> Option<(usize, Place)> {
    let at = |place: Place| places[place as usize].map(|(index, content)| (index, place, content));
    let good = [Place::Paragraph, Place::Line, Place::Word];
    let enough = good.into_iter().filter_map(at).find(|(_, _, content)| *content >= limit / 3);
    // A link before which nothing stood is cut only when it does not fit at all.
    let any = || good.into_iter().chain([Place::Character, Place::Link]).find_map(at);
    enough.or_else(any).map(|(index, place, _)| (index, place))
}

fn link(styles: &[Style]) -> Option<usize> {
    styles.iter().find_map(|style| match style {
        Style::Link(number, _) => Some(*number),
        _ => None,
    })
}

/// The size of a piece that grows.
#[derive(Default)]
struct Size<'a> {
    /// Text and marks.
    all: usize,
    /// Text alone.
    content: usize,
    open: &'a [Style],
}

impl<'a> Size<'a> {
    fn add(&mut self, atom: &Atom<'_>, styles: &'a [Style]) {
        let kept = written::shared(self.open, styles);
        self.all += styles[kept..].iter().map(written::marks).sum::<usize>() + atom.length;
        self.content += atom.length;
        self.open = styles;
    }
}

fn piece(flow: &Flow, atoms: &[Atom<'_>]) -> Flow {
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
