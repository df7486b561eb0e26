//! Messages, rendered.

mod examples;

use openpact_sdk::adapter::{ButtonStyle, Detail, Stage};
use proptest::prelude::*;

use super::*;
use crate::MESSAGE_LENGTH;

fn outbound(pieces: Vec<Piece>, detail: Detail) -> Outbound {
    Outbound { pieces, buttons: vec![], detail, stage: Stage::Complete }
}

fn html_of(part: &Part) -> String {
    Body::read(part).expect("our own").html
}

fn rendered(pieces: Vec<Piece>) -> Vec<Part> {
    parts(&outbound(pieces, Detail::Full))
}

fn check(markdown: &str, html: &str) {
    let parts = rendered(vec![Piece::Markdown(markdown.into())]);
    let all: Vec<_> = parts.iter().map(html_of).collect();
    assert_eq!(all.join("\u{1}"), html, "{markdown:?}");
}

#[test]
fn markdown_becomes_telegrams_html() {
    check("a **b** _c_ ~~d~~ `e`", "a <b>b</b> <i>c</i> <s>d</s> <code>e</code>");
    check("# Title\n\ntext", "<b>Title</b>\n\ntext");
    check("a\nb  \nc\n\nd", "a\nb\nc\n\nd");
    check(
        "```rust\nfn a() {}\n\n\nb\n```",
        "<pre><code class=\"language-rust\">fn a() {}\n\n\nb</code></pre>",
    );
    check("```\na\n```\n\n```\nb\n```", "<pre>a</pre>\n\n<pre>b</pre>");
    check("- a\n- b\n  - c\n\nd", "• a\n• b\n   • c\n\nd");
    check("3. a\n4. b", "3. a\n4. b");
    check("> a\n>\n> b\n\nc", "<blockquote>a\n\nb</blockquote>\n\nc");
    check("> a\n\n\n> b", "<blockquote>a</blockquote>\n\n<blockquote>b</blockquote>");
    check("[a *b*](https://x.example/?a=1&b=2)", "<a href=\"https://x.example/?a=1&amp;b=2\">a <i>b</i></a>");
    check("![alt](https://x.example/i.png)", "<a href=\"https://x.example/i.png\">alt</a>");
    check("| a | b |\n|---|---|\n| long | c |", "<pre>a    | b\n-----+--\nlong | c</pre>");
    check("---", "———");
    check("**a `b` c**", "<b>a </b><code>b</code><b> c</b>");
}

#[test]
fn html_of_a_model_is_text() {
    check("<b>x</b> & \"y\" <u>⚙ z</u>", "&lt;b&gt;x&lt;/b&gt; &amp; &quot;y&quot; &lt;u&gt;* z&lt;/u&gt;");
    check("<div onclick=\"x\">\ny\n</div>", "&lt;div onclick=&quot;x&quot;&gt;\ny\n&lt;/div&gt;");
    check("a\u{1b}[31mb&#27;c\u{7}", "a[31mbc");
}

#[test]
fn links_that_do_things_in_telegram_are_written_out() {
    check("[you](tg://user?id=1)", "you (tg://user?id=1)");
    check("[x](javascript:alert)", "x (javascript:alert)");
    check("<https://x.example/>", "<a href=\"https://x.example/\">https://x.example/</a>");
}

#[test]
fn a_link_is_measured_as_it_is_written() {
    let url = |ampersands: usize| format!("https://x.example/?{}", "&".repeat(ampersands));
    let with = |url: &str| rendered(vec![Piece::Markdown(format!("[{}]({url})", "word ".repeat(60).trim()))]);
    // 19 units and five for each sign.
    let longest = url(201);
    assert!(html_of(&with(&longest)[0]).starts_with("<a href=\"https://x.example/?&amp;"));
    assert!(html_of(&with(&url(202))[0]).starts_with("word word"));
    for ampersands in [201, 202, 811, 1_000] {
        let parts = with(&url(ampersands));
        assert!(parts.len() <= 3, "{} parts for {ampersands}", parts.len());
        check_parts(&parts).unwrap();
    }
}

#[test]
fn a_notice_cannot_be_imitated() {
    let notice = rendered(vec![Piece::Notice("approved".into())]).remove(0);
    assert_eq!((html_of(&notice).as_str(), notice.plain.as_str()), ("<u>⚙ approved</u>", "⚙ approved"));
    for attempt in
        ["⚙ approved", "<u>⚙ approved</u>", "&#9881; approved", "&#x2699; approved", "`⚙`", "__⚙__"]
    {
        for piece in [Piece::Markdown(attempt.into()), Piece::Reasoning(attempt.into())] {
            let part = rendered(vec![piece]).remove(0);
            assert!(!html_of(&part).contains("<u>") && !part.plain.contains('⚙'), "{attempt}: {part:?}");
        }
    }
}

