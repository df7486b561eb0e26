//! Texts with entities as Telegram sends them.
#![expect(clippy::needless_pass_by_value, reason = "values are written where they are passed")]

use openpact_sdk::serde_json::{self, json};
use proptest::prelude::*;

use super::*;

fn text(text: &str, entities: serde_json::Value) -> Text {
    let entities: Vec<MessageEntity> = serde_json::from_value(entities).expect("entities");
    Text::new(text, &entities)
}

fn check(plain: &str, entities: serde_json::Value, markdown: &str) {
    assert_eq!(text(plain, entities.clone()).markdown(), markdown, "{plain} {entities}");
}

#[test]
fn every_kind_that_markdown_knows_is_marked() {
    let one = |kind: &str| json!([{ "type": kind, "offset": 2, "length": 3 }]);
    check("a bcd e", one("bold"), "a **bcd** e");
    check("a bcd e", one("italic"), "a _bcd_ e");
    check("a bcd e", one("strikethrough"), "a ~~bcd~~ e");
    check("a bcd e", one("code"), "a `bcd` e");
    check("a bcd e", one("pre"), "a \n```\nbcd\n```\n e");
    check("a\nbcd\ne", one("blockquote"), "a\n> bcd\n\n\ne");
    check("a\nbcd\ne", one("expandable_blockquote"), "a\n> bcd\n\n\ne");
    for kind in [
        "underline",
        "spoiler",
        "hashtag",
        "cashtag",
        "bot_command",
        "url",
        "email",
        "phone_number",
        "mention",
    ] {
        check("a bcd e", one(kind), "a bcd e");
    }
}

#[test]
fn offsets_are_utf16_code_units() {
    // U+1F600 is two units, U+00E9 one, a family of emoji eleven.
    check("😀é bold", json!([{ "type": "bold", "offset": 4, "length": 4 }]), "😀é **bold**");
    check("👨‍👩‍👧‍👦 x", json!([{ "type": "code", "offset": 0, "length": 11 }]), "`👨‍👩‍👧‍👦` x");
    check("日本語", json!([{ "type": "italic", "offset": 1, "length": 1 }]), "日_本_語");
}

#[test]
fn ranges_that_make_no_sense_are_cut() {
    // Half a character, past the end, empty, and far past the end.
    check("😀a", json!([{ "type": "bold", "offset": 1, "length": 1 }]), "**😀**a");
    check("ab", json!([{ "type": "bold", "offset": 1, "length": 9 }]), "a**b**");
    check("ab", json!([{ "type": "bold", "offset": 1, "length": 0 }]), "ab");
    check("ab", json!([{ "type": "bold", "offset": 7, "length": 9 }]), "ab");
    let overlap =
        json!([{ "type": "bold", "offset": 0, "length": 3 }, { "type": "italic", "offset": 2, "length": 3 }]);
    check("abcde", overlap, "**ab_c_**de");
}

#[test]
fn styles_nest() {
    let nested =
        json!([{ "type": "italic", "offset": 2, "length": 2 }, { "type": "bold", "offset": 0, "length": 6 }]);
    check("ab cd e", nested, "**ab _c_d** e");
}

#[test]
fn code_with_backticks_gets_a_longer_mark() {
    check("a`b", json!([{ "type": "code", "offset": 0, "length": 3 }]), "``a`b``");
    check("`", json!([{ "type": "code", "offset": 0, "length": 1 }]), "`` ` ``");
    let block = json!([{ "type": "pre", "offset": 0, "length": 5, "language": "rust\n`x" }]);
    check("a```b", block, "````rustx\na```b\n````\n");
}

#[test]
fn links_keep_their_address() {
    let link = |url: &str| json!([{ "type": "text_link", "offset": 0, "length": 1, "url": url }]);
    check("x", link("https://a.example/b?c=d"), "[x](https://a.example/b?c=d)");
    check("x", link("https://a.example/(b)"), "[x](<https://a.example/(b)>)");
    let mention = json!([{ "type": "text_mention", "offset": 0, "length": 3,
        "user": { "id": 7, "is_bot": false, "first_name": "A]b" } }]);
    check("A]b", mention, "[A\\]b](tg://user?id=7)");
}

#[test]
fn the_own_mention_is_taken_from_the_beginning_alone() {
    let me: User = serde_json::from_value(
        json!({ "id": 1, "is_bot": true, "first_name": "Bot", "username": "Our_Bot" }),
    )
    .expect("a user");
    let mention = |plain: &str, offset: usize, length: usize| {
        let entities = json!([
            { "type": "mention", "offset": offset, "length": length },
            { "type": "bold", "offset": plain.encode_utf16().count() - 2, "length": 2 },
        ]);
        text(plain, entities).without_leading_mention(&me).markdown()
    };
    assert_eq!(mention("@our_bot, hi", 0, 8), "**hi**");
    assert_eq!(mention("  @our_bot: hi", 2, 8), "**hi**");
    assert_eq!(mention("@our_bot", 0, 8), "");
    assert_eq!(mention("so @our_bot hi", 3, 8), "so @our_bot **hi**");
    assert_eq!(mention("@our_bots hi", 0, 9), "@our_bots **hi**");
}

proptest! {
    #[test]
    fn whatever_comes_no_text_is_lost(
        plain in "\\PC{0,40}",
        entities in prop::collection::vec((0_usize..9, 0_usize..60, 0_usize..60), 0..6),
    ) {
        const KINDS: [&str; 9] =
            ["bold", "italic", "strikethrough", "code", "pre", "blockquote", "mention", "spoiler", "bot_command"];
        let entities: Vec<_> = entities
            .iter()
            .map(|(kind, offset, length)| json!({ "type": KINDS[*kind], "offset": offset, "length": length }))
            .collect();
        let markdown = text(&plain, json!(entities)).markdown();
        // What is added is marks and white space, and nothing is taken.
        let mut rest = markdown.chars();
        for c in plain.chars() {
            prop_assert!(rest.any(|other| other == c), "{c:?} of {plain:?} is not in {markdown:?}");
        }
    }
}
