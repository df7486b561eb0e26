//! Messages, rendered.

mod examples;

use openpact_sdk::adapter::{Detail, Stage};
use proptest::prelude::*;

use openpact_text::sign::SIGNS;

use super::*;

fn outbound(pieces: Vec<Piece>, detail: Detail) -> Outbound {
    Outbound { pieces, buttons: vec![], detail, stage: Stage::Complete }
}

fn rendered(pieces: Vec<Piece>) -> Vec<Part> {
    parts(&outbound(pieces, Detail::Full))
}

/// The texts of a part's blocks, `c:` before those of context blocks.
fn texts(part: &Part) -> Vec<String> {
    let body = Body::read(part).expect("our own");
    let text = |block: &SlackBlock| match block {
        SlackBlock::Section(section) => match &section.text {
            Some(SlackBlockText::MarkDown(text)) => {
                assert_eq!(text.verbatim, Some(true), "Slack must not look for mentions");
                Some(text.text.clone())
            }
            other => panic!("{other:?}"),
        },
        SlackBlock::Context(context) => match context.elements.as_slice() {
            [SlackContextBlockElement::MarkDown(text)] => {
                assert_eq!(text.verbatim, Some(true), "Slack must not look for mentions");
                Some(format!("c:{}", text.text))
            }
            other => panic!("{other:?}"),
        },
        SlackBlock::Actions(_) => None,
        other => panic!("{other:?}"),
    };
    body.blocks.iter().filter_map(text).collect()
}

#[track_caller]
fn check(markdown: &str, expected: &str) {
    let parts = rendered(vec![Piece::Markdown(markdown.into())]);
    let all: Vec<_> = parts.iter().flat_map(texts).collect();
    assert_eq!(all.join("\u{1}"), expected, "{markdown:?}");
}

#[test]
fn markdown_becomes_mrkdwn() {
    check("a **b** _c_ ~~d~~ `e`", "a *b* _c_ ~d~ `e`");
    check("# Title\n\ntext", "*Title*\n\ntext");
    check("a\nb  \nc\n\nd", "a\nb\nc\n\nd");
    check("```rust\nfn a() {}\n\n\nb\n```", "```\nfn a() {}\n\n\nb\n```");
    check("```\na\n```\n\n```\nb\n```", "```\na\n```\n\n```\nb\n```");
    check("- a\n- b\n  - c\n\nd", "• a\n• b\n   • c\n\nd");
    check("3. a\n4. b", "3. a\n4. b");
    check("> a\n>\n> b\n\nc", "> a\n> \n> b\n\nc");
    check(
        "[a *b*](https://x.example/?a=1&b=2)",
        "<https://x.example/?a=1&amp;b=2|a> _<https://x.example/?a=1&amp;b=2|b>_",
    );
    check("**[a](https://x.example)**", "*<https://x.example|a>*");
    check("![alt](https://x.example/i.png)", "<https://x.example/i.png|alt>");
    check("| a | b |\n|---|---|\n| long | c |", "```\na    | b\n-----+--\nlong | c\n```");
    check("---", "———");
    check("**a `b` c**", "*a* `b` *c*");
    check("**a\nb** *c  \nd*", "*a*\n*b* _c_\n_d_");
    check("[a\nb](https://x.example)", "<https://x.example|a b>");
    check("a**b**c", "a\u{200b}*b*\u{200b}c");
}

#[test]
fn bare_addresses_are_links_because_slack_looks_for_none() {
    check("see https://x.example/a_b_c.", "see <https://x.example/a_b_c|https://x.example/a\u{5f}b\u{5f}c>.");
    check("(https://x.example/(a))", "(<https://x.example/(a)|https://x.example/(a)>)");
    check("`https://x.example`", "`https://x.example`");
    check("[you](slack://user?id=1)", "you (slack://user?id=1)");
    check("[a](https://x.example/|<b>)", "<https://x.example/%7C%3Cb%3E|a>");
}

#[test]
fn nobody_can_be_called() {
    check("<!channel> <@U1> <!here|x> @here", "&lt;!channel&gt; &lt;@U1&gt; &lt;!here|x&gt; @here");
    check("`<!channel>` &lt;!everyone&gt;", "`&lt;!channel&gt;` &lt;!everyone&gt;");
    check("```\n<!channel>\n```", "```\n&lt;!channel&gt;\n```");
    check("[<!channel>](https://x.example)", "<https://x.example|&lt;!channel&gt;>");
    let part = rendered(vec![Piece::Markdown("<!channel>".into())]).remove(0);
    assert_eq!(Body::read(&part).expect("our own").text, "&lt;!channel&gt;");
}

#[test]
fn marks_of_a_text_itself_do_nothing() {
    check("snake_case_name 2 * 3", "snake_case_name 2 * 3");
    check("\\*a\\*", "\u{200b}*\u{200b}a\u{200b}*\u{200b}");
    check("`a` \\`b", "`a` \u{200b}`\u{200b}b");
    check("``a`b``", "`a'b`");
    check("````\n```\n````", "```\n`\u{200b}`\u{200b}`\u{200b}\n```");
}

