//! What a person sees as one character.

use unicode_segmentation::UnicodeSegmentation as _;

/// The most Unicode scalar values of what is never cut. Scripts and emoji stay far below it; what does not is a single
/// letter under marks without end, which would never fit.
const MOST: usize = 64;

/// How many bytes are looked at for one of them: no more than its scalar values can have.
const WINDOW: usize = 4 * (MOST + 1);

/// How many bytes of a text are its first character; one that is piled up without end is cut within.
pub(crate) fn first(text: &str) -> usize {
    let window = &text[..text.floor_char_boundary(WINDOW.min(text.len()))];
    let grapheme = window.graphemes(true).next().unwrap_or(window);
    // Two bytes to one line break would be no place to cut.
    if grapheme.chars().nth(MOST).is_some() || grapheme == "\r\n" {
        return text.chars().next().map_or(0, char::len_utf8);
    }
    grapheme.len()
}

/// A text in its characters.
pub(crate) fn all(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (first, behind) = rest.split_at(first(rest));
        rest = behind;
        Some(first).filter(|first| !first.is_empty())
    })
}

/// Whether a text is white space alone.
pub(crate) fn is_space(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::{MOST, all};

    #[test]
    fn what_is_seen_as_one_is_one() {
        let family = "👨‍👩‍👧‍👦";
        let flag = "🇪🇺";
        let text = [family, "a", "e\u{301}", "\r", "\n", flag, flag];
        assert_eq!(all(&text.concat()).collect::<Vec<_>>(), text);
    }

    #[test]
    fn what_is_piled_up_without_end_is_not() {
        let piled = |marks: usize| format!("a{}", "\u{301}".repeat(marks));
        let count = |marks: usize| all(&piled(marks)).count();
        assert_eq!(count(MOST - 1), 1);
        // The letter alone; what is left is below the limit again.
        assert_eq!(count(MOST), 2);
        assert_eq!(all(&piled(10_000)).collect::<String>(), piled(10_000));
    }
}
