//! Pieces of long texts, cut so that no mark of what is from outside is lost.
//!
//! Files that somebody sent stand between two lines of backticks, which are longer than any other such line of the
//! message, behind a line that says what they are. What begins within such a file gets both lines again, and a file that
//! is left is closed. A line of the message stays behind what stands before it.

/// The longest line of backticks, and the longest line before one, that are said again, in bytes. What has longer ones
/// is left out as a whole.
const LONGEST: (usize, usize) = (100, 1000);

/// A text in which something is left out: about so many bytes of the start and of the end are kept.
pub(super) fn middle_cut(text: &str, kept: (usize, usize)) -> String {
    let fences = Fences::find(text);
    let from = text.ceil_char_boundary(text.len().saturating_sub(kept.1));
    let Some((start, end)) = fences.around(kept.0, from) else {
        let start = fences.start(kept.0);
        return format!("{start}\n{}", left_out(text.len() - start.len()));
    };
    let opening = fences.opening(end).filter(|opening| opening.start >= start);
    let closed = if fences.opening(start).is_some() && (opening.is_some() || fences.opening(end).is_none()) {
        format!("{}\n", fences.line())
    } else {
        String::new()
    };
    let opened = opening.map_or(String::new(), |opening| format!("{}\n{}\n", opening.before, fences.line()));
    // What was no line of its own does not become one.
    let between = if text[..end].ends_with('\n') { '\n' } else { ' ' };
    let missing = left_out(end - start);
    format!("{}\n{closed}{opened}{missing}{between}{}", &text[..start], &text[end..])
}

/// The start of a text, of about so many bytes.
pub(super) fn start_cut(text: &str, kept: usize) -> String {
    if text.len() <= kept {
        return text.to_owned();
    }
    let fences = Fences::find(text);
    let start = fences.start(kept);
    match fences.opening(start.len()) {
        Some(_) => format!("{start}\n{}", fences.line()),
        None => start.to_owned(),
    }
}

fn left_out(bytes: usize) -> String {
    format!("[… {bytes} bytes are left out here to fit into the model's window …]")
}

/// The lines that files stand between.
struct Fences<'a> {
    text: &'a str,
    /// Where each of them begins and ends, its line end not counted.
    lines: Vec<(usize, usize)>,
}

/// The line with which a file begins.
struct Opening<'a> {
    start: usize,
    /// The line before it, which says what the file is.
    before: &'a str,
}

impl<'a> Fences<'a> {
    fn find(text: &'a str) -> Self {
        let mut at = 0;
        let mut lines = Vec::new();
        for line in text.split('\n') {
            if line.len() >= 3 && line.bytes().all(|byte| byte == b'`') {
                lines.push((at, at + line.len()));
            }
            at += line.len() + 1;
        }
        let longest = lines.iter().map(|(start, end)| end - start).max().unwrap_or_default();
        lines.retain(|(start, end)| end - start == longest);
        Self { text, lines }
    }

    /// One of them.
    fn line(&self) -> &'a str {
        self.lines.first().map_or("", |(start, end)| &self.text[*start..*end])
    }

    /// About so many bytes of the start, and nothing of what cannot be closed.
    fn start(&self, kept: usize) -> &'a str {
        let is_long = self.line().len() > LONGEST.0;
        let most = self.lines.first().filter(|_| is_long).map_or(self.text.len(), |(start, _)| *start);
        &self.text[..self.whole(self.text.floor_char_boundary(kept)).min(most)]
    }

    /// Where the start ends and where the end begins; `None` where the end cannot be marked as what it is.
    fn around(&self, kept: usize, from: usize) -> Option<(usize, usize)> {
        let (start, end) = (self.start(kept).len(), self.whole(from));
        let is_markable = |opening: &Opening<'_>| opening.before.len() <= LONGEST.1;
        let is_short = self.line().len() <= LONGEST.0;
        (is_short && start <= end && self.opening(end).as_ref().is_none_or(is_markable))
            .then_some((start, end))
    }

    /// The same place, or the start of the line of which it is in the middle.
    fn whole(&self, at: usize) -> usize {
        self.lines.iter().find(|(start, end)| (*start..*end).contains(&at)).map_or(at, |(start, _)| *start)
    }

    /// The line with which the file begins that a place is in.
    fn opening(&self, at: usize) -> Option<Opening<'a>> {
        let before = self.lines.iter().filter(|(_, end)| *end <= at).count();
        let (start, _) = self.lines[..before].last().filter(|_| before % 2 == 1)?;
        let above = self.text[..*start].trim_end_matches('\n');
        Some(Opening { start: *start, before: above.rsplit('\n').next().unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests;
