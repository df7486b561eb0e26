//! Where texts are cut.

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 2_000;

fn parts(text: &str) -> Vec<String> {
    split(text, LIMIT, Unit::Characters)
}

fn count(text: &str) -> usize {
    text.chars().count()
}

/// Runs of three backticks or more, read for themselves.
fn fences(text: &str) -> usize {
    let mut runs = vec![];
    let mut run = 0;
    for c in text.chars().chain([' ']) {
        if c == '`' {
            run += 1;
        } else if run > 0 {
            runs.push(std::mem::take(&mut run));
        }
    }
    runs.into_iter().filter(|run| *run >= 3).count()
}

#[test]
fn a_text_that_fits_is_one_part() {
    assert_eq!(parts(&"a".repeat(LIMIT)).len(), 1);
    assert_eq!(parts(&"a".repeat(LIMIT + 1)), ["a".repeat(LIMIT), "a".to_owned()]);
    // Characters, whatever their bytes.
    assert_eq!(parts(&"😀".repeat(LIMIT)).len(), 1);
    assert_eq!(parts(&"😀".repeat(LIMIT + 1)).len(), 2);
    let code = format!("```\n{}\n```", "a".repeat(LIMIT - 8));
    assert_eq!(parts(&code), std::slice::from_ref(&code));
    assert_eq!(parts(&format!("```\n{}\n```", "a".repeat(LIMIT - 7))).len(), 2);
}

#[test]
fn a_paragraph_is_better_than_a_line_and_a_line_than_a_word() {
    let (long, short) = ("a".repeat(1_000), "b".repeat(500));
    let rest = "c ".repeat(600);
    let rest = rest.trim_end();
    assert_eq!(parts(&format!("{long}\n\n{short}\n{rest}")), [long.clone(), format!("{short}\n{rest}")]);
    assert_eq!(parts(&format!("{long}\n{short} {rest}"))[0], long);
    let words = parts(&"word ".repeat(1_000));
    assert!(words.iter().all(|part| part.split(' ').all(|word| word == "word")), "{words:?}");
}

#[test]
fn a_break_that_leaves_a_part_almost_empty_is_not_taken() {
    assert!(count(&parts(&format!("Sure:\n\n{}", "word ".repeat(2_000)))[0]) > LIMIT / 2);
}

#[test]
fn a_character_is_never_cut() {
    let family = "👨‍👩‍👧‍👦";
    for part in parts(&family.repeat(1_000)) {
        assert_eq!(part.replace(family, ""), "");
    }
    let piled = format!("a{}", "\u{301}".repeat(3 * LIMIT));
    let cut = parts(&piled);
    assert!(cut.iter().all(|part| count(part) <= LIMIT), "what is piled up without end is");
    assert_eq!(cut.concat(), piled);
}

#[test]
fn links_mentions_and_code_in_a_line_are_never_cut() {
    let link = "[a label (of) [many] words](https://x.example/a_(b)?c=d)";
    let whole =
        [link, "<@123456789012345678>", "<:name:1234>", "<t:1618953630:R>", "`a b c`", "``a ` b``", "\\*"];
    for whole in whole {
        for offset in (0..count(whole)).step_by(2) {
            let text = format!("{} {}", "x".repeat(LIMIT - 1 - offset), format!("{whole} ").repeat(40));
            let parts = parts(&text);
            let found: usize = parts.iter().map(|part| part.matches(whole).count()).sum();
            assert_eq!(found, 40, "{whole} at {offset}");
        }
    }
    // Where there is no other place to cut at.
    for whole in [link, "<@123456789012345678>", "<:name:1234>", "\\*"] {
        for offset in 0..count(whole) {
            let text = format!("{}{}", "x".repeat(LIMIT - 1 - offset), whole.repeat(400));
            let found: usize = parts(&text).iter().map(|part| part.matches(whole).count()).sum();
            assert_eq!(found, 400, "{whole} at {offset}");
        }
    }
    let address = format!("https://x.example/{}", "p".repeat(1_200));
    let parts = parts(&format!("{} {address} {address}", "word ".repeat(200)));
    assert!(parts.iter().any(|part| part.ends_with(&address)), "{parts:?}");
}

