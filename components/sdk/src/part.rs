//! Long texts, given in parts: each as long as asked for, whole characters, and whole lines where that fits.

use crate::{Content, Output};

/// Bytes behind the end of a part that [`Part::of`] needs to see, to finish a character.
pub const MARGIN: usize = 3;

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// The text.
    pub text: &'a str,
    /// Where it begins, in bytes: the offset that was asked for, or the next character.
    pub start: u64,
    /// Bytes of the whole.
    pub size: u64,
}

impl<'a> Part<'a> {
    /// The part of a text of `size` bytes that starts at `offset` and has at most `limit` bytes, but at least one
    /// character. `bytes` is what stands at `offset`: `limit` and [`MARGIN`] bytes, or all that there are. `None` when
    /// that is not UTF-8.
    pub fn of(bytes: &'a [u8], offset: u64, limit: usize, size: u64) -> Option<Self> {
        let ends = offset + bytes.len() as u64 >= size;
        // Bytes that belong to a character before the offset.
        let skipped = bytes.iter().take(3).take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000).count();
        let skipped = if offset == 0 { 0 } else { skipped };
        let bytes = &bytes[skipped..];
        let text = match str::from_utf8(bytes) {
            Ok(text) => text,
            // A character that goes on behind what is seen; anything else is no UTF-8.
            Err(error) if error.error_len().is_none() && !ends => {
                str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
            }
            Err(_) => return None,
        };
        Some(Self { text: cut(text, limit), start: offset + skipped as u64, size })
    }

    /// Where it ends, in bytes: the offset of the next part.
    pub fn end(&self) -> u64 {
        self.start + self.text.len() as u64
    }

    /// The text as an answer, with a note behind it where it is not the whole.
    pub fn output(&self) -> Output {
        let (start, end, size) = (self.start, self.end(), self.size);
        if end < size {
            let note = format!("[Bytes {start} to {end} of {size}. Continue at offset {end}.]");
            Output::text(self.text).with(Content::Text(note))
        } else if start > 0 {
            Output::text(self.text)
                .with(Content::Text(format!("[Bytes {start} to {end} of {size}: the end.]")))
        } else {
            Output::text(self.text)
        }
    }
}

/// At most `limit` bytes of `text`, at least one character, and up to the end of a line where that is not much less.
fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = text.floor_char_boundary(limit).max(text.chars().next().map_or(0, char::len_utf8));
    let text = &text[..end];
    match text.rfind('\n') {
        Some(line) if line >= end / 2 => &text[..=line],
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a text part by part; every part is within the limit, and together they are the text.
    fn check(content: &str, limit: usize) {
        let size = content.len() as u64;
        let (mut offset, mut together) = (0, String::new());
        loop {
            let at = usize::try_from(offset).expect("fits");
            let bytes = &content.as_bytes()[at..content.len().min(at + limit + MARGIN)];
            let part = Part::of(bytes, offset, limit, size).expect("UTF-8");
            assert!(part.text.len() <= limit.max(4), "{limit}: {part:?}");
            assert!(!part.text.is_empty(), "{limit}: no progress at {offset}");
            together += part.text;
            offset = part.end();
            if offset == size {
                break;
            }
        }
        assert_eq!(together, content, "limit {limit}");
    }

    #[test]
    fn the_parts_of_a_text_are_the_text() {
        for limit in [1, 2, 3, 4, 5, 7, 64, 1000] {
            check("plain\ntext\n", limit);
            check("ä€😀\n😀€ä — a line\nlast", limit);
        }
        check(&"0123456789abcde\n".repeat(2_000), 1024);
    }

    #[test]
    fn a_part_ends_with_a_line_where_it_can() {
        let part = |limit| Part::of(b"one\ntwo\nthree\n", 0, limit, 14).expect("UTF-8").text;
        assert_eq!(part(10), "one\ntwo\n");
        assert_eq!(part(9), "one\ntwo\n");
        assert_eq!(part(7), "one\n");
        assert_eq!(
            Part::of(b"a\n3456789", 0, 8, 9).expect("UTF-8").text,
            "a\n345678",
            "half a part is too much to lose"
        );
        assert_eq!(part(14), "one\ntwo\nthree\n");
    }

    #[test]
    fn an_offset_inside_a_character_goes_to_the_next_one() {
        let bytes = "€b".as_bytes();
        let part = Part::of(&bytes[1..], 1, 10, 4).expect("UTF-8");
        assert_eq!((part.text, part.start, part.end()), ("b", 3, 4));
    }

    #[test]
    fn what_is_not_utf8_is_none() {
        for bytes in [&b"caf\xe9"[..], b"\xe2\x82", b"a\xffb", b"\x80a"] {
            assert_eq!(Part::of(bytes, 0, 100, bytes.len() as u64), None, "{bytes:?}");
        }
        assert_eq!(Part::of(b"a\xe2\x82", 0, 1, 10).map(|part| part.text), Some("a"), "it may go on behind");
    }
}
