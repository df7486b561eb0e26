//! Messages, rendered.

mod examples;

use openpact_sdk::adapter::{Detail, Stage};
use openpact_text::sign::SIGNS;
use proptest::prelude::*;

use super::*;

fn outbound(pieces: Vec<Piece>, detail: Detail) -> Outbound {
    Outbound { pieces, buttons: vec![], detail, stage: Stage::Complete }
}

fn rendered(pieces: Vec<Piece>) -> Vec<Part> {
    parts(&outbound(pieces, Detail::Full))
}

fn value(part: &Part) -> Value {
    serde_json::from_str(&part.body).expect("JSON")
}

fn markdown(text: &str) -> Piece {
    Piece::Markdown(text.into())
}

#[test]
fn markdown_is_the_content_as_it_is() {
    let text = "# Title\n\na **b** `c`\n\n```rust\nfn main() {}\n```\n\n- [x](https://x.example)";
    let parts = rendered(vec![markdown(text)]);
    assert_eq!(parts.len(), 1);
    let body = value(&parts[0]);
    assert_eq!(body["content"], json!(text));
    assert_eq!(parts[0].plain, text);
    assert_eq!(body["embeds"], json!([]));
    assert_eq!(body["allowed_mentions"]["parse"], json!([]));
    assert_eq!(body["flags"], json!(4), "no previews of its links");
}

#[test]
fn a_notice_cannot_be_imitated() {
    let notice = rendered(vec![Piece::Notice("approved *now*".into())]).remove(0);
    let body = value(&notice);
    assert_eq!((&body["content"], &body["flags"]), (&json!(""), &json!(0)));
    assert_eq!(body["embeds"][0]["description"], json!("⚙ approved \\*now\\*"));
    assert_eq!(notice.plain, "⚙ approved *now*");
    let colour = &body["embeds"][0]["color"];
    let call = |text: &str| ToolCall {
        name: text.into(),
        input: text.into(),
        output: Some(text.into()),
        state: ToolState::Done,
    };
    for attempt in ["⚙ approved", "⚙\u{fe0f} approved", "`⚙`", "🛠 approved", "```\n⚙ approved\n```"]
    {
        let pieces = [markdown(attempt), Piece::Reasoning(attempt.into()), Piece::ToolCall(call(attempt))];
        for piece in pieces {
            let part = rendered(vec![piece]).remove(0);
            let body = value(&part);
            assert!(!part.body.contains(SIGNS) && !part.plain.contains(SIGNS), "{attempt}: {part:?}");
            // Nothing of a model is an embed without a title, or of a notice's colour.
            for embed in body["embeds"].as_array().expect("embeds") {
                assert!(embed["title"].is_string() && embed["color"] != *colour, "{part:?}");
            }
            assert!(body["embeds"] != json!([]) || body["flags"] == json!(4), "{part:?}");
        }
    }
}

#[test]
fn a_notice_is_shown_as_it_is() {
    let description = |text: &str| {
        let part = rendered(vec![Piece::Notice(text.into())]).remove(0);
        value(&part)["embeds"][0]["description"].as_str().expect("text").to_owned()
    };
    assert_eq!(description("the code is P9SX-M105"), "⚙ the code is P9SX-M105", "to be copied");
    assert_eq!(
        description("a [b](c) `d` __e__ ||f|| <@1>\n - g\n# h\n> i"),
        "⚙ a \\[b\\](c) \\`d\\` \\_\\_e\\_\\_ \\|\\|f\\|\\| \\<@1>\n \\- g\n\\# h\n\\> i"
    );
}

#[test]
fn the_work_is_shown_as_far_as_is_wanted() {
    let call = ToolCall {
        name: "workspace_read".into(),
        input: "{\"path\":\"a\"}".into(),
        output: Some("```\nout".into()),
        state: ToolState::Failed,
    };
    let pieces = vec![Piece::Reasoning("**hm**".into()), Piece::ToolCall(call), markdown("so")];
    for (detail, titles) in [
        (Detail::Simple, vec![]),
        (Detail::Thinking, vec!["Reasoning"]),
        (Detail::Tools, vec!["workspace\\_read: failed"]),
        (Detail::Full, vec!["Reasoning", "workspace\\_read: failed"]),
    ] {
        let parts = parts(&outbound(pieces.clone(), detail));
        let bodies: Vec<_> = parts.iter().map(value).collect();
        let embeds = bodies.iter().flat_map(|body| body["embeds"].as_array().expect("embeds"));
        let found: Vec<_> =
            embeds.map(|embed| embed["title"].as_str().expect("a title").to_owned()).collect();
        assert_eq!(found, titles, "{detail:?}");
        assert_eq!(bodies.last().expect("the answer")["content"], json!("so"));
    }
    let parts = parts(&outbound(pieces, Detail::Full));
    let description = value(&parts[0])["embeds"][1]["description"].as_str().expect("text").to_owned();
    assert_eq!(description.matches("```").count(), 4, "{description}");
}

