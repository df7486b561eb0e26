//! Text from outside, made safe for the place where it is shown.

use std::fmt::Write as _;

/// `text` for a place of one line: control characters (line ends, escape sequences), bidirectional marks and other
/// invisible formatting become visible escapes, and no more than `max` characters are shown.
pub fn one_line(text: &str, max: usize) -> String {
    let mut shown = escape(text.chars().take(max), false);
    if text.chars().nth(max).is_some() {
        shown.push('…');
    }
    shown
}

/// `text` for a terminal: as [`one_line`], but line feeds and tabs stay and nothing is cut.
pub fn terminal(text: &str) -> String {
    escape(text.chars(), true)
}

fn escape(text: impl Iterator<Item = char>, keep_lines: bool) -> String {
    let mut shown = String::new();
    for c in text {
        match c {
            '\n' | '\t' if keep_lines => shown.push(c),
            c if c.is_control() || is_invisible(c) => {
                write!(shown, "\\u{{{:x}}}", u32::from(c)).expect("writing to a String cannot fail");
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Marks that change how other text is shown: bidirectional controls, zero-width characters but the joiners that
/// scripts and emoji need, line and paragraph separators, tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_marks_become_visible() {
        assert_eq!(one_line("a\u{1b}[31mb\nc\u{202e}d", 80), "a\\u{1b}[31mb\\u{a}c\\u{202e}d");
        assert_eq!(terminal("a\nb\t\u{9b}c\r"), "a\nb\t\\u{9b}c\\u{d}");
    }

    #[test]
    fn long_text_is_cut_with_a_sign() {
        assert_eq!(one_line("äöü", 2), "äö…");
        assert_eq!(one_line("äö", 2), "äö");
    }
}
