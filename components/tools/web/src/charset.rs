//! Which encoding a text has, and the text.
//!
//! In the order of the HTML Standard ("Determining the character encoding"): a byte order mark, what the server says,
//! what the page says of itself, and else UTF-8 where it is that and windows-1252 where it is not.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::kind::{Kind, Type};

/// How far into a page it may say its encoding (HTML Standard, "Prescan a byte stream to determine its encoding").
const PRESCAN: usize = 1024;

/// The text of a body, of which there may be more than was read.
pub(crate) fn decode<'a>(body: &'a [u8], kind: &Type, is_cut: bool) -> Cow<'a, str> {
    // `decode` looks for a mark itself, and lets it win.
    encoding(body, kind, is_cut).decode(body).0
}

fn encoding(body: &[u8], kind: &Type, is_cut: bool) -> &'static Encoding {
    if let Some((marked, _)) = Encoding::for_bom(body) {
        return marked;
    }
    let stated = kind.charset.as_deref().and_then(|label| Encoding::for_label(label.as_bytes()));
    if let Some(stated) = stated {
        return stated;
    }
    let of_page = if kind.kind == Kind::Html { of_page(body) } else { None };
    of_page.unwrap_or_else(|| if is_utf8(body, is_cut) { UTF_8 } else { WINDOWS_1252 })
}

/// Whether it is UTF-8, but for a character that was cut.
fn is_utf8(body: &[u8], is_cut: bool) -> bool {
    str::from_utf8(body).map_or_else(|error| is_cut && error.error_len().is_none(), |_| true)
}

/// The encoding that a page names: `<meta charset=…>` or `<meta http-equiv=content-type content="…; charset=…">`, or the
/// declaration of XML. Comments are passed over.
fn of_page(body: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&body[..body.len().min(PRESCAN)]).to_ascii_lowercase();
    let mut rest = head.as_str();
    if let Some(declaration) = rest.trim_start().strip_prefix("<?xml") {
        let declaration = declaration.split('>').next().unwrap_or_default();
        if let Some(found) = label_after(declaration, "encoding") {
            return Some(found);
        }
    }
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if rest.starts_with("<!--") {
            rest = rest.find("-->").map_or("", |end| &rest[end..]);
            continue;
        }
        let end = rest.find('>').unwrap_or(rest.len());
        let tag = &rest[..end];
        if tag
            .strip_prefix("<meta")
            .is_some_and(|rest| rest.starts_with([' ', '\t', '\n', '\r', '\x0c', '/']))
            && let Some(found) = label_after(tag, "charset")
        {
            return Some(found);
        }
        rest = &rest[end..];
    }
    None
}

/// The encoding whose label stands behind `name` and `=`.
fn label_after(text: &str, name: &str) -> Option<&'static Encoding> {
    let (_, after) = text.split_once(name)?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let value = value.trim_start_matches(['"', '\'']);
    let label = value.split(['"', '\'', ';', ' ', '/', '>', '?']).next()?;
    let found = Encoding::for_label(label.as_bytes())?;
    // It can be read as bytes, so it is not UTF-16.
    Some(if found == UTF_16LE || found == UTF_16BE { UTF_8 } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, body: &[u8], expected: &str) {
        let kind = Type::of(Some(content_type), body);
        assert_eq!(decode(body, &kind, false), expected, "{content_type}");
    }

    #[test]
    fn the_mark_wins_then_the_server_then_the_page() {
        check("text/html; charset=iso-8859-1", b"\xef\xbb\xbf\xc3\xa4", "ä");
        check("text/plain", b"\xff\xfea\0\xe4\0", "aä");
        check("text/plain", b"\xfe\xff\0a\0\xe4", "aä");
        check("text/html; charset=windows-1251", b"<meta charset=utf-8>\xcf", "<meta charset=utf-8>П");
        check("text/html", b"<meta charset=windows-1251>\xcf", "<meta charset=windows-1251>П");
        check("text/html; charset=\"Shift_JIS\"", b"\x83\x65\x83\x58\x83\x67", "テスト");
        check("text/html; charset=gbk", b"\xc4\xe3\xba\xc3", "你好");
    }

    #[test]
    fn a_page_names_its_encoding_in_several_ways() {
        let of = |head: &str| of_page(head.as_bytes()).map(Encoding::name);
        for head in [
            "<META CHARSET='koi8-r'>",
            "<html><head><title>x</title><meta charset=koi8-r />",
            "<meta http-equiv=Content-Type content=\"text/html; charset=koi8-r\">",
            "<?xml version=\"1.0\" encoding=\"koi8-r\"?><html>",
        ] {
            assert_eq!(of(head), Some("KOI8-R"), "{head}");
        }
        assert_eq!(of("<!-- <meta charset=koi8-r> --><p>charset=koi8-r"), None);
        assert_eq!(of("<metadata charset=koi8-r>"), None);
        assert_eq!(of("<meta charset=nonsense>"), None);
        assert_eq!(of("<meta charset=utf-16>"), Some("UTF-8"));
        assert_eq!(of(&format!("{}<meta charset=koi8-r>", " ".repeat(PRESCAN))), None);
    }

    #[test]
    fn without_a_word_it_is_utf8_or_what_old_pages_are() {
        check("text/plain", "ä€".as_bytes(), "ä€");
        check("text/plain", b"caf\xe9 \x80", "café €");
        check("text/plain; charset=nonsense", b"caf\xe9", "café");
        let kind = Type::of(Some("text/plain"), b"");
        assert_eq!(decode(&"ä€".as_bytes()[..4], &kind, true), "ä\u{fffd}");
    }
}
