//! Where texts are cut.

use super::*;

const LIMIT: usize = 300;

fn plain(text: &str) -> Flow {
    let mut flow = Flow::default();
    flow.push(text);
    flow
}

fn pieces_of(flow: &Flow) -> Vec<String> {
    let mut cutter = Cutter::new(flow);
    let mut pieces = vec![];
    while !cutter.is_done() {
        let (end, _) = cutter.place(LIMIT);
        pieces.extend(cutter.take(end).map(|piece| piece.text()));
    }
    pieces
}

#[test]
fn a_text_that_fits_is_one_piece() {
    assert_eq!(pieces_of(&plain(&"a".repeat(LIMIT))).len(), 1);
    assert_eq!(pieces_of(&plain(&"a".repeat(LIMIT + 1))), ["a".repeat(LIMIT), "a".to_owned()]);
    // Two code units each, and what an entity takes.
    assert_eq!(pieces_of(&plain(&"😀".repeat(LIMIT / 2 + 1))).len(), 2);
    assert_eq!(pieces_of(&plain(&"&".repeat(LIMIT / 5 + 1))).len(), 2);
}

#[test]
fn a_paragraph_is_better_than_a_line_and_a_line_than_a_word() {
    let (long, short) = ("a".repeat(150), "b".repeat(80));
    let rest = "c ".repeat(70);
    let rest = rest.trim_end();
    assert_eq!(
        pieces_of(&plain(&format!("{long}\n\n{short}\n{rest}"))),
        [long.clone(), format!("{short}\n{rest}")]
    );
    assert_eq!(pieces_of(&plain(&format!("{long}\n{short} {rest}")))[0], long);
    let words = pieces_of(&plain(&"word ".repeat(200)));
    assert!(words.iter().all(|piece| piece.split(' ').all(|word| word == "word")), "{words:?}");
}

#[test]
fn a_break_that_leaves_a_piece_almost_empty_is_not_taken() {
    let text = format!("Sure:\n\n{}", "word ".repeat(200));
    assert!(pieces_of(&plain(&text))[0].len() > LIMIT / 2);
}

#[test]
fn a_character_is_never_cut() {
    let family = "👨‍👩‍👧‍👦";
    for piece in pieces_of(&plain(&family.repeat(100))) {
        assert_eq!(piece.replace(family, ""), "");
    }
}

#[test]
fn what_is_piled_up_without_end_is_cut() {
    let piled = format!("a{}", "\u{301}".repeat(2 * LIMIT));
    let pieces = pieces_of(&plain(&piled));
    assert!(pieces.iter().all(|piece| written::length(piece) <= LIMIT), "it fits");
    assert_eq!(pieces.concat(), piled);
}

#[test]
fn a_link_and_a_mention_are_never_cut() {
    let label = "a label of words ".repeat(5);
    let mut flow = plain(&"word ".repeat(50));
    flow.within(Style::Link(1, "https://x.example".into()), |flow| flow.push(&label));
    let pieces = pieces_of(&flow);
    assert_eq!(pieces.last().map(String::as_str), Some(label.trim_end()));
    let mention = "@a_rather_long_name_of_somebody";
    for piece in pieces_of(&plain(&format!("{mention} ").repeat(30))) {
        assert!(piece.split(' ').all(|word| word == mention), "{piece}");
    }
}

#[test]
fn it_is_told_how_good_a_place_is() {
    let place = |text: &str| Cutter::new(&plain(text)).place(10).1;
    assert_eq!(place("word"), Place::Paragraph);
    assert_eq!(place("aaaaaa\n\nbbbbbb"), Place::Paragraph);
    assert_eq!(place("aaaaaa\nbbbbbb"), Place::Line);
    assert_eq!(place("aaaaaa bbbbbb"), Place::Word);
    assert_eq!(place("aaaaaabbbbbb"), Place::Character);
}
