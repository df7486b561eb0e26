//! What a body is: by what the server says, and where it says nothing by its first bytes.

/// Bytes that are looked at.
const HEAD: usize = 1024;

/// What can be done with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A page.
    Html,
    /// JSON.
    Json,
    /// Any other text.
    Text,
    /// No text.
    Other,
}

/// The type of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Type {
    /// What can be done with it.
    pub(crate) kind: Kind,
    /// Its media type.
    pub(crate) name: String,
    /// The encoding that the server states.
    pub(crate) charset: Option<String>,
}

impl Type {
    /// The type that `header` states (RFC 9110, section 8.3), checked against the bytes: what says that it is text and is
    /// none is not shown as text.
    pub(crate) fn of(header: Option<&str>, body: &[u8]) -> Self {
        let header = header.unwrap_or_default();
        let (essence, parameters) = header.split_once(';').unwrap_or((header, ""));
        let stated = essence.trim().to_ascii_lowercase();
        let is_name = |c: char| c.is_ascii_alphanumeric() || "/.+-_!#$&^".contains(c);
        let is_stated = stated.contains('/') && stated.len() <= 100 && stated.chars().all(is_name);
        let charset = charset(parameters);
        let is_wide = charset.as_deref().is_some_and(|name| name.to_ascii_lowercase().starts_with("utf-16"))
            || body.starts_with(b"\xff\xfe")
            || body.starts_with(b"\xfe\xff");
        let name = if is_stated { stated } else { sniffed(body).to_owned() };
        let kind = match of_name(&name) {
            // No text has a zero byte, but in an encoding of two bytes for a character.
            _ if !is_wide && body[..body.len().min(HEAD)].contains(&0) => Kind::Other,
            kind => kind,
        };
        Self { kind, name, charset }
    }
}

fn of_name(name: &str) -> Kind {
    match name {
        "text/html" | "application/xhtml+xml" => Kind::Html,
        "application/json" | "text/json" => Kind::Json,
        "application/xml"
        | "application/javascript"
        | "application/ecmascript"
        | "application/yaml"
        | "application/x-yaml"
        | "application/toml"
        | "application/x-ndjson"
        | "application/jsonl"
        | "application/sql"
        | "application/x-sh"
        | "application/rtf" => Kind::Text,
        name if name.ends_with("+json") => Kind::Json,
        name if name.ends_with("+xml") || name.ends_with("+yaml") => Kind::Text,
        name if name.starts_with("text/") => Kind::Text,
        _ => Kind::Other,
    }
}

fn charset(parameters: &str) -> Option<String> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("charset").then(|| value.to_owned())
    })
}

/// What a body without a type is (WHATWG MIME Sniffing, as far as it is needed to tell text from the rest).
fn sniffed(body: &[u8]) -> &'static str {
    let start = body.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(body.len());
    let head = &body[start..body.len().min(start + HEAD)];
    let lower = head.to_ascii_lowercase();
    let is_page = [&b"<!doctype html"[..], b"<html", b"<head", b"<body", b"<title", b"<!--"]
        .iter()
        .any(|mark| lower.starts_with(mark));
    let is_text = str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    match head {
        _ if is_page => "text/html",
        [b'%', b'P', b'D', b'F', ..] => "application/pdf",
        [b'{' | b'[', ..] if is_text => "application/json",
        _ if is_text => "text/plain",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: Option<&str>, body: &[u8], kind: Kind, name: &str) {
        let found = Type::of(header, body);
        assert_eq!((found.kind, found.name.as_str()), (kind, name), "{header:?}");
    }

    #[test]
    fn the_header_says_it_and_the_bytes_may_object() {
        check(Some("Text/HTML; charset=utf-8"), b"<p>", Kind::Html, "text/html");
        check(Some("application/ld+json"), b"{}", Kind::Json, "application/ld+json");
        check(Some("application/rss+xml"), b"<rss>", Kind::Text, "application/rss+xml");
        check(Some("text/csv"), b"a,b", Kind::Text, "text/csv");
        check(Some("text/plain"), b"\x89PNG\r\n\x1a\n\0\0", Kind::Other, "text/plain");
        check(Some("text/plain; charset=utf-16le"), b"a\0", Kind::Text, "text/plain");
        check(Some("application/pdf"), b"%PDF-1.7", Kind::Other, "application/pdf");
        check(Some("image/png"), b"x", Kind::Other, "image/png");
    }

    #[test]
    fn without_a_header_the_first_bytes_say_it() {
        check(None, b"\n <!DOCTYPE HTML><p>", Kind::Html, "text/html");
        check(None, b"{\"a\":1}", Kind::Json, "application/json");
        check(None, "grüße".as_bytes(), Kind::Text, "text/plain");
        check(None, b"%PDF-1.7", Kind::Other, "application/pdf");
        check(None, b"\x80\x81\xfe\xff", Kind::Other, "application/octet-stream");
        check(Some("nonsense"), b"x", Kind::Text, "text/plain");
        check(Some("a/b]\u{202e}"), b"x", Kind::Text, "text/plain");
        check(None, b"", Kind::Text, "text/plain");
    }

    #[test]
    fn the_charset_is_found_among_the_parameters() {
        let of = |header: &str| Type::of(Some(header), b"").charset;
        assert_eq!(of("text/html; a=b; Charset=\"utf-8\"").as_deref(), Some("utf-8"));
        assert_eq!(of("text/html"), None);
    }
}