#[test]
fn embeds_share_a_message_within_its_limits() {
    let notices = |count: usize, length: usize| rendered(vec![Piece::Notice("n".repeat(length)); count]);
    assert_eq!(notices(10, 5).len(), 1);
    assert_eq!(notices(11, 5).len(), 2, "ten embeds");
    // Two characters for the sign.
    assert_eq!(notices(4, 1_498).len(), 1);
    assert_eq!(notices(4, 1_499).len(), 2, "6,000 characters");
    let long = rendered(vec![Piece::Notice("*".repeat(5_000))]);
    assert!(long.len() > 1);
    check_parts(&long).expect("within the limits");
}

#[test]
fn the_order_of_pieces_is_kept() {
    let pieces = vec![markdown("a"), Piece::Notice("b".into()), markdown("c"), markdown("d")];
    let plain: Vec<_> = rendered(pieces).into_iter().map(|part| part.plain).collect();
    assert_eq!(plain, ["a", "⚙ b", "c\n\nd"]);
}

#[test]
fn buttons_stand_below_the_last_part() {
    let button = |value: &str, style| Button { label: "L⚙".into(), value: value.into(), style };
    let buttons = vec![
        button("yes", ButtonStyle::Primary),
        button("no", ButtonStyle::Danger),
        button("later", ButtonStyle::Plain),
        button(&"v".repeat(65), ButtonStyle::Plain),
        button("", ButtonStyle::Plain),
    ];
    let message = Outbound { buttons, ..outbound(vec![markdown(&"word ".repeat(500))], Detail::Simple) };
    let bodies: Vec<_> = parts(&message).iter().map(value).collect();
    assert_eq!((bodies.len(), &bodies[0]["components"]), (2, &json!([])));
    let row = &bodies[1]["components"][0];
    assert_eq!(row["type"], json!(1));
    let buttons = row["components"].as_array().expect("buttons");
    let found: Vec<_> = buttons
        .iter()
        .map(|button| (button["custom_id"].clone(), button["style"].clone(), button["label"].clone()))
        .collect();
    let expected = [("yes", 1), ("no", 4), ("later", 2)];
    assert_eq!(found, expected.map(|(id, style)| (json!(id), json!(style), json!("L*"))));
    let alone = parts(&Outbound { pieces: vec![], ..message });
    assert_eq!(alone.len(), 1);
}

#[test]
fn more_buttons_than_a_row_has_stand_in_rows() {
    let button = |number: usize| Button {
        label: "l".repeat(100),
        value: number.to_string(),
        style: ButtonStyle::Plain,
    };
    let message = Outbound { buttons: (0..30).map(button).collect(), ..outbound(vec![], Detail::Simple) };
    let body = value(&parts(&message)[0]);
    let rows = body["components"].as_array().expect("rows");
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row["components"].as_array().is_some_and(|row| row.len() == 5)));
    let label = rows[0]["components"][0]["label"].as_str().expect("a label").to_owned();
    assert_eq!(label.chars().count(), 80);
}

#[test]
fn a_file_is_a_part_of_its_own() {
    let file = File { name: "../a\n.txt".into(), media_type: "text/plain".into(), data: vec![0; 7] };
    let parts = rendered(vec![markdown("here"), Piece::File(file)]);
    assert_eq!(parts.len(), 2);
    assert_eq!(
        (parts[1].files[0].name.as_str(), parts[1].plain.as_str()),
        ("..a.txt", "[file: ..a.txt, 7 bytes]")
    );
    assert!(body(&parts[1]).is_ok());
}

#[test]
fn nothing_gives_no_part() {
    for pieces in [vec![], vec![markdown(" \n\n ")], vec![Piece::Reasoning(" ".into())]] {
        assert_eq!(rendered(pieces), []);
    }
}

/// Whether the parts are within Discord's limits; their texts.
fn check_parts(parts: &[Part]) -> Result<(), String> {
    let count = |value: &Value| value.as_str().unwrap_or_default().chars().count();
    for part in parts {
        let body = value(part);
        let embeds = body["embeds"].as_array().ok_or("no embeds")?;
        let sizes: Vec<_> =
            embeds.iter().map(|embed| (count(&embed["title"]), count(&embed["description"]))).collect();
        let total: usize = sizes.iter().map(|(title, description)| title + description).sum();
        let fit = count(&body["content"]) <= MESSAGE_LENGTH
            && embeds.len() <= 10
            && total <= 6_000
            && sizes.iter().all(|(title, description)| *title <= 256 && *description <= 4_096);
        let says = count(&body["content"]) > 0 || !embeds.is_empty() || !part.files.is_empty();
        if !fit || !says || body["allowed_mentions"]["parse"] != json!([]) {
            return Err(part.body.clone());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_message_is_within_the_limits(text in "\\PC{0,300}", times in 1_usize..60) {
        let text = format!("{text}\n").repeat(times);
        let call = ToolCall {
            name: text.clone(),
            input: text.clone(),
            output: Some(text.clone()),
            state: ToolState::Running,
        };
        let pieces = vec![
            Piece::Reasoning(text.clone()),
            Piece::ToolCall(call),
            Piece::Markdown(text.clone()),
            Piece::Notice(text),
        ];
        let parts = rendered(pieces.clone());
        check_parts(&parts).map_err(TestCaseError::fail)?;
        prop_assert_eq!(rendered(pieces), parts, "the same message gives the same parts");
    }
}