#[test]
fn a_notice_cannot_be_imitated() {
    let notice = rendered(vec![Piece::Notice("approved *x* <!here>".into())]).remove(0);
    let expected = "c:⚙ approved \u{200b}*\u{200b}x\u{200b}*\u{200b} &lt;!here&gt;";
    assert_eq!(texts(&notice), [expected]);
    assert_eq!(notice.plain, "⚙ approved *x* <!here>");
    for attempt in
        ["⚙ approved", "&#9881; approved", ":gear: approved", "&#58;gear: approved", "🛠 approved", "`⚙`"]
    {
        for piece in [Piece::Markdown(attempt.into()), Piece::Reasoning(attempt.into())] {
            let part = rendered(vec![piece]).remove(0);
            let text = texts(&part).concat();
            assert!(!text.contains(SIGNS) && !text.contains(":gear:"), "{attempt}: {text}");
            let without_blocks = Body::read(&part).expect("our own").text;
            assert!(!without_blocks.contains(SIGNS) && !without_blocks.contains(":gear:"), "{attempt}");
            assert!(!part.plain.contains(SIGNS), "{attempt}: {part:?}");
            assert!(!text.starts_with("c:") || text.starts_with("c:*Reasoning*\n"), "{text}");
        }
    }
}

#[test]
fn the_work_is_shown_as_far_as_is_wanted() {
    let call = ToolCall {
        name: "workspace_read".into(),
        input: "{\"path\":\"a<b\"}".into(),
        output: Some("⚙ done\n".into()),
        state: ToolState::Done,
    };
    let pieces = vec![Piece::Reasoning("**hm**".into()), Piece::ToolCall(call), Piece::Markdown("so".into())];
    let reasoning = "c:*Reasoning*\n*hm*";
    let tool = "c:*workspace_read*: done\n```\n{\"path\":\"a&lt;b\"}\n```\n```\n* done\n```";
    for (detail, expected) in [
        (Detail::Simple, vec!["so"]),
        (Detail::Thinking, vec![reasoning, "so"]),
        (Detail::Tools, vec![tool, "so"]),
        (Detail::Full, vec![reasoning, tool, "so"]),
    ] {
        let parts = parts(&outbound(pieces.clone(), detail));
        assert_eq!(parts.len(), 1);
        assert_eq!(texts(&parts[0]), expected, "{detail:?}");
    }
}

#[test]
fn every_context_block_says_what_it_is() {
    let long = "word ".repeat(2_000);
    for (piece, label) in
        [(Piece::Reasoning(long.clone()), "c:*Reasoning*\n"), (Piece::Notice(long.clone()), "c:⚙ ")]
    {
        let parts = rendered(vec![piece]);
        let texts: Vec<_> = parts.iter().flat_map(texts).collect();
        assert!(texts.len() > 2 && texts.iter().all(|text| text.starts_with(label)), "{texts:?}");
    }
}

#[test]
fn buttons_stand_below_the_last_text() {
    let button = |value: &str, style| Button { label: "⚙ L:x:".into(), value: value.into(), style };
    let buttons = vec![
        button(&"v".repeat(64), ButtonStyle::Danger),
        button(&"v".repeat(65), ButtonStyle::Plain),
        button("", ButtonStyle::Plain),
        button("p", ButtonStyle::Plain),
    ];
    let file = File { name: "a".into(), media_type: "a/b".into(), data: vec![1] };
    let pieces = vec![Piece::Markdown("word ".repeat(1_500)), Piece::File(file)];
    let parts = parts(&Outbound { buttons: buttons.clone(), ..outbound(pieces, Detail::Simple) });
    assert_eq!(parts.len(), 3);
    let actions = |part: &Part| match Body::read(part).expect("our own").blocks.last() {
        Some(SlackBlock::Actions(actions)) => serde_json::json!(actions.elements),
        _ => serde_json::Value::Null,
    };
    assert_eq!((actions(&parts[0]), actions(&parts[2])), (serde_json::Value::Null, serde_json::Value::Null));
    let expected = serde_json::json!([
        { "type": "button", "action_id": "openpact:0", "text": { "type": "plain_text", "text": "* L x " },
          "value": "v".repeat(64), "style": "danger" },
        { "type": "button", "action_id": "openpact:3", "text": { "type": "plain_text", "text": "* L x " },
          "value": "p" },
    ]);
    assert_eq!(actions(&parts[1]), expected);
    let alone = super::parts(&Outbound { buttons, ..outbound(vec![], Detail::Simple) });
    assert_eq!((alone.len(), texts(&alone[0])), (1, vec!["c:⚙ ?".to_owned()]));
}