#[test]
fn a_block_of_code_is_closed_and_opened_again_with_its_language() {
    let line = "    let a = 1;\n";
    let code = line.repeat(400);
    let parts = parts(&format!("before\n\n```rust\n{code}```\nbehind"));
    assert!(parts.len() > 2);
    for part in &parts[1..parts.len() - 1] {
        assert!(part.starts_with("```rust\n    let a = 1;") && part.ends_with("let a = 1;\n```"), "{part}");
    }
    assert!(parts[0].starts_with("before\n\n```rust\n    let"));
    assert!(parts.last().expect("the last").ends_with("```\nbehind"));
    let lines: usize = parts.iter().map(|part| part.matches("let a = 1;").count()).sum();
    assert_eq!(lines, 400);
}

#[test]
fn no_block_of_code_is_left_empty() {
    for filler in 1_950..2_010 {
        let parts = parts(&format!("{}\n```rust\ncode\n```\n", "a".repeat(filler)));
        for part in &parts {
            assert!(!part.contains("```rust\n```"), "{filler}: {part}");
        }
        assert!(parts.last().expect("one").contains("code"), "{filler}");
    }
}

#[test]
fn an_open_block_of_code_is_closed() {
    // As in an answer that is still being written.
    assert_eq!(parts("```rust\nfn main("), ["```rust\nfn main(\n```"]);
    assert_eq!(parts("``` a"), ["``` a\n```"]);
}

#[test]
fn backticks_without_end_balance() {
    for text in ["`".repeat(5_000), "```".repeat(1_500), "``` ".repeat(2_000), "`a".repeat(3_000)] {
        for part in parts(&text) {
            assert!(count(&part) <= LIMIT && fences(&part).is_multiple_of(2), "{part}");
        }
    }
}

/// Pieces of Markdown, of all kinds and between them.
fn markdown() -> impl Strategy<Value = String> {
    let word = "[a-zA-Z<>&\"é日😀]{1,12}";
    let inline = prop_oneof![
        6 => word.prop_map(|word| word),
        1 => word.prop_map(|word| format!("**{word}**")),
        1 => word.prop_map(|word| format!("`{word}`")),
        1 => (word, "[a-z]{1,200}").prop_map(|(word, path)| format!("[{word}](https://x.example/{path})")),
        1 => "[0-9]{17,19}".prop_map(|id| format!("<@{id}>")),
        1 => Just("👨‍👩‍👧‍👦".to_owned()),
        1 => "[a-z]{200,700}".prop_map(|word| word),
    ];
    let line = prop::collection::vec(inline, 1..40).prop_map(|words| words.join(" "));
    let block = prop_oneof![
        4 => line.clone(),
        1 => prop::collection::vec(line, 1..8).prop_map(|lines| format!("- {}", lines.join("\n- "))),
        2 => prop::collection::vec("[ -_a-z]{0,120}", 1..60)
            .prop_map(|lines| format!("```rust\n{}\n```", lines.join("\n").replace('`', "'"))),
        1 => word.prop_map(|word| format!("## {word}")),
    ];
    prop::collection::vec(block, 1..12).prop_map(|blocks| blocks.join("\n\n"))
}

/// Without white space, and without what closes and opens blocks of code.
fn bare(text: &str) -> String {
    text.replace("```rust", "").replace("```", "").split_whitespace().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn parts_joined_are_the_text_and_each_is_within_the_limit(text in markdown()) {
        let parts = parts(&text);
        for part in &parts {
            prop_assert!(count(part) <= LIMIT, "{} characters", count(part));
            prop_assert!(fences(part).is_multiple_of(2), "fences in {part}");
            prop_assert!(!part.trim().is_empty());
        }
        prop_assert_eq!(bare(&parts.concat()), bare(&text));
        // What is one thing stays one.
        for start in ["](https://x.example/", "<@"] {
            let whole: usize = parts.iter().map(|part| part.matches(start).count()).sum();
            prop_assert_eq!(whole, text.matches(start).count(), "{}", start);
        }
        let mut open = parts.iter().flat_map(|part| part.match_indices("](https").map(move |at| &part[at.0..]));
        prop_assert!(open.all(|link| link.contains(')')), "a link is cut");
    }

    #[test]
    fn any_text_at_all_is_cut_well(text in "[`\\[\\]()<> \nab\\\\😀h:/p]{0,400}", times in 1_usize..30) {
        let text = text.repeat(times);
        let parts = parts(&text);
        for part in &parts {
            prop_assert!(count(part) <= LIMIT && fences(part).is_multiple_of(2), "{part}");
        }
        let ticks = |text: &str| text.replace('`', "").split_whitespace().collect::<String>();
        prop_assert_eq!(ticks(&parts.concat()).len(), ticks(&text).len());
    }
}
