//! The examples of CommonMark, alone, one behind the other, and in little room.

use openpact_text::sign::SIGN;
use openpact_text::{examples, source};

use super::*;

/// Runs of three backticks or more: each opens a block of code in Discord, or closes it.
fn fences(text: &str) -> usize {
    let runs = text.split(|c| c != '`');
    runs.filter(|run| run.len() >= 3).count()
}

fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '`').collect()
}

/// What must hold of the parts of a text: `most` is what a part may have, and a language is given again.
fn check_texts(text: &str, parts: &[String], most: usize) -> Result<(), String> {
    for part in parts {
        if UNIT.length(part) > most || part.trim().is_empty() || !fences(part).is_multiple_of(2) {
            return Err(format!("{} of {most}: {part:?}", UNIT.length(part)));
        }
    }
    let (joined, whole) = (bare(&parts.concat()), bare(text));
    if !examples::holds(&joined, &whole) {
        return Err(format!("{whole:?} is not in {joined:?}"));
    }
    // What is there besides are languages.
    let again: usize = parts.iter().skip(1).filter(|part| part.starts_with("```")).count() * 32;
    if joined.len() > whole.len() + again {
        return Err(format!("more than there was: {joined:?}"));
    }
    Ok(())
}

fn check_message(text: &str) -> Result<(), String> {
    let parts = rendered(vec![markdown(text)]);
    check_parts(&parts)?;
    let contents: Vec<_> = parts.iter().map(|part| part.plain.clone()).collect();
    let said: Vec<_> =
        parts.iter().map(|part| value(part)["content"].as_str().unwrap_or_default().to_owned()).collect();
    if said != contents || rendered(vec![markdown(text)]) != parts {
        return Err("the same message gives other parts".to_owned());
    }
    check_texts(&signless(text), &contents, MESSAGE_LENGTH)
}

/// What Discord shows of an escaped text; an error where something in it would mean something.
fn shown(escaped: &str) -> Result<String, String> {
    let mut shown = String::new();
    let mut letters = escaped.chars();
    let mut begins = true;
    while let Some(c) = letters.next() {
        let acts = matches!(c, '*' | '_' | '~' | '`' | '|' | '<' | '[' | ']');
        let c = match c {
            '\\' => letters.next().ok_or("a backslash at the end")?,
            '>' | '#' | '-' | '+' if begins => return Err(format!("{c} begins a line of {escaped:?}")),
            c if acts => return Err(format!("{c} in {escaped:?}")),
            c => c,
        };
        begins = c == '\n' || begins && c.is_whitespace();
        shown.push(c);
    }
    Ok(shown)
}

/// A notice is shown as it is: nothing of it becomes a mention, a link or a mark.
fn check_notice(text: &str) -> Result<(), String> {
    let parts = rendered(vec![Piece::Notice(text.to_owned())]);
    check_parts(&parts)?;
    let mut all = String::new();
    for part in &parts {
        for embed in value(part)["embeds"].as_array().ok_or("no embeds")? {
            let text = shown(embed["description"].as_str().unwrap_or_default())?;
            all += text.strip_prefix(SIGN).ok_or("a notice without its sign")?;
        }
    }
    let bare =
        |text: &str| text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect::<String>();
    if bare(&all) == bare(text) { Ok(()) } else { Err(format!("{all:?} for {text:?}")) }
}

/// What went into a tool cannot end the block that it stands in.
fn check_call(text: &str) -> Result<(), String> {
    let call =
        ToolCall { name: "a".into(), input: text.into(), output: Some(text.into()), state: ToolState::Done };
    let parts = rendered(vec![Piece::ToolCall(call)]);
    check_parts(&parts)?;
    let description = value(&parts[0])["embeds"][0]["description"].as_str().unwrap_or_default().to_owned();
    if [0, 4].contains(&fences(&description)) { Ok(()) } else { Err(format!("{description:?}")) }
}

#[test]
fn every_example_is_rendered_well() {
    for text in examples::all() {
        for check in [check_message, check_notice, check_call] {
            check(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        }
        for limit in [64, 100, 200] {
            let text = text.repeat(3);
            check_texts(&text, &source::split(&text, limit, UNIT), limit)
                .unwrap_or_else(|error| panic!("{text:?}: {error}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn examples_in_any_order_are_rendered_well(
        picked in prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize), 1..150),
        limit in 64..600_usize,
    ) {
        let all = examples::all();
        let texts = picked.iter().map(|(index, gap)| format!("{}{}", index.get(all), "\n".repeat(*gap)));
        let text: String = texts.collect();
        for check in [check_message, check_notice, check_call] {
            check(&text).map_err(TestCaseError::fail)?;
        }
        check_texts(&text, &source::split(&text, limit, UNIT), limit).map_err(TestCaseError::fail)?;
    }
}
