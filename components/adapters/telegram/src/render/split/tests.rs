//! Where texts are cut.

use super::*;

fn plain(text: &str) -> Flow {
    let mut flow = Flow::default();
    flow.push(text);
    flow
}

fn texts(flow: &Flow) -> Vec<String> {
    split(flow).iter().map(Flow::text).collect()
}

#[test]
fn a_text_that_fits_is_one_part() {
    assert_eq!(texts(&plain(&"a".repeat(LENGTH))).len(), 1);
    assert_eq!(texts(&plain(&"a".repeat(LENGTH + 1))), ["a".repeat(LENGTH), "a".to_owned()]);
    // Two code units each.
    assert_eq!(texts(&plain(&"😀".repeat(LENGTH / 2))).len(), 1);
    assert_eq!(texts(&plain(&"😀".repeat(LENGTH / 2 + 1))).len(), 2);
}

#[test]
fn a_paragraph_is_better_than_a_line_and_a_line_than_a_word() {
    let (long, short) = ("a".repeat(2_000), "b".repeat(1_000));
    let rest = "c ".repeat(1_000);
    let rest = rest.trim_end();
    assert_eq!(
        texts(&plain(&format!("{long}\n\n{short}\n{rest}"))),
        [long.clone(), format!("{short}\n{rest}")]
    );
    assert_eq!(texts(&plain(&format!("{long}\n{short} {rest}")))[0], long);
    let words = texts(&plain(&"word ".repeat(1_000)));
    assert!(words.iter().all(|part| part.split(' ').all(|word| word == "word")), "{words:?}");
}

#[test]
fn a_break_that_leaves_a_part_almost_empty_is_not_taken() {
    let text = format!("Sure:\n\n{}", "word ".repeat(2_000));
    assert!(texts(&plain(&text))[0].len() > LENGTH / 2);
}

#[test]
fn a_character_is_never_cut() {
    let family = "👨‍👩‍👧‍👦";
    for part in texts(&plain(&family.repeat(1_000))) {
        assert_eq!(part.replace(family, ""), "");
    }
}

#[test]
fn what_is_piled_up_without_end_is_cut() {
    let piled = |marks: usize| format!("a{}", "\u{301}".repeat(marks));
    let first = |marks: usize| {
        let text = format!("{}{}", "b".repeat(LENGTH - 2), piled(marks));
        texts(&plain(&text))[0].chars().count()
    };
    // 64 characters stay together; with one more the part is filled.
    assert_eq!((first(63), first(64)), (LENGTH - 2, LENGTH));
    let parts = texts(&plain(&piled(2 * LENGTH)));
    assert!(parts.iter().all(|part| part.encode_utf16().count() <= LENGTH), "it fits");
    assert_eq!(parts.concat(), piled(2 * LENGTH));
}

#[test]
fn a_link_is_never_cut() {
    let label = "a label of many words ".repeat(20);
    let mut flow = plain(&"word ".repeat(790));
    flow.within(Style::Link { number: 1, url: "https://x.example".into() }, |flow| flow.push(&label));
    let parts = split(&flow);
    let with_link: Vec<_> = parts
        .iter()
        .filter(|part| part.runs.iter().any(|run| link(&run.styles).is_some()))
        .map(Flow::text)
        .collect();
    assert_eq!(with_link, [label.trim_end()]);
}

#[test]
fn a_mention_is_never_cut() {
    let mention = "@a_rather_long_name_of_somebody";
    for part in texts(&plain(&format!("{mention} ").repeat(300))) {
        assert!(part.split(' ').all(|word| word == mention), "{part}");
    }
}

#[test]
fn a_block_of_code_is_closed_and_opened_again_with_its_language() {
    let code = "    let a = 1;\n".repeat(600);
    let mut flow = Flow::default();
    flow.within(Style::Block { number: 1, language: "rust".into() }, |flow| flow.push(code.trim_end()));
    let parts = split(&flow);
    assert!(parts.len() > 1);
    for part in &parts {
        assert!(html::html(part).starts_with("<pre><code class=\"language-rust\">    let a = 1;"));
        assert!(html::html(part).ends_with("let a = 1;</code></pre>"));
        assert!(html::plain(part).starts_with("```rust\n") && html::plain(part).ends_with("\n```"));
    }
    let joined: Vec<_> = parts.iter().map(Flow::text).collect();
    assert_eq!(joined.join("\n"), code.trim_end());
}

#[test]
fn a_message_has_no_more_entities_than_telegram_takes() {
    let mut flow = Flow::default();
    for _ in 0..=ENTITIES {
        flow.within(Style::Bold, |flow| flow.push("a"));
        flow.push(" b\n");
    }
    let bold = |part: &Flow| part.runs.iter().filter(|run| !run.styles.is_empty()).count();
    let counts: Vec<_> = split(&flow).iter().map(bold).collect();
    assert_eq!(counts.iter().sum::<usize>(), ENTITIES + 1);
    assert!(counts.len() == 2 && counts.iter().all(|count| *count <= ENTITIES), "{counts:?}");
}
