//! Finds any of many byte patterns in a text, or in a stream, letter case apart.

use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use bytes::{Bytes, BytesMut};

use super::prefilter::Prefilter;

/// Up to so many bytes of patterns the search is a table of states and bytes: faster, and about 256 bytes of memory
/// for each byte of a pattern.
const MAX_TABLE: usize = 16 * 1024;
/// How far a full search goes at least once the prefilter asked for it, beyond twice the longest pattern.
const SPAN: usize = 64;

/// Patterns with a label each; several patterns may share one.
#[derive(Default)]
pub(crate) struct Patterns {
    search: Option<AhoCorasick>,
    /// `None` where a pattern is too short for one.
    prefilter: Option<Prefilter>,
    labels: Vec<usize>,
    /// In lower case and in order, to tell whether a text is the start of one.
    sorted: Vec<Vec<u8>>,
    /// One bit for each pair of bytes that a pattern starts with.
    starts: Vec<u64>,
    longest: usize,
}

/// A match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) label: usize,
}

impl Patterns {
    /// Takes patterns of two bytes and more.
    pub(crate) fn new(patterns: Vec<(Vec<u8>, usize)>) -> Self {
        let total: usize = patterns.iter().map(|(bytes, _)| bytes.len()).sum();
        let labels = patterns.iter().map(|(_, label)| *label).collect();
        let kind = if total <= MAX_TABLE { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let search = (!patterns.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .ascii_case_insensitive(true)
                .kind(Some(kind))
                .build(patterns.iter().map(|(bytes, _)| bytes))
                .expect("the limits on secrets keep the patterns far below 2^31 states")
        });
        let mut sorted: Vec<Vec<u8>> =
            patterns.into_iter().map(|(bytes, _)| bytes.to_ascii_lowercase()).collect();
        sorted.sort();
        sorted.dedup();
        let prefilter = Prefilter::new(&sorted);
        let mut starts = vec![0; 1 << 10];
        for pattern in &sorted {
            let pair = pair(pattern[0], pattern[1]);
            starts[pair / 64] |= 1 << (pair % 64);
        }
        let longest = sorted.iter().map(Vec::len).max().unwrap_or(0);
        Self { search, prefilter, labels, sorted, starts, longest }
    }

    /// The first match from `from` on: the leftmost, and of those the longest.
    pub(crate) fn find(&self, text: &[u8], from: usize) -> Option<Found> {
        let Some(prefilter) = &self.prefilter else { return self.search(text, from, text.len()) };
        let mut from = from;
        while let Some(start) = prefilter.candidate(text, from) {
            // So far that a text made to trouble the prefilter is searched twice at most.
            let end = text.len().min(start + 2 * self.longest + SPAN);
            // A match that starts before here has its longest form in what is searched.
            let settled = if end == text.len() { end } else { end - self.longest };
            match self.search(text, start, end) {
                Some(found) if found.start < settled => return Some(found),
                _ => from = settled,
            }
        }
        None
    }

    fn search(&self, text: &[u8], from: usize, to: usize) -> Option<Found> {
        let found = self.search.as_ref()?.find(Input::new(text).range(from..to))?;
        let label = self.labels[found.pattern().as_usize()];
        Some(Found { start: found.start(), end: found.end(), label })
    }

    /// The first place from `from` on at which the rest of `text` is the start of a pattern, and not all of it; the
    /// text's length where there is none.
    fn open_start(&self, text: &[u8], from: usize) -> usize {
        let first = from.max((text.len() + 1).saturating_sub(self.longest));
        let tail = text[first.min(text.len())..].to_ascii_lowercase();
        let open = (0..tail.len()).find(|start| self.is_start(&tail[*start..]));
        open.map_or(text.len(), |start| first + start)
    }

    fn is_start(&self, rest: &[u8]) -> bool {
        if let [first, second, ..] = rest {
            let pair = pair(*first, *second);
            if self.starts[pair / 64] & (1 << (pair % 64)) == 0 {
                return false;
            }
        }
        let next = self.sorted.partition_point(|pattern| pattern.as_slice() <= rest);
        self.sorted.get(next).is_some_and(|pattern| pattern.starts_with(rest))
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// A pattern is as secret as what it was made from.
impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Patterns({})", self.labels.len())
    }
}

/// A search over a text that comes in pieces. Gives the same matches as one search over the whole text.
///
/// What is held back after each piece is the longest end of the text that starts a pattern. A match that begins
/// before it cannot grow any more: if it could, its own start would begin that end.
pub(crate) struct Flow {
    patterns: Arc<Patterns>,
    held: BytesMut,
}

/// What is held back may be most of a secret.
impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flow({} held)", self.held.len())
    }
}

impl Flow {
    pub(crate) fn new(patterns: Arc<Patterns>) -> Self {
        Self { patterns, held: BytesMut::new() }
    }

    /// Passes `piece` on with every match replaced by the replacement of its label.
    pub(crate) fn replace(&mut self, piece: Bytes, replacements: &[Bytes]) -> Bytes {
        let replace = |out: &mut BytesMut, label: usize| {
            out.extend_from_slice(&replacements[label]);
            true
        };
        self.step(Some(piece), replace).unwrap_or_default()
    }

    /// The end of the text, with the same replacements.
    pub(crate) fn replace_rest(&mut self, replacements: &[Bytes]) -> Bytes {
        let replace = |out: &mut BytesMut, label: usize| {
            out.extend_from_slice(&replacements[label]);
            true
        };
        self.step(None, replace).unwrap_or_default()
    }

    /// Passes `piece` on unless there is a match, which is given as the error: its label.
    pub(crate) fn scan(&mut self, piece: Bytes) -> Result<Bytes, usize> {
        self.step(Some(piece), |_, _| false)
    }

    /// The end of the text.
    pub(crate) fn scan_rest(&mut self) -> Result<Bytes, usize> {
        self.step(None, |_, _| false)
    }

    /// `piece` is `None` at the end. `on_match` writes what takes a match's place, or returns `false` to stop there.
    fn step(
        &mut self,
        piece: Option<Bytes>,
        mut on_match: impl FnMut(&mut BytesMut, usize) -> bool,
    ) -> Result<Bytes, usize> {
        let ended = piece.is_none();
        let text = self.join(piece.unwrap_or_default());
        let mut out = BytesMut::new();
        let mut position = 0;
        let mut open = if ended { text.len() } else { self.patterns.open_start(&text, 0) };
        while let Some(found) = self.patterns.find(&text, position).filter(|found| found.start < open) {
            out.extend_from_slice(&text[position..found.start]);
            if !on_match(&mut out, found.label) {
                return Err(found.label);
            }
            position = found.end;
            if position > open {
                open = if ended { text.len() } else { self.patterns.open_start(&text, position) };
            }
        }
        self.held = BytesMut::from(&text[open..]);
        if position == 0 {
            return Ok(text.slice(..open));
        }
        out.extend_from_slice(&text[position..open]);
        Ok(out.freeze())
    }

    fn join(&mut self, piece: Bytes) -> Bytes {
        if self.held.is_empty() {
            return piece;
        }
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(&piece);
        text.freeze()
    }
}