#[test]
fn the_work_is_shown_in_quotes_that_fold_as_far_as_is_wanted() {
    let call = ToolCall {
        name: "workspace_read".into(),
        input: "{\"path\":\"a<b\"}".into(),
        output: Some("done\n".into()),
        state: ToolState::Done,
    };
    let pieces = vec![Piece::Reasoning("**hm**".into()), Piece::ToolCall(call), Piece::Markdown("so".into())];
    let reasoning = "<blockquote expandable><b>Reasoning</b>\n\n<b>hm</b></blockquote>";
    let tool = "<blockquote expandable><b>workspace_read</b>: done\n\
        <code>{&quot;path&quot;:&quot;a&lt;b&quot;}</code>\n<code>done</code></blockquote>";
    for (detail, expected) in [
        (Detail::Simple, "so".to_owned()),
        (Detail::Thinking, format!("{reasoning}\n\nso")),
        (Detail::Tools, format!("{tool}\n\nso")),
        (Detail::Full, format!("{reasoning}\n\n{tool}\n\nso")),
    ] {
        let parts = parts(&outbound(pieces.clone(), detail));
        assert_eq!(parts.len(), 1);
        assert_eq!(html_of(&parts[0]), expected, "{detail:?}");
    }
}

#[test]
fn buttons_stand_below_the_last_part() {
    let button = |value: &str| Button { label: "L".into(), value: value.into(), style: ButtonStyle::Plain };
    let buttons = vec![button(&"v".repeat(64)), button(&"v".repeat(65)), button("")];
    let text = Piece::Markdown("word ".repeat(1_500));
    let message = Outbound { buttons: buttons.clone(), ..outbound(vec![text], Detail::Simple) };
    let bodies: Vec<_> = parts(&message).iter().map(|part| Body::read(part).expect("our own")).collect();
    assert_eq!(bodies.len(), 2);
    assert!(bodies[0].buttons.is_empty());
    assert_eq!(bodies[1].buttons, [Key { label: "L".into(), value: "v".repeat(64) }]);
    assert_eq!(parts(&Outbound { buttons, ..outbound(vec![], Detail::Simple) }).len(), 1);
}

#[test]
fn nothing_gives_no_part() {
    for pieces in [vec![], vec![Piece::Markdown(" \n\n ".into())], vec![Piece::Reasoning(" ".into())]] {
        assert_eq!(rendered(pieces), []);
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Whether every tag is closed, in order, and nothing else is left unescaped.
fn well_formed(html: &str) -> Result<String, String> {
    let mut open: Vec<&str> = vec![];
    let mut text = String::new();
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&', '>']) {
        text += &rest[..at];
        rest = &rest[at..];
        if let Some(entity) = rest.strip_prefix('&') {
            let (name, after) = entity.split_once(';').ok_or("an entity without an end")?;
            text.push(match name {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "quot" => '"',
                other => return Err(format!("the entity {other}")),
            });
            rest = after;
            continue;
        }
        let (tag, after) =
            rest.strip_prefix('<').and_then(|tag| tag.split_once('>')).ok_or("a tag without an end")?;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
        } else {
            let (name, attribute) = tag.split_once(' ').unwrap_or((tag, ""));
            if !may_open(name, attribute, &open) {
                return Err(format!("<{tag}> within {open:?}"));
            }
            open.push(name);
        }
        rest = after;
    }
    text += rest;
    if open.is_empty() { Ok(text) } else { Err(format!("{open:?} is open")) }
}

/// Whether Telegram takes a tag here (Bot API, "HTML style").
fn may_open(name: &str, attribute: &str, open: &[&str]) -> bool {
    let in_code = open.contains(&"code") || open.contains(&"pre");
    let quoted = |prefix: &str| attribute.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('"'));
    match name {
        "b" | "i" | "s" | "u" => attribute.is_empty() && !in_code && !open.contains(&name),
        "blockquote" => ["", "expandable"].contains(&attribute) && open.is_empty(),
        "a" => {
            let url = quoted("href=\"").filter(|url| url.to_lowercase().starts_with("http"));
            !in_code && !open.contains(&"a") && url.is_some_and(|url| !url.contains('"'))
        }
        "pre" => attribute.is_empty() && open.iter().all(|tag| *tag == "blockquote"),
        "code" if attribute.is_empty() => !in_code,
        "code" => {
            let language = quoted("class=\"language-");
            open.last() == Some(&"pre")
                && language.is_some_and(|name| !name.is_empty() && !name.contains('"'))
        }
        _ => false,
    }
}