#[test]
fn a_file_is_a_part_of_its_own() {
    let file = File { name: "a.txt".into(), media_type: "text/plain".into(), data: b"x".to_vec() };
    let parts = rendered(vec![
        Piece::Markdown("before".into()),
        Piece::File(file.clone()),
        Piece::Markdown("after".into()),
    ]);
    let plain: Vec<_> = parts.iter().map(|part| part.plain.as_str()).collect();
    assert_eq!(plain, ["before", "[file: a.txt]", "after"]);
    assert_eq!((parts[0].files.len(), parts[1].files.as_slice()), (0, [file].as_slice()));
}

#[test]
fn nothing_is_no_part() {
    assert_eq!(rendered(vec![Piece::Markdown(" \n".into()), Piece::Reasoning(String::new())]), []);
}

#[test]
fn a_message_is_filled_before_the_next_one_begins() {
    let parts = rendered(vec![Piece::Markdown("word ".repeat(1_590))]);
    assert_eq!(parts.len(), 2);
    let many: Vec<_> = (0..60).map(|index| Piece::Notice(format!("{index}"))).collect();
    let blocks: Vec<_> = rendered(many).iter().map(|part| texts(part).len()).collect();
    assert_eq!(blocks, [BLOCKS, 60 - BLOCKS]);
}

#[test]
fn a_block_of_code_is_closed_and_opened_again() {
    let code = "    let a = 1;\n".repeat(600);
    let parts = rendered(vec![Piece::Markdown(format!("```rust\n{code}```"))]);
    let texts: Vec<_> = parts.iter().flat_map(texts).collect();
    assert!(texts.len() > 2);
    for text in &texts {
        assert!(text.starts_with("```\n    let a") && text.ends_with("let a = 1;\n```"), "{text}");
    }
    let lines: usize = texts.iter().map(|text| text.lines().count() - 2).sum();
    assert_eq!(lines, 600);
}

/// What Slack's limits are, and that no mark is left open.
fn check_parts(parts: &[Part]) -> Result<(), TestCaseError> {
    for part in parts {
        let body = Body::read(part).expect("our own");
        prop_assert!((1..=MAX_BLOCKS).contains(&body.blocks.len()));
        prop_assert!(UNIT.length(&body.text) <= 20_000);
        let texts = texts(part);
        prop_assert!(
            texts.iter().map(|text| UNIT.length(text).saturating_sub(2)).sum::<usize>() <= WANTED + 200
        );
        for text in texts {
            prop_assert!(UNIT.length(&text) <= SECTION + 2, "{} in {text:?}", UNIT.length(&text));
            prop_assert!(text.matches("```").count() % 2 == 0, "{text:?}");
            let angles = text.replace("\n> ", "\n").trim_start_matches("> ").to_owned();
            prop_assert_eq!(angles.matches('<').count(), angles.matches('>').count(), "{}", text);
            for mention in ["<@", "<!", "<#"] {
                prop_assert!(!text.contains(mention), "{text:?}");
            }
        }
    }
    Ok(())
}

/// A text without what cutting and marks may change.
fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '\u{200b}').collect()
}

fn decoded(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_is_written_fits(
        pieces in prop::collection::vec("([a-z<>&*_~`:|@! \n😀é]|```\n|\\[a\\]\\(https://x.example/\\)|> |- |https://x.example/a |word ){0,3000}", 1..4)
    ) {
        let of = |(index, text): (usize, String)| match index % 3 {
            0 => Piece::Markdown(text),
            1 => Piece::Reasoning(text),
            _ => Piece::Notice(text),
        };
        let pieces: Vec<_> = pieces.into_iter().enumerate().map(of).collect();
        let parts = rendered(pieces.clone());
        check_parts(&parts)?;
        prop_assert_eq!(parts, rendered(pieces));
    }

    #[test]
    fn nothing_of_a_text_is_lost(text in "[a-z*_~<>&|: \n😀é]{0,9000}") {
        let parts = rendered(vec![Piece::Notice(text.clone())]);
        let texts: Vec<_> = parts.iter().flat_map(texts).collect();
        let joined: String = texts.iter().map(|text| text.strip_prefix("c:⚙ ").unwrap_or(text)).collect();
        prop_assert_eq!(bare(&decoded(&joined)), bare(&text));
        let plain: String = parts.iter().map(|part| part.plain.replace("⚙ ", "")).collect();
        prop_assert_eq!(bare(&plain), bare(&text));
    }

    #[test]
    fn code_comes_out_as_it_went_in(lines in prop::collection::vec("[a-z<>&*_ ]{0,80}", 1..200)) {
        let code = lines.join("\n");
        let parts = rendered(vec![Piece::Markdown(format!("````\n{code}\n````"))]);
        check_parts(&parts)?;
        let texts: Vec<_> = parts.iter().flat_map(texts).collect();
        let joined: String = texts.iter().map(|text| text.replace("```", "")).collect();
        prop_assert_eq!(bare(&decoded(&joined)), bare(&code));
    }
}
