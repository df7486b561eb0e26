//! What a file is, by what is in it: what the platform says of it is the word of whoever sent it.

use openpact_engine::Format;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text.
    Text(String),
    /// An image of a kind that models take.
    Image(Format),
    /// Something else; its media type, where it is known.
    Other(Option<&'static str>),
}

/// What these bytes are.
pub(super) fn of(bytes: &[u8]) -> Kind {
    // First of all, since the shortest signatures of other kinds are words that a text may begin with. No image is a
    // text: each has bytes that no text has.
    if let Some(text) = text(bytes) {
        return Kind::Text(text);
    }
    match infer::get(bytes).map(|known| known.mime_type()) {
        Some("image/png") => Kind::Image(Format::Png),
        Some("image/jpeg") => Kind::Image(Format::Jpeg),
        Some("image/gif") => Kind::Image(Format::Gif),
        Some("image/webp") => Kind::Image(Format::Webp),
        other => Kind::Other(other),
    }
}

/// The text that these bytes are: UTF-8, or UTF-16 with its mark, and no control characters but those of texts and of
/// what terminals write.
fn text(bytes: &[u8]) -> Option<String> {
    let text = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => std::str::from_utf8(rest).ok()?.to_owned(),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => std::str::from_utf8(bytes).ok()?.to_owned(),
    };
    let is_noise = |c: char| {
        c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{8}' | '\u{c}' | '\u{1b}' | '\u{85}')
    };
    (!text.contains(is_noise)).then_some(text)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text = char::decode_utf16(pairs.iter().copied().map(unit)).collect::<Result<_, _>>().ok();
    text.filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(of(bytes), Kind::Text(expected.to_owned()), "{bytes:?}");
    }

    #[test]
    fn texts_are_read_in_the_encodings_that_say_what_they_are() {
        check(b"", "");
        check("ä\r\n\tb\x1b[31mred\x0c".as_bytes(), "ä\r\n\tb\x1b[31mred\x0c");
        check(b"\xef\xbb\xbfmarked", "marked");
        check(b"\xff\xfeh\0i\0=\xd8\x00\xde", "hi\u{1f600}");
        check(b"\xfe\xff\0h\0i", "hi");
        check(b"GIF is a kind of image", "GIF is a kind of image");
        check(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "<svg xmlns='http://www.w3.org/2000/svg'/>");
    }

    #[test]
    fn noise_is_no_text() {
        for bytes in [
            &b"a\0b"[..],
            b"a\x01b",
            b"a\x7fb",
            b"\xc2\x9b",
            b"\xffa",
            b"Gr\xfc\xdfe",
            b"\xff\xfeh\0i",
            b"\xff\xfe\0\xd8",
            b"\xff\xfe\0\0h\0\0\0",
        ] {
            assert!(matches!(of(bytes), Kind::Other(_)), "{bytes:?}");
        }
    }

    #[test]
    fn images_are_known_by_their_first_bytes() {
        for (bytes, format) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"[..], Format::Png),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", Format::Jpeg),
            (b"GIF89a\x01\0\x01\0\0\0\0", Format::Gif),
            (b"RIFF\x24\0\0\0WEBPVP8 ", Format::Webp),
        ] {
            assert_eq!(of(bytes), Kind::Image(format));
        }
        assert_eq!(of(b"%PDF-1.7\n\xb5\xb5\0"), Kind::Other(Some("application/pdf")));
        assert_eq!(of(b"BM\0\0\0\0\0\0"), Kind::Other(Some("image/bmp")));
        assert_eq!(of(b"PK\x03\x04\0\0"), Kind::Other(Some("application/zip")));
    }
}