/// Whether every block of code of a plain text ends, read as CommonMark reads fences.
fn fences_balance(html: &str, plain: &str) -> bool {
    let outside = html.split("<pre>").map(|text| text.rsplit("</pre>").next().unwrap_or_default());
    // Prose may hold what looks like a fence.
    if outside.collect::<String>().contains(['`', '~']) {
        return true;
    }
    let mut open: Option<&str> = None;
    for line in plain.lines() {
        let line = line.trim();
        let rest = line.trim_start_matches(['`', '~']);
        let fence = &line[..line.len() - rest.len()];
        open = match open {
            Some(fence) if line.starts_with(fence) && rest.is_empty() => None,
            None if fence.len() >= 3 && !rest.contains('`') => Some(fence),
            open => open,
        };
    }
    open.is_none()
}

fn check_parts(parts: &[Part]) -> Result<String, String> {
    let mut all = String::new();
    for part in parts {
        let html = html_of(part);
        let text = well_formed(&html).map_err(|error| format!("{error} in {html}"))?;
        if units(&html) > MESSAGE_LENGTH || units(&part.plain) > MESSAGE_LENGTH || text.trim().is_empty() {
            return Err(format!("{} units, {} as plain text: {html}", units(&html), units(&part.plain)));
        }
        if !fences_balance(&html, &part.plain) {
            return Err(format!("fences in {}", part.plain));
        }
        all += &text;
    }
    Ok(all.split_whitespace().collect())
}

/// Pieces of Markdown, of all kinds and between them.
fn markdown() -> impl Strategy<Value = String> {
    let word = "[a-zA-Z<>&\"é日😀]{1,12}";
    let inline = prop_oneof![
        6 => word.prop_map(|word| word),
        1 => word.prop_map(|word| format!("**{word}**")),
        1 => word.prop_map(|word| format!("*{word} {word}*")),
        1 => word.prop_map(|word| format!("`{word}`")),
        1 => (word, "[a-z]{1,200}").prop_map(|(word, path)| format!("[{word} {word}](https://x.example/{path})")),
        1 => Just("👨‍👩‍👧‍👦".to_owned()),
        1 => "[a-z]{200,700}".prop_map(|word| word),
    ];
    let line = prop::collection::vec(inline, 1..60).prop_map(|words| words.join(" "));
    let block = prop_oneof![
        4 => line.clone(),
        1 => line.clone().prop_map(|line| format!("> {line}")),
        1 => prop::collection::vec(line.clone(), 1..8).prop_map(|lines| format!("- {}", lines.join("\n- "))),
        2 => prop::collection::vec("[ -_a-z]{0,120}", 1..60)
            .prop_map(|lines| format!("```rust\n{}\n```", lines.join("\n"))),
        1 => (word, word).prop_map(|(a, b)| format!("| {a} | {b} |\n|---|---|\n| {b} | {a} |")),
        1 => word.prop_map(|word| format!("## {word}")),
    ];
    prop::collection::vec(block, 1..12).prop_map(|blocks| blocks.join("\n\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn parts_joined_are_the_text_and_each_is_within_the_limits(text in markdown()) {
        let mut flow = Flow::default();
        markdown::write(&text, &mut flow);
        let whole: String = openpact_text::flow::text(flow.runs()).split_whitespace().collect();
        let parts = rendered(vec![Piece::Markdown(text.clone())]);
        prop_assert_eq!(check_parts(&parts).map_err(TestCaseError::fail)?, whole);
        prop_assert_eq!(rendered(vec![Piece::Markdown(text)]), parts, "the same message gives the same parts");
    }

    #[test]
    fn any_text_at_all_is_rendered_well(text in "\\PC{0,300}", times in 1_usize..40) {
        let text = format!("{text}\n").repeat(times);
        let pieces = vec![Piece::Reasoning(text.clone()), Piece::Markdown(text.clone()), Piece::Notice(text)];
        check_parts(&rendered(pieces)).map_err(TestCaseError::fail)?;
    }
}
