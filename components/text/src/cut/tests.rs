//! Where texts are cut.

use super::*;
use crate::Unit;
use crate::flow::{self, Flow};

const LIMIT: usize = 300;
const STYLES: usize = 20;

/// A form in which a mark takes two, and a link its address too.
#[derive(Debug, Default)]
struct Bare;

impl Form for Bare {
    const LINK: usize = 100;
    const STYLES: usize = STYLES;
    const LANGUAGES: bool = true;
    const ADDRESSES: bool = false;

    fn nested(styles: &[Style]) -> Vec<Style> {
        styles.to_vec()
    }

    fn length(text: &str, _styles: &[Style]) -> usize {
        Unit::Utf16.length(text)
    }

    fn marks(style: &Style) -> usize {
        match style {
            Style::Link { url, .. } => url.len() + 2,
            _ => 2,
        }
    }
}

fn plain(text: &str) -> Flow<Bare> {
    let mut flow = Flow::default();
    flow.push(text);
    flow
}

fn texts(flow: &Flow<Bare>) -> Vec<String> {
    Cutter::<Bare>::new(flow.runs()).pieces(LIMIT).iter().map(|piece| flow::text(piece)).collect()
}

#[test]
fn a_text_that_fits_is_one_piece() {
    assert_eq!(texts(&plain(&"a".repeat(LIMIT))).len(), 1);
    assert_eq!(texts(&plain(&"a".repeat(LIMIT + 1))), ["a".repeat(LIMIT), "a".to_owned()]);
    // Two code units each.
    assert_eq!(texts(&plain(&"😀".repeat(LIMIT / 2))).len(), 1);
    assert_eq!(texts(&plain(&"😀".repeat(LIMIT / 2 + 1))).len(), 2);
    // Its marks count.
    let bold = |length: usize| {
        let mut flow = Flow::default();
        flow.within(Style::Bold, |flow| flow.push(&"a".repeat(length)));
        texts(&flow).len()
    };
    assert_eq!((bold(LIMIT - 2), bold(LIMIT - 1)), (1, 2));
}

#[test]
fn a_paragraph_is_better_than_a_line_and_a_line_than_a_word() {
    let (long, short) = ("a".repeat(150), "b".repeat(80));
    let rest = "c ".repeat(70);
    let rest = rest.trim_end();
    assert_eq!(
        texts(&plain(&format!("{long}\n\n{short}\n{rest}"))),
        [long.clone(), format!("{short}\n{rest}")]
    );
    assert_eq!(texts(&plain(&format!("{long}\n{short} {rest}")))[0], long);
    let words = texts(&plain(&"word ".repeat(200)));
    assert!(words.iter().all(|part| part.split(' ').all(|word| word == "word")), "{words:?}");
}

#[test]
fn a_break_that_leaves_a_piece_almost_empty_is_not_taken() {
    let text = format!("Sure:\n\n{}", "word ".repeat(200));
    assert!(texts(&plain(&text))[0].len() > LIMIT / 2);
}

#[test]
fn a_character_is_never_cut() {
    let family = "👨‍👩‍👧‍👦";
    for part in texts(&plain(&family.repeat(100))) {
        assert_eq!(part.replace(family, ""), "");
    }
}

#[test]
fn what_is_piled_up_without_end_is_cut() {
    let piled = format!("a{}", "\u{301}".repeat(2 * LIMIT));
    let parts = texts(&plain(&piled));
    assert!(parts.iter().all(|part| Unit::Utf16.length(part) <= LIMIT), "it fits");
    assert_eq!(parts.concat(), piled);
}

#[test]
fn a_link_and_a_mention_are_never_cut() {
    let label = "a label of words ".repeat(5);
    let mut flow = plain(&"word ".repeat(50));
    let link = Style::Link { number: 1, url: "https://x.example".into() };
    flow.within(link.clone(), |flow| flow.push(&label));
    let pieces = Cutter::<Bare>::new(flow.runs()).pieces(LIMIT);
    let linked = pieces.iter().filter(|piece| piece.iter().any(|run| run.styles.contains(&link)));
    assert_eq!(linked.map(|piece| flow::text(piece)).collect::<Vec<_>>(), [label.trim_end()]);
    let mention = "@a_rather_long_name_of_somebody";
    for piece in texts(&plain(&format!("{mention} ").repeat(30))) {
        assert!(piece.split(' ').all(|word| word == mention), "{piece}");
    }
}

#[test]
fn it_is_told_how_good_a_place_is() {
    let place = |text: &str| Cutter::<Bare>::new(plain(text).runs()).place(10).1;
    assert_eq!(place("word"), Place::Paragraph);
    assert_eq!(place("aaaaaa\n\nbbbbbb"), Place::Paragraph);
    assert_eq!(place("aaaaaa\nbbbbbb"), Place::Line);
    assert_eq!(place("aaaaaa bbbbbb"), Place::Word);
    assert_eq!(place("aaaaaabbbbbb"), Place::Character);
}

#[test]
fn a_block_of_code_goes_on_in_the_next_piece() {
    let code = "    let a = 1;\n".repeat(60);
    let mut flow = Flow::<Bare>::default();
    flow.block("rust", code.trim_end());
    let pieces = Cutter::<Bare>::new(flow.runs()).pieces(LIMIT);
    assert!(pieces.len() > 1);
    let language = "rust".to_owned();
    let styles = [Style::Block { number: 1, language }];
    assert!(pieces.iter().all(|piece| piece.len() == 1 && piece[0].styles == styles), "{pieces:?}");
    let joined: Vec<_> = pieces.iter().map(|piece| flow::text(piece)).collect();
    assert_eq!(joined.join("\n"), code.trim_end());
}

#[test]
fn a_piece_has_no_more_styles_than_it_may() {
    let mut flow = Flow::<Bare>::default();
    for _ in 0..=STYLES {
        flow.within(Style::Bold, |flow| flow.push("a"));
        flow.push(" b\n");
    }
    let pieces = Cutter::<Bare>::new(flow.runs()).pieces(10_000);
    let bold = |piece: &Vec<Run>| piece.iter().filter(|run| !run.styles.is_empty()).count();
    assert_eq!(pieces.iter().map(bold).collect::<Vec<_>>(), [STYLES, 1]);
}
