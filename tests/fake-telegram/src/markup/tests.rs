//! What is taken and what is refused.

use super::{Entity, parse, units, with_entities};

#[track_caller]
fn check(mode: &str, source: &str, text: &str, entities: &[(&str, usize, usize)]) {
    let parsed = parse(Some(mode), source).unwrap();
    let found: Vec<_> = parsed.entities.iter().map(|e| (e.kind.as_str(), e.offset, e.length)).collect();
    assert_eq!((parsed.text.as_str(), found.as_slice()), (text, entities), "{source}");
}

#[track_caller]
fn refused(mode: &str, source: &str, why: &str) {
    let error = parse(Some(mode), source).unwrap_err();
    assert_eq!(error, format!("Bad Request: can't parse entities: {why}"), "{source}");
}

#[test]
fn html_is_parsed() {
    check(
        "HTML",
        "a <b>b <i>c</i></b> &lt;d&gt; &amp;&quot;",
        "a b c <d> &\"",
        &[("bold", 2, 3), ("italic", 4, 1)],
    );
    check(
        "html",
        "<strong>x</strong><em>y</em><del>z</del>",
        "xyz",
        &[("bold", 0, 1), ("italic", 1, 1), ("strikethrough", 2, 1)],
    );
    check("HTML", "😀<code>a&#38;b</code>", "😀a&b", &[("code", 2, 3)]);
    check("HTML", "<blockquote expandable>q</blockquote>", "q", &[("expandable_blockquote", 0, 1)]);
    check("HTML", "<span class=\"tg-spoiler\">s</span>", "s", &[("spoiler", 0, 1)]);
    check("HTML", "a > b & c &nbsp;", "a > b & c &nbsp;", &[]);
    check("HTML", "<a href=\"javascript:alert(1)\">x</a>", "x", &[]);
    let parsed = parse(Some("HTML"), "<pre><code class=\"language-rust\">fn</code></pre>").unwrap();
    assert_eq!(parsed.entities[0].language.as_deref(), Some("rust"));
    assert_eq!(parsed.entities.len(), 1);
    let parsed = parse(Some("HTML"), "<a href=\"https://example.com/?a=1&amp;b=2\">x</a>").unwrap();
    assert_eq!(parsed.entities[0].url.as_deref(), Some("https://example.com/?a=1&b=2"));
}

#[test]
fn malformed_html_is_refused() {
    refused("HTML", "<b>x", "Can't find end tag corresponding to start tag \"b\"");
    refused("HTML", "x</b>", "Unexpected end tag at byte offset 1");
    refused(
        "HTML",
        "<b><i>x</b></i>",
        "Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\"",
    );
    refused("HTML", "<table>", "Unsupported start tag \"table\" at byte offset 0");
    refused("HTML", "<p>x</p>", "Unsupported start tag \"p\" at byte offset 0");
    refused("HTML", "1 <b", "Unclosed start tag at byte offset 2");
    refused("HTML", "1 < 2 > 1", "Unsupported start tag \"\" at byte offset 2");
    refused("HTML", "<a href=\"x", "Unclosed start tag at byte offset 0");
    refused("HTML", "<span>x</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0");
}

#[test]
fn markdown_is_parsed() {
    check(
        "MarkdownV2",
        "*b _i_* __u__ ~s~ ||p||",
        "b i u s p",
        &[("bold", 0, 3), ("italic", 2, 1), ("underline", 4, 1), ("strikethrough", 6, 1), ("spoiler", 8, 1)],
    );
    check("MarkdownV2", "1\\. a\\-b\\!", "1. a-b!", &[]);
    check("MarkdownV2", "`a*b.` x", "a*b. x", &[("code", 0, 4)]);
    check("MarkdownV2", ">one\n>two\nthree", "one\ntwo\nthree", &[("blockquote", 0, 7)]);
    check("MarkdownV2", ">one\n>two||", "one\ntwo", &[("expandable_blockquote", 0, 7)]);
    check("MarkdownV2", ">one\n**>two", "one\ntwo", &[("blockquote", 0, 3), ("blockquote", 4, 3)]);
    let parsed =
        parse(Some("MarkdownV2"), "```rust\nlet a = 1;\n``` [t](https://example.com/a\\)b)").unwrap();
    assert_eq!(parsed.text, "let a = 1;\n t");
    assert_eq!(parsed.entities[0].language.as_deref(), Some("rust"));
    assert_eq!(parsed.entities[1].url.as_deref(), Some("https://example.com/a)b"));
}

#[test]
fn malformed_markdown_is_refused() {
    for c in ['#', '+', '-', '=', '{', '}', '.', '!', '(', ')', ']', '|'] {
        let why = format!("Character '{c}' is reserved and must be escaped with the preceding '\\'");
        refused("MarkdownV2", &format!("a{c}b"), &why);
    }
    refused("MarkdownV2", "a>b", "Character '>' is reserved and must be escaped with the preceding '\\'");
    refused("MarkdownV2", "a *b", "Can't find end of Bold entity at byte offset 2");
    refused("MarkdownV2", "a_b", "Can't find end of Italic entity at byte offset 1");
    refused("MarkdownV2", "*a_b*c", "Can't find end of Bold entity at byte offset 4");
    refused("MarkdownV2", ">*a\nb*", "Can't find end of Bold entity at byte offset 1");
    refused("MarkdownV2", "```a", "Can't find end of Pre entity at byte offset 0");
    refused("MarkdownV2", "[a](b", "Can't find end of a URL at byte offset 2");
}

#[test]
fn other_modes_and_entities_out_of_bounds_are_refused() {
    assert_eq!(parse(Some("BBCode"), "x").unwrap_err(), "Bad Request: unsupported parse_mode");
    assert!(with_entities("😀", vec![Entity::new("bold", 0, 2)]).is_ok());
    assert!(with_entities("😀", vec![Entity::new("bold", 0, 3)]).is_err());
}

#[test]
fn space_around_and_marks_that_deceive_are_taken_away() {
    check("HTML", "  <b> x</b>\u{202e} \r\n", "x", &[("bold", 0, 1)]);
    assert_eq!(parse(None, "a\u{1b}[31mb").unwrap().text, "a [31mb");
    assert_eq!(units("😀a"), 3);
}
